//! LimitRanges of a namespace: what containers get that do not ask, and what is too little or too much
//! (`plugin/pkg/admission/limitranger/admission.go`).
//!
//! Not quota. Invariant: what is admitted is within every LimitRange that was there before it.

use orch_core::{Quantity, Result, kind};
use serde_json::Value;

use super::batch::Of;
use super::facts::Facts;
use crate::amounts::{Amounts, aggregate, in_resources, of};
use crate::tree::{Get, Set, Tree};

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

impl Of<'_> {
    /// Before a pod or a claim is created.
    pub(super) async fn limit(&self, tree: &mut Tree, facts: &mut Facts<'_>) -> Result<()> {
        let ranges = facts.limit_ranges(&self.write.key.namespace).await?;
        if ranges.is_empty() {
            return Ok(());
        }
        let is_pod = self.info.kind == kind::PODS;
        if is_pod {
            ranges.iter().for_each(|range| fill(tree, range));
        }
        self.judge_limits(tree.get("spec").unwrap_or(&Value::Null), &ranges)
    }

    /// Before a pod is resized: nothing is filled in.
    pub(super) async fn within_limits(&self, tree: &Value, facts: &mut Facts<'_>) -> Result<()> {
        let ranges = facts.limit_ranges(&self.write.key.namespace).await?;
        self.judge_limits(tree.get("spec").unwrap_or(&Value::Null), &ranges)
    }

    fn judge_limits(&self, spec: &Value, ranges: &[Value]) -> Result<()> {
        let is_pod = self.info.kind == kind::PODS;
        for range in ranges {
            let why = if is_pod { pod(spec, range) } else { claim(spec, range) };
            match why.as_slice() {
                [] => {}
                [one] => return Err(self.forbidden(one)),
                many => return Err(self.forbidden(format!("[{}]", many.join(", ")))),
            }
        }
        Ok(())
    }
}

fn items<'v>(range: &'v Value, ty: &str) -> impl Iterator<Item = &'v Value> {
    let limits = range.at("spec").map_or(&[][..], |spec| spec.list("limits"));
    limits.iter().filter(move |item| item.text("type") == ty)
}

/// Gives every container what the range says it gets, and says so in an annotation.
fn fill(tree: &mut Tree, range: &Value) {
    let mut said = Vec::new();
    for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
        for container in tree.make("spec").objects_mut(list) {
            for (of, word, part) in
                [("defaultRequest", "request", "requests"), ("default", "limit", "limits")]
            {
                let mut set: Vec<&str> = Vec::new();
                for (name, value) in items(range, "Container").filter_map(|item| item.object_at(of)).flatten()
                {
                    let amounts = container.make("resources").make(part);
                    if amounts.at(name).is_none() {
                        amounts.put(name, value.clone());
                        set.push(name);
                    }
                }
                set.sort_unstable();
                if !set.is_empty() {
                    said.push(format!("{} {word} for {what} {}", set.join(", "), container.text("name")));
                }
            }
            let resources = container.make("resources");
            for part in ["requests", "limits"] {
                if resources.is_unset(part) {
                    resources.remove(part);
                }
            }
        }
    }
    if !said.is_empty() {
        let said = format!("LimitRanger plugin set: {}", said.join("; "));
        tree.make("metadata").make("annotations").put(ANNOTATION, said);
    }
}

fn pod(spec: &Value, range: &Value) -> Vec<String> {
    let mut why = Vec::new();
    for item in items(range, "Container") {
        for container in spec.list("containers").iter().chain(spec.list("initContainers")) {
            let (requests, limits) = (in_resources(container, "requests"), in_resources(container, "limits"));
            judge(item, "Container", &requests, &limits, &mut why);
        }
    }
    for item in items(range, "Pod") {
        judge(item, "Pod", &aggregate(spec, "requests"), &aggregate(spec, "limits"), &mut why);
    }
    why
}

fn claim(spec: &Value, range: &Value) -> Vec<String> {
    const TYPE: &str = "PersistentVolumeClaim";
    let mut why = Vec::new();
    let requests = in_resources(spec, "requests");
    for item in items(range, TYPE) {
        for (name, most) in of(item.at("max")) {
            match requests.get(name) {
                None => {
                    why.push(format!("maximum {name} usage per {TYPE} is {most}.  No request is specified"))
                }
                Some(asked) if *asked > most => {
                    why.push(format!("maximum {name} usage per {TYPE} is {most}, but request is {asked}"));
                }
                Some(_) => {}
            }
        }
        least(item, TYPE, &requests, &Amounts::new(), &mut why);
    }
    why
}

