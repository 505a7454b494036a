//! What is wrong with a patch.

use orch_core::{Key, PatchFault};

/// Why a patch was not applied. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not a patch.
    #[error("{why}")]
    Malformed {
        /// In Kubernetes' words.
        why: String,
    },
    /// There are too many operations.
    #[error("The allowed maximum operations in a JSON patch is {limit}, got {count}")]
    TooManyOperations {
        /// The bound.
        limit: usize,
        /// How many there are.
        count: usize,
    },
    /// An operation does not fit the object.
    #[error("{why}")]
    Unprocessable {
        /// In Kubernetes' words.
        why: String,
    },
    /// A part of it does not fit the type.
    #[error("{why}")]
    Unfit {
        /// In Kubernetes' words.
        why: String,
    },
}

impl Error {
    pub(crate) fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed { why: why.into() }
    }

    pub(crate) fn unprocessable(why: impl Into<String>) -> Self {
        Self::Unprocessable { why: why.into() }
    }

    pub(crate) fn unfit(why: impl Into<String>) -> Self {
        Self::Unfit { why: why.into() }
    }

    /// The error of a write.
    ///
    /// ```
    /// use orch_core::{Key, Reason, kind};
    /// let error = orch_api::patch::json_patch(&"x".into(), &"y".into()).unwrap_err();
    /// assert_eq!(error.of(&Key::new(kind::PODS, "a", "b")).reason(), Reason::BadRequest);
    /// ```
    #[must_use]
    pub fn of(&self, key: &Key) -> orch_core::Error {
        let fault = match self {
            Self::Malformed { .. } => PatchFault::Malformed,
            Self::TooManyOperations { .. } => PatchFault::TooLarge,
            Self::Unprocessable { .. } => PatchFault::Unprocessable,
            Self::Unfit { .. } => PatchFault::Unfit,
        };
        orch_core::Error::Patch { key: key.clone(), fault, why: self.to_string() }
    }
}
