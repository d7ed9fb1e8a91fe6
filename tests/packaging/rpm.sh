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
rpm --root "$work/rpm-root" --dbpath /db -i --nodeps --noscripts --nosignature "$package"
"rpm-root/usr/sbin/slewd" -p -f rpm-root/etc/slewd/slewd.conf
test ! -e rpm-root/etc/dhcp
