//! Rules of flow schemas and priority levels (`pkg/apis/flowcontrol/validation/validation.go`).
//!
//! Not the queues themselves. The invariant: what every cluster must have (`exempt`, `catch-all`) stays as it is.

use orch_core::Scope::Cluster;
use orch_core::names;
use serde_json::{Value, json};

use super::at::At;
use super::meta::{self, Change};
use super::rules::Seen;
use super::same::{same, same_but};

const PRECEDENCE_MAX: i64 = 10_000;
const QUEUES_MAX: i64 = 10_000_000;
/// Bits of the hash that deals hands of queues.
const HASH_BITS: f64 = 60.0;
const VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

/// `apiserver/pkg/apis/flowcontrol/bootstrap/default.go`: what may not be changed.
fn mandatory_schema(name: &str) -> Option<Value> {
    let group = |name: &str| json!({"kind": "Group", "group": {"name": name}});
    let everything = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"]});
    let (subjects, level, precedence) = match name {
        "exempt" => (json!([group("system:masters")]), "exempt", 1),
        "catch-all" => {
            (json!([group("system:unauthenticated"), group("system:authenticated")]), "catch-all", 10_000)
        }
        _ => return None,
    };
    let mut spec = json!({
        "priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence,
        "rules": [{"subjects": subjects, "resourceRules": [everything],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}],
    });
    if name == "catch-all" {
        spec["distinguisherMethod"] = json!({"type": "ByUser"});
    }
    Some(spec)
}

pub(super) fn schema(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    let (meta, spec) = (object.field("metadata"), object.field("spec"));
    let name = meta.get_text("name");
    schema_spec(&spec, name);
    if mandatory_schema(name).is_some_and(|fixed| !same(spec.value(), &fixed)) {
        spec.invalid(format!("spec of '{name}' must equal the fixed value"));
    }
    conditions(&object.field("status"));
}

pub(super) fn schema_update(change: &Change<'_, '_>) {
    schema(&change.new);
}

pub(super) fn status_update(change: &Change<'_, '_>) {
    conditions(&change.new.field("status"));
}

fn conditions(status: &At<'_, '_>) {
    let mut seen = Seen::new();
    for condition in status.field("conditions").items() {
        let kind = condition.field("type");
        if !seen.insert(kind.text()) {
            kind.duplicate();
        }
        if kind.is_empty() {
            kind.required("");
        }
    }
}

fn schema_spec(spec: &At<'_, '_>, name: &str) {
    let precedence = spec.field("matchingPrecedence");
    if precedence.number() <= 0 {
        precedence.invalid_number("must be a positive value");
    }
    if precedence.number() > PRECEDENCE_MAX {
        precedence.invalid_number("must not be greater than 10000");
    }
    if precedence.number() == 1 && name != "exempt" {
        precedence.invalid_number("only the schema named 'exempt' may have matchingPrecedence 1");
    }
    let distinguisher = spec.field("distinguisherMethod");
    let method = distinguisher.field("type");
    if distinguisher.is_set() && !matches!(method.text(), "ByNamespace" | "ByUser") {
        let shown = format!("{{\"Type\":{}}}", super::at::quote(method.text()));
        method.unsupported_as(shown, &["ByNamespace", "ByUser"]);
    }
    let level = spec.field("priorityLevelConfiguration");
    let level = level.field("name");
    if level.is_empty() {
        level.required("must reference a priority level");
    } else {
        level.named(names::dns1123_subdomain);
    }
    for rule in spec.field("rules").items() {
        let subjects = rule.field("subjects");
        if subjects.is_empty() {
            subjects.required("subjects must contain at least one value");
        }
        subjects.items().for_each(|one| subject(&one));
        let (resources, others) = (rule.field("resourceRules"), rule.field("nonResourceRules"));
        if resources.is_empty() && others.is_empty() {
            rule.required("at least one of resourceRules and nonResourceRules has to be non-empty");
        }
        resources.items().for_each(|one| resource_rule(&one));
        others.items().for_each(|one| other_rule(&one));
    }
}

