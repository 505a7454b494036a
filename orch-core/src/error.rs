//! What can go wrong with a read or a write, and the one table from reason to HTTP status.
//!
//! Every error says whether a write may have happened ([`Error::outcome`]): a caller that retries must know.

use std::fmt;
use std::time::Duration;

use crate::{Key, Kind, Revision, Str};

/// The result of a read or write.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether a failed write may have changed the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Nothing was changed.
    NotApplied,
    /// It may or may not have been applied: read before writing again.
    Unknown,
}

/// Why a read or write failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The object is not there.
    #[error("{key} not found")]
    NotFound {
        /// What was asked for.
        key: Key,
    },
    /// An object of that name is there.
    #[error("{key} already exists")]
    AlreadyExists {
        /// What was to be created.
        key: Key,
    },
    /// The object is not in the state that the write expects.
    #[error("operation cannot be fulfilled on {key}: {cause}")]
    Conflict {
        /// What was to be written.
        key: Key,
        /// In what it differs.
        cause: ConflictCause,
    },
    /// The history before a revision is gone: list again.
    #[error("revision {requested} is compacted: the oldest one kept is {oldest}")]
    Compacted {
        /// Where the reader wanted to begin.
        requested: Revision,
        /// Where it can begin.
        oldest: Revision,
    },
    /// The revision lies in the future of this store.
    #[error("revision {requested} is ahead of the current revision {current}")]
    Ahead {
        /// What the reader asked for.
        requested: Revision,
        /// What there is.
        current: Revision,
    },
    /// A page token is not one that this store gave.
    #[error("continue token is not valid: list again without it")]
    BadPage,
    /// The object breaks rules of its kind; every fault is listed.
    #[error("{key} is invalid: {}", Faults(faults))]
    Invalid {
        /// What was to be written.
        key: Key,
        /// All faults, never empty.
        faults: Vec<Fault>,
    },
    /// The bytes or the tree do not have the shape of an object.
    #[error("{subject} is malformed: {}{why}", Field(field))]
    Malformed {
        /// What it was to be.
        subject: String,
        /// Path of the field; empty for the whole.
        field: String,
        /// What is wrong.
        why: String,
    },
    /// A patch cannot be applied.
    #[error("the patch of {key} cannot be applied: {why}")]
    Patch {
        /// What was to be changed.
        key: Key,
        /// Whose fault it is.
        fault: PatchFault,
        /// What is wrong, in Kubernetes' words.
        why: String,
    },
    /// The user may not do that, or the state of the cluster forbids it.
    #[error("{key} is forbidden: {why}")]
    Forbidden {
        /// What was to be written.
        key: Key,
        /// The rule that forbids it.
        why: String,
    },
    /// No such kind is registered.
    #[error("no kind {kind:?} in {api_version:?}")]
    UnknownKind {
        /// As given.
        api_version: String,
        /// As given.
        kind: String,
    },
    /// The kind does not have that verb or subresource.
    #[error("{kind} does not allow {what}")]
    NotAllowed {
        /// The kind.
        kind: Kind,
        /// Verb and subresource.
        what: &'static str,
    },
    /// Too much at once: later.
    #[error("{subject} must wait: {why}")]
    TooManyRequests {
        /// Whose turn it is not.
        subject: String,
        /// The bound that was reached.
        why: String,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// A disruption budget does not let the pod go; nothing happened to the pod.
    #[error("{key} cannot be evicted: {why}")]
    Disruption {
        /// The pod.
        key: Key,
        /// Which budget, and what it needs.
        why: DisruptionCause,
        /// When to try again, if that is known.
        retry_after: Option<Duration>,
    },
    /// An object is larger than is allowed.
    #[error("{key} has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// What was to be written.
        key: Key,
        /// Its size.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// Not reachable now; nothing was written.
    #[error("{part} is unavailable: {why}")]
    Unavailable {
        /// Which part.
        part: Str,
        /// What is known.
        why: String,
    },
    /// The answer to a write was lost.
    #[error("the outcome of the write to {key} is unknown")]
    OutcomeUnknown {
        /// What was to be written.
        key: Key,
    },
    /// A part of the cluster broke a promise.
    #[error("{part} failed: {why}")]
    Internal {
        /// Which part.
        part: Str,
        /// What is known.
        why: String,
    },
}

