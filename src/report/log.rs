//! The lines of the log. Administrators filter on chronyd's texts, so where it has one, this is it, to the
//! trailing space.

use log::Level;

use crate::core::api::event::{Event, Obstacle};
use crate::core::api::flaw::Flaw;
use crate::core::api::settings::LeapMode;
use crate::core::api::temp_comp::LARGEST_PPM;
use crate::report::names::flaw_words;
use crate::time::Leap;

/// Severity and text of an event.
pub fn line(event: &Event) -> (Level, String) {
    match event {
        Event::Selected(source) => info(format!("Selected source {source}")),
        Event::Falseticker(source) => warn(format!("Detected falseticker {source}")),
        Event::TooDistant(source, limit_s) => {
            warn(format!("Root distance of {source} exceeds maxdistance of {limit_s:.3} seconds"))
        }
        Event::TooJittery(source, limit_s) => {
            warn(format!("Jitter of {source} exceeds maxjitter of {limit_s:.3} seconds"))
        }
        Event::SourceUnusable(source, flaw) => {
            warn(format!("Source {source} is not usable: {}", flaw_and_remedy(*flaw)))
        }
        Event::KeysFailed(text) => (Level::Error, text.clone()),
        Event::SourceMoved { old, new, name } if old.ip() == new.ip() => {
            info(format!("Source {} ({name}) changed port to {}", new.ip(), new.port()))
        }
        Event::SourceMoved { old, new, name } => info(format!("Source {} changed to {} ({name})", old.ip(), new.ip())),
        Event::StratumBelow(source, limit) => warn(format!("Stratum of {source} below minstratum of {limit}")),
        Event::StratumAbove(source, limit) => warn(format!("Stratum of {source} above maxstratum of {limit}")),
        Event::CannotSynchronise(obstacle) => warn(format!("Can't synchronise: {}", reason(obstacle))),
        Event::ClockWrong(by) => warn(format!("System clock wrong by {:.6} seconds", by.secs_f64())),
        Event::Stepped(by) => warn(format!("System clock was stepped by {:.6} seconds", by.secs_f64())),
        Event::ClockRefused => (
            Level::Error,
            "The kernel refuses to adjust the system clock, which is only observed until it does".to_owned(),
        ),
        Event::ClockObeys => info("The kernel adjusts the system clock again".to_owned()),
        Event::StepFailed => (Level::Error, "Could not step system clock".to_owned()),
        Event::OneShot(by, is_step) => {
            let what = if *is_step { "step" } else { "ignored" };
            info(format!("System clock wrong by {:.6} seconds ({what})", by.secs_f64()))
        }
        Event::NoInitialSource => warn("No suitable source for initstepslew".to_owned()),
        Event::NoSuitableSource => warn("No suitable source for synchronisation".to_owned()),
        Event::MovedToFloor { from_drift_file: true, .. } => info("System time restored from driftfile".to_owned()),
        Event::MovedToFloor { from_drift_file: false, by } => warn(format!(
            "System time was before this program was built, moved forward by {:.0} seconds",
            by.secs_f64()
        )),
        Event::ForeignChange(by) => {
            let direction = if by.nanos() < 0 { "Backward" } else { "Forward" };
            warn(format!(
                "{direction} time jump detected! (clock set by another program by {:.6} seconds)",
                by.secs_f64()
            ))
        }
        Event::ForeignSteering(by) => warn(format!(
            "System clock steered by another program, {:.6} seconds off its course, put right",
            by.secs_f64()
        )),
        Event::DeviceJumped(source, by) => {
            warn(format!("Reference clock {source} jumped by {:.6} seconds", by.secs_f64()))
        }
        Event::DeviceMayKeepTai(source) => warn(format!(
            "Reference clock {source} is ahead of the system clock as TAI is of UTC: if it keeps TAI, its line needs the option tai"
        )),
        Event::Interference => warn("System clock interference detected (another NTP client?)".to_owned()),
        Event::Online(source, true) => info(format!("Source {source} online")),
        Event::Online(source, false) => info(format!("Source {source} offline")),
        Event::Slept(length) => {
            info(format!("Resumed after {:.0} seconds of suspend, asking all sources", length.secs_f64()))
        }
        Event::Reacquired(by) => {
            warn(format!("Sources agree that time jumped by {:.6} seconds, following them", by.secs_f64()))
        }
        Event::Unrest => warn(
            "Sources contradict the clock again and again: an unsteady server, or a clock that changes its rate"
                .to_owned(),
        ),
        Event::KissRate(address) => warn(format!("Received KoD RATE from {address}")),
        Event::KissDeny(address, length) => warn(format!(
            "Received KoD DENY from {address}, not asking it for {:.0} seconds, then ever more rarely",
            length.secs_f64()
        )),
        Event::Replaced { old, new, name } => info(format!("Source {old} replaced with {new} ({name})")),
        Event::PriorDiscarded(ppm) => {
            warn(format!("Initial frequency {ppm:.3} ppm contradicts the sources, discarded"))
        }
        Event::RateFound(ppm) => {
            let direction = if *ppm < 0.0 { "slow" } else { "fast" };
            warn(format!("System clock runs {:.0} ppm {direction}", ppm.abs()))
        }
        Event::MaxChange { offset, limit_s, exiting } => {
            // chronyd's line ends in a space, and filters know it.
            let what = if *exiting { "exiting" } else { "ignored" };
            warn(format!(
                "Adjustment of {:.3} seconds exceeds the allowed maximum of {limit_s:.3} seconds ({what}) ",
                offset.secs_f64()
            ))
        }
        Event::Leap(Leap::Normal) => info("System clock status set to not insert/delete leap second".to_owned()),
        Event::Leap(Leap::Insert) => info("System clock status set to insert leap second".to_owned()),
        Event::Leap(Leap::Delete) => info("System clock status set to delete leap second".to_owned()),
        Event::LeapExpected(Leap::Normal) => info("No leap second is announced any more".to_owned()),
        Event::LeapExpected(Leap::Insert) => info("A leap second will be inserted at the end of this day".to_owned()),
        Event::LeapExpected(Leap::Delete) => info("A leap second will be left out at the end of this day".to_owned()),
        Event::LeapSecond(LeapMode::System) => info("System clock status reset after leap second".to_owned()),
        Event::LeapSecond(LeapMode::Step) => warn("System clock was stepped for leap second".to_owned()),
        Event::LeapSecond(LeapMode::Slew) => warn("Adjusting system clock for leap second".to_owned()),
        Event::LeapSecond(LeapMode::Ignore) => warn("Ignoring leap second".to_owned()),
        Event::TaiOffset(tai_s) => info(format!("System clock TAI offset set to {tai_s} seconds")),
        Event::LeapDataExpired(file) => warn(format!("{file} needs update")),
        Event::SmearMixed { slower, faster, gap_ppm } => warn(format!(
            "Sources {} run {gap_ppm:.1} ppm slower than {} around a leap second: some servers smear it and some do not, \
             use one kind only",
            slower.join(", "),
            faster.join(", ")
        )),
        Event::FrequencyLimited(ppm) => warn(format!("Frequency {ppm:.1} ppm exceeds allowed maximum")),
        Event::InitialOffset(by, is_step) => {
            let direction = if by.nanos() < 0 { "fast" } else { "slow" };
            let what = if *is_step { "step" } else { "slew" };
            info(format!("System's initial offset : {:.6} seconds {direction} of true ({what})", by.abs().secs_f64()))
        }
        Event::FallenBack(after, ppm) => {
            warn(format!("No update for {:.0} seconds, using the average frequency {ppm:.3} ppm", after.secs_f64()))
        }
        Event::PastRecalled(source) => info(format!("Loaded dump file for {source}")),
        Event::PastRefused(source) => warn(format!("Could not load dump file for {source}")),
        Event::PastContradicted => {
            warn("Samples of the dump files contradict what the sources say now, discarded".to_owned())
        }
        Event::CompensationBeyond(ppm) => {
            warn(format!("Temperature compensation of {ppm:.3} ppm exceeds sanity limit of {LARGEST_PPM:.1}"))
        }
        Event::SourceAdded { name, is_pool } => info(format!("Added {} {name}", kind(*is_pool))),
        Event::SourceRemoved { name, is_pool } => info(format!("Removed {} {name}", kind(*is_pool))),
        Event::CannotAddSource { name, reason } => (Level::Error, format!("Could not add source {name} : {reason}")),
        Event::LoneSourceContradicted(source) => warn(format!(
            "Source {source} contradicts itself and is the only one, waiting for three answers that agree"
        )),
    }
}

