#!/bin/sh
# The recipe for BitBake: oelint-adv finds no error and no warning; the list of crates is that of Cargo.lock.
# shellcheck disable=SC2154 # these variables are those of tests/packaging/run
set -eux
cd "$recipes/yocto"
# There is no network to try the home page. The list begins as BitBake's update_crates writes it.
PYTHONPATH=$linter python3 -m oelint_adv --hide info --quiet --suppress oelint.vars.homepageping \
    --suppress oelint.vars.inconspaces "slewd_$version.bb"
crates=$(grep -c '^checksum = ' "$home/Cargo.lock")
[ "$(grep -c '^    crate://crates.io/' slewd-crates.inc)" = "$crates" ]
[ "$(grep -c '^SRC_URI\[.*\.sha256sum\] = "[0-9a-f]\{64\}"$' slewd-crates.inc)" = "$crates" ]

# do_install, with BitBake's variables and expressions expanded by hand: for an image with systemd and sysvinit.
cd "$work"
mkdir -p yocto/build/target/release yocto/image
tar -C yocto -xf "$recipes/slewd-$version.tar.gz"
cp "$program" yocto/build/target/release/slewd
{
    echo 'set -eux'
    # There is no account of that name here.
    # shellcheck disable=SC2016 # expanded by the script
    echo 'install() { [ "$2" = -o ] || { command install "$@"; return; }; command install -d -m 750 "$8"; }'
    sed -n '/^do_install() {/,/^}/p' "$recipes/yocto/slewd_$version.bb" | sed -e "s,\${@bb.utils.filter([^}]*},systemd,; \
        s,\${@bb.utils.contains([^}]*},true,; s,\${S},$work/yocto/slewd-$version,; s,\${B},$work/yocto/build,; \
        s,\${D},$work/yocto/image,g; s,\${CARGO_TARGET_SUBDIR},release,; s,\${sbindir},/usr/sbin,; s,\${sysconfdir},/etc,g; \
        s,\${systemd_system_unitdir},/usr/lib/systemd/system,; s,\${nonarch_libdir},/usr/lib,; s,\${localstatedir},/var,"
    echo do_install
} >yocto/do_install
# shellcheck disable=SC2016 # a text
if grep '\${' yocto/do_install; then exit 1; fi
sh yocto/do_install
yocto/image/usr/sbin/slewd -p -f yocto/image/etc/slewd/slewd.conf
test -x yocto/image/etc/init.d/slewd
test -s yocto/image/usr/lib/systemd/system/slewd.service
test ! -e yocto/image/etc/dhcp
test -d yocto/image/var/lib/slewd
