//! The vote: who may set the clock, at the start, after a sleep, and against what is already known.
//!
//! While all is well the estimate is confirmed with every answer. Answers that contradict it beyond every honest bound,
//! a majority though they may be of the few that speak, do not move it: they call a vote, for which the silent are
//! asked at once. The rules are those of the start (`quorum`), with what is known as one more piece of evidence.

use crate::core::api::event::{Event, Obstacle};
use crate::core::clock::discipline::Occasion;
use crate::core::engine::Engine;
use crate::core::engine::clock_control::BOUND_SIGMAS;
use crate::core::engine::selecting::PROVEN_WITHIN;
use crate::core::estimate::{Estimate, Outcome, Sample};
use crate::core::pool::configured::Association;
use crate::core::selection::quorum::{Ballot, Known, LONE_PATIENCE, PATIENCE, Verdict};
use crate::core::selection::sync_state::{Acquisition, VoteCause};
use crate::core::source::Source;
use crate::core::source::poll::Urgency;
use crate::time::{ClockReading, Raw, Span};

/// What several sources said together outweighs what one of them says alone for this long. In that time a clock left
/// to itself strays by a second at most; a lone survivor may be wrong by anything. Its lie is then slewed, not stepped.
/// On the other hand a machine that nobody looks after must not depend for ever on servers that are no more.
const TESTIMONY: Span = Span::from_secs(86_400);

/// A step made on the word of a lone source may be revised for this long. Later the clock counts as good, and what a
/// lone source says against it is slewed.
const PROBATION: Span = Span::from_secs(3600);

/// A jump that several sources confirm is a gap (the counter stood still) if it is larger than this; smaller ones are
/// slewed.
const GAP_JUMP: Span = Span::from_secs(10);

/// As long as the frequency is not known it may be wrong by this much.
pub(super) const UNKNOWN_FREQUENCY: f64 = 1e-3;

/// No oscillator changes its frequency by more than this, be it by another temperature or another host. What stays within
/// it is no lie but a clock that strayed, and after a jump the frequency is in doubt by as much.
const JUMP_FREQUENCY: f64 = 1e-4;
/// The frequency may have changed as lately as this (s).
const LATELY_S: f64 = 64.0;

/// What stands behind the estimate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backing {
    /// When several sources last agreed on the estimate.
    several: Option<Raw>,
    /// When the clock was stepped on the word of a lone source.
    stepped_alone: Option<Raw>,
    /// What the asymmetry of the paths it was made from may hide.
    hidden: Span,
}

impl Backing {
    /// What the asymmetry of the paths may hide.
    pub(super) fn hidden(&self) -> Span {
        self.hidden
    }
}

impl Engine {
    /// Runs the vote. Called at every wake-up until the clock is set, because patience may have run out.
    pub(super) fn acquire(&mut self, acquisition: Acquisition, now: &ClockReading) {
        let Some(first_answer) = acquisition.first_answer.filter(|_| !self.is_rate_beyond()) else { return };
        self.reselect(now.raw, None);
        let is_contested = acquisition.cause == VoteCause::Contradiction;
        let vote = Vote { is_contested, waited: now.raw - first_answer, now: now.raw };
        match self.ballot(&vote).verdict() {
            Verdict::Elected if self.has_required() => self.adopt(acquisition, now),
            Verdict::Elected if self.awaited(&vote, |line| line.config.options.require) > 0 => {}
            Verdict::Elected => self.cannot_synchronise(Obstacle::NoRequired),
            Verdict::NoMajority => self.no_majority(),
            Verdict::NotEnough => self.cannot_synchronise(Obstacle::NotEnough),
            Verdict::Undecided => {}
        }
    }

    /// When the vote may change without a further answer.
    pub(super) fn next_vote(&self) -> Option<Raw> {
        let first_answer = self.sync.vote()?.first_answer?;
        let requests = self.sources.iter().filter(|source| is_silent(source)).filter_map(Source::asked_at);
        let silences = requests.map(|asked| asked + PATIENCE);
        silences
            .chain([first_answer + PATIENCE, first_answer + self.lone_patience()])
            .filter(|at| *at > self.seen)
            .min()
    }

