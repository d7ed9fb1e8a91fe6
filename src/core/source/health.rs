//! How a server behaves: whether another address of its name would do better (replacement, as `pool` in
//! chrony.conf(5) has it).

use crate::core::api::flaw::Flaw;
use crate::core::api::settings::SourceOptions;
use crate::core::source::Refusal;
use crate::core::source::poll::BURST_ANSWERS;
use crate::time::{Raw, Span};

/// Requests without a usable answer after which a source is bad: its reachability register is empty.
const FRUITLESS_REQUESTS: u32 = 8;

/// Answers in a row that selection refused after which it is bad.
const REFUSED_ANSWERS: u32 = 4;

/// Kisses RATE with no answer between them after which it is bad: each makes the next request later, so that eight would
/// take hours.
const RATE_KISSES: u32 = 3;

/// Answers in a row of no use after which a source is said to be of no use. The start of a source without `iburst` ends
/// after two, and the next come only at `minpoll`.
const USELESS_ANSWERS: u32 = BURST_ANSWERS;
const USELESS_ANSWERS_WITHOUT_BURST: u32 = 2;

/// Slow answers in a row: a queue on the path can make a few slow.
const SLOW_ANSWERS: u32 = 8;

/// Good answers in a row after which what was wrong is over: what comes back then is news.
const GOOD_ANSWERS: u32 = 8;

/// A first DENY or RSTR counts for this long, and each further one for twice as long, up to an hour. RFC 8633 section 5.4
/// wants an end of requests, but anybody on the path can forge a kiss, and it must not outlive that sender by much.
const FIRST_DENIAL: Span = Span::from_secs(120);
const MAX_DENIAL_DOUBLINGS: u32 = 5;
const LONGEST_DENIAL: Span = Span::from_secs(3600);
/// While nobody else tells the time, it counts for this long.
const DENIAL_IF_NEEDED: Span = Span::from_secs(60);

/// What speaks for and against a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conduct {
    /// The resolver lists its address, or the configuration does.
    pub is_listed: bool,
    /// Requests since the last reply that told the time.
    fruitless: u32,
    /// Replies in a row that selection refused.
    refused: u32,
    /// Kisses RATE since the last reply that told the time.
    rate_kisses: u32,
    /// The server said DENY or RSTR; it is not asked until then.
    denied_until: Option<Raw>,
    /// Times in a row that it said so.
    denials: u32,
    /// Answers in a row of no use.
    useless: u32,
    /// What was wrong with the last useless answer.
    flaw: Option<Flaw>,
    /// What came in the place of an answer, if anything: anybody can send that.
    hint: Option<Flaw>,
    /// Why the last request could not be sent, if it could not.
    unsent: Option<Flaw>,
    /// Answers in a row that told the time.
    good: u32,
}

impl Default for Conduct {
    fn default() -> Self {
        Conduct {
            is_listed: true,
            fruitless: 0,
            refused: 0,
            rate_kisses: 0,
            denied_until: None,
            denials: 0,
            useless: 0,
            flaw: None,
            hint: None,
            unsent: None,
            good: 0,
        }
    }
}

impl Conduct {
    /// A request went out.
    pub fn asked(&mut self) {
        self.fruitless = self.fruitless.saturating_add(1);
    }

    /// A request did not leave: the kernel would not send it.
    pub fn never_asked(&mut self, why: Flaw) {
        self.fruitless = self.fruitless.saturating_sub(1);
        self.unsent = Some(why);
    }

    /// A request left.
    pub fn could_send(&mut self) {
        self.unsent = None;
    }

    /// The server answered, and the answer is of no use.
    pub fn useless(&mut self, flaw: Flaw) {
        self.useless = self.useless.saturating_add(1);
        self.flaw = Some(flaw);
        self.good = 0;
    }

    /// Something came in the place of an answer.
    pub fn hinted(&mut self, flaw: Flaw) {
        self.hint = Some(flaw);
    }

    /// A datagram was refused.
    pub fn refused(&mut self, refusal: Refusal) {
        match flaw_of(refusal) {
            Some(flaw) if refusal.is_answer() => self.useless(flaw),
            Some(flaw) => self.hinted(flaw),
            None => {}
        }
    }

