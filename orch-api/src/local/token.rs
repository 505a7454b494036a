//! The subresource `token` of service accounts: a request for a token, answered and never stored (KEP-1205,
//! `pkg/registry/core/serviceaccount/storage/token.go`).
//!
//! Invariant: a token is signed only for an account, and bound only to an object, that is there now.

use std::sync::Arc;

use orch_core::{
    ConflictCause, Error, Fault, FaultKind, Key, KindInfo, Live, Object, Result, Scope, Subresource, Verb,
    kind,
};
use serde_json::{Value, json};

use super::batch::{Of, Step};
use super::facts::Facts;
use super::metadata;
use crate::conform::{conform, malformed};
use crate::schema;
use crate::tokens::{Bound, Claims, Reference, TokenSigner};
use crate::tree::{Get, Set, Tree};

/// Seconds that a token is good for by default.
const SECS: i64 = 3600;
/// What nodes ask for: such a token is good for longer, since programs of old read it once.
const WARN_SECS: i64 = 3607;
const EXTENDED_SECS: i64 = 365 * 24 * 60 * 60;

impl Of<'_> {
    pub(super) async fn token(self, facts: &mut Facts<'_>) -> Result<Step> {
        let Some(signer) = self.api.shared.tokens.clone() else {
            return Err(self.not_allowed("token: the cluster has no key for tokens"));
        };
        let Verb::Create(request) = &self.write.verb else {
            return Err(self.not_allowed("update of a token"));
        };
        let (info, mut tree) = (info(), Value::clone(request));
        let ty = schema::lookup(info.kind.group(), "v1", &info.name);
        if let Some(ty) = ty {
            conform(&info, &mut tree, ty, self.write.options.field_validation)?;
        }
        let fields = metadata::root(&info, &mut tree)?;
        fields.default_text("apiVersion", &info.api_version());
        fields.default_text("kind", &info.name);
        self.names(fields)?;
        let account = facts.find(&self.write.key).await?;
        let account = account.ok_or_else(|| Error::NotFound { key: self.key() })?;
        let now = self.api.shared.env.now();
        self.complete_request(fields, &account, &*signer)?;
        fields.make("metadata").put("creationTimestamp", metadata::seconds(now));
        let faults = crate::validate::validate(info.kind, &tree, None, Subresource::None);
        if !faults.is_empty() {
            // Kubernetes names no object here.
            let key = Key::new(info.kind, self.write.key.namespace.clone(), "");
            return Err(Error::Invalid { key, faults });
        }
        let claims = self.claims(&tree, &account, facts, signer.issuer()).await?;
        let secs = tree.at("spec").and_then(|spec| spec.number("expirationSeconds")).unwrap_or(SECS);
        let end = now.checked_add(jiff::SignedDuration::from_secs(secs)).unwrap_or(jiff::Timestamp::MAX);
        let token = signer.sign(&claims)?;
        let status = json!({"token": &*token, "expirationTimestamp": metadata::seconds(end)});
        metadata::root(&info, &mut tree)?.put("status", status);
        Ok(Step::Done(Live::fresh(Object::encode(&info, &tree)?, Arc::new(tree))))
    }

    /// The request names the account, or nothing.
    fn names(&self, request: &Tree) -> Result<()> {
        let empty = Tree::new();
        let head = request.object_at("metadata").unwrap_or(&empty);
        let key = &self.write.key;
        for (field, expected) in [("name", &key.name), ("namespace", &key.namespace)] {
            let given = head.text(field);
            if !given.is_empty() && given != &**expected {
                let why = format!("must match the service account {field} if specified");
                let fault = Fault::new(FaultKind::Invalid, format!("metadata.{field}"), why);
                let key = Key::new(kind::TOKEN_REQUESTS, key.namespace.clone(), key.name.clone());
                return Err(Error::Invalid { key, faults: vec![fault.value(json!(given))] });
            }
        }
        Ok(())
    }

    fn complete_request(&self, request: &mut Tree, account: &Live, signer: &dyn TokenSigner) -> Result<()> {
        let head = request.make("metadata");
        let uid = head.text("uid");
        if !uid.is_empty() && uid != &**account.uid() {
            let why = format!(
                "the UID in the token request ({uid}) does not match the UID of the service account ({})",
                account.uid()
            );
            return Err(Error::Conflict {
                key: Key::new(
                    kind::TOKEN_REQUESTS,
                    self.write.key.namespace.clone(),
                    self.write.key.name.clone(),
                ),
                cause: ConflictCause::State(why),
            });
        }
        head.put("name", &*self.write.key.name);
        head.put("namespace", &*self.write.key.namespace);
        head.put("uid", &**account.uid());
        let spec = request.make("spec");
        if spec.list("audiences").is_empty() {
            spec.put("audiences", json!([signer.issuer()]));
        }
        spec.default_to("expirationSeconds", SECS);
        spec.default_to("boundObjectRef", Value::Null);
        request.remove("status");
        Ok(())
    }

    async fn claims(
        &self,
        request: &Value,
        account: &Live,
        facts: &mut Facts<'_>,
        issuer: &str,
    ) -> Result<Claims> {
        let empty = Tree::new();
        let spec = request.object_at("spec").unwrap_or(&empty);
        let env = &self.api.shared.env;
        let (now, key) = (env.now().as_second(), &self.write.key);
        let audiences = spec.list("audiences").iter().filter_map(Value::as_str).map(str::to_owned);
        let mut kubernetes = Bound {
            namespace: key.namespace.to_string(),
            service_account: Reference::new(&key.name, account.uid()),
            ..Bound::default()
        };
        if let Some(reference) = spec.at("boundObjectRef") {
            self.bind_to(reference, &mut kubernetes, facts).await?;
        }
        let audiences: Vec<String> = audiences.collect();
        let mut secs = spec.number("expirationSeconds").unwrap_or(SECS);
        let is_ours = audiences.iter().all(|audience| audience == issuer);
        if kubernetes.pod.is_some() && secs == WARN_SECS && is_ours {
            kubernetes.warn_after = Some(now.saturating_add(secs));
            secs = EXTENDED_SECS;
        }
        Ok(Claims {
            audiences,
            expires: now.saturating_add(secs),
            issued: now,
            issuer: issuer.to_owned(),
            id: env.uuid().to_string(),
            kubernetes,
            begins: now,
            subject: format!("system:serviceaccount:{}:{}", key.namespace, key.name),
        })
    }

    /// Binds a token to an object that is there.
    async fn bind_to(&self, reference: &Value, bound: &mut Bound, facts: &mut Facts<'_>) -> Result<()> {
        let (api_version, kind, name) =
            (reference.text("apiVersion"), reference.text("kind"), reference.text("name"));
        let own = &self.write.key;
        let key = match (api_version, kind) {
            ("v1", "Pod") => Key::new(kind::PODS, own.namespace.clone(), name),
            ("v1", "Secret") => Key::new(kind::SECRETS, own.namespace.clone(), name),
            ("v1", "Node") => Key::cluster(kind::NODES, name),
            _ => {
                let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
                let why = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
                return Err(malformed(&self.info, why));
            }
        };
        let object = facts.find(&key).await?.ok_or_else(|| Error::NotFound { key: key.clone() })?;
        let uid = reference.text("uid");
        if !uid.is_empty() && uid != &**object.uid() {
            let why = format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have \
                 been deleted and then recreated"
            );
            return Err(Error::Conflict { key, cause: ConflictCause::State(why) });
        }
        let of = Reference::new(&key.name, object.uid());
        match kind {
            "Secret" => bound.secret = Some(of),
            "Node" => bound.node = Some(of),
            _ => {
                if object.field("spec.serviceAccountName") != Some(&*own.name) {
                    let why = format!(
                        "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
                        &*own.name
                    );
                    return Err(malformed(&self.info, why));
                }
                bound.pod = Some(of);
                if let Some(node) = object.field("spec.nodeName").filter(|node| !node.is_empty()) {
                    let uid = facts.find(&Key::cluster(kind::NODES, node)).await?;
                    let uid = uid.as_ref().map_or("", |node| node.uid());
                    bound.node = Some(Reference::new(node, uid));
                }
            }
        }
        Ok(())
    }
}

fn info() -> KindInfo {
    KindInfo::new(kind::TOKEN_REQUESTS, "v1", "TokenRequest", Scope::Namespaced).subresources(&[])
}
