//! Whether a definition may add to a group of Kubernetes' own (`apiextensions-apiserver/pkg/apihelpers/helpers.go`, KEP-1111).

use serde_json::Value;

use super::names;
use crate::tree::{Get, Tree};
use crate::validate::quote;

/// The annotation that says so.
pub(crate) const ANNOTATION: &str = "api-approved.kubernetes.io";

/// What that annotation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Approval {
    Missing,
    Invalid,
    Approved,
    /// It is known not to be approved.
    Bypassed,
}

/// Whether a group needs an approval.
pub(crate) fn is_protected(group: &str) -> bool {
    let is_in =
        |domain: &str| group.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    ["k8s.io", "kubernetes.io"].into_iter().any(is_in)
}

impl Approval {
    pub(crate) fn of(annotation: &str) -> Self {
        match annotation.split_once("://") {
            _ if annotation.is_empty() => Self::Missing,
            _ if annotation.starts_with("unapproved") => Self::Bypassed,
            Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/') => {
                Self::Approved
            }
            _ => Self::Invalid,
        }
    }

    /// What there is to say about an annotation.
    pub(crate) fn reason(self, annotation: &str) -> String {
        const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";
        let must = format!("protected groups must have approval annotation {}", quote(ANNOTATION));
        match self {
            Self::Missing => format!("{must}, {SEE}"),
            Self::Invalid => {
                format!("{must} with either a URL or a reason starting with \"unapproved\", {SEE}")
            }
            Self::Approved => format!("approved in {annotation}"),
            Self::Bypassed => format!("not approved: {}", quote(annotation)),
        }
    }
}

/// Sets the condition that tells it (`apiextensions-apiserver/pkg/controller/apiapproval`).
pub(super) fn set(status: &mut Tree, definition: &Value, now: &str) {
    let group = definition.object_at("spec").map_or("", |spec| spec.text("group"));
    if !is_protected(group) {
        return;
    }
    let annotations = definition.object_at("metadata").and_then(|metadata| metadata.object_at("annotations"));
    let annotation = annotations.map_or("", |annotations| annotations.text(ANNOTATION));
    let approval = Approval::of(annotation);
    let reason = match approval {
        Approval::Missing => "MissingAnnotation",
        Approval::Invalid => "InvalidAnnotation",
        Approval::Approved => "ApprovedAnnotation",
        Approval::Bypassed => "UnapprovedAnnotation",
    };
    let is_approved = approval == Approval::Approved;
    let message = approval.reason(annotation);
    names::set(status, "KubernetesAPIApprovalPolicyConformant", is_approved, reason, &message, now);
}
