//! Simulated worlds are recorded and repeated: random ones with faults, sleeps, restarts, changes of the network and cards that
//! stamp; and one with reference clocks, a sensor and a leap second.
#![cfg(feature = "record")]

#[path = "support/dice.rs"]
mod dice;
#[path = "support/lies.rs"]
mod lies;
#[path = "support/play.rs"]
mod play;
#[path = "support/replayed_run.rs"]
mod replayed_run;

use std::cell::RefCell;
use std::rc::Rc;

use play::Play;
use replayed_run::{End, Origin, repeat_from, runs};
use slewd::core::api::event::Event;
use slewd::core::api::reference_clock::{ClockConfig, Driver};
use slewd::core::api::source_id::ReferenceId;
use slewd::core::api::temp_comp::{Curve, TempComp};
use slewd::core::clock::leap::LeapTable;
use slewd::recording::{Recording, Sink};
use slewd::sim::device::Device;
use slewd::sim::scenario::SensorModel;
use slewd::sim::{Scenario, World};
use slewd::time::{Span, Utc};

/// Worlds in both ways of stamping.
const WORLDS: u64 = 6;

/// What every leap second file has to know: it is refused otherwise.
const PAST_LEAPS: &str = "3439756800 34\n3550089600 35\n3644697600 36\n3692217600 37\n";

#[derive(Clone, Default)]
struct Text(Rc<RefCell<String>>);

impl Sink for Text {
    fn write(&mut self, lines: &str) -> bool {
        self.0.borrow_mut().push_str(lines);
        true
    }

    fn stop(&mut self, why: String) {
        panic!("{why}");
    }
}

#[test]
fn random_worlds_are_repeated_exactly() {
    let mut restarts = 0;
    for seed in 1..=WORLDS {
        for play in [Play::new(seed), Play::with_card(seed)] {
            restarts += recorded_and_repeated(play.scenario).matches("started ").count() - 1;
        }
    }
    assert!(restarts > 0, "no world with a restart");
}

/// A hardware clock, and pulses that get their seconds from servers. The crystal is warmer by day. The leap second file has
/// expired, and the one that takes its place knows of a leap second at the end of the next day.
#[test]
fn readings_temperatures_and_leap_seconds_are_repeated_exactly() {
    let new_year_s = 1_798_761_600;
    let table = |last: &str, expires_s: i64| {
        let text = format!("#@ {}\n{PAST_LEAPS}{last}", expires_s + 2_208_988_800);
        LeapTable::from_list("Leap second list leap.list", text.as_bytes()).expect("a good list")
    };
    let clock = |name: &str, driver: Driver| {
        let id = ReferenceId::new(name).expect("a reference ID");
        ClockConfig { poll: 6, dpoll: 4, ..ClockConfig::new(id, driver) }
    };
    let mut scenario = Scenario::pool(1, 3);
    scenario.start = Utc::from_secs(new_year_s - 2 * 86_400);
    scenario.leap_tables =
        vec![(0.0, table("", new_year_s - 86_400)), (20_000.0, table("4007750400 38\n", new_year_s + 86_400))];
    let phc = clock("PHC0", Driver::Phc { device: "/dev/ptp0".into(), cross: true });
    let pps = clock("PPS0", Driver::Pps { device: "/dev/pps0".into(), clear: false });
    scenario.devices = vec![Device::new(phc, 1e-6), Device { pulses: true, ..Device::new(pps, 1e-6) }];
    scenario.thermometer = Some(SensorModel { mean: 40.0, swing: 10.0, period_s: 86_400.0, resolution: 0.1 });
    let curve = Curve::Quadratic { t0: 40.0, k: [0.0, 0.2, 0.0] };
    scenario.settings.temp_comp = Some(TempComp { interval: Span::from_secs(60), curve });
    scenario.length_s = 2.0 * 86_400.0 + 3600.0;
    let text = recorded_and_repeated(scenario);
    let count =
        |kind: &str, said: &str| text.lines().filter(|line| line.starts_with(kind) && line.contains(said)).count();
    let counts =
        [count("reading ", " 0 utc "), count("reading ", " 1 utc "), count("temperature ", ""), count("leap ", "")];
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    assert!(count("table ", "") > 1, "one at the start, and the renewed one");
    assert!(text.contains("> log INFO System clock TAI offset set to 38 seconds\n"), "the new table counts");
}

/// Runs a scenario, repeats each start of slewd in it, and returns the recording.
fn recorded_and_repeated(scenario: Scenario) -> String {
    let text = Text::default();
    let to = text.clone();
    let recorder: Box<dyn FnMut() -> Recording> = Box::new(move || Recording::new(Box::new(to.clone())));
    let trace = World::recorded(scenario.clone(), Some(recorder)).run();
    let text = text.0.borrow();
    let runs = runs(&text).expect("a recording");
    let origin = |_: &replayed_run::Header| {
        Ok(Origin {
            settings: scenario.settings.clone(),
            sources: scenario.sources.clone(),
            clocks: scenario.devices.iter().map(|device| device.config.clone()).collect(),
            drift_interval: Span::from_secs(3600),
        })
    };
    let mut told = 0;
    for run in &runs {
        let mut listener = |_: &_, line: &str| told += usize::from(line.starts_with("log "));
        let outcome = repeat_from(run, &origin, &mut listener).expect("every line makes sense");
        // A simulated slewd is killed, and never says goodbye.
        assert!(matches!(outcome.end, End::CutOff(_)) && outcome.outputs > 0, "seed {}: {outcome:?}", scenario.seed);
    }
    let events: &[(f64, Event)] = &trace.events;
    assert_eq!(told, events.len(), "seed {}", scenario.seed);
    text.clone()
}
