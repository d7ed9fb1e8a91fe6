# systemd-timesyncd is installed beside slewd, and enabled. Whatever asks for it, slewd goes on.
pid=$(property slewd.service MainPID)
# asked COMMAND...: whatever it answers, it answers in time.
asked() { timeout 40 "$@" >/run/asked 2>&1; [ $? != 124 ]; }

promise timesyncd
is inactive active systemd-timesyncd.service
that asked systemctl start systemd-timesyncd.service
is inactive active systemd-timesyncd.service
# Each waits for 25 s, until D-Bus says that nobody answers.
timedatectl show-timesync >/dev/null 2>&1 &
that asked timedatectl timesync-status
answer=$(head -n 1 /run/asked)
wait
that asked timedatectl status
is inactive active systemd-timesyncd.service
is "$pid" property slewd.service MainPID
is active active slewd.service
judge "does not start, slewd was not touched; timesync-status says: $answer"

promise set-ntp
that timedatectl set-ntp false
soon 10 inactive active slewd.service
is disabled systemctl is-enabled slewd.service
is no timedate NTP
that timedatectl set-ntp true
soon 10 active active slewd.service
is enabled systemctl is-enabled slewd.service
is yes timedate NTP
is inactive active systemd-timesyncd.service
soon 30 yes timedate NTPSynchronized
judge "false stops and disables slewd, true starts and enables it"
