# A root of Debian 12 of its own. Sourced by tests/debian/run and tests/vm/systemd/build, which have set $root and have die.

# debian_root CACHE: unpacks a root with chrony and systemd into $root. The first time it is made, in CACHE, and needs the
# network.
debian_root() {
    packages=apparmor,chrony,dbus,iproute2,kmod,oathtool,passwd,systemd-sysv,udev
    tar=$1/root-$(echo "$packages" | cksum | cut -d ' ' -f 1).tar
    mkdir -p "$1"
    if [ ! -s "$tar" ]; then
        command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: apt-get install --no-install-recommends mmdebstrap"
        mmdebstrap --quiet --variant=minbase --include=$packages --format=tar bookworm "$tar.new" ||
            die "mmdebstrap could not make a Debian root: is the network there?"
        mv "$tar.new" "$tar"
    fi
    tar -C "$root" -xf "$tar" --exclude=./dev
    mkdir -p "$root/dev"
    # No service is started.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
}

# inside COMMAND: in the root, alone, without the right to set the clock.
inside() {
    # shellcheck disable=SC2016 # expanded by the second shell
    unshare --net --pid --fork --mount --kill-child setpriv --bounding-set=-sys_time,-sys_boot --inh-caps=-sys_time \
        sh -c '
        mount -t tmpfs tmpfs "$1/dev"
        for node in null zero random urandom; do : >"$1/dev/$node"; mount --bind "/dev/$node" "$1/dev/$node"; done
        mount -t proc proc "$1/proc"
        exec chroot "$1" env DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -ec "$2"' \
        sh "$root" "$1"
}

# next_version PACKAGE OUTPUT: the same package with the next version.
next_version() {
    unpacked=$(mktemp -d)
    dpkg-deb -R "$1" "$unpacked"
    sed -i 's/^Version: .*/&+next/' "$unpacked/DEBIAN/control"
    dpkg-deb --root-owner-group -b "$unpacked" "$2" >/dev/null
    rm -rf "$unpacked"
}
