//! The roles and bindings that every cluster has from its first moment (`roles.txt`).
//!
//! Not the roles of Kubernetes' controllers: ours are no users of the REST API. `admin`, `edit` and `view` are made without rules: a
//! controller aggregates them (`orch-controllers`, `clusterrole`).
//! Invariant: what is there is left as it is.

use orch_core::{Api, Result, Write, kind};
use serde_json::{Value, json};

use crate::local;

const TABLE: &str = include_str!("roles.txt");
const GROUP: &str = "rbac.authorization.k8s.io";

/// Makes them, unless they are there.
///
/// # Errors
/// What the Api says; some may be there then.
pub(super) async fn make(api: &dyn Api) -> Result<()> {
    let (roles, bindings) = (roles(), bindings());
    let roles = roles.into_iter().map(|tree| Write::create_tree(kind::CLUSTER_ROLES, tree));
    let bindings = bindings.into_iter().map(|tree| Write::create_tree(kind::CLUSTER_ROLE_BINDINGS, tree));
    local::make_absent(api, roles.chain(bindings).collect()).await
}

fn object(kind: &str, name: &str) -> Value {
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": {"name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}}})
}

fn roles() -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for line in TABLE.lines() {
        if let Some(rest) = line.strip_prefix("role ") {
            let mut words = rest.split(' ');
            let mut role = object("ClusterRole", words.next().unwrap_or_default());
            role["rules"] = json!([]);
            for word in words {
                let label = |to: &str| format!("{GROUP}/aggregate-to-{to}");
                if let Some(to) = word.strip_prefix("to=") {
                    role["metadata"]["labels"][label(to)] = "true".into();
                } else if let Some(of) = word.strip_prefix("of=") {
                    role["aggregationRule"] =
                        json!({"clusterRoleSelectors": [{"matchLabels": {label(of): "true"}}]});
                }
            }
            all.push(role);
        } else if let (Some(rule), Some(role)) = (line.strip_prefix(' '), all.last_mut())
            && let Some(rules) = role["rules"].as_array_mut()
        {
            rules.push(self::rule(rule));
        }
    }
    all
}

fn rule(line: &str) -> Value {
    let mut words = line.split(' ');
    let mut next = || words.next().unwrap_or_default();
    let (groups, resources, verbs, names) = (next(), next(), next(), next());
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let verbs = match verbs {
        "ro" => list("get,list,watch"),
        "wo" => list("create,delete,deletecollection,patch,update"),
        "rw" => list("create,delete,deletecollection,get,list,patch,update,watch"),
        verbs => list(verbs),
    };
    if groups == "path" {
        return json!({"nonResourceURLs": list(resources), "verbs": verbs});
    }
    let groups: Vec<String> =
        list(groups).into_iter().map(|group| if group == "core" { String::new() } else { group }).collect();
    let mut rule = json!({"apiGroups": groups, "resources": list(resources), "verbs": verbs});
    if !names.is_empty() {
        rule["resourceNames"] = json!(list(names));
    }
    rule
}

fn bindings() -> Vec<Value> {
    let lines = TABLE.lines().filter_map(|line| line.strip_prefix("bind "));
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let mut binding = object("ClusterRoleBinding", words.next().unwrap_or_default());
            let role = words.next().unwrap_or_default();
            binding["roleRef"] = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": role});
            binding["subjects"] = words.filter_map(|word| word.split_once(':')).map(subject).collect();
            binding
        })
        .collect()
}

fn subject((kind, name): (&str, &str)) -> Value {
    match kind {
        "ServiceAccount" => json!({"kind": kind, "name": name, "namespace": "kube-system"}),
        _ => json!({"apiGroup": GROUP, "kind": kind, "name": name}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_role_a_rule_or_a_binding() {
        let (roles, bindings) = (roles(), bindings());
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        let rules: usize = roles.iter().map(|role| role["rules"].as_array().unwrap().len()).sum();
        assert_eq!(roles.len() + rules + bindings.len(), lines);
        for binding in &bindings {
            let role = &binding["roleRef"]["name"];
            assert!(roles.iter().any(|known| known["metadata"]["name"] == *role), "{role}");
        }
        let edit = roles.iter().find(|role| role["metadata"]["name"] == "edit").unwrap();
        assert_eq!(edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"], "true");
        let named = rule("coordination.k8s.io leases get,update kube-scheduler");
        assert_eq!(named["resourceNames"], json!(["kube-scheduler"]));
        assert_eq!(rule("core pods ro")["apiGroups"], json!([""]));
    }
}
