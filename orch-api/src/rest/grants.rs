//! Who writes roles gives away rights: nobody gives what they do not have
//! (`pkg/registry/rbac/*/policybased/storage.go`, `pkg/registry/rbac/validation/policy_compact.go`, `rule.go`).
//!
//! It looks at what a write would make, so that it holds for patches too. Invariant: rights are not gained by writing.

use std::collections::HashSet;

use orch_core::{ApiExt, ConflictCause, Error, Key, Live, Revision, User, Verb, Write, kind};
use serde_json::{Value, json};

use super::access::{Attributes, Decision, is_master};
use super::call::Call;
use super::signers;
use super::status::{Doing, Status};
use crate::tree::Get;

const GROUP: &str = "rbac.authorization.k8s.io";

/// How often a write begins anew because somebody else's came between.
const TRIES: usize = 8;

/// Rights that are looked at one by one, of all the rules of a write: a rule of a few thousand words can name more than any
/// memory holds. Rules that one rule of the writer's covers as a whole do not count.
const MAX_RIGHTS: usize = 20_000;

/// Does a write, unless it would give away what its user does not have. What is judged is what is written: nobody's write
/// comes between.
///
/// # Errors
/// What the Api says; 403.
pub(super) async fn write(call: &Call, write: Write, doing: Doing) -> Result<Live, Status> {
    signers::check(call, &write).await?;
    let failed = |error: Error| call.failed(&error, doing);
    if call.info.kind.group() != GROUP || is_master(&call.request.user) {
        return call.api.one(write).await.map_err(failed);
    }
    let mut tries = 0;
    loop {
        tries += 1;
        let mut write = write.clone();
        let mut old = None;
        let is_open = !matches!(write.verb, Verb::Create(_)) && !says_revision(&write);
        if !matches!(write.verb, Verb::Create(_)) {
            old = stored(call, &write.key).await?;
        }
        if is_open {
            write.precondition.revision = Some(old.as_ref().map_or(Revision::ZERO, |old| old.revision()));
        }
        let begins_anew = |error: &Error| is_open && is_late(error) && tries < TRIES;
        let trial = match call.api.one(write.clone().dry_run()).await {
            Err(error) if begins_anew(&error) => continue,
            trial => trial.map_err(failed)?,
        };
        check(call, old.as_ref(), &trial).await?;
        match call.api.one(write).await {
            Err(error) if begins_anew(&error) => {}
            answer => return answer.map_err(failed),
        }
    }
}

/// Whether a write says itself of which state it is.
fn says_revision(write: &Write) -> bool {
    let in_tree = match &write.verb {
        Verb::Update(tree) => {
            tree.object_at("metadata").is_some_and(|head| !head.is_unset("resourceVersion"))
        }
        _ => false,
    };
    in_tree || write.precondition.revision.is_some()
}

/// Whether the object is no more in the state that was looked at.
fn is_late(error: &Error) -> bool {
    matches!(
        error,
        Error::Conflict { cause: ConflictCause::Revision { .. }, .. } | Error::AlreadyExists { .. }
    )
}

