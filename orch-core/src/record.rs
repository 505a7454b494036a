//! Notes become Events: the same note again raises the count of the Event it made.
//!
//! As client-go's recorder and correlator do (`client-go/tools/record/events_cache.go`), without its aggregation of
//! similar messages. Invariant: what is remembered is bounded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::Offset;
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

/// What makes two notes the same: the object, its uid, reason and message.
type Identity = (Key, Str, Str, String);

#[derive(Debug, Default)]
struct Seen {
    by_note: BTreeMap<Identity, Told>,
    /// By the time it was last told.
    by_age: BTreeMap<u64, Identity>,
    clock: u64,
}

#[derive(Debug)]
struct Told {
    event: Key,
    count: u64,
    age: u64,
}

impl Seen {
    /// The Event of a note that was told before, and how often it is told now.
    fn again(&mut self, identity: &Identity) -> Option<(Key, u64)> {
        let told = self.by_note.get_mut(identity)?;
        self.clock += 1;
        told.count += 1;
        self.by_age.remove(&std::mem::replace(&mut told.age, self.clock));
        self.by_age.insert(self.clock, identity.clone());
        Some((told.event.clone(), told.count))
    }

    /// Remembers the Event of a new note; forgets the one that was told longest ago when there are too many.
    fn remember(&mut self, identity: Identity, event: Key) {
        if self.by_note.len() >= REMEMBERED
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_note.remove(&oldest);
        }
        self.clock += 1;
        self.by_age.insert(self.clock, identity.clone());
        self.by_note.insert(identity, Told { event, count: 1, age: self.clock });
    }
}

impl Recorder {
    /// A recorder that has seen nothing.
    #[must_use]
    pub fn new(component: impl Into<Str>) -> Self {
        Self { component: component.into(), seen: Mutex::default() }
    }

    /// The writes that tell people of these notes. They may fail (a namespace that terminates takes no Events); nothing
    /// rests on them.
    pub fn writes<'a>(
        &self,
        registry: &Registry,
        env: &Env,
        notes: impl Iterator<Item = &'a Note>,
    ) -> Vec<Write> {
        notes.map(|note| self.write(registry, env, note)).collect()
    }

    fn write(&self, registry: &Registry, env: &Env, note: &Note) -> Write {
        let now = rfc3339(env.now());
        let identity = (note.about.clone(), note.uid.clone(), note.reason.clone(), note.message.clone());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((event, count)) = seen.again(&identity) {
            return Write::merge(event, json!({"count": count, "lastTimestamp": now}));
        }
        let namespace = if note.about.namespace.is_empty() { "default" } else { &*note.about.namespace };
        let event = Key::new(kind::EVENTS, namespace, format!("{}.{:016x}", note.about.name, env.draw()));
        seen.remember(identity, event.clone());
        Write::create(event.clone(), self.tree(registry, note, &event, &now))
    }

    fn tree(&self, registry: &Registry, note: &Note, event: &Key, now: &str) -> Value {
        let info = registry.get(note.about.kind);
        let (api_version, kind) = info
            .map_or_else(|| (String::new(), Str::default()), |info| (info.api_version(), info.name.clone()));
        let mut about =
            json!({"apiVersion": api_version, "kind": &*kind, "name": &*note.about.name, "uid": &*note.uid});
        if !note.about.namespace.is_empty() {
            about["namespace"] = json!(&*note.about.namespace);
        }
        let mut tree = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": &*event.name, "namespace": &*event.namespace},
            "reason": &*note.reason, "message": note.message, "type": note.kind.as_str(),
            "source": {"component": &*self.component}, "reportingComponent": &*self.component, "reportingInstance": "",
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        });
        tree["involvedObject"] = about;
        tree
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
    let civil = Offset::UTC.to_datetime(time);
    let Ok(year @ 0..=9999) = u32::try_from(civil.year()) else {
        return time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    };
    // Every write has such a time, and reading a pattern costs more than all of it.
    let mut text = *b"0000-00-00T00:00:00Z";
    let rest = [civil.month(), civil.day(), civil.hour(), civil.minute(), civil.second()];
    let rest = rest.map(i8::unsigned_abs).map(u32::from);
    let numbers =
        [(year / 100, 0), (year % 100, 2)].into_iter().chain(rest.into_iter().zip([5, 8, 11, 14, 17]));
    for (number, place) in numbers {
        text[place] += u8::try_from(number / 10).unwrap_or_default();
        text[place + 1] += u8::try_from(number % 10).unwrap_or_default();
    }
    text.into_iter().map(char::from).collect()
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

#[cfg(all(test, feature = "sim"))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::{Patch, Verb};

    fn about(name: &str) -> Key {
        Key::new(kind::PODS, "shop", name)
    }

    #[test]
    fn the_same_note_again_raises_the_count() {
        crate::sim::run(1, |env| async move {
            let (recorder, registry) = (Recorder::new("test"), Registry::built_in());
            let note = Note::warning(&about("a"), &"u".into(), "BackOff", "again");
            let first = recorder.writes(&registry, &env, [&note].into_iter()).remove(0);
            let Verb::Create(tree) = &first.verb else { panic!("{first:?}") };
            assert_eq!(tree["involvedObject"]["kind"], "Pod");
            let second = recorder.writes(&registry, &env, [&note].into_iter()).remove(0);
            let Verb::Patch(Patch::Merge(patch)) = &second.verb else { panic!("{second:?}") };
            assert_eq!((patch["count"].as_u64(), second.key), (Some(2), first.key));
        });
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        crate::sim::run(1, |env| async move {
            let (recorder, registry) = (Recorder::new("test"), Registry::built_in());
            let note = |n: usize| Note::normal(&about(&n.to_string()), &"u".into(), "R", "m");
            let notes: Vec<_> = (0..=REMEMBERED).map(note).collect();
            recorder.writes(&registry, &env, notes.iter());
            let seen = recorder.seen.lock().unwrap();
            assert_eq!((seen.by_note.len(), seen.by_age.len()), (REMEMBERED, REMEMBERED));
            drop(seen);
            let oldest = recorder.writes(&registry, &env, [&notes[0]].into_iter()).remove(0);
            assert!(matches!(oldest.verb, Verb::Create(_)), "the oldest was forgotten");
        });
    }

    proptest! {
        #[test]
        fn a_time_is_written_as_its_pattern_says(
            second in Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
            nanosecond in 0..1_000_000_000,
        ) {
            let time = Timestamp::new(second, nanosecond).unwrap_or(Timestamp::MAX);
            prop_assert_eq!(rfc3339(time), time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
    }
}