    /// The server told the time.
    pub fn told_time(&mut self) {
        (self.fruitless, self.rate_kisses, self.useless) = (0, 0, 0);
        (self.denied_until, self.denials) = (None, 0);
        (self.flaw, self.hint) = (None, None);
        self.good = self.good.saturating_add(1);
    }

    /// Selection refused what the server said, or did not.
    pub fn judged(&mut self, is_refused: bool) {
        self.refused = if is_refused { self.refused.saturating_add(1) } else { 0 };
    }

    /// The server wants to be asked less (kiss RATE).
    pub fn slowed(&mut self) {
        self.rate_kisses = self.rate_kisses.saturating_add(1);
    }

    /// The server has wanted to be asked less since it last told the time.
    pub fn is_slowed(&self) -> bool {
        self.rate_kisses > 0
    }

    /// The server does not want to be asked: for how long that counts, and whether it is the first time since it told the time.
    /// `is_needed`: nobody else tells the time.
    pub fn denied(&mut self, is_needed: bool, now: Raw) -> (Span, bool) {
        let doubled = FIRST_DENIAL.times(1 << self.denials.min(MAX_DENIAL_DOUBLINGS)).min(LONGEST_DENIAL);
        let length = if is_needed { DENIAL_IF_NEEDED } else { doubled };
        let is_news = self.denials == 0;
        self.denials = self.denials.saturating_add(1);
        self.denied_until = Some(now + length);
        (length, is_news)
    }

    /// The network has changed: what it said to our old address is void.
    pub fn lift_denials(&mut self) {
        (self.denied_until, self.denials) = (None, 0);
    }

    /// Until when the server does not want to be asked, if it said so.
    pub fn denied_until(&self) -> Option<Raw> {
        self.denied_until
    }

    /// What is wrong with its answers, as far as it sends any.
    pub fn flaw(&self, now: Raw) -> Option<Flaw> {
        let is_denying = self.denied_until.is_some_and(|until| until > now);
        let kissed = self.is_slowed().then_some(Flaw::RateLimited);
        is_denying.then_some(Flaw::Denied).or(self.flaw).or(kissed)
    }

    /// Why the last request could not be sent, if it could not.
    pub fn unsent(&self) -> Option<Flaw> {
        self.unsent
    }

    /// What came in the place of an answer.
    pub fn hint(&self) -> Option<Flaw> {
        self.hint
    }

    /// The flaw has lasted for long enough to be reported.
    pub fn is_useless(&self, options: &SourceOptions) -> bool {
        let enough = match self.flaw {
            Some(Flaw::Delay) => SLOW_ANSWERS,
            _ if options.iburst => USELESS_ANSWERS,
            _ => USELESS_ANSWERS_WITHOUT_BURST,
        };
        self.useless >= enough
    }

    /// The source has been good for long enough that what was wrong is over.
    pub fn has_recovered(&self) -> bool {
        self.good >= GOOD_ANSWERS
    }

    /// Silent, refused or denying for long enough.
    pub fn is_bad(&self, now: Raw) -> bool {
        self.fruitless >= FRUITLESS_REQUESTS
            || self.refused >= REFUSED_ANSWERS
            || self.rate_kisses >= RATE_KISSES
            || self.denied_until.is_some_and(|until| until > now)
    }
}

/// What a refusal says of the source. One that only woke the path, and what interleaved mode repeats, say nothing.
fn flaw_of(refusal: Refusal) -> Option<Flaw> {
    Some(match refusal {
        Refusal::NoRequest | Refusal::Waking | Refusal::Known => return None,
        Refusal::Length
        | Refusal::Version
        | Refusal::Mode
        | Refusal::Trailer
        | Refusal::Origin
        | Refusal::Timestamp => Flaw::Senseless,
        Refusal::Authentication => Flaw::Authentication,
        Refusal::CertificateDates => Flaw::Certificate,
        Refusal::Duplicate => Flaw::Repetition,
        Refusal::RootDistance => Flaw::RootDistance,
        Refusal::Delay | Refusal::DelayRatio | Refusal::DelayDeviation | Refusal::DelayQuantile => Flaw::Delay,
        Refusal::Turnaround | Refusal::Era => Flaw::ImpossibleTimes,
    })
}
