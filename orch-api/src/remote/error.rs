//! Refusals: from a `metav1.Status` back to what it means (`apimachinery/pkg/api/errors/errors.go`).
//!
//! The other direction stands in `rest/status.rs`. Invariant: what may have been done is not told as not done.

use std::time::Duration;

use http::StatusCode;
use orch_core::{
    ConflictCause, Error, Fault, FaultKind, FieldConflict, Key, Patch, PatchFault, Precondition, Registry,
    Revision, Subresource, Verb, Write,
};
use serde_json::Value;

use super::exchange::{Answer, Lost};
use crate::tree::Get;

/// What a request was for, as far as its refusal depends on it.
#[derive(Clone, Debug)]
pub(super) struct About {
    /// The object, or with an empty name the collection.
    pub(super) key: Key,
    pub(super) asks: Asks,
    pub(super) expected: Precondition,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    Read,
    /// The next page of a list.
    Page,
    Write,
    Patch,
}

impl About {
    pub(super) fn read(key: &Key) -> Self {
        Self { key: key.clone(), asks: Asks::Read, expected: Precondition::default() }
    }

    /// A read at or after a revision.
    pub(super) fn read_at(key: &Key, revision: Revision) -> Self {
        let expected = Precondition { revision: Some(revision), ..Precondition::default() };
        Self { expected, ..Self::read(key) }
    }

    pub(super) fn write(write: &Write) -> Self {
        let is_patch = matches!(write.verb, Verb::Patch(_)) && write.subresource != Subresource::Scale;
        let asks = match &write.verb {
            Verb::Patch(Patch::Apply { .. }) => Asks::Write,
            _ if is_patch => Asks::Patch,
            _ => Asks::Write,
        };
        Self { key: write.key.clone(), asks, expected: write.precondition.clone() }
    }

    fn is_write(&self) -> bool {
        matches!(self.asks, Asks::Write | Asks::Patch)
    }

    /// Without an answer.
    pub(super) fn lost(&self, lost: Lost) -> Error {
        match lost {
            Lost::After(_) if self.is_write() => self.unknown(),
            lost => self.unavailable(lost.why()),
        }
    }

    fn unknown(&self) -> Error {
        Error::OutcomeUnknown { key: self.key.clone() }
    }

    fn unavailable(&self, why: impl Into<String>) -> Error {
        Error::Unavailable { part: "the API server".into(), why: why.into() }
    }

    fn unknown_kind(&self) -> Error {
        Error::UnknownKind {
            api_version: self.key.kind.group().to_owned(),
            kind: self.key.kind.resource().to_owned(),
        }
    }

    /// What an answer that is no success says.
    pub(super) fn refused(&self, registry: &Registry, answer: &Answer) -> Error {
        match serde_json::from_slice::<Value>(&answer.body) {
            Ok(tree) if tree.text("kind") == "Status" => {
                self.status(registry, &Status::read(&tree, answer.code.as_u16(), answer.retry_after))
            }
            _ => self.untold(answer),
        }
    }

