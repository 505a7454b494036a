//! Answers that are no object: `metav1.Status`, as Kubernetes words it
//! (`apimachinery/pkg/api/errors/errors.go`, `apiserver/pkg/endpoints/handlers/responsewriters`).
//!
//! The only place where an error becomes HTTP. Invariant: the code is that of the reason, by the one table of
//! [`orch_core::Reason`].

use std::sync::Arc;
use std::time::Duration;

use orch_core::{
    ConflictCause, DisruptionCause, Error, Fault, Key, Kind, KindInfo, PatchFault, Reason, Registry,
};
use serde_json::{Map, Value, json};

/// A refusal, or a success without an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Status {
    code: u16,
    /// Absent of a success, and of failures that Kubernetes has no word for.
    reason: Option<Reason>,
    message: String,
    details: Option<Map<String, Value>>,
    retry_after: Option<Duration>,
    /// Of the list that cannot be continued.
    page: Option<String>,
}

/// What a write was doing when it failed: the words of some refusals depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Read,
    Write,
    Delete,
    Bind,
}

impl Status {
    pub(super) fn failure(reason: Reason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code: reason.code(),
            reason: Some(reason),
            message,
            details: None,
            retry_after: None,
            page: None,
        }
    }

    fn with_details(mut self, details: Value) -> Self {
        if let Value::Object(details) = details {
            self.details = Some(details);
        }
        self
    }

    /// The request cannot be read.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(Reason::BadRequest, message)
    }

    /// No such resource.
    pub(super) fn no_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self::failure(Reason::NotFound, message).with_details(json!({}))
    }

    /// The resource has no such verb.
    pub(super) fn no_method() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::failure(Reason::MethodNotAllowed, message).with_details(json!({}))
    }

    /// A custom resource has no such verb.
    pub(super) fn unsupported_verb(verb: &str, kind: Kind) -> Self {
        let (resource, group) = (kind.resource(), kind.group());
        let message =
            format!("{verb} is not supported on resources of kind {:?}", qualified(resource, group));
        Self::failure(Reason::MethodNotAllowed, message).with_details(named(resource, group, ""))
    }

    /// The object is not there, or it has no such part.
    pub(super) fn not_found(key: &Key) -> Self {
        of_key(Reason::NotFound, key, "not found", " ")
    }

    /// What Kubernetes answers to errors that it has no reason for.
    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self { reason: None, ..Self::failure(Reason::InternalError, message) }
    }

    /// What Kubernetes calls an internal error, in its words.
    pub(super) fn internal(why: &str) -> Self {
        let message = format!("Internal error occurred: {why}");
        Self::failure(Reason::InternalError, message).cause("", why, "")
    }

    /// None of the forms asked for can be given.
    pub(super) fn not_acceptable(forms: &[&str]) -> Self {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {}", forms.join(", "));
        Self::failure(Reason::NotAcceptable, message).with_details(json!({}))
    }

    /// The form of the body is not known.
    pub(super) fn unsupported_media(forms: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            forms.join(", ")
        );
        Self::failure(Reason::UnsupportedMediaType, message)
    }

    /// The body is larger than is read.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::failure(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {limit}"))
    }

    /// More requests are at work than may be.
    pub(super) fn too_many() -> Self {
        let message = "Too many requests, please try again later.";
        let after = Some(Duration::from_secs(1));
        let status = Self { retry_after: after, ..Self::failure(Reason::TooManyRequests, message) };
        status.with_details(json!({"retryAfterSeconds": 1}))
    }

    /// Who asks is not known.
    pub(super) fn unauthorized() -> Self {
        Self::failure(Reason::Unauthorized, "Unauthorized")
    }

    /// Who asks may not do that; without a resource it is about a path.
    pub(super) fn forbidden(resource: &str, group: &str, name: &str, why: &str) -> Self {
        let message = match (resource, name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{} is forbidden: {why}", qualified(resource, group)),
            _ => format!("{} {name:?} is forbidden: {why}", qualified(resource, group)),
        };
        Self::failure(Reason::Forbidden, message).with_details(named(resource, group, name))
    }

    /// A `details.causes` of one entry.
    fn cause(mut self, reason: &str, message: &str, field: &str) -> Self {
        let mut cause = json!({"reason": reason, "message": message});
        if !field.is_empty() {
            cause["field"] = field.into();
        }
        self.details.get_or_insert_with(Map::new).insert("causes".to_owned(), json!([cause]));
        self
    }

    /// An object or options break rules.
    pub(super) fn invalid(kind: &str, group: &str, name: &str, faults: &[Fault]) -> Self {
        let message = format!("{} {name:?} is invalid: {}", qualified(kind, group), aggregated(faults));
        let mut details = named(kind, group, name);
        details["causes"] = faults.iter().map(cause).collect();
        Self::failure(Reason::Invalid, message).with_details(details)
    }

    /// It was done; there is no object to show.
    pub(super) fn done(code: u16) -> Self {
        Self { code, reason: None, message: String::new(), details: None, retry_after: None, page: None }
    }

    /// The object is gone.
    pub(super) fn deleted(key: &Key, uid: &str) -> Self {
        let mut details = named(key.kind.resource(), key.kind.group(), &key.name);
        details["uid"] = uid.into();
        Self::done(200).with_details(details)
    }

    /// The revision asked for has not come.
    pub(super) fn ahead(requested: u64, current: u64) -> Self {
        let mut status = Self::failure(
            Reason::Timeout,
            format!("Too large resource version: {requested}, current: {current}"),
        );
        status.retry_after = Some(Duration::from_secs(1));
        status = status.with_details(json!({"retryAfterSeconds": 1}));
        status.cause("ResourceVersionTooLarge", "Too large resource version", "")
    }

    /// The history asked for is gone.
    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::failure(Reason::Expired, message)
    }

    /// With a token for going on without consistency.
    pub(super) fn page(mut self, page: String) -> Self {
        self.page = Some(page);
        self
    }

    /// What an error says to a client.
    pub(super) fn of(error: &Error, registry: &Registry, doing: Doing) -> Self {
        match error {
            Error::NotFound { key } => Self::not_found(key),
            Error::AlreadyExists { key } => of_key(Reason::AlreadyExists, key, "already exists", " "),
            Error::Conflict { key, cause } => conflict(key, cause, registry.get(key.kind).as_deref(), doing),
            Error::Compacted { requested, oldest } => Self::expired(format!(
                "too old resource version: {} ({})",
                requested.0,
                oldest.0.saturating_sub(1)
            )),
            Error::Ahead { requested, current } => Self::ahead(requested.0, current.0),
            Error::BadPage => Self::bad_request("invalid continue token: continue key is not valid"),
            // A patch that makes no object of the kind is nobody's.
            Error::Invalid { faults, .. } if faults.iter().all(|fault| fault.field == "patch") => {
                Self::invalid("", "", "", faults)
            }
            Error::Invalid { key, faults } => {
                // What is answered and not stored is in no registry.
                let answered = || orch_core::reviews().into_iter().find(|info| info.kind == key.kind);
                let info = registry.get(key.kind).or_else(|| answered().map(Arc::new));
                let kind = match &info {
                    Some(info) => &*info.name,
                    None if key.kind == crate::local::scaled::scale_kind() => "Scale",
                    None => key.kind.resource(),
                };
                // What says to be of another kind is called so.
                let said = faults
                    .first()
                    .filter(|fault| fault.field == "kind")
                    .and_then(|fault| fault.value.as_deref());
                let kind = said.map_or(kind, |said| said.trim_matches('"'));
                Self::invalid(kind, key.kind.group(), &key.name, faults)
            }
            Error::Malformed { why, .. } if why == crate::local::REVISION_SET => Self::unknown(why.clone()),
            Error::Malformed { field, why, .. } if field.is_empty() => Self::bad_request(why.clone()),
            Error::Malformed { field, why, .. } => Self::bad_request(format!("{field}: {why}")),
            Error::Forbidden { key, why } => forbidden_write(key, why),
            Error::UnknownKind { .. } => Self::no_resource(),
            Error::NotAllowed { .. } => Self::no_method(),
            Error::TooManyRequests { why, retry_after, .. } => {
                let mut status = Self::failure(Reason::TooManyRequests, why.clone());
                status.retry_after = Some(retry_after.unwrap_or(Duration::from_secs(1)));
                let secs = status.retry_after.map_or(1, |after| after.as_secs());
                status.with_details(json!({"retryAfterSeconds": secs}))
            }
            Error::Disruption { why: DisruptionCause::Several, .. } => {
                Self::unknown(DisruptionCause::Several.to_string())
            }
            Error::Disruption { why, retry_after, .. } => {
                let message = "Cannot evict pod as it would violate the pod's disruption budget.";
                let mut status = Self::failure(Reason::TooManyRequests, message);
                status.retry_after = *retry_after;
                if let Some(after) = retry_after {
                    status = status.with_details(json!({"retryAfterSeconds": after.as_secs()}));
                }
                status.cause("DisruptionBudget", &why.to_string(), "")
            }
            Error::Patch { fault, why, .. } => unpatched(*fault, why),
            Error::TooLarge { limit, .. } => Self::too_large(*limit),
            Error::OutcomeUnknown { .. } => Self::failure(
                Reason::Timeout,
                "Timeout: request did not complete within the allotted timeout",
            ),
            Error::Unavailable { .. } => Self::failure(Reason::ServiceUnavailable, error.to_string()),
            other => {
                let message = format!("Internal error occurred: {other}");
                Self::failure(Reason::InternalError, message).cause("", &other.to_string(), "")
            }
        }
    }

    pub(super) fn code(&self) -> u16 {
        self.code
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// As JSON.
    pub(super) fn to_tree(&self) -> Value {
        let failed = self.code >= 400;
        let mut tree = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": if failed { "Failure" } else { "Success" }});
        if let Some(page) = &self.page {
            tree["metadata"]["continue"] = page.as_str().into();
        }
        if !self.message.is_empty() {
            tree["message"] = self.message.as_str().into();
        }
        if let Some(reason) = self.reason {
            tree["reason"] = reason.as_str().into();
        }
        if let Some(details) = &self.details {
            tree["details"] = Value::Object(details.clone());
        }
        // A success that answers a deletion says no code.
        if failed || self.code == 201 {
            tree["code"] = self.code.into();
        }
        tree
    }
}