fn subject(subject: &At<'_, '_>) {
    const KINDS: &[(&str, &str)] =
        &[("Group", "group"), ("ServiceAccount", "serviceAccount"), ("User", "user")];
    let kind = subject.field("kind");
    let Some((name, field)) = KINDS.iter().find(|(name, _)| *name == kind.text()) else {
        return kind.unsupported(&["Group", "ServiceAccount", "User"]);
    };
    let one = subject.field(field);
    if one.is_set() {
        subject_name(&one, name);
    } else {
        one.required(format!("{field} is required when subject kind is '{name}'"));
    }
    // In upstream's order.
    for other in ["serviceAccount", "user", "group"].iter().filter(|other| *other != field) {
        if let (true, Some((name, _))) = (subject.has(other), KINDS.iter().find(|(_, known)| known == other))
        {
            subject.field(other).forbidden(format!("{other} is forbidden when subject kind is not '{name}'"));
        }
    }
}

fn subject_name(one: &At<'_, '_>, kind: &str) {
    let name = one.field("name");
    if name.is_empty() {
        name.required("");
    }
    if kind != "ServiceAccount" {
        return;
    }
    if name.text() != "*" {
        name.optional_name(names::dns1123_subdomain);
    }
    let namespace = one.field("namespace");
    if namespace.is_empty() {
        namespace.required("must specify namespace for service account");
    } else {
        namespace.named(names::dns1123_label);
    }
}

fn has_all(list: &At<'_, '_>) -> bool {
    list.list().iter().any(|value| value == "*")
}

/// A list with `*` has nothing else.
fn alone(list: &At<'_, '_>, others: &str) {
    if has_all(list) && list.len() > 1 {
        list.invalid(format!("if '*' is present, must not specify other {others}"));
    }
}

fn verbs(rule: &At<'_, '_>) {
    let list = rule.field("verbs");
    let known = |verb: &Value| verb.as_str().is_some_and(|verb| VERBS.contains(&verb));
    if list.is_empty() {
        list.required("verbs must contain at least one value");
    } else if has_all(&list) {
        alone(&list, "verbs");
    } else if !list.list().iter().all(known) {
        list.unsupported(VERBS);
    }
}

fn resource_rule(rule: &At<'_, '_>) {
    verbs(rule);
    for (name, missing, others) in [
        ("apiGroups", "resource rules must supply at least one api group", "api groups"),
        ("resources", "resource rules must supply at least one resource", "resources"),
    ] {
        let list = rule.field(name);
        if list.is_empty() { list.required(missing) } else { alone(&list, others) }
    }
    let namespaces = rule.field("namespaces");
    if namespaces.is_empty() && !rule.field("clusterScope").is_true() {
        namespaces.required("resource rules that are not cluster scoped must supply at least one namespace");
    } else if has_all(&namespaces) {
        alone(&namespaces, "namespaces");
    } else {
        for namespace in namespaces.items() {
            for message in names::dns1123_label(namespace.text()).err().into_iter().flatten() {
                namespace.invalid_text(format!(
                    "each member of this list must be '*' or a DNS-1123 label; {message}"
                ));
            }
        }
    }
}

fn other_rule(rule: &At<'_, '_>) {
    verbs(rule);
    let urls = rule.field("nonResourceURLs");
    if urls.is_empty() {
        urls.required("nonResourceURLs must contain at least one value");
    } else if has_all(&urls) {
        alone(&urls, "non-resource URLs");
    } else {
        urls.items().filter_map(|url| Some((url, url_fault(url.text())?))).for_each(|(url, why)| {
            url.invalid_text(why);
        });
    }
}

fn url_fault(path: &str) -> Option<&'static str> {
    match path {
        "" => Some("must not be empty"),
        "/" => None,
        path if !path.starts_with('/') => Some("must start with slash"),
        path if path.contains(' ') => Some("must not contain white-space"),
        path if path.contains("//") => Some("must not contain double slash"),
        path => {
            let stars = path.matches('*').count();
            (stars > 1 || (stars == 1 && !path.ends_with("/*")))
                .then_some("wildcard can only do suffix matching")
        }
    }
}

const ZERO_SHARES: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";

pub(super) fn level(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    let (meta, spec) = (object.field("metadata"), object.field("spec"));
    let (name, annotations) = (meta.get_text("name"), meta.field("annotations"));
    if annotations.has(ZERO_SHARES) {
        annotations.forbidden(format!("annotation '{ZERO_SHARES}' is forbidden"));
    }
    level_spec(&spec, name);
    match name {
        "exempt" if !same_but(spec.value(), &json!({"type": "Exempt"}), &["exempt"]) => {
            spec.invalid("spec of 'exempt' except the 'spec.exempt' field must equal the fixed value");
        }
        "catch-all" if !same(spec.value(), &catch_all()) => {
            spec.invalid("spec of 'catch-all' must equal the fixed value");
        }
        _ => {}
    }
    conditions(&object.field("status"));
}

