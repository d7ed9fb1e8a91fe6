#!/bin/sh
# The spec file: rpmlint, a build by rpmbuild with the program given, and what the package puts where.
# shellcheck disable=SC2154 # these variables are those of tests/packaging/run
set -eux
cd "$work"
rpmlint --rpmlintrc "$recipes/rpm/slewd.rpmlintrc" "$recipes/rpm/slewd.spec" >rpmlint.log || { cat rpmlint.log; exit 1; }
cat rpmlint.log
grep -q ' 0 errors, 0 warnings' rpmlint.log

mkdir -p rpm/SOURCES rpm-root
cp "$recipes/slewd-$version.tar.gz" "rpm/SOURCES/slewd-$version-vendored.tar.gz"
# systemd-rpm-macros are not in Debian, whose rpm keeps state elsewhere.
rpmbuild -bb --nodeps --define "_topdir $work/rpm" --define "slewd_binary $program" --define '_unitdir /usr/lib/systemd/system' \
    --define '_sharedstatedir /var/lib' \
    --define 'systemd_post() true %*' --define 'systemd_preun() true %*' --define 'systemd_postun_with_restart() true %*' \
    "$recipes/rpm/slewd.spec"
package=$(ls rpm/RPMS/*/slewd-"$version"-*.rpm)
rpm -qp --configfiles "$package" | grep -qx /etc/slewd/slewd.conf
[ "$(rpm -qp --qf '[%{FILENAMES} %{FILEUSERNAME}\n]' "$package" | grep '^/var/lib/slewd ')" = "/var/lib/slewd slewd" ]
# Installed with its scriptlets over a copy of this system, which has no account of that name, and removed.
mount -t tmpfs tmpfs rpm-root
mkdir rpm-root/upper rpm-root/work rpm-root/root
mount -t overlay -o lowerdir=/,upperdir=rpm-root/upper,workdir=rpm-root/work overlay rpm-root/root
root=$work/rpm-root/root
if chroot "$root" id slewd; then exit 1; fi
rpm --root "$root" --dbpath /db -i --nodeps --nosignature "$package"
[ "$(chroot "$root" stat -c %U:%a /var/lib/slewd)" = slewd:750 ]
chroot "$root" slewd -p
echo "# mine" >>"$root/etc/slewd/slewd.conf"
test ! -e "$root/etc/dhcp/dhclient-exit-hooks.d/slewd"
rpm --root "$root" --dbpath /db -e --nodeps slewd
test ! -e "$root/usr/sbin/slewd"
# What the administrator wrote is kept.
grep -qx "# mine" "$root/etc/slewd/slewd.conf.rpmsave"
