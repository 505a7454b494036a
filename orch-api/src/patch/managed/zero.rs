//! The empty object of a kind, as Kubernetes' Go types have it: what is there in it is nobody's.
//!
//! Structs that are no pointers are always there, and so are fields that are never left out; both stand in Kubernetes'
//! OpenAPI documents as `"default": {}` and as `required` (`api/openapi-spec/v3` of v1.36).

use serde_json::{Map, Value, json};

use crate::patch::typed::Shape;
use crate::schema::{Definition, Field, MAX_DEPTH, Type, TypeRef};
use crate::tree::Set;

/// Structs that are no pointers, besides `metadata`, `spec`, `status` and those that are required: definition and field.
const EMBEDDED: [(&str, &str); 19] = [
    ("CustomResourceDefinitionStatus", "acceptedNames"),
    ("DaemonSetSpec", "updateStrategy"),
    ("DeploymentSpec", "strategy"),
    ("Event", "deprecatedSource"),
    ("Event", "regarding"),
    ("Event", "source"),
    ("IngressStatus", "loadBalancer"),
    ("NetworkPolicySpec", "podSelector"),
    ("NodeDaemonEndpoints", "kubeletEndpoint"),
    ("NodeStatus", "daemonEndpoints"),
    ("NodeStatus", "nodeInfo"),
    ("PersistentVolumeClaimSpec", "resources"),
    ("PodTemplate", "template"),
    ("ReplicaSetSpec", "template"),
    ("ResourceClaimSpec", "devices"),
    ("SelfSubjectReviewStatus", "userInfo"),
    ("ServiceStatus", "loadBalancer"),
    ("StatefulSetSpec", "updateStrategy"),
    ("TokenReviewStatus", "user"),
];

/// Required fields that are pointers all the same.
const POINTERS: [&str; 2] = ["parentRef", "selector"];

/// The empty object of a kind.
pub(super) fn zero(api_version: &str, kind: &str, shape: Shape<'_>) -> Value {
    let mut object = match shape {
        Shape::Typed(ty, _) => of_type(ty, 0),
        _ => Value::Object(Map::new()),
    };
    if let Some(fields) = object.as_object_mut() {
        fields.put("apiVersion", api_version);
        fields.put("kind", kind);
    }
    object
}

/// The empty value of a type.
pub(super) fn of_type(ty: TypeRef, depth: usize) -> Value {
    match ty.get() {
        Type::Object(definition) if depth < MAX_DEPTH => {
            let there = definition.fields().filter(|field| is_there(definition, *field));
            there.map(|field| (field.name().to_owned(), of_type(field.ty(), depth + 1))).collect()
        }
        Type::String => json!(""),
        Type::Int32 | Type::Int64 | Type::Number | Type::IntOrString => json!(0),
        Type::Boolean => json!(false),
        Type::Quantity => json!("0"),
        _ => Value::Null,
    }
}

/// Whether the field is there in an empty object of that definition.
pub(super) fn is_there(definition: Definition, field: Field) -> bool {
    let is_struct = field.ty().definition().is_some();
    if field.is_required() {
        return !(is_struct && POINTERS.contains(&field.name()));
    }
    if !is_struct {
        return false;
    }
    let is_embedded = |(of, name): &(&str, &str)| {
        *name == field.name() && definition.name().rsplit('.').next() == Some(*of)
    };
    matches!(field.name(), "metadata" | "spec" | "status") || EMBEDDED.iter().any(is_embedded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn structs_are_there_and_pointers_are_not() {
        let shape = |group, kind| Shape::of(schema::lookup(group, "v1", kind));
        assert_eq!(
            zero("apps/v1", "Deployment", shape("apps", "Deployment")),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "status": {}, "spec": {
                "strategy": {}, "template": {"metadata": {}, "spec": {"containers": null}}}})
        );
        assert_eq!(
            zero("v1", "ConfigMap", shape("", "ConfigMap")),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})
        );
        assert_eq!(zero("a/v1", "B", Shape::Deduced), json!({"apiVersion": "a/v1", "kind": "B"}));
        for entry in schema::kinds() {
            // Types that contain themselves end.
            assert!(zero(entry.version, entry.kind, Shape::of(Some(entry.ty))).is_object());
        }
    }
}
