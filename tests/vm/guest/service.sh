# Does systemd run the shipped units as they are meant: without root, told of everything, and restarted when it hangs?
# It is the first process of a namespace of its own.
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /etc/slewd /etc/default /usr/sbin
ln -sf /bin/slewd /usr/sbin/slewd
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
start_servers
fault -14400s
write_conf
cp /tmp/client/conf /etc/slewd/slewd.conf
sed -i 's/^driftfile.*/driftfile \/var\/lib\/slewd\/drift/' /etc/slewd/slewd.conf
mkdir /etc/slewd/sources
printf '%s\n' 'sourcedir /etc/slewd/sources' \
    'synchronizedfile /run/slewd/synchronized /run/systemd/timesync/synchronized' \
    'onchange /etc/slewd/alarm' 'metricsfile /run/slewd/slewd.prom 1' >>/etc/slewd/slewd.conf
cat >/etc/slewd/alarm <<'END'
#!/bin/sh
echo "$SLEWD_EVENT $(id -u) $(awk '$1 == "CapEff:" || $1 == "CapAmb:" { print $2 }' /proc/self/status | xargs)" >>/run/slewd/alarms
END
chmod 755 /etc/slewd/alarm
echo 'DAEMON_OPTS="-l /run/slewd/log"' >/etc/default/slewd
# Shipped are five minutes, and no directory that is systemd-timesyncd's.
mkdir -p /etc/systemd/system/slewd.service.d
printf '[Service]\nWatchdogSec=2s\nRuntimeDirectory=systemd/timesync\n' >/etc/systemd/system/slewd.service.d/test.conf
printf '[Unit]\nWants=slewd.service slewd-wait.service\n' >/etc/systemd/system/guest.target

unshare -f -p -m --mount-proc env container=guest systemd --system --unit=guest.target --log-target=console --log-level=info --show-status=no &
# process NAME: the first of that name.
process() { grep -l "^Name:.$1\$" /proc/[0-9]*/status 2>/dev/null | tr -dc '0-9\n' | head -n 1; }
until init=$(process systemd) && [ -n "$init" ] && [ -e /run/systemd/private ]; do sleep 0.1; done
# It listens only to those whose processes it sees.
manager() { nsenter -t "$init" -p -m systemctl "$@"; }
state() { manager show -P "$2" "$1" 2>&1; }
# wait_until SECONDS TEXT COMMAND...: waits until the command prints the text.
wait_until() {
    patience=$1 text=$2
    shift 2
    for _ in $(seq "${patience}0"); do
        if [ "$("$@")" = "$text" ]; then return 0; fi
        sleep 0.1
    done
    say LOG "service: '$*' says '$("$@")', not '$text'"
    return 1
}
broken=
# What follows a broken promise is of no use.
promise() { [ -n "$broken" ] || "$@" || broken=" '$*'"; }
promise wait_until 20 active state slewd-wait.service ActiveState
promise wait_until 5 active state time-sync.target ActiveState
left=$(error_now)
promise holds "$(size "$left") < 0.01"
promise wait_until 5 active state slewd.service ActiveState
say LOG "service: $(state slewd.service StatusText)"
case $(state slewd.service StatusText) in "Synchronised to 127.0.0."*) ;; *) promise false status ;; esac
main=$(process slewd)
user=$(awk '$1 == "Uid:" { print $3 }' /proc/"$main"/status)
capabilities=$(awk '$1 == "CapEff:" { print $2 }' /proc/"$main"/status)
promise holds "$user >= 61184 && $user <= 65519"
# CAP_SYS_TIME: UDP port 323 is open by now, and needs no right any more.
promise [ "$capabilities" = 0000000002000000 ]
promise [ "$(stat -L -c %a /run/slewd) $(stat -L -c %a /run/chrony) $(stat -L -c %a /run/slewd/synchronized)" = "755 750 644" ]
promise [ -e /run/systemd/timesync/synchronized ]
none=0000000000000000
promise [ "$(cat /run/slewd/alarms | xargs)" = "synchronised $user $none $none step $user $none $none" ]
promise grep -q '^slewd_up 1' /run/slewd/slewd.prom
echo 'server 127.0.0.5' >/etc/slewd/sources/new.sources
promise manager reload slewd.service
promise wait_until 5 active state slewd.service ActiveState
promise wait_until 5 1 grep -c "Added source 127.0.0.5" /run/slewd/log
kill -STOP "$main"
promise wait_until 30 1 state slewd.service NRestarts
promise wait_until 30 active state slewd.service ActiveState
sed 's/^/@LOG service: /' /run/slewd/log
promise manager stop slewd.service
promise [ ! -e /run/slewd/synchronized ]
promise [ ! -e /run/systemd/timesync/synchronized ]
figure service "user $user, capabilities $capabilities, left $left s"
kill -9 "$init"
if [ -z "$broken" ]; then
    passed service "systemd started, was told, reloaded, restarted and stopped it; time-sync.target waited for the clock"
else
    failed service "broken:$broken"
fi
