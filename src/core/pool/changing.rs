//! What people order about lines and sources (chronyc(1)): add, delete, change a parameter, ask or do not ask.

use std::net::IpAddr;

use crate::core::api::event::Event;
use crate::core::api::flaw::Flaw;
use crate::core::api::limits::poll;
use crate::core::api::monitoring::{Address, SelectOptions};
use crate::core::api::order::{Parameter, Refused, Whom};
use crate::core::api::output::Outputs;
use crate::core::api::settings::{Host, SourceConfig, SourceOptions};
use crate::core::estimate::Slot;
use crate::core::pool::line::Origin;
use crate::core::pool::source_set::{Opinion, SourceSet};
use crate::core::source::Source;
use crate::time::{Raw, Span};

/// An address that was deleted is not used again.
const FOR_EVER: Raw = Raw::from_nanos(i64::MAX);

/// A change of an offset by less is none.
const LEAST_OFFSET_S: f64 = 1e-9;

/// What a source has said is to be understood in another way by so much.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::core) struct MovedOffset {
    /// The place of the source.
    pub(in crate::core) slot: Slot,
    /// Seconds.
    pub(in crate::core) by_s: f64,
}

/// Whom an address means, by index.
#[derive(Clone, Copy, Debug)]
enum Meant {
    Source(usize),
    /// A name without an address.
    Line(usize),
}

impl SourceSet {
    /// Does what chronyc's commands `online` and `offline` do.
    pub(in crate::core) fn set_online(
        &mut self,
        whom: Whom,
        online: bool,
        now: Raw,
        outputs: &mut Outputs,
    ) -> Result<(), Refused> {
        let mut is_any = false;
        for index in 0..self.lines.len() {
            if self.is_meant_line(whom, index) {
                let line = &mut self.lines[index];
                is_any |= !line.is_retired();
                line.config.options.offline = !online;
                if online {
                    line.look_up_now(now);
                }
            }
        }
        for source in self.sources.iter_mut().filter(|source| is_meant(whom, source)) {
            is_any = true;
            if source.schedule.set_online(online, now) {
                if !online {
                    // As in chronyd: one that is not asked has no say.
                    source.reach = 0;
                } else if let Some(nts) = source.nts_mut() {
                    nts.hurry(Flaw::KeyServerAway);
                }
                outputs.tell(Event::Online(source.label.clone(), online));
            }
        }
        is_any.then_some(()).ok_or(Refused::NoSuchSource)
    }

    /// Does what chronyc's command `burst` does.
    pub(in crate::core) fn burst(&mut self, whom: Whom, good: u32, most: u32, now: Raw) -> Result<(), Refused> {
        let mut is_any = whom == Whom::All && self.unresolved().next().is_some();
        for source in self.sources.iter_mut().filter(|source| is_meant(whom, source)) {
            is_any = true;
            source.schedule.burst(good, most, now);
        }
        is_any.then_some(()).ok_or(Refused::NoSuchSource)
    }

    /// Looks up all names again.
    pub(in crate::core) fn refresh(&mut self, now: Raw) {
        self.lines.iter_mut().for_each(|line| line.refresh(now));
    }

    /// chronyd tells sources apart by their address alone, so that one address is one source.
    pub(in crate::core) fn add_ordered(
        &mut self,
        line: SourceConfig,
        now: Raw,
        outputs: &mut Outputs,
    ) -> Result<(), Refused> {
        if let Host::Address(address) = line.host
            && self.find(Address::Ip(address)).is_some()
        {
            return Err(Refused::AlreadyKnown);
        }
        self.add_line(&line, Origin::Order, now, outputs)?;
        self.apply_auth_mode();
        Ok(())
    }

    /// A member of a pool goes alone, any other source with its line.
    pub(in crate::core) fn delete(
        &mut self,
        source: Address,
        opinion: &Opinion,
        now: Raw,
        outputs: &mut Outputs,
    ) -> Result<(), Refused> {
        let line = match self.meant(source)? {
            Meant::Line(line) => line,
            Meant::Source(index) => {
                let line = self.sources[index].line;
                let is_last = self.lines[line].wanted() <= 1;
                if self.sources[index].clock().is_some() {
                    return Err(Refused::NoSuchSource);
                }
                let address = self.sources[index].ip();
                if let (false, Some(address), Host::Name(_)) = (is_last, address, &self.lines[line].config.host) {
                    self.remove(index, opinion, now, outputs);
                    self.lines[line].config.options.max_sources -= 1;
                    self.lines[line].shun(address, FOR_EVER);
                    return Ok(());
                }
                line
            }
        };
        let (name, is_pool) = (self.lines[line].typed.host.to_string(), self.lines[line].typed.pool);
        self.remove_line(line, opinion, now, outputs);
        outputs.tell(Event::SourceRemoved { name, is_pool });
        self.apply_auth_mode();
        Ok(())
    }

