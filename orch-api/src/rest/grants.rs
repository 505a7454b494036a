//! Who writes roles gives away rights: nobody gives what they do not have
//! (`pkg/registry/rbac/*/policybased/storage.go`, `pkg/registry/rbac/validation/policy_compact.go`, `rule.go`).
//!
//! It looks at what a write would make, so that it holds for patches too. Invariant: rights are not gained by writing.

use orch_core::{ApiExt, Error, Key, Live, Revision, User, Write, kind};
use serde_json::{Value, json};

use super::access::{Attributes, Decision, MASTERS};
use super::call::Call;
use super::status::{Doing, Status};
use crate::tree::Get;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Does a write, unless it would give away what its user does not have.
///
/// # Errors
/// What the Api says; 403.
pub(super) async fn write(call: &Call, write: Write, doing: Doing) -> Result<Live, Status> {
    let is_master = call.request.user.groups.iter().any(|group| &**group == MASTERS);
    if call.info.kind.group() == GROUP && !is_master {
        let trial = call.api.one(write.clone().dry_run()).await;
        let trial = trial.map_err(|error| call.failed(&error, doing))?;
        check(call, &trial).await?;
    }
    call.api.one(write).await.map_err(|error| call.failed(&error, doing))
}

async fn check(call: &Call, new: &Live) -> Result<(), Status> {
    let key = new.key();
    let tree = new.tree();
    let (rules, wanted) = if key.kind == kind::ROLES || key.kind == kind::CLUSTER_ROLES {
        if tree.list("rules") == before(call, key).await?.list("rules")
            && tree.at("aggregationRule").is_none()
        {
            return Ok(());
        }
        let whole = [
            json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
            json!({"nonResourceURLs": ["*"], "verbs": ["*"]}),
        ];
        let rules =
            if tree.at("aggregationRule").is_some() { whole.to_vec() } else { tree.list("rules").to_vec() };
        (rules, Attributes::resource("escalate", GROUP, "v1", key.kind.resource()).name(&key.name))
    } else {
        let role = tree.at("roleRef").cloned().unwrap_or_default();
        let (of, name) = (role.text("kind"), role.text("name"));
        let (kind, namespace) = match of {
            "ClusterRole" => (kind::CLUSTER_ROLES, ""),
            _ => (kind::ROLES, &*key.namespace),
        };
        let rules = before(call, &Key::new(kind, namespace, name)).await?.list("rules").to_vec();
        (rules, Attributes::resource("bind", GROUP, "v1", kind.resource()).name(name))
    };
    let wanted = wanted.namespace(&key.namespace);
    let (user, authorizer) = (&call.request.user, &call.shared.authorizer);
    if authorizer.authorize(user, &wanted).await == Decision::Allow {
        return Ok(());
    }
    let held = authorizer.rules(user, &key.namespace).await;
    let missing: Vec<String> =
        rules.iter().filter(|rule| !parts(rule).iter().all(|part| is_held(&held, part))).map(shown).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        &*user.name,
        groups(user),
        missing.join("\n")
    );
    Err(Status::forbidden(key.kind.resource(), GROUP, &key.name, &why))
}

/// A stored object; nothing when it is absent.
async fn before(call: &Call, key: &Key) -> Result<Value, Status> {
    match call.shared.api.get(key, Revision::ZERO).await {
        Ok(live) => Ok(Value::clone(&live.tree())),
        Err(Error::NotFound { .. }) => Ok(Value::Null),
        Err(error) => Err(call.failed(&error, Doing::Read)),
    }
}

/// `["a" "b"]`, as Go prints a list.
fn groups(user: &User) -> String {
    let all: Vec<String> = user.groups.iter().map(|group| format!("{:?}", &**group)).collect();
    format!("[{}]", all.join(" "))
}

const FIELDS: [(&str, &str); 5] = [
    ("apiGroups", "APIGroups"),
    ("resources", "Resources"),
    ("resourceNames", "ResourceNames"),
    ("nonResourceURLs", "NonResourceURLs"),
    ("verbs", "Verbs"),
];

