//! The workload in a cluster where nothing fails: everything users write is taken, and what they want comes about.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use orch_core::{ApiExt, Change, Env, Event, Key, Select, Write, kind, sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::runtime::task::{Context, TaskImages};
use crate::{Cluster, NodeSpec};

const SPAN: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(1200);

/// Answers every request at port 8080.
async fn serve(context: Context) -> std::io::Result<()> {
    let mut listener = context.listen(8080).await?;
    loop {
        let accepted = tokio::select! {
            biased;
            () = context.stopped() => return Ok(()),
            accepted = listener.accept() => accepted?,
        };
        let mut stream = accepted.0;
        context.spawn(async move {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        });
    }
}

/// Every image that the workload names: all run until they are stopped, but for the one that sets up.
fn images() -> TaskImages {
    let images = TaskImages::default();
    let names =
        |prefix: &str, count: usize| (0..count).map(|at| format!("shop/{prefix}{at}")).collect::<Vec<_>>();
    let all = [names("web", 4), names("db", 2), names("set", 1), names("loose-", 4), names("late-", 25)];
    let identities = (0..2).flat_map(|set| names(&format!("db{set}-"), 4));
    for name in all.into_iter().flatten().chain(identities) {
        for tag in 1..=9 {
            images.register(&format!("{name}:{tag}"), serve).unwrap();
        }
    }
    images.register("shop/sidecar:1", |context: Context| async move { context.stopped().await }).unwrap();
    let setup = |context: Context| async move { context.sleep(Duration::from_millis(500)).await };
    images.register("shop/setup:1", setup).unwrap();
    images
}

/// Shows what happens in a run that is looked into (`SHOP_TRACE=1 SHOP_SEEDS=7..8 cargo test …`).
fn show(line: impl FnOnce() -> String) {
    if std::env::var_os("SHOP_TRACE").is_some() {
        eprintln!("{}", line());
    }
}

fn line(at: Duration, change: &Change) -> String {
    let now = change.now.as_ref();
    let body = now.map_or("gone".into(), |now| String::from_utf8_lossy(now.body()).into_owned());
    format!("  {at:?} {} {} {body}", change.revision, change.key())
}

/// A cluster, and what is true of it.
struct Quiet {
    env: Env,
    cluster: Cluster,
    truth: Arc<Mutex<Truth>>,
}

impl Quiet {
    async fn start(env: Env) -> Self {
        let zones = ["a", "b", "c"];
        let nodes = (0..10).map(|at| NodeSpec::new(format!("n{at}")).label("zone", zones[at % 3]));
        let cluster =
            Cluster::builder().env(env.clone()).nodes(nodes).images(images()).start().await.unwrap();
        let truth = Arc::new(Mutex::new(Truth::default()));
        let mut watch = cluster.api().watch(&Select::default(), None).await.unwrap();
        let (follower, clock) = (Arc::clone(&truth), env.clone());
        env.spawn(async move {
            while let Some(Ok(event)) = watch.next().await {
                if let Event::Changed(change) = event {
                    let change: Arc<Change> = change;
                    show(|| line(clock.elapsed(), &change));
                    follower.lock().unwrap().apply(&change);
                }
            }
        });
        Self { env, cluster, truth }
    }

    /// Waits until the truth is what it is now.
    async fn catch_up(&self) {
        let all = self.cluster.api().list(&Select::kind(kind::NAMESPACES), None, 1).await.unwrap();
        while self.truth.lock().unwrap().revision() < all.revision {
            self.env.sleep(Duration::from_millis(1)).await;
        }
    }

    /// Does the writes; answers those that were refused for what they say.
    async fn write(&self, what: &str, writes: Vec<Write>) -> Vec<String> {
        let mut refused = Vec::new();
        for write in writes {
            let told = format!("{what}: {write:?}");
            match self.cluster.api().one(write).await {
                Err(error) if !(error.is_conflict() || error.is_not_found()) => {
                    refused.push(format!("{told}: {error}"));
                }
                _ => {}
            }
        }
        refused
    }

    async fn act(&self, steps: &[Step]) -> Vec<String> {
        let mut refused = Vec::new();
        for step in steps {
            self.env.sleep_until(step.at).await;
            self.catch_up().await;
            let writes = step.writes(&self.truth.lock().unwrap());
            show(|| format!("{step}: {} writes", writes.len()));
            refused.extend(self.write(&step.to_string(), writes).await);
        }
        refused
    }

    /// Repairs until users are satisfied.
    async fn heal(&self, shop: &mut Shop) -> Result<Vec<String>, String> {
        let until = self.env.elapsed() + PATIENCE;
        let mut refused = Vec::new();
        loop {
            self.catch_up().await;
            let writes = shop.repair(&self.truth.lock().unwrap());
            let is_repaired = writes.is_empty();
            let told = format!("{writes:#?}");
            refused.extend(self.write("repair", writes).await);
            let satisfied = shop.satisfied(&self.truth.lock().unwrap());
            match satisfied {
                Ok(()) if is_repaired => return Ok(refused),
                Err(why) if self.env.elapsed() > until => return Err(why),
                Ok(()) if self.env.elapsed() > until => return Err(format!("still to be repaired: {told}")),
                _ => self.env.sleep(Duration::from_secs(5)).await,
            }
        }
    }
}

