//! Ingresses, network policies, address ranges and roles.

use serde_json::Value;

use crate::tree::{Get, Set, Tree};

/// The group of roles and of the users and groups that they are bound to.
const RBAC: &str = "rbac.authorization.k8s.io";

/// The load balancer's state and a resource's group are always written.
pub(crate) fn ingress(tree: &mut Tree) {
    let spec = tree.make("spec");
    if let Some(backend) = spec.object_mut("defaultBackend") {
        ingress_backend(backend);
    }
    for rule in spec.objects_mut("rules") {
        let Some(http) = rule.object_mut("http") else { continue };
        http.objects_mut("paths").for_each(|path| ingress_backend(path.make("backend")));
    }
    tree.make("status").make("loadBalancer");
}

fn ingress_backend(backend: &mut Tree) {
    if let Some(service) = backend.object_mut("service") {
        service.make("port");
    }
    if let Some(resource) = backend.object_mut("resource") {
        resource.entry("apiGroup").or_insert(Value::Null);
    }
}

/// `pkg/apis/networking/v1/defaults.go`, `SetDefaults_IngressClass`.
pub(crate) fn ingress_class(tree: &mut Tree) {
    if let Some(parameters) = tree.make("spec").object_mut("parameters") {
        parameters.default_to("scope", "Cluster");
    }
}

/// `pkg/apis/networking/v1/defaults.go`, `SetDefaults_NetworkPolicy`.
pub(crate) fn network_policy(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.make("podSelector");
    for direction in ["ingress", "egress"] {
        for rule in spec.objects_mut(direction) {
            rule.objects_mut("ports").for_each(|port| port.default_to("protocol", "TCP"));
        }
    }
    if spec.is_unset("policyTypes") {
        let mut types = vec!["Ingress"];
        if !spec.is_unset("egress") {
            types.push("Egress");
        }
        spec.put("policyTypes", types);
    }
}

/// The `spec` is always written.
pub(crate) fn spec(tree: &mut Tree) {
    tree.make("spec");
}

/// The list of rules is always written.
pub(crate) fn role(tree: &mut Tree) {
    tree.entry("rules").or_insert(Value::Null);
    for rule in tree.objects_mut("rules") {
        rule.entry("verbs").or_insert(Value::Null);
    }
}

/// `pkg/apis/rbac/v1/defaults.go`.
pub(crate) fn role_binding(tree: &mut Tree) {
    tree.make("roleRef").default_text("apiGroup", RBAC);
    for subject in tree.objects_mut("subjects") {
        if matches!(subject.text("kind"), "User" | "Group") {
            subject.default_text("apiGroup", RBAC);
        }
    }
}
