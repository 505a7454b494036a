//! Ways in that must be closed: each test is something that somebody without the right to it tries.

use futures::StreamExt;
use http_body_util::BodyStream;
use orch_core::{ApiExt, Key, Live, Patch, Revision, Verb, Write, kind};

use super::super::{Attributes, Authorizer, Decision, Rbac};
use super::*;

const JANE: (&str, &str) = ("impersonate-user", "jane");
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn binding(kind: &str, role: &str) -> Value {
    let group = "rbac.authorization.k8s.io";
    json!({"metadata": {"name": role}, "roleRef": {"apiGroup": group, "kind": kind, "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "jane"}]})
}

/// Runs a test in which jane has those rights in the namespace `default`.
fn with_rights<F, Fut>(rules: Value, test: F)
where
    F: FnOnce(Server) -> Fut,
    Fut: Future<Output = ()>,
{
    with(|mut server| async move {
        let api = server.rest.shared_api();
        let rbac = Rbac::new(api.clone());
        server.rest = Rest::builder(api, &server.env).authorizer(rbac).build().acting_as(admin());
        server.post(ROLES, json!({"metadata": {"name": "hers"}, "rules": rules})).await.expect(201);
        server.post(BINDINGS, binding("ClusterRole", "hers")).await.expect(201);
        test(server).await;
    });
}

fn rule(group: &str, resource: &str, verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": [resource], "verbs": verbs})
}

impl Server {
    async fn jane(&self, method: Method, uri: &str, media: &str, tree: &Value) -> Answer {
        let body = if tree.is_null() { String::new() } else { tree.to_string() };
        self.send(method, uri, &[JANE, ("content-type", media)], body).await
    }

    async fn pod(&self, name: &str) {
        let pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        self.post(PODS, pod).await.expect(201);
    }
}

const JSON: &str = "application/json";
const APPLY: &str = "application/apply-patch+yaml";

#[test]
fn rights_to_a_part_of_objects_are_no_rights_to_the_objects() {
    with_rights(
        json!([rule("", "pods/status", &["*"]), rule("", "pods/log", &["*"])]),
        |server| async move {
            server.pod("a").await;
            for (method, uri) in [
                (Method::GET, format!("{PODS}//status")),
                (Method::GET, format!("{PODS}//status?watch=1")),
                (Method::GET, format!("{PODS}//log")),
                (Method::DELETE, format!("{PODS}//status")),
                (Method::POST, format!("{PODS}//status")),
                (Method::GET, "/api/v1/watch/namespaces/default/pods/a/status".to_owned()),
                (Method::DELETE, "/api/v1/watch/namespaces/default/pods//status".to_owned()),
            ] {
                let answer = server.jane(method.clone(), &uri, JSON, &Value::Null).await;
                assert!(matches!(answer.code, 403 | 404), "{method} {uri}: {}", answer.raw);
            }
            assert_eq!(server.get(PODS).await.names(), ["a"]);
            server.jane(Method::GET, &format!("{PODS}/a/status"), JSON, &Value::Null).await.expect(200);
        },
    );
}

#[test]
fn who_may_change_but_not_create_creates_nothing() {
    let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    let rights = json!([
        rule("", "configmaps", &["get", "patch", "update"]),
        rule("coordination.k8s.io", "leases", &["update"])
    ]);
    with_rights(rights, |server| async move {
        let map = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}});
        let uri = format!("{MAPS}/a");
        let apply = format!("{uri}?fieldManager=jane&force=true");
        let refused = server.jane(Method::PATCH, &apply, APPLY, &map("1")).await.expect(403);
        assert_eq!(
            refused.text("/message"),
            "configmaps \"a\" is forbidden: User \"jane\" cannot create resource \"configmaps\" in API group \"\" in the \
             namespace \"default\""
        );
        let wanted = json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "x"}});
        server.jane(Method::PUT, lease, JSON, &wanted).await.expect(403);
        server.get(&uri).await.expect(404);
        // What is there she changes.
        server.map("a", json!({})).await;
        server.jane(Method::PATCH, &apply, APPLY, &map("1")).await.expect(200);
        server.jane(Method::PUT, &uri, JSON, &map("2")).await.expect(200);
        let made = server.put(lease, wanted.clone()).await.expect(201);
        let mut again = wanted;
        again["metadata"]["resourceVersion"] = made.revision().into();
        server.jane(Method::PUT, lease, JSON, &again).await.expect(200);
    });
}

