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
use super::body::{self, Answer, BodyError};
use super::call::api_version;
use super::decode::{decode, typeless, unrecognized};
use super::discovery::Resource;
use super::negotiate;
use super::service::Shared;
use super::status::Status;
use super::verb::Request;
use super::write;
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
            kind.group() == &*target.group && kind.resource() == &*target.resource && &*target.version == "v1"
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
    pub(super) async fn answer<B>(self, shared: &Arc<Shared>, request: Request, body: B) -> Answer
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        let body = body::read(body).await?;
        let _room = shared.room.of(&body).await;
        if request.method != Method::POST {
            return Err(Status::no_method());
        }
        let form = negotiate::objects(&request.headers)?;
        let encoding = negotiate::body(&request.headers)?;
        let (kind, ty) = (self.kind(), schema::lookup(self.group(), "v1", self.kind()));
        let decoded = decode(&body, encoding, ty)
            .map_err(|why| unrecognized(kind, &typeless(encoding, &why), &body))?;
        if let Some(misfit) = decoded.misfit {
            let why = format!("{kind} in version \"v1\" cannot be handled as a {kind}: {misfit}");
            return Err(Status::bad_request(why));
        }
        let api_version = api_version(self.group(), "v1");
        write::check_kind(&decoded.tree, kind, &api_version)?;
        let part = |field: &str| decoded.tree.at(field).cloned().unwrap_or_else(|| json!({}));
        let (mut metadata, spec) = (part("metadata"), part("spec"));
        let namespace = &request.target.namespace;
        write::check_namespace(metadata.text("namespace"), namespace)?;
        if !namespace.is_empty() {
            metadata["namespace"] = (**namespace).into();
        } else if let Some(fields) = metadata.as_object_mut() {
            fields.remove("namespace");
        }
        let mut tree = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
        tree["status"] = self.status(shared, &request, &metadata, &spec).await?;
        match self {
            Self::SelfSubject => {}
            Self::SelfSubjectRules => tree["spec"] = json!({}),
            _ => tree["spec"] = spec,
        }
        Ok(body::tree(201, form.encoding, &tree))
    }

    async fn status(
        self,
        shared: &Shared,
        request: &Request,
        metadata: &Value,
        spec: &Value,
    ) -> Result<Value, Status> {
        match self {
            Self::Token if spec.text("token").is_empty() => {
                Err(Status::bad_request("token is required for TokenReview in authentication"))
            }
            Self::Token => Ok(token(shared, spec).await),
            Self::SelfSubject => Ok(json!({"userInfo": user_info(&request.user)})),
            Self::SelfSubjectRules => match spec.text("namespace") {
                "" => Err(Status::bad_request("no namespace on request")),
                namespace => Ok(rules(&shared.authorizer.rules(&request.user, namespace).await)),
            },
            _ => {
                let faults = self.faults(request, metadata, spec);
                if !faults.is_empty() {
                    // The kind is not told: upstream takes it from where it has been lost.
                    return Err(Status::invalid("", self.group(), "", &faults));
                }
                let user = self.subject(request, spec);
                let what = attributes(spec);
                Ok(match shared.authorizer.authorize(&user, &what).await {
                    Decision::Allow => match shared.authorizer.reason(&user, &what).await {
                        why if why.is_empty() => json!({"allowed": true}),
                        why => json!({"allowed": true, "reason": why}),
                    },
                    Decision::NoOpinion { why } if why.is_empty() => json!({"allowed": false}),
                    Decision::NoOpinion { why } => json!({"allowed": false, "reason": why}),
                    Decision::Deny { why } => json!({"allowed": false, "denied": true, "reason": why}),
                })
            }
        }
    }

    /// What is wrong with a question (`pkg/apis/authorization/validation/validation.go`).
    fn faults(self, request: &Request, metadata: &Value, spec: &Value) -> Vec<Fault> {
        let invalid =
            |field: &str, value: &Value, why: &str| Fault::new(FaultKind::Invalid, field, why).value(value);
        let mut faults = Vec::new();
        let (resource, path) = (spec.at("resourceAttributes"), spec.at("nonResourceAttributes"));
        // As Go shows a type that is never written.
        let shown = path.map(|path| json!({"Path": path.text("path"), "Verb": path.text("verb")}));
        let shown = shown.unwrap_or_default();
        match (resource, path) {
            (Some(_), Some(_)) => {
                let why = "cannot be specified in combination with resourceAttributes";
                faults.push(invalid("spec.nonResourceAttributes", &shown, why));
            }
            (None, None) => {
                let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
                faults.push(invalid("spec.resourceAttributes", &Value::Null, why));
            }
            _ => {}
        }
        let is_about_self = self == Self::SelfSubjectAccess;
        if !is_about_self && spec.text("user").is_empty() && spec.list("groups").is_empty() {
            let why = "at least one of user or group must be specified";
            faults.push(invalid("spec.user", &json!(""), why));
        }
        for name in ["fieldSelector", "labelSelector"] {
            let Some(selector) = resource.and_then(|resource| resource.at(name)) else { continue };
            let field = format!("spec.resourceAttributes.{name}");
            let raw = selector.text("rawSelector");
            match (raw.is_empty(), selector.list("requirements").is_empty()) {
                (false, false) => {
                    let why = "may not specified at the same time as requirements";
                    faults.push(invalid(&format!("{field}.rawSelector"), &json!(raw), why));
                }
                (true, true) => {
                    let why = format!("when {field} is specified, requirements or rawSelector is required");
                    faults.push(Fault::new(FaultKind::Required, format!("{field}.requirements"), why));
                }
                _ => {}
            }
        }
        let is_local = self == Self::LocalSubjectAccess;
        let is_empty = metadata.as_object().is_none_or(|fields| {
            fields.iter().all(|(name, value)| {
                name == "managedFields" || is_local && name == "namespace" || value.is_null()
            })
        });
        if !is_empty {
            let except = if is_local { " except for namespace" } else { "" };
            faults.push(invalid("metadata", metadata, &format!("must be empty{except}")));
        }
        if is_local {
            let namespace = resource.map(|resource| resource.text("namespace"));
            if let Some(namespace) = namespace.filter(|namespace| *namespace != &*request.target.namespace) {
                let why = "must match metadata.namespace";
                faults.push(invalid("spec.resourceAttributes.namespace", &json!(namespace), why));
            }
            if path.is_some() {
                faults.push(invalid(
                    "spec.nonResourceAttributes",
                    &shown,
                    "disallowed on this kind of request",
                ));
            }
        }
        faults
    }

    fn subject(self, request: &Request, spec: &Value) -> User {
        if self == Self::SelfSubjectAccess {
            return User::clone(&request.user);
        }
        let mut user = User::new(spec.text("user"));
        user.groups = spec.list("groups").iter().filter_map(Value::as_str).map(Into::into).collect();
        user
    }
}

fn attributes(spec: &Value) -> Attributes {
    match (spec.at("resourceAttributes"), spec.at("nonResourceAttributes")) {
        (Some(of), _) => {
            let text = |field: &str| of.text(field);
            Attributes::resource(text("verb"), text("group"), text("version"), text("resource"))
                .namespace(text("namespace"))
                .name(text("name"))
                .subresource(text("subresource"))
        }
        (None, of) => {
            let text = |field: &str| of.map_or("", |of| of.text(field));
            Attributes::path(text("verb"), text("path"))
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
