//! Repeats recorded runs (`src/recording`) with the real engine: without a network, and without a clock.

#![allow(dead_code, reason = "each program uses its own part")]

#[path = "recorded_words.rs"]
mod recorded_words;

use std::fmt;
use std::net::IpAddr;

use recorded_words::{Words, bytes};

use slewd::config::{Config, MemoryFiles, parse_sources};
use slewd::core::api::last_good;
use slewd::core::api::monitoring::Address;
use slewd::core::api::order::{Order, Whom};
use slewd::core::api::reference_clock::{ClockConfig, ClockId};
use slewd::core::api::settings::{Mode, Settings, SourceConfig};
use slewd::core::api::temp_comp::{Curve, Points, TempComp};
use slewd::core::clock::leap::LeapTable;
use slewd::core::engine::{Engine, Floor, Input, PastFile, Start, What};
use slewd::core::estimate::FrequencyPrior;
use slewd::daemon::{control, start};
use slewd::recording::{FORMAT, VERSION, output_text};
use slewd::report::dump_file;
use slewd::time::{ClockReading, Raw, Span, Utc};
use slewd::wire::cmdmon::request::{self, Disposition};

/// What the configuration makes the engine start with.
pub(crate) struct Origin {
    pub(crate) settings: Settings,
    pub(crate) sources: Vec<SourceConfig>,
    pub(crate) clocks: Vec<ClockConfig>,
    pub(crate) drift_interval: Span,
}

/// What came of a run that was repeated.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) inputs: u32,
    /// Outputs that were compared, and were the recorded ones.
    pub(crate) outputs: u32,
    pub(crate) end: End,
}

/// Why a run was not repeated any further.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// The recording says that it is whole.
    Whole,
    /// The file had no more room.
    Full,
    /// The recording breaks off after this line: slewd was killed, or the file was cut off.
    CutOff(usize),
    /// The engine wants something else than it did: the first difference.
    Differs { line: usize, recorded: String, repeated: String },
}

/// What is wrong with a file, and in which line.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// Told of each input and output: the clocks of the last input, and the line.
pub(crate) type Listener<'a> = &'a mut dyn FnMut(&ClockReading, &str);

/// The runs in a file: the lines of each, with their numbers.
///
/// # Errors
/// The file is no recording, or one of another version.
pub(crate) fn runs(text: &str) -> Result<Vec<Vec<(usize, &str)>>, Mistake> {
    let mut runs: Vec<Vec<(usize, &str)>> = Vec::new();
    for (line, text) in text.split_inclusive('\n').enumerate().map(|(index, text)| (index + 1, text)) {
        let mistake = |text: String| Mistake { line, text };
        if text.trim().is_empty() {
            continue;
        }
        if let Some(rest) = text.strip_prefix(FORMAT.split(' ').next().unwrap_or_default()) {
            let words: Vec<_> = rest.split_ascii_whitespace().collect();
            let [format, version] = words[..] else { return Err(mistake("no version of slewd".to_owned())) };
            if !FORMAT.ends_with(&format!(" {format}")) {
                return Err(mistake(format!("format {format} of recordings, and this program reads {FORMAT}")));
            }
            if version != VERSION {
                let text = format!(
                    "recorded by slewd {version}, and this is {VERSION}: build this program from the source of {version}"
                );
                return Err(mistake(text));
            }
            runs.push(Vec::new());
        } else {
            let run = runs.last_mut().ok_or_else(|| mistake("this is no recording of slewd".to_owned()))?;
            run.push((line, text));
        }
    }
    if runs.is_empty() { Err(Mistake { line: 1, text: "the file is empty".to_owned() }) } else { Ok(runs) }
}

/// Repeats a run whose configuration is in the recording.
///
/// # Errors
/// A line that makes no sense.
pub(crate) fn repeat(run: &[(usize, &str)], listener: Listener<'_>) -> Result<Outcome, Mistake> {
    repeat_from(run, &configured, listener)
}

/// Repeats a run of which somebody else knows the configuration.
///
/// # Errors
/// A line that makes no sense.
pub(crate) fn repeat_from(
    run: &[(usize, &str)],
    origin: &dyn Fn(&Header) -> Result<Origin, String>,
    listener: Listener<'_>,
) -> Result<Outcome, Mistake> {
    let mut repetition = Repetition::new(origin, listener);
    let mut outcome = Outcome { inputs: 0, outputs: 0, end: End::CutOff(0) };
    for (line, text) in run {
        // The recording breaks off in the middle of a line.
        let Some(text) = text.strip_suffix('\n') else { break };
        outcome.end = match text {
            "end" => End::Whole,
            "full" => End::Full,
            _ => End::CutOff(*line),
        };
        if !matches!(outcome.end, End::CutOff(_)) {
            break;
        }
        if let Some(recorded) = text.strip_prefix("> ") {
            let repeated = repetition.output().map_err(|text| Mistake { line: *line, text })?;
            if repeated != recorded {
                outcome.end = End::Differs { line: *line, recorded: recorded.to_owned(), repeated };
                break;
            }
            outcome.outputs += 1;
        } else {
            outcome.inputs += u32::from(repetition.line(text).map_err(|text| Mistake { line: *line, text })?);
        }
    }
    Ok(outcome)
}