#[test]
fn an_apply_to_an_object_that_went_meanwhile_creates_none() {
    with(|server| async move {
        let api = server.rest.shared_api();
        let key = Key::new(kind::CONFIG_MAPS, "default", "a");
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        let apply = Patch::Apply { config: config.into(), conflicts: orch_core::Conflicts::Refuse };
        let write = Write::new(key, Verb::Patch(apply)).managed_by("m");
        let error = api.one(write.clone().of(&"another".into())).await.unwrap_err();
        assert!(matches!(error, orch_core::Error::NotFound { .. }), "{error}");
        api.one(write.clone().at(Revision::ZERO)).await.unwrap();
        let error = api.one(write.at(Revision::ZERO)).await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
    });
}

#[test]
fn a_role_that_is_not_there_yet_is_not_bound() {
    let rights = json!([rule("rbac.authorization.k8s.io", "*", &["create", "update", "patch", "get"])]);
    with_rights(rights, |server| async move {
        for kind in ["ClusterRole", "Role"] {
            server.jane(Method::POST, BINDINGS, JSON, &binding(kind, "future")).await.expect(404);
        }
        assert_eq!(server.get(BINDINGS).await.names(), ["hers"]);
    });
}

#[test]
fn a_role_with_more_rights_is_neither_labelled_nor_grown() {
    let rights = json!([
        rule("rbac.authorization.k8s.io", "*", &["create", "update", "patch", "get"]),
        rule("", "pods", &["get"])
    ]);
    with_rights(rights, |server| async move {
        // Cluster roles are changed at the scope of the cluster.
        let group = "rbac.authorization.k8s.io";
        let everywhere = json!({"metadata": {"name": "hers"}, "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "hers"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "jane"}]});
        server.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", everywhere).await.expect(201);
        let big = json!({"metadata": {"name": "big"}, "rules": [rule("", "secrets", &["*"])]});
        server.post(ROLES, big).await.expect(201);
        let merge = "application/merge-patch+json";
        let uri = format!("{ROLES}/big");
        let label = json!({"metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}});
        server.jane(Method::PATCH, &uri, merge, &label).await.expect(403);
        let apply = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "big", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}});
        server.jane(Method::PATCH, &format!("{uri}?fieldManager=jane"), APPLY, &apply).await.expect(403);
        // What the garbage collector does is allowed.
        let held = json!({"metadata": {"finalizers": ["example.com/held"]}});
        server.jane(Method::PATCH, &uri, merge, &held).await.expect(200);
        let aggregated = json!({"metadata": {"name": "sum"}, "rules": [], "aggregationRule":
            {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
        let refused = server.jane(Method::POST, ROLES, JSON, &aggregated).await.expect(403);
        assert!(
            refused
                .text("/message")
                .ends_with("must have cluster-admin privileges to use the aggregationRule")
        );
        let small = json!({"metadata": {"name": "small"}, "rules": [rule("", "pods", &["get"])]});
        server.jane(Method::PUT, &format!("{ROLES}/small"), JSON, &small).await.expect(201);
        server.jane(Method::PUT, &format!("{ROLES}/small"), JSON, &small).await.expect(200);
    });
}

/// Roles decide; while it is asked what somebody has, an annotation changes.
struct Meddler {
    api: Arc<dyn orch_core::Api>,
    rbac: Rbac,
}

#[async_trait::async_trait]
impl Authorizer for Meddler {
    async fn authorize(&self, user: &User, what: &Attributes) -> Decision {
        self.rbac.authorize(user, what).await
    }

    async fn rules(&self, user: &User, namespace: &str) -> Vec<Value> {
        let key = Key::new(kind::ROLES, "default", "r");
        let _ = self.api.one(Write::merge(key, json!({"metadata": {"annotations": {"verb": "*"}}}))).await;
        self.rbac.rules(user, namespace).await
    }
}

#[test]
fn what_is_judged_is_what_is_written() {
    let rights =
        json!([rule("rbac.authorization.k8s.io", "roles", &["patch"]), rule("", "secrets", &["get"])]);
    with_rights(rights, |mut server| async move {
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": "r", "namespace": "default", "annotations": {"verb": "get"}},
            "rules": [rule("", "secrets", &["get"])]});
        let api = server.rest.shared_api();
        api.create(role).await.unwrap();
        let meddler = Meddler { rbac: Rbac::new(api.clone()), api: api.clone() };
        server.rest = Rest::builder(api.clone(), &server.env).authorizer(meddler).build().acting_as(admin());
        let copy = json!([{"op": "copy", "from": "/metadata/annotations/verb", "path": "/rules/0/verbs/0"}]);
        let uri = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/r";
        let answer = server.jane(Method::PATCH, uri, "application/json-patch+json", &copy).await;
        let stored: Live = api.read(&Key::new(kind::ROLES, "default", "r")).await.unwrap();
        assert_eq!(stored.tree()["rules"][0]["verbs"], json!(["get"]), "{}", answer.raw);
        answer.expect(403);
    });
}

#[test]
fn a_name_in_a_selector_counts_as_the_name_and_a_namespace_stands_in_itself() {
    let rights = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"], "resourceNames": ["only"]},
        rule("", "namespaces", &["get"])]);
    with_rights(rights, |server| async move {
        for name in ["only", "other"] {
            server.map(name, json!({})).await;
        }
        let get = async |uri: &str| server.jane(Method::GET, uri, JSON, &Value::Null).await;
        let one = get(&format!("{MAPS}?fieldSelector=metadata.name%3Donly")).await.expect(200);
        assert_eq!(one.names(), ["only"]);
        get(MAPS).await.expect(403);
        for selector in ["metadata.name%3Dother", "metadata.name%21%3Donly"] {
            get(&format!("{MAPS}?fieldSelector={selector}")).await.expect(403);
        }
        get("/api/v1/namespaces/default").await.expect(200);
        get("/api/v1/namespaces/kube-system").await.expect(403);
        get("/api/v1/namespaces").await.expect(403);
    });
}