    fn ballot(&self, vote: &Vote) -> Ballot {
        let trusted = |line: &Association| line.config.options.trust;
        let has_trusted = self.has_trusted_say();
        let awaited = self.awaited(vote, trusted);
        // As long as a trusted source may still answer nobody else has a vote.
        let is_for_trusted = has_trusted || awaited > 0;
        let votes = |line: &Association| may_vote(line) && (trusted(line) || !is_for_trusted);
        let is_offline = |source: &&Source| {
            source.schedule.is_offline() && is_silent(source) && votes(&self.associations[source.association])
        };
        let offline = self.sources.iter().filter(is_offline).count();
        let elected = |slot| self.selection.agreeing.contains(slot) && self.selection.electorate.contains(slot);
        let answers = |source: &Source| source.recent().count().max(self.replies_on_a_line(source));
        let counts = has_trusted || !is_for_trusted;
        Ballot {
            configured: self
                .associations
                .iter()
                .filter(|line| votes(line))
                .map(Association::wanted)
                .sum::<usize>()
                .saturating_sub(offline + self.hopeless(votes)),
            answered: if counts { self.selection.voters } else { 0 },
            pending: if is_for_trusted { awaited } else { self.awaited(vote, |_| true) },
            agreeing: self.sources.iter().filter(|source| elected(source.slot)).count(),
            selectable: self.selection.agreeing.len(),
            known: if vote.is_contested { self.known(vote.now) } else { Known::Nothing },
            answers: self.sources.iter().filter(|source| elected(source.slot)).map(answers).sum(),
            required: self.settings.min_sources,
            waited: vote.waited,
            lone_patience: self.lone_patience(),
        }
    }

    /// Who waits for a command to end cannot wait for long: in one-shot modes, and with `-t`, those that have not answered in
    /// time are dead.
    fn lone_patience(&self) -> Span {
        if self.is_brief { PATIENCE } else { LONE_PATIENCE }
    }

    /// In one-shot modes, and with `-t`: votes of sources that will not be heard, because their host refuses, there is no route to it, or its
    /// name is unknown.
    fn hopeless(&self, votes: impl Fn(&Association) -> bool) -> usize {
        if !self.is_brief {
            return 0;
        }
        let has_failed = |source: &&Source| {
            is_silent(source)
                && source.schedule.requests() > 0
                && (source.in_flight().is_none() || source.schedule.send_failures() > 0)
        };
        let hopeless = |(index, line): (usize, &Association)| {
            let members = || self.sources.iter().filter(|source| source.association == index);
            let possible = members().count() - members().filter(has_failed).count();
            if line.is_pending() { 0 } else { line.wanted().saturating_sub(possible) }
        };
        self.associations.iter().enumerate().filter(|(_, line)| votes(line)).map(hopeless).sum()
    }

    /// A trusted source is among those that vote; they are all trusted then.
    fn has_trusted_say(&self) -> bool {
        self.sources.iter().any(|source| source.options.trust && self.selection.electorate.contains(source.slot))
    }

    /// Sources of some lines that have not answered, and still may.
    fn awaited(&self, vote: &Vote, of: impl Fn(&Association) -> bool) -> usize {
        let lines = self.associations.iter().enumerate().filter(|(_, line)| may_vote(line) && of(line));
        lines.map(|(index, line)| self.pending(index, line, vote)).sum()
    }

    /// A line has more candidates than votes.
    fn pending(&self, association: usize, line: &Association, vote: &Vote) -> usize {
        let Vote { is_contested, waited, now } = *vote;
        let began = now - waited;
        // One that has had its time does not delay the vote by being asked again.
        let is_hopeful = |source: &Source| waited < PATIENCE || source.schedule.requests() <= 1;
        let is_asked = |source: &Source| match source.asked_at() {
            Some(asked) => now - asked < PATIENCE,
            // New, and about to be asked.
            None if source.schedule.requests() == 0 => {
                source.schedule.send_failures() == 0 && source.schedule.due().is_some_and(|due| due - now < PATIENCE)
            }
            // One that was asked just before a vote was called is asked again as soon as manners allow.
            None => {
                is_contested
                    && source.schedule.sent().is_some_and(|sent| sent < began)
                    && source.schedule.due().is_some_and(|due| due - began < PATIENCE)
            }
        };
        let is_pending = |source: &&Source| is_silent(source) && is_hopeful(source) && is_asked(source);
        let members = || self.sources.iter().filter(|source| source.association == association);
        let answered = members().filter(|source| !is_silent(source)).count();
        let is_unresolved = line.is_pending() && waited < PATIENCE;
        let unresolved = if is_unresolved { line.wanted().saturating_sub(members().count()) } else { 0 };
        (members().filter(is_pending).count() + unresolved).min(line.wanted().saturating_sub(answered))
    }

    fn known(&self, now: Raw) -> Known {
        if self.selection.is_majority && !self.contradicts_estimate(now) {
            Known::Confirms
        } else if !self.has_trusted_say() && self.is_vouched_for(now) && self.contradicts(self.straying_bound(now), now)
        {
            Known::RefutesSeveral
        } else {
            Known::Refutes
        }
    }

    /// What the agreeing sources have in common lies outside the honest bound of the estimate.
    pub(super) fn contradicts_estimate(&self, now: Raw) -> bool {
        self.contradicts(self.prediction_bound(now), now)
    }

