//! Writes a recording, line by line.

use std::fmt::Write;

use super::{inputs, outputs};
use crate::config::Config;
use crate::core::api::last_good;
use crate::core::api::monitoring::Address;
use crate::core::api::order::{Order, Whom};
use crate::core::api::output::Output;
use crate::core::api::settings::{Mode, SourceConfig};
use crate::core::api::temp_comp::{Curve, TempComp};
use crate::core::clock::leap::LeapTable;
use crate::core::engine::{Input, PastFile, Start, What};
use crate::report::dump_file;
use crate::time::{ClockReading, Raw};

/// First word of a recording.
pub const FORMAT: &str = "slewd-recording 1";

/// Of slewd.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where a recording goes.
pub trait Sink {
    /// Takes lines. `false`: no more can be taken, and people have been told so.
    fn write(&mut self, lines: &str) -> bool;

    /// The recording ends before the run does: people are to be told why.
    fn stop(&mut self, why: String);
}

/// A recording that is being made.
pub struct Recording {
    sink: Box<dyn Sink>,
    lines: String,
    is_over: bool,
}

/// A source whose replies are protected by keys.
pub fn is_protected(source: &SourceConfig) -> bool {
    source.options.nts || source.options.key.is_some()
}

impl Recording {
    /// A recording of a run that has not been started yet.
    pub fn new(sink: Box<dyn Sink>) -> Self {
        let mut recording = Recording { sink, lines: String::new(), is_over: false };
        recording.put(format_args!("{FORMAT} {VERSION}"));
        recording
    }

    /// What the settings of the run are made of: the configuration, the curve of `tempcomp` if it is in a file of its own,
    /// `-R`, and whether log files are written.
    pub fn settings(&mut self, config: &Config, temp_comp: Option<&TempComp>, is_restarted: bool, has_logs: bool) {
        config.printed.iter().for_each(|line| self.put(format_args!("conf {line}")));
        if let Some(TempComp { curve: Curve::Points(points), .. }) = temp_comp {
            points.all().iter().for_each(|(at, ppm)| self.put(format_args!("point {at:e} {ppm:e}")));
        }
        self.put(format_args!("flags {} {}", u8::from(is_restarted), u8::from(has_logs)));
    }

    pub(super) fn started(&mut self, start: &Start, now: &ClockReading) {
        self.block("good", &last_good::to_text(&start.last_good));
        if let Some(table) = &start.leap_table {
            self.leap_table(table);
        }
        let (prior, floor) = (&start.prior, &start.floor);
        let (frequency, sd) = (prior.frequency, prior.sd);
        let (centre, width) = (prior.wander.log10_centre, prior.wander.log10_width);
        self.put(format_args!("prior {frequency:e} {sd:e} {centre:e} {width:e}"));
        self.put(format_args!("floor {} {}", floor.utc.nanos(), u8::from(floor.from_drift_file)));
        self.put(format_args!("seed {}", hex(&start.seed)));
        let mode = match start.mode {
            Mode::Discipline => 'd',
            Mode::SetOnce => 'q',
            Mode::MeasureOnce => 'Q',
        };
        self.put(format_args!("mode {mode} {}", u8::from(start.is_brief)));
        self.put(format_args!("started{}", clocks(now)));
        self.refuse(start.sources.iter().find(|source| is_protected(source)));
        self.flush();
    }

    pub(super) fn recalled(&mut self, files: &[PastFile], boot: Option<&str>) {
        for (source, dump) in files {
            self.put(format_args!("past {}", dump_file::file_name(*source)));
            self.block("|", &dump.as_ref().map(dump_file::text).unwrap_or_default());
        }
        self.put(format_args!("recall {}", boot.unwrap_or("-")));
        self.flush();
    }

    pub(super) fn source_lines(&mut self, lines: &[String]) {
        lines.iter().for_each(|line| self.put(format_args!("line {line}")));
    }

    pub(super) fn input(&mut self, input: &Input<'_>) {
        match &input.what {
            What::Reload { lines } => self.refuse(lines.iter().find(|line| is_protected(line))),
            What::LeapData(table) => self.leap_table(table),
            _ => {}
        }
        let (kind, words) = inputs::words(&input.what);
        self.put(format_args!("{kind}{}{words}", clocks(&input.now)));
        self.flush();
    }

    /// An order is repeated by the datagram that it came in. The orders that slewd makes of one `onoffline` came in none.
    pub(super) fn order(&mut self, order: &Order, now: &ClockReading, request: Option<&[u8]>) {
        let clocks = clocks(now);
        match (order, request) {
            (Order::SetOnline { whom: Whom::One(Address::Ip(address)), online }, None) => {
                self.put(format_args!("online{clocks} {} {address}", u8::from(*online)));
            }
            (_, request) => self.put(format_args!("order{clocks} {}", hex(request.unwrap_or_default()))),
        }
        if let Order::Add(source) = order {
            self.refuse(Some(&**source).filter(|source| is_protected(source)));
        }
        self.flush();
    }

    pub(super) fn explained(&mut self, now: Raw) {
        self.put(format_args!("explain {}", now.nanos()));
    }

    pub(super) fn output(&mut self, output: &Output) {
        self.put(format_args!("> {}", outputs::text(output)));
        if matches!(output, Output::Timeout { .. } | Output::Finish { .. }) {
            self.flush();
        }
    }

    pub(super) fn end(&mut self) {
        self.put(format_args!("end"));
        self.flush();
    }

    /// Nothing more is to be written.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    fn refuse(&mut self, source: Option<&SourceConfig>) {
        if let Some(source) = source.filter(|_| !self.is_over) {
            self.put(format_args!("end"));
            self.flush();
            self.is_over = true;
            self.sink.stop(format!("{} is protected by keys, which are not recorded", source.host));
        }
    }

    fn leap_table(&mut self, table: &LeapTable) {
        self.put(format_args!("table {}", table.name()));
        self.block("|", &table.list());
    }

    fn block(&mut self, kind: &str, text: &str) {
        text.lines().for_each(|line| self.put(format_args!("{kind} {line}")));
    }

    fn put(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = self.lines.write_fmt(line);
        self.lines.push('\n');
    }

    /// Before the engine hears of something: what makes it panic is to be in the file.
    fn flush(&mut self) {
        if !self.is_over {
            self.is_over = !self.sink.write(&self.lines);
        }
        self.lines.clear();
    }
}

/// The clocks, as each input has them.
fn clocks(now: &ClockReading) -> String {
    format!(" {} {} {} {}", now.raw.nanos(), now.utc.nanos(), now.width.nanos(), now.slept.nanos())
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
