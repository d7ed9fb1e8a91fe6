#!/bin/sh
# The container: its last stage is built by buildah from the root that the first stage lays out, and the program answers in
# it as user 323, with CAP_SYS_TIME as the only capability there can be, on a root that cannot be written to. The right is
# one of a user namespace: it does not reach the machine's clock.
# shellcheck disable=SC2154 # these variables are those of tests/packaging/run
set -eux
cd "$work"
mkdir -p container/context container/root
"$home/packaging/container/root" "$program" "$work/container/context/root"
getcap container/context/root/usr/sbin/slewd | grep -q ' cap_sys_time=ep$'
# This test may not set the clock, nor run what may.
if container/context/root/usr/sbin/slewd -v; then exit 1; fi
# The image's program is static; this one may need libraries.
for library in $(ldd "$program" | grep -o '/[^ ]*'); do
    install -D "$library" "container/context/root$library"
done
sed -n '/^FROM scratch/,$p' "$home/packaging/container/Containerfile" | sed 's,--from=build \(.*\)/root-of-image/,\1root/,' \
    >container/context/Containerfile
grep -qx 'COPY root/ /' container/context/Containerfile
sed '/^FROM scratch/,$d' "$home/packaging/container/Containerfile" | grep -q '^RUN packaging/compile'
export BUILDAH_ISOLATION=chroot
buildah="buildah --root $work/container/storage --runroot $work/container/run"
$buildah bud --format docker -t slewd container/context
$buildah inspect --type image slewd | grep -q '"User": "323:323"'
made=$($buildah from --pull-never localhost/slewd)
mounted=$($buildah mount "$made")
getcap "$mounted/usr/sbin/slewd" | grep -q ' cap_sys_time=ep$'
[ "$(stat -c %u:%g "$mounted/var/lib/slewd")" = 323:323 ]

# The container's program, as the runtime would start it.
cat >container/start <<'END'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
os.chroot(sys.argv[1])
os.chdir("/")
CAP_SYS_TIME, PR_CAPBSET_DROP = 25, 24
for capability in range(41):
    if capability != CAP_SYS_TIME and libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
        sys.exit(f"capability {capability}: {os.strerror(ctypes.get_errno())}")
os.setgroups([])
os.setgid(323)
os.setuid(323)
os.execv(sys.argv[2], sys.argv[2:])
END
cat >container/inside <<'END'
ip link set lo up
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs -o mode=1777 tmpfs "$1/run"
mount -t tmpfs -o mode=755,uid=323,gid=323 tmpfs "$1/var/lib/slewd"
start() { exec python3 "$work/container/start" "$@"; }
# The right to set the clock is there: with -x it is given up, and nobody may touch this machine's clock.
start "$1" /usr/sbin/slewd -d -x -t 20 &
daemon=$!
tries=100
until (start "$1" /usr/sbin/slewd status); do
    tries=$((tries - 1))
    [ $tries -gt 0 ]
    sleep 0.1
done
grep -qx 'Uid:	323	323	323	323' /proc/$daemon/status
grep -qx 'CapBnd:	0000000002000000' /proc/$daemon/status
grep -q '^Seccomp:	2$' /proc/$daemon/status
# No server answers here, and the check of the image's health says so: CRITICAL.
status=0
(start "$1" /usr/sbin/slewd check) || status=$?
[ $status = 2 ]
kill $daemon
wait $daemon || :
END
# unshare's own maps want a line in /etc/subuid.
mkfifo container/mapped
# shellcheck disable=SC2016 # expanded inside
unshare --user --net --mount sh -c 'read -r _ <container/mapped; exec sh -eux container/inside "$1"' sh "$mounted" &
inside=$!
tries=100
while [ "$(readlink /proc/$inside/ns/user)" = "$(readlink /proc/$$/ns/user)" ]; do
    tries=$((tries - 1))
    [ $tries -gt 0 ]
    sleep 0.1
done
echo "0 0 65536" >/proc/$inside/uid_map
echo "0 0 65536" >/proc/$inside/gid_map
echo >container/mapped
wait $inside
