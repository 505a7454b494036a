//! The store against a model: random writes, lists at old pages and watches, compared with a plain list of all states.
//!
//! The model keeps a snapshot a revision, so it has no history to get wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use orch_core::{Change, Error, Key, Kind, Live, Object, Put, Result, Revision, Select, Str, Watches, kind};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::kit::{Follow, Harness, tell_all};

/// A case of the suite, as a runner such as [`run`](super::run) takes it.
pub type Case = Box<dyn for<'a> FnOnce(&'a Harness) -> BoxFuture<'a, ()>>;

/// Random stories tried by default; `PROPTEST_CASES` says otherwise.
const CASES: u32 = 96;

/// More pages than any list of a story has.
const PAGES: u32 = 100;

/// Which object: kind, namespace, name, all few, so that stories meet.
#[derive(Clone, Debug)]
struct Which(u8, u8, u8);

#[derive(Clone, Debug)]
enum Step {
    /// A batch: what, label and field; at the right revision or a stale one; a deletion or not.
    Write(Vec<(Which, u8, u8, Aim)>),
    /// The first page of a list.
    List(What, u32),
    /// The next page of one of the lists begun.
    Next(Index),
    /// A watch after one of the revisions so far.
    Watch(What, Index),
    /// A watch from the current state.
    WatchState(What),
    /// One of the watches breaks off.
    Break(Index),
    /// History up to one of the revisions is compacted.
    Compact(Index),
}

#[derive(Clone, Copy, Debug)]
enum Aim {
    Create,
    Replace,
    Delete,
    StaleReplace,
    StaleDelete,
}

/// A selection: kind or all, namespace or all, and further terms.
#[derive(Clone, Debug)]
struct What(Option<u8>, Option<u8>, u8);

const NAMESPACES: [&str; 3] = ["a", "a-b", "b"];
const NAMES: [&str; 4] = ["x", "y", "y-1", "z"];
const NODES: [&str; 3] = ["", "n1", "n2"];
const APPS: [&str; 3] = ["web", "db", "web-2"];

fn kinds() -> [Kind; 3] {
    [kind::PODS, kind::CONFIG_MAPS, Harness::widgets()]
}

impl Which {
    fn key(&self) -> Key {
        let Self(kind, namespace, name) = self;
        Key::new(kinds()[usize::from(*kind)], NAMESPACES[usize::from(*namespace)], NAMES[usize::from(*name)])
    }

    fn object(&self, harness: &Harness, app: u8, node: u8) -> Object {
        let key = self.key();
        let metadata = json!({"name": &*key.name, "namespace": &*key.namespace, "labels": {"app": APPS[usize::from(app)]}});
        harness
            .object(key.kind, &json!({"metadata": metadata, "spec": {"nodeName": NODES[usize::from(node)]}}))
    }
}

impl What {
    fn select(&self, watches: Option<Watches>) -> Select {
        // Where each kind has a watch of its own, one over all of them may be refused.
        let kind = if watches == Some(Watches::PerKind) { Some(self.0.unwrap_or_default()) } else { self.0 };
        let select = kind.map_or_else(Select::default, |kind| Select::kind(kinds()[usize::from(kind)]));
        let select = match self.1 {
            Some(namespace) => select.namespace(NAMESPACES[usize::from(namespace)]),
            None => select,
        };
        let labels = |text: &str| text.parse().expect("a label selector");
        match self.2 {
            0 | 1 => select,
            2 => select.field("spec.nodeName", "n1"),
            3 => select.field("spec.nodeName", ""),
            4 => select.labels(labels("app=web")),
            5 => select.labels(labels("app!=web")).field("spec.nodeName", "n2"),
            6 => select.field("metadata.name", "y"),
            7 => select.field("metadata.namespace", "a"),
            _ => select.fields("spec.nodeName!=n1,metadata.name!=z".parse().expect("a field selector")),
        }
    }
}

fn which() -> impl Strategy<Value = Which> {
    (0..3_u8, 0..3_u8, 0..4_u8).prop_map(|(kind, namespace, name)| Which(kind, namespace, name))
}

fn what() -> impl Strategy<Value = What> {
    (prop::option::of(0..3_u8), prop::option::of(0..3_u8), 0..9_u8)
        .prop_map(|(kind, space, more)| What(kind, space, more))
}