/// `deployments.apps`; the core group has no name.
fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// `details` that name something; what is empty is left out.
fn named(kind: &str, group: &str, name: &str) -> Value {
    let parts = [("name", name), ("group", group), ("kind", kind)];
    parts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key, Value::from(value)))
        .collect()
}

fn of_key(reason: Reason, key: &Key, what: &str, space: &str) -> Status {
    let (resource, group) = (key.kind.resource(), key.kind.group());
    let message = format!("{} {:?}{space}{what}", qualified(resource, group), &*key.name);
    Status::failure(reason, message).with_details(named(resource, group, &key.name))
}

/// A patch that cannot be applied.
fn unpatched(fault: PatchFault, why: &str) -> Status {
    match fault {
        PatchFault::Malformed => Status::bad_request(why),
        PatchFault::TooLarge => Status::failure(Reason::RequestEntityTooLarge, why),
        // `errors.NewGenericServerResponse` keeps the cause to itself.
        PatchFault::Unprocessable => {
            let message = "the server rejected our request due to an error in our request";
            Status::failure(Reason::Invalid, message).with_details(json!({}))
        }
        PatchFault::Unfit => Status::unknown(why),
    }
}

fn conflict(key: &Key, cause: &ConflictCause, info: Option<&KindInfo>, doing: Doing) -> Status {
    if let ConflictCause::Fields(fields) = cause {
        let causes = fields.iter().map(|field| {
            let message = format!("conflict with {}", field.manager);
            json!({"reason": "FieldManagerConflict", "message": message, "field": field.field})
        });
        let details = json!({"causes": causes.collect::<Vec<_>>()});
        return Status::failure(Reason::Conflict, cause.to_string()).with_details(details);
    }
    let group = key.kind.group();
    let mut word = key.kind.resource().to_owned();
    let why = match (cause, doing) {
        (ConflictCause::Uid { expected, actual }, Doing::Delete) => {
            // `rest.BeforeDelete` names the kind where others name the resource.
            word = info.map_or(word, |info| info.name.to_string());
            format!(
                "the UID in the precondition ({expected}) does not match the UID in record ({actual}). \
                 The object might have been deleted and then recreated"
            )
        }
        (ConflictCause::Revision { expected, actual }, Doing::Delete) => {
            word = info.map_or(word, |info| info.name.to_string());
            format!(
                "the ResourceVersion in the precondition ({expected}) does not match the ResourceVersion in record \
                 ({actual}). The object might have been modified"
            )
        }
        (ConflictCause::Uid { expected, actual }, _) => {
            let place = if key.namespace.is_empty() { String::new() } else { format!("{}/", key.namespace) };
            format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{word}/{place}{}, ResourceVersion: 0, \
                 AdditionalErrorMsg: Precondition failed: UID in precondition: {expected}, UID in object meta: {actual}",
                key.name
            )
        }
        (ConflictCause::State(why), Doing::Bind) => {
            word.push_str("/binding");
            why.clone()
        }
        (cause, _) => cause.to_string(),
    };
    let message =
        format!("Operation cannot be fulfilled on {} {:?}: {why}", qualified(&word, group), &*key.name);
    Status::failure(Reason::Conflict, message).with_details(named(&word, group, &key.name))
}

