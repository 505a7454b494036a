//! The identity of a pod: its name says whose it is and which (`pkg/controller/statefulset/stateful_set_utils.go`).

use orch_core::Key;
use serde_json::{Value, json};

use crate::json::{list, text};
use crate::owner::Parent;
use crate::template::{self, set_label};

/// The label that holds the pod's name.
pub(super) const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// The label that holds the pod's ordinal.
pub(super) const POD_INDEX: &str = "apps.kubernetes.io/pod-index";
/// The label that holds the name of the pod's revision.
pub(super) const REVISION: &str = "controller-revision-hash";

pub(super) fn pod_name(set: &str, ordinal: i32) -> String {
    format!("{set}-{ordinal}")
}

pub(super) fn claim_name(template: &str, set: &str, ordinal: i32) -> String {
    format!("{template}-{set}-{ordinal}")
}

/// The ordinal of a pod of that name, when it is a name that the set gives.
pub(super) fn ordinal(set: &str, pod: &str) -> Option<i32> {
    let digits = pod.strip_prefix(set)?.strip_prefix('-')?;
    let ordinal: i32 = digits.parse().ok()?;
    (ordinal >= 0 && pod_name(set, ordinal) == pod).then_some(ordinal)
}

/// The pod of an ordinal, of that revision of the template.
pub(super) fn pod(
    parent: &Parent,
    spec: &Value,
    template: &Value,
    revision: &str,
    ordinal: i32,
) -> (Key, Value) {
    let set = parent.object.key();
    let name = pod_name(&set.name, ordinal);
    let key = set.sibling(orch_core::kind::PODS, name.as_str());
    let mut pod = template::pod(template, &key.namespace, &parent.reference());
    pod["metadata"]["name"] = json!(name);
    set_label(&mut pod, POD_NAME, &name);
    set_label(&mut pod, POD_INDEX, &ordinal.to_string());
    set_label(&mut pod, REVISION, revision);
    pod["spec"]["hostname"] = json!(name);
    match text(&spec["serviceName"]) {
        "" => {}
        service => pod["spec"]["subdomain"] = json!(service),
    }
    pod["spec"]["volumes"] =
        volumes(&pod["spec"]["volumes"], list(&spec["volumeClaimTemplates"]), &set.name, ordinal);
    (key, pod)
}

/// The volumes of the template, those of the same name replaced by the claims of the ordinal.
fn volumes(volumes: &Value, claims: &[Value], set: &str, ordinal: i32) -> Value {
    let name_of = |claim: &Value| text(&claim["metadata"]["name"]).to_owned();
    let claimed = claims.iter().map(|claim| {
        let name = name_of(claim);
        json!({"name": name, "persistentVolumeClaim": {"claimName": claim_name(&name, set, ordinal)}})
    });
    let is_claimed = |volume: &Value| claims.iter().any(|claim| name_of(claim) == text(&volume["name"]));
    let others = list(volumes).iter().filter(|volume| !is_claimed(volume)).cloned();
    let all: Vec<Value> = claimed.chain(others).collect();
    if all.is_empty() { Value::Null } else { Value::Array(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pod: &str, expected: Option<i32>) {
        assert_eq!(ordinal("web", pod), expected, "{pod}");
    }

    #[test]
    fn only_names_that_the_set_gives_are_members() {
        check("web-0", Some(0));
        check("web-12", Some(12));
        check("web-01", None);
        check("web-+1", None);
        check("web--1", None);
        check("web-x", None);
        check("web", None);
        check("other-1", None);
        check("web-99999999999", None);
    }

    #[test]
    fn claims_take_the_place_of_volumes_of_their_name() {
        let claims = [json!({"metadata": {"name": "data"}})];
        let found = volumes(
            &json!([{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]),
            &claims,
            "db",
            2,
        );
        let expected = json!([
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-2"}}, {"name": "tmp", "emptyDir": {}}]);
        assert_eq!(found, expected);
        assert_eq!(volumes(&Value::Null, &[], "db", 0), Value::Null);
    }
}
