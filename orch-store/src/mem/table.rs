//! The current objects of one kind, by namespace and name.
//!
//! It also remembers when absent objects were deleted, as long as history does, so that a list of an older revision finds
//! them. Invariant: iteration is in order of keys.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use orch_core::{ConflictCause, Error, Expect, Key, Object, Result, Revision, Str};

use super::log::Log;
use super::shelf::Shelf;

#[derive(Default)]
pub(super) struct Table {
    spaces: BTreeMap<Str, Space>,
}

/// One namespace.
#[derive(Default)]
struct Space {
    objects: Shelf,
    /// Names that are free, with the revision of their deletion.
    graves: BTreeMap<Str, Revision>,
}

/// What a scan goes over.
#[derive(Clone, Copy, Default)]
pub(super) struct Scope<'a> {
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    /// Begin behind that key.
    pub(super) after: Option<&'a Key>,
}

impl Table {
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Object> {
        self.spaces.get(namespace)?.objects.get(name)
    }

    /// Objects there are now.
    pub(super) fn len(&self, namespace: Option<&str>) -> usize {
        match namespace {
            Some(namespace) => self.spaces.get(namespace).map_or(0, |space| space.objects.len()),
            None => self.spaces.values().map(|space| space.objects.len()).sum(),
        }
    }

    /// Adds an object; says when one of that name was deleted.
    pub(super) fn create(&mut self, object: &Object) -> Result<Revision> {
        let key = object.key();
        let space = match self.spaces.get_mut(&*key.namespace) {
            Some(space) => space,
            None => self.spaces.entry(key.namespace.clone()).or_default(),
        };
        if space.objects.get(&key.name).is_some() {
            return Err(Error::AlreadyExists { key: key.clone() });
        }
        space.objects.insert(object);
        Ok(if space.graves.is_empty() { None } else { space.graves.remove(&*key.name) }.unwrap_or_default())
    }

    /// Replaces an object by the one given; gives what was there.
    pub(super) fn replace(&mut self, object: &Object, expect: Revision) -> Result<Object> {
        let key = object.key();
        let space = self.spaces.get_mut(&*key.namespace);
        let slot = space.and_then(|space| space.objects.get_mut(&key.name));
        let slot = slot.ok_or_else(|| Error::NotFound { key: key.clone() })?;
        check(key, slot, expect)?;
        Ok(std::mem::replace(slot, object.clone()))
    }

    /// Removes an object by a deletion of revision `revision`; gives what was there.
    pub(super) fn delete(&mut self, key: &Key, expect: Revision, revision: Revision) -> Result<Object> {
        let absent = || Error::NotFound { key: key.clone() };
        let space = self.spaces.get_mut(&*key.namespace).ok_or_else(absent)?;
        let object = space.objects.get(&key.name).ok_or_else(absent)?;
        check(key, object, expect)?;
        let object = space.objects.remove(&key.name).ok_or_else(absent)?;
        space.graves.insert(object.key().name.clone(), revision);
        Ok(object)
    }

    /// History no longer knows that deletion.
    pub(super) fn forget(&mut self, key: &Key, deleted: Revision) {
        let Some(space) = self.spaces.get_mut(&*key.namespace) else { return };
        if space.graves.get(&*key.name) == Some(&deleted) {
            space.graves.remove(&*key.name);
        }
        if space.objects.len() == 0 && space.graves.is_empty() {
            self.spaces.remove(&*key.namespace);
        }
    }

    /// Visits the objects as of `at`, in order, until `visit` breaks.
    pub(super) fn scan(
        &self,
        scope: Scope<'_>,
        log: &Log,
        at: Revision,
        visit: &mut impl FnMut(&Object) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let from = scope.namespace.or(scope.after.map(|key| &*key.namespace)).unwrap_or("");
        let spaces = self.spaces.range::<str, _>((Bound::Included(from), Bound::Unbounded));
        for (namespace, space) in spaces {
            if scope.namespace.is_some_and(|wanted| *wanted != **namespace) {
                break;
            }
            let after = scope.after.filter(|key| key.namespace == *namespace).map(|key| &*key.name);
            let from = match (scope.name, after) {
                (Some(name), Some(after)) if name <= after => continue,
                (Some(name), _) => Bound::Included(name),
                (None, Some(after)) => Bound::Excluded(after),
                (None, None) => Bound::Unbounded,
            };
            let to = scope.name.map_or(Bound::Unbounded, Bound::Included);
            if at == log.current() {
                for (_, object) in space.objects.range((from, to)) {
                    visit(object)?;
                }
            } else {
                space.scan_past((from, to), log, at, visit)?;
            }
        }
        ControlFlow::Continue(())
    }
}

impl Space {
    /// Undoes for each object what came after `at`.
    fn scan_past(
        &self,
        range: (Bound<&str>, Bound<&str>),
        log: &Log,
        at: Revision,
        visit: &mut impl FnMut(&Object) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut objects = self.objects.range(range).peekable();
        let mut graves = self.graves.range::<str, _>(range).peekable();
        loop {
            let grave_first = match (objects.peek(), graves.peek()) {
                (None, None) => return ControlFlow::Continue(()),
                (Some((name, _)), Some((grave, _))) => grave < name,
                (objects, _) => objects.is_none(),
            };
            let state = if grave_first {
                graves.next().and_then(|(_, deleted)| log.state_at(None, *deleted, at))
            } else {
                objects.next().and_then(|(_, object)| log.state_at(Some(object), object.revision(), at))
            };
            if let Some(object) = state {
                visit(&object)?;
            }
        }
    }
}

fn check(key: &Key, object: &Object, expect: Revision) -> Result<()> {
    let actual = object.revision();
    if actual == expect {
        return Ok(());
    }
    Err(Error::Conflict { key: key.clone(), cause: ConflictCause::Revision { expected: expect, actual } })
}

/// What there must be for a deletion, or nothing that would do.
pub(super) fn deletion_at(key: &Key, expect: Expect, exists: bool) -> Result<Revision> {
    match expect {
        Expect::At(revision) => Ok(revision),
        Expect::Absent if exists => Err(Error::AlreadyExists { key: key.clone() }),
        Expect::Absent => Err(Error::NotFound { key: key.clone() }),
    }
}
