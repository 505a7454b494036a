//! What users do after they have deployed: one action is one step, or a few that belong together.
//!
//! What an action writes is decided when it happens, from what is true then; everything that is drawn is drawn before.
//! Invariant: nothing that a user writes is refused by validation in a cluster where nobody else is in between.

mod by_hand;
mod deletion;
pub(super) mod nodes;
mod pods;
mod rollout;

use std::sync::Arc;
use std::time::Duration;

use orch_core::{Key, Kind, Live, Write, kind};
use serde_json::{Value, json};

use super::super::{Step, Truth};
use super::app::App;
use super::dice::Dice;
use super::pick::Places;
use super::template::HOLD;
use super::tree::list;

/// What an action is drawn from.
pub(super) struct Scene<'a> {
    pub(super) dice: Dice,
    /// Counts actions.
    pub(super) number: usize,
    /// When the action begins.
    pub(super) at: Duration,
    /// No step is later.
    pub(super) span: Duration,
    pub(super) places: &'a Places,
    pub(super) apps: &'a [Arc<App>],
    /// The most replicas that users ask for.
    pub(super) most: usize,
}

type Action = fn(&Scene<'_>) -> Vec<Step>;

/// Every action, with how often it is taken.
const ACTIONS: &[(usize, Action)] = &[
    (8, rollout::scale),
    (12, rollout::revise),
    (5, rollout::break_it),
    (5, rollout::roll_back),
    (2, rollout::replace),
    (4, rollout::pause),
    (5, rollout::change_strategy),
    (2, rollout::resize),
    (8, pods::delete),
    (2, pods::release),
    (2, pods::hand_over),
    (3, pods::create),
    (2, pods::hold),
    (2, pods::take_identity),
    (1, pods::price),
    (2, pods::delete_again),
    (1, pods::bind),
    (2, pods::delete_the_late),
    (5, deletion::workload),
    (2, deletion::replica_set),
    (2, deletion::namespace),
    (2, deletion::held),
    (2, deletion::shared),
    (2, by_hand::scale_replica_set),
    (2, by_hand::delete_claim),
    (2, by_hand::delete_slices),
    (1, by_hand::delete_revision),
    (1, by_hand::delete_lease),
    (2, by_hand::select_others),
    (1, by_hand::replace_service),
    (2, by_hand::edit_config),
    (2, nodes::cordon),
    (3, nodes::taint),
    (1, nodes::drain),
    (1, nodes::remove),
];

/// The steps of one action; an action that needs what nobody has deployed is drawn again.
pub(super) fn draw(scene: &Scene<'_>) -> Vec<Step> {
    (0..8).map(|_| scene.dice.weighted(ACTIONS)(scene)).find(|steps| !steps.is_empty()).unwrap_or_default()
}

impl Scene<'_> {
    /// The step with which the action begins.
    fn step(
        &self,
        what: impl Into<String>,
        act: impl Fn(&Truth) -> Vec<Write> + Send + Sync + 'static,
    ) -> Step {
        Step::new(self.at, what, act)
    }

    /// A step later in the action, after so many milliseconds; none when the run is over then.
    fn later(
        &self,
        (low, high): (usize, usize),
        what: impl Into<String>,
        act: impl Fn(&Truth) -> Vec<Write> + Send + Sync + 'static,
    ) -> Option<Step> {
        let after = Duration::from_millis(self.dice.between(low, high) as u64);
        let at = self.at + after;
        (at < self.span).then(|| Step::new(at, what, act))
    }

    /// An app of one of those kinds.
    fn app(&self, kinds: &[Kind]) -> Option<Arc<App>> {
        let fitting: Vec<_> = self.apps.iter().filter(|app| kinds.iter().any(|kind| app.is(*kind))).collect();
        (!fitting.is_empty()).then(|| Arc::clone(self.dice.pick(&fitting)))
    }

    /// An app that rolls out.
    fn rolling(&self) -> Option<Arc<App>> {
        self.app(&[kind::DEPLOYMENTS, kind::STATEFUL_SETS])
    }

    /// An app of any kind.
    fn any_app(&self) -> Option<Arc<App>> {
        self.app(&[kind::DEPLOYMENTS, kind::STATEFUL_SETS, kind::REPLICA_SETS])
    }
}

/// Writes to the object of a key, if it is there and stays.
fn on(
    key: &Key,
    act: impl Fn(&Live) -> Option<Write> + Send + Sync + 'static,
) -> impl Fn(&Truth) -> Vec<Write> + Send + Sync + 'static {
    let key = key.clone();
    move |truth| {
        let live = truth.get(&key).filter(|live| !live.header().is_terminating());
        live.and_then(&act).into_iter().collect()
    }
}

/// Adds the users' finalizer to an object.
fn hold(live: &Live) -> Option<Write> {
    if live.header().has_finalizer(HOLD) || live.header().is_terminating() {
        return None;
    }
    let mut finalizers: Vec<Value> = list(&live.tree()["metadata"]["finalizers"]).to_vec();
    finalizers.push(json!(HOLD));
    Some(of_this(live, json!({"metadata": {"finalizers": finalizers}})))
}

/// Takes the users' finalizers from an object, terminating or not.
pub(super) fn let_go(live: &Live) -> Option<Write> {
    let is_users = |name: &str| name.starts_with("example.com/");
    let (users, others): (Vec<_>, Vec<_>) =
        live.header().finalizers.iter().map(|name| &**name).partition(|name| is_users(name));
    (!users.is_empty()).then(|| of_this(live, json!({"metadata": {"finalizers": others}})))
}

/// A patch of the object as it was read: a list is replaced whole, and nobody's entries may get lost.
pub(super) fn of_this(live: &Live, patch: Value) -> Write {
    Write::merge(live.key().clone(), patch).of(live.uid()).at(live.revision())
}

#[cfg(test)]
mod tests {
    use orch_core::sim;

    use super::*;

    #[test]
    fn every_action_can_be_drawn_and_stays_within_the_run() {
        sim::run(1, |env| async move {
            let places: Places = Arc::new(["shop-0".into(), "default".into()]);
            let apps = [
                App::deployment(&env, "shop-0", "web0", 8),
                App::stateful_set(&env, "shop-0", "db0", 4),
                App::replica_set(&env, "shop-0", "set0", 3),
            ];
            let apps = apps.map(Arc::new);
            let (at, span) = (Duration::from_secs(50), Duration::from_secs(60));
            for (number, (_, action)) in ACTIONS.iter().enumerate() {
                for round in 0..20 {
                    let dice = Dice::new(&env, &format!("{number}/{round}"));
                    let steps =
                        action(&Scene { dice, number, at, span, places: &places, apps: &apps, most: 8 });
                    assert!(!steps.is_empty(), "action {number}");
                    assert!(steps.iter().all(|step| (at..span).contains(&step.at)), "{steps:?}");
                }
            }
        });
    }
}
