//! The parts of a cluster, by name.

use std::fmt;

use orch_core::Str;

/// A part of a cluster that can crash alone, and be started again.
///
/// ```
/// use orch::Part;
/// assert_eq!(Part::Agent("n1".into()).to_string(), "agent/n1");
/// assert_eq!(Part::Scheduler.to_string(), "scheduler");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Part {
    /// All controllers: they share an engine.
    Controllers,
    /// One controller by its name, where each has an engine of its own
    /// ([`ClusterBuilder::isolate_controllers`](crate::ClusterBuilder::isolate_controllers)).
    Controller(Str),
    /// The scheduler with its loop.
    Scheduler,
    /// The service proxy. With it go its listeners and the connections that it carries.
    Proxy,
    /// What keeps the names up to date. The names that are known stay readable without it.
    Names,
    /// The agent of a node, and what removes the node's abandoned volumes. Containers go on without it.
    Agent(Str),
    /// A machine: its containers, its agent.
    Node(Str),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Controllers => f.write_str("controllers"),
            Self::Controller(name) => write!(f, "controller/{name}"),
            Self::Scheduler => f.write_str("scheduler"),
            Self::Proxy => f.write_str("proxy"),
            Self::Names => f.write_str("names"),
            Self::Agent(node) => write!(f, "agent/{node}"),
            Self::Node(node) => write!(f, "node/{node}"),
        }
    }
}