fn kind(is_pool: bool) -> &'static str {
    if is_pool { "pool" } else { "source" }
}

/// Why the clock cannot be disciplined.
pub fn reason(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::NoSources => "no sources".to_owned(),
        Obstacle::NoSelectableSources { unreachable } => {
            format!("no selectable sources ({unreachable} unreachable sources)")
        }
        Obstacle::NoMajority { agreeing: 0 | 1, voters } => {
            format!("no majority (no agreement among {voters} sources)")
        }
        Obstacle::NoMajority { agreeing, voters } => {
            format!("no majority (only {agreeing} of {voters} sources agree)")
        }
        Obstacle::NotEnough => "not enough selectable sources".to_owned(),
        Obstacle::NoRequired => "no required source in selectable sources".to_owned(),
        Obstacle::RateBeyond { ppm } => {
            let direction = if *ppm < 0 { "slow" } else { "fast" };
            format!(
                "system clock runs {} ppm {direction}, more than the 100000 ppm that the kernel can correct",
                ppm.unsigned_abs()
            )
        }
        Obstacle::LoneAndFar { years } => {
            let direction = if *years < 0 { "before" } else { "after" };
            format!(
                "only source is {} years {direction} system clock: set the date by hand, or add a second source",
                years.unsigned_abs()
            )
        }
    }
}

