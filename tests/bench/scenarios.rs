//! The table of scenarios. Each entry states what differs from one server 10 ms away behind 1 ms of jitter, watched for
//! 40,000 s; nothing is known at the start, and the crystal is 50 to 100 ppm fast or slow.

use slewd::sim::Happening::{ForeignStep, Suspend};
use slewd::sim::link::Shape;
use slewd::time::Span;

use super::case::{Case, Course, Published, Wrong, chronyd};

const US: f64 = 1e-6;
const MS: f64 = 1e-3;
const PPM: f64 = 1e-6;
const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;
const FOR_EVER: f64 = f64::INFINITY;

/// One server across a quiet wide area network.
const WAN: Case = Case {
    name: "",
    about: "",
    servers: 1,
    base_s: 10.0 * MS,
    jitter_s: 1.0 * MS,
    shape: Shape::Exponential,
    jitter_ways: [1.0, 1.0],
    loss: 0.0,
    path_bias_s: &[],
    detour: None,
    congestion: None,
    wrong: &[],
    wander: 1e-9,
    sine: None,
    frequency_steps: &[],
    clock_ahead: Span::ZERO,
    happens: &[],
    notices_clock_set: false,
    network: None,
    length_s: 40_000.0,
    goal_us: f64::NAN,
    chronyd: Published::NOTHING,
};

/// Four such servers.
const POOL: Case = Case { servers: 4, ..WAN };

/// Four servers, and a clock that is to be set.
const BOOT: Case = Case { length_s: 4000.0, ..POOL };

/// A local network.
const LAN: Case = Case { base_s: 50.0 * US, jitter_s: 10.0 * US, length_s: 10_000.0, ..WAN };

/// A portable computer, two days.
const LAPTOP: Case = Case { length_s: 2.0 * DAY, ..POOL };

