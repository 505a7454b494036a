//! Namespace deletion: everything in a namespace that terminates is deleted, then the namespace is let go
//! (`pkg/controller/namespace/deletion`).
//!
//! Of the content only headers are looked at, so every kind is covered, those registered later too. Pods go first and with
//! their own grace (KEP-5080); the rest follows when they are gone. Invariant: the finalizer `kubernetes` is removed only
//! on a view that has everything from before the deletion began and holds nothing in the namespace.

mod content;

use jiff::Timestamp;
use orch_core::controller::{Controller, Plan};
use orch_core::object::Part;
use orch_core::view::{Needs, View};
use orch_core::{Change, Key, Kind, Object, Propagation, Revision, Subresource, Write, kind};
use serde_json::{Value, json};

use crate::carried;
use crate::facts::Meta;
use crate::json::{list, text};
use content::Content;

/// Deletions in one turn: what one namespace may cost the others.
const BURST: usize = 500;
/// While so few objects are left, each that goes is told in the conditions; with more, only when a kind has no more.
const FEW: usize = 64;

const FINALIZER: &str = "kubernetes";

/// Empties namespaces that terminate.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NamespaceController;

/// A namespace that terminates and waits for its content to go.
pub struct Observed {
    namespace: Object,
    status: Value,
    content: Content,
    /// A kind that the view is behind with, so that there may be more.
    behind: Option<(Kind, Revision)>,
    now: Timestamp,
}

impl Controller for NamespaceController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "namespace-controller"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Meta>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        let key = change.key();
        if key.kind == kind::NAMESPACES {
            if change.object().header().is_terminating() {
                out(key.clone());
            }
            return;
        }
        if key.namespace.is_empty() {
            return;
        }
        let namespace = Key::cluster(kind::NAMESPACES, key.namespace.clone());
        let table = view.of::<Meta>();
        if table.get(&namespace).is_some_and(|row| row.object.header().is_terminating())
            && tells(change, view)
        {
            out(namespace);
        }
    }

    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Observed> {
        let table = view.of::<Meta>();
        let namespace = table.get(key).filter(|row| row.object.header().is_terminating())?.object.clone();
        let spec: Value = namespace.part_to(Part::Spec).unwrap_or_default();
        if !list(&spec["finalizers"]).iter().any(|finalizer| text(finalizer) == FINALIZER) {
            return None;
        }
        Some(Observed {
            status: namespace.part_to(Part::Status).unwrap_or_default(),
            content: Content::take(table.in_namespace(&key.name).map(|row| &row.object), BURST),
            behind: view.behind(namespace.revision()).map(|kind| (kind, namespace.revision())),
            namespace,
            now,
        })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        let content = &observed.content;
        let mut plan = Plan::new();
        for object in &content.delete {
            let write = Write::delete(object.key().clone()).of(object.uid());
            plan = plan.write(write.propagate(Propagation::Background));
        }
        if content.more {
            // The barrier holds the next turn until these deletions are seen.
            plan = plan.again_after(std::time::Duration::ZERO);
        }
        if let Some(status) = status(observed) {
            return plan.write(status);
        }
        match observed.behind {
            _ if !content.is_empty() => plan,
            Some((kind, revision)) => plan.when_seen(kind, revision),
            None => plan.write(finalize(&observed.namespace)),
        }
    }
}

/// Whether a change of the content can bring the deletion on or change what is told of it. Bounded, however much there is.
fn tells(change: &Change, view: &dyn View) -> bool {
    let Some(now) = &change.now else {
        let table = view.of::<Meta>();
        let key = change.key();
        return table.of_kind(key.kind, &key.namespace).next().is_none()
            || table.in_namespace(&key.namespace).nth(FEW).is_none();
    };
    let Some(before) = &change.before else { return true };
    let (now, before) = (now.header(), before.header());
    now.uid != before.uid
        || now.is_terminating() != before.is_terminating()
        || now.finalizers != before.finalizers
}

/// What people are told; `None` when it is told already. A namespace that empties at once is never told of.
fn status(observed: &Observed) -> Option<Write> {
    let Observed { status, content, now, .. } = observed;
    let told = list(&status["conditions"]);
    let mut patch = json!({});
    if content.remains() || told.iter().any(|condition| text(&condition["status"]) == "True") {
        let mut conditions = status["conditions"].clone();
        for condition in content.conditions().iter().map(content::Told::condition) {
            conditions = carried::set(&conditions, condition, *now).unwrap_or(conditions);
        }
        if conditions != status["conditions"] {
            patch["conditions"] = conditions;
        }
    }
    if status["phase"] != "Terminating" {
        patch["phase"] = "Terminating".into();
    }
    let namespace = &observed.namespace;
    let write =
        || Write::merge_status(namespace.key().clone(), json!({"status": patch})).at(namespace.revision());
    (patch != json!({})).then(write)
}

/// Lets the namespace go, as far as this controller is concerned. An update, since that is the one verb of `finalize`.
fn finalize(namespace: &Object) -> Write {
    let mut tree = namespace.body_tree();
    let finalizers = list(&tree["spec"]["finalizers"]).iter();
    let others: Vec<Value> = finalizers.filter(|finalizer| text(finalizer) != FINALIZER).cloned().collect();
    tree["spec"]["finalizers"] = others.into();
    Write::update(namespace.key().clone(), tree).to(Subresource::Finalize).at(namespace.revision())
}

#[cfg(test)]
mod tests;
