//! Assigning a pod to a node: its subresource `binding` (`pkg/registry/core/pod/storage/storage.go`).

use std::sync::Arc;

use orch_core::object::Part;
use orch_core::{ConflictCause, Error, Fault, FaultKind, Live, Result, Verb};
use serde_json::{Value, json};

use super::batch::{Commit, Of, Step};
use super::metadata;
use crate::tree::{Get, Set, Tree};

impl Of<'_> {
    /// Assigns the pod to a node, once.
    pub(super) async fn bind(mut self) -> Result<Step> {
        let Verb::Create(binding) = &self.write.verb else {
            return Err(self.not_allowed("update of a binding"));
        };
        let binding = Arc::clone(binding);
        let node = self.target(&binding)?;
        let stored = self.stored().await?;
        self.expect(&stored)?;
        let name = &stored.key().name;
        if stored.header().is_terminating() {
            return Err(self.refused(format!("pod {name} is being deleted, cannot be assigned to a host")));
        }
        if let Some(other) = stored.field("spec.nodeName").filter(|node| !node.is_empty()) {
            return Err(self.refused(format!("pod {name} is already assigned to node {other:?}")));
        }
        let gates = stored.part_field(Part::Spec, "schedulingGates");
        if gates.is_some_and(|gates| !matches!(gates, b"[]" | b"null")) {
            return Err(self.refused(format!("pod {name} has non-empty .spec.schedulingGates")));
        }
        let mut status = Value::clone(&stored.part_tree(Part::Status));
        if !status.is_object() {
            status = json!({});
        }
        let fields = metadata::root(&self.info, &mut status)?;
        fields.remove("nominatedNodeName");
        scheduled(fields, &metadata::seconds(self.api.shared.env.now()));
        let mut object = stored.with_part(&self.info, Part::Status, &status)?;
        object = object.with_field(&self.info, Part::Spec, "nodeName", &Value::from(node))?;
        if let Some(metadata) = self.marked(&stored, &binding)? {
            object = object.with_part(&self.info, Part::Metadata, &metadata)?;
        }
        let answer = Live::spliced(object, Part::Status, Arc::new(status));
        Ok(Commit::replace(answer, &stored).into())
    }

    /// The pod's metadata with the labels and annotations of the binding, if that has any.
    fn marked(&self, pod: &Live, binding: &Value) -> Result<Option<Value>> {
        let mut marked = None;
        for map in ["annotations", "labels"] {
            let given = binding.object_at("metadata").and_then(|metadata| metadata.object_at(map));
            let Some(given) = given.filter(|given| !given.is_empty()) else { continue };
            let metadata: &mut Value = match &mut marked {
                Some(metadata) => metadata,
                None => marked.insert(pod.part_to(Part::Metadata)?),
            };
            metadata::root(&self.info, metadata)?.make(map).extend(given.clone());
        }
        if let Some(metadata) = &mut marked {
            crate::conform::metadata(&self.info, metadata, self.write.options.field_validation)?;
        }
        Ok(marked)
    }

    /// The node that a binding names.
    fn target(&self, binding: &Value) -> Result<String> {
        let empty = Tree::new();
        let target = binding.object_at("target").unwrap_or(&empty);
        let mut faults = Vec::new();
        if !matches!(target.text("kind"), "" | "Node") {
            let fault =
                Fault::new(FaultKind::NotSupported, "target.kind", "supported values: \"Node\", \"<empty>\"");
            faults.push(fault.value(json!(target.text("kind"))));
        }
        if target.text("name").is_empty() {
            faults.push(Fault::new(FaultKind::Required, "target.name", ""));
        }
        if faults.is_empty() { Ok(target.text("name").to_owned()) } else { Err(self.invalid(faults)) }
    }

    fn refused(&self, why: String) -> Error {
        Error::Conflict { key: self.key(), cause: ConflictCause::State(why) }
    }
}

/// The condition that the pod has a node.
fn scheduled(status: &mut Tree, now: &str) {
    let condition =
        json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    put_condition(status, condition);
}

/// Sets a condition of a pod (`UpdatePodCondition` of `pkg/api/v1/pod/util.go`).
pub(super) fn put_condition(status: &mut Tree, condition: Value) {
    let Some(Value::Array(conditions)) = status.get_mut("conditions") else {
        status.put("conditions", vec![condition]);
        return;
    };
    match conditions.iter_mut().find(|known| known.text("type") == condition.text("type")) {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}
