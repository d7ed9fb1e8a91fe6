//! A server's memory of when its replies really left: what interleaved mode is about (RFC 9769).

use crate::time::NtpTimestamp;
use crate::wire::ntp::{HEADER_LEN, Reply, Request};

/// Exchanges remembered.
const REMEMBERED: usize = 8;

/// The receive timestamps of the last exchanges, and when their replies left.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    departures: Vec<(NtpTimestamp, NtpTimestamp)>,
}

impl Memory {
    /// Turns a reply into one of interleaved mode, if the request asks for it and what it asks about is remembered. This
    /// reply leaves at `departure`.
    pub(super) fn interleave(&mut self, request: &[u8], reply: Vec<u8>, departure: NtpTimestamp) -> Vec<u8> {
        let (Some(request), Ok(Reply::Time(mut told))) = (Request::decode(request), Reply::parse(&reply)) else {
            return reply;
        };
        if self.departures.len() == REMEMBERED {
            self.departures.remove(0);
        }
        self.departures.push((told.receive, departure));
        let Some(asked) = request.interleaved else { return reply };
        let Some(place) = self.departures.iter().position(|(received, _)| *received == asked.about) else {
            return reply;
        };
        // What has been told is told no more.
        told.transmit = self.departures.remove(place).1;
        told.origin = asked.cookie;
        let bytes: [u8; HEADER_LEN] = told.encode();
        bytes.to_vec()
    }
}
