//! When to ask a server next (the poll process of RFC 5905 section 13, by another rule).
//!
//! The only dimensionless number of the problem is `wander^2 * interval^3 / noise^2`: how far the oscillator strays
//! between two samples against how well one sample is known. The interval follows from it, after a start in which the
//! gaps grow in proportion to the history.

mod gaps;

use crate::core::api::settings::{SourceOptions, poll_interval};
use crate::core::random::Random;
use crate::time::{Raw, Span};

/// Never faster than this to one server, unless `minpoll` says so (RFC 8633 section 3, manners).
const MIN_SPACING: Span = Span::from_secs(2);

/// Requests with short gaps at the start; after these the server is taken to be away.
const MAX_START_REQUESTS: u32 = 16;

/// Good answers wanted quickly: with `iburst`, and without it (the second confirms the first).
pub(super) const BURST_ANSWERS: u32 = 4;
const NO_BURST_ANSWERS: u32 = 2;

/// An interval of a 6.5th of the history keeps the frequency known well enough for the next gap.
const GROWTH: f64 = 6.5;

/// At 1.5 the steady state is at the knee: asking more often gains less than 10 %.
const KNEE: f64 = 1.5;

const MAX_TOKENS: f64 = 6.0;

/// Random stretch of each interval. Never a shortening: the mean must not exceed what `maxpoll` promises.
const STRETCH: f64 = 0.03;

/// Requests in a row without an answer after which a source counts as unreachable.
pub(super) const UNREACHABLE_AFTER: u32 = 8;

/// `presend` wakes the path this long before the request that counts (chrony.conf(5)).
const PRESEND_LEAD: Span = Span::from_secs(2);
/// Larger values of `presend`, such as its default, are off.
const MAX_PRESEND: i8 = 32;

/// chrony's default `polltarget`.
const DEFAULT_TARGET: f64 = 8.0;

/// Kiss-o'-death RATE holds for this long: what made the server say so may have passed, or somebody else may have said it.
const RATE_HOLDS: Span = Span::from_secs(4 * 3600);
/// Kisses RATE that count; the longest interval is reached long before.
const MAX_DOUBLINGS: u32 = 24;
/// Pause after a kiss RATE, in intervals.
const RATE_PAUSE: i64 = 5;

/// First retry after the kernel could not even send (no route yet), and the longest one.
const SEND_RETRY: Span = Span::from_secs(1);
const MAX_SEND_RETRY: Span = Span::from_secs(16);

/// Requests of the burst that follows a change of the network, at most: nobody may answer there either.
const REVIVED_REQUESTS: u32 = 8;

/// What the estimate says about how often it wants to hear.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Demand {
    /// Sources in use.
    pub active: usize,
    /// Log-mean wander of the oscillator, squared (1/s).
    pub wander_squared: f64,
    /// Squared noise of one sample, harmonic mean over the active sources (s^2).
    pub noise_squared: f64,
}

/// How soon the last sample should be followed by another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Urgency {
    /// Nothing is urgent: the next request goes out as planned.
    #[default]
    Calm,
    /// The answer moved the estimate: ask again at the shortest regular interval.
    Surprised,
    /// The answer contradicts the estimate: ask again as soon as manners allow.
    Contradicted,
}

/// The polling of one server.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// As configured; see [`Schedule::set_near`].
    shortest: Span,
    longest: Span,
    is_near: bool,
    burst_answers: u32,
    /// `burst`: a poll that goes unanswered is repeated at once.
    repeats: bool,
    /// Requests of the present poll.
    tries: u32,
    /// `presend`: from this interval on, the path is woken first.
    presend: Option<Span>,
    /// Requests that wake the path before one that counts: two in interleaved mode, where that one tells of the one before.
    wakings: u8,
    /// Requests that only wake the path, sent before the next that counts.
    woken: u8,
    /// The last request only woke the path.
    waking: bool,
    /// Factor on the interval that gives the samples wanted.
    pace: f64,
    due: Option<Raw>,
    interval: Span,
    requests: u32,
    answers: u32,
    unanswered: u32,
    send_failures: u32,
    first_answer: Option<Raw>,
    /// The time from the first answer to the last.
    history: Span,
    sent: Option<Raw>,
    /// As `sent` was before the last request, which may not have left.
    sent_before: Option<Raw>,
    tokens: f64,
    staggered: bool,
    barred: bool,
    /// Kisses RATE that still hold: each doubles the shortest interval.
    slowed: u32,
    slowed_until: Option<Raw>,
    /// The server wants to hear nothing before this moment.
    paused_until: Option<Raw>,
    offline: bool,
    permitted: bool,
    burst: Option<Burst>,
}

