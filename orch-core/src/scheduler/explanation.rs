//! Why a pod fits nowhere, in Kubernetes' words: counts per reason, detail per node on request.

use std::collections::BTreeMap;
use std::fmt;

use crate::Str;

/// Why a pod does not fit.
///
/// ```
/// use orch_core::scheduler::Explanation;
/// let mut explanation = Explanation::new(3);
/// explanation.count("Insufficient cpu", 1);
/// explanation.count("node(s) had untolerated taint {dedicated: db}", 2);
/// assert_eq!(explanation.to_string(), "0/3 nodes are available: 1 Insufficient cpu, \
///     2 node(s) had untolerated taint {dedicated: db}.");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// Nodes that were considered.
    pub nodes: usize,
    /// Nodes that fit.
    pub fitting: usize,
    /// How many nodes were refused for each reason; a node may have several.
    pub reasons: BTreeMap<Str, usize>,
    /// Why making room would not help; empty when that was not tried.
    pub preemption: String,
    /// A reason that holds for the pod on every node; replaces the counts.
    pub overall: Option<String>,
    /// Verdicts on single nodes, when asked for.
    pub detail: Vec<NodeVerdict>,
}

/// What one plugin says of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeVerdict {
    /// The node.
    pub node: Str,
    /// The plugin that refuses it; empty when it fits.
    pub plugin: Str,
    /// Its reasons; empty when the node fits.
    pub reasons: Vec<Str>,
}

impl Explanation {
    /// Nothing known of so many nodes.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self { nodes, ..Self::default() }
    }

    /// Counts nodes that were refused for a reason.
    pub fn count(&mut self, reason: &str, nodes: usize) {
        if nodes > 0 {
            *self.reasons.entry(reason.into()).or_default() += nodes;
        }
    }
}

/// As Kubernetes' `FitError` (`pkg/scheduler/framework/types.go`); without nodes the overall reason alone.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (0, Some(overall)) = (self.nodes, &self.overall) {
            return f.write_str(overall);
        }
        write!(f, "{}/{} nodes are available", self.fitting, self.nodes)?;
        if let Some(overall) = &self.overall {
            write!(f, ": {overall}.")?;
        } else if !self.reasons.is_empty() {
            let mut reasons: Vec<_> =
                self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            reasons.sort_unstable();
            write!(f, ": {}.", reasons.join(", "))?;
        } else {
            f.write_str(".")?;
        }
        if !self.preemption.is_empty() {
            write!(f, " preemption: {}", self.preemption)?;
        }
        Ok(())
    }
}
