//! Whoever asks a daemon often makes it no bigger: requests and replies cost no memory but that of the names in them.

#![allow(unsafe_code, reason = "an allocator that counts")]

#[path = "cmdmon/answer.rs"]
mod answer;
#[path = "cmdmon/vectors.rs"]
mod vectors;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use answer::body;
use fastrand::Rng;
use slewd::core::api::settings::{Host, SourceConfig};
use slewd::core::estimate::MAX_SOURCES;
use slewd::sim::{Scenario, World};
use slewd::wire::cmdmon::MAX_LEN;
use slewd::wire::cmdmon::reply;
use slewd::wire::cmdmon::request::{ControlRequest, Disposition, receive};
use vectors::vectors;

thread_local! {
    static ALLOCATIONS: Cell<u32> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as asked of us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as asked of us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(action: impl FnOnce()) -> u32 {
    let before = ALLOCATIONS.get();
    action();
    ALLOCATIONS.get() - before
}

#[test]
fn only_names_cost_memory() {
    let mut dice = Rng::with_seed(1);
    let mut status = [0; MAX_LEN];
    let status_len = ControlRequest::Status.encode([1; 4], 0, &mut status);
    let own = status[..status_len].to_vec();
    let datagrams: Vec<Vec<u8>> = vectors().into_iter().map(|vector| vector.request).chain([own]).collect();
    let (mut free, mut named) = (0, 0);
    for datagram in datagrams {
        let mut buffer = [0; MAX_LEN];
        let Disposition::Request(header, request) = receive(&datagram, |_| true) else {
            let refusing = || drop(black_box(receive(&datagram, |_| true)));
            assert_eq!(allocations(refusing), 0);
            continue;
        };
        let body = body(&request, &mut dice);
        let answer = body.as_ref().map_err(|status| *status);
        let mut len = 0;
        let answering = || len = reply::encode(&header, answer, datagram.len(), &mut buffer).expect("room");
        assert_eq!(allocations(answering), 0, "{request:?}");
        let parsing = allocations(|| drop(black_box(reply::parse(&buffer[..len], &header))));
        let receiving = allocations(|| drop(black_box(receive(&datagram, |_| true))));
        let asking = allocations(|| {
            request.encode([1; 4], 0, &mut buffer);
        });
        let expected = match request {
            ControlRequest::AddSource(_) | ControlRequest::AddSource2(_) => [0, 1, 1],
            ControlRequest::SourceName(_) | ControlRequest::Status => [1, 0, 0],
            _ => [0; 3],
        };
        assert_eq!([parsing, receiving, asking], expected, "{request:?}");
        *(if expected == [0; 3] { &mut free } else { &mut named }) += 1;
    }
    println!("{free} without, {named} with a name");
    assert!(free >= 25 && named == 4);
}

#[test]
fn reports_cost_no_memory_but_that_of_their_list() {
    let mut scenario = Scenario::pool(1, MAX_SOURCES - 1);
    scenario.sources.push(SourceConfig { host: Host::from("unknown.example"), ..scenario.sources[0].clone() });
    let mut world = World::new(scenario);
    world.run_for(1000.0);
    let (engine, now) = (world.engine().expect("it runs"), world.reading());
    assert_eq!(allocations(|| _ = black_box(engine.tracking_report(&now))), 0);
    assert_eq!(allocations(|| _ = black_box(engine.activity())), 0);
    for index in 0..=MAX_SOURCES {
        let mut report = None;
        assert_eq!(allocations(|| report = engine.source_report(index, &now)), 0);
        assert_eq!(report.is_some(), index < MAX_SOURCES);
    }
    assert_eq!(allocations(|| drop(black_box(engine.status(&now)))), 1, "the version");
    assert_eq!(allocations(|| drop(black_box(engine.snapshot(&now)))), 2, "that, and the list of the sources");
}
