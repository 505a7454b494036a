//! `kubectl apply --server-side` over what `kubectl apply` made: the annotation says which fields were applied from the
//! client, and those are no conflicts (`managedfields/internal/lastappliedmanager.go`, `lastappliedupdater.go`).

use serde_json::Value;

use super::ownership::Rules;
use crate::patch::fields::FieldSet;
use crate::patch::typed::{check, compare, field_set};
use crate::tree::{Get, Set};

/// The only manager for which the annotation counts.
pub(super) const KUBECTL: &str = "kubectl";

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Bytes of all annotations at most (`apimachinery/pkg/api/validation`, `TotalAnnotationSizeLimitB`).
const MAX_BYTES: usize = 256 << 10;

fn annotation(object: &Value) -> &str {
    let annotations = object.object_at("metadata").and_then(|metadata| metadata.object_at("annotations"));
    annotations.map_or("", |annotations| annotations.text(ANNOTATION))
}

impl Rules<'_> {
    /// The fields that were applied from the client and still have those values; `None` when that cannot be told.
    pub(super) fn applied_by_client(&self, live: &Value) -> Option<FieldSet> {
        let last: Value = serde_json::from_str(annotation(live)).ok()?;
        if last.text("apiVersion") != self.api_version {
            return None;
        }
        check(live, self.shape).ok()?;
        check(&last, self.shape).ok()?;
        let (changed, removed) = compare(&last, live, self.shape).ok()?.split();
        Some(field_set(&last, self.shape).difference(&changed).difference(&removed))
    }
}

/// Keeps the annotation, where there is one, at what was applied.
pub(super) fn renew(object: &mut Value, config: &Value) {
    if annotation(object).is_empty() {
        return;
    }
    let mut config = config.clone();
    let metadata = config.as_object_mut().and_then(|config| config.object_mut("metadata"));
    if let Some(annotations) = metadata.and_then(|metadata| metadata.object_mut("annotations")) {
        annotations.remove(ANNOTATION);
    }
    let Some(metadata) = object.as_object_mut().and_then(|object| object.object_mut("metadata")) else {
        return;
    };
    let annotations = metadata.make("annotations");
    annotations.put(ANNOTATION, format!("{config}\n"));
    let bytes: usize =
        annotations.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum();
    if bytes > MAX_BYTES {
        annotations.remove(ANNOTATION);
    }
}
