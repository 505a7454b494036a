//! Scenarios of aggregated cluster roles.

use orch_controllers::clusterrole::ClusterRoleAggregationController;
use orch_core::{Key, Write, kind};
use serde_json::{Value, json};

use crate::lane::{Decide, Make};
use crate::{Allowed, Scenario, Transition, Truth, User, scenario};

fn controller() -> Box<dyn Decide> {
    Box::new(ClusterRoleAggregationController::default())
}

fn role(name: &str, to: &str, verb: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {to: "true"}},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}]})
}

fn aggregated(name: &str, of: &str, to: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {to: "true"}}, "rules": [],
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {of: "true"}}]}})
}

fn key(name: &str) -> Key {
    Key::cluster(kind::CLUSTER_ROLES, name)
}

/// Only rules change, and each write is for the role that was seen.
fn law(transition: &Transition<'_>) -> Result<(), String> {
    match &transition.write.precondition {
        _ if transition.actor == "user" => Ok(()),
        given if given.revision.is_none() || given.uid.is_none() => Err("no precondition".to_owned()),
        _ => Ok(()),
    }
}

fn settled(truth: &Truth) -> Result<(), String> {
    let verbs = |name: &str| -> Vec<Value> {
        let role = truth.of(kind::CLUSTER_ROLES).find(|role| &*role.key().name == name);
        let rules = role.map(|role| role.tree()["rules"].clone()).unwrap_or_default();
        rules.as_array().into_iter().flatten().map(|rule| rule["verbs"][0].clone()).collect()
    };
    let expected = [("view", json!(["get", "watch"])), ("edit", json!(["create", "get", "watch"]))];
    for (name, expected) in expected {
        let found = json!(verbs(name));
        if found != expected {
            return Err(format!("{name} has {found}"));
        }
    }
    Ok(())
}

fn chain() -> Scenario {
    let objects = vec![
        aggregated("view", "to-view", "to-edit"),
        aggregated("edit", "to-edit", "to-nothing"),
        role("a", "to-edit", "create"),
        role("b", "to-view", "get"),
        role("gone", "to-view", "list"),
    ];
    let edits = vec![
        User::Write(Write::delete(key("gone"))),
        User::Write(Write::create(key("own"), role("own", "to-view", "watch"))),
    ];
    let controllers: Vec<(Make, &'static [Allowed])> =
        vec![(controller, &[Allowed::Patch(kind::CLUSTER_ROLES, &["rules"])])];
    Scenario { objects, edits, controllers, acts: &[], law, settled, remembers: false }
}

scenario! {
    /// What is selected, through another aggregated role too, is given; what is gone is not.
    rules_follow_the_roles_that_are_selected = chain();
}
