//! Objects that are stored once and served in two forms: autoscalers of `autoscaling/v1`, and events of `events.k8s.io/v1`.
//!
//! After `pkg/apis/autoscaling/v1/conversion.go` and `pkg/apis/events/v1/conversion.go`. What is stored are `autoscaling/v2`
//! and `v1`: the forms that hold everything. A form is a pair of functions on trees; no other kind needs one. Not validation:
//! a stored tree is judged, an event also in the form in which it was sent. The invariant: what goes out in a form and comes
//! back in it is what was stored, but for the order of metrics.
//!
//! ```
//! use orch_api::convert;
//! use serde_json::json;
//!
//! let form = convert::form("autoscaling", "v1", "horizontalpodautoscalers").expect("it is served");
//! let mut tree = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
//!     "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}});
//! form.to_stored(&mut tree);
//! assert_eq!(tree["apiVersion"], "autoscaling/v2");
//! assert_eq!(tree["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);
//! form.from_stored(&mut tree);
//! assert_eq!(tree["spec"], json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}));
//! ```

mod autoscaler;
mod event;
#[cfg(test)]
mod tests;

use orch_core::{Kind, kind};
use serde_json::Value;

use crate::schema::{self, TypeRef};
use crate::tree::{Get, Set, Tree};

/// A form in which stored objects are served beside that in which they are stored.
pub struct Form {
    /// The API group of the form.
    pub group: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its kind, as manifests write it.
    pub kind: &'static str,
    /// Its plural resource, as it stands in paths.
    pub resource: &'static str,
    /// The kind under which the objects are stored.
    pub stored: Kind,
    /// The `apiVersion` under which they are stored.
    stored_version: &'static str,
    to_stored: fn(&mut Tree),
    from_stored: fn(&mut Tree),
    /// Names of selectable fields: in this form, and as they are stored.
    fields: &'static [(&'static str, &'static str)],
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} {}", self.group, self.version, self.resource)
    }
}

static FORMS: &[Form] = &[
    Form {
        group: "autoscaling",
        version: "v1",
        kind: "HorizontalPodAutoscaler",
        resource: "horizontalpodautoscalers",
        stored: kind::HORIZONTAL_POD_AUTOSCALERS,
        stored_version: "autoscaling/v2",
        to_stored: autoscaler::to_v2,
        from_stored: autoscaler::to_v1,
        fields: &[],
    },
    Form {
        group: "events.k8s.io",
        version: "v1",
        kind: "Event",
        resource: "events",
        stored: kind::EVENTS,
        stored_version: "v1",
        to_stored: event::to_core,
        from_stored: event::from_core,
        fields: event::FIELDS,
    },
];

/// Every form that is not the stored one.
#[must_use]
pub fn forms() -> &'static [Form] {
    FORMS
}

/// The form in which an object of that kind was sent, if it is not the stored one.
pub(crate) fn sent_as(kind: Kind, tree: &Value) -> Option<&'static Form> {
    if FORMS.iter().all(|form| form.stored != kind) {
        return None;
    }
    named(kind, tree.text("apiVersion"))
}

/// The form of that name of objects that are stored as that kind.
pub(crate) fn named(kind: Kind, api_version: &str) -> Option<&'static Form> {
    let (group, version) = api_version.split_once('/')?;
    FORMS.iter().find(|form| form.stored == kind && form.group == group && form.version == version)
}

/// The form that a path names, if objects are stored in another one.
#[must_use]
pub fn form(group: &str, version: &str, resource: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| form.group == group && form.version == version && form.resource == resource)
}

impl Form {
    /// The type of objects in this form.
    pub(crate) fn ty(&self) -> Option<TypeRef> {
        schema::lookup(self.group, self.version, self.kind)
    }

    /// The `apiVersion` of objects in this form.
    #[must_use]
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    /// Makes what was sent in this form what is stored. What is no object stays what it is.
    pub fn to_stored(&self, tree: &mut Value) {
        if let Some(fields) = tree.as_object_mut() {
            (self.to_stored)(fields);
            if fields.contains_key("apiVersion") {
                fields.put("apiVersion", self.stored_version);
            }
        }
    }

    /// Makes what is stored what is sent in this form.
    pub fn from_stored(&self, tree: &mut Value) {
        if let Some(fields) = tree.as_object_mut() {
            (self.from_stored)(fields);
            if fields.contains_key("apiVersion") {
                fields.put("apiVersion", self.api_version());
            }
        }
    }

    /// The selectable field of the stored object that a selector of this form means.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static str> {
        self.fields.iter().find(|(own, _)| *own == name).map(|(_, stored)| *stored)
    }
}
