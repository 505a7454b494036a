//! Quotas at admission.

use super::*;

async fn quota(api: &LocalApi, name: &str, spec: Value) -> Key {
    let tree = json!({"apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec});
    api.create(tree).await.unwrap().key().clone()
}

async fn used(api: &LocalApi, quota: &Key) -> Value {
    api.read(quota).await.unwrap().tree()["status"]["used"].clone()
}

fn config_tree(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}})
}

fn why(result: Result<Live>) -> String {
    match result {
        Err(Error::Forbidden { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_there_counts_and_what_comes_is_charged() {
    sim(|api, _| async move {
        api.create(config_tree("a")).await.unwrap();
        let quota = quota(&api, "q", json!({"hard": {"configmaps": "2", "count/configmaps": "9"}})).await;
        assert_eq!(used(&api, &quota).await, json!({"configmaps": "1", "count/configmaps": "1"}));
        api.create(config_tree("b")).await.unwrap();
        assert_eq!(
            why(api.create(config_tree("c")).await),
            "exceeded quota: q, requested: configmaps=1, used: configmaps=2, limited: configmaps=2"
        );
        assert_eq!(used(&api, &quota).await["configmaps"], "2");
        api.one(Write::delete(config("a"))).await.unwrap();
        assert_eq!(used(&api, &quota).await["configmaps"], "1");
        api.one(Write::create_tree(kind::CONFIG_MAPS, config_tree("c")).dry_run()).await.unwrap();
        assert_eq!(used(&api, &quota).await["configmaps"], "1", "only tried");
        assert!(matches!(api.create(config_tree("b")).await, Err(Error::AlreadyExists { .. })));
        assert_eq!(used(&api, &quota).await["configmaps"], "1", "given back");
        // More is allowed as soon as the quota says so, and all when it is gone.
        api.create(config_tree("c")).await.unwrap();
        api.one(Write::merge(quota.clone(), json!({"spec": {"hard": {"configmaps": "3"}}}))).await.unwrap();
        api.create(config_tree("d")).await.unwrap();
        assert!(why(api.create(config_tree("e")).await).starts_with("exceeded quota"));
        api.one(Write::delete(quota)).await.unwrap();
        api.create(config_tree("e")).await.unwrap();
    });
}

#[test]
fn a_batch_gets_what_is_left_and_no_more() {
    sim(|api, _| async move {
        let quota = quota(&api, "q", json!({"hard": {"count/configmaps": "5"}})).await;
        let writes = (0..20).map(|n| Write::create_tree(kind::CONFIG_MAPS, config_tree(&format!("c{n}"))));
        let done = api.write(writes.collect()).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(done, 5);
        assert_eq!(used(&api, &quota).await["count/configmaps"], "5");
    });
}

#[test]
fn pods_count_until_they_end_and_only_in_scope() {
    sim(|api, _| async move {
        let all = quota(&api, "all", json!({"hard": {"pods": "5", "requests.cpu": "2"}})).await;
        let short = quota(&api, "short", json!({"hard": {"pods": "1"}, "scopes": ["Terminating"]})).await;
        assert_eq!(
            why(api.create(pod_tree("a")).await),
            "failed quota: all: must specify requests.cpu for: c"
        );
        let pod = |name: &str| {
            let mut tree = pod_tree(name);
            tree["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1500m"}});
            tree
        };
        let a = api.create(pod("a")).await.unwrap();
        assert_eq!(used(&api, &all).await, json!({"pods": "1", "requests.cpu": "1500m"}));
        assert_eq!(used(&api, &short).await, json!({"pods": "0"}));
        assert!(why(api.create(pod("b")).await).contains("requests.cpu=1500m, limited: requests.cpu=2"));
        api.one(Write::merge_status(a.key().clone(), json!({"status": {"phase": "Succeeded"}})))
            .await
            .unwrap();
        assert_eq!(used(&api, &all).await, json!({"pods": "0", "requests.cpu": "0"}));
        let mut short_lived = pod("b");
        short_lived["spec"]["activeDeadlineSeconds"] = 60.into();
        api.create(short_lived).await.unwrap();
        assert_eq!(used(&api, &short).await, json!({"pods": "1"}));
    });
}

#[test]
fn a_quota_that_others_count_is_taken_by_its_word() {
    orch_core::sim::run(7, |env| async move {
        let registry = Arc::new(Registry::built_in());
        let store = Arc::new(MemStore::new(Arc::clone(&registry)));
        let api = LocalApi::builder(store, env, registry).quotas_counted_elsewhere().build();
        api.bootstrap().await.unwrap();
        let quota = quota(&api, "q", json!({"hard": {"configmaps": "1"}})).await;
        for name in ["a", "b"] {
            api.create(config_tree(name)).await.unwrap();
        }
        assert!(api.read(&quota).await.unwrap().tree()["status"].get("used").is_none(), "nobody counts");
        let status = json!({"hard": {"configmaps": "4"}, "used": {"configmaps": "2"}});
        api.one(Write::merge_status(quota.clone(), json!({"status": status}))).await.unwrap();
        for name in ["c", "d"] {
            api.create(config_tree(name)).await.unwrap();
        }
        assert_eq!(used(&api, &quota).await, json!({"configmaps": "4"}));
        assert!(why(api.create(config_tree("e")).await).starts_with("exceeded quota: q"));
        api.one(Write::delete(config("a"))).await.unwrap();
        assert_eq!(used(&api, &quota).await, json!({"configmaps": "4"}), "who counts will find out");
    });
}
