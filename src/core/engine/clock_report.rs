//! The state of the engine, for people and programs: the clock, and how far it can be trusted. `describing` has the sources.

use crate::core::api::event::Obstacle;
use crate::core::api::monitoring::{Activity, Hindrance, Status, Tracking};
use crate::core::api::settings::Mode;
use crate::core::api::snapshot::Snapshot;
use crate::core::clock::leap::LeapSecond;
use crate::core::engine::Engine;
use crate::core::estimate::Estimate;
use crate::core::selection::sync_state::VoteCause;
use crate::core::source::Source;
use crate::core::true_time::{BOUND_SIGMAS, expected_error};
use crate::time::{ClockReading, Leap, Raw};

/// What chronyd says of root delay and root dispersion while it is not synchronised, in seconds.
pub(super) const UNKNOWN_ROOT_S: f64 = 1.0;

impl Engine {
    /// Everything at once.
    pub fn snapshot(&self, now: &ClockReading) -> Snapshot {
        let mut sources = Vec::with_capacity(self.sources.count());
        sources.extend((0..self.sources.count()).filter_map(|index| self.source_report(index, now)));
        Snapshot {
            tracking: self.tracking_report(now),
            status: Some(self.status(now)),
            activity: self.activity(),
            server: None,
            sources,
        }
    }

    /// The clock. Sources that fall silent change nothing but the root dispersion and the skew, which grow: so it is with
    /// chronyd, and [`Engine::status`] says more. A source is named only once the clock has been told its time.
    pub fn tracking_report(&self, now: &ClockReading) -> Tracking {
        let in_force = self.clock.frequency(&self.time);
        let last = self.clock.history.update;
        let unknown = Tracking {
            correction_s: self.clock.remaining(now).secs_f64(),
            last_offset_s: last.map_or(0.0, |update| update.ahead.secs_f64()),
            rms_offset_s: last.map_or(0.0, |update| update.rms_s()),
            // As chronyd has it, without what `tempcomp` compensates.
            frequency_ppm: 0.0 - 1e6 * (in_force - self.known_rate()),
            root_delay_s: UNKNOWN_ROOT_S,
            root_dispersion_s: UNKNOWN_ROOT_S,
            update_interval_s: last.map_or(0.0, |update| update.interval.secs_f64()),
            ..Tracking::default()
        };
        let view = self.view(now);
        let known = last.zip(self.time.estimate()).filter(|_| self.selector.sync.has_target());
        let Some((update, estimate)) = known else { return unknown };
        let strayed = (self.time.strayed(&estimate, now.raw) + view.contested()).secs_f64();
        let reference = update.reference;
        let best = self.sources.all().iter().find(|source| source.id() == reference.source);
        let apart_s = best.map_or(0.0, |best| self.time.apart(best).secs_f64());
        let sd_s = estimate.offset_sd_s(now.raw);
        let dispersion_s = reference.root_dispersion_s + BOUND_SIGMAS * sd_s + apart_s + strayed;
        Tracking {
            reference_id: reference.source.reference_id(),
            address: reference.source.into(),
            stratum: u16::from(reference.stratum) + 1,
            leap: Some(self.clock.leap.expected().map_or(Leap::Normal, LeapSecond::leap)),
            reference_time: Some(update.utc),
            correction_s: (view.error(&estimate)).secs_f64(),
            residual_frequency_ppm: 1e6 * (in_force - estimate.frequency),
            skew_ppm: 1e6 * BOUND_SIGMAS * estimate.frequency_sd_at(now.raw),
            root_delay_s: reference.root_delay_s,
            // The root distance that monitoring computes from these two covers the bound.
            root_dispersion_s: dispersion_s.max(view.bound(&estimate).secs_f64() - 0.5 * reference.root_delay_s),
            ..unknown
        }
    }