fn judge(item: &Value, ty: &str, requests: &Amounts<'_>, limits: &Amounts<'_>, why: &mut Vec<String>) {
    least(item, ty, requests, limits, why);
    for (name, most) in of(item.at("max")) {
        let start = format!("maximum {name} usage per {ty} is {most}");
        match (limits.get(name), requests.get(name)) {
            (None, _) => why.push(format!("{start}.  No limit is specified")),
            (Some(limit), _) if *limit > most => why.push(format!("{start}, but limit is {limit}")),
            (_, Some(asked)) if *asked > most => why.push(format!("{start}, but request is {asked}")),
            _ => {}
        }
    }
    for (name, most) in of(item.at("maxLimitRequestRatio")) {
        let start = format!("{name} max limit to request ratio per {ty} is {most}");
        let some =
            |amounts: &Amounts<'_>| amounts.get(name).copied().filter(|amount| *amount > Quantity::ZERO);
        match (some(requests), some(limits)) {
            (None, _) => why.push(format!("{start}, but no request is specified or request is 0")),
            (_, None) => why.push(format!("{start}, but no limit is specified or limit is 0")),
            (Some(asked), Some(limit)) => {
                let ratio = thousandths(limit) / thousandths(asked);
                if ratio > thousandths(most) / 1000.0 {
                    why.push(format!("{start}, but provided ratio is {ratio:.6}"));
                }
            }
        }
    }
}

fn least(item: &Value, ty: &str, requests: &Amounts<'_>, limits: &Amounts<'_>, why: &mut Vec<String>) {
    for (name, least) in of(item.at("min")) {
        let start = format!("minimum {name} usage per {ty} is {least}");
        match (requests.get(name), limits.get(name)) {
            (None, _) => why.push(format!("{start}.  No request is specified")),
            (_, Some(limit)) if *limit < least => why.push(format!("{start}, but limit is {limit}")),
            (Some(asked), _) if *asked < least => why.push(format!("{start}, but request is {asked}")),
            _ => {}
        }
    }
}

/// An amount as a number: exact up to 2⁵³ thousandths, which a ratio does not need.
#[expect(clippy::cast_precision_loss, reason = "a ratio is compared as a number, as Kubernetes does")]
fn thousandths(amount: Quantity) -> f64 {
    amount.milli_value() as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn range(item: Value) -> Value {
        json!({"spec": {"limits": [item]}})
    }

    #[test]
    fn containers_get_what_they_do_not_ask_for() {
        let range = range(
            json!({"type": "Container", "default": {"cpu": "200m", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m"}}),
        );
        let mut tree = json!({"spec": {"containers": [{"name": "c"}, {"name": "d", "resources": {"requests": {"cpu": "1"},
            "limits": {"cpu": "2", "memory": "1Gi"}}}]}});
        fill(tree.as_object_mut().unwrap(), &range);
        let resources = &tree["spec"]["containers"][0]["resources"];
        assert_eq!(
            *resources,
            json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "200m", "memory": "1Gi"}})
        );
        assert_eq!(tree["spec"]["containers"][1]["resources"]["limits"]["cpu"], "2");
        assert_eq!(
            tree["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: cpu request for container c; cpu, memory limit for container c"
        );
    }

    #[test]
    fn what_is_out_of_range_is_told_in_kubernetes_words() {
        let spec = |requests: Value, limits: Value| json!({"containers": [{"name": "c", "resources": {"requests": requests, "limits": limits}}]});
        for (item, spec, expected) in [
            (
                json!({"type": "Container", "max": {"cpu": "1"}}),
                spec(json!({}), json!({})),
                "maximum cpu usage per Container is 1.  No limit is specified",
            ),
            (
                json!({"type": "Container", "max": {"cpu": "1"}}),
                spec(json!({"cpu": "1"}), json!({"cpu": "2"})),
                "maximum cpu usage per Container is 1, but limit is 2",
            ),
            (
                json!({"type": "Pod", "min": {"memory": "1Gi"}}),
                spec(json!({"memory": "1Mi"}), json!({})),
                "minimum memory usage per Pod is 1Gi, but request is 1Mi",
            ),
            (
                json!({"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}),
                spec(json!({"cpu": "100m"}), json!({"cpu": "300m"})),
                "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
            ),
        ] {
            assert_eq!(pod(&spec, &range(item)), [expected]);
        }
        let fits = range(json!({"type": "Container", "min": {"cpu": "1"}, "max": {"cpu": "2"}}));
        assert!(pod(&spec(json!({"cpu": "1"}), json!({"cpu": "2"})), &fits).is_empty());
        let claims = range(json!({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}));
        let large = json!({"resources": {"requests": {"storage": "2Gi"}}});
        assert_eq!(
            claim(&large, &claims),
            ["maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"]
        );
    }
}
