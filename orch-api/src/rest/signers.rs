//! Who approves requests for certificates and signs them: a user needs the right to it for the signer that is asked
//! (`plugin/pkg/admission/certificates/{approval,signing}`, `pkg/certauthorization`).
//!
//! Invariant: what is judged is the signer of the stored request; it does not change.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use orch_core::{ApiExt, Error, Live, Revision, Subresource, Write, kind};
use serde_json::Value;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use super::access::{Attributes, Decision, MASTERS, is_master};
use super::call::Call;
use super::status::{Doing, Status};
use crate::tree::Get;

/// Checks a write of the approval or the status of a request.
///
/// # Errors
/// 403.
pub(super) async fn check(call: &Call, write: &Write) -> Result<(), Status> {
    let verb = match write.subresource {
        Subresource::Approval => "approve",
        Subresource::Status => "sign",
        _ => return Ok(()),
    };
    if call.info.kind != kind::CERTIFICATE_SIGNING_REQUESTS || is_master(&call.request.user) {
        return Ok(());
    }
    let stored = match call.shared.api.get(&write.key, Revision::ZERO).await {
        Ok(stored) => stored.tree(),
        // The write says so.
        Err(Error::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(call.failed(&error, Doing::Read)),
    };
    let signer = stored.at("spec").map_or("", |spec| spec.text("signerName"));
    if may(call, verb, signer).await || verb == "sign" && is_signed_as(call, write, &stored).await? {
        return Ok(());
    }
    let why = format!("user not permitted to {verb} requests with signerName {signer:?}");
    Err(Status::forbidden(call.info.kind.resource(), call.info.kind.group(), &write.key.name, &why))
}

/// The signer of certificates for clients of this server.
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// Checks whom a new request is for: nobody becomes an administrator by it, nor by one that cannot be read
/// (`plugin/pkg/admission/certificates/subjectrestriction`).
///
/// # Errors
/// 403.
pub(super) fn check_subject(call: &Call, name: &str, tree: &Value) -> Result<(), Status> {
    let Some(spec) = tree.at("spec").filter(|spec| spec.text("signerName") == CLIENT_SIGNER) else {
        return Ok(());
    };
    if call.info.kind != kind::CERTIFICATE_SIGNING_REQUESTS {
        return Ok(());
    }
    let why = match may_be_for_masters(spec.text("request")) {
        Ok(false) => return Ok(()),
        Ok(true) => format!("use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed"),
        Err(why) => format!("failed to parse CSR: {why}"),
    };
    Err(Status::forbidden(call.info.kind.resource(), call.info.kind.group(), name, &why))
}

/// Whether the request, PEM in base64, has the administrators as an organization, or one whose name cannot be read.
///
/// # Errors
/// Why it cannot be parsed (`ParseCSR` of `pkg/apis/certificates/helpers.go`).
fn may_be_for_masters(request: &str) -> Result<bool, String> {
    let pem = STANDARD.decode(request).map_err(|error| error.to_string())?;
    let pem = match x509_parser::pem::parse_x509_pem(&pem) {
        Ok((_, pem)) if pem.label == "CERTIFICATE REQUEST" => pem,
        _ => return Err("PEM block type must be CERTIFICATE REQUEST".to_owned()),
    };
    let (_, request) =
        X509CertificationRequest::from_der(&pem.contents).map_err(|error| error.to_string())?;
    let subject = &request.certification_request_info.subject;
    Ok(!subject.iter_organization().all(|name| name.as_str().is_ok_and(|name| name != MASTERS)))
}

/// Whether the user may do that for a signer, or for all of its domain.
async fn may(call: &Call, verb: &str, signer: &str) -> bool {
    let domain = signer.split('/').next().unwrap_or_default();
    for name in [signer, &format!("{domain}/*")] {
        let what = Attributes::resource(verb, call.info.kind.group(), "*", "signers").name(name);
        if call.shared.authorizer.authorize(&call.request.user, &what).await == Decision::Allow {
            return true;
        }
    }
    false
}

/// Whether a write leaves the certificate and the conditions as they are.
async fn is_signed_as(call: &Call, write: &Write, stored: &Value) -> Result<bool, Status> {
    let trial: Live =
        call.api.one(write.clone().dry_run()).await.map_err(|error| call.failed(&error, Doing::Write))?;
    let signed = |tree: &Value| {
        let status = tree.at("status").cloned().unwrap_or_default();
        ["certificate", "conditions"].map(|field| status.at(field).cloned())
    };
    Ok(signed(&trial.tree()) == signed(stored))
}
