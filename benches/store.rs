//! The memory store: insert, update, get, list, routed watch fan-out. 1 KiB objects, one writer.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures::StreamExt;
use orch::core::{Event, Key, KindInfo, Object, Put, Read, Registry, Revision, Select, Store, kind};
use orch::store::MemStore;
use serde_json::json;

/// Writes in one commit.
const BATCH: usize = 64;
/// Objects that are there.
const OBJECTS: usize = 10_000;
/// Watchers of the fan-out.
const WATCHERS: usize = 1_000;

fn object(info: &KindInfo, at: usize, filler: &str) -> Object {
    let tree = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"filler": filler},
        "metadata": {"name": format!("object-{at:07}"), "namespace": "bench", "uid": format!("{at:036}")}});
    Object::encode(info, &tree).expect("the object is well formed")
}

struct Filled {
    runtime: tokio::runtime::Runtime,
    registry: Arc<Registry>,
    store: MemStore,
    objects: Vec<Object>,
    revisions: Vec<Revision>,
}

fn filled() -> Filled {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let registry = Arc::new(Registry::built_in());
    let info = registry.get(kind::CONFIG_MAPS).expect("built in");
    let store = MemStore::new(Arc::clone(&registry));
    let filler = "x".repeat(880);
    let objects: Vec<Object> = (0..OBJECTS).map(|at| object(&info, at, &filler)).collect();
    assert!((1000..1100).contains(&objects[0].body().len()), "{} bytes", objects[0].body().len());
    let puts = objects.iter().cloned().map(Put::create).collect();
    let revisions =
        runtime.block_on(store.commit(puts)).into_iter().collect::<Result<_, _>>().expect("all are new");
    Filled { runtime, registry, store, objects, revisions }
}

/// Replaces the next objects, round robin, in one commit; checks that every write was taken.
fn update(filled: &mut Filled, from: usize) {
    let at = |i: usize| (from + i) % OBJECTS;
    let puts =
        (0..BATCH).map(|i| Put::replace(filled.objects[at(i)].clone(), filled.revisions[at(i)])).collect();
    let results = filled.runtime.block_on(filled.store.commit(puts));
    for (i, result) in results.into_iter().enumerate() {
        filled.revisions[at(i)] = result.expect("the precondition holds");
    }
}

fn writes(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut one = filled();
    let mut from = 0;
    group.bench_function("update", |b| {
        b.iter(|| {
            update(&mut one, from);
            from = (from + BATCH) % OBJECTS;
        });
    });
    let info = one.registry.get(kind::CONFIG_MAPS).expect("built in");
    let filler = "x".repeat(880);
    let mut next = OBJECTS;
    group.bench_function("insert", |b| {
        b.iter_batched(
            || {
                next += BATCH;
                (next - BATCH..next).map(|at| Put::create(object(&info, at, &filler))).collect::<Vec<_>>()
            },
            |puts| {
                let results = one.runtime.block_on(one.store.commit(puts));
                assert!(results.iter().all(Result::is_ok), "all are new");
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn reads(c: &mut Criterion) {
    let filled = filled();
    let key = Key::new(kind::CONFIG_MAPS, "bench", "object-0005000");
    c.bench_function("store/get", |b| {
        b.iter(|| {
            filled.runtime.block_on(filled.store.get(black_box(&key), Revision::ZERO)).expect("it is there")
        });
    });
    let select = Select::kind(kind::CONFIG_MAPS).namespace("bench");
    c.bench_function("store/list_500", |b| {
        b.iter(|| {
            let page = filled.runtime.block_on(filled.store.list(&select, None, 500)).expect("a page");
            assert_eq!(page.items.len(), 500);
        });
    });
}

fn fan_out(c: &mut Criterion) {
    let mut filled = filled();
    let select = Select::kind(kind::CONFIG_MAPS).namespace("bench");
    let start = *filled.revisions.iter().max().expect("not empty");
    let mut watches = filled.runtime.block_on(async {
        let mut watches = Vec::new();
        for _ in 0..WATCHERS {
            let mut watch = filled.store.watch(&select, Some(start)).await.expect("a watch");
            assert!(matches!(watch.next().await, Some(Ok(Event::Progress(_)))));
            watches.push(watch);
        }
        watches
    });
    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements((BATCH * WATCHERS) as u64));
    let mut from = 0;
    group.bench_function("fan_out_1000", |b| {
        b.iter(|| {
            update(&mut filled, from);
            from = (from + BATCH) % OBJECTS;
            let last = filled.revisions[(from + OBJECTS - 1) % OBJECTS];
            for watch in &mut watches {
                filled.runtime.block_on(async {
                    let mut seen = 0;
                    while seen < BATCH {
                        match watch.next().await {
                            Some(Ok(Event::Changed(change))) => {
                                seen += 1;
                                assert!(seen < BATCH || change.revision == last, "every change, in order");
                            }
                            Some(Ok(Event::Progress(_))) => {}
                            other => panic!("{other:?}"),
                        }
                    }
                });
            }
        });
    });
    group.finish();
}

criterion_group!(benches, writes, reads, fan_out);
criterion_main!(benches);
