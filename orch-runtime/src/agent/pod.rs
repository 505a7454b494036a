//! A pod as its agent sees it: the stored object, with its spec and metadata read once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orch_core::object::Part;
use orch_core::{Key, Live, Object, Revision, Str};
use serde::Deserialize;
use serde_json::Value;

use super::spec::PodSpec;

/// A pod that is bound to the node.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    object: Object,
    pub(super) spec: Arc<PodSpec>,
    pub(super) labels: BTreeMap<Str, Str>,
    pub(super) annotations: BTreeMap<Str, Str>,
    status: Arc<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    labels: Option<BTreeMap<Str, Str>>,
    annotations: Option<BTreeMap<Str, Str>>,
}

impl Pod {
    /// Reads an object; `before` saves reading the parts that did not change.
    pub(super) fn read(live: &Live, before: Option<&Self>) -> serde_json::Result<Self> {
        let object = live.object().clone();
        let same = |part| before.filter(|before| before.object.part(part) == object.part(part));
        let spec = match same(Part::Spec) {
            Some(before) => Arc::clone(&before.spec),
            None => Arc::new(PodSpec::read(&live.part_tree(Part::Spec))?),
        };
        let status = match same(Part::Status) {
            Some(before) => Arc::clone(&before.status),
            None => status(live),
        };
        let (labels, annotations) = match same(Part::Metadata) {
            Some(before) => (before.labels.clone(), before.annotations.clone()),
            None => {
                let metadata: Metadata =
                    object.part(Part::Metadata).map(serde_json::from_slice).transpose()?.unwrap_or_default();
                (metadata.labels.unwrap_or_default(), metadata.annotations.unwrap_or_default())
            }
        };
        Ok(Self { object, spec, labels, annotations, status })
    }

    pub(super) fn key(&self) -> &Key {
        self.object.key()
    }

    pub(super) fn uid(&self) -> &Str {
        self.object.uid()
    }

    pub(super) fn revision(&self) -> Revision {
        self.object.revision()
    }

    pub(super) fn generation(&self) -> i64 {
        self.object.header().generation
    }

    /// Whether somebody asked for its end.
    pub(super) fn is_deleted(&self) -> bool {
        self.object.header().is_terminating()
    }

    /// The grace that the one who deleted it gave.
    pub(super) fn deletion_grace(&self) -> Option<Duration> {
        let secs = self.object.header().deletion_grace_secs?;
        Some(Duration::from_secs(secs.try_into().unwrap_or_default()))
    }

    /// `name_namespace(uid)`, as the kubelet's messages name a pod.
    pub(super) fn full_name(&self) -> String {
        format!("{}_{}({})", self.key().name, self.key().namespace, self.uid())
    }

    /// `status` as it is stored; a `null` stands for an absent field.
    pub(super) fn status(&self) -> &Arc<Value> {
        &self.status
    }

    /// `hostname` inside: the spec's, else the name, at most 63 bytes (`truncatePodHostnameIfNeeded`).
    pub(super) fn hostname(&self) -> Str {
        let own = &self.spec.hostname;
        let name = if own.is_empty() { &self.key().name } else { own };
        let mut end = name.len().min(63);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name[..end].trim_end_matches(['-', '.']).into()
    }
}

/// The stored status; shares the writer's tree when that is of the status alone, and never keeps more than the status alive.
fn status(live: &Live) -> Arc<Value> {
    let status = live.part_tree(Part::Status);
    match status.alone() {
        Some(alone) if alone.is_object() => Arc::clone(alone),
        _ if status.is_object() => Arc::new((*status).clone()),
        _ => Arc::new(Value::Object(serde_json::Map::new())),
    }
}

/// Whether a phase is the last one.
pub(super) fn is_terminal(phase: &str) -> bool {
    matches!(phase, "Succeeded" | "Failed")
}
