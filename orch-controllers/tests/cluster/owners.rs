//! The garbage collector under churn, on views each of whose kinds lags by another time: nothing is lost that has an owner.

use std::collections::BTreeMap;

use futures::{FutureExt, StreamExt};
use orch_core::{Event, Key, Kind, Live, Propagation, Select, Str, Watch, Write, kind};
use serde_json::{Value, json};

use crate::{Cluster, each};

const KINDS: [(Kind, &str); 3] =
    [(kind::CONFIG_MAPS, "ConfigMap"), (kind::SECRETS, "Secret"), (kind::SERVICE_ACCOUNTS, "ServiceAccount")];
const ROUNDS: u64 = 60;

fn object(kind: &str, name: &str, owners: &[&Live]) -> Value {
    let names: BTreeMap<&str, &str> = KINDS.iter().map(|(of, name)| (of.resource(), *name)).collect();
    let owners: Vec<Value> = owners
        .iter()
        .map(|owner| {
            json!({"apiVersion": "v1", "kind": names[owner.key().kind.resource()], "name": &*owner.key().name,
                "uid": &**owner.uid(), "blockOwnerDeletion": true})
        })
        .collect();
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "default", "ownerReferences": owners}})
}

/// Everything that is there, by uid; holds every deletion against it.
struct Truth {
    watch: Watch,
    alive: BTreeMap<Str, Live>,
    /// Deleted by the user, and how.
    given_up: BTreeMap<Str, Propagation>,
}

impl Truth {
    fn look(&mut self) {
        while let Some(Some(event)) = self.watch.next().now_or_never() {
            let Event::Changed(change) = event.unwrap() else { continue };
            match &change.now {
                Some(live) => {
                    let before = self.alive.insert(live.uid().clone(), live.clone());
                    let began = live.header().is_terminating()
                        && before.is_none_or(|live| !live.header().is_terminating());
                    if began {
                        self.judge(live);
                    }
                }
                None => {
                    let gone = self.alive.remove(change.object().uid());
                    if let Some(gone) = gone.filter(|gone| !gone.header().is_terminating()) {
                        self.judge(&gone);
                    }
                }
            }
        }
    }

    /// What nobody gave up goes only when each of its owners is gone or waits for it in the foreground.
    fn judge(&self, gone: &Live) {
        if self.given_up.contains_key(gone.uid()) || gone.header().owners.is_empty() {
            return;
        }
        for owner in gone.header().owners.iter() {
            let stays = self
                .alive
                .get(&owner.uid)
                .is_some_and(|owner| !owner.header().has_finalizer("foregroundDeletion"));
            let orphaned = self.given_up.get(&owner.uid) == Some(&Propagation::Orphan);
            assert!(
                !orphaned,
                "{} was collected though its owner {} was to orphan it",
                gone.key(),
                owner.name
            );
            assert!(!stays, "{} was collected while its owner {} was there", gone.key(), owner.name);
        }
    }
}

async fn churn(cluster: Cluster) {
    let what = Select::kinds(KINDS.map(|(kind, _)| kind));
    let watch = cluster.api.watch(&what, None).await.unwrap();
    let mut truth = Truth { watch, alive: BTreeMap::new(), given_up: BTreeMap::new() };
    let mut owners: Vec<Live> = Vec::new();
    for round in 0..ROUNDS {
        let draw = |bound: usize| usize::try_from(cluster.env.below(bound as u64)).unwrap_or_default();
        let (of, _) = (KINDS[draw(3)].1, ());
        let owner = cluster.create(object(of, &format!("owner-{round}"), &[])).await;
        // At once: a view may have the dependent long before its owner.
        let mut dependents_of = vec![&owner];
        if let Some(other) = owners.get(draw(owners.len().max(1))) {
            dependents_of.push(other);
        }
        let dependent =
            cluster.create(object(KINDS[draw(3)].1, &format!("dependent-{round}"), &dependents_of)).await;
        cluster.create(object(KINDS[draw(3)].1, &format!("second-{round}"), &[&dependent])).await;
        owners.push(owner);
        if round % 2 == 0 {
            let owner = owners.swap_remove(draw(owners.len()));
            let how = [Propagation::Background, Propagation::Foreground, Propagation::Orphan][draw(3)];
            truth.given_up.insert(owner.uid().clone(), how);
            cluster.write(Write::delete(owner.key().clone()).propagate(how)).await;
        }
        truth.look();
        cluster.env.sleep(std::time::Duration::from_millis(cluster.env.below(800))).await;
        truth.look();
    }
    for _ in 0..120 {
        cluster.wait(1).await;
        truth.look();
    }
    settled(&truth);
}

/// What is left has an owner that exists, or none; who was given up is gone, and what it left behind is as asked for.
fn settled(truth: &Truth) {
    for uid in truth.given_up.keys() {
        assert!(!truth.alive.contains_key(uid), "an owner is stuck");
    }
    for live in truth.alive.values() {
        assert!(!live.header().is_terminating(), "{} is stuck", live.key());
        for owner in live.header().owners.iter() {
            assert!(
                truth.alive.contains_key(&owner.uid),
                "{} names {}, which is gone",
                live.key(),
                owner.name
            );
        }
    }
    assert!(truth.alive.keys().count() > 0);
}

#[test]
fn nothing_is_collected_whose_owner_exists() {
    each(&[], churn);
}

#[test]
fn the_same_on_many_views_that_lag() {
    for seed in 10..30 {
        orch_core::sim::run(seed, |env| async move {
            let cluster = Cluster::start(env.clone(), &[], Some(seed)).await;
            churn(cluster).await;
            env.shutdown().await;
        });
    }
}

#[test]
fn an_owner_that_is_seen_late_keeps_its_dependent() {
    each(&[], |cluster| async move {
        let owner = cluster.create(object("ServiceAccount", "owner", &[])).await;
        let dependent = cluster.create(object("ConfigMap", "dependent", &[&owner])).await;
        cluster.wait(60).await;
        assert!(!cluster.get(dependent.key()).await.is_null());
        let key: Key = owner.key().clone();
        cluster.write(Write::delete(key)).await;
        cluster.within(60, "it goes", async || cluster.get(dependent.key()).await.is_null()).await;
    });
}
