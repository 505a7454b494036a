//! An object at rest: a compact header and the encoded JSON body.
//!
//! `resourceVersion` and `managedFields` stand outside the body and are spliced in at the edge, so a write that changes
//! only them copies no body. This module knows no kind's schema. Invariant: the body is valid JSON, an object, with a
//! `metadata` object, and the header says the same as the body.

mod common;
mod encode;
mod fields;
mod header;
mod live;
mod mould;
mod scan;
mod text;

pub use fields::Fields;
pub use header::{Header, OwnerReference};
pub use live::{Live, PartTree};
pub use mould::{Cast, Mould};

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Key, KindInfo, Result, Revision, Str};

/// An immutable object of any kind; cloning copies a pointer.
///
/// ```
/// use orch_core::{Object, Registry, Revision, kind};
/// use serde_json::json;
/// let info = Registry::built_in().get(kind::CONFIG_MAPS).unwrap();
/// let tree = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"},
///     "metadata": {"name": "a", "namespace": "shop", "labels": {"app": "web"}}});
/// let object = Object::encode(&info, &tree).unwrap().at(Revision(7));
/// assert_eq!(object.key().to_string(), "configmaps/shop/a");
/// assert_eq!(object.label("app"), Some("web"));
/// assert_eq!(object.to_tree()["metadata"]["resourceVersion"], "7");
/// ```
#[derive(Clone)]
pub struct Object {
    revision: Revision,
    inner: Arc<Inner>,
}

struct Inner {
    key: Key,
    header: Header,
    managed: Option<Bytes>,
    body: Arc<[u8]>,
    spans: Spans<u32>,
}

/// Where the parts of a body stand: byte ranges of the JSON values, empty when absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Spans<T = usize> {
    metadata: Range<T>,
    spec: Range<T>,
    status: Range<T>,
}

/// A part of a body that can be read or replaced alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `metadata`
    Metadata,
    /// `spec`
    Spec,
    /// `status`
    Status,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Spec => "spec",
            Self::Status => "status",
        }
    }
}

impl Object {
    /// Encodes a tree. The key comes from its metadata, `resourceVersion` is dropped and `managedFields` set aside.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the tree is not an object with `metadata.name`, or a metadata field has the wrong type.
    pub fn encode(info: &KindInfo, tree: &Value) -> Result<Self> {
        let (header, key) = Header::read(info, tree)?;
        let (body, spans, managed) = encode::body(tree);
        Self::new(Revision::ZERO, key, header, (body, &spans), managed)
    }

    fn new(
        revision: Revision,
        key: Key,
        header: Header,
        (body, spans): (Arc<[u8]>, &Spans),
        managed: Option<Bytes>,
    ) -> Result<Self> {
        let Some(spans) = spans.narrow() else {
            let (subject, why) = (key.to_string(), "is larger than 4 GiB".to_owned());
            return Err(Error::Malformed { subject, field: String::new(), why });
        };
        Ok(Self { revision, inner: Arc::new(Inner { key, header, managed, body, spans }) })
    }

    /// Reads bytes that another store or server encoded, `metadata.resourceVersion` included.
    ///
    /// # Errors
    /// [`Error::Malformed`] when they are not JSON or lack what [`Object::encode`] needs.
    pub fn decode(info: &KindInfo, json: &[u8]) -> Result<Self> {
        let tree: Value = serde_json::from_slice(json).map_err(|error| Error::Malformed {
            subject: info.kind.to_string(),
            field: String::new(),
            why: error.to_string(),
        })?;
        let revision = tree["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
        Ok(Self::encode(info, &tree)?.at(revision.unwrap_or_default()))
    }

    /// The same object at another revision; copies a pointer.
    #[must_use]
    pub fn at(&self, revision: Revision) -> Self {
        Self { revision, inner: Arc::clone(&self.inner) }
    }

    /// Group, resource, namespace, name.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.inner.key
    }

