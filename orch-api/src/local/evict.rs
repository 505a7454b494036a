//! Evicting a pod: a deletion that respects disruption budgets (`pkg/registry/core/pod/storage/eviction.go`, KEP-85).
//!
//! Not the counting of budgets: what their status says is taken as it stands. Invariant: an eviction charges a budget once,
//! before the pod goes, and only when the budget has something left.

use std::time::Duration;

use orch_core::object::Part;
use orch_core::selector::Selector;
use orch_core::{
    ApiExt, DeleteOptions, DisruptionCause, DryRun, Error, Key, Live, Propagation, Result, Revision, Select,
    Subresource, Verb, Write, kind,
};
use serde_json::{Value, json};

use super::batch::{Of, Step};
use super::binding::put_condition;
use super::metadata;
use crate::tree::{Get, Set, Tree};

/// Pods that a budget has let go and whose end nobody has counted yet: beyond that, whoever counts has stopped.
const DISRUPTED_MAX: usize = 2_000;
/// Tries to charge a budget that others write.
const TRIES: u32 = 20;
/// What a client waits when nobody knows better.
const AGAIN: Duration = Duration::from_secs(10);

/// What a budget says about a pod.
enum Verdict {
    /// It goes, and nothing is charged.
    Free,
    /// It goes, if the budget can be charged.
    Charged,
}

