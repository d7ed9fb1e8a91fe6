################################################################################
#
# slewd
#
################################################################################

SLEWD_VERSION = @VERSION@
SLEWD_SOURCE = slewd-$(SLEWD_VERSION)-vendored.tar.gz
SLEWD_SITE = https://github.com/slewd/slewd/releases/download/v$(SLEWD_VERSION)
SLEWD_LICENSE = MIT or Apache-2.0
SLEWD_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE

ifeq ($(BR2_PACKAGE_SLEWD_NTS),)
SLEWD_CARGO_BUILD_OPTS = --no-default-features --features hwtimestamp,refclock,seccomp
endif

define SLEWD_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/target/$(RUSTC_TARGET_NAME)/release/slewd $(TARGET_DIR)/usr/sbin/slewd
	$(INSTALL) -D -m 0644 $(@D)/packaging/slewd.conf $(TARGET_DIR)/etc/slewd/slewd.conf
	$(INSTALL) -d $(TARGET_DIR)/etc/slewd/conf.d $(TARGET_DIR)/etc/slewd/sources.d
endef

define SLEWD_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(SLEWD_PKGDIR)/S49slewd $(TARGET_DIR)/etc/init.d/S49slewd
endef

# The units name an account, which SLEWD_USERS makes; systemd makes the directories.
define SLEWD_INSTALL_INIT_SYSTEMD
	$(foreach unit,slewd.service slewd-wait.service slewd-check.service slewd-check.timer slewd-alarm@.service,
		$(INSTALL) -D -m 0644 $(@D)/packaging/systemd/$(unit) $(TARGET_DIR)/usr/lib/systemd/system/$(unit)
	)
	$(INSTALL) -D -m 0644 $(@D)/packaging/systemd/systemd-timesyncd.service.d/slewd.conf \
		$(TARGET_DIR)/usr/lib/systemd/system/systemd-timesyncd.service.d/slewd.conf
	$(SED) 's/^DynamicUser=yes$$/RemoveIPC=yes/' $(TARGET_DIR)/usr/lib/systemd/system/slewd.service
endef

define SLEWD_USERS
	slewd -1 slewd -1 * /var/lib/slewd - - slewd NTP client
endef

define SLEWD_PERMISSIONS
	/var/lib/slewd d 750 slewd slewd - - - - -
endef

define SLEWD_CREATE_STATE_DIRECTORY
	$(INSTALL) -d $(TARGET_DIR)/var/lib/slewd
endef
SLEWD_POST_INSTALL_TARGET_HOOKS += SLEWD_CREATE_STATE_DIRECTORY

$(eval $(cargo-package))
