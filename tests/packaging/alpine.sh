#!/bin/sh
# The APKBUILD, which abuild reads as a script of BusyBox's shell: its functions are run as abuild would run them.
# shellcheck disable=SC2154 # these variables are those of tests/packaging/run
set -eux
cd "$work"
mkdir -p alpine/package
tar -C alpine -xf "$recipes/slewd-$version.tar.gz"
cat >alpine/abuild <<'END'
set -eu
default_prepare() { :; }
CTARGET=x86_64-alpine-linux-musl
pkgdir=$work/alpine/package
. "$recipes/alpine/APKBUILD"
cd "$work/alpine/$pkgname-$pkgver"
prepare
build
chown() { :; }
# There is no account of that name here.
install() { command install $(printf '%s\n' "$@" | sed 's/^slewd$/0/'); }
package
[ -f "$recipes/alpine/$install" ]
cd "$recipes"
printf '%s\n' "$sha512sums" | sed '/^$/d' | sha512sum -c
END
PATH=$work/bin:$PATH busybox ash alpine/abuild
package=alpine/package
"$package/usr/sbin/slewd" -p -f "$package/etc/slewd/slewd.conf"
for file in etc/init.d/slewd etc/udhcpc/post-bound/slewd etc/udhcpc/pre-deconfig/slewd usr/share/zsh/site-functions/_slewd; do
    test -s "$package/$file"
done
test ! -e "$package/etc/dhcp"
test ! -e "$package/usr/lib/systemd"

# The account, twice: an upgrade finds it.
mkdir -p alpine/bin
for applet in addgroup adduser; do
    printf '#!/bin/sh\necho "%s $*" >>%s/alpine/accounts; [ ! -e %s/alpine/made ]\n' "$applet" "$work" "$work" >"alpine/bin/$applet"
    chmod 755 "alpine/bin/$applet"
done
PATH=$work/alpine/bin:$PATH busybox ash "$recipes/alpine/slewd.pre-install"
touch alpine/made
PATH=$work/alpine/bin:$PATH busybox ash "$recipes/alpine/slewd.pre-install"
grep -c 'adduser .*-s /sbin/nologin -G slewd .*slewd$' alpine/accounts | grep -qx 2

# A lease comes, and goes.
mkdir -p alpine/post-bound alpine/pre-deconfig
for hook in post-bound pre-deconfig; do
    sed 's,exec /usr/lib/slewd/write-servers,echo,' "$package/etc/udhcpc/$hook/slewd" >"alpine/$hook/slewd"
done
[ "$(interface=eth0 ntpsrv="192.0.2.1 192.0.2.2" busybox ash "$work/alpine/post-bound/slewd")" = "udhcpc-eth0 192.0.2.1 192.0.2.2" ]
[ "$(interface=eth0 ntpsrv="192.0.2.1 192.0.2.2" busybox ash "$work/alpine/pre-deconfig/slewd")" = udhcpc-eth0 ]
