#!/bin/sh
# The package for Buildroot: make reads it and runs its commands for the target; Buildroot's own functions are stood in for.
# shellcheck disable=SC2154 # these variables are those of tests/packaging/run
set -eux
cd "$work"
mkdir -p buildroot/build/target/x86_64-unknown-linux-musl/release buildroot/target
tar -C buildroot/build --strip-components=1 -xf "$recipes/slewd-$version.tar.gz"
cp "$program" buildroot/build/target/x86_64-unknown-linux-musl/release/slewd
cat >buildroot/Makefile <<'END'
INSTALL = /usr/bin/install
SED = sed -i -e
RUSTC_TARGET_NAME = x86_64-unknown-linux-musl
TARGET_DIR = $(CURDIR)/target
SLEWD_PKGDIR = $(RECIPES)/buildroot
cargo-package =
include $(SLEWD_PKGDIR)/slewd.mk
.PHONY: build/all
build/all:
	$(SLEWD_INSTALL_TARGET_CMDS)
	$(SLEWD_INSTALL_INIT_SYSV)
	$(SLEWD_INSTALL_INIT_SYSTEMD)
	$(SLEWD_CREATE_STATE_DIRECTORY)
	echo '$(SLEWD_SOURCE) $(SLEWD_CARGO_BUILD_OPTS)' >said
END
make -C buildroot RECIPES="$recipes" build/all
[ "$(cat buildroot/said)" = "slewd-$version-vendored.tar.gz --no-default-features --features hwtimestamp,refclock,seccomp" ]
buildroot/target/usr/sbin/slewd -p -f buildroot/target/etc/slewd/slewd.conf
test -x buildroot/target/etc/init.d/S49slewd
test -s buildroot/target/usr/lib/systemd/system/slewd-alarm@.service
if grep DynamicUser=yes buildroot/target/usr/lib/systemd/system/slewd.service; then exit 1; fi
test -d buildroot/target/var/lib/slewd
# Licences, which Buildroot checks by these sums.
(cd "$home" && grep LICENSE "$recipes/buildroot/slewd.hash" | sed 's/^sha256  //' | sha256sum -c)
