//! The library of refuse.c, which stands between a program and the kernel; and others that are preloaded.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The library, compiled once for each run of this program.
pub(crate) fn library() -> &'static Path {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    COMPILED.get_or_init(|| compile("refuse"))
}

/// The library of this source in tests/support, for this run of this program.
pub(crate) fn compile(name: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.so", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(format!("{name}.c"));
    let flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"];
    let status = Command::new("cc").args(flags).arg(&to).arg(source).arg("-ldl").status();
    assert!(status.expect("cc runs: apt-get install gcc libc6-dev").success(), "the library does not compile");
    to
}