/// A refusal by admission; of a namespace that terminates, with its cause.
fn forbidden_write(key: &Key, why: &str) -> Status {
    let status = Status::forbidden(key.kind.resource(), key.kind.group(), &key.name, why);
    if why == crate::local::terminating(&key.namespace) {
        let message = format!("namespace {} is being terminated", key.namespace);
        return status.cause("NamespaceTerminating", &message, "metadata.namespace");
    }
    status
}

/// One plain, several in brackets, each once (`apimachinery/pkg/util/errors`).
fn aggregated(faults: &[Fault]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in faults.iter().map(ToString::to_string) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

fn cause(fault: &Fault) -> Value {
    let text = fault.to_string();
    let message = text.strip_prefix(&format!("{}: ", fault.field)).unwrap_or(&text);
    json!({"reason": fault.kind.cause(), "message": message, "field": fault.field})
}

#[cfg(test)]
mod tests {
    use orch_core::{FaultKind, Revision, kind};

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn check(error: &Error, doing: Doing, code: u16, message: &str, details: Value) {
        let status = Status::of(error, &Registry::built_in(), doing);
        assert_eq!((status.code(), status.message()), (code, message));
        assert_eq!(status.to_tree()["details"], details);
        assert_eq!(status.to_tree()["code"], code);
    }

    #[test]
    fn errors_are_worded_as_kubernetes_words_them() {
        let map = Key::new(kind::CONFIG_MAPS, "shop", "a");
        let web = Key::new(kind::DEPLOYMENTS, "shop", "web");
        check(
            &Error::NotFound { key: web.clone() },
            Doing::Read,
            404,
            "deployments.apps \"web\" not found",
            json!({"name": "web", "group": "apps", "kind": "deployments"}),
        );
        let cause = ConflictCause::Revision { expected: Revision(1), actual: Revision(2) };
        check(
            &Error::Conflict { key: map.clone(), cause },
            Doing::Write,
            409,
            "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes \
             to the latest version and try again",
            json!({"name": "a", "kind": "configmaps"}),
        );
        let fault = Fault::new(FaultKind::Required, "metadata.name", "");
        check(
            &Error::Invalid { key: web, faults: vec![fault.clone(), fault] },
            Doing::Write,
            422,
            "Deployment.apps \"web\" is invalid: metadata.name: Required value",
            json!({"name": "web", "group": "apps", "kind": "Deployment", "causes": [
                {"field": "metadata.name", "reason": "FieldValueRequired", "message": "Required value"},
                {"field": "metadata.name", "reason": "FieldValueRequired", "message": "Required value"}]}),
        );
    }

    #[test]
    fn a_deletion_that_was_done_says_what_is_gone() {
        let tree = Status::deleted(&Key::new(kind::CONFIG_MAPS, "shop", "a"), "u1").to_tree();
        let details = json!({"name": "a", "kind": "configmaps", "uid": "u1"});
        assert_eq!(
            tree,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
        );
    }
}
