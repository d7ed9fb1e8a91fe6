//! What a check says that this machine cannot run: it must not look as if it had passed.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "for tests only")]

use std::env;
use std::fs::File;
use std::io::Write;
use std::thread;

/// Names the file to which checks that could not run are added. The output of a test that ends well is shown to nobody.
const LIST: &str = "SLEWD_NOT_RUN";

/// Says that the present test, or a part of it, could not run, and what is missing here.
pub(crate) fn not_run(missing: &str) {
    let name = thread::current().name().unwrap_or("a check").to_owned();
    eprintln!("not run: {name}: {missing}");
    if let Some(list) = env::var_os(LIST) {
        let mut file = File::options().append(true).create(true).open(list).expect("SLEWD_NOT_RUN can be written");
        writeln!(file, "{name}: {missing}").expect("SLEWD_NOT_RUN can be written");
    }
}