async fn check(call: &Call, old: Option<&Live>, new: &Live) -> Result<(), Status> {
    let (key, tree) = (new.key(), new.tree());
    let old = old.map(Live::tree);
    // What the garbage collector does gives nothing away; anything else may: a label has a role aggregated into others.
    if old.as_ref().is_some_and(|old| without_collected(old) == without_collected(&tree)) {
        return Ok(());
    }
    let is_role = key.kind == kind::ROLES || key.kind == kind::CLUSTER_ROLES;
    let (user, authorizer) = (&call.request.user, &call.shared.authorizer);
    let role = tree.at("roleRef").cloned().unwrap_or_default();
    let (of, name) = match role.text("kind") {
        "ClusterRole" => (Key::cluster(kind::CLUSTER_ROLES, role.text("name")), role.text("name")),
        _ => (Key::new(kind::ROLES, key.namespace.clone(), role.text("name")), role.text("name")),
    };
    let wanted = match is_role {
        true => {
            let name = &call.request.target.name;
            Attributes::resource("escalate", GROUP, "v1", key.kind.resource()).name(name)
        }
        false => Attributes::resource("bind", GROUP, "v1", of.kind.resource()).name(name),
    };
    if authorizer.authorize(user, &wanted.namespace(&key.namespace)).await == Decision::Allow {
        return Ok(());
    }
    let rules = match is_role {
        true => tree.list("rules").to_vec(),
        false => {
            // A role that is not there yet could become any.
            let role = stored(call, &of).await?;
            let absent = || call.failed(&Error::NotFound { key: of.clone() }, Doing::Read);
            role.ok_or_else(absent)?.tree().list("rules").to_vec()
        }
    };
    let held = authorizer.rules(user, &key.namespace).await;
    let held: Vec<Held<'_>> = held.iter().map(Held::of).collect();
    let missing = missing(&held, &rules);
    if !missing.is_empty() {
        let why = format!(
            "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            &*user.name,
            groups(user),
            missing.join("\n")
        );
        return Err(Status::forbidden(key.kind.resource(), GROUP, &key.name, &why));
    }
    let aggregates = |tree: &Value| {
        tree.at("aggregationRule").is_some_and(|rule| !rule.list("clusterRoleSelectors").is_empty())
    };
    let everything = [
        json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
        json!({"nonResourceURLs": ["*"], "verbs": ["*"]}),
    ];
    if (aggregates(&tree) || old.is_some_and(|old| aggregates(&old)))
        && !self::missing(&held, &everything).is_empty()
    {
        let why = "must have cluster-admin privileges to use the aggregationRule";
        return Err(Status::forbidden(key.kind.resource(), GROUP, &key.name, why));
    }
    Ok(())
}

/// The object without what the garbage collector changes (`pkg/registry/rbac/helpers.go`), and without what follows from any
/// write.
fn without_collected(tree: &Value) -> Value {
    let mut tree = tree.clone();
    if let Some(metadata) = tree.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation"] {
            metadata.remove(field);
        }
    }
    tree
}

/// A stored object, if it is there.
async fn stored(call: &Call, key: &Key) -> Result<Option<Live>, Status> {
    match call.shared.api.get(key, Revision::ZERO).await {
        Ok(live) => Ok(Some(live)),
        Err(Error::NotFound { .. }) => Ok(None),
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

fn words<'r>(rule: &'r Value, field: &str) -> impl Iterator<Item = &'r str> {
    rule.list(field).iter().filter_map(Value::as_str)
}

/// How many rights a rule gives.
fn count(rule: &Value) -> usize {
    let of = |field: &str| words(rule, field).count();
    let resources =
        of("apiGroups").saturating_mul(of("resources")).saturating_mul(of("resourceNames").max(1));
    of("verbs").saturating_mul(resources.saturating_add(of("nonResourceURLs")))
}

/// Every right that a rule gives.
fn parts(rule: &Value) -> Vec<Right<'_>> {
    let words = |field: &str| words(rule, field).collect::<Vec<&str>>();
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

/// The rules, as they are shown, of which something is not held.
fn missing(held: &[Held<'_>], rules: &[Value]) -> Vec<String> {
    let mut left = MAX_RIGHTS;
    let mut is_missing = |rule: &&Value| {
        if held.iter().any(|held| held.has_all(rule)) {
            return false;
        }
        let Some(rest) = left.checked_sub(count(rule)) else { return true };
        left = rest;
        !parts(rule).iter().all(|right| held.iter().any(|held| held.has(right)))
    };
    rules.iter().filter(|rule| is_missing(rule)).map(shown).collect()
}

/// A rule that somebody has, for many questions.
struct Held<'r> {
    verbs: HashSet<&'r str>,
    groups: HashSet<&'r str>,
    resources: HashSet<&'r str>,
    names: HashSet<&'r str>,
    paths: HashSet<&'r str>,
}

