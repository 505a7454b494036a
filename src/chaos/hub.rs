//! Where everything that happens in a run comes together: truth, trace, invariants, and who is cut off or about to crash.
//!
//! One lock, never held across a wait. Invariant: what happens is told to the trace and to each invariant once, in order;
//! after the first violation nothing more is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orch_core::runtime::Runtime;
use orch_core::{Change, Env, Live, Precondition, Revision, Str};
use tokio::sync::{Notify, futures::OwnedNotified};

use super::invariant::{Happening, Invariant, Phase, Violation, World};
use super::reach::Access;
use super::trace::{Keep, Trace, TraceHash};
use super::{Running, Truth};
use crate::{Cluster, Part};

/// Writes in one virtual second that no run needs: a loop that feeds itself.
const FLOOD: u64 = 3000;
/// Calls to the Api and to runtimes in one virtual second that no run needs: a loop that nothing slows down. It would go
/// on for ever, since virtual time passes only while everybody waits.
const SPIN: u64 = 200_000;

tokio::task_local! {
    /// Who asks for the write that is under way.
    pub(super) static ACTOR: Str;
}

/// Cloning copies a pointer.
#[derive(Clone)]
pub(super) struct Hub(Arc<Shared>);

struct Shared {
    env: Env,
    access: Access,
    state: Mutex<State>,
    broken: Arc<Notify>,
    mended: Arc<Notify>,
}

struct State {
    truth: Truth,
    trace: Trace,
    invariants: Vec<Box<dyn Invariant>>,
    violation: Option<Violation>,
    phase: Phase,
    since: Duration,
    down: BTreeSet<Str>,
    cut: BTreeSet<Str>,
    /// Actors that do not reach the Api.
    severed: BTreeSet<Str>,
    patience: Duration,
    /// Writes that a part may still do before it crashes, and whom to tell.
    armed: BTreeMap<Part, (u32, Arc<Notify>)>,
    cluster: Option<Cluster>,
    /// Who made each change of the log.
    actors: Vec<Str>,
    starts: u64,
    /// The current second, and the writes in it.
    second: (u64, u64),
    /// The same for calls.
    calls: (u64, u64),
}

