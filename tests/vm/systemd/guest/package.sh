# The life of the package on a running system.
pid() { property slewd.service MainPID; }
version() { dpkg-query -W -f '${Version}' slewd; }
quietly() { "$@" >/run/dpkg.log 2>&1 || { sed 's/^/@LOG dpkg: /' /run/dpkg.log; return 1; }; }
# What is left of the package, but for what was never its own.
left() {
    find / -xdev -path /guest -prune -o -path /proc -prune -o -path /var/lib/dpkg -prune -o -path /var/log/dpkg.log -prune -o \
        -path /var/log/apt -prune -o -path /tmp/slewd.deb -prune -o -name '*slewd*' -print
    find /run -path '/run/udev' -prune -o -name '*slewd*' -print
    grep -h slewd /etc/passwd /etc/group /etc/shadow
    ls -d /var/lib/private/* 2>/dev/null
}
was=$(version)

promise upgrade
first=$(pid)
echo '# mine' >>/etc/slewd/slewd.conf
that quietly dpkg -i /guest/next.deb
is "$was+next" version
soon 20 active active slewd.service
that [ "$first" != "$(pid)" ]
says '# mine' tail -n 1 /etc/slewd/slewd.conf
soon 40 yes timedate NTPSynchronized
judge "slewd was restarted, and the administrator's configuration stayed"

promise downgrade
first=$(pid)
that quietly dpkg -i /guest/this.deb
is "$was" version
soon 20 active active slewd.service
that [ "$first" != "$(pid)" ]
says '# mine' tail -n 1 /etc/slewd/slewd.conf
that [ -s /var/lib/slewd/drift ]
judge "the same the other way"

promise remove
# A unit that has failed is not to be remembered for ever.
that systemctl stop slewd.service
is failed checked
that quietly dpkg -r slewd
is inactive active slewd.service
is inactive active slewd-check.timer
that [ ! -e /usr/sbin/slewd ]
that [ -s /var/lib/slewd/drift ]
that [ -s /etc/slewd/slewd.conf ]
that systemctl start systemd-timesyncd.service
is active active systemd-timesyncd.service
that systemctl stop systemd-timesyncd.service
judge "configuration and state stayed; systemd-timesyncd may run again"

promise purge
rm -f /etc/udev/rules.d/60-slewd.rules /etc/slewd/conf.d/guest.conf
that quietly dpkg -P slewd
is '' left
is '' systemctl --failed --plain --no-legend
judge "nothing is left, neither in /var/lib/private nor of the account"

promise over-chrony
that quietly dpkg -i /guest/chrony.deb
for number in 1 2 3 4; do echo "server 127.0.0.$number iburst minpoll 2 maxpoll 4"; done >/etc/chrony/conf.d/guest.conf
that systemctl restart chrony.service
is active active chrony.service
soon 40 1 sh -c 'chronyc -n sources | grep -c "^^\*"'
that systemctl stop chrony.service
that systemctl start chrony.service
that quietly apt-get install -y --no-install-recommends /guest/this.deb
is inactive active chrony.service
soon 20 active active slewd.service
that quietly /usr/lib/slewd/from-chrony --dry-run
that quietly /usr/lib/slewd/from-chrony
that systemctl restart slewd.service
soon 30 yes timedate NTPSynchronized
says '127\.0\.0\.[1-4]' slewd sources
is slewd stat -c %U /var/lib/slewd/drift
that holds "$(wrong_by) < 0.1"
judge "apt removed chrony, from-chrony took its servers and its drift file over, and the clock is $(error_now) s wrong"

promise back
that quietly apt-get install -y --no-install-recommends /guest/chrony.deb
is inactive active slewd.service
is inactive active slewd-check.timer
that [ ! -e /usr/sbin/slewd ]
that [ -s /etc/slewd/slewd.conf ]
soon 20 active active chrony.service
soon 40 1 sh -c 'chronyc -n sources | grep -c "^^\*"'
that quietly dpkg -P slewd
is '' left
is '' systemctl --failed --plain --no-legend
judge "apt removed slewd, chrony has its servers again; then slewd was purged, with what from-chrony had copied"