/// `{APIGroups:["*"], Resources:["*"], Verbs:["*"]}`
fn shown(rule: &Value) -> String {
    let of = |(field, name): &(&str, &str)| {
        let values: Vec<String> =
            rule.list(field).iter().filter_map(Value::as_str).map(|value| format!("{value:?}")).collect();
        (!values.is_empty()).then(|| format!("{name}:[{}]", values.join(" ")))
    };
    format!("{{{}}}", FIELDS.iter().filter_map(of).collect::<Vec<_>>().join(", "))
}

/// One right: a verb on a path, or on a resource of a group, perhaps of one name.
#[derive(Debug, PartialEq)]
struct Right<'r> {
    verb: &'r str,
    group: &'r str,
    resource: &'r str,
    name: &'r str,
    path: &'r str,
}

/// Every right that a rule gives. What a rule may hold is bounded by the size of objects; so many rights are refused.
fn parts(rule: &Value) -> Vec<Right<'_>> {
    let words = |field: &str| rule.list(field).iter().filter_map(Value::as_str).collect::<Vec<&str>>();
    let names = words("resourceNames");
    let names = if names.is_empty() { vec![""] } else { names };
    let mut all = Vec::new();
    for verb in words("verbs") {
        all.extend(words("nonResourceURLs").into_iter().map(|path| Right {
            verb,
            path,
            group: "",
            resource: "",
            name: "",
        }));
        for group in words("apiGroups") {
            for resource in words("resources") {
                all.extend(names.iter().map(|name| Right { verb, group, resource, name, path: "" }));
            }
        }
    }
    all
}

fn is_held(held: &[Value], right: &Right<'_>) -> bool {
    held.iter().any(|rule| {
        let has = |field: &str, wanted: &str| {
            rule.list(field).iter().filter_map(Value::as_str).any(|value| value == "*" || value == wanted)
        };
        if !has("verbs", right.verb) {
            return false;
        }
        if !right.path.is_empty() {
            let mut paths = rule.list("nonResourceURLs").iter().filter_map(Value::as_str);
            return paths.any(|path| {
                path == right.path
                    || path.strip_suffix('*').is_some_and(|start| right.path.starts_with(start))
            });
        }
        let names = rule.list("resourceNames");
        let is_named = names.is_empty() || !right.name.is_empty() && has("resourceNames", right.name);
        let any_whole = right.resource.split_once('/').map(|(_, part)| format!("*/{part}"));
        let resource =
            has("resources", right.resource) || any_whole.is_some_and(|any| has("resources", &any));
        is_named && has("apiGroups", right.group) && resource
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_held_when_each_of_its_rights_is() {
        let rule = |groups: &[&str], resources: &[&str], verbs: &[&str], names: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs, "resourceNames": names});
        let held = [
            rule(&[""], &["pods", "*/status"], &["get", "list"], &[]),
            rule(&["apps"], &["*"], &["*"], &[]),
            rule(&[""], &["secrets"], &["get"], &["a"]),
            json!({"nonResourceURLs": ["/logs/*"], "verbs": ["get"]}),
        ];
        for (wanted, expected) in [
            (rule(&[""], &["pods"], &["get", "list"], &[]), true),
            (rule(&[""], &["pods", "nodes/status"], &["list"], &["x"]), true),
            (rule(&["", "apps"], &["pods"], &["get"], &[]), true),
            (rule(&[""], &["pods"], &["get", "delete"], &[]), false),
            (rule(&["*"], &["*"], &["*"], &[]), false),
            (rule(&[""], &["secrets"], &["get"], &["a"]), true),
            (rule(&[""], &["secrets"], &["get"], &[]), false),
            (json!({"nonResourceURLs": ["/logs/x"], "verbs": ["get"]}), true),
            (json!({"nonResourceURLs": ["*"], "verbs": ["get"]}), false),
        ] {
            assert_eq!(parts(&wanted).iter().all(|part| is_held(&held, part)), expected, "{wanted}");
        }
    }

    #[test]
    fn rules_and_groups_are_shown_as_go_prints_them() {
        let rule = json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]});
        assert_eq!(shown(&rule), "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\"]}");
        let mut user = User::new("jane");
        user.groups = vec!["a".into(), "b".into()];
        assert_eq!(groups(&user), "[\"a\" \"b\"]");
    }
}
