//! What controllers know of a pod: its phase, readiness, node and what ranks it among its siblings.
//!
//! The predicates are Kubernetes' (`pkg/api/v1/pod/util.go`, `pkg/controller/controller_utils.go`). Labels, owners and
//! deletion are in the object's header. Not here: the pod's spec; what a controller needs of it, it reads from the body.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orch_core::object::Part;
use orch_core::view::{Projection, Row};
use orch_core::{Kind, Live, Object, Str, kind};

use crate::json::{int32, list, text, time};

/// Where a pod is in its life, in the order in which a controller gives pods up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not all of its containers have been started; also while no phase has been written.
    #[default]
    Pending,
    /// Its node does not answer.
    Unknown,
    /// It runs.
    Running,
    /// All containers have ended well.
    Succeeded,
    /// All containers have ended, one of them badly.
    Failed,
}

impl Phase {
    /// Reads `status.phase`.
    #[must_use]
    pub fn read(phase: &str) -> Self {
        match phase {
            "Running" => Self::Running,
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            "Unknown" => Self::Unknown,
            _ => Self::Pending,
        }
    }

    /// Whether the pod has ended and will never run again.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// The facts about a pod that controllers decide on.
///
/// ```
/// use orch_controllers::pod::{Phase, PodFacts};
/// use orch_core::{Live, Object, Registry, kind, view::Projection};
/// use serde_json::json;
/// let info = Registry::built_in().get(kind::PODS).unwrap();
/// let tree = json!({"metadata": {"name": "a", "namespace": "shop"}, "status": {"phase": "Running", "conditions": [
///     {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}]}});
/// let facts = PodFacts::project(&Live::from(Object::encode(&info, &tree).unwrap()));
/// assert_eq!(facts.phase, Phase::Running);
/// let since = facts.ready_since.unwrap();
/// assert!(facts.is_available(0, since) && !facts.is_available(10, since));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodFacts {
    /// `status.phase`.
    pub phase: Phase,
    /// Whether the condition `Ready` is true.
    pub ready: bool,
    /// Since when the condition `Ready` is what it is.
    pub ready_since: Option<Timestamp>,
    /// `spec.nodeName`; empty before it is bound.
    pub node: Str,
    /// The annotation `controller.kubernetes.io/pod-deletion-cost`: cheaper pods go first.
    pub deletion_cost: i32,
    /// The most often that one of its long-running containers was restarted.
    pub restarts: i32,
}

/// Index of pods by the node they are bound to.
pub const BY_NODE: &str = "node";

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

impl Projection for PodFacts {
    fn kind() -> Option<Kind> {
        Some(kind::PODS)
    }

    fn project(object: &Live) -> Self {
        let node = text(&object.part_tree(Part::Spec)["nodeName"]).into();
        Self { node, deletion_cost: deletion_cost(object), ..Self::default() }.with_status(object)
    }

    fn project_after(object: &Live, before: &Row<Self>) -> Self {
        let is_same = |part| object.part(part) == before.object.part(part);
        let mut facts = before.facts.clone();
        if !is_same(Part::Spec) {
            facts.node = text(&object.part_tree(Part::Spec)["nodeName"]).into();
        }
        if !is_same(Part::Metadata) {
            facts.deletion_cost = deletion_cost(object);
        }
        facts.with_status(object)
    }

