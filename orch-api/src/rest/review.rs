//! Questions that are posted and never stored: who am I, and may I (`pkg/registry/authentication`,
//! `pkg/registry/authorization`).
//!
//! Invariant: the answers are those of the authorizer that guards the server.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use orch_core::{Fault, FaultKind, Kind, User, kind};
use serde_json::{Value, json};

use super::access::{Attributes, Decision};
use super::bearer::TokenError;
use super::body::{self, Answer};
use super::call::api_version;
use super::decode::decode;
use super::discovery::Resource;
use super::negotiate;
use super::service::Shared;
use super::status::Status;
use super::verb::Request;
use crate::schema;
use crate::tree::Get;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Review {
    /// Whose token is this?
    Token,
    /// Who am I?
    SelfSubject,
    /// May somebody?
    SubjectAccess,
    /// May I?
    SelfSubjectAccess,
    /// May somebody, in this namespace?
    LocalSubjectAccess,
    /// What may I, in a namespace?
    SelfSubjectRules,
}

impl Review {
    const ALL: [(Self, Kind, &'static str); 6] = [
        (Self::Token, kind::TOKEN_REVIEWS, "TokenReview"),
        (Self::SelfSubject, kind::SELF_SUBJECT_REVIEWS, "SelfSubjectReview"),
        (Self::SubjectAccess, kind::SUBJECT_ACCESS_REVIEWS, "SubjectAccessReview"),
        (Self::SelfSubjectAccess, kind::SELF_SUBJECT_ACCESS_REVIEWS, "SelfSubjectAccessReview"),
        (Self::LocalSubjectAccess, kind::LOCAL_SUBJECT_ACCESS_REVIEWS, "LocalSubjectAccessReview"),
        (Self::SelfSubjectRules, kind::SELF_SUBJECT_RULES_REVIEWS, "SelfSubjectRulesReview"),
    ];

    /// The question that a path names.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let target = &request.target;
        let is_named = |(_, kind, _): &&(Self, Kind, &str)| {
            kind.group() == target.group && kind.resource() == target.resource && target.version == "v1"
        };
        let review = Self::ALL.iter().find(is_named)?.0;
        let is_placed = (review == Self::LocalSubjectAccess) != target.namespace.is_empty();
        (is_placed && target.name.is_empty()).then_some(review)
    }

    fn group(self) -> &'static str {
        Self::ALL.iter().find(|(review, ..)| *review == self).map_or("", |(_, kind, _)| kind.group())
    }

    fn kind(self) -> &'static str {
        Self::ALL.iter().find(|(review, ..)| *review == self).map_or("", |(.., name)| name)
    }

    /// Answers it.
    pub(super) async fn answer(self, shared: &Arc<Shared>, request: Request, body: Bytes) -> Answer {
        if request.method != Method::POST {
            return Err(Status::no_method());
        }
        let form = negotiate::objects(&request.headers)?;
        let encoding = negotiate::body(&request.headers)?;
        let (kind, ty) = (self.kind(), schema::lookup(self.group(), "v1", self.kind()));
        let decoded = decode(&body, encoding, ty).map_err(|why| {
            Status::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): {why}"
            ))
        })?;
        if let Some(misfit) = decoded.misfit {
            let why = format!("{kind} in version \"v1\" cannot be handled as a {kind}: {misfit}");
            return Err(Status::bad_request(why));
        }
        let mut tree = json!({"kind": kind, "apiVersion": api_version(self.group(), "v1"),
            "metadata": decoded.tree.at("metadata").cloned().unwrap_or_else(|| json!({}))});
        let spec = decoded.tree.at("spec").cloned().unwrap_or_else(|| json!({}));
        tree["status"] = self.status(shared, &request, &spec).await?;
        match self {
            Self::SelfSubject => {}
            Self::SelfSubjectRules => tree["spec"] = json!({}),
            _ => tree["spec"] = spec,
        }
        Ok(body::tree(201, form.encoding, &tree))
    }

    async fn status(self, shared: &Shared, request: &Request, spec: &Value) -> Result<Value, Status> {
        match self {
            Self::Token => Ok(token(shared, spec).await),
            Self::SelfSubject => Ok(json!({"userInfo": user_info(&request.user)})),
            Self::SelfSubjectRules => match spec.text("namespace") {
                "" => Err(Status::bad_request("no namespace on request")),
                namespace => Ok(rules(&shared.authorizer.rules(&request.user, namespace).await)),
            },
            _ => {
                let user = self.subject(request, spec)?;
                let what = self.attributes(request, spec)?;
                Ok(match shared.authorizer.authorize(&user, &what).await {
                    Decision::Allow => json!({"allowed": true}),
                    Decision::NoOpinion { why } if why.is_empty() => json!({"allowed": false}),
                    Decision::NoOpinion { why } => json!({"allowed": false, "reason": why}),
                    Decision::Deny { why } => json!({"allowed": false, "denied": true, "reason": why}),
                })
            }
        }
    }

    fn invalid(self, kind: FaultKind, field: &str, why: &str) -> Status {
        Status::invalid(self.kind(), self.group(), "", &[Fault::new(kind, field, why)])
    }

    fn subject(self, request: &Request, spec: &Value) -> Result<User, Status> {
        if self == Self::SelfSubjectAccess {
            return Ok(request.user.clone());
        }
        let (name, groups) = (spec.text("user"), spec.list("groups"));
        if name.is_empty() && groups.is_empty() {
            let why = "at least one of user or group must be specified";
            return Err(self.invalid(FaultKind::Invalid, "spec.user", why));
        }
        let mut user = User::new(name);
        user.groups = groups.iter().filter_map(Value::as_str).map(Into::into).collect();
        Ok(user)
    }

    fn attributes(self, request: &Request, spec: &Value) -> Result<Attributes, Status> {
        match (spec.at("resourceAttributes"), spec.at("nonResourceAttributes")) {
            (Some(of), None) => {
                let namespace = of.text("namespace");
                if self == Self::LocalSubjectAccess && namespace != request.target.namespace {
                    let why =
                        format!("must match the namespace of the request: {}", request.target.namespace);
                    return Err(self.invalid(FaultKind::Invalid, "spec.resourceAttributes.namespace", &why));
                }
                Ok(Attributes::resource(
                    of.text("verb"),
                    of.text("group"),
                    of.text("version"),
                    of.text("resource"),
                )
                .namespace(namespace)
                .name(of.text("name"))
                .subresource(of.text("subresource")))
            }
            (None, Some(of)) if self != Self::LocalSubjectAccess => {
                Ok(Attributes::path(of.text("verb"), of.text("path")))
            }
            _ => {
                let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
                Err(self.invalid(FaultKind::Invalid, "spec.resourceAttributes", why))
            }
        }
    }
}