    fn contradicts(&self, bound: Option<Span>, now: Raw) -> bool {
        let Some(bound_s) = bound.map(Span::secs_f64) else { return false };
        let (low_s, high_s) = self.agreed_s(now);
        // Both count from the estimate.
        low_s > bound_s || high_s < -bound_s
    }

    /// How far true time may be from the estimate by now: the estimate's own bound, asymmetry, and a frequency that
    /// changed unseen since the last sample.
    fn prediction_bound(&self, now: Raw) -> Option<Span> {
        let estimate = self.estimator.estimate()?;
        let rate = if self.knows_frequency(&estimate) { self.least_rate() } else { UNKNOWN_FREQUENCY };
        let strayed = (now - estimate.at).max(Span::ZERO).scaled(rate);
        Some(Span::from_secs_f64(BOUND_SIGMAS * estimate.offset_sd_s(now)) + self.backing.hidden + strayed)
    }

    /// [`Engine::prediction_bound`] if the oscillator has done the worst it can: no lone source is called a liar for that.
    fn straying_bound(&self, now: Raw) -> Option<Span> {
        let since = (now - self.estimator.estimate()?.at).max(Span::ZERO);
        Some(self.prediction_bound(now)? + since.scaled(JUMP_FREQUENCY))
    }

    fn knows_frequency(&self, estimate: &Estimate) -> bool {
        self.prior_is_proven && estimate.frequency_sd() < PROVEN_WITHIN
    }

    /// Bound of the estimate in seconds, if it has a say when the sources are divided.
    pub(super) fn witness_s(&self, now: Raw) -> Option<f64> {
        self.prediction_bound(now).filter(|_| self.is_vouched_for(now)).map(Span::secs_f64)
    }

    fn is_vouched_for(&self, now: Raw) -> bool {
        self.backing.several.is_some_and(|at| now - at < TESTIMONY)
    }

    /// The clock has somewhere to be, contested or not.
    pub(super) fn has_target(&self) -> bool {
        self.sync.is_decided() || self.sync.is_contested()
    }

    /// The agreeing sources have been obeyed.
    pub(super) fn note_backing(&mut self, now: Raw) {
        let active = self.sources.iter().filter(|source| self.selection.active.contains(source.slot));
        let hidden = active.filter_map(|source| self.hidden_by_path(source));
        self.backing.hidden = hidden.max().unwrap_or(Span::ZERO);
        if self.selection.agreeing.len() > 1 {
            self.backing.several = Some(now);
            self.backing.stepped_alone = None;
        }
    }

    /// The clock is stepped to where the agreeing sources want it.
    pub(super) fn note_step(&mut self, now: Raw) {
        if self.selection.agreeing.len() == 1 && !self.is_on_probation(now) {
            self.backing.stepped_alone = Some(now);
        }
    }

    fn is_on_probation(&self, now: Raw) -> bool {
        self.backing.stepped_alone.is_some_and(|at| now - at < PROBATION)
    }

    /// The agreeing sources contradict what is known: those that have not spoken since it was last confirmed are asked too.
    pub(super) fn call_vote(&mut self, index: usize, now: Raw) {
        if self.unrest.see(now) {
            self.tell(Event::Unrest);
        }
        if self.selection.voters == 1 && self.known(now) == Known::Refutes && !self.unrest.is_known() {
            self.tell(Event::LoneSourceContradicted(self.sources[index].label.clone()));
        }
        let confirmed = self.estimator.estimate().map_or(now, |estimate| estimate.at);
        let caller = self.sources[index].slot;
        // One that has gone on and on at another rate is on its line with the answers before.
        let goes_on = self.unrest.is_known() && self.selection.voters == 1;
        let has_jumped = !(self.is_rate_open() || goes_on);
        for source in &mut self.sources {
            let is_news = source.slot == caller || source.last.is_some_and(|last| last.sample.at > confirmed);
            if has_jumped {
                source.forget_rate(source.last.is_some_and(|last| now - last.sample.at < LONE_PATIENCE));
            }
            if is_news && self.selection.agreeing.contains(source.slot) {
                source.forget_all_but_last();
            } else {
                source.forget();
                if self.unrest.is_known() {
                    source.schedule.consult(now);
                } else {
                    source.schedule.hurry(now);
                }
            }
        }
        self.sync.call_vote(VoteCause::Contradiction, Some(now));
        if !self.unrest.is_known() {
            self.announced.selected = None;
        }
        self.plan_next(index, Urgency::Contradicted, now);
    }

    /// Old answers say nothing about the time after a gap, and neither does what was known.
    pub(super) fn call_vote_after_gap(&mut self, now: Raw) {
        for source in &mut self.sources {
            source.forget();
            source.forget_rate(false);
        }
        self.forget_archives();
        self.backing = Backing::default();
        self.sync.call_vote(VoteCause::Gap, None);
        self.announced.selected = None;
        self.restart_all(now);
    }