/// One run; how many pods were started, and how long healing took.
fn run(seed: u64) -> Result<(usize, Duration), String> {
    sim::run(seed, move |env| async move {
        let quiet = Quiet::start(env.clone()).await;
        let mut shop = Shop::default();
        let steps = shop.draw(&env.child("workload"), SPAN);
        let mut refused = quiet.act(&steps).await;
        env.sleep_until(SPAN).await;
        let pods = {
            let truth = quiet.truth.lock().unwrap();
            let pods = truth.log().iter().filter(|change| change.key().kind == kind::PODS);
            pods.map(|change| change.object().uid().clone()).collect::<BTreeSet<_>>()
        };
        refused.extend(quiet.heal(&mut shop).await?);
        if !refused.is_empty() {
            return Err(format!("refused: {refused:#?}"));
        }
        let healed = env.elapsed() - SPAN;
        quiet.cluster.shutdown().await.unwrap();
        Ok((pods.len(), healed))
    })
}

/// Runs those seeds, or those that are asked for; says which failed.
fn check(seeds: Range<u64>) {
    let mut failed = Vec::new();
    for seed in seeds {
        match run(seed) {
            Ok((started, healed)) => eprintln!("seed {seed}: {started} pods, healed after {healed:?}"),
            Err(why) => {
                eprintln!("seed {seed}: {why}");
                failed.push(seed);
            }
        }
    }
    assert!(failed.is_empty(), "seeds {failed:?}: see above");
}

/// Every write of a user is taken, and what users want comes about: seeds that are asked for (`SHOP_SEEDS=7..8`), else ten.
#[test]
fn a_quiet_cluster_satisfies_users() {
    let seeds = std::env::var("SHOP_SEEDS").ok().and_then(|range| {
        let (from, until) = range.split_once("..")?;
        Some(from.parse().ok()?..until.parse().ok()?)
    });
    check(seeds.unwrap_or(0..10));
}

#[test]
fn a_quiet_cluster_satisfies_users_also_with_seeds_of_ten_and_more() {
    check(10..20);
}

#[test]
fn a_quiet_cluster_satisfies_users_also_with_seeds_of_twenty_and_more() {
    check(20..30);
}

#[test]
fn a_quiet_cluster_satisfies_users_also_with_seeds_of_thirty_and_more() {
    check(30..40);
}

#[test]
fn a_quiet_cluster_satisfies_users_also_with_seeds_of_forty_and_more() {
    check(40..50);
}

#[test]
fn the_same_seed_draws_the_same_steps() {
    let draw = |seed: u64, scale: f64| {
        sim::run(seed, move |env| async move {
            let steps = Shop::default().scale(scale).draw(&env.child("workload"), SPAN);
            assert!(steps.is_sorted_by_key(|step| step.at) && steps.iter().all(|step| step.at < SPAN));
            steps.iter().map(ToString::to_string).collect::<Vec<_>>()
        })
    };
    assert_eq!(draw(3, 1.0), draw(3, 1.0));
    assert_ne!(draw(3, 1.0), draw(4, 1.0));
    assert!(draw(3, 5.0).len() > 3 * draw(3, 1.0).len(), "a larger workload does more");
}

#[test]
fn users_miss_what_is_gone_and_bring_it_back() {
    sim::run(3, |env| async move {
        let quiet = Quiet::start(env.clone()).await;
        let mut shop = Shop::default();
        let _ = shop.draw(&env.child("workload"), SPAN);
        quiet.catch_up().await;
        assert!(shop.satisfied(&quiet.truth.lock().unwrap()).is_err(), "nothing is deployed yet");
        assert_eq!(quiet.heal(&mut shop).await, Ok(Vec::new()), "a repair deploys it");
        let app = shop.apps[0].key().clone();
        let pods = Key::new(kind::PODS, app.namespace.clone(), "nobody");
        let lost = [Write::delete(app.clone()), Write::create(pods, unplaceable())];
        for write in lost {
            quiet.cluster.api().one(write).await.unwrap();
        }
        quiet.catch_up().await;
        assert_eq!(shop.satisfied(&quiet.truth.lock().unwrap()), Err(format!("{app} is not there")));
        assert_eq!(quiet.heal(&mut shop).await, Ok(Vec::new()));
        assert!(quiet.truth.lock().unwrap().get(&app).is_some(), "deployed again");
        quiet.cluster.shutdown().await.unwrap();
    });
}

/// A pod that fits nowhere.
fn unplaceable() -> serde_json::Value {
    json!({"spec": {"nodeSelector": {"zone": "nowhere"}, "containers": [{"name": "main", "image": "shop/web0:1"}]}})
}
