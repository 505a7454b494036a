//! Chaos for your own operator: the harness finds a bug that no ordinary test shows.
//!
//! ```text
//! cargo run --release --example chaos_operator
//! ```
//!
//! The operator makes one ConfigMap for each `Greeting`. It has a bug that hides from ordinary tests: it remembers in
//! memory whom it has greeted, and a crash forgets that. You will see the harness find it, shrink it to the one fault that
//! matters, and the mended operator pass the same seeds.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use orch::Cluster;
use orch::chaos::{Chaos, Happening, Invariant, Step, Truth, Workload, World};
use orch::core::controller::{Controller, Plan};
use orch::core::view::{Needs, Projection, View};
use orch::core::{Change, Env, Key, Kind, KindInfo, Live, Scope, Write, kind};
use serde_json::json;

fn greetings() -> Kind {
    Kind::named("bakery.example", "greetings")
}

struct Greeting;

impl Projection for Greeting {
    fn kind() -> Option<Kind> {
        Some(greetings())
    }

    fn project(_: &Live) -> Self {
        Self
    }
}

/// The operator. With `names_by_owner` it is right: a second try is refused, because the name is taken.
#[derive(Default)]
struct Greeter {
    names_by_owner: bool,
    greeted: Mutex<BTreeSet<Key>>,
}

impl Controller for Greeter {
    type Observed = (Key, String);

    fn name(&self) -> &str {
        "greeter"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Greeting>()
    }

    fn keys(&self, change: &Change, _: &dyn View, out: &mut dyn FnMut(Key)) {
        out(change.key().clone());
    }

    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<(Key, String)> {
        view.of::<Greeting>().get(key)?;
        let first = self.greeted.lock().is_ok_and(|mut greeted| greeted.insert(key.clone()));
        let suffix = if self.names_by_owner { "map".to_owned() } else { now.as_millisecond().to_string() };
        first.then(|| (key.clone(), format!("{}-{suffix}", key.name)))
    }

    fn plan(&self, (key, name): &(Key, String)) -> Plan {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"words": "hello"},
            "metadata": {"name": name, "namespace": &*key.namespace, "labels": {"greets": &*key.name}}});
        Plan::new().write(Write::create(key.sibling(kind::CONFIG_MAPS, name.as_str()), map))
    }
}

/// Users make five Greetings.
struct FiveGreetings;

impl Workload for FiveGreetings {
    fn draw(&mut self, env: &Env, span: Duration) -> Vec<Step> {
        let mut times: Vec<Duration> = (0..5).map(|_| span.mul_f64(env.fraction())).collect();
        times.sort_unstable();
        let step = |(number, at): (usize, Duration)| {
            Step::new(at, format!("makes greeting g{number}"), move |_| {
                let tree = json!({"apiVersion": "bakery.example/v1", "kind": "Greeting",
                    "metadata": {"name": format!("g{number}"), "namespace": "default"}});
                vec![Write::create_tree(greetings(), tree)]
            })
        };
        times.into_iter().enumerate().map(step).collect()
    }

    fn repair(&mut self, _: &Truth) -> Vec<Write> {
        Vec::new()
    }
}

/// The promise: nobody is greeted twice.
struct GreetedOnce;

impl Invariant for GreetedOnce {
    fn name(&self) -> &str {
        "greeted-once"
    }

    fn see(&mut self, world: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { change, .. } = what else { return Ok(()) };
        let Some(greeting) = change.object().label("greets") else { return Ok(()) };
        let maps = world.truth.in_namespace(kind::CONFIG_MAPS, "default");
        let count = maps.filter(|map| map.label("greets") == Some(greeting)).count();
        if count > 1 { Err(format!("{greeting} was greeted {count} times")) } else { Ok(()) }
    }
}

fn chaos(names_by_owner: bool) -> Chaos {
    Chaos::new()
        .cluster(move |_| {
            let kind = KindInfo::new(greetings(), "v1", "Greeting", Scope::Namespaced);
            Cluster::builder()
                .kind(kind)
                .memory_disk()
                .controller_made_by(move || Greeter { names_by_owner, ..Greeter::default() })
        })
        .workload(|| FiveGreetings)
        .invariant(|| GreetedOnce)
        .span(Duration::from_secs(30))
}

fn main() -> anyhow::Result<()> {
    let seeds = 0..200;
    let wrong = chaos(false);
    let seed = seeds.clone().find(|seed| !wrong.run(*seed).is_ok()).context("the bug was not found")?;
    let (kept, report) = wrong.shrink(seed).context("the bug does not show again")?;
    let violation = report.violation.as_ref().context("the bug does not show when shrunk")?;
    println!("seed {seed} breaks the promise {}: {}", violation.invariant, violation.what);
    for line in
        report.timeline.iter().enumerate().filter(|(number, _)| kept.contains(number)).map(|(_, line)| line)
    {
        println!("  {line}");
    }
    let right = chaos(true);
    let broken: Vec<u64> = seeds.filter(|seed| !right.run(*seed).is_ok()).collect();
    ensure!(broken.is_empty(), "the mended operator breaks promises: {broken:?}");
    println!("the mended operator keeps it, 200 seeds long");
    Ok(())
}
