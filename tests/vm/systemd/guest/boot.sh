# The order at boot, with servers that are silent until everything else waits for them.
heard() { [ "$(alarms)" -gt 0 ] && echo heard; }

promise boot-order
soon 90 active active slewd.service
soon 60 activating active slewd-wait.service
at_first=$(wrong_by)
that holds "$at_first > 14000"
sleep 3
is activating active slewd-wait.service
is inactive active time-sync.target
is inactive active totp.service
is no timedate NTPSynchronized
refused=no
sh /guest/totp.sh
/guest/accepted || refused=yes
rm /run/totp
early=$broken

# With the limits that are shipped, and before any server was heard.
promise alarm
is failed checked
soon 10 heard heard
says 'OnBootUSec=5min.*next_elapse=5min' property slewd-check.timer TimersMonotonic
judge "slewd-check failed and its OnFailure unit ran; the timer runs it every five minutes"

promise boot-order
broken=$early
start_servers
echo "$servers" >/run/servers
started=$(timeprobe raw)
soon 60 active active time-sync.target
took=$(calc "$(timeprobe raw) - $started")
soon 20 active active totp.service
error=$(value error /run/totp)
that holds "$(size "$error") < 0.5"
waited=$(property slewd-wait.service ExecMainExitTimestampMonotonic)
reached=$(property time-sync.target ActiveEnterTimestampMonotonic)
began=$(property totp.service ExecMainStartTimestampMonotonic)
that holds "0 < $waited && $waited <= $reached && $reached <= $began"
judge "time-sync.target waited while the clock was $at_first s wrong; it was reached $took s after the servers, $error s wrong"

promise totp
is yes echo $refused
that /guest/accepted
judge "a code was refused before; that of a service after time-sync.target was accepted"

promise timedatectl
soon 30 yes timedate NTPSynchronized
says 'System clock synchronized: yes' timedatectl status
says 'NTP service: active' timedatectl status
is yes timedate CanNTP
is inactive checked
is '' systemctl --failed --plain --no-legend
judge "synchronised; slewd-check is content, and no unit has failed"
