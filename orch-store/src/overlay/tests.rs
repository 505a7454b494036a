use std::sync::Arc;

use futures::StreamExt;
use orch_core::{
    Error, Event, Kind, Object, Put, Read, Registry, Result, Revision, Select, Store, kind, sim,
};
use proptest::prelude::*;
use serde_json::json;

use super::Overlay;
use crate::{Faults, Faulty, MemStore};

fn registry() -> Arc<Registry> {
    Arc::new(Registry::built_in())
}

fn object(kind: Kind, namespace: &str, name: &str, value: &str) -> Object {
    let metadata = json!({"name": name, "namespace": namespace, "labels": {"value": value}});
    Object::encode(&registry().get(kind).unwrap(), &json!({"metadata": metadata})).unwrap()
}

fn config(name: &str, value: &str) -> Object {
    object(kind::CONFIG_MAPS, "a", name, value)
}

async fn one(store: &dyn Store, put: Put) -> Result<Revision> {
    store.commit(vec![put]).await.remove(0)
}

async fn shown(store: &dyn Read, what: &Select, limit: u32) -> Vec<String> {
    let (mut shown, mut page) = (Vec::new(), None);
    loop {
        let answer = store.list(what, page, limit).await.unwrap();
        assert!(limit == 0 || answer.items.len() <= limit as usize);
        shown.extend(answer.items.iter().map(|o| format!("{}={}", o.key(), o.label("value").unwrap())));
        page = answer.next;
        if page.is_none() {
            return shown;
        }
    }
}

#[test]
fn nothing_of_the_layer_is_seen_below() {
    sim::run(1, |_| async move {
        let base = MemStore::new(registry());
        let at = one(&base, Put::create(config("x", "old"))).await.unwrap();
        one(&base, Put::create(config("y", "old"))).await.unwrap();
        let layer = Overlay::over(Arc::new(base.clone()), registry()).await.unwrap();
        let first = one(&layer, Put::replace(config("x", "new"), at)).await.unwrap();
        assert!(first > at);
        one(&layer, Put::delete(config("y", "").key().clone(), Revision(2))).await.unwrap();
        one(&layer, Put::create(config("z", "new"))).await.unwrap();
        let what = Select::default();
        assert_eq!(shown(&layer, &what, 0).await, ["configmaps/a/x=new", "configmaps/a/z=new"]);
        assert_eq!(shown(&base, &what, 0).await, ["configmaps/a/x=old", "configmaps/a/y=old"]);
        assert_eq!(base.revision(), Revision(2));
        assert_eq!(layer.touched().await.len(), 3);
        let other = Overlay::over(Arc::new(base.clone()), registry()).await.unwrap();
        assert_eq!(shown(&other, &what, 0).await, ["configmaps/a/x=old", "configmaps/a/y=old"]);
    });
}

#[test]
fn what_the_layer_took_stays_as_it_was_and_the_rest_is_read_below() {
    sim::run(1, |_| async move {
        let base = MemStore::new(registry());
        one(&base, Put::create(config("x", "1"))).await.unwrap();
        one(&base, Put::create(config("y", "1"))).await.unwrap();
        let layer = Overlay::over(Arc::new(base.clone()), registry()).await.unwrap();
        let stale = one(&layer, Put::replace(config("x", "layer"), Revision(9))).await;
        assert!(stale.unwrap_err().is_conflict(), "to try is to take");
        one(&base, Put::replace(config("x", "2"), Revision(1))).await.unwrap();
        one(&base, Put::replace(config("y", "2"), Revision(2))).await.unwrap();
        assert_eq!(shown(&layer, &Select::default(), 1).await, ["configmaps/a/x=1", "configmaps/a/y=2"]);
        one(&layer, Put::replace(config("x", "layer"), Revision(1))).await.unwrap();
    });
}

#[test]
fn a_watch_goes_on_from_a_revision_of_the_store_below() {
    sim::run(1, |_| async move {
        let base = MemStore::new(registry());
        one(&base, Put::create(config("x", "1"))).await.unwrap();
        one(&base, Put::replace(config("x", "2"), Revision(1))).await.unwrap();
        let layer = Overlay::over(Arc::new(base.clone()), registry()).await.unwrap();
        let at = one(&layer, Put::replace(config("x", "3"), Revision(2))).await.unwrap();
        let mut watch = layer.watch(&Select::kind(kind::CONFIG_MAPS), Some(Revision(1))).await.unwrap();
        let mut told = Vec::new();
        while told.len() < 2 {
            if let Event::Changed(change) = watch.next().await.unwrap().unwrap() {
                told.push((change.before.as_ref().unwrap().revision(), change.revision));
            }
        }
        assert_eq!(told, [(Revision(1), Revision(2)), (Revision(2), at)]);
    });
}

