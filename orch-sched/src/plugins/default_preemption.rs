//! Makes room by having pods of lower priority deleted.
//!
//! As `pkg/scheduler/framework/plugins/defaultpreemption` and `pkg/scheduler/framework/preemption`. Pods that are on their
//! way off the node already are not victims again. Invariant: a victim is less important than the pod that needs room.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use orch_core::selector::Selector;
use orch_core::{Change, Key, Kind, Str};

use crate::cluster::{Pod, PodId, Preemption};
use crate::framework::{Candidate, ClusterEvent, Leaving, Plugin, PostFilter, Refusal, Signature, Trial};

/// Removes the fewest and least important pods, and rather none that a disruption budget protects.
#[derive(Clone, Debug, Default)]
pub struct DefaultPreemption {
    budgets: BTreeMap<Key, Budget>,
}

#[derive(Clone, Debug)]
struct Budget {
    selector: Selector,
    allowed: i64,
    /// Names of pods whose disruption is counted already.
    disrupted: BTreeSet<Str>,
}

fn budgets() -> Kind {
    Kind::named("policy", "poddisruptionbudgets")
}

impl Plugin for DefaultPreemption {
    fn name(&self) -> &'static str {
        "DefaultPreemption"
    }

    fn kinds(&self) -> Vec<Kind> {
        vec![budgets()]
    }

    fn apply(&mut self, change: &Change) {
        let Some(live) = &change.now else {
            self.budgets.remove(change.key());
            return;
        };
        let tree = live.tree();
        let status = &tree["status"];
        let disrupted = status["disruptedPods"].as_object().into_iter().flatten();
        let budget = Budget {
            selector: Selector::from_value(&tree["spec"]["selector"]).unwrap_or_else(|_| Selector::nothing()),
            allowed: status["disruptionsAllowed"].as_i64().unwrap_or(0),
            disrupted: disrupted.map(|(name, _)| name.as_str().into()).collect(),
        };
        self.budgets.insert(change.key().clone(), budget);
    }

    fn sign(&self, _: &Pod, _: &mut Signature) {}

    /// It never refuses a pod: what refused it says what helps.
    fn helps(&self, _: &Pod, _: &ClusterEvent<'_>) -> bool {
        false
    }
}

impl DefaultPreemption {
    /// Which of the pods, the most important first, break a budget when all go.
    fn violations(&self, trial: &Trial<'_>, pods: &[PodId]) -> Vec<bool> {
        let mut left: BTreeMap<&Key, i64> =
            self.budgets.iter().map(|(key, budget)| (key, budget.allowed)).collect();
        let violates = |id: &PodId| {
            let pod = trial.pod(*id);
            let mut violates = false;
            for (key, budget) in self.budgets.iter().filter(|(key, _)| key.namespace == *pod.namespace()) {
                let counts = !budget.selector.is_everything()
                    && budget.selector.matches(|name| pod.label(name))
                    && !budget.disrupted.contains(&pod.key().name);
                if let Some(left) = left.get_mut(key).filter(|_| counts) {
                    *left -= 1;
                    violates |= *left < 0;
                }
            }
            violates
        };
        if self.budgets.is_empty() { vec![false; pods.len()] } else { pods.iter().map(violates).collect() }
    }
}

impl PostFilter for DefaultPreemption {
    fn eligible(&self, pod: &Pod, leaving: Leaving) -> Result<(), String> {
        if pod.spec().preemption == Preemption::Never {
            return Err("not eligible due to preemptionPolicy=Never.".to_owned());
        }
        match leaving {
            Leaving::Some => Err("not eligible due to a terminating pod on the nominated node.".to_owned()),
            Leaving::None => Ok(()),
        }
    }

    fn candidate(&self, pod: &Pod, trial: &mut Trial<'_>) -> Result<Candidate, Refusal> {
        let less_important = |id: &PodId| trial.pod(*id).priority() < pod.priority();
        let mut pods: Vec<PodId> = trial.node().pod_ids().iter().copied().filter(less_important).collect();
        if pods.is_empty() {
            return Err(Refusal::unresolvable("No preemption victims found for incoming pod"));
        }
        pods.iter().for_each(|id| trial.remove(*id));
        trial.fits()?;
        pods.retain(|id| !trial.is_leaving(*id));
        pods.sort_by_cached_key(|id| {
            let pod = trial.pod(*id);
            (Reverse(pod.priority()), started(pod), pod.key().clone())
        });
        let violations = self.violations(trial, &pods);
        let (mut victims, mut violating) = (Vec::new(), 0);
        for protected in [true, false] {
            for (id, violates) in pods.iter().zip(&violations).filter(|(_, violates)| **violates == protected)
            {
                trial.restore(*id);
                if trial.fits().is_err() {
                    trial.remove(*id);
                    victims.push(*id);
                    violating += i64::from(*violates);
                }
            }
        }
        victims.sort_by_cached_key(|id| pods.iter().position(|other| other == id));
        Ok(Candidate { rank: rank(trial, &victims, violating), victims })
    }
}

/// When a pod was started, in milliseconds; one that was not yet counts as the latest.
fn started(pod: &Pod) -> i64 {
    pod.started().map_or(i64::MAX, jiff::Timestamp::as_millisecond)
}

/// Fewest violations, then the least important victims, then the latest started.
fn rank(trial: &Trial<'_>, victims: &[PodId], violations: i64) -> [i64; 5] {
    let priorities = || victims.iter().map(|id| trial.pod(*id).priority());
    let Some(highest) = priorities().max() else { return [0, i64::MIN, 0, 0, i64::MIN] };
    // Shifted to be positive, so that fewer victims of negative priority sum up to less.
    let sum = priorities().map(|priority| priority.saturating_add(1 << 31)).fold(0, i64::saturating_add);
    let top = victims.iter().map(|id| trial.pod(*id)).filter(|pod| pod.priority() == highest);
    let earliest = top.map(|pod| started(pod)).min().unwrap_or(i64::MAX);
    let count = i64::try_from(victims.len()).unwrap_or(i64::MAX);
    [violations, highest, sum, count, earliest.saturating_neg()]
}
