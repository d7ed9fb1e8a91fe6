SUMMARY = "NTP client that sets a wrong clock in one round trip and keeps it"
DESCRIPTION = "slewd asks all its servers at once, sets the clock when those that agree cannot be outvoted any more, \
    and keeps it. It reads the configuration of chrony and answers chronyc. It does not serve time to others."
HOMEPAGE = "https://github.com/slewd/slewd"
BUGTRACKER = "https://github.com/slewd/slewd/issues"
SECTION = "net"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE-MIT;md5=@MIT_MD5@ \
                    file://LICENSE-APACHE;md5=@APACHE_MD5@"

SRC_URI = "https://github.com/slewd/slewd/releases/download/v${PV}/slewd-${PV}.tar.gz"
SRC_URI[sha256sum] = "@SHA256@"

# The crates of Cargo.lock; packaging/recipes and "bitbake -c update_crates slewd" write the file.
require ${BPN}-crates.inc

inherit cargo cargo-update-recipe-crates systemd update-rc.d useradd

PACKAGECONFIG ??= "nts"
PACKAGECONFIG[nts] = ""
CARGO_BUILD_FLAGS += "${@bb.utils.contains('PACKAGECONFIG', 'nts', '', '--no-default-features --features hwtimestamp,refclock,seccomp', d)}"

SYSTEMD_SERVICE:${PN} = "slewd.service slewd-check.timer"
INITSCRIPT_NAME = "slewd"
INITSCRIPT_PARAMS = "defaults 49"
USERADD_PACKAGES = "${PN}"
USERADD_PARAM:${PN} = "--system --user-group --no-create-home --home-dir ${localstatedir}/lib/slewd \
    --shell /sbin/nologin slewd"

do_install() {
    cd ${S}
    BINARY=${B}/target/${CARGO_TARGET_SUBDIR}/slewd SBINDIR=${sbindir} UNITDIR=${systemd_system_unitdir} \
        INIT=${@bb.utils.filter('DISTRO_FEATURES', 'systemd', d) or 'none'} packaging/install ${D}
    # Names that only Debian has.
    rm -rf ${D}${sysconfdir}/dhcp ${D}${nonarch_libdir}/networkd-dispatcher
    # The script for Buildroot's init asks for BusyBox only.
    if ${@bb.utils.contains('DISTRO_FEATURES', 'sysvinit', 'true', 'false', d)}; then
        install -D -m 0755 packaging/buildroot/S49slewd ${D}${sysconfdir}/init.d/slewd
    fi
    install -d -o slewd -g slewd -m 0750 ${D}${localstatedir}/lib/slewd
}

PACKAGE_BEFORE_PN = "${PN}-bash-completion ${PN}-zsh-completion ${PN}-fish-completion"
FILES:${PN}-bash-completion += "${datadir}/bash-completion"
FILES:${PN}-zsh-completion += "${datadir}/zsh"
FILES:${PN}-fish-completion += "${datadir}/fish"
FILES:${PN} += "${nonarch_libdir} ${systemd_system_unitdir}"
CONFFILES:${PN} = "${sysconfdir}/slewd/slewd.conf"
# setpriv, for the scripts that write what DHCP names.
RDEPENDS:${PN} = "util-linux-setpriv"
RRECOMMENDS:${PN} = "ca-certificates"
RCONFLICTS:${PN} = "chrony ntp"
