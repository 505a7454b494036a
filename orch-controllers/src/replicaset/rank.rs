//! Which pods go first when there are too many (`pkg/controller/controller_utils.go`, `ActivePodsWithRanks`).
//!
//! Upstream compares ages by their logarithm, ties by uid, so that not always the youngest go; here ages are compared as
//! they are, which needs no clock.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use orch_core::Str;
use orch_core::view::Row;

use crate::pod::PodFacts;

type Pod = Arc<Row<PodFacts>>;

/// The pods that go first, in order of name when they are equal in all else.
pub(super) fn first<'a>(
    mut pods: Vec<&'a Pod>,
    related: &BTreeMap<Str, usize>,
    count: usize,
) -> impl Iterator<Item = &'a Pod> {
    if count < pods.len() {
        pods.sort_by(|left, right| compare(left, right, related));
    }
    pods.into_iter().take(count)
}

/// Less goes first.
fn compare(left: &Row<PodFacts>, right: &Row<PodFacts>, related: &BTreeMap<Str, usize>) -> Ordering {
    let neighbours = |pod: &Row<PodFacts>| Reverse(related.get(&pod.facts.node).copied().unwrap_or(0));
    let ready_since = |pod: &Row<PodFacts>| youngest(pod.facts.ready_since.filter(|_| pod.facts.ready));
    let created = |pod: &Row<PodFacts>| youngest(pod.object.header().created);
    (right.facts.node.is_empty().cmp(&left.facts.node.is_empty()))
        .then_with(|| left.facts.phase.cmp(&right.facts.phase))
        .then_with(|| left.facts.ready.cmp(&right.facts.ready))
        .then_with(|| left.facts.deletion_cost.cmp(&right.facts.deletion_cost))
        .then_with(|| neighbours(left).cmp(&neighbours(right)))
        .then_with(|| ready_since(left).cmp(&ready_since(right)))
        .then_with(|| right.facts.restarts.cmp(&left.facts.restarts))
        .then_with(|| created(left).cmp(&created(right)))
        .then_with(|| left.object.key().cmp(right.object.key()))
}

/// Orders no time at all first, then the latest.
fn youngest(time: Option<Timestamp>) -> (bool, Reverse<Option<Timestamp>>) {
    (time.is_some(), Reverse(time))
}
