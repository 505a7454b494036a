//! Evictions and the budgets that they respect.

use orch_core::DisruptionCause;

use super::*;

const READY: &str = "True";

async fn pod(api: &LocalApi, name: &str, ready: &str) -> Key {
    let mut tree = pod_tree(name);
    tree["metadata"]["labels"] = json!({"app": "web"});
    tree["spec"]["nodeName"] = "n1".into();
    let key = api.create(tree).await.unwrap().key().clone();
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}});
    api.one(Write::merge_status(key.clone(), status)).await.unwrap();
    key
}

async fn budget(api: &LocalApi, name: &str, spec: Value, status: Value) -> Key {
    let mut tree = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    crate::merge_patch(&mut tree, &json!({"spec": spec}));
    let key = api.create(tree).await.unwrap().key().clone();
    let mut whole = json!({"observedGeneration": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2,
        "disruptionsAllowed": 1});
    crate::merge_patch(&mut whole, &status);
    api.one(Write::merge_status(key.clone(), json!({"status": whole}))).await.unwrap();
    key
}

fn evict(pod: &Key) -> Write {
    let tree = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": &*pod.name}});
    Write::create(pod.clone(), tree).to(Subresource::Eviction)
}

fn kept(result: Result<Live>) -> String {
    match result {
        Err(Error::Disruption { why: DisruptionCause::Budget(why), .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_budget_is_charged_once_and_then_holds() {
    sim(|api, _| async move {
        let budget = budget(&api, "b", json!({}), json!({})).await;
        let (a, b) = (pod(&api, "a", READY).await, pod(&api, "b", READY).await);
        api.one(evict(&a).dry_run()).await.unwrap();
        let status = async || api.read(&budget).await.unwrap().tree()["status"].clone();
        assert_eq!(status().await["disruptionsAllowed"], 1, "only tried");
        api.one(evict(&a)).await.unwrap();
        let gone = api.read(&a).await.unwrap().tree();
        assert!(gone["metadata"]["deletionTimestamp"].is_string());
        let conditions = gone["status"]["conditions"].as_array().unwrap();
        assert!(
            conditions
                .iter()
                .any(|c| c["type"] == "DisruptionTarget" && c["reason"] == "EvictionByEvictionAPI")
        );
        let after = status().await;
        assert_eq!(after["disruptionsAllowed"], 0);
        assert!(
            after["disruptedPods"]["a"].is_string() && after["conditions"][0]["reason"] == "InsufficientPods"
        );
        let why = kept(api.one(evict(&b)).await);
        assert_eq!(why, "The disruption budget b does not allow evicting pods currently");
        api.one(evict(&a)).await.unwrap();
        assert!(api.read(&b).await.unwrap().header().deletion.is_none());
    });
}

#[test]
fn a_budget_that_is_not_counted_yet_holds() {
    sim(|api, _| async move {
        let pod = pod(&api, "a", READY).await;
        budget(&api, "b", json!({}), json!({"observedGeneration": 0})).await;
        let why = kept(api.one(evict(&pod)).await);
        assert_eq!(why, "The disruption budget b is still being processed by the server.");
    });
}

#[test]
fn two_budgets_are_one_too_many() {
    sim(|api, _| async move {
        let pod = pod(&api, "a", READY).await;
        budget(&api, "b", json!({}), json!({})).await;
        budget(&api, "c", json!({"selector": {}}), json!({})).await;
        let answer = api.one(evict(&pod)).await;
        assert!(matches!(answer, Err(Error::Disruption { why: DisruptionCause::Several, .. })), "{answer:?}");
    });
}

#[test]
fn pods_that_serve_nobody_go_without_charge() {
    sim(|api, _| async move {
        let none = json!({"disruptionsAllowed": 0});
        let budget = budget(&api, "b", json!({}), none).await;
        let unready = pod(&api, "unready", "False").await;
        api.one(evict(&unready)).await.unwrap();
        assert!(api.read(&budget).await.unwrap().tree()["status"].get("disruptedPods").is_none());
        // With too few that are healthy, only where the budget says so.
        let few = json!({"status": {"currentHealthy": 0}});
        api.one(Write::merge_status(budget.clone(), few)).await.unwrap();
        let other = pod(&api, "other", "False").await;
        assert_eq!(
            kept(api.one(evict(&other)).await),
            "The disruption budget b needs 1 healthy pods and has 0 currently"
        );
        let always = json!({"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}});
        api.one(Write::merge(budget, always)).await.unwrap();
        api.one(evict(&other)).await.unwrap();
        let pending = api.create(pod_tree("pending")).await.unwrap();
        api.one(evict(pending.key())).await.unwrap();
        assert!(api.read(pending.key()).await.unwrap_err().is_not_found());
    });
}
