//! Patches and applies as a running kube-apiserver v1.36.2 answered them, and field management of every kind of write.
//!
//! `patches.json` holds recorded conversations: requests with the answers, without what no two servers have in common.

use orch_core::{Conflicts, Patch, PatchFault};

use super::*;

const RECORDED: &str = include_str!("patches.json");

/// The kind, name and subresource that a path names, and its parameters.
fn address(path: &str) -> (Key, Subresource, Option<String>, Conflicts) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut steps = path.rsplit("namespaces/default/").next().unwrap().split('/');
    let kind = match steps.next().unwrap() {
        "configmaps" => kind::CONFIG_MAPS,
        "deployments" => kind::DEPLOYMENTS,
        "services" => kind::SERVICES,
        other => panic!("{other}"),
    };
    let name = steps.next().unwrap_or_default();
    let subresource = if steps.next() == Some("status") { Subresource::Status } else { Subresource::None };
    let parameter =
        |name: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    let force = if parameter("force").is_some() { Conflicts::Force } else { Conflicts::Refuse };
    let manager = parameter("fieldManager").map(|(_, value)| value.to_owned());
    (Key::new(kind, "default", name), subresource, manager, force)
}

fn write(step: &Value) -> Write {
    let (key, subresource, manager, conflicts) = address(step["path"].as_str().unwrap());
    let mut body = Arc::new(step["body"].clone());
    if let Some(text) = body.as_str() {
        // A body that is no object was recorded as text.
        body = Arc::new(serde_json::from_str(text).unwrap());
    }
    let verb = match (step["method"].as_str().unwrap(), step["type"].as_str()) {
        ("POST", _) => Verb::Create(body),
        (_, Some("application/json-patch+json")) => Verb::Patch(Patch::Json(body)),
        (_, Some("application/merge-patch+json")) => Verb::Patch(Patch::Merge(body)),
        (_, Some("application/strategic-merge-patch+json")) => Verb::Patch(Patch::Strategic(body)),
        (_, Some("application/apply-patch+yaml")) => Verb::Patch(Patch::Apply { config: body, conflicts }),
        other => panic!("{other:?}"),
    };
    Write::new(key, verb).to(subresource).managed_by(manager.unwrap_or_default())
}

/// What no two servers have in common goes, as the recording has it.
fn normal(live: &Live, with_managers: bool) -> Value {
    let mut tree = live.to_tree();
    let metadata = tree["metadata"].as_object_mut().unwrap();
    for field in ["uid", "creationTimestamp", "resourceVersion"] {
        metadata.remove(field);
    }
    if !with_managers {
        metadata.remove("managedFields");
    }
    for entry in metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
        entry["time"] = "<time>".into();
    }
    if let Some(spec) = tree.get_mut("spec").and_then(Value::as_object_mut) {
        for (field, text) in [("clusterIP", json!("<ip>")), ("clusterIPs", json!(["<ip>"]))] {
            spec.entry(field).and_modify(|value| *value = text);
        }
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if port.get("nodePort").is_some() {
                port["nodePort"] = "<nodeport>".into();
            }
        }
    }
    tree
}

#[track_caller]
fn check(case: &str, step: &Value, answer: Result<Live>) {
    let expected = &step["answer"];
    match answer {
        Ok(live) if step["only"].is_array() => {
            assert_eq!(expected["metadata.generation"], live.tree()["metadata"]["generation"], "{case}");
        }
        Ok(live) => {
            let found = normal(&live, step["managed"] == true);
            assert_eq!(found, *expected, "{case}\nfound    {found}\nexpected {expected}");
        }
        Err(error) => {
            assert_eq!(json!(error.reason().code()), step["code"], "{case}: {error}");
            check_error(case, expected, &error);
        }
    }
}

