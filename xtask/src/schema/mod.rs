//! Kubernetes' JSON schema definitions, reduced to what decoding and merging need.
//!
//! Not a JSON Schema reader: it knows the shapes that Kubernetes' generator emits and refuses everything else, so that
//! a new shape is noticed when the table is generated and not when an object is refused.

mod encode;
mod read;

use std::collections::BTreeMap;

pub(crate) use encode::encode;

/// The type of one value; `Object` names a definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Type {
    Any,
    String,
    Int32,
    Int64,
    Number,
    Boolean,
    Bytes,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    Map(Box<Type>),
    Array(Box<Type>),
    Object(String),
}

/// One field of an object, with the facts that merges need.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) ty: Type,
    pub(crate) required: bool,
    pub(crate) list_type: Option<String>,
    pub(crate) map_type: Option<String>,
    pub(crate) list_keys: Vec<String>,
    pub(crate) patch_strategy: Option<String>,
    pub(crate) merge_key: Option<String>,
}

/// One object type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definition {
    pub(crate) map_type: Option<String>,
    pub(crate) fields: BTreeMap<String, Field>,
}

/// Group, version, kind.
pub(crate) type Gvk = (String, String, String);

/// All kinds, and every definition reachable from one of them.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) definitions: BTreeMap<String, Definition>,
    pub(crate) kinds: BTreeMap<Gvk, String>,
}
