//! Aggregated cluster roles: the rules of a role with an `aggregationRule` are those of the roles that it selects by their
//! labels (`pkg/controller/clusterroleaggregation`).
//!
//! A role that is selected and aggregated itself gives what it has now, and again what it gets: chains settle. Invariant: a
//! role never gives rules to itself.

use jiff::Timestamp;
use orch_core::controller::{Controller, Plan};
use orch_core::selector::Selector;
use orch_core::view::{Needs, Projection, View};
use orch_core::{Change, Key, Kind, Live, Object, Write, kind};
use serde_json::{Value, json};

/// Keeps the rules of aggregated roles.
///
/// ```
/// use orch_controllers::clusterrole::ClusterRoleAggregationController;
/// use orch_core::controller::Controller;
/// assert_eq!(ClusterRoleAggregationController::default().name(), "clusterrole-aggregation-controller");
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ClusterRoleAggregationController;

/// A role, what it has and what it should have.
pub struct Observed {
    role: Object,
    rules: Vec<Value>,
    wanted: Vec<Value>,
}

struct Role {
    /// Which roles it is made of; `None` when it is not aggregated.
    selectors: Option<Vec<Selector>>,
    rules: Vec<Value>,
}

impl Projection for Role {
    fn kind() -> Option<Kind> {
        Some(kind::CLUSTER_ROLES)
    }

    fn project(object: &Live) -> Self {
        let tree = object.tree();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let rule = tree.get("aggregationRule").filter(|rule| !rule.is_null());
        // A selector that cannot be read selects nothing.
        let selectors = rule.map(|rule| {
            let all = list(&rule["clusterRoleSelectors"]);
            all.iter().filter_map(|selector| Selector::from_value(selector).ok()).collect()
        });
        Self { selectors, rules: list(&tree["rules"]) }
    }
}

impl Controller for ClusterRoleAggregationController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "clusterrole-aggregation-controller"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Role>()
    }

    fn keys(&self, _: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        let aggregated = view.of::<Role>().iter().filter(|row| row.facts.selectors.is_some());
        aggregated.for_each(|row| out(row.object.key().clone()));
    }

    fn observe(&self, key: &Key, _: Timestamp, view: &dyn View) -> Option<Observed> {
        let roles = view.of::<Role>();
        let role = roles.get(key)?;
        let mut wanted: Vec<Value> = Vec::new();
        for selector in role.facts.selectors.as_ref()? {
            let selected = roles.iter().filter(|other| other.object.key() != key);
            let selected = selected.filter(|other| selector.matches(|label| other.object.label(label)));
            for rule in selected.flat_map(|other| &other.facts.rules) {
                if !wanted.contains(rule) {
                    wanted.push(rule.clone());
                }
            }
        }
        Some(Observed { role: role.object.clone(), rules: role.facts.rules.clone(), wanted })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        let Observed { role, rules, wanted } = observed;
        if rules == wanted || role.header().is_terminating() {
            return Plan::new();
        }
        let write = Write::merge(role.key().clone(), json!({"rules": wanted}));
        Plan::new().write(write.of(role.uid()).at(role.revision()))
    }
}