/// Whose a token is (`pkg/registry/authentication/tokenreview/storage.go`).
async fn token(shared: &Shared, spec: &Value) -> Value {
    let audiences: Vec<String> =
        spec.list("audiences").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let known = match &shared.authenticator {
        Some(authenticator) => authenticator.authenticate(spec.text("token"), &audiences).await,
        None => Err(TokenError::Unknown),
    };
    match known {
        Ok(known) => {
            json!({"authenticated": true, "user": user_info(&known.user), "audiences": known.audiences})
        }
        Err(TokenError::Unknown) => json!({"user": {}, "error": TokenError::Unknown.to_string()}),
        Err(why) => json!({"user": {}, "error": format!("[{}, {why}]", TokenError::Unknown)}),
    }
}

/// Rules of roles, those for resources and those for paths apart
/// (`pkg/registry/authorization/selfsubjectrulesreview/rest.go`).
fn rules(held: &[Value]) -> Value {
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    for rule in held {
        let part = |fields: &[&str]| -> Value {
            let set = fields.iter().filter(|field| !rule.is_unset(field));
            set.map(|field| ((*field).to_owned(), rule[*field].clone())).collect()
        };
        if !rule.is_unset("resources") {
            resources.push(part(&["verbs", "apiGroups", "resources", "resourceNames"]));
        }
        if !rule.is_unset("nonResourceURLs") {
            paths.push(part(&["verbs", "nonResourceURLs"]));
        }
    }
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}

/// A user as `authentication.k8s.io` has it; what is empty is left out.
fn user_info(user: &User) -> Value {
    let mut info = json!({"username": &*user.name});
    if !user.uid.is_empty() {
        info["uid"] = json!(&*user.uid);
    }
    if !user.groups.is_empty() {
        info["groups"] = json!(user.groups);
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

/// The questions, as discovery lists them.
pub(super) fn resources() -> impl Iterator<Item = (&'static str, &'static str, Resource)> {
    Review::ALL.into_iter().map(|(review, of, kind)| {
        let resource = Resource {
            name: of.resource().to_owned(),
            singular: kind.to_lowercase(),
            is_namespaced: review == Review::LocalSubjectAccess,
            kind: kind.to_owned(),
            group_version: None,
            verbs: vec!["create"],
            short_names: Vec::new(),
            categories: Vec::new(),
            is_stored: false,
        };
        (of.group(), "v1", resource)
    })
}
