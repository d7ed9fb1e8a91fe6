//! The words of inputs.

use super::writer::hex;
use crate::core::api::command::Applied;
use crate::core::api::exchange::{Stamp, StampSource, Undelivered};
use crate::core::api::reference_clock::{Moment, Reading};
use crate::core::engine::What;
use crate::time::Leap;

/// The kind of an input, and what it says, each word after a space.
pub(super) fn words(what: &What<'_>) -> (&'static str, String) {
    match what {
        What::Wake => ("wake", String::new()),
        What::Sent { exchange, stamp: at, from, awaits_hardware } => {
            let from = from.map_or("-".to_owned(), |from| from.to_string());
            ("sent", format!(" {}{} {from} {}", exchange.0, stamp(at), u8::from(*awaits_hardware)))
        }
        What::Stamped { exchange, stamp: at } => ("stamped", format!(" {}{}", exchange.0, stamp(at))),
        What::Unreachable { exchange, why } => {
            let why = match why {
                Undelivered::NeverLeft(flaw) => i32::from(*flaw as u8),
                Undelivered::PortClosed => -1,
                Undelivered::AddressGone => -2,
            };
            ("unreachable", format!(" {} {why}", exchange.0))
        }
        What::Datagram { exchange, bytes, arrived } => {
            ("datagram", format!(" {}{} {}", exchange.0, stamp(arrived), hex(bytes)))
        }
        What::Reading { clock, reading } => ("reading", format!(" {}{}", clock.0, device(reading))),
        What::Resolved { line, addresses } => {
            let addresses: String = addresses.iter().map(|address| format!(" {address}")).collect();
            ("resolved", format!(" {line}{addresses}"))
        }
        What::Reload { .. } => ("reload", String::new()),
        What::Keys { .. } => ("keys", String::new()),
        What::Applied(applied) => ("applied", self::applied(applied)),
        What::NetworkChanged => ("network", String::new()),
        What::LeapData(_) => ("leap", String::new()),
        What::Temperature(temperature) => ("temperature", format!(" {temperature:e}")),
    }
}

fn stamp(stamp: &Stamp) -> String {
    let by = match stamp.source {
        StampSource::Daemon => 'd',
        StampSource::Kernel => 'k',
        StampSource::Hardware => 'h',
    };
    format!(" {} {by} {}", stamp.at.nanos(), stamp.margin.nanos())
}

fn device(reading: &Reading) -> String {
    let time = match reading {
        Reading::Time(time) => time,
        Reading::Nothing => return " nothing".to_owned(),
        Reading::Absent => return " absent".to_owned(),
        Reading::Unwell(flaw) => return format!(" unwell {}", *flaw as u8),
    };
    let (by, at) = match time.at {
        Moment::System(utc) => ("utc", utc.nanos()),
        Moment::Counter(raw) => ("raw", raw.nanos()),
    };
    let (told, margin, pulse) = (time.time.nanos(), time.margin.nanos(), u8::from(time.is_pulse));
    let precision = time.precision.map_or("-".to_owned(), |precision| precision.to_string());
    format!(" {by} {at} {told} {margin} {pulse} {} {precision}", Leap::indicator(Some(time.leap)))
}

fn applied(applied: &Applied) -> String {
    match *applied {
        Applied::Stepped { by } => format!(" stepped {}", by.nanos()),
        Applied::Steered { frequency, phase, time_constant } => {
            format!(" steered {frequency:e} {} {time_constant}", phase.nanos())
        }
        Applied::Reported => " reported".to_owned(),
        Applied::TaiSet { tai_s } => format!(" tai {tai_s}"),
        Applied::Observed { is_step } => format!(" observed {}", u8::from(is_step)),
        Applied::Failed { disobeys } => format!(" failed {}", u8::from(disobeys)),
    }
}