/// What somebody has ordered and is still to come.
#[derive(Clone, Copy, Debug)]
struct Burst {
    /// Good answers wanted.
    good: u32,
    /// Requests allowed.
    requests: u32,
}

impl Schedule {
    /// First request at this moment, unless the line says `offline`.
    pub fn new(options: &SourceOptions, first: Raw) -> Self {
        let shortest = options.min_interval();
        Schedule {
            shortest,
            longest: options.max_interval(),
            is_near: false,
            burst_answers: if options.iburst { BURST_ANSWERS } else { NO_BURST_ANSWERS },
            repeats: options.burst,
            tries: 0,
            presend: (options.presend <= MAX_PRESEND).then(|| poll_interval(options.presend)),
            wakings: if options.xleave { 2 } else { 1 },
            woken: 0,
            waking: false,
            pace: pace(options.poll_target),
            due: Some(first),
            interval: shortest.min(MIN_SPACING),
            requests: 0,
            answers: 0,
            unanswered: 0,
            send_failures: 0,
            first_answer: None,
            history: Span::ZERO,
            sent: None,
            sent_before: None,
            tokens: MAX_TOKENS,
            staggered: false,
            barred: false,
            slowed: 0,
            slowed_until: None,
            paused_until: None,
            offline: options.offline,
            permitted: true,
            burst: None,
        }
    }

    /// When the next request is due; `None` while the server must not be asked.
    pub fn due(&self) -> Option<Raw> {
        self.due.filter(|_| self.permitted && (!self.offline || self.burst.is_some()))
    }

    /// Says whether the source may be asked at all, online or not.
    pub fn permit(&mut self, permitted: bool) {
        self.permitted = permitted;
    }

    /// Set offline: not asked until told.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// In a burst that somebody ordered.
    pub fn is_bursting(&self) -> bool {
        self.burst.is_some()
    }

    /// When the last request went out.
    pub fn sent(&self) -> Option<Raw> {
        self.sent
    }

    /// The interval in force, log2 of seconds rounded down: the poll field of our requests.
    pub fn poll(&self) -> i8 {
        libm::log2(self.interval.secs_f64().max(1e-3)).floor().clamp(-7.0, 24.0) as i8
    }

    /// The interval in force.
    pub fn interval(&self) -> Span {
        self.interval
    }

    /// Requests in a row without an answer.
    pub fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// Failures to send in a row.
    pub fn send_failures(&self) -> u32 {
        self.send_failures
    }

    /// Requests of the current start.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// A request went out. Until it is answered the next one is planned as after a loss.
    ///
    /// `needed`: no source answers at present. Then a server that says nothing is asked as often as its history
    /// deserves, for the clock may be adrift; else ever more rarely.
    pub fn asked(&mut self, now: Raw, needed: bool, random: &mut Random) {
        self.paused_until = None;
        if self.slowed_until.take_if(|until| *until <= now).is_some() {
            self.slowed = 0;
        }
        self.waking = self.woken < self.wakings && self.burst.is_none() && self.wakes_path();
        if self.waking {
            self.woken += 1;
            self.barred = false;
            self.sent = Some(now);
            self.due = Some(now + PRESEND_LEAD);
            return;
        }
        self.woken = 0;
        self.requests = self.requests.saturating_add(1);
        self.unanswered = self.unanswered.saturating_add(1);
        self.tries = if self.begins_poll() { 1 } else { self.tries + 1 };
        self.barred = false;
        self.sent_before = self.sent.replace(now);
        self.burst.iter_mut().for_each(|burst| burst.requests -= 1);
        self.burst = self.burst.filter(|burst| burst.requests > 0);
        self.due = Some(now + self.gap_if_lost(needed).scaled(1.0 + STRETCH * random.fraction()));
    }

    /// There was nothing to send: the server has not been asked, and may be as soon as there is.
    pub fn left_out(&mut self) {
        self.sent = self.sent_before;
    }

    /// The last request only woke the path: its answer is not to be used.
    pub fn is_waking(&self) -> bool {
        self.waking
    }