#[track_caller]
fn check_error(case: &str, expected: &Value, error: &Error) {
    let reason = expected.get("reason").and_then(Value::as_str);
    match error {
        Error::Patch { fault: PatchFault::Unprocessable, .. } => {
            assert_eq!(reason, Some("Invalid"), "{case}")
        }
        Error::Patch { fault: PatchFault::Unfit, why, .. } => {
            assert_eq!((reason, json!(why)), (None, expected["message"].clone()), "{case}");
        }
        Error::Patch { why, .. } | Error::Malformed { why, .. } => {
            assert_eq!((reason, json!(why)), (Some("BadRequest"), expected["message"].clone()), "{case}");
        }
        Error::Conflict { cause: cause @ ConflictCause::Fields(fields), .. } => {
            assert_eq!(json!(cause.to_string()), expected["message"], "{case}");
            let causes = fields.iter().map(|conflict| {
                json!({"field": conflict.field, "message": format!("conflict with {}", conflict.manager),
                    "reason": "FieldManagerConflict"})
            });
            assert_eq!(causes.collect::<Value>(), expected["details"]["causes"], "{case}");
        }
        Error::Invalid { faults, .. } => {
            let causes = expected["details"]["causes"].as_array().unwrap();
            let causes: Vec<_> =
                causes.iter().map(|cause| (cause["field"].clone(), cause["reason"].clone())).collect();
            let found: Vec<_> =
                faults.iter().map(|fault| (json!(fault.field), json!(fault.kind.cause()))).collect();
            assert_eq!(found, causes, "{case}");
        }
        other => panic!("{case}: {other}"),
    }
}

#[test]
fn recorded_conversations_are_answered_as_kubernetes_answered() {
    let cases: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    assert_eq!(cases.len(), 30);
    for case in cases {
        sim(|api, _| async move {
            let name = case["name"].as_str().unwrap();
            for (at, step) in case["steps"].as_array().unwrap().iter().enumerate() {
                check(&format!("{name} step {at}"), step, api.one(write(step)).await);
            }
        });
    }
}

const MANAGERS: &str = "managedFields";

/// Manager, operation and subresource of every entry, with its fields.
fn managers(live: &Live) -> Vec<(String, Value)> {
    let tree = live.to_tree();
    let entries = tree["metadata"].get(MANAGERS).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let entry = |entry: Value| {
        let name = format!(
            "{} {} {}",
            text(&entry, "manager"),
            text(&entry, "operation"),
            text(&entry, "subresource")
        );
        (name.trim_end().to_owned(), entry["fieldsV1"].clone())
    };
    entries.into_iter().map(entry).collect()
}

fn web() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]}}}})
}

fn web_key() -> Key {
    Key::new(kind::DEPLOYMENTS, "default", "web")
}

#[test]
fn writes_that_name_no_manager_are_not_tracked_and_keep_what_is() {
    sim(|api, _| async move {
        let plain = api.create(web()).await.unwrap();
        assert_eq!(plain.managed_fields(), None);
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "1", "b": "2"}});
        let applied = api.one(Write::apply(self::config("a"), "m1", config)).await.unwrap();
        let same = api.one(Write::merge(self::config("a"), json!({"data": {"a": "1"}}))).await.unwrap();
        assert_eq!(same.revision(), applied.revision(), "nothing changed");
        // A change of what is managed is seen by its manager.
        let changed = api.one(Write::merge(self::config("a"), json!({"data": {"a": "3"}}))).await.unwrap();
        assert_eq!(
            managers(&changed),
            [
                ("m1 Apply".to_owned(), json!({"f:data": {"f:b": {}}})),
                (
                    "system:admin".rsplit(':').next().unwrap().to_owned() + " Update",
                    json!({"f:data": {"f:a": {}}})
                ),
            ]
        );
        assert!(changed.tree()["metadata"].get(MANAGERS).is_none(), "a tree in flight has none");
    });
}

#[test]
fn a_status_is_tracked_when_its_writer_has_a_name() {
    sim(|api, _| async move {
        let made = api.one(Write::create_tree(kind::DEPLOYMENTS, web()).managed_by("post")).await.unwrap();
        let write = Write::merge_status(web_key(), json!({"status": {"replicas": 1}}));
        let plain = api.one(write.clone()).await.unwrap();
        assert_eq!(plain.managed_fields(), made.managed_fields());
        let write = Write::merge_status(web_key(), json!({"status": {"replicas": 2}})).managed_by("kubelet");
        let named = api.one(write.clone()).await.unwrap();
        let status = json!({"f:status": {"f:replicas": {}}});
        assert_eq!(managers(&named)[0], ("kubelet Update status".to_owned(), status));
        let again = api.one(write).await.unwrap();
        assert_eq!(again.revision(), named.revision(), "the same again is no write");
    });
}

