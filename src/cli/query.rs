//! `slewd query HOST...`: asks servers and prints what they say; the clock is not touched.

use std::net::IpAddr;
use std::process::ExitCode;

use crate::cli::ask::{QueryOutcome, addresses, ask};
use crate::cli::words::Arguments;
use crate::cli::{clocks, complain, say};
use crate::core::api::measurement::Measurement;
use crate::core::api::settings::Family;
use crate::time::{Leap, Span};

/// With what follows, a line has no more than 80 columns.
const SERVER_WIDTH: usize = 24;

/// Status 0 if any server told the time.
pub(super) fn run(words: &Arguments) -> Result<ExitCode, String> {
    let family = match (words.has("-4"), words.has("-6")) {
        (true, false) => Family::V4,
        (false, true) => Family::V6,
        _ => Family::Any,
    };
    if words.has("--clocks") {
        return clocks::run();
    }
    if words.free.is_empty() {
        return Err("name at least one server".to_owned());
    }
    let mut servers = Vec::new();
    for host in &words.free {
        let addresses = addresses(host, family);
        if addresses.is_empty() {
            complain(&format!("{host}: no address found"));
        }
        servers.extend(addresses.into_iter().map(|address| (host.clone(), address)));
    }
    // Nobody is asked for what cannot be told.
    if !say("server                      offset (s) bound (s) delay (s) st reference\n") {
        return Ok(ExitCode::FAILURE);
    }
    let mut any = false;
    let asked = ask(&servers, &mut |outcome: QueryOutcome<'_>| {
        any |= outcome.said.is_ok();
        print(&outcome, words.free.len() > 1);
    });
    match asked {
        Ok(()) if any => Ok(ExitCode::SUCCESS),
        Ok(()) => {
            complain(
                "No server told the time. Is there a network, and is UDP port 123 open?\n\
                 Try another: slewd query pool.ntp.org",
            );
            Ok(ExitCode::FAILURE)
        }
        Err(reason) => {
            complain(&format!("slewd query: {reason}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn print(outcome: &QueryOutcome<'_>, has_names: bool) {
    let (name, address) = outcome.server;
    // As text: an address does not fill a column by itself.
    let address = address.to_string();
    // A name is said where several have been asked; an IPv6 address may need a line for itself.
    let mut head = if has_names && *name != address { format!("{address} ({name})") } else { address };
    if head.len() > SERVER_WIDTH {
        say(&format!("{head}\n"));
        head.clear();
    }
    let (offset, measurement): (Span, &Measurement) = match &outcome.said {
        Ok((offset, measurement)) => (*offset, measurement),
        Err(complaint) => {
            say(&format!("{head:SERVER_WIDTH$} {complaint}\n"));
            return;
        }
    };
    let leap = match measurement.leap {
        Leap::Normal => "",
        Leap::Insert => "  a leap second will be inserted\n",
        Leap::Delete => "  a leap second will be deleted\n",
    };
    say(&format!(
        "{head:SERVER_WIDTH$} {:>+13.6} {:>9.6} {:>9.6} {:>2} {}\n{leap}",
        offset.secs_f64(),
        measurement.bound().secs_f64(),
        measurement.sample.delay.secs_f64(),
        measurement.stratum,
        reference(measurement),
    ));
}

/// Letters at stratum 1, else the IPv4 address (or a hash of the IPv6 one) of the server's server.
fn reference(measurement: &Measurement) -> String {
    let id = measurement.reference_id;
    if measurement.stratum == 1 {
        return id.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)).collect();
    }
    IpAddr::from(id).to_string()
}
