//! How the configuration reaches files: through the caller, because this module is pure.

use std::collections::BTreeMap;

/// What the configuration needs from the file system. The caller implements it on real files.
///
/// Paths are passed as they stand in the configuration; relative ones are relative to the caller's working directory.
pub trait Files {
    /// The whole content of a file.
    ///
    /// A directory reads as an empty file, as it does for chronyd. The error is the text of `strerror`, for example
    /// `No such file or directory`: it becomes part of a message that people search for.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The paths that match a pattern of `glob(3)` (`*`, `?`, `[...]`; a leading dot must be matched explicitly), sorted
    /// bytewise. No match is an empty list.
    ///
    /// It is only called for patterns that contain one of `*?[`. [`SearchFailed`] if a directory that has to be listed
    /// cannot be opened, its absence included (`GLOB_ERR`); a path through something that is no directory is no error.
    fn glob(&self, pattern: &str) -> Result<Vec<String>, SearchFailed>;

    /// The names (not paths) of the entries of a directory, in any order; nothing if it is missing or unreadable.
    fn list(&self, directory: &str) -> Vec<String>;
}

/// A directory that a pattern goes through could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchFailed;

/// Files that exist only in memory: for tests, and for checking a configuration that is not installed.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryFiles {
    /// A file system without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, and the directories above it.
    #[must_use]
    pub fn with(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.to_string(), content.as_ref().to_vec());
        self
    }

    fn is_directory(&self, path: &str) -> bool {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        self.files.keys().any(|file| file.starts_with(&prefix))
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match self.files.get(path) {
            Some(content) => Ok(content.clone()),
            None if self.is_directory(path) => Ok(Vec::new()),
            None => Err("No such file or directory".to_string()),
        }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SearchFailed> {
        let (literal, wild) = pattern.split_at(pattern.find(['*', '?', '[']).unwrap_or(pattern.len()));
        let directory = literal.rsplit_once('/').map_or("", |(directory, _)| directory);
        if !wild.is_empty() && !self.is_directory(directory) {
            return Err(SearchFailed);
        }
        let parts: Vec<&str> = pattern.split('/').collect();
        let matches = |path: &&String| {
            let names: Vec<&str> = path.split('/').collect();
            names.len() == parts.len() && parts.iter().zip(&names).all(|(part, name)| name_matches(part, name))
        };
        Ok(self.files.keys().filter(matches).cloned().collect())
    }

    fn list(&self, directory: &str) -> Vec<String> {
        let prefix = format!("{}/", directory.trim_end_matches('/'));
        let mut names: Vec<String> = self
            .files
            .keys()
            .filter_map(|file| file.strip_prefix(&prefix)?.split('/').next().map(str::to_string))
            .collect();
        names.dedup();
        names
    }
}

/// One component of a path against one component of a pattern.
fn name_matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    matches_from(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
}

/// Of the stars only the last can have to take more: one before it, to take more, would only leave less to that.
fn matches_from(mut pattern: &[char], mut name: &[char]) -> bool {
    let mut last_star = None;
    loop {
        match (pattern, name) {
            ([], []) => return true,
            (['*', rest @ ..], _) => {
                last_star = Some((rest, name));
                pattern = rest;
                continue;
            }
            (_, [c, tail @ ..]) => {
                if let Some(rest) = without_first(pattern, *c) {
                    (pattern, name) = (rest, tail);
                    continue;
                }
            }
            _ => {}
        }
        let Some((rest, [_, tail @ ..])) = last_star else { return false };
        last_star = Some((rest, tail));
        (pattern, name) = (rest, tail);
    }
}

/// The rest of a pattern whose first part is this character, or one of its kind.
fn without_first(pattern: &[char], c: char) -> Option<&[char]> {
    match pattern {
        ['?', rest @ ..] => Some(rest),
        ['[', rest @ ..] => {
            let end = rest.iter().position(|&p| p == ']')?;
            in_set(&rest[..end], c).then_some(&rest[end + 1..])
        }
        [p, rest @ ..] => (*p == c).then_some(rest),
        [] => None,
    }
}

/// `abc`, `a-c`, `!abc`.
fn in_set(set: &[char], c: char) -> bool {
    let (negated, mut set) = match set {
        ['!', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    loop {
        match set {
            [from, '-', to, rest @ ..] => {
                found |= (*from..=*to).contains(&c);
                set = rest;
            }
            [one, rest @ ..] => {
                found |= *one == c;
                set = rest;
            }
            [] => return found != negated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_component_by_component() {
        let files = ["/a/x.conf", "/a/.h.conf", "/b/y.conf", "/b/c/z.conf"];
        let files = files.iter().fold(MemoryFiles::new(), |files, path| files.with(path, ""));
        let found = |pattern: &str| files.glob(pattern).unwrap_or_default();
        assert_eq!(found("/a/*.conf"), ["/a/x.conf"]);
        assert_eq!(found("/*/?.conf"), ["/a/x.conf", "/b/y.conf"]);
        assert_eq!(found("/[!a]/[x-z].conf"), ["/b/y.conf"]);
        assert_eq!(found("/a/q*"), Vec::<String>::new());
        assert_eq!(files.glob("/none/*"), Err(SearchFailed));
        assert_eq!(found("/a/*.*n*"), ["/a/x.conf"]);
        assert_eq!(found("/b/*/*f"), ["/b/c/z.conf"]);
    }

    #[test]
    fn many_stars_take_no_time() {
        let name = "a".repeat(40);
        assert!(!name_matches(&("*".repeat(80) + ":*"), &name));
        assert!(!name_matches(&("*a".repeat(39) + "*b"), &name));
        assert!(name_matches(&("*a".repeat(40) + "*"), &name));
    }
}
