//! How parts and users reach the Api: by calls, or by REST.
//!
//! Not here: what can be wrong with a line ([`line`](super::line)). Invariant: by calls, nothing stands in between.

use std::sync::Arc;

use orch_core::{Api, Env, Registry};
use orch_store::Faults;

#[cfg(all(feature = "remote", feature = "rest"))]
use super::line::Line;

/// By what everybody in a run reaches the Api.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// A call of the Api itself.
    Call,
    /// Requests over REST, by a remote Api.
    #[cfg(all(feature = "remote", feature = "rest"))]
    Rest,
}

impl Access {
    pub(super) fn is_rest(self) -> bool {
        self != Self::Call
    }
}

/// The same in a run under way. Cloning copies a pointer.
#[derive(Clone)]
pub(super) enum Reach {
    Call,
    #[cfg(all(feature = "remote", feature = "rest"))]
    Rest(Line),
}

#[cfg_attr(
    not(all(feature = "remote", feature = "rest")),
    expect(unused_variables, clippy::needless_pass_by_value, reason = "without REST there is no line")
)]
impl Reach {
    pub(super) fn new(access: Access, env: &Env, registry: &Arc<Registry>) -> Self {
        match access {
            Access::Call => Self::Call,
            #[cfg(all(feature = "remote", feature = "rest"))]
            Access::Rest => Self::Rest(Line::new(&env.child("line"), registry)),
        }
    }

    /// The Api as parts and users have it. Who a part is it says itself; users are administrators.
    pub(super) fn to(&self, api: Arc<dyn Api>) -> Arc<dyn Api> {
        match self {
            Self::Call => api,
            #[cfg(all(feature = "remote", feature = "rest"))]
            Self::Rest(line) => line.to(api),
        }
    }

    /// Requests sent over REST.
    pub(super) fn requests(&self) -> u64 {
        match self {
            Self::Call => 0,
            #[cfg(all(feature = "remote", feature = "rest"))]
            Self::Rest(line) => line.requests(),
        }
    }

    /// The line is as bad as that from now on.
    pub(super) fn set(&self, faults: Faults) {
        match self {
            Self::Call => {}
            #[cfg(all(feature = "remote", feature = "rest"))]
            Self::Rest(line) => line.set(faults),
        }
    }
}
