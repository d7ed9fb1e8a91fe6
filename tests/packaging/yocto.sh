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
