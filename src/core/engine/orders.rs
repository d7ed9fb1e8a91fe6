//! What people ask for while it runs (chronyc(1)): the clock, selection, and who is asked.

use crate::core::api::limits::ANY;
use crate::core::api::order::{Order, Refused};
use crate::core::api::settings::Mode;
use crate::core::clock::discipline::Occasion;
use crate::core::engine::Engine;
use crate::time::{ClockReading, Raw, Span, Utc};

/// No crystal is off by more; what is more is a mistake.
const LARGEST_FREQUENCY_CHANGE_PPM: f64 = 1000.0;
/// Nor is it after several such changes.
const LARGEST_FREQUENCY: f64 = 5e-3;

impl Engine {
    /// Carries out an order as far as that is up to the engine. Follow with [`Engine::poll_output`] until it returns a
    /// timeout, as after any input.
    pub fn handle_order(&mut self, order: Order, now: &ClockReading) -> Result<(), Refused> {
        if self.outputs.is_finished() || self.mode != Mode::Discipline {
            return Err(Refused::Failed);
        }
        self.begin(now);
        self.notice_gaps(now);
        let now = &self.clock.after_ordered_step(now);
        let result = self.carry_out(order, now);
        self.end(now);
        result
    }

    fn carry_out(&mut self, order: Order, now: &ClockReading) -> Result<(), Refused> {
        let opinion = self.selector.opinion();
        match order.within_limits().ok_or(Refused::Failed)? {
            Order::SetOnline { whom, online } => {
                let result = self.sources.set_online(whom, online, now.raw, &mut self.outputs);
                if !online {
                    self.select_anew(now.raw);
                }
                return result;
            }
            Order::Burst { whom, good, most } => self.sources.burst(whom, good, most, now.raw)?,
            Order::Change { source, parameter } => {
                if let Some(moved) = self.sources.change(source, parameter, now.raw)? {
                    // What was concluded from it is to be understood in another way, too.
                    self.time.vacate(moved.slot);
                    if self.selector.active().contains(moved.slot) {
                        self.time.distrust(moved.by_s, 0.0);
                    }
                }
                self.settle_sources(now);
                if parameter.is_about_selection() {
                    self.select_anew(now.raw);
                }
            }
            Order::Add(line) => {
                self.sources.add_ordered(*line, now.raw, &mut self.outputs)?;
                self.settle_sources(now);
                self.select_anew(now.raw);
            }
            Order::Delete(source) => {
                self.sources.delete(source, &opinion, now.raw, &mut self.outputs)?;
                self.settle_sources(now);
                self.select_anew(now.raw);
            }
            Order::Refresh => self.sources.refresh(now.raw),
            Order::ResetSources => self.reset_sources(now.raw),
            Order::Reselect => {
                self.selector.forget_best();
                self.select_anew(now.raw);
            }
            Order::ReselectDistance(distance_s) => self.settings.reselect_distance_s = distance_s,
            Order::MakeStep => {
                let view = view!(self, now);
                self.clock.make_step(&view, &mut self.outputs).ok_or(Refused::Failed)?;
            }
            Order::SetMakeStep(policy) => self.clock.set_make_step(policy),
            Order::MaxUpdateSkew(ppm) => self.clock.max_update_skew_ppm = ppm,
            Order::AddFrequency(ppm) => self.add_frequency(ppm, now)?,
            Order::AddOffset(ahead_s) => self.add_offset(ahead_s, now)?,
        }
        Ok(())
    }

    /// All measurements are void, and with them what was learnt from them; only the frequency is still a good guess.
    fn reset_sources(&mut self, now: Raw) {
        self.sources.all_mut().iter_mut().for_each(|source| source.reset());
        self.time.reset(self.sources.all_mut(), now);
        self.selector.reset();
        self.clock.rest();
        self.notices.forget_selected();
        self.sources.restart_polls(now);
        self.clock.report_unsynchronised(&mut self.outputs);
    }

    /// The clock runs faster than was thought.
    fn add_frequency(&mut self, ppm: f64, now: &ClockReading) -> Result<(), Refused> {
        // Not-a-number is not in the range either.
        let is_possible = (-LARGEST_FREQUENCY_CHANGE_PPM..=LARGEST_FREQUENCY_CHANGE_PPM).contains(&ppm);
        let rate = -ppm * 1e-6;
        let frequency = self.time.frequency() + rate;
        if !is_possible || frequency.abs() > LARGEST_FREQUENCY {
            return Err(Refused::Failed);
        }
        self.time.revise_rate(rate, now.raw);
        self.clock.turn(now.raw, rate);
        if self.time.estimate().is_some() && self.selector.sync.has_target() {
            self.correct(Occasion::Continuation, now);
        } else {
            self.time.revise_first_frequency(rate);
            self.clock.coast(frequency, &mut self.outputs);
        }
        Ok(())
    }

    /// The clock is ahead by more than was thought.
    fn add_offset(&mut self, ahead_s: f64, now: &ClockReading) -> Result<(), Refused> {
        let estimate = self.time.estimate().filter(|_| self.selector.sync.has_target()).ok_or(Refused::Failed)?;
        let change = -Span::from_secs_f64(ahead_s);
        let is_possible = ahead_s.abs() <= ANY.1 && estimate.true_time(now.raw) + change > Utc::from_nanos(0);
        if !is_possible || !self.clock.has_target() {
            return Err(Refused::Failed);
        }
        self.time.revise_phase(change);
        self.clock.shift(change);
        self.correct(Occasion::Continuation, now);
        Ok(())
    }
}