    /// The revision of the write that made this state; zero before it was stored.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What generic machinery needs.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.inner.header
    }

    /// Set once at creation; empty before.
    #[must_use]
    pub fn uid(&self) -> &Str {
        &self.inner.header.uid
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let labels = &self.inner.header.labels;
        labels.binary_search_by(|(key, _)| (**key).cmp(name)).ok().map(|at| &*labels[at].1)
    }

    /// The value of a selectable field: `metadata.name`, `metadata.namespace`, or one that the kind declares. A declared
    /// field that is absent is the empty string; an unknown one is `None`.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&str> {
        match path {
            "metadata.name" => Some(&self.inner.key.name),
            "metadata.namespace" => Some(&self.inner.key.namespace),
            _ => self.inner.header.fields.get(path),
        }
    }

    /// The body: JSON without `resourceVersion` and `managedFields`.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.inner.body
    }

    /// `metadata.managedFields` as JSON, when there are any.
    #[must_use]
    pub fn managed_fields(&self) -> Option<&Bytes> {
        self.inner.managed.as_ref()
    }

    /// The JSON of one part; `None` when it is absent.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&[u8]> {
        let span = self.inner.spans.wide().of(part).clone();
        (!span.is_empty()).then(|| &self.inner.body[span])
    }

    /// The body as a tree, without `resourceVersion` and `managedFields`.
    ///
    /// # Panics
    /// Never: the body is valid JSON by construction.
    #[must_use]
    pub fn body_tree(&self) -> Value {
        serde_json::from_slice(&self.inner.body).expect("a body is valid JSON by construction")
    }

    /// The whole object as a tree, as a client sees it.
    #[must_use]
    pub fn to_tree(&self) -> Value {
        let mut tree = self.body_tree();
        encode::splice_tree(&mut tree, self.revision, self.inner.managed.as_deref());
        tree
    }

    /// The whole object as JSON, as a client sees it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let managed = self.inner.managed.as_ref().map_or(0, Bytes::len);
        let mut out = Vec::with_capacity(self.inner.body.len() + encode::SPLICED + managed);
        self.write_json(&mut out);
        out
    }

    /// Appends the whole object as JSON: what [`Object::to_json`] gives.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.write_from(0, out);
    }

    /// Appends the object as an item of a typed list: without `apiVersion` and `kind`, which the list has.
    ///
    /// ```
    /// use orch_core::{Object, Registry, Revision, kind};
    /// use serde_json::json;
    /// let info = Registry::built_in().get(kind::CONFIG_MAPS).unwrap();
    /// let tree = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}});
    /// let object = Object::encode(&info, &tree).unwrap().at(Revision(7));
    /// let mut item = Vec::new();
    /// object.write_item(&mut item);
    /// assert_eq!(item, br#"{"metadata":{"name":"a","namespace":"b","resourceVersion":"7"}}"#);
    /// ```
    pub fn write_item(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_from(encode::behind_kind(&self.inner.spans.wide()), out);
    }

    fn write_from(&self, start: usize, out: &mut Vec<u8>) {
        let Inner { body, spans, managed, .. } = &*self.inner;
        encode::splice(body, start, &spans.wide(), self.revision, managed.as_deref(), out);
    }

    /// The whole object as a typed value.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the object does not have the shape of `T`.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.to_json()).map_err(|error| self.malformed(Part::Metadata, &error))
    }

    /// One part as a typed value, without decoding the rest; an absent part reads as `null`.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the part does not have the shape of `T`.
    pub fn part_to<T: DeserializeOwned>(&self, part: Part) -> Result<T> {
        let json = self.part(part).unwrap_or(b"null");
        serde_json::from_slice(json).map_err(|error| self.malformed(part, &error))
    }

    /// The JSON of one field of a part, without decoding anything; `None` when it is absent.
    #[must_use]
    pub fn part_field(&self, part: Part, name: &str) -> Option<&[u8]> {
        let json = self.part(part)?;
        match scan::find(json, name) {
            scan::Found::Value(range) => json.get(range),
            scan::Found::Before(_) => None,
        }
    }

    /// The same object with another status, without decoding or encoding the rest. The header's selectable fields are
    /// read again from the new status.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a selectable field of the status has a wrong type.
    pub fn with_status(&self, info: &KindInfo, status: &Value) -> Result<Self> {
        self.with_part(info, Part::Status, status)
    }

    /// The same object with another part, without decoding or encoding the rest. What the header has of the part is read
    /// again.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a field that the header has has a wrong type, or the metadata is that of another object.
    pub fn with_part(&self, info: &KindInfo, part: Part, value: &Value) -> Result<Self> {
        let header = match part {
            Part::Metadata => {
                let tree = Value::Object([(part.name().to_owned(), value.clone())].into_iter().collect());
                let (mut header, key) = Header::read(info, &tree)?;
                if key != self.inner.key {
                    return Err(self.unfit(part, format!("is that of {key}")));
                }
                header.fields = self.inner.header.fields.clone();
                header
            }
            Part::Spec | Part::Status => {
                let mut header = self.inner.header.clone();
                header.refresh(info, part.name(), value)?;
                header
            }
        };
        let (body, spans, managed) = encode::replace(&self.inner.body, &self.inner.spans.wide(), part, value);
        self.with_body(header, (body, &spans), managed)
    }

    /// The same object with another value of one field of its spec or status, without decoding or encoding the rest.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a field that the header has has a wrong type, or the part is the metadata.
    pub fn with_field(&self, info: &KindInfo, part: Part, name: &str, value: &Value) -> Result<Self> {
        if part == Part::Metadata {
            return Err(self.unfit(part, "is replaced as a whole".to_owned()));
        }
        if self.part(part).is_none_or(|json| json.first() != Some(&b'{')) {
            let whole = Value::Object([(name.to_owned(), value.clone())].into_iter().collect());
            return self.with_part(info, part, &whole);
        }
        let mut header = self.inner.header.clone();
        header.refresh_field(info, part.name(), name, value)?;
        let (body, spans) =
            encode::replace_field(&self.inner.body, &self.inner.spans.wide(), part, name, value);
        self.with_body(header, (body, &spans), None)
    }

    /// The same object with other managed fields, given as the JSON of `metadata.managedFields`, for whose form the caller
    /// vouches; copies no body. Objects may share the bytes.
    ///
    /// ```
    /// use orch_core::{Object, Registry, kind};
    /// use serde_json::json;
    /// let info = Registry::built_in().get(kind::CONFIG_MAPS).unwrap();
    /// let object = Object::encode(&info, &json!({"metadata": {"name": "a", "namespace": "b"}})).unwrap();
    /// let owned = object.with_managed_fields(Some(r#"[{"manager":"me"}]"#.into()));
    /// assert_eq!(owned.to_tree()["metadata"]["managedFields"][0]["manager"], "me");
    /// assert_eq!(owned.with_managed_fields(None).managed_fields(), None);
    /// ```
    #[must_use]
    pub fn with_managed_fields(mut self, managed: Option<Bytes>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.managed = managed;
            return self;
        }
        let Inner { key, header, body, spans, .. } = &*self.inner;
        let (key, header, body, spans) = (key.clone(), header.clone(), body.clone(), spans.clone());
        Self { revision: self.revision, inner: Arc::new(Inner { key, header, managed, body, spans }) }
    }

    fn with_body(&self, header: Header, body: (Arc<[u8]>, &Spans), managed: Option<Bytes>) -> Result<Self> {
        let managed = managed.or_else(|| self.inner.managed.clone());
        Self::new(self.revision, self.inner.key.clone(), header, body, managed)
    }

    fn unfit(&self, part: Part, why: String) -> Error {
        Error::Malformed { subject: self.key().to_string(), field: part.name().to_owned(), why }
    }

    /// Bytes that this object keeps on the heap, about; what it shares with others counts for each.
    #[must_use]
    pub fn size(&self) -> usize {
        self.inner.body.len() + self.inner.managed.as_ref().map_or(0, Bytes::len) + self.inner.header.size()
    }

    /// Whether both are the same stored state: the same revision of the same object.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.revision == other.revision && self.inner.key == other.inner.key
    }

    /// Whether both have the same body and managed fields, whatever their revisions.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
            || (self.inner.body == other.inner.body && self.inner.managed == other.inner.managed)
    }

    fn malformed(&self, part: Part, error: &serde_json::Error) -> Error {
        let field = if part == Part::Metadata { "" } else { part.name() };
        Error::Malformed { subject: self.key().to_string(), field: field.to_owned(), why: error.to_string() }
    }
}

impl Spans<u32> {
    fn wide(&self) -> Spans {
        let map = |range: &Range<u32>| range.start as usize..range.end as usize;
        Spans { metadata: map(&self.metadata), spec: map(&self.spec), status: map(&self.status) }
    }
}

impl Spans {
    /// The same in half the bytes, as they are kept.
    fn narrow(&self) -> Option<Spans<u32>> {
        let map = |range: &Range<usize>| Some(range.start.try_into().ok()?..range.end.try_into().ok()?);
        Some(Spans { metadata: map(&self.metadata)?, spec: map(&self.spec)?, status: map(&self.status)? })
    }

    fn of(&self, part: Part) -> &Range<usize> {
        match part {
            Part::Metadata => &self.metadata,
            Part::Spec => &self.spec,
            Part::Status => &self.status,
        }
    }
}

/// Never the body: it may hold secrets.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.key(), self.revision)
    }
}

#[cfg(test)]
mod tests;
