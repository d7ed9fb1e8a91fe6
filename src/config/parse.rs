//! From lines to a [`Config`]: which files are read, in which order, and what is said about each line.

use super::directive::{Class, Directive, Syntax, directives, expect_count};
use super::error::{Error, Fault, Location, Warning};
use super::files::Files;
use super::lex::{self, Mark, Words};
use super::model::{Config, ConfigFailure};
use super::read::DIRECTORIES_MAX;
use super::{access, foreign, source, suggest};

/// Files that may be open at once: the first one and those that it includes, directly or not.
const INCLUDE_LEVELS: usize = 10;

/// The configuration that is used when there is no file.
///
/// The `2.` zone is the only one of the NTP pool that has IPv6 addresses.
pub const BUILT_IN: &str = "\
pool 2.pool.ntp.org iburst
makestep 1 3
rtcsync
driftfile /var/lib/slewd/drift
";

/// The file name that messages about [`BUILT_IN`] show.
const BUILT_IN_NAME: &str = "(built-in configuration)";

impl Config {
    /// Reads a configuration file and everything that it includes.
    ///
    /// `client_only` ignores directives that serve others instead of refusing them, as the directive `clientonly` does.
    pub fn from_file(files: &dyn Files, path: &str, client_only: bool) -> Result<Config, Box<ConfigFailure>> {
        Parser::run(files, client_only, |parser| parser.file(path))
    }

    /// Reads a configuration from the arguments of the command line, each of which is one line.
    pub fn from_arguments<A: AsRef<str>>(
        files: &dyn Files,
        arguments: &[A],
        client_only: bool,
    ) -> Result<Config, Box<ConfigFailure>> {
        Parser::run(files, client_only, |parser| {
            arguments.iter().enumerate().try_for_each(|(index, argument)| {
                let place = Location { file: None, line: index + 1 };
                parser.line(lex::normalize(argument.as_ref().as_bytes()), place)
            })
        })
    }

    /// Reads a configuration from text that the caller has; `name` is the file in messages.
    pub fn from_text(
        files: &dyn Files,
        name: &str,
        text: &[u8],
        client_only: bool,
    ) -> Result<Config, Box<ConfigFailure>> {
        Parser::run(files, client_only, |parser| parser.text(name, text))
    }

    /// Reads [`BUILT_IN`].
    pub fn built_in(files: &dyn Files) -> Result<Config, Box<ConfigFailure>> {
        Config::from_text(files, BUILT_IN_NAME, BUILT_IN.as_bytes(), false)
    }
}

struct Parser<'f> {
    files: &'f dyn Files,
    config: Config,
    /// Files being read.
    level: usize,
    /// Directives that nothing is done about, so that each is mentioned once.
    mentioned: Vec<&'static str>,
    /// Directives that are refused unless `clientonly` follows: the error, and the warning with its place in the list
    /// of warnings.
    refused: Vec<(Error, usize, Warning)>,
    /// Where the sources of `config` are.
    source_places: Vec<(String, Location)>,
}

