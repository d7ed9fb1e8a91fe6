//! How files are opened: nothing that can be at a path keeps anybody waiting, and nothing is read without an end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opening waits for nobody, and makes no terminal ours.
const PROMPT: libc::c_int = libc::O_NONBLOCK | libc::O_NOCTTY;

/// Reads a file whatever it is: a pipe that nobody writes to keeps nobody waiting, and a device without end is no file.
///
/// # Errors
/// The errors of open(2) and read(2); EFBIG for more than `most` bytes.
pub(in crate::daemon) fn read_promptly(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_bounded(OpenOptions::new().read(true).custom_flags(PROMPT).open(path)?, most)
}

/// Reads a file of ours, which nobody but us has made: no pipe, no device, and no more than `most` bytes.
///
/// # Errors
/// The errors of open(2) and read(2); InvalidInput for what is no regular file; EFBIG for more than `most` bytes.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(PROMPT).open(path)?;
    read_bounded(regular(file)?, most)
}

/// Opens a file to add to, or makes it, in a directory where others may write: a link there leads nowhere.
///
/// # Errors
/// The errors of open(2), ELOOP for a link; InvalidInput for what is no regular file.
pub fn append_regular(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let flags = PROMPT | libc::O_NOFOLLOW;
    let file = options.append(true).create(true).mode(mode).custom_flags(flags).open(path).map_err(|reason| {
        // A pipe that nobody reads.
        if reason.raw_os_error() == Some(libc::ENXIO) { no_regular_file() } else { reason }
    })?;
    regular(file)
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_regular_file()) }
}

fn no_regular_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "Not a regular file")
}

/// Reads an open file to its end.
///
/// # Errors
/// The errors of read(2); EFBIG for more than `most` bytes.
pub(super) fn read_bounded(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match file.take(most + 1).read_to_end(&mut bytes)? as u64 > most {
        true => Err(io::Error::from_raw_os_error(libc::EFBIG)),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_pipe_without_a_writer_and_a_file_without_end_keep_nobody_waiting() {
        let path = std::env::temp_dir().join(format!("slewd-prompt-{}", std::process::id()));
        mkfifo(&path, Mode::S_IRWXU).expect("a temporary directory");
        assert_eq!(read_promptly(&path, 10).expect("nothing"), b"");
        let _writer = OpenOptions::new().read(true).write(true).open(&path).expect("a pipe");
        assert_eq!(read_promptly(&path, 10).expect_err("nothing yet").kind(), io::ErrorKind::WouldBlock);
        fs::remove_file(&path).expect("it was there");
        let endless = read_promptly(Path::new("/dev/zero"), 10).expect_err("too long");
        assert_eq!(endless.raw_os_error(), Some(libc::EFBIG));
        fs::write(&path, "0123456789").expect("a temporary directory");
        assert_eq!(read_promptly(&path, 10).expect("just so"), b"0123456789");
        fs::remove_file(&path).expect("it was there");
    }
}