#[test]
fn scaling_takes_the_replicas_from_who_applied_them() {
    sim(|api, _| async move {
        let apply = |replicas: i64| {
            let mut config = web();
            config["spec"]["replicas"] = replicas.into();
            Write::apply(web_key(), "m1", config)
        };
        api.one(apply(1)).await.unwrap();
        let scale = Write::merge(web_key(), json!({"spec": {"replicas": 5}})).to(Subresource::Scale);
        let scaled = api.one(scale.managed_by("hpa")).await.unwrap();
        assert_eq!(scaled.tree()["spec"]["replicas"], 5);
        assert_eq!(
            managers(&scaled)[1],
            ("hpa Update scale".to_owned(), json!({"f:spec": {"f:replicas": {}}}))
        );
        let error = api.one(apply(1)).await.unwrap_err();
        let Error::Conflict { cause: ConflictCause::Fields(fields), .. } = error else { panic!("{error:?}") };
        assert_eq!(fields[0].manager, "\"hpa\" with subresource \"scale\" using apps/v1");
        assert_eq!(fields[0].field, ".spec.replicas");
        let forced = api.one(apply(1).force()).await.unwrap();
        assert_eq!(managers(&forced).len(), 1);
        for patch in [
            Patch::Json(json!([{"op": "replace", "path": "/spec/replicas", "value": 3}]).into()),
            Patch::Strategic(json!({"spec": {"replicas": 3}}).into()),
        ] {
            let write = Write::new(web_key(), Verb::Patch(patch)).to(Subresource::Scale);
            assert_eq!(api.one(write).await.unwrap().tree()["spec"]["replicas"], 3);
        }
    });
}

#[test]
fn a_patch_may_say_which_state_it_is_for() {
    sim(|api, _| async move {
        let made = make_config(&api, json!({"data": {"a": "1"}})).await;
        let json_patch = |revision: &str| {
            let patch = json!([{"op": "replace", "path": "/metadata/resourceVersion", "value": revision},
                {"op": "add", "path": "/data/b", "value": "2"}]);
            Write::new(config("a"), Verb::Patch(Patch::Json(patch.into())))
        };
        let stale = api.one(json_patch("1")).await.unwrap_err();
        assert!(matches!(stale, Error::Conflict { cause: ConflictCause::Revision { .. }, .. }), "{stale}");
        let patched = api.one(json_patch(&made.revision().to_string())).await.unwrap();
        assert_eq!(patched.tree()["data"], json!({"a": "1", "b": "2"}));
        let old = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "resourceVersion": "1"}});
        let stale = api.one(Write::apply(config("a"), "m", old)).await.unwrap_err();
        assert!(matches!(stale, Error::Conflict { cause: ConflictCause::Revision { .. }, .. }), "{stale}");
        let stale = json!({"metadata": {"resourceVersion": "1"}, "data": {"c": "3"}});
        let stale =
            api.one(Write::new(config("a"), Verb::Patch(Patch::Strategic(stale.into())))).await.unwrap_err();
        assert!(stale.is_conflict(), "{stale}");
    });
}

