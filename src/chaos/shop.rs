//! The workload of every day: apps that are deployed, changed, broken, put right and deleted, by users and administrators.
//!
//! It knows Kubernetes, and nothing of faults or invariants. Invariant: an action draws from a random stream of its own, so
//! leaving a step out moves no other.

mod action;
mod app;
mod dice;
mod pick;
mod repair;
mod satisfied;
mod template;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use orch_core::{Env, Str, Write, kind};
use serde_json::json;

use self::action::Scene;
use self::app::App;
use self::dice::Dice;
use self::pick::{Places, is_open};
use self::tree::Manifest;
use super::{Step, Truth, Workload};

/// The default workload: Deployments, StatefulSets, ReplicaSets and pods in a few namespaces, with Services, configuration,
/// volumes, priorities, probes and hooks, and what users do to them: scale, roll out, break, roll back, pause, delete,
/// orphan, hold with finalizers, cordon, taint, and meddle with what controllers keep.
///
/// It wants at least three nodes, with labels `zone` of `a`, `b` and `c`, each as large as a [`NodeSpec`](crate::NodeSpec)
/// is by default. Containers behave as annotations `sim.orch.local/…` say, which the simulated runtime reads.
///
/// ```
/// use std::time::Duration;
/// use orch::chaos::{Shop, Workload};
/// use orch::core::sim;
/// let draw = |seed| sim::run(seed, |env| async move {
///     let steps = Shop::default().draw(&env, Duration::from_secs(60));
///     steps.iter().map(ToString::to_string).collect::<Vec<_>>()
/// });
/// assert_eq!(draw(1), draw(1));
/// assert_ne!(draw(1), draw(2));
/// ```
#[derive(Debug)]
pub struct Shop {
    /// As asked for; drawn from the seed when nobody asked.
    asked: Option<f64>,
    scale: f64,
    /// Priorities and storage.
    cluster: Vec<Manifest>,
    /// Those besides `default`.
    namespaces: Vec<Manifest>,
    places: Places,
    apps: Vec<Arc<App>>,
    tiers: Vec<Manifest>,
}

impl Default for Shop {
    fn default() -> Self {
        let (cluster, namespaces, apps, tiers) = Default::default();
        Self { asked: None, scale: 1.0, cluster, namespaces, places: Arc::new([]), apps, tiers }
    }
}

impl Shop {
    /// A workload that is so many times as large, in apps, replicas and actions; 1 is up to 60 pods in a minute, for ten
    /// nodes. By default the seed draws it, from 0.15 to 1 and mostly small: many small runs find more than few large ones.
    #[must_use]
    pub fn scale(mut self, scale: f64) -> Self {
        self.asked = Some(scale.clamp(0.1, 100.0));
        self
    }

