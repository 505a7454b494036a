//! Taints of nodes. As `pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go`.

use super::{MAX_SCORE, share_of};
use crate::cluster::{Node, NodeFacts, Pod, Taint, TaintEffect};
use crate::framework::{Bounds, Check, ClusterEvent, Filter, Plugin, Refusal, Score, Signature};

/// A pod goes only where it tolerates the taints, and rather where it tolerates the soft ones too.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaintToleration;

fn untolerated<'a>(pod: &Pod, node: &'a NodeFacts) -> Option<&'a Taint> {
    let hard = |taint: &&Taint| taint.effect != TaintEffect::PreferNoSchedule;
    let tolerated =
        |taint: &Taint| pod.spec().tolerations.iter().any(|toleration| toleration.tolerates(taint));
    node.taints().iter().filter(hard).find(|taint| !tolerated(taint))
}

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn sign(&self, pod: &Pod, signature: &mut Signature) {
        signature.add(&pod.spec().tolerations);
    }

    fn helps(&self, pod: &Pod, event: &ClusterEvent<'_>) -> bool {
        match event {
            ClusterEvent::NodeAdded { node } => untolerated(pod, node.facts()).is_none(),
            ClusterEvent::NodeChanged { before, node } => {
                untolerated(pod, before).is_some() && untolerated(pod, node.facts()).is_none()
            }
            _ => false,
        }
    }
}

impl Filter for TaintToleration {
    fn check(&self, pod: &Pod, node: &Node<'_>) -> Check {
        match untolerated(pod, node.facts()) {
            None => Ok(()),
            Some(Taint { key, value, .. }) => {
                Err(Refusal::unresolvable(format!("node(s) had untolerated taint {{{key}: {value}}}")))
            }
        }
    }
}

impl Score for TaintToleration {
    /// How many soft taints the pod does not tolerate.
    fn score(&self, pod: &Pod, node: &Node<'_>) -> i64 {
        let soft = |effect: TaintEffect| effect == TaintEffect::PreferNoSchedule;
        let tolerated = |taint: &Taint| {
            let mut tolerations = pod.spec().tolerations.iter();
            tolerations.any(|toleration| toleration.effect.is_none_or(soft) && toleration.tolerates(taint))
        };
        let counts = |taint: &&Taint| soft(taint.effect) && !tolerated(taint);
        i64::try_from(node.facts().taints().iter().filter(counts).count()).unwrap_or(i64::MAX)
    }

    fn normalises(&self) -> bool {
        true
    }

    fn normalise(&self, score: i64, bounds: Bounds) -> i64 {
        MAX_SCORE - share_of(score, bounds.max)
    }
}