impl Of<'_> {
    /// Deletes the pod as the eviction's `deleteOptions` say, if its budget lets it go.
    pub(super) async fn evict(mut self) -> Result<Step> {
        let options = self.evict_options()?;
        let pod = self.stored().await?;
        self.expect(&pod)?;
        if !*self.is_charged && !needs_no_budget(&pod) {
            let budgets = self.budgets(&pod).await?;
            match budgets.as_slice() {
                [] => {}
                [budget] => match verdict(&pod, budget) {
                    Verdict::Free => {}
                    Verdict::Charged => {
                        self.charge(budget.clone()).await?;
                        *self.is_charged = true;
                    }
                },
                _ => return Err(self.kept(DisruptionCause::Several, None)),
            }
        }
        self.delete_marked(&options, &pod)
    }

    /// What the eviction says of the deletion; its preconditions become those of the write.
    fn evict_options(&mut self) -> Result<DeleteOptions> {
        let Verb::Create(eviction) = &self.write.verb else {
            return Err(self.not_allowed("update of an eviction"));
        };
        let mut options = DeleteOptions::default();
        let Some(given) = eviction.object_at("deleteOptions") else { return Ok(options) };
        options.grace_secs = given.number("gracePeriodSeconds");
        options.propagation = match given.text("propagationPolicy") {
            "Foreground" => Some(Propagation::Foreground),
            "Background" => Some(Propagation::Background),
            "Orphan" => Some(Propagation::Orphan),
            _ => None,
        };
        // The same two names as in metadata.
        let preconditions = json!({"metadata": given.at("preconditions")});
        let is_tried = given.list("dryRun").iter().any(|word| word == "All");
        self.write.precondition =
            metadata::precondition(&self.write.key, &self.write.precondition, &preconditions)?;
        if is_tried {
            self.write.options.dry_run = DryRun::All;
        }
        Ok(options)
    }

    /// The budgets that cover the pod.
    async fn budgets(&self, pod: &Live) -> Result<Vec<Live>> {
        let select = Select::kind(kind::POD_DISRUPTION_BUDGETS).namespace(pod.key().namespace.clone());
        let page = self.api.shared.store.list(&select, None, 0).await?;
        let covers = |tree: &Value| {
            let selector = tree.at("spec").and_then(|spec| spec.at("selector")).unwrap_or(&Value::Null);
            // A selector that cannot be read covers nothing.
            Selector::from_value(selector).is_ok_and(|selector| selector.matches(|key| pod.label(key)))
        };
        let budgets = page.items.into_iter().filter(|budget| covers(&budget.body_tree()));
        Ok(budgets.map(Live::from).collect())
    }

    /// Takes one disruption of a budget and writes down for whom.
    async fn charge(&self, mut budget: Live) -> Result<()> {
        let key = budget.key().clone();
        for _ in 0..TRIES {
            let mut tree = Value::clone(&budget.tree());
            let now = metadata::seconds(self.api.shared.env.now());
            self.decrement(&key, &mut tree, &now)?;
            if self.write.options.dry_run == DryRun::All {
                return Ok(());
            }
            let write = Write::update(key.clone(), tree).to(Subresource::Status).at(budget.revision());
            match self.api.one(write).await {
                Ok(_) => return Ok(()),
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
            budget = self.api.shared.store.get(&key, Revision::ZERO).await?;
        }
        let why = format!("couldn't update PodDisruptionBudget {:?} due to conflicts", &*key.name);
        Err(Error::TooManyRequests { subject: key.to_string(), why, retry_after: Some(AGAIN) })
    }

    /// `checkAndDecrement`.
    fn decrement(&self, key: &Key, budget: &mut Value, now: &str) -> Result<()> {
        let name = &key.name;
        let generation = budget.object_at("metadata").and_then(|metadata| metadata.number("generation"));
        let empty = Tree::new();
        let status = budget.object_at("status").unwrap_or(&empty);
        if status.number("observedGeneration").unwrap_or(0) < generation.unwrap_or(0) {
            let why = format!("The disruption budget {name} is still being processed by the server.");
            return Err(self.kept(DisruptionCause::Budget(why), Some(AGAIN)));
        }
        let refused = |why: &str| Err(Error::Forbidden { key: key.clone(), why: why.to_owned() });
        let left = status.number("disruptionsAllowed").unwrap_or(0);
        if left < 0 {
            return refused("pdb disruptions allowed is negative");
        }
        if status.object_at("disruptedPods").is_some_and(|pods| pods.len() > DISRUPTED_MAX) {
            return refused("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
        }
        if left == 0 {
            return Err(self.kept(DisruptionCause::Budget(exhausted(name, status)), None));
        }
        let status = metadata::root(&self.info, budget)?.make("status");
        status.put("disruptionsAllowed", left - 1);
        if left == 1 {
            used_up(status, now);
        }
        status.make("disruptedPods").put(&self.write.key.name, now);
        Ok(())
    }

    fn kept(&self, why: DisruptionCause, retry_after: Option<Duration>) -> Error {
        Error::Disruption { key: self.key(), why, retry_after }
    }

    /// Begins the deletion, and says in the pod's status that it was evicted.
    fn delete_marked(self, options: &DeleteOptions, pod: &Live) -> Result<Step> {
        let mut status = Value::clone(&pod.part_tree(Part::Status));
        if !status.is_object() {
            status = json!({});
        }
        let now = metadata::seconds(self.api.shared.env.now());
        let condition = json!({"type": "DisruptionTarget", "status": "True", "lastProbeTime": null,
            "lastTransitionTime": now, "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"});
        put_condition(metadata::root(&self.info, &mut status)?, condition);
        let marked = pod.with_part(&self.info, Part::Status, &status)?;
        // Of a deletion that is under way already nothing changes, and nothing is marked.
        match self.delete_from(&Live::from(marked.at(pod.revision())), options)? {
            Step::Done(_) => Ok(Step::Done(pod.clone())),
            step => Ok(step),
        }
    }
}

/// A pod whose end disrupts nothing (`canIgnorePDB`).
fn needs_no_budget(pod: &Live) -> bool {
    pod.header().is_terminating()
        || matches!(pod.field("status.phase"), Some("Succeeded" | "Failed" | "Pending") | None)
}

fn verdict(pod: &Live, budget: &Live) -> Verdict {
    let tree = budget.tree();
    let spec = tree.at("spec").map_or("", |spec| spec.text("unhealthyPodEvictionPolicy"));
    let number = |field| tree.at("status").and_then(|status| status.number(field)).unwrap_or(0);
    let (healthy, desired) = (number("currentHealthy"), number("desiredHealthy"));
    let is_free = !is_ready(pod) && (spec == "AlwaysAllow" || healthy >= desired && desired > 0);
    if is_free { Verdict::Free } else { Verdict::Charged }
}

fn is_ready(pod: &Live) -> bool {
    let status = pod.part_tree(Part::Status);
    let mut conditions = status.list("conditions").iter();
    conditions.any(|condition| condition.text("type") == "Ready" && condition.text("status") == "True")
}

fn allowed(status: &Tree) -> Option<&Value> {
    status.list("conditions").iter().find(|condition| condition.text("type") == "DisruptionAllowed")
}

/// Why nothing is left.
fn exhausted(name: &str, status: &Tree) -> String {
    let number = |field| status.number(field).unwrap_or(0);
    let (healthy, desired) = (number("currentHealthy"), number("desiredHealthy"));
    let start = format!("The disruption budget {name}");
    let condition = allowed(status)
        .filter(|condition| condition.text("status") == "False" && !condition.text("message").is_empty());
    match condition {
        Some(condition) if condition.text("reason") == "SyncFailed" => {
            let why = condition.text("message");
            format!("{start} does not allow evicting pods currently because it failed sync: {why}")
        }
        _ if healthy <= desired => {
            format!("{start} needs {desired} healthy pods and has {healthy} currently")
        }
        Some(condition) => {
            let (reason, why) = (condition.text("reason"), condition.text("message"));
            format!("{start} does not allow evicting pods currently ({reason}): {why}")
        }
        None => format!("{start} does not allow evicting pods currently"),
    }
}

/// The condition of a budget that has nothing left (`UpdateDisruptionAllowedCondition`).
fn used_up(status: &mut Tree, now: &str) {
    let since = allowed(status)
        .filter(|condition| condition.text("status") == "False")
        .map(|condition| condition.text("lastTransitionTime").to_owned());
    let generation = status.number("observedGeneration").unwrap_or(0);
    let condition = json!({"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
        "observedGeneration": generation, "lastTransitionTime": since.unwrap_or_else(|| now.to_owned())});
    put_condition(status, condition);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn check(status: Value, expected: &str) {
        assert_eq!(
            exhausted("b", status.as_object().unwrap()),
            format!("The disruption budget b {expected}")
        );
    }

    #[test]
    fn a_budget_says_why_nothing_is_left() {
        let no = |reason: &str| json!([{"type": "DisruptionAllowed", "status": "False", "reason": reason, "message": "m"}]);
        check(json!({"currentHealthy": 1, "desiredHealthy": 2}), "needs 2 healthy pods and has 1 currently");
        check(
            json!({"currentHealthy": 1, "desiredHealthy": 2, "conditions": no("SyncFailed")}),
            "does not allow evicting pods currently because it failed sync: m",
        );
        check(
            json!({"currentHealthy": 3, "desiredHealthy": 2, "conditions": no("Other")}),
            "does not allow evicting pods currently (Other): m",
        );
        check(json!({"currentHealthy": 3, "desiredHealthy": 2}), "does not allow evicting pods currently");
    }
}
