//! The words of outputs. They are compared, and never read back.

use super::writer::hex;
use crate::core::api::command::ClockCommand;
use crate::core::api::last_good;
use crate::core::api::output::Output;
use crate::report::{log, log_file};
use crate::time::Leap;

/// An output as one line.
pub fn text(output: &Output) -> String {
    match output {
        Output::Send { exchange, to, packet } => format!("send {} {to} {}", exchange.0, hex(packet)),
        Output::Close(exchange) => format!("close {}", exchange.0),
        Output::Resolve { line } => format!("resolve {line}"),
        // Keys are not recorded, nor what asks for them.
        Output::EstablishKeys(_) | Output::AbandonKeys(_) => "keys".to_owned(),
        Output::Clock(command) => clock(command),
        Output::ReadClock(clock) => format!("read {}", clock.0),
        Output::ReadLeapData => "read leap".to_owned(),
        Output::ReadTemperature => "read temperature".to_owned(),
        Output::Save(record) => format!("save {:e} {:e}", record.frequency_ppm, record.skew_ppm),
        Output::SaveAddresses(known) => {
            format!("save addresses {}", last_good::to_text(known).trim_end().replace('\n', "; "))
        }
        Output::Event(event) => {
            let (level, text) = log::line(event);
            format!("log {level} {text}")
        }
        Output::Record(record) => format!("record {}", log_file::line(record).trim_end()),
        Output::Finish { success } => format!("finish {}", u8::from(*success)),
        Output::Timeout { at, why } => match at {
            Some(at) => format!("wait {} {why}", at.nanos()),
            None => "wait".to_owned(),
        },
    }
}

fn clock(command: &ClockCommand) -> String {
    match command {
        ClockCommand::Step { by } => format!("step {}", by.nanos()),
        ClockCommand::Steer { frequency, phase, time_constant } => {
            format!("steer {frequency:e} {} {time_constant}", phase.nanos())
        }
        ClockCommand::Report(report) => format!(
            "report {} {} {} {}",
            u8::from(report.synchronized),
            report.max_error.nanos(),
            report.est_error.nanos(),
            Leap::indicator(Some(report.leap))
        ),
        ClockCommand::SetTai { tai_s } => format!("tai {tai_s}"),
    }
}
