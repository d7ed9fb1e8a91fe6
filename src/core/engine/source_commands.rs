//! Orders about lines: add, delete, and change a parameter of one.

use crate::core::api::event::Event;
use crate::core::api::limits::{DELAYS_S, OFFSETS_S, POLLS, RATIOS, sane_line, within};
use crate::core::api::monitoring::{Address, SelectOptions};
use crate::core::api::order::{Parameter, Refused};
use crate::core::api::settings::{Host, SourceConfig, SourceOptions};
use crate::core::engine::Engine;
use crate::core::engine::reload::Origin;
use crate::time::{Raw, Span};

/// An address that was deleted is not used again.
const FOR_EVER: Raw = Raw::from_nanos(i64::MAX);

/// A change of an offset by less is none.
const LEAST_OFFSET_S: f64 = 1e-9;

impl Engine {
    /// chronyd tells sources apart by their address alone, so that one address is one source.
    pub(super) fn add_ordered(&mut self, line: SourceConfig, now: Raw) -> Result<(), Refused> {
        let line = sane_line(line).ok_or(Refused::Failed)?;
        if let Host::Address(address) = line.host
            && self.find_source(Address::Ip(address)).is_some()
        {
            return Err(Refused::AlreadyKnown);
        }
        self.add_line(&line, Origin::Order, now)?;
        self.apply_auth_mode();
        self.select_anew(now);
        Ok(())
    }

    /// A member of a pool goes alone, any other source with its line.
    pub(super) fn delete(&mut self, source: Address, now: Raw) -> Result<(), Refused> {
        let line = match self.meant(source)? {
            Meant::Line(line) => line,
            Meant::Source(index) => {
                let line = self.sources[index].association;
                let is_last = self.associations[line].wanted() <= 1;
                if !is_last && matches!(self.associations[line].config.host, Host::Name(_)) {
                    let address = self.sources[index].address.ip();
                    self.dismiss(index, now);
                    self.sources.remove(index);
                    self.associations[line].config.options.max_sources -= 1;
                    self.associations[line].shun(address, FOR_EVER);
                    self.select_anew(now);
                    return Ok(());
                }
                line
            }
        };
        let (name, is_pool) = (self.lines[line].typed.host.to_string(), self.lines[line].typed.pool);
        self.remove_line(line, now);
        self.tell(Event::SourceRemoved { name, is_pool });
        self.apply_auth_mode();
        self.select_anew(now);
        Ok(())
    }

    /// Changes one parameter of a source, or of a name that has no address yet. A name that stands for one source keeps
    /// the change when it moves to another address.
    pub(super) fn change(&mut self, source: Address, parameter: Parameter, now: Raw) -> Result<(), Refused> {
        let meant = self.meant(source)?;
        let line = match meant {
            Meant::Line(line) => line,
            Meant::Source(index) => self.sources[index].association,
        };
        if let Parameter::Select { mask, options } = parameter {
            return self.change_selection(meant, line, (mask, options), now);
        }
        if matches!(meant, Meant::Line(_)) || !self.associations[line].config.pool {
            adjust(&mut self.associations[line].config.options, parameter)?;
        }
        let Meant::Source(index) = meant else { return Ok(()) };
        let before_s = self.sources[index].options.offset_s;
        adjust(&mut self.sources[index].options, parameter)?;
        let source = &mut self.sources[index];
        source.schedule.change(&source.options, now);
        self.moved_offset(index, self.sources[index].options.offset_s - before_s);
        Ok(())
    }

    /// What a source has said so far is to be understood in another way, and so is what was concluded from it.
    fn moved_offset(&mut self, index: usize, by_s: f64) {
        if by_s.abs() < LEAST_OFFSET_S {
            return;
        }
        let (slot, by) = (self.sources[index].slot, Span::from_secs_f64(by_s));
        self.sources[index].shift(by);
        self.estimator.vacate(slot);
        self.tune(index);
        if self.selection.active.contains(slot) {
            self.estimator.distrust(by_s, 0.0);
        }
    }

    fn change_selection(
        &mut self,
        meant: Meant,
        line: usize,
        (mask, options): (SelectOptions, SelectOptions),
        now: Raw,
    ) -> Result<(), Refused> {
        let changed = |old: SelectOptions| SelectOptions(old.0 & !mask.0 | options.0 & mask.0);
        if let Meant::Source(index) = meant {
            let source = &mut self.sources[index];
            source.configured = changed(source.configured);
        }
        if matches!(meant, Meant::Line(_)) || !self.associations[line].config.pool {
            self.lines[line].select = changed(self.lines[line].select);
        }
        self.apply_auth_mode();
        self.select_anew(now);
        Ok(())
    }

    fn meant(&self, source: Address) -> Result<Meant, Refused> {
        let meant = match source {
            Address::Unspecified => None,
            Address::Ip(ip) => self.sources.iter().position(|source| source.address.ip() == ip).map(Meant::Source),
            Address::Id(id) => {
                let line = self.unresolved().map(|(line, _)| line).find(|line| self.lines[*line].id == id);
                line.map(Meant::Line)
            }
        };
        meant.ok_or(Refused::NoSuchSource)
    }
}

/// Whom an address means, by index.
#[derive(Clone, Copy, Debug)]
enum Meant {
    Source(usize),
    /// A name without an address.
    Line(usize),
}

/// Changes one option as chronyd does: polls out of range change nothing, other values are brought into their range.
fn adjust(options: &mut SourceOptions, parameter: Parameter) -> Result<(), Refused> {
    let real = |value, range| within(value, range).ok_or(Refused::Failed);
    let poll = |poll: i32| i8::try_from(poll).ok().filter(|poll| POLLS.contains(poll));
    match parameter {
        Parameter::MinPoll(wanted) => {
            options.min_poll = poll(wanted).unwrap_or(options.min_poll);
            options.max_poll = options.max_poll.max(options.min_poll);
        }
        Parameter::MaxPoll(wanted) => {
            options.max_poll = poll(wanted).unwrap_or(options.max_poll);
            options.min_poll = options.min_poll.min(options.max_poll);
        }
        Parameter::MaxDelay(seconds) => options.max_delay_s = real(seconds, DELAYS_S)?,
        Parameter::MaxDelayRatio(ratio) => options.max_delay_ratio = real(ratio, RATIOS)?,
        Parameter::MaxDelayDevRatio(ratio) => options.max_delay_dev_ratio = real(ratio, RATIOS)?,
        Parameter::MinStratum(stratum) => options.min_stratum = stratum.clamp(0, 15) as u8,
        Parameter::PollTarget(samples) => options.poll_target = samples.max(1).unsigned_abs(),
        Parameter::Offset(seconds) => options.offset_s = real(seconds, OFFSETS_S)?,
        Parameter::Select { .. } => {}
    }
    Ok(())
}