/// In what the state differs from what a write expects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConflictCause {
    /// Another write came first.
    #[error("the object has been modified; please apply your changes to the latest version and try again")]
    Revision {
        /// What the write expects.
        expected: Revision,
        /// What there is.
        actual: Revision,
    },
    /// The name means another object now.
    #[error("the uid in the precondition ({expected}) does not match the uid in record ({actual})")]
    Uid {
        /// What the write expects.
        expected: Str,
        /// What there is.
        actual: Str,
    },
    /// Fields of an apply belong to other managers, with other values.
    #[error("Apply failed with {} {}", .0.len(), FieldConflicts(.0))]
    Fields(Vec<FieldConflict>),
    /// The state does not allow the change, for example a pod that is bound.
    #[error("{0}")]
    State(String),
}

/// Why a budget does not let a pod go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisruptionCause {
    /// The budget is used up, or not counted yet; in Kubernetes' words.
    #[error("{0}")]
    Budget(String),
    /// More than one budget covers the pod, which evictions do not know to respect.
    #[error(
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    )]
    Several,
}

/// One field of an apply that another manager has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldConflict {
    /// The manager as Kubernetes shows it: `"m1"`, `"kubectl" using apps/v1`, `"a" with subresource "status"`.
    pub manager: String,
    /// The field: `.spec.template.spec.containers[name="c"].image`.
    pub field: String,
}

/// As Kubernetes words them (`managedfields/internal/conflict.go`); ordered by manager.
struct FieldConflicts<'a>(&'a [FieldConflict]);
impl fmt::Display for FieldConflicts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [one] = self.0 {
            return write!(f, "conflict: conflict with {}: {}", one.manager, one.field);
        }
        f.write_str("conflicts: ")?;
        let mut last = None;
        for (at, conflict) in self.0.iter().enumerate() {
            if last != Some(&conflict.manager) {
                write!(f, "{}conflicts with {}:", if at > 0 { "\n" } else { "" }, conflict.manager)?;
                last = Some(&conflict.manager);
            }
            write!(f, "\n- {}", conflict.field)?;
        }
        Ok(())
    }
}

/// What is wrong with a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchFault {
    /// It is not a patch.
    Malformed,
    /// It does not fit the object. Kubernetes answers 422 and keeps the cause to itself.
    Unprocessable,
    /// It has too many operations.
    TooLarge,
    /// It does not fit the kind's type. Kubernetes answers 500 without a reason, and the cause alone as the message.
    Unfit,
}

impl PatchFault {
    fn reason(self) -> Reason {
        match self {
            Self::Malformed => Reason::BadRequest,
            Self::Unprocessable => Reason::Invalid,
            Self::TooLarge => Reason::RequestEntityTooLarge,
            Self::Unfit => Reason::InternalError,
        }
    }
}

/// The kinds of fault that Kubernetes' validation knows (`apimachinery/pkg/util/validation/field/errors.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A value must be given.
    Required,
    /// A value is malformed or out of range.
    Invalid,
    /// A value is not one of those allowed.
    NotSupported,
    /// A value stands twice where it must be unique.
    Duplicate,
    /// A value may not be given or changed.
    Forbidden,
    /// Nothing has that name.
    NotFound,
    /// A text is too long.
    TooLong,
    /// A list is too long.
    TooMany,
    /// A value has the wrong type.
    TypeInvalid,
    /// A field is not one of the kind's.
    Unknown,
}

impl FaultKind {
    /// In Kubernetes' words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not found",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Unknown => "Unknown field",
        }
    }

    /// The reason of a `StatusCause` (`apimachinery/pkg/apis/meta/v1/types.go`).
    #[must_use]
    pub fn cause(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden | Self::Unknown => "FieldValueForbidden",
            Self::NotFound => "FieldValueNotFound",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
}

/// One fault of an object.
///
/// ```
/// use orch_core::{Fault, FaultKind};
/// let fault = Fault::new(FaultKind::Invalid, "spec.replicas", "must be greater than or equal to 0").value("-1");
/// assert_eq!(fault.to_string(), "spec.replicas: Invalid value: -1: must be greater than or equal to 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Path of the field, for example `spec.containers[0].name`.
    pub field: String,
    /// The value as JSON, when showing it helps and gives no secret away.
    pub value: Option<String>,
    /// The rule and the remedy; may be empty.
    pub detail: String,
}

impl Fault {
    /// A fault without a value.
    #[must_use]
    pub fn new(kind: FaultKind, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, field: field.into(), value: None, detail: detail.into() }
    }

    /// Shows the value, given as JSON.
    #[must_use]
    pub fn value(mut self, value: impl fmt::Display) -> Self {
        self.value = Some(value.to_string());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.kind.as_str())?;
        if let Some(value) = &self.value {
            write!(f, ": {value}")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

struct Faults<'a>(&'a [Fault]);
impl fmt::Display for Faults<'_> {
    /// As Kubernetes joins them: one plain, several in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [one] => one.fmt(f),
            many => {
                f.write_str("[")?;
                for (at, fault) in many.iter().enumerate() {
                    write!(f, "{}{fault}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
        }
    }
}