#[test]
fn a_watch_without_end_ends_some_day() {
    with(|server| async move {
        for secs in ["9223372036854775807", "18446744073709551615", "-1"] {
            let uri = format!("{MAPS}?watch=1&allowWatchBookmarks=true&timeoutSeconds={secs}");
            let response = server.open(Request::get(uri).body(Full::default()).unwrap()).await;
            let mut frames = BodyStream::new(response.into_body());
            let _ = server.env.timeout(std::time::Duration::from_secs(5), frames.next()).await;
        }
    });
}

#[test]
fn warnings_fit_into_headers() {
    with(|server| async move {
        let fields: serde_json::Map<String, Value> =
            (0..90).map(|at| (format!("{}{at}", "x".repeat(5_000)), json!(1))).collect();
        let mut tree = json!({"metadata": {"name": "a"}});
        tree.as_object_mut().unwrap().extend(fields);
        let answer = server.post(MAPS, tree).await.expect(201);
        let bytes: usize = answer.headers.get_all("warning").iter().map(http::HeaderValue::len).sum();
        assert!((1..8 << 10).contains(&bytes), "{bytes}");
    });
}

#[test]
fn other_ways_to_say_who_one_is_say_nothing() {
    with(|server| async move {
        let nobody = Rest::builder(server.rest.shared_api(), &server.env).build();
        for (header, code) in
            [("Basic YTpi", 403), ("Bearer", 403), ("Bearer ", 403), ("Bearer x", 401), ("bEARER x y", 401)]
        {
            let request =
                Request::get(MAPS).header("authorization", header).body(Full::<Bytes>::default()).unwrap();
            assert_eq!(nobody.answer(request).await.status(), code, "{header:?}");
        }
    });
}

