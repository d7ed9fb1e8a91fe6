//! What people ask for while it runs (chronyc(1)): the clock, selection, and who is asked. `source_commands` changes
//! lines and their parameters.

use std::net::IpAddr;

use crate::core::api::event::Event;
use crate::core::api::limits::{ANY, within};
use crate::core::api::monitoring::Address;
use crate::core::api::order::{Order, Refused, Whom};
use crate::core::api::settings::MakeStep;
use crate::core::clock::discipline::Occasion;
use crate::core::engine::{Engine, Mode, Output, WEAK_PRIOR_SD, acquisition, rate};
use crate::core::estimate::FrequencyPrior;
use crate::core::selection::sync_state::SyncState;
use crate::core::selection::{Favourite, Selection};
use crate::time::{ClockReading, Raw, Span, Utc};

/// No crystal is off by more; what is more is a mistake.
const LARGEST_FREQUENCY_CHANGE_PPM: f64 = 1000.0;
/// Nor is it after several such changes.
const LARGEST_FREQUENCY: f64 = 5e-3;

/// A reset may mean another machine room, or another machine: the frequency is in doubt as after a sleep.
const FREQUENCY_SD_AFTER_RESET: f64 = 1e-6;

impl Engine {
    /// Carries out an order as far as that is up to the engine. Follow with [`Engine::poll_output`] until it returns a
    /// timeout, as after any input.
    pub fn obey(&mut self, order: Order, now: &ClockReading) -> Result<(), Refused> {
        if self.finished || self.mode != Mode::Discipline {
            return Err(Refused::Failed);
        }
        self.seen = now.raw;
        self.recorder.begin(now);
        self.notice_gaps(now);
        let result = self.carry_out(order, now);
        if !self.finished {
            self.run_due(now);
        }
        self.end_records();
        result
    }

    fn carry_out(&mut self, order: Order, now: &ClockReading) -> Result<(), Refused> {
        match order {
            Order::SetOnline { whom, online } => self.set_online(whom, online, now.raw),
            Order::Burst { whom, good, most } => self.burst(whom, good, most, now.raw),
            Order::Change { source, parameter } => self.change(source, parameter, now.raw),
            Order::Add(line) => self.add_ordered(*line, now.raw),
            Order::Delete(source) => self.delete(source, now.raw),
            Order::Refresh => {
                self.associations.iter_mut().for_each(|line| line.refresh(now.raw));
                Ok(())
            }
            Order::ResetSources => {
                self.reset_sources(now.raw);
                Ok(())
            }
            Order::Reselect => {
                self.favourite = Favourite::default();
                self.select_anew(now.raw);
                Ok(())
            }
            Order::ReselectDistance(distance_s) => {
                self.settings.reselect_distance_s = within(distance_s, ANY).ok_or(Refused::Failed)?;
                Ok(())
            }
            Order::MakeStep => self.make_step(now),
            Order::SetMakeStep(MakeStep { threshold_s, limit }) => {
                let threshold_s = within(threshold_s, ANY).ok_or(Refused::Failed)?;
                self.discipline.set_make_step(MakeStep { threshold_s, limit });
                Ok(())
            }
            Order::MaxUpdateSkew(ppm) => {
                self.settings.max_update_skew_ppm = within(ppm, ANY).ok_or(Refused::Failed)?;
                Ok(())
            }
            Order::AddFrequency(ppm) => self.add_frequency(ppm, now),
            Order::AddOffset(ahead_s) => self.add_offset(ahead_s, now),
        }
    }

    /// As chronyc's commands `online` and `offline`.
    fn set_online(&mut self, whom: Whom, online: bool, now: Raw) -> Result<(), Refused> {
        let mut is_any = false;
        for index in 0..self.associations.len() {
            if self.is_meant_line(whom, index) {
                is_any |= !self.associations[index].is_retired();
                let line = &mut self.associations[index];
                line.config.options.offline = !online;
                if online {
                    line.hurry(now);
                }
            }
        }
        for index in 0..self.sources.len() {
            let source = &mut self.sources[index];
            if !is_meant(whom, source.address.ip()) {
                continue;
            }
            is_any = true;
            if source.schedule.set_online(online, now) {
                if !online {
                    // As in chronyd: one that is not asked has no say.
                    source.reach = 0;
                }
                let label = source.label.clone();
                self.tell(Event::Online(label, online));
            }
        }
        if !online {
            self.select_anew(now);
        }
        is_any.then_some(()).ok_or(Refused::NoSuchSource)
    }

    fn burst(&mut self, whom: Whom, good: u32, most: u32, now: Raw) -> Result<(), Refused> {
        let mut is_any = whom == Whom::All && self.unresolved().next().is_some();
        for source in self.sources.iter_mut().filter(|source| is_meant(whom, source.address.ip())) {
            is_any = true;
            source.schedule.burst(good, most, now);
        }
        is_any.then_some(()).ok_or(Refused::NoSuchSource)
    }

