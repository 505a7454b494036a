//! The chaos harness by itself: one seed one trace, what is found is replayed and made small, users' own parts are held to
//! their own promises. That the cluster keeps its promises is shown by many seeds: `examples/chaos.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use orch::chaos::{Chaos, Happening, Invariant, Mix, RunOptions, World};
use orch::core::kind;

/// A small cluster for half a minute.
fn small() -> Chaos {
    Chaos::new().nodes(4).span(Duration::from_secs(30))
}

#[test]
fn a_few_seeds_keep_every_promise() {
    for seed in 0..4 {
        let report = small().run(seed);
        assert!(report.is_ok(), "{report}");
        assert!(report.writes > 100 && report.starts > 0, "{report}");
    }
}

#[test]
fn a_few_seeds_keep_every_promise_over_rest() {
    for seed in 0..5 {
        let report = small().over_rest().run(seed);
        assert!(report.is_ok(), "{report}");
        assert!(report.requests > report.writes && report.starts > 0, "{report}");
    }
    assert_eq!(small().run(0).requests, 0, "only there");
}

#[test]
fn one_seed_gives_one_trace_over_rest_too() {
    let chaos = small().over_rest();
    let again = || chaos.run_with(3, &RunOptions::default().lines());
    let (one, other) = (again(), std::thread::scope(|scope| scope.spawn(again).join()).unwrap());
    for (one, other) in one.lines.iter().zip(&other.lines) {
        assert_eq!(one, other);
    }
    assert_eq!((one.trace, one.requests), (other.trace, other.requests));
    assert_ne!(one.trace, small().run(3).trace);
}

#[test]
fn one_seed_gives_one_trace_also_on_other_threads() {
    let chaos = small();
    let one = chaos.run_with(3, &RunOptions::default().lines());
    let again = || chaos.run_with(3, &RunOptions::default().lines());
    let other = std::thread::scope(|scope| scope.spawn(again).join()).unwrap();
    for (one, other) in one.lines.iter().zip(&other.lines) {
        assert_eq!(one, other);
    }
    assert_eq!((one.trace, one.lines.len()), (other.trace, other.lines.len()));
    assert_ne!(one.trace, chaos.run(4).trace);
}

#[test]
fn without_its_items_a_run_has_neither_faults_nor_users() {
    let report = small().run_with(5, &RunOptions::default().only(BTreeSet::new()).lines());
    assert!(!report.timeline.is_empty());
    let strikes = |line: &String| line.contains(" fault: ") || line.contains(" user: deploy ");
    assert!(!report.lines.iter().any(strikes), "what users repair in the end is no item");
}

/// A promise that no cluster keeps: no pod is ever deleted.
struct NoPodGoes;

impl Invariant for NoPodGoes {
    fn name(&self) -> &str {
        "no-pod-goes"
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        match what {
            Happening::Changed { change, .. } if change.key().kind == kind::PODS && change.now.is_none() => {
                Err(format!("{} is gone", change.key()))
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn a_broken_promise_is_found_replayed_and_made_small() {
    let chaos = small().mix(Mix::none()).invariant(|| NoPodGoes).only_given_invariants();
    let found = (0..40).map(|seed| chaos.run(seed)).find(|report| !report.is_ok()).unwrap();
    let violation = found.violation.clone().unwrap();
    assert_eq!(violation.invariant, "no-pod-goes");
    let again = chaos.run(found.seed);
    assert_eq!((again.violation, again.trace), (Some(violation), found.trace), "to the same step");
    let (kept, report) = chaos.shrink(found.seed).unwrap();
    assert!(
        kept.len() <= 3,
        "a deployment and what deletes its pods are enough: {kept:?} {:?}",
        report.timeline
    );
    assert_eq!(report.violation.unwrap().invariant, "no-pod-goes");
    assert!(report.lines.last().unwrap().contains("is gone"), "the trace ends with the violation");
}