#[test]
fn no_definition_replaces_a_kind_of_kubernetes() {
    with(|server| async move {
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
        let web = json!({"metadata": {"name": "web"}, "spec": {"podSelector": {}}});
        server.post(policies, web).await.expect(201);
        let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let approved = json!({"api-approved.kubernetes.io": "unapproved, it takes a name"});
        let definition = json!({"metadata": {"name": "networkpolicies.networking.k8s.io", "annotations": approved},
            "spec": {"group": "networking.k8s.io", "scope": "Namespaced",
            "names": {"plural": "networkpolicies", "singular": "networkpolicy", "kind": "NetworkPolicy",
                "listKind": "NetworkPolicyList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": anything}}]}});
        server.post(definitions, definition).await.expect(201);
        let wrong =
            json!({"metadata": {"name": "wrong"}, "spec": {"podSelector": {}, "policyTypes": ["Nope"]}});
        server.post(policies, wrong).await.expect(422);
        let uri = format!("{definitions}/networkpolicies.networking.k8s.io");
        server.delete(&uri, None).await.expect(200);
        assert_eq!(server.get(policies).await.expect(200).names(), ["web"]);
    });
}

#[test]
fn who_may_change_certificate_requests_may_not_decide_for_every_signer() {
    const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let group = "certificates.k8s.io";
    let mut parts = rule(group, "certificatesigningrequests/approval", &["*"]);
    parts["resources"] = json!(["certificatesigningrequests/approval", "certificatesigningrequests/status"]);
    let mut signer = rule(group, "signers", &["approve", "sign"]);
    signer["resourceNames"] = json!(["hers.org/*"]);
    let every = json!([parts, signer]);
    with(|mut server| async move {
        let api = server.rest.shared_api();
        let rbac = Rbac::new(api.clone());
        server.rest = Rest::builder(api, &server.env).authorizer(rbac).build().acting_as(admin());
        server.post(ROLES, json!({"metadata": {"name": "hers"}, "rules": every})).await.expect(201);
        let mut all = binding("ClusterRole", "hers");
        all["kind"] = "ClusterRoleBinding".into();
        server.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", all).await.expect(201);
        let request = include_str!("request.txt").trim();
        for (name, signer) in [("hers", "hers.org/a"), ("other", "other.org/a")] {
            let csr = json!({"metadata": {"name": name},
                "spec": {"request": request, "signerName": signer, "usages": ["client auth"]}});
            server.post(REQUESTS, csr).await.expect(201);
        }
        let condition =
            json!({"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "r"}]}});
        let merge = "application/merge-patch+json";
        let other = format!("{REQUESTS}/other/approval");
        let refused = server.jane(Method::PATCH, &other, merge, &condition).await.expect(403);
        assert_eq!(
            refused.text("/message"),
            "certificatesigningrequests.certificates.k8s.io \"other\" is forbidden: user not permitted to approve requests \
             with signerName \"other.org/a\""
        );
        let failed = json!({"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "r"}]}});
        server.jane(Method::PATCH, &format!("{REQUESTS}/other/status"), merge, &failed).await.expect(403);
        let label = json!({"metadata": {"labels": {"a": "b"}}});
        server.jane(Method::PATCH, &format!("{REQUESTS}/other/status"), merge, &label).await.expect(200);
        server.jane(Method::PATCH, &format!("{REQUESTS}/hers/approval"), merge, &condition).await.expect(200);
        server.jane(Method::PATCH, &format!("{REQUESTS}/none/approval"), merge, &condition).await.expect(404);
    });
}
