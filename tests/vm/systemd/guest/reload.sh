# A new configuration, and new servers.
has() { slewd sources | grep -c "$1"; }

promise hangup
soon 30 active active slewd.service
echo 'server 127.0.0.7' >/etc/slewd/conf.d/more.conf
pid=$(property slewd.service MainPID)
that systemctl kill -s HUP slewd.service
soon 20 1 has 127.0.0.7
is active active slewd.service
now=$(property slewd.service MainPID)
soon 30 yes timedate NTPSynchronized
judge "after SIGHUP slewd has the new configuration and is active (process $pid, now $now)"
rm /etc/slewd/conf.d/more.conf

promise reload
pid=$(property slewd.service MainPID)
echo 'server 127.0.0.8' >/run/slewd/sources.d/lease.sources
that systemctl reload slewd.service
soon 10 1 has 127.0.0.8
rm /run/slewd/sources.d/lease.sources
that systemctl reload slewd.service
soon 10 0 has 127.0.0.8
is "$pid" property slewd.service MainPID
judge "servers of a lease come and go without a restart"

promise killed
echo 'metricsfile /run/slewd/slewd.prom 1' >/etc/slewd/conf.d/more.conf
mkdir -p /run/systemd/system/slewd.service.d
# Shipped are 3 s: too short to look.
printf '[Service]\nRestartSec=10s\n' >/run/systemd/system/slewd.service.d/later.conf
systemctl daemon-reload
that systemctl restart slewd.service
claims() { grep -c '^slewd_up 1$' /run/slewd/slewd.prom; ls /run/slewd/synchronized 2>/dev/null; }
all_is_well="1
/run/slewd/synchronized"
soon 40 "$all_is_well" claims
that systemctl kill -s KILL slewd.service
soon 9 0 claims
soon 30 "$all_is_well" claims
is 1 property slewd.service NRestarts
judge "after SIGKILL neither the metrics nor /run/slewd/synchronized said that all is well, until it ran again"
rm -r /run/systemd/system/slewd.service.d /etc/slewd/conf.d/more.conf
systemctl daemon-reload
