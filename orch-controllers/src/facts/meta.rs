//! Every object of every kind, by its header alone.

use orch_core::view::Projection;
use orch_core::{Kind, Live};

/// No facts besides the header: what garbage collection and namespace deletion need.
pub(crate) struct Meta;

impl Projection for Meta {
    fn kind() -> Option<Kind> {
        None
    }

    fn project(_: &Live) -> Self {
        Self
    }
}
