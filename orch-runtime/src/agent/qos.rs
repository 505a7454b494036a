//! The quality of service class of a pod (`pkg/apis/core/v1/helper/qos/qos.go`), for a pod whose Api did not set it.

use super::spec::{Amounts, PodSpec};

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub(super) fn class(spec: &PodSpec) -> &'static str {
    let set = |amounts: &Amounts, name: &str| amounts.get(name).is_some_and(|amount| !amount.is_zero());
    let mut all = spec.all().map(|container| &container.resources).peekable();
    if all.peek().is_none() {
        return "BestEffort";
    }
    let (mut is_guaranteed, mut asks) = (true, false);
    for resources in all {
        for name in ["cpu", "memory"] {
            let (request, limit) = (resources.requests.get(name), resources.limits.get(name));
            asks |= set(&resources.requests, name) || set(&resources.limits, name);
            is_guaranteed &=
                set(&resources.limits, name) && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (asks, is_guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(resources: Value, expected: &str) {
        let spec = PodSpec::read(&json!({"containers": [{"name": "a", "resources": resources}]})).unwrap();
        assert_eq!(class(&spec), expected);
    }

    #[test]
    fn the_class_follows_from_requests_and_limits() {
        check(json!({}), "BestEffort");
        check(json!({"requests": {"cpu": "1"}}), "Burstable");
        check(json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed");
        check(
            json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1024Mi"}}),
            "Guaranteed",
        );
        check(json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), "Burstable");
        check(json!({"limits": {"memory": "1Gi"}}), "Burstable");
    }
}