#[test]
fn a_write_that_cannot_look_below_fails_and_the_others_do_not() {
    sim::run(1, |env| async move {
        let base = Arc::new(MemStore::new(registry()));
        let faulty = Faulty::new(Arc::clone(&base), env, Faults::quiet());
        let layer = Overlay::over(Arc::new(faulty.clone()), registry()).await.unwrap();
        one(&layer, Put::create(config("x", "1"))).await.unwrap();
        faulty.set(Faults::quiet().unavailable(0.4));
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..30 {
            let name = format!("n{round}");
            let answers =
                layer.commit(vec![Put::create(config(&name, "")), Put::create(config("x", ""))]).await;
            assert_eq!(answers.len(), 2);
            seen.insert(match (&answers[0], &answers[1]) {
                (Ok(_), Err(Error::AlreadyExists { .. })) => "both were judged",
                (Err(Error::Unavailable { .. }), Err(Error::AlreadyExists { .. })) => "one could not be",
                (Err(Error::Unavailable { .. }), Err(Error::Unavailable { .. })) => "none could be",
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert_eq!(base.revision(), Revision::ZERO);
    });
}

#[derive(Clone, Debug)]
struct Write {
    kind: Kind,
    name: u8,
    value: u8,
    delete: bool,
}

fn write() -> impl Strategy<Value = Write> {
    let kind = prop_oneof![Just(kind::CONFIG_MAPS), Just(kind::SECRETS)];
    (kind, 0..12_u8, 0..3_u8, prop::bool::weighted(0.3)).prop_map(|(kind, name, value, delete)| Write {
        kind,
        name,
        value,
        delete,
    })
}

/// Writes so that it succeeds, if it can.
async fn apply(store: &dyn Store, write: &Write) -> Result<()> {
    let object = object(
        write.kind,
        ["a", "b"][usize::from(write.name % 2)],
        &write.name.to_string(),
        &write.value.to_string(),
    );
    let found = store.get(object.key(), Revision::ZERO).await;
    let put = match (found, write.delete) {
        (Ok(found), true) => Put::delete(object.key().clone(), found.revision()),
        (Ok(found), false) => Put::replace(object, found.revision()),
        (Err(_), true) => return Ok(()),
        (Err(_), false) => Put::create(object),
    };
    one(store, put).await.map(|_| ())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]
    #[test]
    fn pages_of_a_layer_are_those_of_one_store(
        below in prop::collection::vec(write(), 0..25),
        above in prop::collection::vec(write(), 0..25),
        late in prop::collection::vec(write(), 0..6),
        limit in 1..7_u32,
        label in prop::option::of(0..3_u8),
    ) {
        sim::run(1, |_| async move {
            let (base, plain) = (MemStore::new(registry()), MemStore::new(registry()));
            for write in &below {
                apply(&base, write).await.unwrap();
                apply(&plain, write).await.unwrap();
            }
            let layer = Overlay::over(Arc::new(base), registry()).await.unwrap();
            for write in &above {
                apply(&layer, write).await.unwrap();
                apply(&plain, write).await.unwrap();
            }
            let what = match label {
                Some(value) => Select::default().labels(format!("value={value}").parse().unwrap()),
                None => Select::kinds([kind::CONFIG_MAPS, kind::SECRETS]),
            };
            let whole = shown(&plain, &what, 0).await;
            assert_eq!(shown(&layer, &what, 0).await, whole);
            assert_eq!(shown(&layer, &what, limit).await, whole);
            // Later pages are as of the first, whatever the layer writes meanwhile.
            let first = layer.list(&what, None, limit).await.unwrap();
            for write in &late {
                apply(&layer, write).await.unwrap();
            }
            let keys = |items: &[Object]| items.iter().map(|o| format!("{}={}", o.key(), o.label("value").unwrap())).collect::<Vec<_>>();
            let (mut paged, mut next) = (keys(&first.items), first.next);
            while let Some(token) = next {
                let page = layer.list(&what, Some(token), limit).await.unwrap();
                assert_eq!(page.revision, first.revision);
                paged.extend(keys(&page.items));
                next = page.next;
            }
            assert_eq!(paged, whole);
        });
    }
}