impl Hub {
    pub(super) fn new(env: &Env, invariants: Vec<Box<dyn Invariant>>, keep: Keep, access: Access) -> Self {
        let state = State {
            truth: Truth::default(),
            trace: Trace::new(keep),
            invariants,
            violation: None,
            phase: Phase::Faults,
            since: Duration::ZERO,
            down: BTreeSet::new(),
            cut: BTreeSet::new(),
            severed: BTreeSet::new(),
            patience: Duration::MAX,
            armed: BTreeMap::new(),
            cluster: None,
            actors: Vec::new(),
            starts: 0,
            second: (0, 0),
            calls: (0, 0),
        };
        let (broken, mended) = (Arc::default(), Arc::default());
        Self(Arc::new(Shared { env: env.clone(), access, state: Mutex::new(state), broken, mended }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster's handle, so that a layer below a part can crash it.
    pub(super) fn attach(&self, cluster: Cluster) {
        self.state().cluster = Some(cluster);
    }

    /// Gives the handle up: hub and cluster hold each other.
    pub(super) fn release(&self) {
        self.state().cluster = None;
        self.state().invariants.clear();
    }

    /// How late views may be in this run.
    pub(super) fn set_patience(&self, patience: Duration) {
        self.state().patience = patience;
    }

    pub(super) fn env(&self) -> &Env {
        &self.0.env
    }

    /// A write of the store.
    pub(super) fn changed(&self, change: &Arc<Change>) {
        let is_touch = match (&change.before, &change.now) {
            (Some(before), Some(now)) => before.same_content(now),
            _ => false,
        };
        let actor = if is_touch {
            "fault".into()
        } else {
            ACTOR.try_with(Str::clone).unwrap_or_else(|_| "bootstrap".into())
        };
        let mut state = self.state();
        state.truth.apply(change);
        state.actors.push(actor.clone());
        // What follows on a violation is not part of what led to it.
        if state.violation.is_none() {
            state.trace.change(self.0.env.elapsed(), &actor, change);
        }
        self.judge(&mut state, &Happening::Changed { actor: &actor, change });
        if count(&mut state.second, self.0.env.elapsed()) == FLOOD {
            drop(state);
            self.fail(
                "flood",
                format!("{FLOOD} writes in a second, the last by {actor} to {}", change.key()),
            );
        }
    }

    /// How many writes there were in this second.
    pub(super) fn writes_now(&self) -> u64 {
        let (second, writes) = self.state().second;
        if second == self.0.env.elapsed().as_secs() { writes } else { 0 }
    }

    /// Somebody is about to call the Api or a runtime.
    pub(super) fn called(&self, who: &str) {
        if count(&mut self.state().calls, self.0.env.elapsed()) == SPIN {
            self.fail("spin", format!("{SPIN} calls in a second, the last by {who}"));
        }
    }

    /// Something that stands in no trace by itself: it follows from what was traced.
    pub(super) fn happened(&self, what: &Happening<'_>) {
        self.judge(&mut self.state(), what);
    }

    pub(super) fn started(&self, container: &Running, running: &[Running]) {
        let mut state = self.state();
        state.starts += 1;
        let Running { node, pod, uid, container: name, .. } = container;
        let words = || format!("starts {name} of {pod} ({uid})");
        if state.violation.is_none() {
            let parts: [&str; 4] = [&pod.namespace, &pod.name, uid, name];
            state.trace.event(self.0.env.elapsed(), &format!("runtime/{node}"), &parts, words);
        }
        self.judge(&mut state, &Happening::Started { container, running });
    }

    /// What a user or a fault does.
    pub(super) fn note(&self, actor: &str, what: &str) {
        let mut state = self.state();
        if state.violation.is_none() {
            state.trace.note(self.0.env.elapsed(), actor, what);
        }
        self.judge(&mut state, &Happening::Noted { what });
    }

    fn judge(&self, state: &mut State, what: &Happening<'_>) {
        if state.violation.is_some() {
            return;
        }
        let State { truth, invariants, phase, since, down, cut, patience, violation, trace, .. } = state;
        let (at, now) = (self.0.env.elapsed(), self.0.env.now());
        let world = World { truth, at, now, phase: *phase, since: *since, down, cut, patience: *patience };
        for invariant in invariants {
            if let Err(what) = invariant.see(&world, what) {
                let found = Violation { invariant: invariant.name().to_owned(), at, what };
                trace.note(at, "violation", &found.to_string());
                *violation = Some(found);
                self.0.broken.notify_one();
                return;
            }
        }
    }

    /// A fault of the run itself, as a violation.
    pub(super) fn fail(&self, invariant: &str, what: String) {
        let mut state = self.state();
        if state.violation.is_none() {
            let at = self.0.env.elapsed();
            let found = Violation { invariant: invariant.to_owned(), at, what };
            state.trace.note(at, "violation", &found.to_string());
            state.violation = Some(found);
            self.0.broken.notify_one();
        }
    }

    /// Asks every invariant whether all is as it should be; what is not.
    pub(super) fn unsettled(&self) -> Vec<(String, String)> {
        let mut state = self.state();
        let State { truth, invariants, phase, since, down, cut, patience, .. } = &mut *state;
        let (at, now) = (self.0.env.elapsed(), self.0.env.now());
        let world = World { truth, at, now, phase: *phase, since: *since, down, cut, patience: *patience };
        let asked =
            invariants.iter_mut().map(|invariant| (invariant.name().to_owned(), invariant.settled(&world)));
        asked.filter_map(|(name, answer)| answer.err().map(|what| (name, what))).collect()
    }

    /// An acknowledged write must be what the store has at that revision, and have been made to what it named.
    pub(super) fn acknowledged(&self, actor: &str, live: &Live, named: &Precondition) {
        let fault = {
            let state = self.state();
            match self.written(state.truth.log(), live) {
                Some(at) => {
                    let is_own = &*state.actors[at] == actor;
                    let before = state.truth.log()[at].before.as_ref().filter(|_| is_own);
                    misses(live, before.map(orch_core::Object::revision), named)
                }
                None => Some("which no write made".to_owned()),
            }
        };
        if let Some(fault) = fault {
            self.fail(
                "acknowledged",
                format!("{actor} was told that {} is at revision {}, {fault}", live.key(), live.revision()),
            );
        }
    }

    /// The change by which an object came to be as it was acknowledged. Over REST the revision of a removal is only known to
    /// be none before it.
    fn written(&self, log: &[Arc<Change>], live: &Live) -> Option<usize> {
        let exact = log.binary_search_by_key(&live.revision(), |change| change.revision);
        let exact = exact.ok().filter(|at| log[*at].key() == live.key());
        let is_of =
            |object: Option<&orch_core::Object>| object.is_some_and(|object| object.uid() == live.uid());
        if !self.0.access.is_rest() || exact.is_some_and(|at| is_of(log[at].now.as_ref().map(Live::object))) {
            return exact;
        }
        let until = log.partition_point(|change| change.revision <= live.revision());
        let is_removal = |change: &Arc<Change>| {
            change.now.is_none() && change.key() == live.key() && is_of(change.before.as_ref())
        };
        log[..until].iter().rposition(is_removal)
    }

    pub(super) fn access(&self) -> Access {
        self.0.access
    }

    /// Reads what is true.
    pub(super) fn with_truth<T>(&self, read: impl FnOnce(&Truth) -> T) -> T {
        read(&self.state().truth)
    }

    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.state();
        (state.phase, state.since) = (phase, self.0.env.elapsed());
        state.trace.note(self.0.env.elapsed(), "chaos", &format!("{phase:?}"));
    }

    pub(super) fn violation(&self) -> Option<Violation> {
        self.state().violation.clone()
    }

    /// Completes once a promise is broken.
    pub(super) async fn broken(&self) {
        let notified = self.0.broken.notified();
        if self.state().violation.is_none() {
            notified.await;
        }
    }

    pub(super) fn hash(&self) -> TraceHash {
        self.state().trace.hash()
    }

    /// Lines of the trace, entries, containers started, writes.
    pub(super) fn finish(&self) -> (Vec<String>, u64, u64, u64) {
        let mut state = self.state();
        let trace = std::mem::replace(&mut state.trace, Trace::new(Keep::Hash));
        let entries = trace.entries();
        (trace.into_lines(), entries, state.starts, state.truth.log().len() as u64)
    }

    /// A node's machine is down, or up again.
    pub(super) fn set_down(&self, node: &Str, is_down: bool) {
        let mut state = self.state();
        if is_down {
            state.down.insert(node.clone())
        } else {
            state.down.remove(node)
        };
    }

    /// An actor does not reach the Api any more, or again.
    pub(super) fn sever(&self, actor: &Str, is_severed: bool) {
        {
            let mut state = self.state();
            let node = actor.strip_prefix("node/").map(Str::from);
            if is_severed {
                state.severed.insert(actor.clone());
                state.cut.extend(node);
            } else {
                state.severed.remove(actor);
                node.iter().for_each(|node| _ = state.cut.remove(node));
            }
        }
        if !is_severed {
            self.0.mended.notify_waiters();
        }
    }

    /// Everybody reaches the Api again; nobody is about to crash.
    pub(super) fn mend(&self) {
        {
            let mut state = self.state();
            state.severed.clear();
            state.cut.clear();
            state.armed.clear();
        }
        self.0.mended.notify_waiters();
    }

    pub(super) fn is_down(&self, node: &Str) -> bool {
        self.state().down.contains(node)
    }

    /// The runtimes of the nodes that are up, in order of their names.
    pub(super) fn runtimes(&self) -> Vec<(Str, Arc<dyn Runtime>)> {
        let Some(cluster) = self.state().cluster.clone() else { return Vec::new() };
        let nodes = cluster.parts().into_iter();
        let nodes = nodes.filter_map(|part| if let Part::Node(name) = part { Some(name) } else { None });
        nodes.filter_map(|name| cluster.runtime(&name).map(|runtime| (name, runtime))).collect()
    }

    pub(super) fn is_severed(&self, actor: &str) -> bool {
        self.state().severed.contains(actor)
    }

    /// Completes when somebody is connected again; made before the look at who is severed.
    pub(super) fn mended(&self) -> OwnedNotified {
        Arc::clone(&self.0.mended).notified_owned()
    }

    /// The part crashes after so many more writes; answers whom it tells.
    pub(super) fn arm(&self, part: &Part, writes: u32) -> Arc<Notify> {
        let told = Arc::new(Notify::new());
        self.state().armed.insert(part.clone(), (writes, Arc::clone(&told)));
        told
    }

    pub(super) fn disarm(&self, part: &Part) {
        self.state().armed.remove(part);
    }

    /// A part is about to do so many writes: after how many of them it crashes, if it does.
    pub(super) fn crash_after(&self, part: &Part, writes: usize) -> Option<(usize, Arc<Notify>)> {
        let mut state = self.state();
        let (left, told) = state.armed.get_mut(part)?;
        let writes = u32::try_from(writes).unwrap_or(u32::MAX);
        if *left > writes {
            *left -= writes;
            return None;
        }
        let answer = (usize::try_from(*left).unwrap_or(0), Arc::clone(told));
        state.armed.remove(part);
        Some(answer)
    }

    /// Crashes a part now. One that was about to crash when all was mended starts again at once: nobody waits for it.
    pub(super) fn crash(&self, part: &Part) {
        let (cluster, phase) = {
            let state = self.state();
            (state.cluster.clone(), state.phase)
        };
        let Some(cluster) = cluster else { return };
        self.note("fault", &format!("{part} crashes"));
        let mut done = cluster.crash(part);
        if phase != Phase::Faults {
            self.note("chaos", &format!("{part} starts again"));
            done = done.and_then(|()| cluster.restart(part));
        }
        if let Err(error) = done {
            self.fail("harness", error.to_string());
        }
    }
}

/// One more in this second; how many that are.
fn count(second: &mut (u64, u64), now: Duration) -> u64 {
    let now = now.as_secs();
    *second = if second.0 == now { (now, second.1 + 1) } else { (now, 1) };
    second.1
}

/// How an acknowledged write was made to another object or state than the one that it named; `before` is the revision that
/// it replaced, when that is known.
fn misses(live: &Live, before: Option<Revision>, named: &Precondition) -> Option<String> {
    if let Some(uid) = named.uid.as_ref().filter(|uid| *uid != live.uid()) {
        return Some(format!("and meant {uid}, not {}", live.uid()));
    }
    // What is so already is not written again: then the revision is the one that was named.
    let named = named.revision.filter(|named| *named != live.revision())?;
    let before = before.filter(|before| *before != named)?;
    Some(format!("and named revision {named}, not {before}"))
}

#[cfg(test)]
mod tests {
    use orch_core::{Object, Registry, kind};
    use serde_json::json;

    use super::*;

    /// The log of a pod that comes, changes and goes, and of another one that comes then.
    fn log_of_a_pod() -> (Hub, Vec<Arc<Change>>, Live) {
        let env = Env::real();
        let hub = Hub::new(&env, Vec::new(), Keep::Hash, Access::Call);
        let info = Registry::built_in().get(kind::PODS).unwrap();
        let pod = |name: &str, uid: &str| {
            let tree = json!({"metadata": {"name": name, "namespace": "b", "uid": uid}});
            Live::from(Object::encode(&info, &tree).unwrap())
        };
        let change = |at: u64, now: Option<Live>, before: Option<(Live, u64)>| {
            let now = now.map(|live| live.at(Revision(at)));
            let before = before.map(|(live, at)| live.at(Revision(at)).into_object());
            Arc::new(Change::new(Revision(at), now, before))
        };
        let a = pod("a", "u");
        let log = vec![
            change(3, Some(a.clone()), None),
            change(4, None, Some((a.clone(), 3))),
            change(5, Some(pod("c", "w")), None),
            change(6, Some(pod("a", "v")), None),
        ];
        (hub, log, a)
    }

    #[test]
    fn by_calls_an_acknowledged_revision_is_exact() {
        let (hub, log, pod) = log_of_a_pod();
        let written = |at: u64| hub.written(&log, &pod.clone().at(Revision(at)));
        assert_eq!((written(3), written(4), written(5), written(7)), (Some(0), Some(1), None, None));
    }

    #[cfg(all(feature = "remote", feature = "rest"))]
    #[test]
    fn over_rest_a_removal_may_be_acknowledged_at_a_later_revision() {
        let (_, log, pod) = log_of_a_pod();
        let hub = Hub::new(&Env::real(), Vec::new(), Keep::Hash, Access::Rest);
        let written = |at: u64| hub.written(&log, &pod.clone().at(Revision(at)));
        assert_eq!((written(3), written(4), written(5), written(6)), (Some(0), Some(1), Some(1), Some(1)));
        assert_eq!(hub.written(&log[..1], &pod.clone().at(Revision(9))), None, "nobody removed it");
        let other = log[3].now.clone().unwrap();
        assert_eq!(hub.written(&log, &other.at(Revision(7))), None, "nobody wrote it");
    }

    #[test]
    fn a_write_to_another_state_than_the_one_it_names_is_told() {
        let info = Registry::built_in().get(kind::PODS).unwrap();
        let tree = json!({"metadata": {"name": "a", "namespace": "b", "uid": "u"}});
        let live = Live::from(Object::encode(&info, &tree).unwrap().at(Revision(7)));
        let check = |uid: Option<&str>, named: Option<u64>, before: Option<u64>, is_missed: bool| {
            let named = Precondition { uid: uid.map(Str::from), revision: named.map(Revision) };
            assert_eq!(misses(&live, before.map(Revision), &named).is_some(), is_missed);
        };
        check(None, None, Some(5), false);
        check(Some("u"), Some(5), Some(5), false);
        check(Some("v"), None, Some(5), true);
        check(None, Some(4), Some(5), true);
        check(None, Some(7), Some(5), false);
        check(None, Some(4), None, false);
    }
}