    /// An answer of somebody in between, or of a server that does not have the path.
    fn untold(&self, answer: &Answer) -> Error {
        let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]).trim().to_owned();
        let why = format!("{}: {text}", answer.code);
        match answer.code {
            StatusCode::NOT_FOUND => self.unknown_kind(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.forbidden(why),
            StatusCode::TOO_MANY_REQUESTS => self.later(why, answer.retry_after),
            code if code.is_client_error() || code.is_redirection() => self.malformed(why),
            _ if self.is_write() => self.unknown(),
            _ => self.unavailable(why),
        }
    }

    fn forbidden(&self, why: impl Into<String>) -> Error {
        Error::Forbidden { key: self.key.clone(), why: why.into() }
    }

    fn malformed(&self, why: impl Into<String>) -> Error {
        Error::Malformed { subject: self.key.kind.to_string(), field: String::new(), why: why.into() }
    }

    fn later(&self, why: impl Into<String>, secs: Option<u64>) -> Error {
        let retry_after = secs.map(Duration::from_secs);
        Error::TooManyRequests { subject: self.key.to_string(), why: why.into(), retry_after }
    }

    fn patch(&self, fault: PatchFault, why: &str) -> Error {
        Error::Patch { key: self.key.clone(), fault, why: why.to_owned() }
    }

    /// What a status says; also of one that stands in a watch.
    pub(super) fn status(&self, registry: &Registry, status: &Status<'_>) -> Error {
        let message = status.message;
        match status.reason {
            "NotFound" => self.not_found(registry, status),
            "AlreadyExists" => {
                let name = status.details("name");
                let key = &self.key;
                let key = if name.is_empty() { key.clone() } else { key.sibling(key.kind, name) };
                Error::AlreadyExists { key }
            }
            "Conflict" => self.conflict(status),
            "Invalid" => self.invalid(status),
            "Expired" | "Gone" => self.compacted(message),
            "Timeout" if status.has_cause("ResourceVersionTooLarge") => {
                let (requested, current) = (number(message, "version: "), number(message, "current: "));
                Error::Ahead {
                    requested: requested.unwrap_or_default(),
                    current: current.unwrap_or_default(),
                }
            }
            "Timeout" | "ServerTimeout" if self.is_write() => self.unknown(),
            "Timeout" | "ServerTimeout" | "ServiceUnavailable" => self.unavailable(message),
            "Forbidden" => {
                let why = message.split_once(" is forbidden: ").map_or(message, |(_, why)| why);
                self.forbidden(why.strip_prefix("forbidden: ").unwrap_or(why))
            }
            "Unauthorized" => {
                self.forbidden("the server does not know who asks: give it credentials that are valid")
            }
            "MethodNotAllowed" => Error::NotAllowed { kind: self.key.kind, what: "that verb or subresource" },
            "TooManyRequests" => self.later(message, status.retry_after()),
            "RequestEntityTooLarge" if self.asks == Asks::Patch => self.patch(PatchFault::TooLarge, message),
            "RequestEntityTooLarge" => {
                let limit = number(message, "limit is ").and_then(|limit| usize::try_from(limit.0).ok());
                Error::TooLarge { key: self.key.clone(), size: 0, limit: limit.unwrap_or_default() }
            }
            "BadRequest" if self.asks == Asks::Page => Error::BadPage,
            "BadRequest" | "UnsupportedMediaType" if self.asks == Asks::Patch => {
                self.patch(PatchFault::Malformed, message)
            }
            "BadRequest" | "UnsupportedMediaType" | "NotAcceptable" => self.malformed(message),
            // Of some refusals Kubernetes has no reason to give.
            "" if self.asks == Asks::Patch && status.code == 500 => self.patch(PatchFault::Unfit, message),
            "" if message == crate::local::REVISION_SET => self.malformed(message),
            _ if status.code < 500 => self.malformed(message),
            _ => Error::Internal { part: "the API server".into(), why: message.to_owned() },
        }
    }

    /// What is not found need not be the object itself: its namespace, or the resource.
    fn not_found(&self, registry: &Registry, status: &Status<'_>) -> Error {
        let (name, group, kind) = (status.details("name"), status.details("group"), status.details("kind"));
        let own = self.key.kind;
        if !name.is_empty() && *self.key.name == *name && (kind, group) == (own.resource(), own.group()) {
            return Error::NotFound { key: self.key.clone() };
        }
        match registry.by_resource(group, kind) {
            Some(info) if !name.is_empty() => {
                let namespace = if info.is_namespaced() { self.key.namespace.clone() } else { "".into() };
                Error::NotFound { key: Key::new(info.kind, namespace, name) }
            }
            _ => self.unknown_kind(),
        }
    }

    fn compacted(&self, message: &str) -> Error {
        let asked = self.expected.revision.unwrap_or_default();
        let requested = number(message, "version: ").unwrap_or(asked);
        let oldest = number(message, " (").map_or(requested, Revision::next);
        Error::Compacted { requested, oldest }
    }

    fn conflict(&self, status: &Status<'_>) -> Error {
        let fields: Vec<FieldConflict> = status
            .causes()
            .filter(|cause| cause.text("reason") == "FieldManagerConflict")
            .map(|cause| FieldConflict {
                manager: cause.text("message").trim_start_matches("conflict with ").to_owned(),
                field: cause.text("field").to_owned(),
            })
            .collect();
        let cause = if fields.is_empty() {
            self.conflict_cause(status.message)
        } else {
            ConflictCause::Fields(fields)
        };
        Error::Conflict { key: self.key.clone(), cause }
    }

    /// From the words, which are all that there is.
    fn conflict_cause(&self, message: &str) -> ConflictCause {
        let uid = [
            ("UID in precondition: ", "UID in object meta: "),
            ("the UID in the precondition (", "the UID in record ("),
            ("the uid in the precondition (", "the uid in record ("),
        ];
        let uid = uid.into_iter().find_map(|(given, found)| {
            Some((word(message, given)?, word(message, found).unwrap_or_default()))
        });
        if let Some((expected, actual)) = uid {
            return ConflictCause::Uid { expected: expected.into(), actual: actual.into() };
        }
        let revision = [
            ("ResourceVersion in precondition: ", "ResourceVersion in object meta: "),
            ("the ResourceVersion in the precondition (", "the ResourceVersion in record ("),
        ];
        let expected = self.expected.revision.unwrap_or_default();
        for (given, found) in revision {
            if let Some(expected) = number(message, given) {
                let actual = number(message, found).unwrap_or_default();
                return ConflictCause::Revision { expected, actual };
            }
        }
        if message.contains("the object has been modified") {
            return ConflictCause::Revision { expected, actual: Revision::ZERO };
        }
        let quoted = format!("{:?}: ", &*self.key.name);
        let why = message.split_once(&quoted).map_or(message, |(_, why)| why);
        ConflictCause::State(why.to_owned())
    }

    fn invalid(&self, status: &Status<'_>) -> Error {
        let faults: Vec<Fault> = status.causes().map(fault).collect();
        // Kubernetes takes another uid in a patch for a change of what cannot be changed.
        if let Some(expected) = &self.expected.uid
            && faults.iter().any(|fault| fault.field == "metadata.uid")
        {
            let cause = ConflictCause::Uid { expected: expected.clone(), actual: "".into() };
            return Error::Conflict { key: self.key.clone(), cause };
        }
        match faults.is_empty() {
            true if self.asks == Asks::Patch => self.patch(PatchFault::Unprocessable, status.message),
            true => {
                let faults = vec![Fault::new(FaultKind::Invalid, "", status.message)];
                Error::Invalid { key: self.key.clone(), faults }
            }
            false => Error::Invalid { key: self.key.clone(), faults },
        }
    }
}

