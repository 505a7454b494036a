//! Event expiry: an Event that has not been repeated for an hour is deleted.
//!
//! Kubernetes' API server does it with a lease of the store (`--event-ttl`); here no store knows of time, so a controller
//! does. It never looks through all Events: each has a timer of its own. Invariant: an Event that was repeated since it was
//! looked at stays, since the deletion carries the revision.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orch_core::controller::{Controller, Plan};
use orch_core::view::{Needs, Projection, View};
use orch_core::{Change, Key, Kind, Live, Object, Write, kind};

use crate::json::time;

/// How long Events are kept, as in Kubernetes.
pub const TTL: Duration = Duration::from_hours(1);

/// Deletes Events that are old.
///
/// ```
/// use std::time::Duration;
/// use orch_controllers::eventttl::EventTtlController;
/// assert_eq!(EventTtlController::default(), EventTtlController::new(Duration::from_hours(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTtlController {
    ttl: SignedDuration,
}

impl EventTtlController {
    /// Events live for so long after they were last repeated.
    #[must_use]
    pub fn new(ttl: Duration) -> Self {
        Self { ttl: SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX) }
    }
}

impl Default for EventTtlController {
    /// With [`TTL`].
    fn default() -> Self {
        Self::new(TTL)
    }
}

/// An Event and how much longer it lives; nothing when its time is up.
pub struct Observed {
    event: Object,
    left: Option<Duration>,
}

/// When an Event was last repeated.
struct Age {
    told: Option<Timestamp>,
    seen: Timestamp,
}

impl Projection for Age {
    fn kind() -> Option<Kind> {
        Some(kind::EVENTS)
    }

    fn project(object: &Live) -> Self {
        let tree = object.tree();
        let times = [&tree["lastTimestamp"], &tree["eventTime"], &tree["series"]["lastObservedTime"]];
        let told = times.into_iter().filter_map(time).max().or(object.header().created);
        Self { told, seen: Timestamp::default() }
    }

    fn remember(&mut self, before: Option<&Self>, now: Timestamp) {
        self.seen = before.filter(|before| before.told == self.told).map_or(now, |before| before.seen);
    }
}

impl Age {
    /// An Event from the future, by a clock that is wrong, is as old as it was first seen.
    fn since(&self) -> Timestamp {
        self.told.map_or(self.seen, |told| told.min(self.seen))
    }
}

impl Controller for EventTtlController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "event-ttl-controller"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Age>()
    }

    fn keys(&self, change: &Change, _: &dyn View, out: &mut dyn FnMut(Key)) {
        // A repetition only moves the end: the timer that is set finds that out.
        if change.before.is_none() {
            out(change.key().clone());
        }
    }

    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Observed> {
        let row = view.of::<Age>().get(key)?;
        let end = row.facts.since().checked_add(self.ttl).unwrap_or(Timestamp::MAX);
        let left = Duration::try_from(end.duration_since(now)).ok().filter(|left| !left.is_zero());
        Some(Observed { event: row.object.clone(), left })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        match observed.left {
            Some(left) => Plan::new().again_after(left),
            None => {
                let event = &observed.event;
                Plan::new().write(Write::delete(event.key().clone()).of(event.uid()).at(event.revision()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

    use serde_json::{Value, json};

    use super::*;
    use crate::by_hand::{ByHand, lines};

    fn event(fields: Value) -> Value {
        let mut event =
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "shop"}});
        for (field, value) in fields.as_object().unwrap() {
            event[field] = value.clone();
        }
        event
    }

    fn key() -> Key {
        Key::new(kind::EVENTS, "shop", "e")
    }

    #[track_caller]
    fn check(fields: Value, left_secs: u64) {
        let mut world = ByHand::new(EventTtlController::default());
        assert_eq!(world.put(event(fields)), [key()]);
        assert_eq!(world.plan(&key()), Plan::new().again_after(Duration::from_secs(left_secs)));
        world.wait(i64::try_from(left_secs).unwrap());
        assert_eq!(lines(&world.plan(&key())), ["delete events/shop/e"]);
    }

    #[test]
    fn an_event_lives_an_hour_from_its_last_repetition() {
        check(json!({}), 3600);
        check(json!({"lastTimestamp": "2025-12-31T23:50:00Z"}), 3000);
        check(json!({"eventTime": "2025-12-31T23:50:00.000000Z"}), 3000);
        check(
            json!({"eventTime": "2025-12-31T23:50:00Z", "series": {"lastObservedTime": "2025-12-31T23:55:00Z"}}),
            3300,
        );
    }

    #[test]
    fn an_event_from_the_future_is_as_old_as_it_was_seen() {
        check(json!({"lastTimestamp": "2036-01-01T00:00:00Z"}), 3600);
    }

    #[test]
    fn a_repetition_moves_the_end_and_the_deletion_carries_the_revision() {
        let mut world = ByHand::new(EventTtlController::default());
        world.put(event(json!({"lastTimestamp": "2026-01-01T00:00:00Z"})));
        world.wait(3599);
        assert!(world.put(event(json!({"lastTimestamp": "2026-01-01T00:59:59Z"}))).is_empty());
        world.wait(1);
        assert_eq!(world.plan(&key()), Plan::new().again_after(Duration::from_secs(3599)));
        world.wait(3599);
        assert_eq!(world.plan(&key()).writes[0].precondition.revision, Some(world.object(&key()).revision()));
    }
}
