//! The address file: which addresses told the time, for the next start.

use std::net::IpAddr;

use crate::core::api::last_good::LastGood;
use crate::core::api::output::{Output, Outputs};
use crate::core::api::settings::Mode;
use crate::core::pool::source_set::{Opinion, SourceSet};
use crate::core::source::Source;
use crate::time::{Raw, Span};

/// Good addresses are remembered when the clock has been set for this long: the start is over.
const START_IS_OVER: Span = Span::from_secs(60);

impl SourceSet {
    /// What the address file should say, if that has changed since it was last told.
    pub(in crate::core) fn addresses(&mut self, opinion: &Opinion, now: Raw) -> Option<Vec<LastGood>> {
        let is_known = opinion.is_decided && self.mode != Mode::MeasureOnce;
        (is_known && self.has_news(opinion, now)).then(|| self.remember_good(opinion, now))
    }

    /// Writes the address file while slewd runs.
    pub(in crate::core) fn save_addresses_when_due(&mut self, opinion: &Opinion, now: Raw, outputs: &mut Outputs) {
        if self.set_at.is_some_and(|at| now - at >= START_IS_OVER)
            && let Some(addresses) = self.addresses(opinion, now)
        {
            outputs.push(Output::SaveAddresses(addresses));
        }
    }

    fn has_news(&self, opinion: &Opinion, now: Raw) -> bool {
        self.lines.iter().enumerate().filter(|(_, line)| line.name().is_some()).any(|(index, line)| {
            let is_new = |source: &Source| source.named_address().is_some_and(|ip| !line.last_good.contains(&ip));
            let is_gone = |address: &IpAddr| self.members(index).all(|source| source.named_address() != Some(*address));
            let mut good = self.members(index).filter(|source| self.is_good(source, opinion, now)).peekable();
            good.peek().is_some() && (good.any(is_new) || line.last_good.iter().any(is_gone))
        })
    }

    /// One that was good and is still a member counts as good: the file is not written for every lost packet. A line none
    /// of whose sources is good keeps what it had.
    fn remember_good(&mut self, opinion: &Opinion, now: Raw) -> Vec<LastGood> {
        let mut known = Vec::new();
        for index in 0..self.lines.len() {
            let is_good = |source: &Source| self.is_good(source, opinion, now);
            let remembered = &self.lines[index].last_good;
            let is_remembered = |source: &Source| source.named_address().is_some_and(|ip| remembered.contains(&ip));
            let is_kept = |source: &&Source| is_good(source) || is_remembered(source);
            let has_good = self.members(index).any(is_good);
            let kept: Vec<IpAddr> = self.members(index).filter(is_kept).filter_map(Source::named_address).collect();
            let line = &mut self.lines[index];
            if has_good {
                line.last_good = kept;
            }
            if let Some(name) = line.name().filter(|_| !line.last_good.is_empty()) {
                known.push(LastGood { name: name.to_owned(), addresses: line.last_good.clone() });
            }
        }
        known
    }
}
