//! The history of a template as ControllerRevisions (`pkg/controller/history/controller_history.go`).
//!
//! A revision's data is a patch that sets the template, as `kubectl rollout undo` expects it. Invariant: a pod names only
//! a revision that is there.

use std::collections::BTreeSet;
use std::sync::Arc;

use orch_core::controller::Plan;
use orch_core::object::Part;
use orch_core::view::{Row, View};
use orch_core::{Revision, Str, Write, kind};
use serde_json::{Value, json};

use super::facts::{RevisionFacts, StatefulSetFacts};
use super::{Observed, identity};
use crate::names;
use crate::owner::{Claims, Parent};

/// The label that holds the hash of a revision's data.
const HASH: &str = "controller.kubernetes.io/hash";

pub(super) type RevisionRow = Arc<Row<RevisionFacts>>;

/// The revisions of a set, as a view has them.
#[derive(Debug)]
pub(super) struct Revisions {
    /// Oldest first.
    known: Vec<RevisionRow>,
    pub(super) orphans: Vec<RevisionRow>,
    pub(super) wait_for: Option<Revision>,
    /// What a revision of the current template would be named, its hash, and how many collisions that took.
    name: String,
    hash: String,
    pub(super) collisions: i32,
}

/// What the plan goes by.
#[derive(Debug)]
pub(super) enum Resolved {
    /// The revision of the current template is not there: it is created first.
    Missing(Write),
    /// All that is needed.
    Known {
        /// Of the pods that are not to be updated.
        current: RevisionRow,
        /// Of the current template.
        update: RevisionRow,
        /// Makes an old revision the latest again.
        bump: Option<Write>,
    },
}

impl Revisions {
    pub(super) fn find(view: &dyn View, parent: &Parent, facts: &StatefulSetFacts) -> Self {
        let claims: Claims<RevisionFacts> = Claims::find(view, parent, &facts.selector, |_| true);
        let mut known = claims.owned;
        let order = |row: &RevisionRow| (row.facts.revision, row.object.header().created);
        known.sort_by(|left, right| {
            order(left).cmp(&order(right)).then_with(|| left.object.key().cmp(right.object.key()))
        });
        let key = parent.object.key();
        let mut collisions = facts.collisions;
        let (name, hash) = loop {
            let hash = facts.template.hash(collisions);
            let name = names::hashed(&key.name, &hash);
            let taken =
                view.of::<RevisionFacts>().get(&key.sibling(kind::CONTROLLER_REVISIONS, name.as_str()));
            if taken.is_none() || collisions == i32::MAX {
                break (name, hash);
            }
            collisions += 1;
        };
        let mut found =
            Self { known, orphans: claims.adopt, wait_for: claims.wait_for, name, hash, collisions };
        if found.latest_equal(facts).is_some() {
            found.collisions = facts.collisions;
        }
        found
    }

    fn latest_equal(&self, facts: &StatefulSetFacts) -> Option<usize> {
        self.known.iter().rposition(|revision| revision.facts.template == facts.template)
    }

    pub(super) fn resolve(&self, observed: &Observed) -> Resolved {
        let facts = &observed.row.facts;
        let next = self.known.last().map_or(1, |last| last.facts.revision + 1);
        let Some(at) = self.latest_equal(facts) else {
            return Resolved::Missing(self.create(observed, next));
        };
        let update = Arc::clone(&self.known[at]);
        let bump = (at + 1 < self.known.len()).then(|| {
            let object = &update.object;
            let patch = json!({"revision": next});
            Write::merge(object.key().clone(), patch).of(object.uid()).at(object.revision())
        });
        let current = self.known.iter().find(|revision| revision.object.key().name == facts.current);
        let current = Arc::clone(current.unwrap_or(&update));
        Resolved::Known { current, update, bump }
    }

    fn create(&self, observed: &Observed, revision: i64) -> Write {
        let set = &observed.row.object;
        let tree = set.body_tree();
        let mut template = tree["spec"]["template"].clone();
        let mut labels = template["metadata"]["labels"].clone();
        if !labels.is_object() {
            labels = json!({});
        }
        labels[HASH] = json!(self.hash);
        template["$patch"] = json!("replace");
        let key = set.key().sibling(kind::CONTROLLER_REVISIONS, self.name.as_str());
        let tree = json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": {
                "name": self.name, "namespace": &*key.namespace, "labels": labels,
                "annotations": tree["metadata"]["annotations"], "ownerReferences": [observed.parent.reference()],
            },
            "data": {"spec": {"template": template}}, "revision": revision,
        });
        Write::create(key, tree)
    }
}

/// The template in the tree of a revision.
pub(super) fn template_in(revision: &Value) -> Value {
    let mut template = revision["data"]["spec"]["template"].clone();
    if let Some(fields) = template.as_object_mut() {
        fields.remove("$patch");
    }
    template
}

/// The template of a revision; that of the set itself when it is the same.
pub(super) fn template_of(observed: &Observed, revision: &RevisionRow) -> Value {
    if revision.facts.template == observed.row.facts.template {
        let spec: Value = observed.row.object.part_to(Part::Spec).unwrap_or(Value::Null);
        return spec["template"].clone();
    }
    template_in(&revision.object.body_tree())
}

/// Deletes the oldest revisions that no pod has, beyond the limit of the history.
pub(super) fn truncate(
    observed: &Observed,
    current: &RevisionRow,
    update: &RevisionRow,
    mut plan: Plan,
) -> Plan {
    let mut live: BTreeSet<Str> = [current, update].map(|revision| revision.object.key().name.clone()).into();
    let labels = observed.pods.owned.iter().filter_map(|pod| pod.object.label(identity::REVISION));
    live.extend(labels.map(Str::from));
    let history: Vec<&RevisionRow> = observed
        .revisions
        .known
        .iter()
        .filter(|revision| !live.contains(&revision.object.key().name))
        .collect();
    let Ok(limit) = usize::try_from(observed.row.facts.history_limit) else { return plan };
    let surplus = history.len().saturating_sub(limit);
    for revision in history.into_iter().take(surplus).filter(|row| !row.object.header().is_terminating()) {
        let object = &revision.object;
        plan = plan.write(Write::delete(object.key().clone()).of(object.uid()).at(object.revision()));
    }
    plan
}