/// What a recording says before the engine starts.
#[derive(Default)]
pub(crate) struct Header {
    conf: Vec<String>,
    points: String,
    is_restarted: bool,
    has_logs: bool,
    last_good: String,
    leap_table: Option<LeapTable>,
    prior: Option<FrequencyPrior>,
    floor: Option<Floor>,
    seed: [u8; 16],
    mode: Option<(Mode, bool)>,
}

fn configured(header: &Header) -> Result<Origin, String> {
    // Who is not served by slewd does not miss it here.
    let config = Config::from_arguments(&MemoryFiles::new(), &header.conf, true);
    let config = config.map_err(|failure| format!("configuration: {}", failure.error))?;
    let points = (!header.points.is_empty()).then(|| Points::parse(&header.points));
    let points = points.transpose().map_err(|_| "no points of tempcomp".to_owned())?;
    let thermometer = config.files.thermometer.as_ref();
    let comp = points
        .zip(thermometer)
        .map(|(points, place)| TempComp { interval: place.interval, curve: Curve::Points(points) });
    let settings = start::settings(&config, comp, header.is_restarted, header.has_logs);
    let drift_interval = start::drift_interval(&config);
    Ok(Origin { settings, sources: config.sources, clocks: config.clocks, drift_interval })
}

struct Repetition<'a> {
    origin: &'a dyn Fn(&Header) -> Result<Origin, String>,
    listener: Listener<'a>,
    header: Header,
    /// Lines after `table` or `past`.
    block: String,
    table: String,
    past: Vec<(String, String)>,
    lines: String,
    engine: Option<Engine>,
    now: ClockReading,
}

impl<'a> Repetition<'a> {
    fn new(origin: &'a dyn Fn(&Header) -> Result<Origin, String>, listener: Listener<'a>) -> Self {
        let now =
            ClockReading { raw: Raw::from_nanos(0), utc: Utc::from_nanos(0), width: Span::ZERO, slept: Span::ZERO };
        Repetition {
            origin,
            listener,
            header: Header::default(),
            block: String::new(),
            table: String::new(),
            past: Vec::new(),
            lines: String::new(),
            engine: None,
            now,
        }
    }

    /// The next output of the engine.
    fn output(&mut self) -> Result<String, String> {
        let output = output_text(&self.engine()?.poll_output());
        (self.listener)(&self.now, &output);
        Ok(output)
    }

    fn engine(&mut self) -> Result<&mut Engine, String> {
        self.engine.as_mut().ok_or_else(|| "nothing says before what the engine starts with".to_owned())
    }

    /// Any other line; `true`: it is an input.
    fn line(&mut self, text: &str) -> Result<bool, String> {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut words = Words::of(rest);
        match kind {
            "conf" => self.header.conf.push(rest.to_owned()),
            "point" => self.header.points += &format!("{rest}\n"),
            "good" => self.header.last_good += &format!("{rest}\n"),
            "flags" => (self.header.is_restarted, self.header.has_logs) = (words.flag()?, words.flag()?),
            "table" => (self.table, self.block) = (rest.to_owned(), String::new()),
            "past" => {
                self.past.push((rest.to_owned(), String::new()));
                self.block = String::new();
            }
            "|" => {
                self.block += &format!("{rest}\n");
                if let Some((_, text)) = self.past.last_mut() {
                    text.clone_from(&self.block);
                }
            }
            "prior" => self.header.prior = Some(words.prior()?),
            "floor" => {
                let (utc, from_drift_file) = (Utc::from_nanos(words.next()?), words.flag()?);
                self.header.floor = Some(Floor { utc, from_drift_file });
            }
            "seed" => {
                let seed = bytes(rest)?;
                self.header.seed = seed.try_into().map_err(|_| "a seed has 16 bytes".to_owned())?;
            }
            "mode" => self.header.mode = Some((words.mode()?, words.flag()?)),
            "started" => self.start(words.clocks()?)?,
            "recall" => self.recall(rest)?,
            "line" => self.lines += &format!("{rest}\n"),
            "explain" => {
                let now = Raw::from_nanos(words.next()?);
                self.engine()?.explain(now);
            }
            "online" | "order" => {
                self.now = words.clocks()?;
                (self.listener)(&self.now.clone(), text);
                return self.order(kind, words).map(|()| true);
            }
            kind => {
                self.now = words.clocks().map_err(|mistake| format!("{mistake} after {kind:?}"))?;
                (self.listener)(&self.now.clone(), text);
                return self.input(kind, words).map(|()| true);
            }
        }
        Ok(false)
    }

