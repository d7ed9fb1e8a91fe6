//! The ways in which a server of a random world lies about the time without being easy to find out.

use slewd::sim::server::Server;
use slewd::time::Span;

use crate::dice::signed;

/// The ways to lie.
pub(crate) const LIES: [&str; 4] = ["drifts", "inflates its turnaround", "is asymmetric", "calls itself perfect"];

/// One server lies in one of the ways of [`LIES`].
pub(crate) fn tell(server: &mut Server, lie: usize, round_trip_s: f64, dice: &mut fastrand::Rng) {
    match lie {
        // Too slow to be noticed between two answers.
        0 => server.drift = Some((dice.f64() * 6000.0, signed(dice, 1e-8, 1e-4))),
        1 => {
            let (earlier, share) = (dice.f64(), 0.5 + 0.5 * dice.f64());
            server.inflates_turnaround_s = (earlier * share * round_trip_s, (1.0 - earlier) * share * round_trip_s);
        }
        // Asymmetry: a constant offset within what the round trip allows.
        2 => server.ahead = Span::from_secs_f64((dice.f64() - 0.5) * round_trip_s),
        // It is wrong by as much as the others' intervals allow, and calls itself perfect.
        _ => {
            server.ahead = Span::from_secs_f64(signed(dice, 1e-3, 0.1));
            server.root_s = (0.0, 0.0);
        }
    }
}
