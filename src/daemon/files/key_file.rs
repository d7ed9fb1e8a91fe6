//! The file of symmetric keys (directive `keyfile`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::config::{Config, KeyFile};
use crate::core::source::authentication::Protection;
use crate::daemon::files::opening::read_promptly;
use crate::daemon::os_error::plain;
use crate::wire::secret::wipe;
use crate::wire::symmetric::KeyTable;

/// What is longer is no file of keys.
const MOST_BYTES: u64 = 1 << 20;

/// The permission of everybody to read, and to write.
const OTHERS: u32 = 0o006;

/// Where symmetric keys are, and who wants one.
#[derive(Clone, Debug)]
pub struct Keys {
    path: Option<String>,
    /// Each line of the configuration that wants a key: what it names, and the number.
    wanted: Vec<(String, u32)>,
    table: KeyTable,
}

impl Keys {
    /// Reads the configured file while root's rights are still there: the keys, and what is to be said about them.
    pub fn open(config: &Config) -> (Keys, Vec<String>) {
        let wanted = config.sources.iter().filter_map(|line| match Protection::of(&line.options) {
            Some(Protection::Key(id)) => Some((line.host.to_string(), id)),
            Some(Protection::Nts) | None => None,
        });
        let (path, wanted, table) = (config.files.keys.clone(), wanted.collect(), KeyTable::default());
        let mut keys = Keys { path, wanted, table };
        let said = keys.read();
        (keys, said)
    }

    /// The keys as last read.
    pub fn table(&self) -> &KeyTable {
        &self.table
    }

    /// Reads the file again, and returns what is to be said about it. If it cannot be read the keys stay what they were.
    pub fn read(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        let file = match self.path.as_ref().map(|path| read_file(path, &mut said)).transpose() {
            Ok(file) => file.unwrap_or_default(),
            Err(reason) => {
                let keys = std::mem::take(&mut self.table);
                said.push(reason);
                KeyFile { keys, warnings: Vec::new() }
            }
        };
        said.extend(file.warnings.iter().map(ToString::to_string));
        let remedy = match &self.path {
            Some(path) => format!("add it to {path}"),
            None => "name a file of keys with the directive keyfile".to_owned(),
        };
        for (name, id) in &self.wanted {
            if let Some(complaint) = file.complaint(*id) {
                let consequence = match file.keys.find(*id) {
                    None => format!("{name} is not asked: {remedy}"),
                    Some(_) => format!("{name}: a key should have 10 bytes or more"),
                };
                said.push(format!("{complaint} ({consequence})"));
            }
        }
        self.table = file.keys;
        said
    }
}

fn read_file(path: &str, said: &mut Vec<String>) -> Result<KeyFile, String> {
    let mut content = read_promptly(Path::new(path), MOST_BYTES)
        .map_err(|reason| format!("Could not open keyfile {path} : {}", plain(&reason)))?;
    if fs::metadata(path).is_ok_and(|found| found.permissions().mode() & OTHERS != 0) {
        said.push(format!("The keys in {path} are open to everybody (remedy: chmod o= {path})"));
    }
    let file = KeyFile::parse(path, &content);
    wipe(&mut content);
    Ok(file)
}
