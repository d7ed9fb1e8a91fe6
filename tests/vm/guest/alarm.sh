# Is somebody told when the clock is stepped, and when another program sets it? And is there a sign that it is right?
mkdir -m 777 /tmp/alarms
cat >/tmp/hook <<'END'
#!/bin/sh
echo "$SLEWD_EVENT $SLEWD_OFFSET $SLEWD_SYNCHRONISED $(id -u)" >>/tmp/alarms/list
END
chmod 755 /tmp/hook
start_servers
fault -14400s
write_conf 'onchange /tmp/hook'

# told EVENT: waits until the command was run for it.
told() {
    for _ in $(seq 200); do
        if grep -q "^$1 " /tmp/alarms/list 2>/dev/null; then return 0; fi
        sleep 0.1
    done
    return 1
}
# by EVENT: how far the clock was moved the first time.
by() { awk -v event="$1" '$1 == event { print $2; exit }' /tmp/alarms/list; }

sign=/run/slewd/synchronized
start_client "$client"
told synchronised && told step && [ -e $sign ] && signed=yes
date -s "@$(($(date +%s) - 5))" >/dev/null
told clock-changed
for _ in $(seq 100); do [ "$(grep -c '^step ' /tmp/alarms/list)" = 2 ] && break; sleep 0.1; done
left=$(error_now)
stop_client
[ -e $sign ] && signed="left behind"
client_log alarm
sed 's/^/@LOG alarm: /' /tmp/alarms/list
events=$(cut -d' ' -f1 /tmp/alarms/list | xargs)
users=$(awk '{ print $4 }' /tmp/alarms/list | sort -u | xargs)
figure alarm "events $events; step $(by step) s, set by others $(by clock-changed) s, left $left s"
# near VALUE WANTED BY
near() { holds "$(size "$(calc "($1) - ($2)")") < $3"; }
if [ "$events" = "synchronised step clock-changed step" ] && [ "$users" = "$(id -u _chrony)" ] && [ "${signed:-no}" = yes ] &&
    near "$(by step)" 14400 0.5 && near "$(by clock-changed)" -5.5 0.7 && near "$left" 0 0.01; then
    passed alarm "the command was told of both, as the account of the daemon, and the sign was there in between"
else
    failed alarm "events '$events', step '$(by step)', set by others '$(by clock-changed)', users '$users', sign '${signed:-none}'"
fi