    fn start(&mut self, now: ClockReading) -> Result<(), String> {
        self.header.leap_table = if self.table.is_empty() { None } else { Some(self.leap_table()?) };
        let header = std::mem::take(&mut self.header);
        let origin = (self.origin)(&header)?;
        let lacks = |what: &str| format!("nothing says before with which {what} the run starts");
        let (mode, is_brief) = header.mode.ok_or_else(|| lacks("mode"))?;
        let start = Start {
            settings: origin.settings,
            sources: origin.sources,
            clocks: origin.clocks,
            last_good: last_good::parse(&header.last_good),
            mode,
            is_brief,
            prior: header.prior.ok_or_else(|| lacks("frequency"))?,
            floor: header.floor.ok_or_else(|| lacks("floor"))?,
            drift_interval: origin.drift_interval,
            leap_table: header.leap_table,
            seed: header.seed,
        };
        self.now = now;
        self.engine = Some(Engine::new(start, now));
        Ok(())
    }

    fn leap_table(&self) -> Result<LeapTable, String> {
        LeapTable::from_list(&self.table, self.block.as_bytes()).map_err(|reason| format!("leap seconds: {reason}"))
    }

    fn recall(&mut self, boot: &str) -> Result<(), String> {
        let read = |(name, text): (String, String)| -> Result<PastFile, String> {
            let source = dump_file::subject(&name).ok_or_else(|| format!("{name} is no dump"))?;
            Ok((source, dump_file::parse(source, &text)))
        };
        let past = std::mem::take(&mut self.past).into_iter().map(read).collect::<Result<_, _>>()?;
        let now = self.now;
        self.engine()?.recall(past, Some(boot.to_owned()).filter(|boot| boot != "-"), &now);
        Ok(())
    }

    fn order(&mut self, kind: &str, mut words: Words<'_>) -> Result<(), String> {
        let order = if kind == "online" {
            let online = words.flag()?;
            Order::SetOnline { whom: Whom::One(Address::Ip(words.next()?)), online }
        } else {
            let datagram = bytes(words.rest().first().ok_or("this order cannot be repeated: it came in no datagram")?)?;
            let Disposition::Request(_, request) = request::receive(&datagram, |_| true) else {
                return Err("the datagram is no order".to_owned());
            };
            let order = control::order(&request).map_err(|status| format!("the datagram is no order: {status:?}"))?;
            order.within_limits().ok_or("the order has a number beyond all limits")?
        };
        let now = self.now;
        // What became of it is seen in the outputs.
        let _ = self.engine()?.handle_order(order, &now);
        Ok(())
    }

    fn input(&mut self, kind: &str, mut words: Words<'_>) -> Result<(), String> {
        let now = self.now;
        let (datagram, addresses, lines, table): (Vec<u8>, Vec<IpAddr>, Vec<SourceConfig>, LeapTable);
        let what = match kind {
            "wake" => What::Wake,
            "network" => What::NetworkChanged,
            "sent" => What::Sent {
                exchange: words.exchange()?,
                stamp: words.stamp()?,
                from: words.optional()?,
                awaits_hardware: words.flag()?,
            },
            "stamped" => What::Stamped { exchange: words.exchange()?, stamp: words.stamp()? },
            "unreachable" => What::Unreachable { exchange: words.exchange()?, why: words.undelivered()? },
            "datagram" => {
                let (exchange, arrived) = (words.exchange()?, words.stamp()?);
                datagram = bytes(words.rest().first().copied().unwrap_or_default())?;
                What::Datagram { exchange, bytes: &datagram, arrived }
            }
            "reading" => What::Reading { clock: ClockId(words.next()?), reading: words.reading()? },
            "resolved" => {
                let line = words.next()?;
                let parse = |word: &str| word.parse().map_err(|_| format!("{word:?} is no address"));
                addresses = words.rest().into_iter().map(parse).collect::<Result<_, _>>()?;
                What::Resolved { line, addresses: &addresses }
            }
            "reload" => {
                lines = parse_sources("recording", std::mem::take(&mut self.lines).as_bytes()).sources;
                What::Reload { lines: &lines }
            }
            "applied" => What::Applied(words.applied()?),
            "leap" => {
                table = self.leap_table()?;
                What::LeapData(&table)
            }
            "temperature" => What::Temperature(words.next()?),
            other => return Err(format!("there is no input {other:?}")),
        };
        self.engine()?.handle_input(Input { now, what });
        Ok(())
    }
}