    /// The clock, beyond chrony's terms.
    pub fn status(&self, now: &ClockReading) -> Status {
        let ago_s = |at: Raw| (now.raw - at).secs_f64().max(0.0);
        let estimate = self.time.estimate().filter(|_| self.selector.sync.has_target());
        let view = self.view(now);
        let error = |estimate: &Estimate| view.error(estimate);
        let is_heard = |slot| self.sources.all().iter().any(|source| source.slot == slot && source.reach != 0);
        let hindrance = self.hindrance();
        let controls_clock = self.mode == Mode::Discipline && !self.clock.history.is_observed;
        Status {
            synchronised: hindrance == Hindrance::None,
            hindrance,
            controls_clock: controls_clock && !self.clock.history.is_refused,
            estimated_error_s: estimate.map(|e| expected_error(&e, now.raw, error(&e)).secs_f64()),
            maximum_error_s: estimate.map(|e| view.maximum_error(&e, error(&e)).secs_f64()),
            agreeing: self.selector.selection().agreeing.iter().filter(|slot| is_heard(*slot)).count() as u16,
            voters: self.selector.selection().voters as u16,
            last_answer_ago_s: self.clock.history.last_answer.map(ago_s),
            next_poll_s: [self.next_request(), self.next_reading()]
                .into_iter()
                .flatten()
                .min()
                .map(|at| (at - now.raw).secs_f64().max(0.0)),
            // An observer knows the time, and has set nothing.
            set_ago_s: self.clock.history.first_set.filter(|_| controls_clock).map(ago_s),
            uptime_s: ago_s(self.clock.history.started),
            steps: self.clock.history.steps,
            last_step_s: self.clock.history.last_step.map(|(_, by)| by.secs_f64()),
            last_step_ago_s: self.clock.history.last_step.map(|(at, _)| ago_s(at)),
            foreign_changes: self.clock.history.foreign_changes,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            flaws: self.flaws(),
        }
    }

    /// How many sources are asked.
    pub fn activity(&self) -> Activity {
        let names = self.sources.unresolved().filter(|(_, line)| line.name().is_some());
        let mut activity = Activity { unresolved: names.count() as u32, ..Activity::default() };
        // As in chronyd, a reference clock is not asked and so not counted.
        for source in self.sources.all().iter().filter(|source| source.clock().is_none()) {
            let schedule = &source.schedule;
            *match (schedule.is_bursting(), schedule.is_offline()) {
                (false, false) => &mut activity.online,
                (false, true) => &mut activity.offline,
                (true, false) => &mut activity.burst_online,
                (true, true) => &mut activity.burst_offline,
            } += 1;
        }
        activity
    }

    fn hindrance(&self) -> Hindrance {
        if self.is_synchronised() && self.clock.history.update.is_some() {
            return Hindrance::None;
        }
        if self.clock.history.is_refused {
            return Hindrance::ClockRefused;
        }
        let has_lines = self.sources.has_lines();
        let is_offline = |source: &Source| source.schedule.is_offline();
        match (self.selector.sync.obstacle(), self.selector.sync.vote()) {
            _ if !has_lines => Hindrance::NoSources,
            (Some(Obstacle::NoSources), _) => Hindrance::NoSources,
            (Some(Obstacle::NoSelectableSources { .. }), _) => Hindrance::NoSelectableSources,
            (Some(Obstacle::NoMajority { .. }), _) => Hindrance::NoMajority,
            (Some(Obstacle::NotEnough), _) => Hindrance::NotEnough,
            (Some(Obstacle::NoRequired), _) => Hindrance::NoRequired,
            (Some(Obstacle::RateBeyond { .. }), _) => Hindrance::RateBeyond,
            (Some(Obstacle::LoneAndFar { .. }), _) => Hindrance::LoneAndFar,
            _ if !self.sources.all().is_empty() && self.sources.all().iter().all(is_offline) => {
                Hindrance::NoSelectableSources
            }
            (None, Some(vote)) if vote.cause != VoteCause::Start => Hindrance::Reacquiring,
            (None, _) => Hindrance::Acquiring,
        }
    }
}
