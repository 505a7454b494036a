//! What both ends of the REST API need: which deletions are answered with the object.

use orch_core::Kind;

/// Kinds whose deletion is answered with the object, also when that is gone (`ReturnDeletedObject` of
/// `pkg/registry/*/*/storage`).
const SHOWN: [(&str, &str); 7] = [
    ("", "pods"),
    ("", "services"),
    ("", "persistentvolumes"),
    ("", "persistentvolumeclaims"),
    ("", "serviceaccounts"),
    ("", "podtemplates"),
    ("", "resourcequotas"),
];

/// Whether a deletion is answered with the object.
pub(crate) fn shows_deleted(kind: Kind) -> bool {
    SHOWN.contains(&(kind.group(), kind.resource()))
}