impl<'r> Held<'r> {
    fn of(rule: &'r Value) -> Self {
        let of = |field: &str| words(rule, field).collect();
        Self {
            verbs: of("verbs"),
            groups: of("apiGroups"),
            resources: of("resources"),
            names: of("resourceNames"),
            paths: of("nonResourceURLs"),
        }
    }

    /// Whether it gives a right. Names have no `*` for all.
    fn has(&self, right: &Right<'_>) -> bool {
        let is_in = |set: &HashSet<&str>, word: &str| set.contains("*") || set.contains(word);
        if !is_in(&self.verbs, right.verb) {
            return false;
        }
        if !right.path.is_empty() {
            let begins =
                |path: &&str| path.strip_suffix('*').is_some_and(|start| right.path.starts_with(start));
            return self.paths.contains(right.path) || self.paths.iter().any(begins);
        }
        let is_named = self.names.is_empty() || !right.name.is_empty() && self.names.contains(right.name);
        is_named && is_in(&self.groups, right.group) && self.has_resource(right.resource)
    }

    fn has_resource(&self, resource: &str) -> bool {
        let part = || resource.split_once('/').map(|(_, part)| format!("*/{part}"));
        self.resources.contains("*")
            || self.resources.contains(resource)
            || part().is_some_and(|any| self.resources.contains(any.as_str()))
    }

    /// Whether it alone gives everything that a rule gives: each list is in its own.
    fn has_all(&self, rule: &Value) -> bool {
        let is_in = |set: &HashSet<&str>, field| {
            set.contains("*") || words(rule, field).all(|word| set.contains(word))
        };
        let begins = |word: &str| {
            self.paths.iter().any(|path| path.strip_suffix('*').is_some_and(|start| word.starts_with(start)))
        };
        let has_paths = self.paths.contains("*")
            || words(rule, "nonResourceURLs").all(|word| self.paths.contains(word) || begins(word));
        let mut names = words(rule, "resourceNames").peekable();
        let has_names =
            self.names.is_empty() || names.peek().is_some() && names.all(|name| self.names.contains(name));
        let gives_resources = words(rule, "resources").next().is_some();
        let has_resources = || {
            has_names
                && is_in(&self.groups, "apiGroups")
                && words(rule, "resources").all(|resource| self.has_resource(resource))
        };
        is_in(&self.verbs, "verbs") && has_paths && (!gives_resources || has_resources())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_held_when_each_of_its_rights_is() {
        let rule = |groups: &[&str], resources: &[&str], verbs: &[&str], names: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs, "resourceNames": names});
        let rules = [
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
            let held: Vec<Held<'_>> = rules.iter().map(Held::of).collect();
            assert_eq!(missing(&held, std::slice::from_ref(&wanted)).is_empty(), expected, "{wanted}");
            // One rule that has it all, and all its rights one by one, say the same.
            let alone = parts(&wanted).iter().all(|right| held.iter().any(|held| held.has(right)));
            assert_eq!(alone, expected, "{wanted}");
        }
    }

    #[test]
    fn a_name_is_no_pattern() {
        let held =
            json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["*"]});
        let wanted =
            json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["a"]});
        assert_eq!(missing(&[Held::of(&held)], &[wanted]).len(), 1);
        assert!(missing(&[Held::of(&held)], std::slice::from_ref(&held)).is_empty());
    }

    #[test]
    fn a_rule_of_more_rights_than_memory_holds_is_judged_at_once() {
        let words: Vec<String> = (0..5_000).map(|number| number.to_string()).collect();
        let huge = json!({"apiGroups": words, "resources": words, "verbs": words, "resourceNames": words});
        let some = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["get"]});
        assert_eq!(missing(&[Held::of(&some)], std::slice::from_ref(&huge)).len(), 1);
        let all = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]});
        assert!(missing(&[Held::of(&all)], std::slice::from_ref(&huge)).is_empty());
        assert!(missing(&[Held::of(&huge)], std::slice::from_ref(&huge)).is_empty());
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
