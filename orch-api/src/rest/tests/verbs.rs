//! Create, read, update, patch, delete, and the subresources.

use super::*;

#[test]
fn an_object_lives_from_its_creation_to_its_deletion() {
    with(|server| async move {
        let made =
            server.post(MAPS, json!({"metadata": {"name": "a"}, "data": {"k": "1"}})).await.expect(201);
        assert_eq!((made.text("/kind"), made.text("/apiVersion")), ("ConfigMap", "v1"));
        let one = format!("{MAPS}/a");
        let read = server.get(&one).await.expect(200);
        assert_eq!(read.body, made.body);
        let put = server.put(&one, json!({"metadata": {"name": "a"}, "data": {"k": "2"}})).await.expect(200);
        assert_ne!(put.revision(), made.revision());
        let patched = server.merge(&one, json!({"data": {"k": null, "l": "3"}})).await.expect(200);
        assert_eq!(patched.body["data"], json!({"l": "3"}));
        let stale = json!({"metadata": {"name": "a", "resourceVersion": made.revision()}});
        assert_eq!(server.put(&one, stale).await.expect(409).text("/reason"), "Conflict");
        let gone = server.delete(&one, None).await.expect(200);
        assert_eq!((gone.text("/kind"), gone.text("/details/uid")), ("Status", made.text("/metadata/uid")));
        assert_eq!(server.get(&one).await.expect(404).text("/message"), "configmaps \"a\" not found");
    });
}

#[test]
fn a_dry_run_changes_nothing() {
    with(|server| async move {
        let uri = format!("{MAPS}?dryRun=All");
        server.post(&uri, json!({"metadata": {"name": "a"}})).await.expect(201);
        server.get(&format!("{MAPS}/a")).await.expect(404);
        server.map("b", json!({})).await;
        let body = json!({"dryRun": ["All"]});
        assert_eq!(server.delete(&format!("{MAPS}/b"), Some(body)).await.expect(200).text("/kind"), "Status");
        server.delete(&format!("{MAPS}/b?dryRun=All"), None).await.expect(200);
        server.get(&format!("{MAPS}/b")).await.expect(200);
    });
}

#[test]
fn unknown_fields_are_warned_about_refused_or_dropped() {
    with(|server| async move {
        let body = |name: &str| json!({"metadata": {"name": name}, "dta": {}, "data": {"a": "b"}});
        let warned = server.post(MAPS, body("a")).await.expect(201);
        assert_eq!(warned.headers["warning"], "299 - \"unknown field \\\"dta\\\"\"");
        assert!(warned.body.get("dta").is_none());
        let refused = server.post(&format!("{MAPS}?fieldValidation=Strict"), body("b")).await.expect(400);
        assert_eq!(
            refused.text("/message"),
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"dta\""
        );
        let ignored = server.post(&format!("{MAPS}?fieldValidation=Ignore"), body("c")).await.expect(201);
        assert!(!ignored.headers.contains_key("warning"));
        let uri = format!("{MAPS}/a?fieldValidation=Strict");
        assert_eq!(
            server.merge(&uri, json!({"dta": 1})).await.expect(422).text("/details/causes/0/field"),
            "patch"
        );
    });
}

