//! How a server behaves: whether another address of its name would do better (spec 4.8).

use crate::time::Raw;

/// Requests without a usable answer after which a source is bad: its reachability register is empty.
const FRUITLESS_REQUESTS: u32 = 8;

/// Answers in a row that selection refused after which it is bad.
const REFUSED_ANSWERS: u32 = 4;

/// Kisses RATE with no answer between them after which it is bad: each makes the next request later, so that eight would
/// take hours.
const RATE_KISSES: u32 = 3;

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
    /// It said DENY or RSTR.
    denied_until: Option<Raw>,
}

impl Default for Conduct {
    fn default() -> Self {
        Conduct { is_listed: true, fruitless: 0, refused: 0, rate_kisses: 0, denied_until: None }
    }
}

impl Conduct {
    /// A request went out.
    pub fn asked(&mut self) {
        self.fruitless = self.fruitless.saturating_add(1);
    }

    /// It did not: the kernel would not send it.
    pub fn never_asked(&mut self) {
        self.fruitless = self.fruitless.saturating_sub(1);
    }

    /// It told the time.
    pub fn told_time(&mut self) {
        (self.fruitless, self.rate_kisses) = (0, 0);
        self.denied_until = None;
    }

    /// Selection refused what it said, or did not.
    pub fn judged(&mut self, is_refused: bool) {
        self.refused = if is_refused { self.refused.saturating_add(1) } else { 0 };
    }

    /// It wants to be asked less.
    pub fn slowed(&mut self) {
        self.rate_kisses = self.rate_kisses.saturating_add(1);
    }

    /// It does not want to be asked.
    pub fn denied(&mut self, until: Raw) {
        self.denied_until = Some(until);
    }

    /// Until when it does not want to be asked, if it said so.
    pub fn denied_until(&self) -> Option<Raw> {
        self.denied_until
    }

    /// Silent, refused or denying for long enough.
    pub fn is_bad(&self, now: Raw) -> bool {
        self.fruitless >= FRUITLESS_REQUESTS
            || self.refused >= REFUSED_ANSWERS
            || self.rate_kisses >= RATE_KISSES
            || self.denied_until.is_some_and(|until| until > now)
    }
}