    /// So much of something, at the workload's scale; at least one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    fn scaled(&self, amount: usize) -> usize {
        // Sizes are small: a float holds them exactly.
        let amount = f64::from(u32::try_from(amount).unwrap_or(u32::MAX));
        ((amount * self.scale).round() as usize).max(1)
    }

    fn most_replicas(&self) -> usize {
        self.scaled(8)
    }

    /// Draws who deploys what and where.
    fn cast(&mut self, env: &Env) {
        let sizes = [(10, 0.15), (6, 0.3), (3, 0.5), (1, 1.0)];
        self.scale = self.asked.unwrap_or_else(|| Dice::new(env, "scale").weighted(&sizes));
        let dice = Dice::new(env, "cast");
        let own: Vec<Str> = (0..dice.between(1, 2)).map(|at| format!("shop-{at}").into()).collect();
        self.namespaces =
            own.iter().map(|name| Manifest::new(kind::NAMESPACES, "", name, json!({}))).collect();
        self.places = own.into_iter().chain(["default".into()]).collect();
        self.cluster = app::of_the_cluster(env);
        self.tiers = self.places.iter().map(|place| app::tier(env, place)).collect();
        let most = self.most_replicas();
        let place = || dice.pick(&self.places);
        let mut apps = Vec::new();
        for at in 0..self.scaled(dice.weighted(&[(1, 1), (2, 2), (3, 3), (3, 4)])) {
            apps.push(App::deployment(env, &place(), &format!("web{at}"), most));
        }
        for at in 0..self.scaled(2).min(dice.below(self.scaled(2) + 1)) {
            apps.push(App::stateful_set(env, &place(), &format!("db{at}"), most / 2));
        }
        for at in 0..dice.below(self.scaled(1) + 1) {
            apps.push(App::replica_set(env, &place(), &format!("set{at}"), 3));
        }
        self.apps = apps.into_iter().map(Arc::new).collect();
    }

    /// The first moments: everything is deployed, not always in the order in which it is needed.
    fn open(&self, env: &Env, within: Duration) -> Vec<Step> {
        let dice = Dice::new(env, "opening");
        let first: Vec<Write> =
            self.cluster.iter().chain(&self.namespaces).chain(&self.tiers).map(Manifest::create).collect();
        let mut steps = vec![Step::new(Duration::ZERO, "set the cluster up", move |_| first.clone())];
        for app in &self.apps {
            let at = dice.time(Duration::ZERO, within);
            let late = dice.below(app.needs.len() * 3);
            let (mut writes, what) = (Vec::new(), format!("deploy {}", app.key()));
            for (number, need) in app.needs.iter().enumerate() {
                if number == late {
                    let at = at + Duration::from_millis(dice.between(500, 5000) as u64).min(within);
                    steps.push(create(at, format!("create {}", need.key), need.clone()));
                } else {
                    writes.push(need.create());
                }
            }
            writes.push(app.workload.create());
            let place = app.key().namespace.clone();
            let act = move |truth: &Truth| if is_open(truth, &place) { writes.clone() } else { Vec::new() };
            steps.push(Step::new(at, what, act));
        }
        for number in 0..self.scaled(dice.between(1, 4)) {
            let dice = Dice::new(env, &format!("pod/{number}"));
            let pod = app::pod(&dice, &dice.pick(&self.places), &format!("loose-{number}"));
            steps.push(create(dice.time(Duration::ZERO, within), format!("create {}", pod.key), pod));
        }
        steps
    }

    /// Every app, what it needs, and what stands before several.
    fn wanted(&self) -> impl Iterator<Item = &Manifest> {
        let apps = self.apps.iter().flat_map(|app| app.needs.iter().chain([&app.workload]));
        self.tiers.iter().chain(apps)
    }
}

fn create(at: Duration, what: String, manifest: Manifest) -> Step {
    let act = move |truth: &Truth| {
        if is_open(truth, &manifest.key.namespace) { vec![manifest.create()] } else { Vec::new() }
    };
    Step::new(at, what, act)
}

impl Workload for Shop {
    fn draw(&mut self, env: &Env, span: Duration) -> Vec<Step> {
        self.cast(env);
        let opening = span / 15;
        let mut steps = self.open(env, opening);
        let dice = Dice::new(env, "actions");
        for number in 0..self.scaled(dice.between(8, 25)) {
            let dice = Dice::new(env, &format!("action/{number}"));
            let at = dice.time(opening, span);
            let (places, apps, most) = (&self.places, &self.apps[..], self.most_replicas());
            steps.extend(action::draw(&Scene { dice, number, at, span, places, apps, most }));
        }
        // Stable: steps at one time stay in the order in which they were drawn.
        steps.sort_by_key(|step| step.at);
        steps.retain(|step| step.at < span);
        steps
    }

    /// Asked again, it answers what is still to be put right: things that were about to go, or came in between.
    fn repair(&mut self, truth: &Truth) -> Vec<Write> {
        repair::plan(self, truth)
    }

    fn satisfied(&mut self, truth: &Truth) -> Result<(), String> {
        satisfied::check(self, truth)
    }
}

#[cfg(test)]
mod tests;