/// Who is at fault, and what happens next.
fn flaw_and_remedy(flaw: Flaw) -> String {
    let next = match flaw {
        Flaw::NoDescriptors => "raise its limit (LimitNOFILE of the service, or ulimit -n)",
        Flaw::NotPermitted => "check the firewall, and the directives acquisitionport and user",
        Flaw::Unprotected => "remove the option nts to ask it without authentication",
        Flaw::KeyMissing => "add it to the file of the directive keyfile",
        Flaw::KeysAwaited | Flaw::KeyServerAway => "TCP port 4460 must be open, see ntsport",
        Flaw::KeyEstablishment | Flaw::Certificate => "see the messages before",
        Flaw::LocalEnd => "check bindacqaddress, bindacqdevice and acquisitionport",
        Flaw::NoAddress => "looking it up again",
        Flaw::NoPlace => "remove other sources",
        Flaw::Offline => "waiting for the command online",
        Flaw::DeviceAbsent => "waiting for it",
        Flaw::DeviceFrozen | Flaw::DeviceRate => "it is not followed until it runs as it should",
        Flaw::DeviceTai => "it is not followed until it jumps back",
        Flaw::NoSeconds => "add a server, or the option lock with another reference clock",
        _ => "asking it again",
    };
    format!("{}, {next}", flaw_words(flaw).1)
}

fn info(text: String) -> (Level, String) {
    (Level::Info, text)
}

fn warn(text: String) -> (Level, String) {
    (Level::Warn, text)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::time::Span;

    #[test]
    fn chronyds_texts_are_kept_to_the_letter() {
        let text = |event: Event| line(&event).1;
        assert_eq!(text(Event::Selected("192.0.2.1 (ntp.example)".into())), "Selected source 192.0.2.1 (ntp.example)");
        assert_eq!(
            text(Event::ClockWrong(Span::from_millis(-14_400_000))),
            "System clock wrong by -14400.000000 seconds"
        );
        assert_eq!(text(Event::Stepped(Span::from_millis(1500))), "System clock was stepped by 1.500000 seconds");
        let (old, new) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let replaced = Event::Replaced { old, new, name: "ntp.example".into() };
        assert_eq!(text(replaced), "Source 192.0.2.1 replaced with 192.0.2.2 (ntp.example)");
        let disagree = Obstacle::NoMajority { agreeing: 1, voters: 2 };
        assert_eq!(
            text(Event::CannotSynchronise(disagree)),
            "Can't synchronise: no majority (no agreement among 2 sources)"
        );
        let too_much = Event::MaxChange { offset: Span::from_secs(7200), limit_s: 1000.0, exiting: false };
        assert_eq!(
            text(too_much),
            "Adjustment of 7200.000 seconds exceeds the allowed maximum of 1000.000 seconds (ignored) "
        );
    }
}
