//! Random worlds are recorded and repeated: faults, sleeps, restarts, changes of the network, cards that stamp.
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
use slewd::recording::{Recording, Sink};
use slewd::sim::{Scenario, World};
use slewd::time::Span;

/// Worlds in both ways of stamping.
const WORLDS: u64 = 6;

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
            restarts += recorded_and_repeated(play.scenario) - 1;
        }
    }
    assert!(restarts > 0, "no world with a restart");
}

/// Runs a scenario, repeats each start of slewd in it, and returns how many there were.
fn recorded_and_repeated(scenario: Scenario) -> usize {
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
    runs.len()
}