#[test]
fn what_a_patch_makes_must_fit_the_kind() {
    sim(|api, _| async move {
        api.create(web()).await.unwrap();
        let paths = |error: Error| match error {
            Error::Invalid { faults, .. } => {
                faults.into_iter().map(|fault| (fault.field, fault.detail)).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
        let wrong = json!([{"op": "replace", "path": "/spec/replicas", "value": "x"}]);
        for patch in [
            Patch::Json(Arc::new(wrong)),
            Patch::Strategic(Arc::new(json!({"spec": {"replicas": "x"}}))),
            Patch::Merge(Arc::new(json!({"spec": {"replicas": "x"}}))),
        ] {
            let found = paths(api.one(Write::new(web_key(), Verb::Patch(patch))).await.unwrap_err());
            let detail = "spec.replicas: expected integer, got string \"x\"".to_owned();
            assert_eq!(found, [("patch".to_owned(), detail)]);
        }
        let odd = json!([{"op": "add", "path": "/spec/paused", "value": true, "x": 1}]);
        let write = Write::new(web_key(), Verb::Patch(Patch::Json(Arc::new(odd))));
        let found = paths(api.one(write.clone().strict()).await.unwrap_err());
        assert_eq!(found[0].1, "strict decoding error: json patch unknown field \"[0].x\"");
        assert_eq!(api.one(write).await.unwrap().tree()["spec"]["paused"], true);
        let gone = json!([{"op": "replace", "path": "", "value": []}]);
        let gone =
            api.one(Write::new(web_key(), Verb::Patch(Patch::Json(Arc::new(gone))))).await.unwrap_err();
        assert!(matches!(gone, Error::Patch { fault: PatchFault::Unprocessable, .. }), "{gone}");
    });
}

#[test]
fn an_apply_has_a_manager_and_makes_no_subresource() {
    sim(|api, _| async move {
        let mut write = Write::apply(web_key(), "m", web());
        write.options.field_manager = None;
        let error = api.one(write).await.unwrap_err();
        assert!(
            matches!(&error, Error::Invalid { faults, .. } if faults[0].field == "fieldManager"),
            "{error}"
        );
        let absent = api.one(Write::apply(web_key(), "m", web()).to(Subresource::Status)).await.unwrap_err();
        assert!(absent.is_not_found(), "{absent}");
        let tried = api.one(Write::apply(web_key(), "m", web()).dry_run()).await.unwrap();
        assert_eq!(managers(&tried).len(), 1);
        assert!(api.read(&web_key()).await.unwrap_err().is_not_found());
    });
}

#[test]
fn objects_of_one_form_share_the_text_of_their_managers() {
    sim(|api, _| async move {
        let mut texts = Vec::new();
        for name in ["a", "b"] {
            let tree = json!({"metadata": {"name": name, "namespace": "default"}, "data": {"k": name}});
            let live = api.one(Write::create_tree(kind::CONFIG_MAPS, tree).managed_by("post")).await.unwrap();
            texts.push(live.managed_fields().unwrap().clone());
        }
        assert_eq!(texts[0].as_ptr(), texts[1].as_ptr());
    });
}

#[test]
fn managers_can_be_forgotten() {
    sim(|api, _| async move {
        let made = api.one(Write::create_tree(kind::DEPLOYMENTS, web()).managed_by("post")).await.unwrap();
        assert_eq!(managers(&made).len(), 1);
        let forget = Write::merge(web_key(), json!({"metadata": {"managedFields": []}})).managed_by("me");
        let forgotten = api.one(forget).await.unwrap();
        assert_eq!(forgotten.managed_fields(), None);
        assert!(forgotten.revision() > made.revision());
    });
}

#[test]
fn kinds_without_a_type_merge_maps_and_refuse_strategic_patches() {
    sim(|api, _| async move {
        let widgets = orch_core::Kind::named("shop.example", "widgets");
        let info = orch_core::KindInfo::new(widgets, "v1", "Widget", orch_core::Scope::Namespaced);
        api.registry().register(info).unwrap();
        let key = Key::new(widgets, "default", "w");
        let config = |spec: Value| json!({"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec});
        api.one(Write::apply(key.clone(), "m1", config(json!({"a": {"x": 1}, "l": [1]})))).await.unwrap();
        let both = api.one(Write::apply(key.clone(), "m2", config(json!({"a": {"y": 2}})))).await.unwrap();
        assert_eq!(both.tree()["spec"], json!({"a": {"x": 1, "y": 2}, "l": [1]}));
        let patch = Patch::Strategic(json!({"spec": {"a": null}}).into());
        let error = api.one(Write::new(key, Verb::Patch(patch))).await.unwrap_err();
        assert!(matches!(error, Error::Patch { fault: PatchFault::Malformed, .. }), "{error}");
    });
}

#[test]
fn an_apply_survives_that_somebody_else_writes_first() {
    sim(|api, env| async move {
        make_config(&api, json!({"data": {"n": "0"}})).await;
        let writers = (0..8).map(|n| {
            let api = api.clone();
            let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {format!("k{n}"): "v"}});
            env.spawn(async move {
                api.one(Write::apply(self::config("a"), format!("m{n}"), config)).await.unwrap();
            })
        });
        let writers: Vec<_> = writers.collect();
        for writer in writers {
            writer.await;
        }
        let live = api.read(&config("a")).await.unwrap();
        assert_eq!(live.tree()["data"].as_object().unwrap().len(), 9);
        assert_eq!(managers(&live).len(), 9, "eight and who was before the first apply");
    });
}

#[test]
fn an_object_that_is_too_large_with_its_managers_goes_without() {
    let tree = |name: &str, bytes: usize| {
        let data: serde_json::Map<String, Value> =
            (0..20).map(|n| (format!("key-{n}"), "x".repeat(bytes).into())).collect();
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data})
    };
    let create = |tree: Value| Write::create_tree(kind::CONFIG_MAPS, tree);
    let size = sim(|api, _| async move { api.one(create(tree("a", 90))).await.unwrap().size() });
    orch_core::sim::run(7, |env| async move {
        let registry = Arc::new(Registry::built_in());
        // Room for the object, and for a few bytes of managers.
        let store = Arc::new(MemStore::builder(Arc::clone(&registry)).object_bytes(size + 100).build());
        let api = LocalApi::builder(store, env, registry).build();
        api.bootstrap().await.unwrap();
        let small = api.one(create(tree("a", 10)).managed_by("m")).await.unwrap();
        assert_eq!(managers(&small).len(), 1);
        let update = Write::update(config("a"), tree("a", 90)).managed_by("m");
        let large = api.one(update.at(small.revision())).await.unwrap();
        assert_eq!(large.managed_fields(), None);
        assert_eq!(large.tree()["data"], tree("a", 90)["data"]);
        let refused = api.one(Write::update(config("a"), tree("a", 200)).managed_by("m")).await.unwrap_err();
        assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
        let made = api.one(create(tree("b", 90)).managed_by("m")).await.unwrap();
        assert_eq!(made.managed_fields(), None);
        let refused = api.one(Write::apply(config("c"), "m", tree("c", 90))).await.unwrap_err();
        assert!(matches!(refused, Error::TooLarge { .. }), "an apply is nothing without managers: {refused}");
    });
}

