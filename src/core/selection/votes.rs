//! Who has a vote, who has cast it, and who may still do so: the count that [`quorum`](super::quorum) decides by.

use crate::core::estimate::Slot;
use crate::core::pool::SourceSet;
use crate::core::pool::line::Line;
use crate::core::selection::quorum::{Ballot, Known, LONE_PATIENCE, PATIENCE};
use crate::core::selection::selector::Selector;
use crate::core::source::Source;
use crate::core::true_time::TrueTime;
use crate::time::{Raw, Span};

/// A vote at one moment.
#[derive(Clone, Copy, Debug)]
pub(in crate::core) struct Vote {
    /// What sources say contradicts what is known.
    pub(in crate::core) is_contested: bool,
    /// Time since the first answer.
    pub(in crate::core) waited: Span,
    /// The moment.
    pub(in crate::core) now: Raw,
}

impl Selector {
    /// Counts the votes.
    pub(in crate::core) fn ballot(&self, vote: &Vote, sources: &SourceSet, time: &TrueTime) -> Ballot {
        let selection = self.selection();
        let trusted = |line: &Line| line.config.options.trust;
        let has_trusted = self.has_trusted_say(sources);
        let awaited = self.awaited(vote, sources, trusted);
        // As long as a trusted source may still answer nobody else has a vote.
        let is_for_trusted = has_trusted || awaited > 0;
        let votes = |line: &Line| may_vote(line) && (trusted(line) || !is_for_trusted);
        let is_offline =
            |source: &&Source| source.schedule.is_offline() && source.is_silent() && votes(sources.line_of(source));
        let offline = sources.all().iter().filter(is_offline).count();
        let elected = |slot: Slot| selection.agreeing.contains(slot) && selection.electorate.contains(slot);
        let answers = |source: &Source| source.recent().count().max(time.replies_on_a_line(source));
        let counts = has_trusted || !is_for_trusted;
        let configured = sources.lines().iter().filter(|line| votes(line)).map(Line::wanted).sum::<usize>();
        Ballot {
            configured: configured.saturating_sub(offline + self.hopeless(sources, votes)),
            answered: if counts { selection.voters } else { 0 },
            pending: if is_for_trusted { awaited } else { self.awaited(vote, sources, |_| true) },
            agreeing: sources.all().iter().filter(|source| elected(source.slot)).count(),
            selectable: selection.agreeing.len(),
            known: if vote.is_contested { self.known(sources, time, vote.now) } else { Known::Nothing },
            answers: sources.all().iter().filter(|source| elected(source.slot)).map(answers).sum(),
            required: self.min_sources(),
            waited: vote.waited,
            lone_patience: self.lone_patience(),
        }
    }

    /// When the vote may change without a further answer.
    pub(in crate::core) fn next_vote(&self, sources: &SourceSet, after: Raw) -> Option<Raw> {
        let first_answer = self.sync.vote()?.first_answer?;
        let requests = sources.all().iter().filter(|source| source.is_silent()).filter_map(Source::asked_at);
        let silences = requests.map(|asked| asked + PATIENCE);
        silences.chain([first_answer + PATIENCE, first_answer + self.lone_patience()]).filter(|at| *at > after).min()
    }

    /// What the agreeing sources make of what is known.
    pub(in crate::core) fn known(&self, sources: &SourceSet, time: &TrueTime, now: Raw) -> Known {
        let is_vouched_for = || !self.has_trusted_say(sources) && time.backing.is_vouched_for(now);
        if self.selection().is_majority && !self.contradicts_estimate(sources, time, now) {
            Known::Confirms
        } else if is_vouched_for() && self.contradicts(time.straying_bound(now), sources, time, now) {
            Known::RefutesSeveral
        } else {
            Known::Refutes
        }
    }

    /// Sources of some lines that have not answered, and still may.
    pub(in crate::core) fn awaited(&self, vote: &Vote, sources: &SourceSet, of: impl Fn(&Line) -> bool) -> usize {
        let lines = sources.lines().iter().enumerate().filter(|(_, line)| may_vote(line) && of(line));
        lines.map(|(index, line)| pending(index, line, sources, vote)).sum()
    }

    /// Who waits for a command to end cannot wait for long: in one-shot modes, and with `-t`, those that have not answered
    /// in time are dead.
    fn lone_patience(&self) -> Span {
        if self.is_brief { PATIENCE } else { LONE_PATIENCE }
    }

    /// In one-shot modes, and with `-t`: votes of sources that will not be heard, because their host refuses, there is no
    /// route to it, or its name is unknown.
    fn hopeless(&self, sources: &SourceSet, votes: impl Fn(&Line) -> bool) -> usize {
        if !self.is_brief {
            return 0;
        }
        let has_failed = |source: &&Source| {
            source.is_silent()
                && source.schedule.requests() > 0
                && (source.in_flight().is_none() || source.schedule.send_failures() > 0)
        };
        let hopeless = |(index, line): (usize, &Line)| {
            let possible = sources.members(index).count() - sources.members(index).filter(has_failed).count();
            if line.is_pending() { 0 } else { line.wanted().saturating_sub(possible) }
        };
        sources.lines().iter().enumerate().filter(|(_, line)| votes(line)).map(hopeless).sum()
    }

    /// A trusted source is among those that vote; they are all trusted then.
    fn has_trusted_say(&self, sources: &SourceSet) -> bool {
        let electorate = self.selection().electorate;
        sources.all().iter().any(|source| source.options.trust && electorate.contains(source.slot))
    }
}

fn may_vote(line: &Line) -> bool {
    !line.config.options.no_select && line.authentication().is_hopeful()
}

/// Sources of a line that have not answered, and still may. A line has more candidates than votes.
fn pending(index: usize, line: &Line, sources: &SourceSet, vote: &Vote) -> usize {
    let Vote { is_contested, waited, now } = *vote;
    let began = now - waited;
    // One that has had its time does not delay the vote by being asked again.
    let is_hopeful = |source: &Source| waited < PATIENCE || source.schedule.requests() <= 1;
    let is_asked = |source: &Source| match source.asked_at() {
        // A device speaks within some seconds, or is not there.
        _ if source.clock().is_some() => waited < PATIENCE,
        Some(asked) => now - asked < PATIENCE,
        None if source.is_establishing_keys() => waited < PATIENCE,
        // New, and about to be asked.
        None if source.schedule.requests() == 0 => {
            source.schedule.send_failures() == 0 && source.due().is_some_and(|due| due - now < PATIENCE)
        }
        // One that was asked just before a vote was called is asked again as soon as manners allow.
        None => {
            is_contested
                && source.schedule.sent().is_some_and(|sent| sent < began)
                && source.schedule.due().is_some_and(|due| due - began < PATIENCE)
        }
    };
    let is_pending = |source: &&Source| source.is_silent() && is_hopeful(source) && is_asked(source);
    let answered = sources.members(index).filter(|source| !source.is_silent()).count();
    let is_unresolved = line.is_pending() && waited < PATIENCE;
    let unresolved = if is_unresolved { line.wanted().saturating_sub(sources.members(index).count()) } else { 0 };
    (sources.members(index).filter(is_pending).count() + unresolved).min(line.wanted().saturating_sub(answered))
}
