//! Who watches what: an index from a change to the watchers it concerns.
//!
//! Watchers of the same kinds, namespace and field value share a [`Route`], which lists the revisions that concern them; the
//! changes themselves stand in the history, once. A write asks for the routes of its kind, of its namespace and of its
//! field values before and after, and never looks at a watcher that does not match. Label selectors and further fields are
//! the reader's to check. Not here: reading (`watcher.rs`). Invariant: a route lists every revision after its `floor` that
//! concerns it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use orch_core::{Change, Kind, Object, Revision, Select, Str};

/// Revisions that a route lists at most, 128 KiB: a watcher that is further behind reads on from the history.
const LAG: usize = 16_384;
/// By what watches are routed first when they ask for several fields: those that single out the fewest objects.
const SELECTIVE: [&str; 2] = ["metadata.name", "spec.nodeName"];

/// What the watchers of a route have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// Empty means all.
    kinds: Vec<Kind>,
    namespace: Option<Str>,
    field: Option<(Str, Str)>,
}

impl Target {
    pub(super) fn of(select: &Select) -> Self {
        let namespace = select.required_field("metadata.namespace").map(Str::from);
        let required = select.fields.terms().iter().map(|term| &*term.field);
        let candidates = SELECTIVE.into_iter().chain(required.filter(|path| *path != "metadata.namespace"));
        let mut fields =
            candidates.filter_map(|path| Some((path.into(), select.required_field(path)?.into())));
        Self {
            kinds: select.kinds.clone(),
            namespace: select.namespace.clone().or(namespace),
            field: fields.next(),
        }
    }

    fn scopes(&self) -> Vec<Option<Kind>> {
        if self.kinds.is_empty() { vec![None] } else { self.kinds.iter().copied().map(Some).collect() }
    }
}

pub(super) struct Route {
    target: Target,
    state: Mutex<RouteState>,
}

pub(super) struct RouteState {
    /// Of the changes that concern the route, after `floor`.
    positions: VecDeque<u64>,
    floor: Revision,
    watchers: usize,
    asleep: Sleepers,
}

/// Watchers that have taken everything, by their number.
pub(super) type Sleepers = BTreeMap<u64, Waker>;

impl Route {
    pub(super) fn lock(&self) -> MutexGuard<'_, RouteState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RouteState {
    /// Appends the first `limit` listed revisions after `cursor`; `false` when the list does not reach back so far.
    pub(super) fn read(&self, cursor: Revision, limit: usize, out: &mut Vec<u64>) -> bool {
        if self.floor > cursor {
            return false;
        }
        if self.positions.back().is_some_and(|last| *last > cursor.0) {
            let from = self.positions.partition_point(|position| *position <= cursor.0);
            out.extend(self.positions.range(from..).take(limit));
        }
        true
    }

    /// Puts a watcher to sleep that has taken everything up to `cursor`, unless there is more; gives the waker that is to be
    /// dropped outside of the lock, and whether nobody of this route is awake.
    pub(super) fn sleep(
        &mut self,
        id: u64,
        cursor: Revision,
        waker: Waker,
    ) -> Result<(Option<Waker>, bool), Waker> {
        if self.floor > cursor || self.positions.back().is_some_and(|last| *last > cursor.0) {
            return Err(waker);
        }
        let old = self.asleep.insert(id, waker);
        let quiet = old.is_none() && self.is_quiet();
        if quiet {
            // Everybody has taken everything: the list begins anew.
            self.floor = self.positions.back().map_or(self.floor, |last| Revision(*last));
            self.positions = VecDeque::new();
        }
        Ok((old, quiet))
    }

    fn is_quiet(&self) -> bool {
        self.asleep.len() == self.watchers
    }

    fn push(&mut self, revision: Revision) -> Sleepers {
        self.positions.push_back(revision.0);
        if self.positions.len() > LAG {
            self.floor = self.positions.pop_front().map_or(self.floor, Revision);
        }
        std::mem::take(&mut self.asleep)
    }
}

#[derive(Default)]
pub(super) struct Routes {
    shared: BTreeMap<Target, Arc<Route>>,
    index: HashMap<Option<Kind>, KindIndex>,
    next: u64,
    /// Routes with a watcher that is not asleep.
    pub(super) awake: usize,
}

#[derive(Default)]
struct KindIndex {
    anywhere: Index,
    namespaces: HashMap<Str, Index>,
}

type ByValue = HashMap<Str, Vec<Arc<Route>>>;

#[derive(Default)]
struct Index {
    whole: Vec<Arc<Route>>,
    /// By path, then by value; only paths that somebody watches by.
    fields: Vec<(Str, ByValue)>,
}