impl<'f> Parser<'f> {
    fn run(
        files: &'f dyn Files,
        client_only: bool,
        read: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<Config, Box<ConfigFailure>> {
        let config = Config { client_only, ..Config::default() };
        let (mentioned, refused, source_places) = (Vec::new(), Vec::new(), Vec::new());
        let mut parser = Parser { files, config, level: 0, mentioned, refused, source_places };
        let result = read(&mut parser).and_then(|()| parser.finish());
        let config = parser.config;
        match result {
            Ok(()) => Ok(config),
            Err(error) => Err(Box::new(ConfigFailure { error, warnings: config.warnings, printed: config.printed })),
        }
    }

    fn file(&mut self, path: &str) -> Result<(), Error> {
        if self.level >= INCLUDE_LEVELS {
            let remedy = format!("does {path} include itself?");
            return Err(Error { message: "Maximum include level reached".to_string(), remedy, place: None });
        }
        let text = self.files.read(path).map_err(|error| Error {
            message: format!("Could not open {path} : {error}"),
            remedy: String::new(),
            place: None,
        })?;
        self.text(path, &text)
    }

    fn text(&mut self, name: &str, text: &[u8]) -> Result<(), Error> {
        self.level += 1;
        let (text, mark) = lex::without_mark(text);
        if let Some(mark) = mark {
            let place = Location { file: Some(name.to_string()), line: 1 };
            if mark == Mark::Wide {
                let (message, remedy) = (format!("Could not read {name}"), mark.text().to_string());
                return Err(Error { message, remedy, place: Some(place) });
            }
            self.warn(mark.text().to_string(), &place);
        }
        for line in lex::lines(text) {
            self.line(line.text, Location { file: Some(name.to_string()), line: line.number })?;
        }
        self.level -= 1;
        Ok(())
    }

    fn line(&mut self, line: Option<String>, place: Location) -> Result<(), Error> {
        let Some(line) = line else {
            let message = format!("String too long {place}");
            return Err(Error { message, remedy: "a line has at most 2047 bytes".to_string(), place: Some(place) });
        };
        if line.is_empty() {
            return Ok(());
        }
        let (name, words) = Words::split_directive(&line);
        let directive = Directive::find(name);
        if !directive.is_some_and(|d| matches!(d.syntax, Syntax::Include | Syntax::ConfDir)) {
            self.config.printed.push(line.clone());
        }
        let Some(directive) = directive else {
            return Err(unknown(name, place));
        };
        let fault = |fault: Fault| {
            let mut error = fault.into_error(name, &directive.usage(), place.clone());
            if line.split(' ').skip(1).any(lex::starts_comment) {
                error.remedy = "comments must stand on their own line".to_string();
            }
            error
        };
        match directive.syntax {
            Syntax::Include => self.include(words, fault),
            Syntax::ConfDir => self.conf_dir(words, fault),
            _ => self.directive(directive, name, words, &place, fault),
        }
    }

    fn include(&mut self, mut words: Words, fault: impl Fn(Fault) -> Error) -> Result<(), Error> {
        expect_count(&words, 1, 1).map_err(&fault)?;
        let pattern = words.required().map_err(&fault)?;
        if !pattern.contains(['*', '?', '[']) {
            return self.file(pattern);
        }
        let paths = self.files.glob(pattern).map_err(|_| Error {
            message: format!("Could not search for files matching {pattern}"),
            remedy: "create the directory, or remove the include directive".to_string(),
            place: None,
        })?;
        paths.iter().try_for_each(|path| self.file(path))
    }

    fn conf_dir(&mut self, mut words: Words, fault: impl Fn(Fault) -> Error) -> Result<(), Error> {
        let directories: Vec<String> = std::iter::from_fn(|| words.next()).map(str::to_string).collect();
        if !(1..=DIRECTORIES_MAX).contains(&directories.len()) {
            return Err(fault(Fault::Parse(format!("confdir takes 1 to {DIRECTORIES_MAX} directories"))));
        }
        source::fragments(self.files, &directories, ".conf").iter().try_for_each(|path| self.file(path))
    }

    fn directive(
        &mut self,
        directive: &'static Directive,
        name: &str,
        mut words: Words,
        place: &Location,
        fault: impl Fn(Fault) -> Error,
    ) -> Result<(), Error> {
        let is_harmless = directive.name == "allow" && access::is_of_this_machine(&words);
        let sources = self.config.sources.len();
        directive.apply(&mut self.config, &mut words).map_err(&fault)?;
        if self.config.sources.len() > sources {
            self.source_places.push((name.to_string(), place.clone()));
        }
        for note in words.notes {
            self.warn(format!("{name} directive: {note}"), place);
        }
        match directive.class {
            Class::Used | Class::Harmless => {}
            Class::Retired => self.warn(format!("{name} directive is no longer supported"), place),
            // The two directives differ in what the manual promises.
            Class::Planned | Class::Unused => {
                if self.mention(directive) {
                    self.warn(unused(name), place);
                }
            }
            // Nobody else is served by the line, so that nobody else misses it.
            Class::Refused if is_harmless => {
                if !self.mentioned.contains(&directive.name) {
                    self.warn(unused(name), place);
                }
            }
            Class::Refused => {
                if self.mention(directive) {
                    let remedy = "remove the line, or add the directive clientonly to ignore it".to_string();
                    let warning = Warning { place: place.clone(), text: unused(name) };
                    self.refused.push((fault(Fault::Refused(remedy)), self.config.warnings.len(), warning));
                }
            }
        }
        Ok(())
    }

    /// Whether this directive is met for the first time.
    fn mention(&mut self, directive: &'static Directive) -> bool {
        let first = !self.mentioned.contains(&directive.name);
        if first {
            self.mentioned.push(directive.name);
        }
        first
    }

    fn warn(&mut self, text: String, place: &Location) {
        self.config.warnings.push(Warning { place: place.clone(), text });
    }

    /// What can only be judged when everything has been read.
    fn finish(&mut self) -> Result<(), Error> {
        let refused = std::mem::take(&mut self.refused);
        if self.config.client_only {
            // From the last to the first, so that the places of the others stay right.
            for (_, at, warning) in refused.into_iter().rev() {
                self.config.warnings.insert(at, warning);
            }
        } else if let Some((error, ..)) = refused.into_iter().next() {
            return Err(error);
        }
        let ptp_port = self.config.ptp_port;
        let over_ptp = self.config.sources.iter().position(|source| ptp_port != 0 && source.options.port == ptp_port);
        match over_ptp.and_then(|index| self.source_places.get(index)) {
            Some((name, place)) => {
                let remedy = format!("port {ptp_port} is the ptpport, and this client does not do NTP over PTP");
                Err(Fault::Value(remedy).into_error(name, "", place.clone()))
            }
            None => Ok(()),
        }
    }
}

fn unused(name: &str) -> String {
    format!("{name} directive is not used by this client")
}

fn unknown(name: &str, place: Location) -> Error {
    let guess = foreign::directive(name).or_else(|| suggest::near(name, directives().map(|directive| directive.name)));
    let remedy = guess.unwrap_or_else(|| "no directive has a name like this".to_string());
    Error { message: format!("Invalid directive {name} {place}"), remedy, place: Some(place) }
}
