#!/bin/sh
# The PKGBUILD: makepkg checks the archive's checksum and makes the package, with a cargo that has built already.
# shellcheck disable=SC2154 # these variables are those of tests/packaging/run
set -eux
cd "$work"
mkdir -p arch
cp "$recipes/arch/PKGBUILD" "$recipes/slewd-$version.tar.gz" arch/
chown -R nobody: arch
chmod 755 "$work"
printf 'CARCH=x86_64\nCHOST=x86_64-pc-linux-gnu\nPKGEXT=.pkg.tar\nSRCEXT=.src.tar.gz\nDLAGENTS=()\nOPTIONS=(!strip !debug)\nINTEGRITY_CHECK=(sha256)\nMAN_DIRS=(usr/share/man)\n' >arch/makepkg.conf
cp "$program" "$work/bin/program"
cd arch
setpriv --reuid nobody --regid nogroup --clear-groups env -i HOME="$work/arch" PATH="$work/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    program="$work/bin/program" makepkg --config "$work/arch/makepkg.conf" -d --noconfirm
mkdir root
tar -C root -xf "slewd-$version-1-x86_64.pkg.tar"
grep -qx 'backup = etc/slewd/slewd.conf' root/.PKGINFO
root/usr/bin/slewd -p -f root/etc/slewd/slewd.conf
test ! -e root/usr/sbin
# Units name the program where it is. Scripts find it by Arch's link from /usr/sbin to /usr/bin.
if grep -r /usr/sbin/slewd root/usr/lib/systemd; then exit 1; fi
