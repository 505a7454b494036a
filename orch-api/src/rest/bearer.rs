//! Bearer tokens: the key that signs those of service accounts, and who shows one
//! (`apiserver/pkg/authentication/request/bearertoken`, `pkg/serviceaccount/{jwt,claims}.go`).
//!
//! Not the request for a token: that is the Api's. Invariants: a token counts only while its account, and what it is bound
//! to, is there; neither keys nor tokens are printed.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orch_core::{Api, Env, Error, Key, Kind, Revision, Str, User, kind};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::tls::{TlsError, write_secret};
use crate::tokens::{Claims, ISSUER, Reference, TokenSigner};

/// Bytes of a token that are looked at: one of ours has about a thousand.
const MAX_BYTES: usize = 16 << 10;
/// Seconds by which clocks may differ.
const LEEWAY_SECS: i64 = 60;

/// Why a token says nothing about who shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is none that the authenticator knows.
    #[error("invalid bearer token")]
    Unknown,
    /// It was good, and is no more, or not yet.
    #[error("service account token {0}")]
    Time(&'static str),
    /// It is for others.
    #[error("token audiences {has:?} is invalid for the target audiences {wanted:?}")]
    Audience {
        /// Whom it is for.
        has: Vec<String>,
        /// Who asks.
        wanted: Vec<String>,
    },
    /// What it is bound to is gone.
    #[error("{0}")]
    Gone(String),
    /// It could not be found out.
    #[error("the token could not be looked at: {why}")]
    Unavailable {
        /// Why not.
        why: String,
    },
}

/// Who shows a token, and for which of the audiences asked for it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// Who.
    pub user: User,
    /// For whom.
    pub audiences: Vec<String>,
}

/// Finds out who shows a bearer token.
///
/// # To ensure correctness
/// A token that cannot be verified now is an error, never a user.
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// Whose the token is. `audiences` is whom it must be for; empty: this server. Dropping the future is safe.
    ///
    /// # Errors
    /// [`TokenError`].
    async fn authenticate(&self, token: &str, audiences: &[String]) -> Result<Authenticated, TokenError>;

    /// The public keys by which others verify its tokens, as a JSON Web Key Set, and its issuer; `None` when it has none.
    fn keys(&self) -> Option<(&str, Value)> {
        None
    }
}

/// A key that signs tokens of service accounts (ES256). Cloning copies a pointer.
///
/// ```
/// use orch_api::rest::TokenKey;
/// let directory = std::env::temp_dir().join(format!("orch-token-key-{}", std::process::id()));
/// let (key, again) = (TokenKey::open(&directory).unwrap(), TokenKey::open(&directory).unwrap());
/// assert_eq!(key.id(), again.id(), "it is kept");
/// assert_ne!(key.id(), TokenKey::new().unwrap().id());
/// std::fs::remove_dir_all(&directory).unwrap();
/// ```
#[derive(Clone)]
pub struct TokenKey(Arc<Inner>);

struct Inner {
    pair: EcdsaKeyPair,
    id: String,
    /// Secrets come from the system, as those of certificates do: a seed that is printed must give none away.
    random: SystemRandom,
}

impl TokenKey {
    /// The key of a directory (`sa.key`); it is made when it is not there.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(directory: &Path) -> Result<Self, TlsError> {
        let path = directory.join("sa.key");
        let failed = |source| TlsError::File { path: path.clone(), source };
        std::fs::create_dir_all(directory).map_err(failed)?;
        match std::fs::read_to_string(&path) {
            Ok(pem) => Self::read(&pem),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = generate()?;
                let made = Self::read(&pem)?;
                write_secret(&path, pem.as_bytes()).map_err(failed)?;
                Ok(made)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// A key in memory.
    ///
    /// # Errors
    /// [`TlsError::Certificate`].
    pub fn new() -> Result<Self, TlsError> {
        Self::read(&generate()?)
    }

    fn read(pem: &str) -> Result<Self, TlsError> {
        let wrong = |why: &dyn fmt::Display| TlsError::Certificate {
            of: "the key for tokens".to_owned(),
            why: why.to_string(),
        };
        let random = SystemRandom::new();
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| wrong(&error))?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random)
                .map_err(|error| wrong(&error))?;
        let digest = ring::digest::digest(&ring::digest::SHA256, pair.public_key().as_ref());
        let id = URL_SAFE_NO_PAD.encode(digest);
        Ok(Self(Arc::new(Inner { pair, id, random })))
    }

    /// What tells it from other keys.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// What a token says, when this key signed it.
    fn verified(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= MAX_BYTES)?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header: Value = serde_json::from_slice(&json(header)?).ok()?;
        if header["alg"] != "ES256" || header["kid"] != *self.0.id {
            return None;
        }
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.0.pair.public_key().as_ref());
        public.verify(signed.as_bytes(), &json(signature)?).ok()?;
        serde_json::from_slice(&json(claims)?).ok()
    }

    /// The public half as a JSON Web Key (RFC 7517).
    fn public(&self) -> Value {
        // An uncompressed point: 4, x, y.
        let point = self.0.pair.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len().saturating_sub(1) / 2);
        json!({"use": "sig", "kty": "EC", "kid": self.0.id, "crv": "P-256", "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
    }
}