    fn index(_: &Object, facts: &Self, out: &mut dyn FnMut(&'static str, &str)) {
        if !facts.node.is_empty() {
            out(BY_NODE, &facts.node);
        }
    }
}

fn deletion_cost(object: &Live) -> i32 {
    let cost = &object.part_tree(Part::Metadata)["annotations"][DELETION_COST];
    text(cost).parse().unwrap_or(0)
}

/// Restarts of plain containers and of init containers that keep running (`restartPolicy: Always`).
fn restarts(object: &Live, status: &serde_json::Value) -> i32 {
    let init = list(&status["initContainerStatuses"]);
    let spec = (!init.is_empty()).then(|| object.part_tree(Part::Spec));
    let containers = spec.as_deref().map_or(&[][..], |spec| list(&spec["initContainers"]));
    let stays = |name: &str| {
        let mut containers = containers.iter();
        containers.any(|init| text(&init["name"]) == name && text(&init["restartPolicy"]) == "Always")
    };
    let init = init.iter().filter(|status| stays(text(&status["name"])));
    let all = list(&status["containerStatuses"]).iter().chain(init);
    all.filter_map(|status| int32(&status["restartCount"])).max().unwrap_or(0)
}

impl PodFacts {
    /// With what the object's status says.
    fn with_status(self, object: &Live) -> Self {
        let status = object.part_tree(Part::Status);
        let ready = list(&status["conditions"]).iter().find(|condition| text(&condition["type"]) == "Ready");
        Self {
            phase: Phase::read(text(&status["phase"])),
            ready: ready.is_some_and(|condition| text(&condition["status"]) == "True"),
            ready_since: ready.and_then(|condition| time(&condition["lastTransitionTime"])),
            restarts: restarts(object, &status),
            ..self
        }
    }

    /// Whether it has been ready for so many seconds.
    #[must_use]
    pub fn is_available(&self, min_ready_secs: i32, now: Timestamp) -> bool {
        self.ready && (min_ready_secs <= 0 || self.available_at(min_ready_secs).is_some_and(|at| at <= now))
    }

    /// How long until it is available if it stays ready; `None` when it is available or not ready.
    #[must_use]
    pub fn available_in(&self, min_ready_secs: i32, now: Timestamp) -> Option<Duration> {
        if !self.ready || self.is_available(min_ready_secs, now) {
            return None;
        }
        Duration::try_from(self.available_at(min_ready_secs)?.duration_since(now)).ok()
    }

    fn available_at(&self, min_ready_secs: i32) -> Option<Timestamp> {
        self.ready_since?.checked_add(SignedDuration::from_secs(min_ready_secs.into())).ok()
    }
}

/// Whether the pod counts as one of its owner's: not ended and not being deleted.
#[must_use]
pub fn is_active(pod: &Row<PodFacts>) -> bool {
    !pod.facts.phase.is_terminal() && !pod.object.header().is_terminating()
}

/// Whether the pod is on its way out but may still run.
#[must_use]
pub fn is_terminating(pod: &Row<PodFacts>) -> bool {
    !pod.facts.phase.is_terminal() && pod.object.header().is_terminating()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[track_caller]
    fn check(ready: bool, min_ready_secs: i32, now: i64, available: bool, wait: Option<u64>) {
        let facts = PodFacts { ready, ready_since: Some(at(100)), ..PodFacts::default() };
        assert_eq!(facts.is_available(min_ready_secs, at(now)), available, "{min_ready_secs} at {now}");
        assert_eq!(facts.available_in(min_ready_secs, at(now)), wait.map(Duration::from_secs));
    }

    #[test]
    fn a_pod_is_available_when_it_has_been_ready_for_long_enough() {
        check(true, 0, 100, true, None);
        check(true, 10, 109, false, Some(1));
        check(true, 10, 110, true, None);
        check(false, 0, 200, false, None);
        check(true, 10, 50, false, Some(60));
    }

    #[test]
    fn facts_after_a_change_are_those_of_the_object_alone() {
        use crate::by_hand::pod_states;
        for (before, now) in pod_states() {
            let row = Row { facts: PodFacts::project(&before), object: before.into_object() };
            assert_eq!(PodFacts::project_after(&now, &row), PodFacts::project(&now), "{}", now.tree());
        }
    }

    #[test]
    fn a_ready_pod_without_a_time_is_never_available_after_a_delay() {
        let facts = PodFacts { ready: true, ..PodFacts::default() };
        assert!(facts.is_available(0, at(0)) && !facts.is_available(1, at(1_000_000)));
        assert_eq!(facts.available_in(1, at(5)), None);
    }
}
