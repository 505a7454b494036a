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
        server
            .post(PODS, json!({"metadata": {"name": "a", "finalizers": ["a.b/c"]}, "spec": pod("a")["spec"]}))
            .await;
        let stays = server.delete(PODS, None).await.expect(200);
        assert_eq!(stays.body["items"][0]["metadata"].get("deletionTimestamp"), None, "as it was before");
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
        let ended = server.put("/api/v1/namespaces/x/finalize", ends.body).await.expect(200);
        assert_eq!(ended.body["spec"], json!({}));
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
        assert!(broken.text("/message").contains("unexpected EOF (6b387300"), "{}", broken.raw);
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

#[test]
fn metadata_may_change_with_the_status() {
    with(|server| async move {
        server.post(DEPLOYMENTS, deployment("web")).await.expect(201);
        server.post(PODS, pod("a")).await.expect(201);
        let change = json!({"metadata": {"labels": {"l": "v"}, "annotations": {"a": "b"}, "finalizers": ["a.b/c"]},
            "spec": {"hostname": "h"}, "status": {"message": "m"}});
        let owned =
            json!({"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}]});
        let patched = server.merge(&format!("{PODS}/a/status"), change.clone()).await.expect(200);
        let metadata = &patched.body["metadata"];
        assert_eq!((&metadata["labels"]["l"], &metadata["annotations"]["a"]), (&json!("v"), &json!("b")));
        assert_eq!((patched.text("/status/message"), patched.text("/spec/hostname")), ("m", ""));
        let read = server.get(&format!("{PODS}/a")).await;
        assert_eq!(read.body, patched.body);
        let owner = server.merge(&format!("{PODS}/a/status"), json!({"metadata": owned})).await.expect(200);
        assert_eq!(owner.body, patched.body, "kubelets do not set owners");
        let uri = format!("{DEPLOYMENTS}/web/status");
        let patched = server.merge(&uri, change).await.expect(200);
        assert_eq!(patched.body["metadata"].get("labels"), None, "those of a deployment stay");
        assert_eq!(patched.body["metadata"]["annotations"], json!({"a": "b"}));
        assert_eq!(patched.body["metadata"]["generation"], 1);
        let mut put = patched.body.clone();
        put["metadata"]["annotations"] = json!({"a": "c"});
        put["metadata"]["finalizers"] = json!([]);
        let put = server.put(&uri, put).await.expect(200);
        assert_eq!(put.body["metadata"]["annotations"], json!({"a": "c"}));
        assert_eq!(put.body["metadata"].get("finalizers"), None);
        let wrong = json!({"metadata": {"annotations": {"a b": "c"}}});
        assert_eq!(
            server.merge(&uri, wrong).await.expect(422).text("/details/causes/0/field"),
            "metadata.annotations"
        );
        // The last finalizer goes.
        server
            .merge(&format!("{DEPLOYMENTS}/web"), json!({"metadata": {"finalizers": ["a.b/c"]}}))
            .await
            .expect(200);
        server.delete(&format!("{DEPLOYMENTS}/web"), None).await.expect(200);
        server.merge(&uri, json!({"metadata": {"finalizers": null}})).await.expect(200);
        server.get(&uri).await.expect(404);
    });
}

#[test]
fn services_have_the_addresses_and_ports_of_their_type() {
    with(|server| async move {
        let service = json!({"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}],
            "externalTrafficPolicy": "Local"}});
        let made = server.post("/api/v1/namespaces/default/services", service).await.expect(201);
        assert!(made.body["spec"]["healthCheckNodePort"].as_i64().is_some_and(|port| port >= 30_000));
        let external = json!({"metadata": {"name": "e"}, "spec": {"type": "ExternalName", "externalName": "a.b",
            "clusterIP": "10.0.0.1"}});
        let refused = server.post("/api/v1/namespaces/default/services", external).await.expect(422);
        assert_eq!(refused.text("/details/causes/0/field"), "spec.clusterIPs");
    });
}

#[test]
fn classes_are_taken_into_account() {
    with(|server| async move {
        let with_class = |name: &str| {
            let mut pod = pod(name);
            pod["spec"]["runtimeClassName"] = "safe".into();
            pod["spec"]["nodeSelector"] = json!({"a": "b"});
            pod
        };
        assert_eq!(
            server.post(PODS, with_class("a")).await.expect(403).text("/message"),
            "pods \"a\" is forbidden: pod rejected: RuntimeClass \"safe\" not found"
        );
        let class = json!({"metadata": {"name": "safe"}, "handler": "h", "overhead": {"podFixed": {"cpu": "1"}},
            "scheduling": {"nodeSelector": {"c": "d"}, "tolerations": [{"operator": "Exists"}]}});
        server.post("/apis/node.k8s.io/v1/runtimeclasses", class).await.expect(201);
        let made = server.post(PODS, with_class("a")).await.expect(201);
        assert_eq!(made.body["spec"]["overhead"], json!({"cpu": "1"}));
        assert_eq!(made.body["spec"]["nodeSelector"], json!({"a": "b", "c": "d"}));
        assert_eq!(made.body["spec"]["tolerations"], json!([{"operator": "Exists"}]), "it covers all others");
        let mut other = with_class("b");
        other["spec"]["nodeSelector"] = json!({"c": "e"});
        assert_eq!(
            server.post(PODS, other).await.expect(403).text("/message"),
            "pods \"b\" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[c] = d; pod.spec.nodeSelector[c] = e"
        );
        let mut heavy = pod("c");
        heavy["spec"]["overhead"] = json!({"cpu": "1"});
        server.post(PODS, heavy).await.expect(403);

        let ingresses = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
        let ingress = |name: &str| {
            json!({"metadata": {"name": name}, "spec": {"defaultBackend": {
            "service": {"name": "s", "port": {"number": 80}}}}})
        };
        let plain = server.post(ingresses, ingress("a")).await.expect(201);
        assert_eq!(plain.body["spec"].get("ingressClassName"), None);
        let class = json!({"metadata": {"name": "nginx",
            "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}, "spec": {"controller": "a.b/c"}});
        server.post("/apis/networking.k8s.io/v1/ingressclasses", class).await.expect(201);
        let classed = server.post(ingresses, ingress("b")).await.expect(201);
        assert_eq!(classed.text("/spec/ingressClassName"), "nginx");
    });
}

#[test]
fn owners_that_stand_there_twice_count_once() {
    with(|server| async move {
        let owner =
            |name: &str| json!({"apiVersion": "v1", "kind": "Node", "name": name, "uid": format!("u{name}")});
        let all = json!([owner("a"), owner("b"), owner("a")]);
        let made =
            server.post(MAPS, json!({"metadata": {"name": "a", "ownerReferences": all}})).await.expect(201);
        assert_eq!(made.body["metadata"]["ownerReferences"], json!([owner("a"), owner("b")]));
        let warned = made.headers["warning"].to_str().unwrap();
        assert!(warned.ends_with("please fix your requests; duplicate UID(s) observed: ua\""), "{warned}");
    });
}

#[test]
fn what_a_client_asks_to_ignore_is_validated_all_the_same() {
    with(|server| async move {
        server.post(PODS, pod("a")).await.expect(201);
        let uri = format!("{PODS}/a/status?fieldValidation=Ignore");
        let address = ("/status/podIPs", json!([{"ip": "x"}]));
        let label = ("/metadata/labels", json!({"no key!": "v"}));
        for (path, value) in [address, label] {
            let patch = json!([{"op": "add", "path": path, "value": value}]).to_string();
            let headers = [("content-type", "application/json-patch+json")];
            server.send(Method::PATCH, &uri, &headers, patch).await.expect(422);
        }
    });
}

#[test]
fn what_has_no_namespace_loses_the_one_that_it_says() {
    with(|server| async move {
        let uri = "/apis/storage.k8s.io/v1/storageclasses";
        let class = json!({"metadata": {"name": "a", "namespace": "shop"}, "provisioner": "p"});
        let one = format!("{uri}/a");
        for answer in [
            server.post(uri, class.clone()).await.expect(201),
            server.put(&one, class.clone()).await.expect(200),
            server.merge(&one, class).await.expect(200),
        ] {
            assert_eq!(answer.body["metadata"].get("namespace"), None, "{}", answer.raw);
        }
        let asked = json!({"metadata": {"namespace": "shop"},
            "spec": {"resourceAttributes": {"verb": "list", "resource": "pods"}}});
        let uri = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        assert_eq!(server.post(uri, asked).await.expect(201).body["metadata"], json!({}));
    });
}
