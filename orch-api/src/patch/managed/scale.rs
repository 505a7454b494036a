//! Who manages the count of an object, seen through its Scale (`managedfields/scalehandler.go`).
//!
//! The invariant: writes of a Scale change who owns the count, and nothing else. As upstream, what is owned through a Scale has
//! no time.

use std::collections::BTreeMap;

use super::{Manager, Managers, Owned};
use crate::patch::fields::FieldSet;

/// The version of a Scale.
const SCALE: &str = "autoscaling/v1";

/// Where the count stands in each version of a kind, by its `apiVersion`; `None` in a version without a Scale.
pub(crate) type Counts = BTreeMap<String, Option<FieldSet>>;

fn count_of_scale() -> FieldSet {
    FieldSet::field(&["spec", "replicas"])
}

fn owns(owned: &Owned, field: &FieldSet) -> bool {
    !owned.fields.intersection(field).is_empty()
}

impl Managers {
    /// Who manages the Scale of an object with these managers.
    pub(crate) fn of_scale(&self, counts: &Counts) -> Self {
        let is_owner = |owned: &Owned| {
            counts.get(&owned.api_version).and_then(Option::as_ref).is_some_and(|count| owns(owned, count))
        };
        let owners = self.0.iter().filter(|(_, owned)| is_owner(owned)).map(|(manager, owned)| {
            let manager = Manager::new(&manager.name, manager.operation, SCALE, &manager.subresource);
            let fields = count_of_scale();
            (manager, Owned { fields, api_version: SCALE.to_owned(), time: owned.time.clone() })
        });
        Self(owners.collect())
    }

    /// Who manages the object after a write of its Scale in that version, whose managers are those given.
    #[must_use]
    pub(crate) fn with_scale(self, scale: Self, counts: &Counts, api_version: &str) -> Self {
        let mut scale = scale.0;
        let mut all = Self::default();
        let mut times = BTreeMap::new();
        for (manager, owned) in self.0 {
            let Some(count) = counts.get(&owned.api_version) else { continue };
            times.insert(manager.clone(), owned.time.clone());
            match count {
                Some(count) if owns(&owned, count) && scale.remove(&manager).is_none() => {
                    let rest = owned.fields.difference(count);
                    all.own(&manager, &owned.api_version, rest, owned.time);
                }
                _ => drop(all.0.insert(manager, owned)),
            }
        }
        let Some(count) = counts.get(api_version).and_then(Option::as_ref) else { return all };
        for (owner, _) in scale.into_iter().filter(|(_, owned)| owns(owned, &count_of_scale())) {
            let time = times.get(&owner).cloned().flatten();
            let manager = Manager::new(&owner.name, owner.operation, api_version, &owner.subresource);
            let (fields, time) = match all.0.remove(&manager) {
                Some(known) => (known.fields.union(count), known.time),
                None => (count.clone(), time),
            };
            all.own(&manager, api_version, fields, time);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn entry(manager: &str, operation: &str, subresource: &str, fields: Value) -> Value {
        let mut entry = json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1",
            "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields});
        if !subresource.is_empty() {
            entry["subresource"] = subresource.into();
        }
        entry
    }

    fn counts() -> Counts {
        Counts::from([("apps/v1".to_owned(), Some(FieldSet::field(&["spec", "replicas"])))])
    }

    fn shown(managers: &Managers) -> Vec<(String, Vec<String>, bool)> {
        let one = |(manager, owned): (&Manager, &Owned)| {
            (format!("{} {}", manager.name, manager.subresource), owned.fields.paths(), owned.time.is_some())
        };
        managers.iter().map(one).collect()
    }

    #[test]
    fn a_scale_shows_who_owns_the_count_and_a_write_of_it_takes_it() {
        let applied = entry("a", "Apply", "", json!({"f:spec": {"f:replicas": {}, "f:paused": {}}}));
        let other = entry("b", "Update", "", json!({"f:metadata": {"f:labels": {"f:x": {}}}}));
        let managers = Managers::decode(&json!([applied, other])).unwrap();
        let scale = managers.of_scale(&counts());
        assert_eq!(shown(&scale), [("a ".to_owned(), vec![".spec.replicas".to_owned()], true)]);
        // Nothing was taken, nothing is changed.
        assert_eq!(managers.clone().with_scale(scale, &counts(), "apps/v1"), managers);
        let taker = json!({"manager": "c", "operation": "Update", "apiVersion": SCALE, "subresource": "scale",
            "time": "2026-02-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}});
        let taken = Managers::decode(&json!([taker])).unwrap();
        let after = managers.with_scale(taken, &counts(), "apps/v1");
        assert_eq!(
            shown(&after),
            [
                ("a ".to_owned(), vec![".spec.paused".to_owned()], true),
                ("b ".to_owned(), vec![".metadata.labels.x".to_owned()], true),
                ("c scale".to_owned(), vec![".spec.replicas".to_owned()], false),
            ]
        );
    }

    #[test]
    fn versions_that_are_gone_own_nothing_and_versions_without_a_scale_keep_what_they_own() {
        let mut old = entry("a", "Update", "", json!({"f:spec": {"f:replicas": {}}}));
        let new = old.clone();
        old["apiVersion"] = "apps/v0".into();
        old["manager"] = "old".into();
        let managers = Managers::decode(&json!([old, new])).unwrap();
        let plain = Counts::from([("apps/v1".to_owned(), None)]);
        assert!(managers.of_scale(&plain).is_empty());
        let after = managers.with_scale(Managers::default(), &plain, "apps/v1");
        assert_eq!(shown(&after), [("a ".to_owned(), vec![".spec.replicas".to_owned()], true)]);
    }
}
