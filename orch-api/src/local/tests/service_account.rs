//! Pods act as service accounts, where that is asked for.

use std::sync::Arc;

use orch_core::{ApiExt, Error, Registry};
use orch_store::MemStore;
use serde_json::{Value, json};

use crate::LocalApi;

fn with_accounts<F, Fut>(test: F)
where
    F: FnOnce(LocalApi) -> Fut,
    Fut: Future<Output = ()>,
{
    orch_core::sim::run(3, |env| async move {
        let registry = Arc::new(Registry::built_in());
        let store = Arc::new(MemStore::new(Arc::clone(&registry)));
        let api = LocalApi::builder(store, env, registry).service_accounts().build();
        api.bootstrap().await.unwrap();
        test(api).await;
    });
}

#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn account(name: &str, more: Value) -> Value {
    let mut tree = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}});
    crate::merge_patch(&mut tree, &more);
    tree
}

#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn pod(name: &str, spec: Value) -> Value {
    let mut tree = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "x"}]}});
    crate::merge_patch(&mut tree, &json!({"spec": spec}));
    tree
}

#[test]
fn a_pod_has_the_default_account_and_its_token() {
    with_accounts(|api| async move {
        let refused = api.create(pod("a", json!({}))).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Forbidden { why, .. }
                if why == "error looking up service account default/default: serviceaccount \"default\" not found"),
            "{refused}"
        );
        api.create(account("default", json!({"imagePullSecrets": [{"name": "s"}]}))).await.unwrap();
        let made = api.create(pod("a", json!({}))).await.unwrap();
        let tree = made.tree();
        let spec = &tree["spec"];
        assert_eq!(
            (&spec["serviceAccountName"], &spec["serviceAccount"]),
            (&json!("default"), &json!("default"))
        );
        assert_eq!(spec["imagePullSecrets"], json!([{"name": "s"}]));
        let volume = spec["volumes"][0]["name"].as_str().unwrap();
        assert!(volume.starts_with("kube-api-access-") && volume.len() == 21, "{volume}");
        assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], volume);
        assert_eq!(spec["volumes"][0]["projected"]["sources"].as_array().unwrap().len(), 3);
    });
}

#[test]
fn nothing_is_mounted_where_nobody_wants_it() {
    with_accounts(|api| async move {
        api.create(account("default", json!({}))).await.unwrap();
        api.create(account("quiet", json!({"automountServiceAccountToken": false}))).await.unwrap();
        for (name, spec, volumes, mounts) in [
            ("a", json!({"serviceAccountName": "quiet"}), 0, 0),
            ("b", json!({"serviceAccountName": "quiet", "automountServiceAccountToken": true}), 1, 1),
            ("c", json!({"automountServiceAccountToken": false}), 0, 0),
            (
                "d",
                json!({"volumes": [{"name": "own", "emptyDir": {}}], "containers": [{"name": "c", "image": "x",
                    "volumeMounts": [{"name": "own", "mountPath": super::super::service_account::MOUNT_PATH}]}]}),
                1,
                1,
            ),
        ] {
            let made = api.create(pod(name, spec)).await.unwrap();
            let tree = made.tree();
            let count = |value: &Value| value.as_array().map_or(0, Vec::len);
            assert_eq!(count(&tree["spec"]["volumes"]), volumes, "{name}");
            assert_eq!(count(&tree["spec"]["containers"][0]["volumeMounts"]), mounts, "{name}");
        }
    });
}
