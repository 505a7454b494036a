//! The header of an object: what generic machinery needs without decoding the body.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Fields, common};
use crate::{Error, Key, KindInfo, Result, Str};

/// An entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// Group and version of the owner.
    pub api_version: Str,
    /// Kind of the owner, in CamelCase.
    pub kind: Str,
    /// Name of the owner, in the same namespace or cluster-scoped.
    pub name: Str,
    /// Identity of the owner: a new object of the same name is another owner.
    pub uid: Str,
    /// Whether this is the one owner that controls the object.
    #[serde(skip_serializing_if = "is_unset")]
    pub controller: Option<bool>,
    /// Whether foreground deletion of the owner waits for the object.
    #[serde(skip_serializing_if = "is_unset")]
    pub block_owner_deletion: Option<bool>,
}

fn is_unset(flag: &Option<bool>) -> bool {
    flag.is_none()
}

/// What generic machinery needs of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Set once at creation; empty before.
    pub uid: Str,
    /// Sorted by name. Objects may share them.
    pub labels: Arc<[(Str, Str)]>,
    /// In the order of the object. Objects may share them.
    pub owners: Arc<[OwnerReference]>,
    /// In the order of the object.
    pub finalizers: Box<[Str]>,
    /// Counts changes of the desired state; 0 for kinds that do not count.
    pub generation: i64,
    /// When the object was created, in whole seconds.
    pub created: Option<Timestamp>,
    /// When the object is due to be gone; set while it terminates.
    pub deletion: Option<Timestamp>,
    /// The grace period in seconds, while it terminates.
    pub deletion_grace_secs: Option<i64>,
    /// What field selectors can ask for.
    pub fields: Fields,
}

impl Header {
    /// The owner that controls the object.
    #[must_use]
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owners.iter().find(|owner| owner.controller == Some(true))
    }

    /// Whether deletion has begun.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.deletion.is_some()
    }

    /// Whether the object waits for that finalizer.
    #[must_use]
    pub fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers.iter().any(|finalizer| &**finalizer == name)
    }

    pub(super) fn size(&self) -> usize {
        let labels = self.labels.iter().map(|(name, value)| (&**name, &**value));
        let pairs = labels.chain(self.fields.iter()).map(|(k, v)| k.len() + v.len() + 64).sum::<usize>();
        pairs + self.owners.len() * 192 + self.finalizers.iter().map(|f| f.len() + 32).sum::<usize>() + 256
    }

    pub(super) fn read(info: &KindInfo, tree: &Value) -> Result<(Self, Key)> {
        let empty = Map::new();
        let metadata = match tree.get("metadata") {
            Some(Value::Object(metadata)) => metadata,
            None | Some(Value::Null) => &empty,
            Some(_) => return Err(malformed(info, "metadata", "must be an object")),
        };
        if !tree.is_object() {
            return Err(malformed(info, "", "must be an object"));
        }
        let read = Reader { info, metadata };
        let name = read.text("name")?;
        if name.is_empty() {
            return Err(malformed(info, "metadata.name", "is required"));
        }
        let namespace = if info.is_namespaced() { read.text("namespace")? } else { "" };
        let header = Self {
            uid: read.text("uid")?.into(),
            labels: read.labels()?,
            owners: common::owners(&read.list("ownerReferences")?),
            finalizers: read.list("finalizers")?,
            generation: read.number("generation")?.unwrap_or_default(),
            created: read.time("creationTimestamp")?,
            deletion: read.time("deletionTimestamp")?,
            deletion_grace_secs: read.number("deletionGracePeriodSeconds")?,
            fields: Fields::read(&info.selectable, |path| text_of(info, path, lookup(tree, path)))?,
        };
        Ok((header, Key { kind: info.kind, namespace: common::text(namespace), name: name.into() }))
    }

    /// Reads the selectable fields under a part again.
    pub(super) fn refresh(&mut self, info: &KindInfo, part: &str, value: &Value) -> Result<()> {
        self.fields.refresh(|path| {
            let rest = path.strip_prefix(part)?.strip_prefix('.')?;
            Some(text_of(info, path, lookup(value, rest)))
        })
    }

    /// Reads the selectable fields at or under a field of a part again.
    pub(super) fn refresh_field(
        &mut self,
        info: &KindInfo,
        part: &str,
        name: &str,
        value: &Value,
    ) -> Result<()> {
        self.fields.refresh(|path| {
            let rest = path.strip_prefix(part)?.strip_prefix('.')?.strip_prefix(name)?;
            let value = if rest.is_empty() { Some(value) } else { lookup(value, rest.strip_prefix('.')?) };
            Some(text_of(info, path, value))
        })
    }
}

fn lookup<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(tree, |value, step| match step {
        // Jobs are selected by a name that the field does not have (`pkg/registry/batch/job/strategy.go`).
        "successful" => value.get(step).or_else(|| value.get("succeeded")),
        step => value.get(step),
    })
}

fn text_of<'a>(info: &KindInfo, path: &str, value: Option<&'a Value>) -> Result<Cow<'a, str>> {
    match value {
        None | Some(Value::Null) => Ok("".into()),
        Some(Value::String(text)) => Ok(text.as_str().into()),
        Some(Value::Bool(flag)) => Ok(if *flag { "true" } else { "false" }.into()),
        Some(Value::Number(number)) => Ok(number.to_string().into()),
        // `source` of an event selects by its component.
        Some(Value::Object(map)) => text_of(info, path, map.get("component")),
        Some(Value::Array(_)) => Err(malformed(info, path, "must be a plain value")),
    }
}

struct Reader<'a> {
    info: &'a KindInfo,
    metadata: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn wrong(&self, field: &str, why: &str) -> Error {
        malformed(self.info, &format!("metadata.{field}"), why)
    }

    fn text(&self, field: &str) -> Result<&str> {
        match self.metadata.get(field) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.wrong(field, "must be a string")),
        }
    }

    fn number(&self, field: &str) -> Result<Option<i64>> {
        match self.metadata.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| self.wrong(field, "must be an integer")),
        }
    }

    fn time(&self, field: &str) -> Result<Option<Timestamp>> {
        let text = self.text(field)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| self.wrong(field, "must be a time in RFC 3339 form"))
    }

    fn labels(&self) -> Result<Arc<[(Str, Str)]>> {
        let map = match self.metadata.get("labels") {
            None | Some(Value::Null) => return Ok(Arc::default()),
            Some(Value::Object(map)) => map,
            Some(_) => return Err(self.wrong("labels", "must be a map of strings")),
        };
        let mut pairs = Vec::with_capacity(map.len());
        for (name, value) in map {
            let value = value.as_str();
            let value = value.ok_or_else(|| self.wrong(&format!("labels[{name}]"), "must be a string"))?;
            pairs.push((name.as_str(), value));
        }
        pairs.sort_unstable();
        Ok(common::labels(&pairs))
    }

    fn list<T: for<'de> Deserialize<'de>>(&self, field: &str) -> Result<Box<[T]>> {
        match self.metadata.get(field) {
            None | Some(Value::Null) => Ok(Box::default()),
            Some(value) => Box::<[T]>::deserialize(value)
                .map_err(|error| self.wrong(field, &format!("is malformed: {error}"))),
        }
    }
}

fn malformed(info: &KindInfo, field: &str, why: &str) -> Error {
    Error::Malformed { subject: info.kind.to_string(), field: field.to_owned(), why: why.to_owned() }
}
