//! Where others learn how to verify tokens of service accounts (`pkg/routes/openidmetadata.go`, KEP-1393).
//!
//! Invariant: it shows public keys only.

use http::Response;
use serde_json::json;

use super::body::{self, Body};
use super::service::Shared;

/// `/.well-known/openid-configuration`
pub(super) fn configuration(shared: &Shared) -> Response<Body> {
    let Some((issuer, _)) = shared.authenticator.as_ref().and_then(|tokens| tokens.keys()) else {
        return body::not_found();
    };
    let tree = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks"),
        "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"]});
    body::bytes(200, "application/json", tree.to_string())
}

/// `/openid/v1/jwks`
pub(super) fn keys(shared: &Shared) -> Response<Body> {
    match shared.authenticator.as_ref().and_then(|tokens| tokens.keys()) {
        Some((_, keys)) => body::bytes(200, "application/jwk-set+json", keys.to_string()),
        None => body::not_found(),
    }
}
