//! Which names of a definition are accepted, and what its status says of it
//! (`apiextensions-apiserver/pkg/controller/{status,establish,finalizer}`). Pure.
//!
//! The invariant: a name that was accepted once stays accepted while the definition asks for it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::tree::{Get, Set, Tree};

/// Names in use in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Plurals, singulars and short names.
    pub(crate) words: BTreeSet<String>,
    /// Kinds and kinds of lists.
    pub(crate) kinds: BTreeSet<String>,
}

impl Taken {
    /// Adds the names that a definition has.
    pub(crate) fn add(&mut self, names: &Tree) {
        let word = |field: &str| Some(names.text(field).to_owned()).filter(|text| !text.is_empty());
        self.words.extend(["plural", "singular"].into_iter().filter_map(word));
        self.words.extend(names.list("shortNames").iter().filter_map(Value::as_str).map(str::to_owned));
        self.kinds.extend(["kind", "listKind"].into_iter().filter_map(word));
    }
}

/// The status that a definition should have, given the names in use by others, at `now`; `unserved` says why it cannot be
/// established though its names are good.
pub(crate) fn status(definition: &Value, taken: &Taken, unserved: Option<(&str, &str)>, now: &str) -> Tree {
    let empty = Tree::new();
    let wanted = definition.object_at("spec").and_then(|spec| spec.object_at("names")).unwrap_or(&empty);
    let mut status = definition.object_at("status").cloned().unwrap_or_default();
    let before = status.object_at("acceptedNames").cloned().unwrap_or_default();
    let mut accepted = before.clone();
    let mut conflict = None;
    for (field, reason) in [
        ("plural", "PluralConflict"),
        ("singular", "SingularConflict"),
        ("shortNames", "ShortNamesConflict"),
        ("kind", "KindConflict"),
        ("listKind", "ListKindConflict"),
    ] {
        let in_use = if field.ends_with("ind") { &taken.kinds } else { &taken.words };
        let words = |names: &Tree| -> Vec<String> {
            match names.get(field) {
                Some(Value::String(word)) => vec![word.clone()],
                Some(Value::Array(list)) => {
                    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                _ => Vec::new(),
            }
        };
        let ours = words(&before);
        let used: Vec<String> = words(wanted)
            .into_iter()
            .filter(|word| !ours.contains(word) && in_use.contains(word))
            .map(|word| format!("{word:?} is already in use"))
            .collect();
        match used.as_slice() {
            [] => accepted.copy_from(wanted, field),
            [one] => conflict = Some((reason, one.clone())),
            many => conflict = Some((reason, format!("[{}]", many.join(", ")))),
        }
    }
    accepted.copy_from(wanted, "categories");
    status.put("acceptedNames", accepted);
    let good = conflict.is_none();
    let (reason, message) = conflict.unwrap_or(("NoConflicts", "no conflicts found".to_owned()));
    set(&mut status, "NamesAccepted", good, reason, &message, now);
    let was_established = is_true(&status, "Established");
    match unserved {
        Some((reason, message)) if good => set(&mut status, "Established", false, reason, message, now),
        _ if good => {
            let message = "the initial names have been accepted";
            if !was_established {
                set(&mut status, "Established", true, "InitialNamesAccepted", message, now);
            }
        }
        _ if !was_established => {
            set(&mut status, "Established", false, "NotAccepted", "not all names are accepted", now);
        }
        _ => {}
    }
    super::approval::set(&mut status, definition, now);
    status
}

/// Whether a condition holds.
pub(crate) fn is_true(status: &Tree, kind: &str) -> bool {
    let mut conditions = status.list("conditions").iter();
    conditions.any(|one| one.text("type") == kind && one.text("status") == "True")
}

/// Sets a condition; its time is that of the last change.
pub(crate) fn set(status: &mut Tree, kind: &str, holds: bool, reason: &str, message: &str, now: &str) {
    let state = if holds { "True" } else { "False" };
    let mut conditions = status.list("conditions").to_vec();
    let at = conditions.iter().position(|one| one.text("type") == kind);
    let before = at.map(|at| &conditions[at]);
    let time =
        before.filter(|one| one.text("status") == state).map(|one| one.text("lastTransitionTime").to_owned());
    let mut condition: Map<String, Value> = before.and_then(Value::as_object).cloned().unwrap_or_default();
    condition
        .put("lastTransitionTime", time.filter(|time| !time.is_empty()).unwrap_or_else(|| now.to_owned()));
    for (field, value) in [("message", message), ("reason", reason), ("status", state), ("type", kind)] {
        condition.put(field, value);
    }
    match at {
        Some(at) => conditions[at] = json!(condition),
        None => conditions.push(json!(condition)),
    }
    status.put("conditions", conditions);
}

/// The rank of a version: general before beta before alpha, then by number
/// (`apimachinery/pkg/version/helpers.go`).
pub(crate) fn rank(version: &str) -> (u8, u32, u32, std::cmp::Reverse<String>) {
    let name = std::cmp::Reverse(version.to_owned());
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0, name) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, rest) = rest.split_at(end);
    let Ok(major) = major.parse::<u32>() else { return (0, 0, 0, name) };
    let minor = |text: &str| text.parse::<u32>().ok();
    match (rest, rest.strip_prefix("beta").and_then(minor), rest.strip_prefix("alpha").and_then(minor)) {
        ("", ..) => (3, major, 0, name),
        (_, Some(minor), _) => (2, major, minor, name),
        (_, _, Some(minor)) => (1, major, minor, name),
        _ => (0, 0, 0, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Value {
        json!({"spec": {"names": {"plural": "widgets", "singular": "widget", "shortNames": ["wd"], "kind": "Widget",
            "listKind": "WidgetList"}}, "status": {"storedVersions": ["v1"]}})
    }

    fn condition<'s>(status: &'s Tree, kind: &str) -> (&'s str, &'s str, &'s str) {
        let one = status.list("conditions").iter().find(|one| one.text("type") == kind).unwrap();
        (one.text("status"), one.text("reason"), one.text("message"))
    }

    #[test]
    fn free_names_are_accepted_and_the_kind_is_established() {
        let status = status(&definition(), &Taken::default(), None, "now");
        assert_eq!(status["acceptedNames"], definition()["spec"]["names"]);
        assert_eq!(condition(&status, "NamesAccepted"), ("True", "NoConflicts", "no conflicts found"));
        let message = "the initial names have been accepted";
        assert_eq!(condition(&status, "Established"), ("True", "InitialNamesAccepted", message));
        assert_eq!(status["storedVersions"], json!(["v1"]));
        let mut again = definition();
        again["status"] = status.clone().into();
        assert_eq!(super::status(&again, &Taken::default(), None, "later"), status, "nothing changes twice");
    }

    #[test]
    fn a_name_in_use_is_refused_unless_it_was_ours() {
        let mut taken = Taken::default();
        taken.add(json!({"plural": "wd", "kind": "Wd"}).as_object().unwrap());
        let refused = status(&definition(), &taken, None, "now");
        let message = "\"wd\" is already in use";
        assert_eq!(condition(&refused, "NamesAccepted"), ("False", "ShortNamesConflict", message));
        assert_eq!(condition(&refused, "Established").1, "NotAccepted");
        assert_eq!(refused["acceptedNames"].get("shortNames"), None);
        assert_eq!(refused["acceptedNames"]["plural"], "widgets");
        let mut ours = definition();
        ours["status"] = status(&definition(), &Taken::default(), None, "now").into();
        assert_eq!(condition(&status(&ours, &taken, None, "now"), "NamesAccepted").0, "True");
    }

    #[test]
    fn who_extends_a_group_of_kubernetes_says_who_let_them() {
        let mut definition = definition();
        definition["spec"]["group"] = "x.k8s.io".into();
        for (annotation, expected) in [
            ("https://a.example/1", ("True", "ApprovedAnnotation", "approved in https://a.example/1")),
            ("unapproved, a test", ("False", "UnapprovedAnnotation", "not approved: \"unapproved, a test\"")),
        ] {
            definition["metadata"]["annotations"]["api-approved.kubernetes.io"] = annotation.into();
            let status = status(&definition, &Taken::default(), None, "now");
            assert_eq!(condition(&status, "KubernetesAPIApprovalPolicyConformant"), expected);
        }
    }

    #[test]
    fn versions_are_ordered_as_kubernetes_orders_them() {
        let mut versions =
            ["foo10", "v1", "v11alpha2", "v2", "v10beta3", "v3beta1", "v10", "foo1", "v11beta2"];
        versions.sort_by_key(|version| std::cmp::Reverse(rank(version)));
        assert_eq!(
            versions,
            ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v11alpha2", "foo1", "foo10"]
        );
    }
}