fn catch_all() -> Value {
    json!({"type": "Limited", "limited": {
        "nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": {"type": "Reject"},
    }})
}

pub(super) fn level_update(change: &Change<'_, '_>) {
    level(&change.new);
}

fn level_spec(spec: &At<'_, '_>, name: &str) {
    let kind = spec.field("type");
    let (limited, exempt) = (spec.field("limited"), spec.field("exempt"));
    if (name == "exempt") != (kind.text() == "Exempt") {
        kind.invalid_text("must be 'Exempt' if and only if `name` is 'exempt'");
    }
    match kind.text() {
        "Exempt" => {
            if limited.is_set() {
                limited.forbidden("must be nil if the type is not Limited");
            }
            shares(&exempt);
        }
        "Limited" => {
            if exempt.is_set() {
                exempt.forbidden("must be nil if the type is Limited");
            }
            if limited.is_set() {
                limited_level(&limited);
            } else {
                limited.required("must not be empty when type is Limited");
            }
        }
        _ => kind.unsupported(&["Exempt", "Limited"]),
    }
}

fn negative(at: &At<'_, '_>, message: &str) {
    if at.number() < 0 {
        at.invalid_number(message);
    }
}

fn percent(at: &At<'_, '_>) {
    if !(0..=100).contains(&at.number()) {
        at.invalid_number("must be between 0 and 100, inclusive");
    }
}

fn shares(level: &At<'_, '_>) {
    negative(&level.field("nominalConcurrencyShares"), "must be a non-negative integer");
    percent(&level.field("lendablePercent"));
}

fn limited_level(level: &At<'_, '_>) {
    negative(&level.field("nominalConcurrencyShares"), "must be a non-negative integer");
    let response = level.field("limitResponse");
    let (kind, queuing) = (response.field("type"), response.field("queuing"));
    match kind.text() {
        "Reject" if queuing.is_set() => {
            queuing.forbidden("must be nil if limited.limitResponse.type is not Limited");
        }
        "Reject" => {}
        "Queue" if queuing.is_set() => queues(&queuing),
        "Queue" => queuing.required("must not be empty if limited.limitResponse.type is Limited"),
        _ => kind.unsupported(&["Queue", "Reject"]),
    }
    percent(&level.field("lendablePercent"));
    negative(&level.field("borrowingLimitPercent"), "if specified, must be a non-negative integer");
}

fn queues(queuing: &At<'_, '_>) {
    let [length, queues, hand] = ["queueLengthLimit", "queues", "handSize"].map(|name| queuing.field(name));
    if length.number() <= 0 {
        length.invalid_number("must be positive");
    }
    if queues.number() <= 0 {
        queues.invalid_number("must be positive");
    } else if queues.number() > QUEUES_MAX {
        queues.invalid_number("must not be greater than 10000000");
    }
    let (deck, size) = (queues.number(), hand.number());
    if size <= 0 {
        hand.invalid_number("must be positive");
    } else if size > deck {
        hand.invalid_number(format!("should not be greater than queues ({deck})"));
    } else if entropy_bits(deck, size) > HASH_BITS {
        hand.invalid_number(format!(
            "required entropy bits of deckSize {deck} and handSize {size} should not be greater than 60"
        ));
    }
}

/// Bits that decide a hand dealt from a deck (`RequiredEntropyBits`).
fn entropy_bits(deck: i64, hand: i64) -> f64 {
    let bits = (0..hand.min(64)).map(|dealt| ((deck - dealt).max(1) as f64).log2()).sum::<f64>();
    bits.ceil()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_needs_few_bits() {
        assert!(entropy_bits(64, 8) <= HASH_BITS);
        assert!(entropy_bits(1024, 6) <= HASH_BITS);
        assert!(entropy_bits(1024, 7) > HASH_BITS);
        assert!(entropy_bits(1, 1) <= HASH_BITS);
    }

    #[test]
    fn urls_have_a_star_at_the_end_only() {
        for (path, fine) in
            [("/", true), ("/healthz", true), ("/a/*", true), ("/a*", false), ("a", false), ("//", false)]
        {
            assert_eq!(url_fault(path).is_none(), fine, "{path}");
        }
    }
}