struct Field<'a>(&'a str);
impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{} ", self.0) }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// The reason of a failed request (`metav1.StatusReason`) and, in one table, its HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $name),* }

        impl Reason {
            /// In Kubernetes' spelling.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn code(self) -> u16 {
                match self { $(Self::$name => $code),* }
            }

            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

reasons! {
    /// The request cannot be read.
    BadRequest = 400;
    /// Who asks is not known.
    Unauthorized = 401;
    /// Who asks may not do that.
    Forbidden = 403;
    /// The object or resource is not there.
    NotFound = 404;
    /// The verb does not exist for the resource.
    MethodNotAllowed = 405;
    /// The answer cannot be given in the form asked for.
    NotAcceptable = 406;
    /// An object of that name is there.
    AlreadyExists = 409;
    /// The state is not the expected one.
    Conflict = 409;
    /// The object was there and is gone.
    Gone = 410;
    /// The history asked for is gone.
    Expired = 410;
    /// The body is too large.
    RequestEntityTooLarge = 413;
    /// The form of the body is not known.
    UnsupportedMediaType = 415;
    /// The object breaks rules of its kind.
    Invalid = 422;
    /// Too much at once.
    TooManyRequests = 429;
    /// A part broke a promise.
    InternalError = 500;
    /// Not reachable now.
    ServiceUnavailable = 503;
    /// Tried, and may still be under way.
    ServerTimeout = 500;
    /// Not finished in time.
    Timeout = 504;
}

impl Error {
    /// The reason, from which the HTTP status follows.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotFound { .. } | Self::UnknownKind { .. } => Reason::NotFound,
            Self::AlreadyExists { .. } => Reason::AlreadyExists,
            Self::Conflict { .. } => Reason::Conflict,
            Self::Compacted { .. } => Reason::Expired,
            Self::Ahead { .. } | Self::OutcomeUnknown { .. } => Reason::Timeout,
            Self::BadPage | Self::Malformed { .. } => Reason::BadRequest,
            Self::Invalid { .. } => Reason::Invalid,
            Self::Patch { fault, .. } => fault.reason(),
            Self::Forbidden { .. } => Reason::Forbidden,
            Self::NotAllowed { .. } => Reason::MethodNotAllowed,
            Self::Disruption { why: DisruptionCause::Several, .. } => Reason::InternalError,
            Self::TooManyRequests { .. } | Self::Disruption { .. } => Reason::TooManyRequests,
            Self::TooLarge { .. } => Reason::RequestEntityTooLarge,
            Self::Unavailable { .. } => Reason::ServiceUnavailable,
            Self::Internal { .. } => Reason::InternalError,
        }
    }

    /// Whether the write may have happened.
    #[must_use]
    pub fn outcome(&self) -> WriteOutcome {
        match self {
            Self::OutcomeUnknown { .. } | Self::Internal { .. } => WriteOutcome::Unknown,
            _ => WriteOutcome::NotApplied,
        }
    }

    /// Whether the object is absent.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether somebody else was first: an object of that name, or another revision.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::AlreadyExists { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_status_of_an_error() {
        for reason in Reason::ALL {
            assert!((400..600).contains(&reason.code()), "{reason:?}");
        }
    }

    #[test]
    fn conflicts_are_worded_as_kubernetes_words_them() {
        let conflict =
            |manager: &str, field: &str| FieldConflict { manager: manager.into(), field: field.into() };
        let one = ConflictCause::Fields(vec![conflict("\"m1\"", ".data.a")]);
        assert_eq!(one.to_string(), "Apply failed with 1 conflict: conflict with \"m1\": .data.a");
        let many = [conflict("\"a\"", ".x"), conflict("\"a\"", ".y"), conflict("\"b\" using v1", ".x")];
        assert_eq!(
            ConflictCause::Fields(many.to_vec()).to_string(),
            "Apply failed with 3 conflicts: conflicts with \"a\":\n- .x\n- .y\nconflicts with \"b\" using v1:\n- .x"
        );
    }

    #[test]
    fn faults_are_joined_as_kubernetes_joins_them() {
        let key = Key::new(crate::kind::PODS, "a", "b");
        let one = Fault::new(FaultKind::Required, "spec.containers", "");
        let error = Error::Invalid { key: key.clone(), faults: vec![one.clone()] };
        assert_eq!(error.to_string(), "pods/a/b is invalid: spec.containers: Required value");
        let error = Error::Invalid { key, faults: vec![one.clone(), one] };
        assert!(
            error.to_string().ends_with("[spec.containers: Required value, spec.containers: Required value]")
        );
    }
}