/// All of them, in the order of the table.
pub(crate) const SCENARIOS: &[Case] = &[
    // Scenarios in which chronyd was measured (docs/benchmarks.md).
    Case {
        name: "lan-10us",
        about: "LAN, 10 us of jitter",
        goal_us: 8.0,
        chronyd: chronyd(16.0, 44.0, 63.0, 17.5),
        ..LAN
    },
    Case {
        name: "lan-100us",
        about: "LAN, 100 us of jitter",
        base_s: 100.0 * US,
        jitter_s: 100.0 * US,
        goal_us: 53.0,
        chronyd: chronyd(79.0, 122.0, 51.0, 13.0).held_out(137.0, 150.0),
        ..LAN
    },
    Case {
        name: "wan-1ms",
        about: "one server 10 ms away, 1 ms of jitter each way",
        goal_us: 205.0,
        chronyd: chronyd(544.0, 861.0, 87.0, 5.8).held_out(742.0, 1042.0).start(6200.0),
        ..WAN
    },
    Case {
        name: "wan-10ms",
        about: "30 ms away, 10 ms of jitter",
        base_s: 30.0 * MS,
        jitter_s: 10.0 * MS,
        length_s: 80_000.0,
        goal_us: 950.0,
        chronyd: chronyd(1686.0, 2756.0, 191.0, 4.7).held_out(2744.0, 3050.0).start(10_200.0),
        ..WAN
    },
    Case {
        name: "pool-4",
        about: "four servers",
        goal_us: 125.0,
        chronyd: chronyd(594.0, 1018.0, 82.0, 23.5).held_out(921.0, 1063.0).start(6400.0),
        ..POOL
    },
    Case {
        name: "pool-4-1bad",
        about: "one of four is 1 s off",
        wrong: &[(0, Wrong::By(1.0))],
        goal_us: 130.0,
        chronyd: chronyd(616.0, 1026.0, 84.0, 23.5),
        ..POOL
    },
    Case {
        name: "wander-hi",
        about: "a crystal that wanders ten times as much",
        wander: 1e-8,
        goal_us: 570.0,
        chronyd: chronyd(1114.0, 2344.0, 1084.0, 5.8),
        ..WAN
    },
    Case {
        name: "vm-wander",
        about: "a hundred times as much; 1 ms away, 0.1 ms of jitter",
        base_s: 1.0 * MS,
        jitter_s: 0.1 * MS,
        wander: 1e-7,
        length_s: 20_000.0,
        goal_us: 88.0,
        chronyd: chronyd(161.0, 708.0, 2695.0, 52.4).held_out(168.0, 388.0),
        ..WAN
    },
    Case {
        name: "asym",
        about: "5 ms of jitter, nearly all of it in the replies",
        jitter_s: 5.0 * MS,
        jitter_ways: [0.1, 1.9],
        goal_us: 260.0,
        chronyd: chronyd(419.0, 718.0, 152.0, 6.8).held_out(894.0, 1283.0),
        ..WAN
    },
    Case {
        name: "boot",
        about: "clock an hour ahead",
        clock_ahead: Span::from_secs(3600),
        goal_us: 62.0,
        chronyd: chronyd(128.0, 174.0, 72.0, 108.9).start(3300.0),
        ..BOOT
    },
    Case {
        name: "boot-1970",
        about: "clock 1.2e9 s behind",
        clock_ahead: Span::from_secs(-1_200_000_000),
        goal_us: 62.0,
        chronyd: chronyd(128.0, 174.0, 72.0, 108.9).start(3300.0),
        ..BOOT
    },
    Case {
        name: "loss-30",
        about: "30 % of the packets lost, each way",
        loss: 0.3,
        goal_us: 280.0,
        chronyd: chronyd(672.0, 1225.0, 174.0, 7.2).start(102_000.0),
        ..WAN
    },
    // The table of more cases there.
    Case {
        name: "route",
        about: "from 26,000 s on, 4 ms longer both ways",
        detour: Some(Course { servers: 1, from_s: 26_000.0, until_s: FOR_EVER, ways_s: [4.0 * MS, 4.0 * MS] }),
        chronyd: chronyd(728.0, 1275.0, 92.0, 5.8),
        ..WAN
    },
    Case {
        name: "diurnal",
        about: "1 ppm sine of 24 h, two days",
        sine: Some((1.0 * PPM, 24.0 * HOUR)),
        length_s: 2.0 * DAY,
        chronyd: chronyd(707.0, 1953.0, 694.0, 4.0).held_out(774.0, 861.0),
        ..WAN
    },
    Case {
        name: "pareto",
        about: "heavy tail: Lomax 2.2",
        shape: Shape::Lomax(2.2),
        chronyd: chronyd(444.0, 816.0, 123.0, 5.8),
        ..WAN
    },
    Case {
        name: "fstep",
        about: "at 26,000 s the frequency steps by 1 ppm",
        frequency_steps: &[(26_000.0, 1.0 * PPM)],
        chronyd: chronyd(1430.0, 3962.0, 2341.0, 5.8),
        ..WAN
    },
    Case {
        name: "congest",
        about: "for 8000 s, requests take 3 ms more and queue three times as much",
        congestion: Some((24_000.0, 32_000.0, 3.0 * MS)),
        chronyd: chronyd(881.0, 1447.0, 136.0, 5.8),
        ..WAN
    },
    Case {
        name: "route-asym",
        about: "requests to one of four take 4 ms more from 26,000 s on",
        detour: Some(Course { servers: 1, from_s: 26_000.0, until_s: FOR_EVER, ways_s: [4.0 * MS, 0.0] }),
        chronyd: chronyd(691.0, 1046.0, 87.0, 23.5),
        ..POOL
    },
    Case {
        name: "pool-bias",
        about: "four paths with asymmetries worth +-1 and +-0.5 ms",
        path_bias_s: &[MS, -MS, 0.5 * MS, -0.5 * MS],
        chronyd: chronyd(710.0, 1090.0, 85.0, 23.5),
        ..POOL
    },
    Case {
        name: "pool-5ms",
        about: "one of four is 5 ms off",
        path_bias_s: &[5.0 * MS],
        chronyd: chronyd(1400.0, 1932.0, 84.0, 23.5),
        ..POOL
    },
    Case {
        name: "cstep",
        about: "somebody sets the clock 50 ms wrong, unnoticed",
        happens: &[(26_000.0, ForeignStep(Span::from_millis(50)))],
        chronyd: chronyd(12_064.0, 49_770.0, 31_869.0, 8.3),
        ..WAN
    },
    // The held-out table there.
    Case {
        name: "pool-heavy",
        about: "four servers, Lomax 1.6: jitter of infinite variance",
        shape: Shape::Lomax(1.6),
        goal_us: 125.0,
        chronyd: chronyd(381.0, f64::NAN, f64::NAN, f64::NAN).held_out(560.0, 722.0),
        ..POOL
    },
    Case {
        name: "sine-6h",
        about: "two servers, 0.5 ppm sine of 6 h, one day",
        servers: 2,
        sine: Some((0.5 * PPM, 6.0 * HOUR)),
        length_s: DAY,
        goal_us: 330.0,
        chronyd: chronyd(1196.0, f64::NAN, f64::NAN, f64::NAN).held_out(1342.0, 1488.0),
        ..WAN
    },
    Case {
        name: "wan-2ms",
        about: "20 ms away, 2 ms of jitter, 10 % lost, wander 3e-9",
        base_s: 20.0 * MS,
        jitter_s: 2.0 * MS,
        loss: 0.1,
        wander: 3e-9,
        chronyd: chronyd(1198.0, f64::NAN, f64::NAN, f64::NAN).held_out(1802.0, 2309.0),
        ..WAN
    },
    // Other jitter.
    Case { name: "heavy-1", about: "one server, Lomax 1.6", shape: Shape::Lomax(1.6), ..WAN },
    Case { name: "bimodal", about: "one packet in five waits 5 ms more", shape: Shape::Bimodal(0.2), ..WAN },
    Case { name: "gamma4", about: "no packet near the minimum: gamma, shape 4", shape: Shape::Gamma(4), ..WAN },
    Case { name: "pool-gamma4", about: "the same, four servers", shape: Shape::Gamma(4), ..POOL },
    // Other crystals.
    Case {
        name: "sine-6h-1",
        about: "one server, 0.5 ppm sine of 6 h, one day",
        sine: Some((0.5 * PPM, 6.0 * HOUR)),
        length_s: DAY,
        ..WAN
    },
    Case {
        name: "sine-1h",
        about: "four servers, 0.2 ppm sine of 1 h, one day",
        sine: Some((0.2 * PPM, HOUR)),
        length_s: DAY,
        ..POOL
    },
    Case {
        name: "fstep-back",
        about: "the frequency steps by 1 ppm at 22,000 s and back at 30,000 s",
        frequency_steps: &[(22_000.0, PPM), (30_000.0, -PPM)],
        ..WAN
    },
    Case {
        name: "pool-fstep",
        about: "four servers, the frequency steps by 10 ppm at 26,000 s",
        frequency_steps: &[(26_000.0, 10.0 * PPM)],
        ..POOL
    },
    // Other routes.
    Case {
        name: "route-back",
        about: "4 ms longer both ways from 22,000 to 30,000 s",
        detour: Some(Course { servers: 1, from_s: 22_000.0, until_s: 30_000.0, ways_s: [4.0 * MS, 4.0 * MS] }),
        ..WAN
    },
    Case {
        name: "route-asym-back",
        about: "requests take 4 ms more from 22,000 to 30,000 s",
        detour: Some(Course { servers: 1, from_s: 22_000.0, until_s: 30_000.0, ways_s: [4.0 * MS, 0.0] }),
        ..WAN
    },
    Case {
        name: "route-asym-1",
        about: "a single server, requests take 4 ms more: 2 ms that nobody can see",
        detour: Some(Course { servers: 1, from_s: 26_000.0, until_s: FOR_EVER, ways_s: [4.0 * MS, 0.0] }),
        ..WAN
    },
    Case {
        name: "route-pool",
        about: "all four 4 ms longer both ways from 22,000 to 30,000 s",
        detour: Some(Course { servers: 4, from_s: 22_000.0, until_s: 30_000.0, ways_s: [4.0 * MS, 4.0 * MS] }),
        ..POOL
    },
    Case {
        name: "congest-pool",
        about: "requests to all four congested for 8000 s",
        congestion: Some((24_000.0, 32_000.0, 3.0 * MS)),
        ..POOL
    },
    // Numbers of servers; wan-1ms is 1, pool-4 is 4.
    Case { name: "pool-2", about: "two servers", servers: 2, ..WAN },
    Case { name: "pool-3", about: "three servers", servers: 3, ..WAN },
    Case { name: "pool-6", about: "six servers", servers: 6, ..WAN },
    Case { name: "pool-8", about: "eight servers", servers: 8, ..WAN },
    // Liars that selection cannot see: the root distance is 10 ms.
    Case { name: "liar-8ms", about: "one of four is 8 ms off", wrong: &[(0, Wrong::By(8.0 * MS))], ..POOL },
    Case {
        name: "liar-drift",
        about: "one of four runs away by 0.3 ppm from 10,000 s on",
        wrong: &[(0, Wrong::Drifts { from_s: 10_000.0, rate: 0.3 * PPM })],
        ..POOL
    },
    Case {
        name: "liar-jump",
        about: "one of four jumps by 8 ms at half time",
        wrong: &[(0, Wrong::Jumps { at_s: 20_000.0, by_s: 8.0 * MS })],
        ..POOL
    },
    Case {
        name: "liar-jump-3",
        about: "one of three jumps by 8 ms at half time",
        servers: 3,
        wrong: &[(0, Wrong::Jumps { at_s: 20_000.0, by_s: 8.0 * MS })],
        ..WAN
    },
    // Lost packets; loss-30 is above.
    Case { name: "loss-10", about: "10 % of the packets lost, each way", loss: 0.1, ..WAN },
    Case { name: "loss-60", about: "60 % lost", loss: 0.6, ..WAN },
    Case { name: "pool-loss-60", about: "60 % lost, four servers", loss: 0.6, ..POOL },
    // A week.
    Case { name: "lan-week-10us", about: "lan-10us for seven days", length_s: 7.0 * DAY, ..LAN },
    Case {
        name: "lan-week-100us",
        about: "lan-100us for seven days",
        base_s: 100.0 * US,
        jitter_s: 100.0 * US,
        length_s: 7.0 * DAY,
        ..LAN
    },
    // Networks that come and go.
    Case { name: "laptop", about: "network 1 h on, 3 h off", network: Some((HOUR, 3.0 * HOUR)), ..LAPTOP },
    Case { name: "laptop-8h", about: "network 8 h on, 16 h off", network: Some((8.0 * HOUR, 16.0 * HOUR)), ..LAPTOP },
    Case { name: "laptop-5min", about: "network 5 min on, 55 min off", network: Some((300.0, 3300.0)), ..LAPTOP },
    Case {
        name: "laptop-sleep",
        about: "suspended for 3 h after 1, 9, 17 and 25 h, half a second misjudged",
        happens: &[
            (HOUR, Suspend(Span::from_secs(10_800), Span::from_millis(500))),
            (9.0 * HOUR, Suspend(Span::from_secs(10_800), Span::from_millis(-500))),
            (17.0 * HOUR, Suspend(Span::from_secs(10_800), Span::from_millis(500))),
            (25.0 * HOUR, Suspend(Span::from_secs(10_800), Span::from_millis(-500))),
        ],
        ..LAPTOP
    },
    // Clocks that are set wrong.
    Case {
        name: "cstep-noticed",
        about: "cstep, and the kernel tells at once",
        happens: &[(26_000.0, ForeignStep(Span::from_millis(50)))],
        notices_clock_set: true,
        ..WAN
    },
    Case { name: "start-100ms", about: "clock 0.1 s behind: slewed", clock_ahead: Span::from_millis(-100), ..BOOT },
    Case {
        name: "start-1",
        about: "an hour ahead, one server",
        servers: 1,
        clock_ahead: Span::from_secs(3600),
        ..BOOT
    },
];