/// The kinds of fault, to be found by what a cause says.
const FAULTS: [FaultKind; 10] = [
    FaultKind::Required,
    FaultKind::Invalid,
    FaultKind::NotSupported,
    FaultKind::Duplicate,
    FaultKind::Unknown,
    FaultKind::Forbidden,
    FaultKind::NotFound,
    FaultKind::TooLong,
    FaultKind::TooMany,
    FaultKind::TypeInvalid,
];

/// Value and detail are one text in a cause, and stay one.
fn fault(cause: &Value) -> Fault {
    let (reason, message) = (cause.text("reason"), cause.text("message"));
    let fits = |kind: &&FaultKind| kind.cause() == reason && message.starts_with(kind.as_str());
    let kind = FAULTS.iter().find(fits).or_else(|| FAULTS.iter().find(|kind| kind.cause() == reason));
    let kind = kind.copied().unwrap_or(FaultKind::Invalid);
    let detail = message.strip_prefix(kind.as_str()).map_or(message, |rest| rest.trim_start_matches(": "));
    Fault::new(kind, cause.text("field"), detail)
}

/// A `metav1.Status`.
#[derive(Debug)]
pub(super) struct Status<'a> {
    tree: &'a Value,
    code: u16,
    reason: &'a str,
    message: &'a str,
    retry_after: Option<u64>,
}

impl<'a> Status<'a> {
    pub(super) fn read(tree: &'a Value, code: u16, retry_after: Option<u64>) -> Self {
        let (reason, message) = (tree.text("reason"), tree.text("message"));
        let reason = if reason == "Unknown" { "" } else { reason };
        Self { tree, code, reason, message, retry_after }
    }

    /// Of a line in a watch.
    pub(super) fn in_stream(tree: &'a Value) -> Self {
        let code = tree.number("code").and_then(|code| u16::try_from(code).ok());
        Self::read(tree, code.unwrap_or(500), None)
    }

    fn details(&self, name: &str) -> &'a str {
        self.tree.at("details").map_or("", |details| details.text(name))
    }

    fn causes(&self) -> impl Iterator<Item = &'a Value> {
        self.tree.at("details").map(|details| details.list("causes")).unwrap_or_default().iter()
    }

    fn has_cause(&self, reason: &str) -> bool {
        self.causes().any(|cause| cause.text("reason") == reason)
    }

    fn retry_after(&self) -> Option<u64> {
        let told = self.tree.at("details").and_then(|details| details.number("retryAfterSeconds"));
        told.and_then(|secs| u64::try_from(secs).ok()).or(self.retry_after)
    }
}

/// The word behind some words.
fn word<'a>(text: &'a str, behind: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(behind)?;
    Some(rest.split([',', ')', ' ']).next().unwrap_or_default())
}

/// The number behind some words.
fn number(text: &str, behind: &str) -> Option<Revision> {
    word(text, behind)?.trim_end_matches('.').parse().ok()
}

/// An error with all its causes.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