    /// The answer was not good enough: `burst` asks again at once, unless this poll has had its share.
    pub fn repeat(&mut self, now: Raw) -> bool {
        let may = !self.starting() && self.tries < self.burst_requests();
        if may {
            self.unanswered = 0;
            self.due = Some(self.earliest(now));
        }
        may
    }

    /// The request in flight was answered.
    pub fn answered(&mut self, now: Raw, demand: Option<Demand>, urgency: Urgency, place: Place, random: &mut Random) {
        self.unanswered = 0;
        self.tries = 0;
        self.answers = self.answers.saturating_add(1);
        self.history = now - *self.first_answer.get_or_insert(now);
        let sent = self.sent.unwrap_or(now);
        let gap = self.gap_after_answer(demand, urgency, place);
        self.interval = gap;
        self.due = Some((sent + gap.scaled(1.0 + STRETCH * random.fraction())).max(now));
    }

    /// The answer told the time.
    pub fn told_time(&mut self) {
        self.burst.iter_mut().for_each(|burst| burst.good -= 1);
        self.burst = self.burst.filter(|burst| burst.good > 0);
    }

    /// Somebody wants so many good answers soon, by so many requests at most, whether this source is online or not.
    pub fn burst(&mut self, good: u32, requests: u32, now: Raw) {
        if self.permitted && self.burst.is_none() && !self.barred && good > 0 && requests > 0 {
            self.burst = Some(Burst { good, requests });
            self.due = Some(self.earliest(now));
        }
    }

    /// `minpoll`, `maxpoll` or `polltarget` have changed.
    pub fn change(&mut self, options: &SourceOptions, now: Raw) {
        self.shortest = options.min_interval();
        self.longest = options.max_interval();
        self.pace = pace(options.poll_target);
        if self.starting() || self.barred {
            return;
        }
        self.interval = self.interval.clamp(self.shortest(), self.longest());
        let earliest = self.sent.map_or(now, |sent| now.max(sent + self.shortest()));
        let latest = self.sent.map_or(now, |sent| now.max(sent + self.longest()));
        self.due = self.due.map(|due| due.min(latest).max(earliest));
    }

    /// The request left.
    pub fn could_send(&mut self) {
        self.send_failures = 0;
    }

    /// The kernel refused to send: costs nothing on the wire, so it is tried again soon.
    pub fn could_not_send(&mut self, now: Raw) {
        let doublings = self.send_failures.min(4);
        self.send_failures = self.send_failures.saturating_add(1);
        self.sent = self.sent_before;
        self.due = Some(now + SEND_RETRY.times(1 << doublings).min(MAX_SEND_RETRY));
    }

    /// Ask again at the next opportunity, with a burst: the network or the clock has changed.
    pub fn restart(&mut self, now: Raw) {
        if self.barred {
            return;
        }
        *self = Schedule {
            due: Some(self.earliest(now)),
            requests: 0,
            answers: 0,
            unanswered: 0,
            send_failures: 0,
            first_answer: None,
            history: Span::ZERO,
            staggered: false,
            interval: self.spacing(),
            ..self.clone()
        };
    }

    /// The source has been asked from `first` to `last`. If that is no longer ago than it would have been left alone, it is known
    /// after the burst how often to ask.
    pub fn resume(&mut self, first: Raw, last: Raw, now: Raw) {
        if now - last <= (last - first).scaled(GROWTH.recip()).min(self.longest()) {
            self.first_answer = Some(first);
            self.history = now - first;
        }
    }

    /// The network has changed: ask as soon as manners allow, and until so many answers are in. What is known of how
    /// often to ask stays known.
    pub fn revive(&mut self, answers: u32, now: Raw) {
        if self.barred {
            return;
        }
        self.due = Some(self.earliest(now));
        self.answers = self.answers.min(self.burst_answers.saturating_sub(answers));
        self.requests = self.requests.min(MAX_START_REQUESTS - REVIVED_REQUESTS);
        self.unanswered = 0;
        self.send_failures = 0;
        self.staggered = false;
    }

    /// Offline: not asked. Back online: asked at once, with a burst. Returns whether that is news.
    pub fn set_online(&mut self, online: bool, now: Raw) -> bool {
        let is_news = self.offline == online;
        self.offline = !online;
        if is_news && online {
            self.restart(now);
        }
        is_news
    }

    /// One more request soon, without a burst: a vote is being held.
    pub fn poll_now(&mut self, now: Raw) {
        if !self.barred {
            self.due = Some(self.due.map_or(now, |due| due.min(self.earliest(now))));
            self.staggered = false;
        }
    }