fn aim() -> impl Strategy<Value = Aim> {
    prop_oneof![
        4 => Just(Aim::Create),
        4 => Just(Aim::Replace),
        3 => Just(Aim::Delete),
        1 => Just(Aim::StaleReplace),
        1 => Just(Aim::StaleDelete),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = prop::collection::vec((which(), 0..3_u8, 0..3_u8, aim()), 1..6).prop_map(Step::Write);
    let step = prop_oneof![
        8 => write,
        2 => (what(), 1..4_u32).prop_map(|(what, limit)| Step::List(what, limit)),
        3 => any::<Index>().prop_map(Step::Next),
        2 => (what(), any::<Index>()).prop_map(|(what, from)| Step::Watch(what, from)),
        1 => what().prop_map(Step::WatchState),
        1 => any::<Index>().prop_map(Step::Break),
        1 => any::<Index>().prop_map(Step::Compact),
    ];
    prop::collection::vec(step, 1..60)
}

/// Random stories of writes, lists and watches go as in the model.
///
/// # Panics
/// When one does not; with the shortest story found.
pub fn agrees_with_the_model(run: impl Fn(Case)) {
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { CASES };
    let told = TestRunner::new(Config { cases, ..config }).run(&steps(), |steps| {
        run(Box::new(|harness| Box::pin(async { Player::begin(harness).await.play(steps).await })));
        Ok(())
    });
    if let Err(failure) = told {
        panic!("{failure}");
    }
}

type Objects = BTreeMap<Key, Object>;

struct Model {
    /// Each revision that a write was answered with, the write's change and the whole state after it.
    states: Vec<(Revision, Option<Arc<Change>>, Objects)>,
}

impl Model {
    fn now(&self) -> (Revision, &Objects) {
        self.states
            .last()
            .map(|(revision, _, state)| (*revision, state))
            .expect("there is the state at the beginning")
    }

    fn at(&self, revision: Revision) -> &Objects {
        let state = self.states.iter().rev().find(|(at, _, _)| *at <= revision);
        state.map(|(_, _, state)| state).expect("there is the state at the beginning")
    }

    fn list(&self, what: &Select, revision: Revision) -> Vec<String> {
        self.at(revision)
            .values()
            .filter(|object| what.matches(object))
            .map(|object| format!("{object:?}"))
            .collect()
    }

    fn changes(&self, what: &Select, after: Revision) -> Vec<Arc<Change>> {
        let later = self.states.iter().filter(|(revision, _, _)| *revision > after);
        later.filter_map(|(_, change, _)| change.as_ref()?.seen_by(what)).collect()
    }

    fn write(&mut self, key: &Key, now: Option<&Object>, answer: &Result<Revision>, put: &Put) {
        let (last, state) = self.now();
        let before = state.get(key).cloned();
        match (put.expect(), &before, answer) {
            (orch_core::Expect::Absent, Some(_), Err(Error::AlreadyExists { key: of })) => {
                return assert_eq!(of, key);
            }
            (orch_core::Expect::At(_), None, Err(Error::NotFound { key: of })) => return assert_eq!(of, key),
            (orch_core::Expect::At(at), Some(found), Err(Error::Conflict { key: of, .. }))
                if found.revision() != at =>
            {
                return assert_eq!(of, key);
            }
            (orch_core::Expect::Absent, None, Ok(_)) => {}
            (orch_core::Expect::At(at), Some(found), Ok(_)) if found.revision() == at => {}
            other => panic!("{put:?}: {other:?}"),
        }
        let revision = *answer.as_ref().expect("the other answers are dealt with");
        assert!(revision > last, "{revision} after {last}");
        let mut state = state.clone();
        let now = now.map(|object| object.at(revision));
        match &now {
            Some(now) => state.insert(key.clone(), now.clone()),
            None => state.remove(key),
        };
        let change = Change::new(revision, now.map(Live::from), before);
        self.states.push((revision, Some(Arc::new(change)), state));
    }
}

/// A list under way.
struct Listing {
    what: Select,
    limit: u32,
    revision: Revision,
    seen: Vec<String>,
    next: Option<Str>,
    pages: u32,
}

struct Player<'a> {
    harness: &'a Harness,
    model: Model,
    listings: Vec<Listing>,
    watches: Vec<(Select, Revision, Follow<'a>, Vec<Arc<Change>>)>,
    compacted: Revision,
}

impl<'a> Player<'a> {
    async fn begin(harness: &'a Harness) -> Self {
        let revision = harness.list(&Select::default()).await.1;
        let model = Model { states: vec![(revision, None, BTreeMap::new())] };
        Self { harness, model, listings: Vec::new(), watches: Vec::new(), compacted: revision }
    }

    async fn play(mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Write(writes) => self.write(writes).await,
                Step::List(what, limit) => self.list(what.select(None), limit).await,
                Step::Next(_) if self.listings.is_empty() => {}
                Step::Next(index) => self.next_page(index.index(self.listings.len())).await,
                Step::Watch(what, from) => self.watch(&what, Some(self.revision(from))).await,
                Step::WatchState(what) => self.watch(&what, None).await,
                Step::Break(_) if self.watches.is_empty() => {}
                Step::Break(index) => {
                    let at = index.index(self.watches.len());
                    self.watches[at].2.drop_watch();
                }
                Step::Compact(at) => self.compact(self.revision(at)).await,
            }
        }
        for at in 0..self.listings.len() {
            while self.listings.get(at).is_some_and(|listing| listing.next.is_some()) {
                self.next_page(at).await;
            }
        }
        self.catch_up().await;
    }

    /// One of the revisions that can still be read.
    fn revision(&self, index: Index) -> Revision {
        let revisions = self.model.states.iter().map(|(revision, _, _)| *revision);
        *index.get(&revisions.filter(|revision| *revision >= self.compacted).collect::<Vec<_>>())
    }

    async fn write(&mut self, writes: Vec<(Which, u8, u8, Aim)>) {
        // A key twice in one batch: the later aims at what was there before the batch.
        let put = |(which, app, node, aim): &(Which, u8, u8, Aim)| {
            let at = self.model.now().1.get(&which.key()).map_or(Revision(1), Object::revision);
            let object = which.object(self.harness, *app, *node);
            match aim {
                Aim::Create => Put::create(object),
                Aim::Replace => Put::replace(object, at),
                Aim::Delete => Put::delete(which.key(), at),
                Aim::StaleReplace => Put::replace(object, Revision(at.0 + 1)),
                Aim::StaleDelete => Put::delete(which.key(), Revision(at.0.saturating_sub(1))),
            }
        };
        let puts: Vec<Put> = writes.iter().map(put).collect();
        let answers = self.harness.store.commit(puts.clone()).await;
        assert_eq!(answers.len(), puts.len(), "one answer for each write");
        for (put, answer) in puts.iter().zip(&answers) {
            self.model.write(put.key(), put.now().map(Live::object), answer, put);
        }
        for key in writes.iter().map(|(which, ..)| which.key()) {
            let (found, expected) = (self.harness.get(&key).await, self.model.now().1.get(&key));
            assert_eq!(found.as_ref().map(Object::revision), expected.map(Object::revision), "{key}");
            assert!(
                found.iter().zip(expected).all(|(found, expected)| found.same_content(expected)),
                "{key}"
            );
        }
    }

    async fn list(&mut self, what: Select, limit: u32) {
        let whole = self.harness.list(&what).await.0;
        let shown: Vec<_> = whole.iter().map(|object| format!("{object:?}")).collect();
        assert_eq!(shown, self.model.list(&what, self.model.now().0), "{what:?}");
        let page = self.harness.store.list(&what, None, limit).await.expect("a first page");
        let seen = page.items.iter().map(|object| format!("{object:?}")).collect();
        let listing = Listing { what, limit, revision: page.revision, seen, next: page.next, pages: 1 };
        self.finish(&listing);
        self.listings.push(listing);
    }

    async fn next_page(&mut self, at: usize) {
        let (compacted, listing) = (self.compacted, &mut self.listings[at]);
        let Some(token) = listing.next.take() else { return };
        match self.harness.store.list(&listing.what, Some(token), listing.limit).await {
            Ok(page) => {
                assert_eq!(page.revision, listing.revision);
                assert!(page.items.len() <= listing.limit as usize);
                listing.seen.extend(page.items.iter().map(|object| format!("{object:?}")));
                listing.next = page.next;
                listing.pages += 1;
                assert!(listing.pages < PAGES, "the list never ends");
                self.finish(&self.listings[at]);
            }
            Err(Error::Compacted { .. }) if listing.revision < compacted => {}
            Err(error) => panic!("the next page at {}: {error}", listing.revision),
        }
    }

    fn finish(&self, listing: &Listing) {
        if listing.next.is_none() {
            assert_eq!(listing.seen, self.model.list(&listing.what, listing.revision), "{:?}", listing.what);
        }
    }

    async fn watch(&mut self, what: &What, from: Option<Revision>) {
        let what = what.select(Some(self.harness.store.watches()));
        match from {
            Some(from) => {
                self.watches.push((what.clone(), from, self.harness.follow_from(&what, from), Vec::new()))
            }
            None => {
                let follow = self.harness.follow(&what).await;
                let mut shown: Vec<_> =
                    follow.initial.iter().map(|change| format!("{:?}", change.object())).collect();
                shown.sort();
                let mut listed = self.model.list(&what, self.model.now().0);
                listed.sort();
                assert_eq!(shown, listed);
                self.watches.push((what, follow.seen, follow, Vec::new()));
            }
        }
    }

    /// Every watch has told what the model says it must.
    async fn catch_up(&mut self) {
        let now = self.model.now().0;
        for (what, from, follow, changes) in &mut self.watches {
            let expected = self.model.changes(what, *from);
            // What the running watch has to tell, then whatever else there may be.
            let missing = expected.len().saturating_sub(changes.len());
            changes.extend(follow.all(missing, now).await);
            assert_eq!(tell_all(changes), tell_all(&expected), "{what:?} after {from}");
            for (change, expected) in changes.iter().zip(&expected) {
                assert!(change.states().zip(expected.states()).all(|(one, other)| one.is_same(other)));
            }
        }
    }

    async fn compact(&mut self, revision: Revision) {
        self.catch_up().await;
        if self.harness.compact(revision).await {
            self.compacted = self.compacted.max(revision);
        }
    }
}
