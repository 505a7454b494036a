//! Notes become Events: the same note again raises the count of the Event it made.
//!
//! As client-go's recorder and correlator do (`client-go/tools/record/events_cache.go`), without its aggregation of
//! similar messages. Invariant: what is remembered is bounded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::controller::Note;
use crate::{Env, Key, Registry, Str, Write, kind};

/// Notes remembered for counting, as many as client-go remembers; beyond, the oldest is forgotten and would become a new Event.
const REMEMBERED: usize = 4096;

/// Makes the Events of one component.
#[derive(Debug)]
pub struct Recorder {
    component: Str,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    by_note: BTreeMap<(Key, Str, Str, String), (Key, u64, u64)>,
    by_age: BTreeMap<u64, (Key, Str, Str, String)>,
    clock: u64,
}

impl Recorder {
    /// A recorder that has seen nothing.
    #[must_use]
    pub fn new(component: impl Into<Str>) -> Self {
        Self { component: component.into(), seen: Mutex::default() }
    }

    /// The writes that tell people of these notes. They may fail (a namespace that terminates takes no Events); nothing
    /// rests on them.
    pub fn writes<'a>(&self, registry: &Registry, env: &Env, notes: impl Iterator<Item = &'a Note>) -> Vec<Write> {
        notes.map(|note| self.write(registry, env, note)).collect()
    }

    fn write(&self, registry: &Registry, env: &Env, note: &Note) -> Write {
        let now = rfc3339(env.now());
        let identity = (note.about.clone(), note.uid.clone(), note.reason.clone(), note.message.clone());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clock += 1;
        let clock = seen.clock;
        if let Some((event, count, age)) = seen.by_note.get_mut(&identity) {
            let (event, count) = (event.clone(), {
                *count += 1;
                *count
            });
            let old = std::mem::replace(age, clock);
            seen.by_age.remove(&old);
            seen.by_age.insert(clock, identity);
            return Write::merge(event, json!({"count": count, "lastTimestamp": now}));
        }
        if seen.by_note.len() >= REMEMBERED
            && let Some((_, oldest)) = seen.by_age.pop_first()
        {
            seen.by_note.remove(&oldest);
        }
        let namespace = if note.about.namespace.is_empty() { "default" } else { &*note.about.namespace };
        let event = Key::new(kind::EVENTS, namespace, format!("{}.{:016x}", note.about.name, env.draw()));
        seen.by_note.insert(identity.clone(), (event.clone(), 1, clock));
        seen.by_age.insert(clock, identity);
        Write::create(event.clone(), self.tree(registry, note, &event, &now))
    }

    fn tree(&self, registry: &Registry, note: &Note, event: &Key, now: &str) -> Value {
        let info = registry.get(note.about.kind);
        let (api_version, kind) =
            info.map_or_else(|| (String::new(), Str::default()), |info| (info.api_version(), info.name.clone()));
        let mut about = json!({"apiVersion": api_version, "kind": &*kind, "name": &*note.about.name, "uid": &*note.uid});
        if !note.about.namespace.is_empty() {
            about["namespace"] = json!(&*note.about.namespace);
        }
        json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": &*event.name, "namespace": &*event.namespace},
            "involvedObject": about, "reason": &*note.reason, "message": note.message, "type": note.kind.as_str(),
            "source": {"component": &*self.component}, "reportingComponent": &*self.component, "reportingInstance": "",
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        })
    }
}

/// A time as Kubernetes writes it: whole seconds, UTC.
///
/// ```
/// let time: jiff::Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
/// assert_eq!(orch_core::rfc3339(time), "2026-01-02T03:04:05Z");
/// ```
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time with microseconds, as in a Lease.
///
/// ```
/// let time: jiff::Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
/// assert_eq!(orch_core::rfc3339_micro(time), "2026-01-02T03:04:05.678000Z");
/// ```
#[must_use]
pub fn rfc3339_micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