    /// As [`Schedule::poll_now`], paid from the bucket: another source has said something that needs a second opinion.
    pub fn consult(&mut self, now: Raw) {
        if self.tokens >= 1.0 && !self.is_fixed() && self.due.is_some_and(|due| due > self.earliest(now)) {
            self.tokens -= 1.0;
            self.poll_now(now);
        }
    }

    /// Only a server that answers, and from nearby, may be asked more than once a second.
    pub fn set_near(&mut self, is_near: bool) {
        self.is_near = is_near;
    }

    /// Kiss-o'-death RATE: twice the shortest interval for some hours, and a pause of one interval and four polls now, but
    /// of no more than `longest_pause`.
    pub fn slow_down(&mut self, now: Raw, longest_pause: Span) {
        self.slowed = (self.slowed + 1).min(MAX_DOUBLINGS);
        self.slowed_until = Some(now + RATE_HOLDS);
        self.requests = self.requests.max(MAX_START_REQUESTS);
        self.answers = self.answers.max(self.burst_answers);
        self.interval = self.interval.max(self.shortest());
        let until = now + self.interval.times(RATE_PAUSE).min(longest_pause);
        self.paused_until = Some(until);
        self.due = Some(until);
        self.burst = None;
    }

    /// Kiss-o'-death DENY or RSTR: not before `until`.
    pub fn bar(&mut self, until: Raw) {
        self.due = Some(until);
        self.barred = true;
        self.burst = None;
    }

    /// The network has changed: what the server said to our old address is void, except for a pause.
    pub fn lift_kisses(&mut self) {
        self.barred = false;
        (self.slowed, self.slowed_until) = (0, None);
    }
}

/// The place of a source among the active ones, which are made to answer in turn rather than together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Counted from 0.
    pub index: usize,
    /// Number of active sources.
    pub of: usize,
}

/// The filter remembers a number of samples that grows as the interval to the power of -3/4.
fn pace(target: u32) -> f64 {
    libm::pow(DEFAULT_TARGET / f64::from(target.max(1)), 4.0 / 3.0)
}

impl Demand {
    /// The interval of each of the active sources in seconds.
    pub fn interval_s(&self) -> f64 {
        let per_sample = libm::cbrt(KNEE * self.noise_squared / self.wander_squared.max(1e-30));
        self.active as f64 * per_sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gaps in seconds, rounded down, between the requests of a server that answers those that `answers` says.
    fn gaps(options: SourceOptions, answers: impl Fn(usize) -> bool) -> Vec<i64> {
        let (mut random, mut now) = (Random::new([1; 16]), Raw::from_nanos(0));
        let mut schedule = Schedule::new(&options, now);
        let mut gaps = Vec::new();
        for request in 0..40 {
            schedule.asked(now, true, &mut random);
            if answers(request) && !schedule.is_waking() {
                schedule.answered(now, None, Urgency::Calm, Place { index: 0, of: 1 }, &mut random);
            }
            let due = schedule.due().expect("it is asked for ever");
            gaps.push((due - now).secs_f64() as i64);
            now = due;
        }
        gaps
    }

    #[test]
    fn presend_wakes_the_path_two_seconds_before_each_request_that_counts_but_not_at_the_start() {
        let options = SourceOptions { iburst: true, presend: 8, max_poll: 8, ..SourceOptions::default() };
        let gaps = gaps(options, |_| true);
        assert_eq!(gaps[..4], [2, 2, 2, 6], "{gaps:?}");
        let last = &gaps[22..];
        assert!(last.iter().all(|gap| *gap == 2 || *gap >= 256), "{gaps:?}");
        assert_eq!(last.iter().filter(|gap| **gap == 2).count(), 9, "{gaps:?}");
    }

    #[test]
    fn a_burst_repeats_a_request_without_an_answer_up_to_four_times_if_the_interval_allows() {
        let options = SourceOptions { burst: true, min_poll: 6, max_poll: 8, ..SourceOptions::default() };
        // From the 30th request on there are no answers.
        let gaps = gaps(options, |request| request < 30);
        assert!(gaps[22..30].iter().all(|gap| *gap >= 256), "{gaps:?}");
        assert_eq!(gaps[30..33], [2, 2, 2], "{gaps:?}");
        assert!(gaps[33] > 100, "{gaps:?}");
    }
}
