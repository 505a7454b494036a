//! Any tree on any verb of any kind: answers, never panics, and leaves a store whose objects can be read.

use std::sync::Arc;

use orch_core::object::Part;
use orch_core::{
    Api, Conflicts, DeleteOptions, Key, Kind, KindInfo, Patch, Read, Registry, Scope, Select, Subresource,
    Verb, Write,
};
use orch_store::MemStore;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::LocalApi;
use crate::patch::Managers;

/// Fields that the pipeline and its rows look at.
#[rustfmt::skip]
const FIELDS: &[&str] = &[
    "metadata", "spec", "status", "name", "namespace", "generateName", "labels", "annotations", "finalizers",
    "ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "uid", "generation",
    "creationTimestamp", "managedFields", "template", "containers", "selector", "ports", "port", "nodePort",
    "clusterIP", "clusterIPs", "type", "replicas", "target", "deleteOptions", "preconditions", "priorityClassName",
    "tolerations", "taints", "resources", "requests", "cpu", "conditions", "phase", "podIP", "data", "stringData",
    "value", "globalDefault", "apiVersion", "kind", "healthCheckNodePort", "externalTrafficPolicy", "loadBalancer",
    "volumes", "accessModes", "endpoints", "leaseDurationSeconds",
];

/// Texts that mean something to them.
#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "", "a", "default", "v1", "Pod", "None", "10.0.0.3", "ExternalName", "LoadBalancer", "NodePort", "Local", "1",
    "e.com/f", "2026-01-01T00:00:00Z", "100m", "kubernetes", "\u{0}é",
];

/// Trees of these, with values of any type.
fn trees() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(TEXTS).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let fields = prop::collection::btree_map(prop::sample::select(FIELDS), inner.clone(), 0..6);
        prop_oneof![
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::from),
            4 => fields.prop_map(|map| {
                map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
            }),
        ]
    })
}

/// JSON patches of what these trees have.
fn operations() -> impl Strategy<Value = Value> {
    let step = prop_oneof![prop::sample::select(FIELDS), Just("0"), Just("-")];
    let path = prop::collection::vec(step, 0..4)
        .prop_map(|steps| steps.iter().map(|s| format!("/{s}")).collect::<String>());
    let kind = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]);
    let operation = (kind, path.clone(), path, trees())
        .prop_map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}));
    prop::collection::vec(operation, 0..4).prop_map(Value::from)
}

fn verbs() -> impl Strategy<Value = Verb> {
    prop_oneof![
        3 => trees().prop_map(|tree| Verb::Create(tree.into())),
        3 => trees().prop_map(|tree| Verb::Update(tree.into())),
        3 => trees().prop_map(|tree| Verb::Patch(Patch::Merge(tree.into()))),
        1 => operations().prop_map(|patch| Verb::Patch(Patch::Json(patch.into()))),
        2 => trees().prop_map(|tree| Verb::Patch(Patch::Strategic(tree.into()))),
        3 => (trees(), any::<bool>()).prop_map(|(tree, force)| {
            let conflicts = if force { Conflicts::Force } else { Conflicts::Refuse };
            Verb::Patch(Patch::Apply { config: tree.into(), conflicts })
        }),
        1 => prop::option::of(any::<i64>()).prop_map(|secs| {
            let mut options = DeleteOptions::default();
            options.grace_secs = secs;
            Verb::Delete(options)
        }),
    ]
}

/// A tree that is close to an object of the kind: what makes it a real one is there.
fn close(kind: Kind, tree: &Value) -> Value {
    let mut real = match kind.resource() {
        "pods" => json!({"spec": {"containers": [{"name": "c", "image": "x"}]}}),
        "services" => json!({"spec": {"ports": [{"port": 80}]}}),
        "storageclasses" => json!({"provisioner": "p"}),
        _ => json!({}),
    };
    let head = json!({"metadata": {"name": "a"}});
    crate::merge_patch(&mut real, tree);
    if real.is_object() {
        crate::merge_patch(&mut real, &head);
    }
    real
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_write_is_answered(
        writes in prop::collection::vec((0..20usize, 0..10usize, verbs(), any::<bool>(), any::<bool>(), 0..4usize), 1..12)
    ) {
        orch_core::sim::run(1, |env| async move {
            let registry = Arc::new(Registry::built_in());
            let widgets = KindInfo::new(Kind::named("shop.example", "widgets"), "v1", "Widget", Scope::Namespaced);
            registry.register(widgets).unwrap();
            let store = Arc::new(MemStore::new(Arc::clone(&registry)));
            let api = LocalApi::builder(store, env, Arc::clone(&registry))
                .service_range("10.0.0.0/29".parse().unwrap())
                .build();
            api.bootstrap().await.unwrap();
            let kinds = registry.kinds();
            let subresources = [
                Subresource::None, Subresource::None, Subresource::Status, Subresource::Scale, Subresource::Binding,
                Subresource::Finalize, Subresource::EphemeralContainers, Subresource::Resize, Subresource::Eviction,
                Subresource::Token,
            ];
            let writes: Vec<Write> = writes.into_iter().map(|(kind, subresource, verb, likely, strict, manager)| {
                let info = &kinds[kind % kinds.len()];
                let namespace = if info.is_namespaced() { "default" } else { "" };
                let verb = match verb {
                    Verb::Create(tree) if likely => Verb::Create(close(info.kind, &tree).into()),
                    Verb::Update(tree) if likely => Verb::Update(close(info.kind, &tree).into()),
                    Verb::Patch(Patch::Apply { config, conflicts }) if likely => {
                        let mut config = close(info.kind, &config);
                        if config.is_object() {
                            config["apiVersion"] = info.api_version().into();
                            config["kind"] = (*info.name).into();
                        }
                        Verb::Patch(Patch::Apply { config: config.into(), conflicts })
                    }
                    verb => verb,
                };
                let write = Write::new(Key::new(info.kind, namespace, "a"), verb).to(subresources[subresource]);
                let write = if strict { write.strict() } else { write };
                if manager == 0 { write } else { write.managed_by(format!("m{manager}")) }
            }).collect();
            let count = writes.len();
            let answers = api.write(writes).await;
            assert_eq!(answers.len(), count);
            // The trees of an answer say what its bytes do. A number may be off by its last bit once it was read.
            let read = |tree: &Value| serde_json::from_str::<Value>(&tree.to_string()).unwrap();
            for live in answers.into_iter().flatten() {
                for part in [Part::Metadata, Part::Spec, Part::Status] {
                    assert_eq!(read(&live.part_tree(part)), live.part_to::<Value>(part).unwrap(), "{live:?} {part:?}");
                }
                assert_eq!(read(&live.tree()), live.body_tree(), "{live:?}");
            }
            let page = api.list(&Select::default(), None, 0).await.unwrap();
            for object in page.items {
                assert!(!object.uid().is_empty());
                assert_eq!(object.body_tree()["metadata"]["name"], *object.key().name);
                assert!(object.header().created.is_some());
                if let Some(managed) = object.managed_fields() {
                    let managers = Managers::decode(&serde_json::from_slice(managed).unwrap()).unwrap();
                    assert!(managers.iter().all(|(_, owned)| !owned.fields.is_empty()));
                    assert_eq!(managers.to_json().unwrap(), *managed);
                    assert_eq!(Managers::read(managed).unwrap(), managers);
                }
            }
        });
    }
}