    /// Changes one parameter of a source, or of a name that has no address yet. A name that stands for one source keeps
    /// the change when it moves to another address.
    pub(in crate::core) fn change(
        &mut self,
        source: Address,
        parameter: Parameter,
        now: Raw,
    ) -> Result<Option<MovedOffset>, Refused> {
        let meant = self.meant(source)?;
        let line = match meant {
            Meant::Line(line) => line,
            Meant::Source(index) => self.sources[index].line,
        };
        if let Parameter::Select { mask, options } = parameter {
            self.change_selection(meant, line, mask, options);
            return Ok(None);
        }
        if matches!(meant, Meant::Line(_)) || !self.lines[line].config.pool {
            adjust(&mut self.lines[line].config.options, parameter);
        }
        let Meant::Source(index) = meant else { return Ok(None) };
        let source = &mut self.sources[index];
        let before_s = source.options.offset_s;
        adjust(&mut source.options, parameter);
        source.schedule.change(&source.options, now);
        let by_s = source.options.offset_s - before_s;
        if by_s.abs() < LEAST_OFFSET_S {
            return Ok(None);
        }
        let offset_s = source.options.offset_s;
        source.clock_mut().into_iter().for_each(|clock| clock.set_offset(offset_s));
        source.shift(Span::from_secs_f64(by_s));
        source.is_untuned = true;
        Ok(Some(MovedOffset { slot: source.slot, by_s }))
    }

    fn change_selection(&mut self, meant: Meant, line: usize, mask: SelectOptions, options: SelectOptions) {
        let changed = |old: SelectOptions| SelectOptions(old.0 & !mask.0 | options.0 & mask.0);
        if let Meant::Source(index) = meant {
            let source = &mut self.sources[index];
            source.configured = changed(source.configured);
        }
        if matches!(meant, Meant::Line(_)) || !self.lines[line].config.pool {
            self.lines[line].select = changed(self.lines[line].select);
        }
        self.apply_auth_mode();
    }

    fn meant(&self, source: Address) -> Result<Meant, Refused> {
        let meant = match source {
            Address::Unspecified => None,
            Address::Ip(_) | Address::Clock(_) => {
                self.sources.iter().position(|other| Address::from(other.id()) == source).map(Meant::Source)
            }
            Address::Id(id) => self.unresolved().find(|(_, line)| line.id == id).map(|(line, _)| Meant::Line(line)),
        };
        meant.ok_or(Refused::NoSuchSource)
    }

    /// All lines, or the one of a name that has no address.
    fn is_meant_line(&self, whom: Whom, index: usize) -> bool {
        match whom {
            Whom::All => true,
            Whom::One(Address::Id(id)) => self.unresolved().any(|(line, named)| line == index && named.id == id),
            Whom::One(_) | Whom::Net { .. } => false,
        }
    }
}

/// A reference clock is asked over no network.
fn is_meant(whom: Whom, source: &Source) -> bool {
    let Some(source) = source.ip() else { return false };
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

/// Changes one option as chronyd does: a poll that is out of range changes nothing.
fn adjust(options: &mut SourceOptions, parameter: Parameter) {
    match parameter {
        Parameter::MinPoll(wanted) => {
            options.min_poll = poll(wanted).unwrap_or(options.min_poll);
            options.max_poll = options.max_poll.max(options.min_poll);
        }
        Parameter::MaxPoll(wanted) => {
            options.max_poll = poll(wanted).unwrap_or(options.max_poll);
            options.min_poll = options.min_poll.min(options.max_poll);
        }
        Parameter::MaxDelay(seconds) => options.max_delay_s = seconds,
        Parameter::MaxDelayRatio(ratio) => options.max_delay_ratio = ratio,
        Parameter::MaxDelayDevRatio(ratio) => options.max_delay_dev_ratio = ratio,
        Parameter::MinStratum(stratum) => options.min_stratum = u8::try_from(stratum).unwrap_or(0),
        Parameter::PollTarget(samples) => options.poll_target = samples.unsigned_abs(),
        Parameter::Offset(seconds) => options.offset_s = seconds,
        Parameter::Select { .. } => {}
    }
}