#[test]
fn deletions_keep_to_their_options() {
    with(|server| async move {
        let made = server.map("a", json!({})).await;
        let one = format!("{MAPS}/a");
        let wrong = json!({"preconditions": {"uid": "x"}});
        assert_eq!(server.delete(&one, Some(wrong)).await.expect(409).text("/details/kind"), "ConfigMap");
        let wrong = json!({"preconditions": {"resourceVersion": "1"}});
        server.delete(&one, Some(wrong)).await.expect(409);
        server.delete(&one, Some(json!({"propagationPolicy": "Nope"}))).await.expect(422);
        server.delete(&one, Some(json!({"kind": "Pod"}))).await.expect(400);
        server.delete(&format!("{one}?gracePeriodSeconds=x"), None).await.expect(400);
        let right =
            json!({"preconditions": {"uid": made.text("/metadata/uid")}, "propagationPolicy": "Foreground"});
        let waits = server.delete(&one, Some(right)).await.expect(200);
        assert_eq!(waits.body["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    });
}

#[test]
fn a_collection_is_deleted_as_selected() {
    with(|server| async move {
        for (name, label) in [("a", "x"), ("b", "y"), ("c", "x")] {
            server.map(name, json!({"l": label})).await;
        }
        let deleted = server.delete(&format!("{MAPS}?labelSelector=l%3Dx"), None).await.expect(200);
        assert_eq!((deleted.text("/kind"), deleted.names()), ("ConfigMapList", vec!["a", "c"]));
        assert_eq!(server.get(MAPS).await.names(), ["b"]);
        server.delete("/api/v1/configmaps", None).await.expect(405);
    });
}

#[test]
fn scale_is_read_and_written() {
    with(|server| async move {
        server.post(DEPLOYMENTS, deployment("web")).await.expect(201);
        let uri = format!("{DEPLOYMENTS}/web/scale");
        let mut scale = server.get(&uri).await.expect(200);
        assert_eq!(scale.body["spec"], json!({"replicas": 2}));
        assert_eq!(scale.text("/status/selector"), "app=web");
        scale.body["spec"]["replicas"] = 5.into();
        assert_eq!(server.put(&uri, scale.body.clone()).await.expect(200).body["spec"]["replicas"], 5);
        server.put(&uri, scale.body).await.expect(409);
        let patched = server.merge(&uri, json!({"spec": {"replicas": 1}})).await.expect(200);
        assert_eq!((patched.text("/kind"), &patched.body["spec"]["replicas"]), ("Scale", &json!(1)));
        assert_eq!(server.get(&format!("{DEPLOYMENTS}/web")).await.body["spec"]["replicas"], 1);
    });
}

#[test]
fn pods_are_bound_once_and_evicted() {
    with(|server| async move {
        server.post(PODS, pod("a")).await.expect(201);
        let binding = json!({"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n1"}});
        let bound = server.post(&format!("{PODS}/a/binding"), binding.clone()).await.expect(201);
        assert_eq!(
            bound.body,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
        );
        let again = server.post(&format!("{PODS}/a/binding"), binding).await.expect(409);
        assert_eq!(again.text("/details/kind"), "pods/binding");
        let eviction = json!({"metadata": {"name": "a"}, "deleteOptions": {"gracePeriodSeconds": 5}});
        server.post(&format!("{PODS}/a/eviction"), eviction).await.expect(201);
        assert_eq!(server.get(&format!("{PODS}/a")).await.body["metadata"]["deletionGracePeriodSeconds"], 5);
        let gone = server.delete(&format!("{PODS}/a?gracePeriodSeconds=0"), None).await.expect(200);
        assert_eq!(gone.text("/kind"), "Pod");
        server.get(&format!("{PODS}/a")).await.expect(404);
    });
}

#[test]
fn namespaces_end_by_finalize() {
    with(|server| async move {
        server.post("/api/v1/namespaces", json!({"metadata": {"name": "x"}})).await.expect(201);
        let mut ends = server.delete("/api/v1/namespaces/x", None).await.expect(200);
        assert_eq!(ends.text("/status/phase"), "Terminating");
        let refused = server
            .post("/api/v1/namespaces/x/configmaps", json!({"metadata": {"name": "a"}}))
            .await
            .expect(403);
        assert_eq!(refused.text("/details/causes/0/reason"), "NamespaceTerminating");
        ends.body["spec"]["finalizers"] = json!([]);
        server.put("/api/v1/namespaces/x/finalize", ends.body).await.expect(200);
        server.get("/api/v1/namespaces/x").await.expect(404);
    });
}

#[test]
fn bodies_and_answers_may_be_yaml() {
    with(|server| async move {
        let text = "metadata:\n  name: a\ndata:\n  k: \"yes\"\n";
        let headers = [("content-type", "application/yaml"), ("accept", "application/yaml")];
        let made = server.send(Method::POST, MAPS, &headers, text).await.expect(201);
        assert_eq!(made.headers["content-type"], "application/yaml");
        assert!(made.raw.contains("\nkind: ConfigMap"), "{}", made.raw);
        assert_eq!(server.get(&format!("{MAPS}/a")).await.body["data"]["k"], "yes");
    });
}

#[test]
fn an_update_may_create_where_kubernetes_lets_it() {
    with(|server| async move {
        let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/a";
        server.put(lease, json!({"metadata": {"name": "a"}, "spec": {}})).await.expect(201);
        let missing = json!({"metadata": {"name": "zz"}});
        server.put(&format!("{MAPS}/zz"), missing).await.expect(404);
    });
}

#[test]
fn bodies_may_be_protobuf() {
    with(|server| async move {
        let headers =
            [("content-type", "application/vnd.kubernetes.protobuf"), ("accept", "application/json")];
        // A ConfigMap "a" with data k=v, as kubectl sends it.
        let raw = [&b"\x0a\x03\x0a\x01a"[..], b"\x12\x06\x0a\x01k\x12\x01v"].concat();
        let mut body = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12".to_vec();
        body.push(u8::try_from(raw.len()).unwrap());
        body.extend(raw);
        let made = server.send(Method::POST, MAPS, &headers, body.clone()).await.expect(201);
        assert_eq!((made.text("/metadata/name"), made.text("/data/k")), ("a", "v"));
        let broken =
            server.send(Method::POST, MAPS, &headers, body[..body.len() - 2].to_vec()).await.expect(400);
        assert!(broken.text("/message").ends_with("unexpected EOF"), "{}", broken.raw);
        let pods = server.send(Method::POST, PODS, &headers, body).await.expect(400);
        assert!(pods.text("/message").contains("ConfigMap"), "{}", pods.raw);
    });
}

#[test]
fn what_is_tried_only_has_the_revision_of_what_is_there() {
    with(|server| async move {
        let made = server.map("a", json!({"x": "1"})).await;
        let revision = made.revision().to_owned();
        let uri = format!("{MAPS}/a?dryRun=All");
        let label = json!({"metadata": {"labels": {"x": "2"}}});
        let patched = server.merge(&uri, label).await.expect(200);
        assert_eq!((patched.text("/metadata/labels/x"), patched.revision()), ("2", revision.as_str()));
        let mut put = made.body.clone();
        put["data"] = json!({"k": "v"});
        let put = server.put(&uri, put).await.expect(200);
        assert_eq!((put.text("/data/k"), put.revision()), ("v", revision.as_str()));
        let tried =
            server.post(&format!("{MAPS}?dryRun=All"), json!({"metadata": {"name": "b"}})).await.expect(201);
        assert_eq!(tried.revision(), "", "nothing is there");
        assert_eq!(server.get(&format!("{MAPS}/a")).await.revision(), revision);
    });
}

#[test]
fn changes_are_warned_about_as_new_objects_are() {
    with(|server| async move {
        let warnings = |answer: &super::Answer| {
            let all = answer.headers.get_all("warning").iter();
            all.map(|text| text.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let made = server.post(DEPLOYMENTS, deployment("web")).await.expect(201);
        assert_eq!(warnings(&made), [""; 0]);
        let uri = format!("{DEPLOYMENTS}/web");
        let spec = json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": -1}}}});
        let changed = server.merge(&uri, spec).await.expect(200);
        let why = "must be >= 0; negative values are invalid and will be treated as 1";
        assert_eq!(
            warnings(&changed),
            [format!("299 - \"spec.template.spec.terminationGracePeriodSeconds: {why}\"")]
        );
        // Not again where the spec stays what it is.
        let label = server.merge(&uri, json!({"metadata": {"labels": {"a": "b"}}})).await.expect(200);
        assert_eq!(warnings(&label), [""; 0]);
        let mut put = label.body.clone();
        put["spec"]["replicas"] = 5.into();
        assert_eq!(warnings(&server.put(&uri, put).await.expect(200)).len(), 1);
        let services = "/api/v1/namespaces/default/services";
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
        assert_eq!(warnings(&server.post(services, service).await.expect(201)), [""; 0]);
        let external = json!({"spec": {"externalIPs": ["1.2.3.4"]}});
        let changed = server.merge(&format!("{services}/s"), external).await.expect(200);
        let why = "spec.externalIPs is deprecated and may no longer be implemented in some clusters";
        assert_eq!(warnings(&changed), [format!("299 - \"{why}\"")]);
    });
}
