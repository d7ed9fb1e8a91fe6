//! The last response of a source, as people may want to see it.

use std::net::IpAddr;

use crate::core::api::exchange::StampSource;
use crate::core::api::record::Test;
use crate::time::Span;
use crate::wire::ntp::Header;

/// A response to a request that passed tests 1, 2, 3 and 5 of `ntpdata` in chronyc(1): whether it told the time or not.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Response {
    /// What the packet says.
    pub header: Header,
    /// The first of the other tests that it failed.
    pub failed: Option<Test>,
    /// The response tells of the exchange before (RFC 9769).
    pub interleaved: bool,
    /// The response is known to come from the server.
    pub authenticated: bool,
    /// Where it arrived, if the shell knows.
    pub local: Option<IpAddr>,
    /// Who noted the departure of the request.
    pub sent_by: StampSource,
    /// Who noted the arrival of the response.
    pub received_by: StampSource,
    /// What it measured; `None` if it did not tell the time, or an impossible one.
    pub measured: Option<Measured>,
}

/// What a response measured.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Measured {
    /// How far the clock was ahead of the server.
    pub ahead: Span,
    /// Round trip without the server's own time.
    pub delay: Span,
    /// Error of the measurement by time stamping, and by the frequency during the round trip, in seconds.
    pub dispersion_s: f64,
    /// The server took so long.
    pub response_time: Span,
}

impl Response {
    /// Test results and modes in the bits of chronyc's report `ntpdata`: test 1 is bit 9, test D is bit 0, a 1 is passed.
    pub fn flags(&self) -> u16 {
        const PASSED: u16 = 0x3ff;
        const DELAYS: u16 = 0xf;
        // What cannot be measured has not passed the tests of the delay.
        let failed = match self.failed {
            None => 0,
            Some(Test::Repetition) => 1 << 9,
            Some(Test::Origin) => 1 << 8,
            Some(Test::Timestamps) => 1 << 7,
            Some(Test::Authentication) => 1 << 6,
            Some(Test::Synchronisation) => 1 << 5 | DELAYS,
            Some(Test::RootDistance) => 1 << 4 | DELAYS,
            Some(Test::Delay) => 1 << 3,
            Some(Test::DelayRatio) => 1 << 2,
            Some(Test::DelayDeviation) => 1 << 1,
        };
        PASSED & !failed | u16::from(self.interleaved) << 14 | u16::from(self.authenticated) << 15
    }
}
