//! File name patterns (`include`, `confdir`) as the C library expands them.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The files that match a glob(7) pattern, in byte order; none is not an error.
///
/// # Errors
/// InvalidInput for a pattern with a zero byte, OutOfMemory, or Other if a directory could not be read through.
pub fn glob(pattern: &str) -> io::Result<Vec<PathBuf>> {
    let pattern = CString::new(pattern)?;
    // SAFETY: `glob_t` holds integers, pointers and optional functions, for which all bits zero is a value.
    let mut found: libc::glob_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pattern is a C string, there is no error callback, and `found` is freed below whatever the result.
    let result = unsafe { libc::glob(pattern.as_ptr(), 0, None, &mut found) };
    let mut paths = Vec::new();
    if result == 0 {
        for index in 0..found.gl_pathc as usize {
            // SAFETY: glob succeeded, so `gl_pathv` has `gl_pathc` C strings, which live until globfree.
            let path = unsafe { CStr::from_ptr(*found.gl_pathv.add(index)) };
            paths.push(PathBuf::from(OsStr::from_bytes(path.to_bytes())));
        }
    }
    // SAFETY: `found` was filled by glob or is still all zero, and is not used again.
    unsafe { libc::globfree(&mut found) };
    match result {
        0 | libc::GLOB_NOMATCH => {
            // The C library sorts by the locale.
            tiny_sort::unstable::sort_by(&mut paths, |a, b| a.as_os_str().cmp(b.as_os_str()));
            Ok(paths)
        }
        libc::GLOB_NOSPACE => Err(io::ErrorKind::OutOfMemory.into()),
        _ => Err(io::Error::other("could not read a directory of the pattern")),
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    #[test]
    fn matches_are_sorted_and_absence_is_empty() {
        let dir = env::temp_dir().join(format!("slewd-glob-{}", process::id()));
        fs::create_dir(&dir).unwrap();
        for name in ["b.conf", "B.conf", "a.conf", "a.txt", ".hidden.conf"] {
            fs::write(dir.join(name), "").unwrap();
        }
        let found = glob(&format!("{}/*.conf", dir.display()));
        let single = glob(&format!("{}/a.txt", dir.display()));
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(found.unwrap(), ["B.conf", "a.conf", "b.conf"].map(|name| dir.join(name)));
        assert_eq!(single.unwrap(), [dir.join("a.txt")]);
        assert!(glob("/no/such/directory/*.conf").unwrap().is_empty());
        assert!(glob("/no/such/file").unwrap().is_empty());
        assert_eq!(glob("a\0b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
