#!/bin/sh
# OpenWrt: make expands the package's definitions, and its scripts run in BusyBox's shell; uci, ubus, jsonfilter and procd
# are stood in for.
# shellcheck disable=SC2154 # these variables are those of tests/packaging/run
set -eux
cd "$work"
bin=$work/openwrt/bin
mkdir -p "$bin" openwrt/feeds/packages/lang/rust openwrt/include openwrt/staging/bin openwrt/root

cat >openwrt/rules.mk <<'END'
INCLUDE_DIR = $(TOPDIR)/include
PKG_INSTALL_DIR = $(TOPDIR)/staging
INSTALL_DIR = install -d
INSTALL_BIN = install -m 755
INSTALL_DATA = install -m 644
INSTALL_CONF = install -m 600
END
printf 'BuildPackage = install:\n' >openwrt/include/package.mk
: >openwrt/feeds/packages/lang/rust/rust-package.mk
# shellcheck disable=SC2016 # expanded by make
printf 'install:\n\t$(call Package/slewd/install,%s)\nscript:\n\t$(file >%s,$(Package/slewd/postinst))$(file >%s,$(Package/slewd/postrm))\n' \
    "$work/openwrt/root" "$work/openwrt/postinst" "$work/openwrt/postrm" >openwrt/install.mk
cp "$program" openwrt/staging/bin/slewd
make -C "$recipes/openwrt" TOPDIR="$work/openwrt" -f Makefile -f "$work/openwrt/install.mk" install script
root=openwrt/root
mkdir -p $root/etc/rc.d
ln -s ../init.d/sysntpd $root/etc/rc.d/S98sysntpd
IPKG_INSTROOT=$work/$root busybox ash openwrt/postinst
test ! -L $root/etc/rc.d/S98sysntpd
IPKG_INSTROOT=$work/$root busybox ash openwrt/postrm

# uci: "system.ntp.server=a", one entry of a list a line, in $work/openwrt/settings.
cat >"$bin/uci" <<'END'
#!/bin/sh
separator=' '
while [ "$1" != get ]; do
    case $1 in -d) separator=$2 && shift ;; esac
    shift
done
grep -q "^$2=" "$work/openwrt/settings" || exit 1
sed -n "s/^$2=//p" "$work/openwrt/settings" | { read -r line; printf %s "$line"; while read -r line; do printf %s "$separator$line"; done; echo; }
END
chmod 755 "$bin/uci"
export PATH="$bin:$PATH"
translated() {
    printf '%s\n' "$@" >openwrt/settings
    busybox ash $root/usr/lib/slewd/from-uci >openwrt/slewd.conf
    "$program" -p -f openwrt/slewd.conf >openwrt/read
}
translated system.ntp.server=0.openwrt.pool.ntp.org system.ntp.server=2001:db8::1 "slewd.main.makestep=0.5 2" \
    slewd.main.driftfile=/etc/slewd.drift "slewd.main.directive=minsources 2" "slewd.main.directive=pool pool.example.net iburst maxsources 3"
cat openwrt/read
for line in "server 0.openwrt.pool.ntp.org iburst" "server 2001:db8::1 iburst" "makestep 0.5 2" "driftfile /etc/slewd.drift" \
    "minsources 2" "pool pool.example.net iburst maxsources 3" "sourcedir /var/run/slewd-dhcp"; do
    grep -qxF "$line" openwrt/read
done
# Only what OpenWrt has by itself, and no servers of DHCP.
translated system.ntp.server=0.openwrt.pool.ntp.org system.ntp.use_dhcp=0
grep -qx "makestep 1 3" openwrt/read
if grep sourcedir openwrt/read; then exit 1; fi
# An option of somebody else's does not follow a server's name.
translated "system.ntp.server=192.0.2.1 trust"
if grep trust openwrt/read; then exit 1; fi
# A mistake is refused, with its line.
if translated system.ntp.server=192.0.2.1 "slewd.main.directive=minsources two"; then exit 1; fi

# procd's script, with rc.common's functions stood in for.
sed "s,/var/run,$work/openwrt/run,g" $root/usr/lib/slewd/from-uci >openwrt/from-uci
chmod 755 openwrt/from-uci
sed "s,/usr/lib/slewd/from-uci,$work/openwrt/from-uci,; s,/var/run,$work/openwrt/run,g; s,/var/lib,$work/openwrt/lib,g;
    s,^    /usr/sbin/slewd,    $program," \
    "$root/etc/init.d/slewd" >openwrt/init
printf 'system.ntp.server=127.0.0.1\n' >openwrt/settings
mkdir -p openwrt/run
cat >openwrt/procd <<'END'
set -eu
chown() { echo "chown $*"; }
procd_open_instance() { :; }
procd_close_instance() { :; }
procd_set_param() { echo "$*"; }
procd_add_reload_trigger() { echo "trigger $*"; }
. "$work/openwrt/init"
start_service
service_triggers
# As after a kill.
: >"$work/openwrt/run/slewd/synchronized"
service_stopped
END
busybox ash openwrt/procd >openwrt/said
cat openwrt/said
grep -qx "command /usr/sbin/slewd -n -u slewd -f $work/openwrt/run/slewd-uci.conf" openwrt/said
grep -qx "trigger slewd system" openwrt/said
"$program" -p -f openwrt/run/slewd-uci.conf
test ! -e openwrt/run/slewd/synchronized
printf 'system.ntp.enabled=0\n' >openwrt/settings
if busybox ash openwrt/procd | grep command; then exit 1; fi

# A lease comes, and goes.
printf '#!/bin/sh\necho "$*"\n' >"$bin/ubus"
# shellcheck disable=SC2016 # expanded by the script
printf '#!/bin/sh\nread -r asked; [ "$asked $*" = "call network.interface.wan status -e @.data.ntpserver" ] && echo "192.0.2.7 192.0.2.8"\n' \
    >"$bin/jsonfilter"
chmod 755 "$bin/ubus" "$bin/jsonfilter"
sed "s,/var/run,$work/openwrt/run,g" "$root/etc/hotplug.d/iface/50-slewd" >openwrt/hotplug
ACTION=ifup INTERFACE=wan busybox ash openwrt/hotplug
printf 'server 192.0.2.7 iburst\nserver 192.0.2.8 iburst\n' | diff - openwrt/run/slewd-dhcp/wan.sources
ACTION=ifdown INTERFACE=wan busybox ash openwrt/hotplug
test ! -e openwrt/run/slewd-dhcp/wan.sources