fn generate() -> Result<String, TlsError> {
    let failed = |error: rcgen::Error| TlsError::Certificate {
        of: "the key for tokens".to_owned(),
        why: error.to_string(),
    };
    Ok(rcgen::KeyPair::generate().map_err(failed)?.serialize_pem())
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

impl TokenSigner for TokenKey {
    fn sign(&self, claims: &Claims) -> orch_core::Result<Str> {
        let failed = |why: &str| Error::Internal { part: "the key for tokens".into(), why: why.to_owned() };
        let header = json!({"alg": "ES256", "kid": self.0.id}).to_string();
        let claims = serde_json::to_vec(claims).map_err(|error| failed(&error.to_string()))?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.0.pair.sign(&self.0.random, signed.as_bytes());
        let signature = signature.map_err(|_| failed("it does not sign"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

/// An [`Authenticator`] for the tokens that a [`TokenKey`] signs. It looks at the account, and at what the token is bound to,
/// each time, so that a deletion counts at once.
pub struct ServiceAccountTokens {
    key: TokenKey,
    api: Arc<dyn Api>,
    env: Env,
}

impl ServiceAccountTokens {
    /// Tokens that the key signed; objects are read through the Api, time is that of `env`.
    #[must_use]
    pub fn new(key: TokenKey, api: Arc<dyn Api>, env: &Env) -> Self {
        Self { key, api, env: env.child("tokens") }
    }

    /// Whether an object is that of the reference, and stays.
    async fn is_there(&self, kind: Kind, namespace: &str, of: &Reference) -> Result<Found, TokenError> {
        let live = match self.api.get(&Key::new(kind, namespace, of.name.as_str()), Revision::ZERO).await {
            Ok(live) => live,
            Err(Error::NotFound { .. }) => return Ok(Found::Gone),
            Err(error) => return Err(TokenError::Unavailable { why: error.to_string() }),
        };
        if **live.uid() != *of.uid {
            return Ok(Found::Other(live.uid().to_string()));
        }
        let limit = self.env.now().as_second().saturating_sub(LEEWAY_SECS);
        let is_over = live.header().deletion.is_some_and(|at| at.as_second() < limit);
        Ok(if is_over { Found::Gone } else { Found::There })
    }

    /// Whether what the token is bound to is there.
    async fn check_bound(&self, claims: &Claims) -> Result<(), TokenError> {
        let bound = &claims.kubernetes;
        let (namespace, account) = (&*bound.namespace, &bound.service_account);
        let why = match self.is_there(kind::SERVICE_ACCOUNTS, namespace, account).await? {
            Found::There => None,
            Found::Gone => Some(format!("service account {namespace}/{} has been deleted", account.name)),
            Found::Other(uid) => {
                Some(format!("service account UID ({uid}) does not match claim ({})", account.uid))
            }
        };
        if let Some(why) = why {
            return Err(TokenError::Gone(why));
        }
        // The node of a pod is told, not bound to.
        let node = bound.node.as_ref().filter(|_| bound.pod.is_none());
        for (kind, namespace, of) in [
            (kind::SECRETS, namespace, bound.secret.as_ref()),
            (kind::PODS, namespace, bound.pod.as_ref()),
            (kind::NODES, "", node),
        ] {
            let Some(of) = of else { continue };
            if self.is_there(kind, namespace, of).await? != Found::There {
                return Err(TokenError::Gone("service account token has been invalidated".to_owned()));
            }
        }
        Ok(())
    }
}

/// What a reference leads to.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    There,
    Gone,
    /// An object of that name and another uid.
    Other(String),
}

#[async_trait]
impl Authenticator for ServiceAccountTokens {
    async fn authenticate(&self, token: &str, audiences: &[String]) -> Result<Authenticated, TokenError> {
        let claims = self.key.verified(token).filter(|claims| claims.issuer == self.key.issuer());
        let claims = claims.ok_or(TokenError::Unknown)?;
        check_time(&claims, self.env.now().as_second())?;
        let ours = [ISSUER.to_owned()];
        let wanted = if audiences.is_empty() { &ours[..] } else { audiences };
        let matched: Vec<String> =
            wanted.iter().filter(|wanted| claims.audiences.contains(wanted)).cloned().collect();
        if matched.is_empty() {
            let (has, wanted) = (claims.audiences.clone(), wanted.to_vec());
            return Err(TokenError::Audience { has, wanted });
        }
        self.check_bound(&claims).await?;
        Ok(Authenticated { user: user(&claims), audiences: matched })
    }

    fn keys(&self) -> Option<(&str, Value)> {
        Some((self.key.issuer(), json!({"keys": [self.key.public()]})))
    }
}

impl fmt::Debug for ServiceAccountTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccountTokens").field("key", &self.key).finish_non_exhaustive()
    }
}

fn check_time(claims: &Claims, now: i64) -> Result<(), TokenError> {
    if claims.expires < now.saturating_sub(LEEWAY_SECS) {
        Err(TokenError::Time("has expired"))
    } else if claims.begins > now.saturating_add(LEEWAY_SECS) {
        Err(TokenError::Time("is not valid yet"))
    } else {
        Ok(())
    }
}

/// The account as a user (`apiserver/pkg/authentication/serviceaccount/util.go`).
fn user(claims: &Claims) -> User {
    let bound = &claims.kubernetes;
    let account = &bound.service_account;
    let mut user = User::new(format!("system:serviceaccount:{}:{}", bound.namespace, account.name));
    user.uid = account.uid.as_str().into();
    let group = format!("system:serviceaccounts:{}", bound.namespace);
    user.groups = vec!["system:serviceaccounts".into(), group.into()];
    let mut tell = |what: &str, value: String| {
        if !value.is_empty() {
            let name = format!("authentication.kubernetes.io/{what}");
            user.extra.insert(name.into(), vec![value.into()]);
        }
    };
    tell("credential-id", format!("JTI={}", claims.id));
    for (what, of) in [("pod", &bound.pod), ("node", &bound.node)] {
        if let Some(of) = of {
            tell(&format!("{what}-name"), of.name.clone());
            tell(&format!("{what}-uid"), of.uid.clone());
        }
    }
    user
}
