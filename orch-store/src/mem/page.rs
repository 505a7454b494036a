//! Where a list of the store in memory goes on.

use std::borrow::Cow;

use orch_core::{Error, Key, Registry, Result, Revision, Select, Str};
use serde::{Deserialize, Serialize};

use crate::page;

/// Where a list goes on, and as of which revision.
pub(super) struct Token {
    /// Of the whole list.
    pub(super) revision: Revision,
    /// The last key given.
    pub(super) after: Key,
    /// Objects that follow, when that is known.
    pub(super) remaining: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Says<'a>(Revision, Place<'a>, Option<u64>);

/// A key as it stands in a token.
#[derive(Serialize, Deserialize)]
pub(crate) struct Place<'a>(Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>);

impl<'a> From<&'a Key> for Place<'a> {
    fn from(key: &'a Key) -> Self {
        let word = Cow::Borrowed;
        Self(word(key.kind.group()), word(key.kind.resource()), word(&key.namespace), word(&key.name))
    }
}

impl Place<'_> {
    /// The key, when its kind is registered: a token interns no words.
    pub(crate) fn key(&self, registry: &Registry) -> Result<Key> {
        let Self(group, resource, namespace, name) = self;
        let info = registry.by_resource(group, resource).ok_or(Error::BadPage)?;
        Ok(Key::new(info.kind, &**namespace, &**name))
    }
}

impl Token {
    pub(super) fn write(&self, what: &Select) -> Str {
        page::seal(&Says(self.revision, Place::from(&self.after), self.remaining), what)
    }

    /// # Errors
    /// `BadPage`.
    pub(super) fn read(token: &str, what: &Select, registry: &Registry) -> Result<Self> {
        let Says(revision, place, remaining) = page::open(token, what)?;
        Ok(Self { revision, after: place.key(registry)?, remaining })
    }
}
