//! `server` and `pool` lines, in the configuration and in `.sources` files.

use super::directive::{Class, Directive};
use super::error::{Fault, Location, Warning};
use super::files::Files;
use super::foreign;
use super::lex::{self, Words};
use super::source_table::{OptionSyntax, SourceOption, source_options};
use super::suggest;
use crate::core::api::limits::POLLS;
use crate::core::api::settings::{Host, SourceConfig, SourceOptions};
use crate::core::source::authentication::{Authentication, Protection};

/// What `.sources` files say.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SourceFiles {
    /// Their lines, in order.
    pub sources: Vec<SourceConfig>,
    /// These lines as they were typed, with single spaces.
    pub typed: Vec<String>,
    /// What is wrong with the lines that are not among them, and what is not used of those that are.
    pub warnings: Vec<Warning>,
}

/// The sources in the `.sources` files of `sourcedir` lines.
///
/// Each element of `source_dirs` is one line with its directories, searched as `confdir` is: by the name of the file in
/// bytewise order, and of files with the same name only the one in the directory listed first. The results of several
/// lines are put one after the other. Files that cannot be read are passed over.
pub fn read_source_dirs(files: &dyn Files, source_dirs: &[Vec<String>]) -> SourceFiles {
    let mut all = SourceFiles::default();
    for path in source_dirs.iter().flat_map(|directories| fragments(files, directories, ".sources")) {
        if let Ok(content) = files.read(&path) {
            all.read(&path, &content);
        }
    }
    all
}

/// The sources in the content of one `.sources` file, which messages call `name`.
pub fn parse_sources(name: &str, content: &[u8]) -> SourceFiles {
    let mut one = SourceFiles::default();
    one.read(name, content);
    one
}

impl SourceFiles {
    /// Lines that are not right are passed over, and so is everything from the first line that is not terminated by a
    /// newline (somebody is still writing it) or is too long.
    fn read(&mut self, file: &str, content: &[u8]) {
        let (content, mark) = lex::without_mark(content);
        if let Some(mark) = mark {
            let place = Location { file: Some(file.to_string()), line: 1 };
            self.warnings.push(Warning { place, text: mark.text().to_string() });
        }
        for line in lex::lines(content) {
            let place = Location { file: Some(file.to_string()), line: line.number };
            let text = match line.text {
                None => Some("the line is too long, it is ignored with all that follow"),
                Some(_) if !line.terminated => Some("the line does not end, it is ignored"),
                Some(_) => None,
            };
            if let Some(text) = text {
                if line.text.is_none_or(|text| !text.is_empty()) {
                    self.warnings.push(Warning { place, text: text.to_string() });
                }
                return;
            }
            self.line(&line.text.unwrap_or_default(), place);
        }
    }

    fn line(&mut self, line: &str, place: Location) {
        if line.is_empty() {
            return;
        }
        let (name, mut words) = Words::split_directive(line);
        let result = match name.to_ascii_lowercase().as_str() {
            "server" => parse(&mut words, false),
            "pool" => parse(&mut words, true),
            _ => {
                let text = format!("{name} directive does not belong into a .sources file, line ignored");
                return self.warnings.push(Warning { place, text });
            }
        };
        let notes = words.notes.into_iter().map(|note| format!("{name} directive: {note}"));
        self.warnings.extend(notes.map(|text| Warning { place: place.clone(), text }));
        match result {
            Ok(source) => {
                self.typed.extend(source.iter().map(|_| line.to_owned()));
                self.sources.extend(source);
            }
            Err(fault) => {
                let usage = Directive::find(name).map(Directive::usage).unwrap_or_default();
                let (text, remedy) = fault.text(name, &usage);
                self.warnings.push(Warning { place, text: format!("{text} ({remedy}), line ignored") });
            }
        }
    }
}

/// The fragments of a configuration in some directories, in the order in which they are read.
pub(crate) fn fragments(files: &dyn Files, directories: &[String], suffix: &str) -> Vec<String> {
    let mut found: Vec<(String, &String)> = directories
        .iter()
        .flat_map(|directory| files.list(directory).into_iter().map(move |name| (name, directory)))
        .filter(|(name, _)| name.ends_with(suffix) && !name.starts_with('.'))
        .collect();
    // The sort keeps the order of directories among equal names.
    tiny_sort::stable::sort_by(&mut found, |(a, _), (b, _)| a.cmp(b));
    found.dedup_by(|(later, _), (earlier, _)| later == earlier);
    found.into_iter().map(|(name, directory)| format!("{directory}/{name}")).collect()
}

