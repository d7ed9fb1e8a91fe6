#!/bin/sh
# The scripts for sysvinit, OpenRC, runit, s6 and Buildroot's init start the program in a root of their own, as root and
# without a word about an account: it becomes slewd and has no capability left. It is killed under each supervisor, and then
# they end it.
# shellcheck disable=SC2154 # these variables are those of tests/packaging/run
set -eux
cd "$work"
mkdir -p inits
mount -t tmpfs tmpfs inits
mkdir inits/upper inits/work inits/root
mount -t overlay -o lowerdir=/,upperdir=inits/upper,workdir=inits/work overlay inits/root
root=$work/inits/root
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
# Directories here are links there: what is below them is copied.
for directory in "$inits"/*/; do
    mkdir -p "$root/${directory#"$inits"/}"
    cp -r "$directory." "$root/${directory#"$inits"/}"
done
for init in sysvinit runit s6; do
    INIT=$init BINARY=$program "$home/packaging/install" "$root"
done
mv "$root/etc/init.d/slewd" "$root/etc/init.d/slewd-sysv"
INIT=openrc BINARY=$program "$home/packaging/install" "$root"
cp "$recipes/buildroot/S49slewd" "$root/etc/init.d/S49slewd"
cat >"$root/etc/slewd/slewd.conf" <<'END'
server 127.0.0.1 iburst
cmdport 0
driftfile /var/lib/slewd/drift
pidfile /run/slewd/slewd.pid
metricsfile /run/slewd/slewd.prom 1
synchronizedfile /run/slewd/synchronized
sourcedir /run/slewd/sources.d
END
# The clock is left alone.
mkdir -p "$root/etc/conf.d"
echo 'DAEMON_OPTS=-x; SLEWD_ARGS=-x' >"$root/etc/default/slewd"
echo 'SLEWD_OPTS=-x' >"$root/etc/conf.d/slewd"
sed -i 's,^exec /usr/sbin/slewd -d,& -x,' "$root/etc/sv/slewd/run" "$root/etc/s6/sv/slewd/run"
chroot "$root" useradd -r -U -d /var/lib/slewd -s /usr/sbin/nologin slewd
install -d -m 750 "$root/var/lib/slewd"
chroot "$root" chown slewd:slewd /var/lib/slewd

# running: the daemon is there, as slewd, without capabilities.
running() {
    tries=100
    until pid=$(cat "$root/run/slewd/slewd.pid" 2>/dev/null) && account=$(stat -c %U "/proc/$pid" 2>/dev/null) &&
        [ "$account" != root ]; do
        tries=$((tries - 1))
        [ $tries -gt 0 ]
        sleep 0.1
    done
    user=$(chroot "$root" id -u slewd)
    grep -qx "Uid:	$user	$user	$user	$user" "/proc/$pid/status"
    grep -qx "CapPrm:	0000000000000000" "/proc/$pid/status"
    [ "$(readlink "/proc/$pid/exe")" = /usr/sbin/slewd ] || readlink "/proc/$pid/exe" | grep -q '/usr/sbin/slewd$'
    [ "$(chroot "$root" stat -c %U /run/slewd/sources.d)" = slewd ]
}

# vanishes PATH: it is there no more, within ten seconds.
vanishes() {
    tries=100
    while [ -e "$1" ]; do
        tries=$((tries - 1))
        [ $tries -gt 0 ]
        sleep 0.1
    done
}

# killed: SIGKILL, and soon nothing says any more that the clock is right.
killed() {
    touch "$root/run/slewd/synchronized"
    tries=100
    until grep -qx 'slewd_up 1' "$root/run/slewd/slewd.prom"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ]
        sleep 0.1
    done
    kill -9 "$pid"
    vanishes "$root/run/slewd/synchronized"
}

# ended: nobody is there any more, nor what says so.
ended() {
    vanishes "/proc/$pid"
    test ! -e "$root/run/slewd/slewd.pid"
    test ! -e "$root/run/slewd/synchronized"
    rm -rf "$root/run/slewd"
}

echo "sysvinit"
chroot "$root" /etc/init.d/slewd-sysv start
running
chroot "$root" /etc/init.d/slewd-sysv status
chroot "$root" /etc/init.d/slewd-sysv reload
chroot "$root" /etc/init.d/slewd-sysv stop
ended

echo "Buildroot, with BusyBox's start-stop-daemon"
mkdir "$root/busybox"
cp /usr/bin/busybox "$root/busybox/busybox"
for applet in start-stop-daemon sh mkdir chown sleep; do ln -s busybox "$root/busybox/$applet"; done
busybox_init() { chroot "$root" /usr/bin/env PATH=/busybox:/usr/sbin:/usr/bin /busybox/sh /etc/init.d/S49slewd "$1"; }
busybox_init start
running
busybox_init reload
busybox_init stop
ended

echo "runit"
chroot "$root" runsv /etc/sv/slewd >runit.log 2>&1 &
running
chroot "$root" sv 2 /etc/sv/slewd
# Not started again, so that it is `finish` that makes it right.
chroot "$root" sv once /etc/sv/slewd
killed
grep -qx 'slewd_up 0' "$root/run/slewd/slewd.prom"
chroot "$root" sv up /etc/sv/slewd
running
chroot "$root" sv force-stop /etc/sv/slewd
ended
chroot "$root" sv exit /etc/sv/slewd

echo "s6"
chroot "$root" s6-supervise /etc/s6/sv/slewd >s6.log 2>&1 &
running
chroot "$root" s6-svwait -t 5000 -U /etc/s6/sv/slewd
chroot "$root" s6-svc -o /etc/s6/sv/slewd
killed
grep -qx 'slewd_up 0' "$root/run/slewd/slewd.prom"
chroot "$root" s6-svc -u /etc/s6/sv/slewd
running
chroot "$root" s6-svc -wD -T 5000 -d /etc/s6/sv/slewd
ended
chroot "$root" s6-svc -x /etc/s6/sv/slewd

echo "OpenRC"
# As OpenRC's own start has it.
for state in started starting stopping inactive wasinactive failed hotplugged daemons options exclusive scheduled tmp; do
    mkdir -p "$root/run/openrc/$state"
done
touch "$root/run/openrc/softlevel"
chroot "$root" rc-service --nodeps slewd start
running
chroot "$root" rc-service --nodeps slewd reload
# supervise-daemon has no script for this: the daemon that it starts again makes it right.
killed
running
chroot "$root" rc-service --nodeps slewd stop
ended