    /// The vote is over: these sources are right.
    fn adopt(&mut self, acquisition: Acquisition, now: &ClockReading) {
        self.sync.elected();
        let jump = self.jump(acquisition.cause, now.raw);
        if jump != Span::ZERO {
            self.follow_jump(jump, now.raw);
            self.forget_archives();
        }
        let is_proven = match acquisition.cause {
            VoteCause::Start => false,
            VoteCause::Gap => true,
            VoteCause::Contradiction => {
                let is_told_by_several = self.selection.agreeing.len() > 1;
                let is_gap = is_told_by_several && jump.abs() > GAP_JUMP;
                is_gap || self.is_on_probation(now.raw) || self.rivalry.knew_of(jump, now.raw)
            }
        };
        if acquisition.cause != VoteCause::Start && self.selection.agreeing.len() > 1 {
            self.open_rate();
        }
        if acquisition.cause == VoteCause::Contradiction && jump != Span::ZERO {
            self.note_jump(jump, now.raw);
        }
        match acquisition.cause {
            VoteCause::Start => self.feed_past_and_recent(now.raw),
            VoteCause::Gap | VoteCause::Contradiction => _ = self.feed_recent(),
        }
        self.announce_selection();
        self.correct(if is_proven { Occasion::ProvenGap } else { Occasion::Update { counts: true } }, now);
        self.note_backing(now.raw);
    }

    /// How far the elected time is from the estimate, if that cannot be chance.
    fn jump(&self, cause: VoteCause, now: Raw) -> Span {
        let Some(estimate) = self.estimator.estimate() else { return Span::ZERO };
        let jump = self.agreed_lead(now) - estimate.lead_at(now);
        let is_real = match cause {
            VoteCause::Contradiction => self.contradicts_estimate(now),
            VoteCause::Start | VoteCause::Gap => jump.abs() > self.bound(&estimate, now),
        };
        if is_real { jump } else { Span::ZERO }
    }

    /// Whether it was the phase or the frequency that jumped, and when, is for the next samples to say.
    fn follow_jump(&mut self, jump: Span, now: Raw) {
        let Some(estimate) = self.estimator.estimate() else { return };
        let (low_s, high_s) = self.agreed_s(now);
        let size_s = jump.secs_f64().abs();
        let frequency_sd = if self.selection.agreeing.len() > 1 || self.is_rate_open() {
            (size_s / LATELY_S).min(JUMP_FREQUENCY)
        } else {
            self.drift_with(jump, &estimate, now)
        };
        let explained_s = frequency_sd * (now - estimate.at).secs_f64().max(0.0);
        if size_s > explained_s {
            self.estimator.shift(jump);
        }
        self.estimator.distrust(0.5 * (high_s - low_s) + explained_s, frequency_sd);
    }

    /// Feeds what the active sources have said so far, in the order of time. `false`: some of it was a surprise.
    pub(super) fn feed_recent(&mut self) -> bool {
        let active = self.selection.active;
        let is_active = |source: &&Source| active.contains(source.slot);
        let mut samples: Vec<Sample> =
            self.sources.iter().filter(is_active).flat_map(Source::recent).map(|m| m.sample).collect();
        samples.sort_by_key(|sample| sample.at);
        let mut is_expected = true;
        for sample in &samples {
            let outcome = self.estimator.feed(sample, &active.list());
            is_expected &= matches!(outcome, Outcome::Used { .. }) && !self.estimator.was_surprised();
        }
        is_expected
    }

    /// Whether the newest answer of a source cannot be true together with the one before. While there is a vote, it may be
    /// our frequency that is wrong.
    pub(super) fn has_turned(&self, index: usize) -> bool {
        let mut newest = self.sources[index].recent().rev();
        let (Some(new), Some(old)) = (newest.next(), newest.next()) else { return false };
        let known = self.estimator.estimate().filter(|estimate| self.knows_frequency(estimate));
        let (frequency, rate) = match known {
            Some(known) if self.sync.is_decided() => (known.frequency, self.rate_bound()),
            _ => (0.0, UNKNOWN_FREQUENCY),
        };
        let between = new.sample.at - old.sample.at;
        let moved = new.sample.lead - old.sample.lead - between.scaled(frequency);
        moved.abs() > new.bound() + old.bound() + between.scaled(rate)
    }
}

/// A vote at one moment.
struct Vote {
    /// What sources say contradicts what is known.
    is_contested: bool,
    /// Time since the first answer.
    waited: Span,
    now: Raw,
}

fn may_vote(line: &Association) -> bool {
    !line.config.options.no_select && line.authentication().is_sufficient()
}

fn is_silent(source: &Source) -> bool {
    source.recent().next().is_none()
}
