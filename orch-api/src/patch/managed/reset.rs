//! Fields that writes through a subresource do not change, so that nobody owns them through it (`GetResetFields` of the
//! strategies in `pkg/registry`; for custom kinds `apiextensions-apiserver/pkg/registry/customresource/strategy.go`).

use orch_core::{KindInfo, Subresource};

use crate::custom::CustomKind;
use crate::patch::fields::FieldSet;

/// Kinds whose status is written without the metadata.
const STATUS_WITHOUT_METADATA: [(&str, &str); 7] = [
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
    ("networking.k8s.io", "servicecidrs"),
    ("resource.k8s.io", "resourceclaims"),
    ("storage.k8s.io", "volumeattachments"),
    ("storagemigration.k8s.io", "storageversionmigrations"),
];

/// The fields that are reset.
pub(super) fn fields(info: &KindInfo, subresource: Subresource) -> FieldSet {
    if !info.has(Subresource::Status) {
        return FieldSet::default();
    }
    let (group, resource) = (info.kind.group(), info.kind.resource());
    let paths: &[&[&str]] = match (subresource, group, resource) {
        (Subresource::None, "certificates.k8s.io", "certificatesigningrequests") => &[&["spec"], &["status"]],
        (Subresource::None | Subresource::Finalize, ..) => &[&["status"]],
        (Subresource::Status, "apps", "deployments") => &[&["spec"], &["metadata", "labels"]],
        (Subresource::Status, "", "pods") => {
            &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]]
        }
        (Subresource::Status, "certificates.k8s.io", "certificatesigningrequests") => {
            &[&["spec"], &["status", "conditions"]]
        }
        (Subresource::Status, ..) if STATUS_WITHOUT_METADATA.contains(&(group, resource)) => {
            &[&["metadata"], &["spec"]]
        }
        (Subresource::Status, ..) if CustomKind::of(info).is_some() => &[&["metadata"], &["spec"]],
        (Subresource::Status, ..) => &[&["spec"]],
        _ => &[],
    };
    paths.iter().fold(FieldSet::default(), |all, path| all.union(&FieldSet::field(path)))
}
