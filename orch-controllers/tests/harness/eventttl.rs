//! Scenarios of event expiry.

use orch_controllers::eventttl::EventTtlController;
use orch_core::{Key, Verb, Write, kind};
use serde_json::{Value, json};

use crate::lane::{Decide, Make};
use crate::{Allowed, Scenario, Transition, Truth, User, scenario};

fn controller() -> Box<dyn Decide> {
    Box::new(EventTtlController::new(std::time::Duration::from_secs(60)))
}

fn event(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}, "reason": "R", "type": "Normal",
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z"})
}

fn repeat(name: &str, at: &str) -> User {
    let patch = json!({"lastTimestamp": at, "count": 2});
    User::Write(Write::merge(Key::new(kind::EVENTS, "default", name), patch))
}

/// The deletion carries the revision, so what was repeated in between stays.
fn law(transition: &Transition<'_>) -> Result<(), String> {
    match transition.write.verb {
        Verb::Delete(_) if transition.write.precondition.revision.is_none() => Err("no revision".to_owned()),
        _ => Ok(()),
    }
}

fn settled(truth: &Truth) -> Result<(), String> {
    match truth.of(kind::EVENTS).next() {
        Some(event) => Err(format!("{} is still there", event.key())),
        None => Ok(()),
    }
}

fn repeated() -> Scenario {
    let edits = vec![repeat("a", "2026-01-01T00:00:20Z"), repeat("b", "2026-01-01T00:01:00Z")];
    let controllers: Vec<(Make, &'static [Allowed])> = vec![(controller, &[Allowed::Delete(kind::EVENTS)])];
    let objects = vec![event("a"), event("b"), event("c")];
    Scenario { objects, edits, controllers, acts: &[], law, settled, remembers: true }
}

scenario! {
    /// Repeated or not, every event goes in the end.
    old_events_go = repeated();
}
