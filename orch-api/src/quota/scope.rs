//! Which pods and claims a quota with scopes is about (`podMatchesScopeFunc`, `pvcMatchesScopeFunc`). Pure.

use orch_core::{Kind, kind};
use serde_json::Value;

use crate::strategy::qos_class;
use crate::tree::Get;

/// One condition of a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    name: String,
    operator: String,
    values: Vec<String>,
}

/// The conditions of a quota's spec: all must hold.
pub(crate) fn scopes(spec: &Value) -> Vec<Scope> {
    let plain = spec.list("scopes").iter().filter_map(Value::as_str).map(|name| Scope {
        name: name.to_owned(),
        operator: "Exists".to_owned(),
        values: Vec::new(),
    });
    let terms = spec.at("scopeSelector").map_or(&[][..], |selector| selector.list("matchExpressions"));
    let selected = terms.iter().map(|term| Scope {
        name: term.text("scopeName").to_owned(),
        operator: term.text("operator").to_owned(),
        values: term.list("values").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
    });
    plain.chain(selected).collect()
}

impl Scope {
    /// Whether it holds for an object; for kinds that have no scopes none does.
    pub(crate) fn holds(&self, kind: Kind, object: &Value) -> bool {
        let spec = object.at("spec").unwrap_or(&Value::Null);
        if kind == kind::PODS {
            self.holds_for_pod(spec, object)
        } else if kind == kind::PERSISTENT_VOLUME_CLAIMS && self.name == "VolumeAttributesClass" {
            self.selects(spec.text("volumeAttributesClassName"))
        } else {
            false
        }
    }

    fn holds_for_pod(&self, spec: &Value, pod: &Value) -> bool {
        let ends = || spec.number("activeDeadlineSeconds").is_some_and(|secs| secs >= 0);
        let is_best_effort = || {
            let known = pod.at("status").map_or("", |status| status.text("qosClass"));
            let class =
                if known.is_empty() { spec.as_object().map_or("BestEffort", qos_class) } else { known };
            class == "BestEffort"
        };
        match self.name.as_str() {
            "Terminating" => ends(),
            "NotTerminating" => !ends(),
            "BestEffort" => is_best_effort(),
            "NotBestEffort" => !is_best_effort(),
            "PriorityClass" => self.selects(spec.text("priorityClassName")),
            "CrossNamespacePodAffinity" => looks_elsewhere(spec),
            _ => false,
        }
    }

    /// Whether a name, empty when there is none, is one that the condition is about.
    fn selects(&self, name: &str) -> bool {
        let is_in = self.values.iter().any(|value| value == name);
        match self.operator.as_str() {
            "Exists" => !name.is_empty(),
            "DoesNotExist" => name.is_empty(),
            "In" => !name.is_empty() && is_in,
            "NotIn" => !is_in,
            _ => false,
        }
    }
}

/// Whether a pod wants to be near or far from pods of other namespaces.
fn looks_elsewhere(spec: &Value) -> bool {
    let Some(affinity) = spec.at("affinity") else { return false };
    let elsewhere =
        |term: &Value| !term.list("namespaces").is_empty() || term.at("namespaceSelector").is_some();
    ["podAffinity", "podAntiAffinity"].iter().filter_map(|side| affinity.at(side)).any(|side| {
        side.list("requiredDuringSchedulingIgnoredDuringExecution").iter().any(elsewhere)
            || side
                .list("preferredDuringSchedulingIgnoredDuringExecution")
                .iter()
                .filter_map(|term| term.at("podAffinityTerm"))
                .any(elsewhere)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn check(quota: Value, pod: Value, expected: bool) {
        let all = scopes(&quota);
        let pod = json!({"spec": pod});
        assert_eq!(all.iter().all(|scope| scope.holds(kind::PODS, &pod)), expected, "{quota} {pod}");
    }

    #[test]
    fn a_scope_is_about_some_pods() {
        let named = |name: &str| json!({"scopes": [name]});
        check(json!({}), json!({}), true);
        check(named("Terminating"), json!({"activeDeadlineSeconds": 5}), true);
        check(named("NotTerminating"), json!({"activeDeadlineSeconds": 5}), false);
        check(named("BestEffort"), json!({"containers": [{}]}), true);
        let asks = json!({"containers": [{"resources": {"requests": {"cpu": "1"}}}]});
        check(named("NotBestEffort"), asks, true);
        let class = |operator: &str, values: &[&str]| {
            json!({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": operator, "values": values}]}})
        };
        let high = json!({"priorityClassName": "high"});
        check(class("In", &["high"]), high.clone(), true);
        check(class("In", &["low"]), high.clone(), false);
        check(class("NotIn", &["low"]), high.clone(), true);
        check(class("DoesNotExist", &[]), high, false);
        let near = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"namespaces": ["other"]}]}}});
        check(named("CrossNamespacePodAffinity"), near, true);
        check(named("VolumeAttributesClass"), json!({}), false);
    }

    #[test]
    fn other_kinds_have_no_scopes() {
        let all = scopes(&json!({"scopes": ["NotTerminating"]}));
        assert!(!all[0].holds(kind::CONFIG_MAPS, &json!({})));
    }
}
