//! The library of refuse.c, which stands between a program and the kernel.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The library, compiled once for each run of this program.
pub(crate) fn library() -> &'static Path {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("refuse-{}.so", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/refuse.c");
        let flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"];
        let status = Command::new("cc").args(flags).arg(&to).arg(source).arg("-ldl").status();
        assert!(status.expect("cc runs: apt-get install gcc libc6-dev").success(), "the library does not compile");
        to
    })
}
