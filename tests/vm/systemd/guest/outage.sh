# All servers fall silent. The limits are an administrator's; as shipped, answers may be 70 minutes old.
mkdir -p /etc/systemd/system/slewd-check.service.d /etc/systemd/system/slewd-check.timer.d
printf '[Service]\nExecStart=\nExecStart=/usr/sbin/slewd check --age-warning 25 --age-critical 30\n' \
    >/etc/systemd/system/slewd-check.service.d/limits.conf
printf '[Timer]\nOnBootSec=\nOnUnitInactiveSec=\nOnActiveSec=1s\nOnUnitInactiveSec=5s\nAccuracySec=1s\n' \
    >/etc/systemd/system/slewd-check.timer.d/often.conf
more_alarms() { [ "$(alarms)" -gt "$before" ] && echo more; }

promise outage
soon 30 yes timedate NTPSynchronized
systemctl daemon-reload
systemctl restart slewd-check.timer
soon 20 success property slewd-check.service Result
before=$(alarms)
kill -STOP "$(cat /run/servers)"
began=$(timeprobe raw)
soon 60 failed active slewd-check.service
took=$(calc "$(timeprobe raw) - $began")
soon 10 more more_alarms
is active active slewd.service
judge "slewd-check failed $took s after the servers had fallen silent (limit 25 s, every 5 s), and its OnFailure unit ran"

promise outage-over
kill -CONT "$(cat /run/servers)"
soon 60 inactive active slewd-check.service
is success property slewd-check.service Result
that holds "$(wrong_by) < 0.1"
judge "slewd-check is content again, the clock is $(error_now) s wrong"
rm -r /etc/systemd/system/slewd-check.service.d /etc/systemd/system/slewd-check.timer.d
systemctl daemon-reload
systemctl restart slewd-check.timer
