//! One program for all targets: SLEWD_FUZZ_TARGET names the one that libFuzzer feeds.
#![no_main]

mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<targets::Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("SLEWD_FUZZ_TARGET").unwrap_or_default();
        let found = targets::TARGETS.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("SLEWD_FUZZ_TARGET is {name:?}: see tests/fuzz/targets/mod.rs")).1
    });
    target(data);
});