impl Index {
    fn routes(&mut self, field: Option<&(Str, Str)>) -> &mut Vec<Arc<Route>> {
        let Some((path, value)) = field else { return &mut self.whole };
        let at = self.fields.iter().position(|(known, _)| known == path).unwrap_or_else(|| {
            self.fields.push((path.clone(), HashMap::new()));
            self.fields.len() - 1
        });
        self.fields[at].1.entry(value.clone()).or_default()
    }

    fn tidy(&mut self, field: Option<&(Str, Str)>) {
        let Some((path, value)) = field else { return };
        if let Some((_, values)) = self.fields.iter_mut().find(|(known, _)| known == path)
            && values.get(value).is_some_and(Vec::is_empty)
        {
            values.remove(value);
        }
        self.fields.retain(|(_, values)| !values.is_empty());
    }

    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.fields.is_empty()
    }

    fn visit(&self, change: &Change, visit: &mut impl FnMut(&Arc<Route>)) {
        self.whole.iter().for_each(&mut *visit);
        for (path, values) in &self.fields {
            let value = |object: &Object| object.field(path).and_then(|value| values.get_key_value(value));
            let before = change.before.as_ref().and_then(value);
            let now = change.now.as_ref().and_then(|live| value(live.object()));
            let moved = now.filter(|(value, _)| before.is_none_or(|(before, _)| before != *value));
            for (_, routes) in before.into_iter().chain(moved) {
                routes.iter().for_each(&mut *visit);
            }
        }
    }
}

impl Routes {
    /// Adds a watcher to a store that is at `current`; gives its number.
    pub(super) fn join(&mut self, target: &Target, current: Revision) -> (Arc<Route>, u64) {
        self.next += 1;
        if let Some(route) = self.shared.get(target) {
            let mut state = route.lock();
            self.awake += usize::from(state.is_quiet());
            state.watchers += 1;
            return (Arc::clone(route), self.next);
        }
        let state =
            RouteState { positions: VecDeque::new(), floor: current, watchers: 1, asleep: Sleepers::new() };
        let route = Arc::new(Route { target: target.clone(), state: Mutex::new(state) });
        self.awake += 1;
        self.shared.insert(target.clone(), Arc::clone(&route));
        for scope in target.scopes() {
            let kind = self.index.entry(scope).or_default();
            let index = match &target.namespace {
                Some(namespace) => kind.namespaces.entry(namespace.clone()).or_default(),
                None => &mut kind.anywhere,
            };
            index.routes(target.field.as_ref()).push(Arc::clone(&route));
        }
        (route, self.next)
    }

    /// Removes a watcher; gives its waker, to be dropped outside of the lock.
    pub(super) fn leave(&mut self, route: &Arc<Route>, id: u64) -> Option<Waker> {
        let mut state = route.lock();
        let was_quiet = state.is_quiet();
        let waker = state.asleep.remove(&id);
        state.watchers -= 1;
        let (empty, quiet) = (state.watchers == 0, state.is_quiet());
        drop(state);
        self.awake -= usize::from(quiet && !was_quiet);
        if empty {
            self.remove(route);
        }
        waker
    }

    fn remove(&mut self, route: &Arc<Route>) {
        let target = &route.target;
        self.shared.remove(target);
        for scope in target.scopes() {
            let Some(kind) = self.index.get_mut(&scope) else { continue };
            let index = match &target.namespace {
                Some(namespace) => kind.namespaces.get_mut(namespace),
                None => Some(&mut kind.anywhere),
            };
            if let Some(index) = index {
                index.routes(target.field.as_ref()).retain(|other| !Arc::ptr_eq(other, route));
                index.tidy(target.field.as_ref());
            }
            if let Some(namespace) = &target.namespace
                && kind.namespaces.get(namespace).is_some_and(Index::is_empty)
            {
                kind.namespaces.remove(namespace);
            }
            if kind.anywhere.is_empty() && kind.namespaces.is_empty() {
                self.index.remove(&scope);
            }
        }
    }

    /// Lists the change on every route that it concerns; says whether there is one. Who slept there is to be woken.
    pub(super) fn append(&mut self, change: &Change, wake: &mut Vec<Sleepers>) -> bool {
        let (mut found, mut awoken) = (false, 0);
        if !self.index.is_empty() {
            self.visit(change, &mut |route: &Arc<Route>| {
                found = true;
                let mut state = route.lock();
                awoken += usize::from(state.is_quiet());
                let sleepers = state.push(change.revision);
                if !sleepers.is_empty() {
                    wake.push(sleepers);
                }
            });
        }
        self.awake += awoken;
        found
    }

    fn visit(&self, change: &Change, visit: &mut impl FnMut(&Arc<Route>)) {
        let key = change.key();
        for scope in [None, Some(key.kind)] {
            let Some(kind) = self.index.get(&scope) else { continue };
            kind.anywhere.visit(change, visit);
            if let Some(index) = kind.namespaces.get(&key.namespace) {
                index.visit(change, visit);
            }
        }
    }
}
