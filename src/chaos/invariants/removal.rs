//! Who let a pod go: shared by the invariants about pods that run though their object is gone.
//!
//! A pod that is bound is removed by its own node after nothing of it runs any more
//! (<https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination>). It is *forced* when nobody asks
//! the node: a person deletes it with a grace period of 0
//! (<https://kubernetes.io/docs/tasks/run-application/force-delete-stateful-set-pod/>), its own grace period is 0, or a
//! person or pod garbage collection (whose node is gone or out of service, `pkg/controller/podgc/gc_controller.go`) says
//! that it has ended: from then on anybody's deletion is at once. Not judged here: whether garbage collection had a reason.

use std::collections::HashMap;

use orch_core::object::Part;
use orch_core::{Change, Key, Object, Str, kind};

use super::tree::{agent_of, is_person, is_terminal, node_of};

const POD_GC: &str = "pod-garbage-collector";

/// How a pod left the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// Its node let it go, or it never had one.
    LetGo,
    /// Without its node being asked.
    Forced,
}

#[derive(Debug)]
struct Pod {
    key: Key,
    node: Str,
    forced: bool,
    /// Its node has said that nothing runs any more.
    let_go: bool,
    gone: Option<Gone>,
}

/// Every pod that ever was, by uid.
#[derive(Debug, Default)]
pub(super) struct Pods(HashMap<Str, Pod>);

impl Pods {
    /// Takes in a change.
    ///
    /// # Errors
    /// A pod was removed by somebody who may not, while its node had not let it go.
    pub(super) fn take(&mut self, actor: &str, change: &Change) -> Result<(), String> {
        if change.key().kind != kind::PODS {
            return Ok(());
        }
        let object = change.object();
        let new =
            || Pod { key: object.key().clone(), node: "".into(), forced: false, let_go: false, gone: None };
        let pod = self.0.entry(object.uid().clone()).or_insert_with(new);
        if pod.node.is_empty() && !node_of(object).is_empty() {
            pod.node = node_of(object).into();
            pod.forced |= object.part_field(Part::Spec, "terminationGracePeriodSeconds") == Some(b"0");
        }
        let by_node = agent_of(actor).is_some_and(|node| node == &*pod.node);
        let by_force = is_person(actor) || actor == POD_GC;
        if change.now.is_some() {
            let before = change.before.as_ref();
            let ended = is_terminal(object) && !before.is_some_and(is_terminal);
            let grace = |object: &Object| object.header().deletion_grace_secs;
            let hurried = grace(object) == Some(0) && before.is_none_or(|before| grace(before) != Some(0));
            if ended || hurried {
                pod.forced |= by_force;
                pod.let_go |= by_node;
            }
            return Ok(());
        }
        pod.gone = Some(if by_force || (pod.forced && !by_node) { Gone::Forced } else { Gone::LetGo });
        if pod.node.is_empty() || by_node || by_force || pod.forced || pod.let_go {
            return Ok(());
        }
        Err(format!(
            "{actor} removed {} ({}) though its node {} had not let it go",
            pod.key,
            object.uid(),
            pod.node
        ))
    }

    /// How a pod left the store; `None` while it is there, or when it never was.
    pub(super) fn gone(&self, uid: &str) -> Option<Gone> {
        self.0.get(uid)?.gone
    }

    /// The node that a pod was bound to; `None` when there never was such a pod.
    pub(super) fn node(&self, uid: &str) -> Option<&str> {
        self.0.get(uid).map(|pod| &*pod.node)
    }
}