#[test]
fn no_patch_makes_an_object_that_cannot_be_read() {
    sim(|api, _| async move {
        let widgets = orch_core::Kind::named("shop.example", "widgets");
        let info = orch_core::KindInfo::new(widgets, "v1", "Widget", orch_core::Scope::Namespaced);
        api.registry().register(info).unwrap();
        let key = Key::new(widgets, "default", "w");
        let nested = (0..100).fold(json!({}), |tree, _| json!({"a": tree}));
        let tree = json!({"metadata": {"name": "w", "namespace": "default"}, "spec": nested});
        api.one(Write::create_tree(widgets, tree)).await.unwrap();
        let copy = json!([{"op": "copy", "from": "/spec", "path": format!("/spec{}", "/a".repeat(100))}]);
        let deeper =
            api.one(Write::new(key.clone(), Verb::Patch(Patch::Json(copy.into())))).await.unwrap_err();
        assert!(matches!(deeper, Error::Patch { fault: PatchFault::Unprocessable, .. }), "{deeper}");
        let copy = json!([{"op": "copy", "from": "/spec", "path": format!("/spec{}", "/a".repeat(18))}]);
        let deep = api.one(Write::new(key.clone(), Verb::Patch(Patch::Json(copy.into())))).await.unwrap();
        assert_eq!(*api.read(&key).await.unwrap().tree(), *deep.tree());
    });
}
