//! The Kubernetes REST API over an [`Api`](orch_core::Api): one implementation for every kind of the registry.
//!
//! - [`Rest`]: a [`tower::Service`] of HTTP requests; no socket is needed.
//! - [`Server`]: the same over TLS, with the certificates of a [`Authority`] of its own.
//! - [`Authorizer`]: who may do what.
//!
//! Not the semantics of writes: those are the Api's. What is not served: protobuf answers, `exec` and the
//! other streams into containers, proxies. Invariants: every answer is one that Kubernetes' API server could give; nothing from outside
//! makes it panic; what a client sends and is sent is bounded.

mod access;
mod again;
mod bearer;
mod body;
mod call;
mod connection;
mod create;
mod decode;
mod delete;
mod discovery;
mod go_json;
mod grants;
mod gzip;
mod health;
mod issuer;
mod joined;
mod lines;
mod log;
mod metrics;
mod negotiate;
mod openapi;
mod output;
mod past;
mod pretty;
mod protobuf;
mod publish;
mod query;
mod rbac;
mod read;
mod review;
mod roles;
mod scale;
mod serve;
mod service;
mod signers;
mod stall;
mod start;
mod status;
mod streams;
mod table;
mod target;
mod tls;
mod token;
mod verb;
mod version;
mod warnings;
mod watch;
mod write;

#[cfg(test)]
mod tests;

pub use access::{ANONYMOUS, Attributes, Authorizer, Decision, MASTERS, Masters};
pub use bearer::{Authenticated, Authenticator, ServiceAccountTokens, TokenError, TokenKey};
pub use body::{Body, BodyError, MAX_BYTES};
pub use health::Check;
pub use rbac::Rbac;
pub use serve::{ServeError, Server};
pub use service::{Rest, RestBuilder};
pub use start::bootstrap;
pub use tls::{Authority, Identity, TlsError};