    /// All lines, or the one of a name that has no address.
    fn is_meant_line(&self, whom: Whom, index: usize) -> bool {
        match whom {
            Whom::All => true,
            Whom::One(Address::Id(id)) => self.unresolved().any(|(line, _)| line == index && self.lines[line].id == id),
            Whom::One(_) | Whom::Net { .. } => false,
        }
    }

    /// Selects, and says whom if that is somebody else.
    pub(super) fn select_anew(&mut self, now: Raw) {
        self.reselect(now, None);
        if self.is_synchronised() && self.selection.is_majority {
            self.announce_selection();
        }
    }

    /// All measurements are void, and with them what was learnt from them; only the frequency is still a good guess.
    fn reset_sources(&mut self, now: Raw) {
        let estimate = self.estimator.estimate();
        let known = estimate.map(|estimate| FrequencyPrior {
            frequency: estimate.frequency - self.known_rate(),
            sd: libm::hypot(estimate.frequency_sd_at(now), FREQUENCY_SD_AFTER_RESET),
            ..self.prior
        });
        self.prior = known.unwrap_or(self.prior);
        self.prior_is_proven = self.prior.sd > WEAK_PRIOR_SD;
        self.estimator.restart(self.prior);
        self.sources.iter_mut().for_each(|source| source.reset());
        (0..self.sources.len()).for_each(|index| self.tune(index));
        self.selection = Selection::empty();
        self.favourite = Favourite::default();
        self.backing = acquisition::Backing::default();
        self.rate = rate::RateWatch::new(&self.prior);
        self.discipline.rest();
        self.sync = SyncState::START;
        self.announced.selected = None;
        self.restart_all(now);
        self.report_unsynchronised();
    }

    /// Steps the clock by all that is still to be slewed.
    fn make_step(&mut self, now: &ClockReading) -> Result<(), Refused> {
        let estimate = self.estimator.estimate().filter(|_| self.has_target()).ok_or(Refused::Failed)?;
        let (frequency, is_observed) = (self.discipline.frequency(), !self.obeys());
        let frequency = frequency.filter(|_| !is_observed).ok_or(Refused::Failed)?;
        let by = self.discipline.remaining(now);
        let left = estimate.true_time(now.raw) - now.utc - by;
        self.step(by, frequency);
        self.report(&estimate, now, left.abs());
        Ok(())
    }

    /// The clock runs faster than was thought.
    fn add_frequency(&mut self, ppm: f64, now: &ClockReading) -> Result<(), Refused> {
        // Not-a-number is not in the range either.
        let is_possible = (-LARGEST_FREQUENCY_CHANGE_PPM..=LARGEST_FREQUENCY_CHANGE_PPM).contains(&ppm);
        let before = self.estimator.estimate();
        let frequency = before.map_or(self.first_frequency(), |estimate| estimate.frequency) - ppm * 1e-6;
        if !is_possible || frequency.abs() > LARGEST_FREQUENCY {
            return Err(Refused::Failed);
        }
        let rate = -ppm * 1e-6;
        // What the time is now stays as it is.
        let since = before.map_or(Span::ZERO, |estimate| now.raw - estimate.at);
        self.estimator.revise(-since.scaled(rate), rate);
        self.discipline.turn(now.raw, rate);
        match before {
            Some(_) if self.has_target() => self.correct(Occasion::Continuation, now),
            _ => {
                self.prior.frequency += rate;
                self.prior.sd = self.prior.sd.max(rate.abs());
                let command = self.discipline.coast(frequency);
                self.emit(Output::Clock(command));
            }
        }
        Ok(())
    }

    /// The clock is ahead by more than was thought. Sources have the last word: what they say next counts as much as if
    /// the time were not known any better than by this change.
    fn add_offset(&mut self, ahead_s: f64, now: &ClockReading) -> Result<(), Refused> {
        let estimate = self.estimator.estimate().filter(|_| self.has_target()).ok_or(Refused::Failed)?;
        let change = -Span::from_secs_f64(ahead_s);
        let is_possible = ahead_s.abs() <= ANY.1 && estimate.true_time(now.raw) + change > Utc::from_nanos(0);
        if !is_possible || self.discipline.frequency().is_none() {
            return Err(Refused::Failed);
        }
        self.estimator.revise(change, 0.0);
        self.discipline.shift(change);
        self.correct(Occasion::Continuation, now);
        Ok(())
    }
}

fn is_meant(whom: Whom, source: IpAddr) -> bool {
    match whom {
        Whom::All => true,
        Whom::One(address) => address == Address::Ip(source),
        Whom::Net { address, mask } => match (source, address, mask) {
            (IpAddr::V4(source), IpAddr::V4(address), IpAddr::V4(mask)) => {
                (source.to_bits() ^ address.to_bits()) & mask.to_bits() == 0
            }
            (IpAddr::V6(source), IpAddr::V6(address), IpAddr::V6(mask)) => {
                (source.to_bits() ^ address.to_bits()) & mask.to_bits() == 0
            }
            // A mask of another family leaves no bit out, as with chronyd.
            _ => source == address,
        },
    }
}