/// The arguments of a `server` or `pool` line. `None` if the name is one that no resolver may be asked for.
pub(crate) fn parse(words: &mut Words, pool: bool) -> Result<Option<SourceConfig>, Fault> {
    let host = words.next().ok_or(Fault::NoHost)?;
    let mut options = SourceOptions::default();
    while let Some(word) = words.next() {
        let option = SourceOption::find(word).ok_or_else(|| unknown(word))?;
        read_value(option, &mut options, words)?;
        if option.class == Class::Planned {
            words.notes.push(format!("the {} option is not used by this client", option.name));
        }
    }
    let options = settle(options, words);
    words.notes.extend(not_asked(&options).map(|why| format!("{host} {why}")));
    // chronyd finds such names when it adds the source: it complains, and goes on without it.
    if !host.chars().all(|c| c.is_ascii_graphic()) {
        words.notes.push("the source is not added: its name has characters that no host name has".to_string());
        return Ok(None);
    }
    words.notes.extend(foreign::host(host));
    let host = Host::from(host);
    Ok(Some(SourceConfig { host, pool, options }))
}

/// What becomes of a source with these options that cannot be protected as they want it: said after its name.
pub fn not_asked(options: &SourceOptions) -> Option<String> {
    let is_out = Authentication::of(options) == Authentication::Missing(Protection::Nts);
    let why = "is not asked: this slewd was built without the feature nts (remove the option nts to ask without authentication)";
    is_out.then(|| why.to_owned())
}

fn unknown(word: &str) -> Fault {
    let guess = foreign::option(word).or_else(|| suggest::near(word, source_options().map(|option| option.name)));
    Fault::Option(guess.unwrap_or_else(|| format!("\"{word}\" is not an option of sources")))
}

fn read_value(option: &SourceOption, options: &mut SourceOptions, words: &mut Words) -> Result<(), Fault> {
    let wanted = || Fault::Value(format!("{} takes a number: {}", option.name, option.range().unwrap_or_default()));
    match option.syntax {
        OptionSyntax::Flag(set) => set(options),
        OptionSyntax::Int(min, max, set) => {
            let value = words.option_integer().filter(|value| (min..=max).contains(value)).ok_or_else(wanted)?;
            set(options, value);
        }
        OptionSyntax::Real(range, set) => {
            let value = words.option_real().ok_or_else(wanted)?;
            if let Some(value) = words.bring_into(value, range) {
                set(options, value);
            }
        }
        OptionSyntax::Hex(accepted) => {
            words.option_hex().filter(|value| accepted.contains(value)).ok_or_else(wanted)?;
        }
    }
    Ok(())
}

/// Brings the options into their ranges, and says so of the intervals between polls.
fn settle(options: SourceOptions, words: &mut Words) -> SourceOptions {
    let typed = (options.min_poll, options.max_poll);
    // Not-a-number has been refused where it was read.
    let Some(options) = options.within_limits() else { return SourceOptions::default() };
    if options.min_poll != typed.0 {
        words.notes.push(format!("minpoll {} is out of range, {} is used", typed.0, options.min_poll));
    }
    if options.max_poll != typed.1 && typed.1 != SourceOptions::default().max_poll {
        let why = if POLLS.contains(&typed.1) { "below minpoll" } else { "out of range" };
        words.notes.push(format!("maxpoll {} is {why}, {} is used", typed.1, options.max_poll));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_their_table_agree_on_defaults() {
        let line = "server a minpoll 6 maxpoll 10 polltarget 8 maxdelay 3 maxdelayratio 0 maxdelaydevratio 0 \
            maxdelayquant 0 mindelay 0 asymmetry 1 offset 0 maxunreach 0 filter 0 minstratum 0 version 4 port 123 \
            ntsport 4460 certset 0 maxsources 4";
        let source = parse(&mut Words::split_directive(line).1, false).expect("a source").expect("a name");
        assert_eq!(source.options, SourceOptions { typed_version: true, ..SourceOptions::default() });
        for pair in line.split_ascii_whitespace().skip(2).collect::<Vec<_>>().chunks(2) {
            let option = SourceOption::find(pair[0]).expect("an option");
            let said = match option.default {
                "off" => "0",
                "estimated" => "1",
                number => number,
            };
            assert_eq!(said, pair[1], "{}", option.name);
        }
    }
}
