//! Tokens of service accounts: what they say, and the seam for who signs them.
//!
//! Not keys and not signatures: those are a [`TokenSigner`]'s, for example `rest::TokenKey`. Claims are those of
//! `pkg/serviceaccount/claims.go`, so that programs that read Kubernetes' tokens read these.

use serde::{Deserialize, Serialize};

use orch_core::{Result, Str};

/// Who issues tokens, and whom they are for unless the request says otherwise, as in kubeadm's clusters.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Signs tokens.
///
/// # To ensure correctness
/// Whoever can verify the signature can rely on the claims: a signer signs nothing else with the same key, and never prints
/// a token or the key.
pub trait TokenSigner: Send + Sync + 'static {
    /// The issuer that its tokens name, and the audience of those that ask for none.
    fn issuer(&self) -> &str {
        ISSUER
    }

    /// A token in compact form, whose claims these are.
    ///
    /// # Errors
    /// [`orch_core::Error::Internal`] when the key does not sign.
    fn sign(&self, claims: &Claims) -> Result<Str>;
}

/// What a token says.
///
/// ```
/// use orch_api::tokens::{Claims, Reference};
/// let mut claims = Claims::default();
/// claims.subject = "system:serviceaccount:shop:web".into();
/// claims.kubernetes.service_account = Reference::new("web", "u1");
/// let json = serde_json::to_value(&claims).unwrap();
/// assert_eq!(json["sub"], "system:serviceaccount:shop:web");
/// assert_eq!(json["kubernetes.io"]["serviceaccount"]["uid"], "u1");
/// assert!(json["kubernetes.io"].get("pod").is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Claims {
    /// Whom it is for.
    #[serde(rename = "aud", default)]
    pub audiences: Vec<String>,
    /// Seconds since 1970 when it ends.
    #[serde(rename = "exp")]
    pub expires: i64,
    /// When it was signed.
    #[serde(rename = "iat", default)]
    pub issued: i64,
    /// Who signed it.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// What tells it from others.
    #[serde(rename = "jti", default)]
    pub id: String,
    /// What it is bound to.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: Bound,
    /// When it begins.
    #[serde(rename = "nbf", default)]
    pub begins: i64,
    /// The account as a user.
    #[serde(rename = "sub")]
    pub subject: String,
}

/// The objects that a token is bound to: it is good for as long as they are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bound {
    /// Of the account.
    pub namespace: String,
    /// The node, or that of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Reference>,
    /// The pod that uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Reference>,
    /// The secret that it ends with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    /// The account.
    #[serde(rename = "serviceaccount")]
    pub service_account: Reference,
    /// When its holder should have read a newer one; it is good for longer.
    #[serde(rename = "warnafter", skip_serializing_if = "Option::is_none")]
    pub warn_after: Option<i64>,
}

/// One object of one name, and no later one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// Its uid; empty when it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

impl Reference {
    /// An object of that name and uid.
    #[must_use]
    pub fn new(name: &str, uid: &str) -> Self {
        Self { name: name.to_owned(), uid: uid.to_owned() }
    }
}
