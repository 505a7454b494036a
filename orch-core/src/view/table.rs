//! A table of projections with its indexes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use super::Projection;
use crate::selector::Selector;
use crate::{Change, Key, Kind, Live, Object, Str};

/// One object and the facts taken from it.
#[derive(Debug)]
pub struct Row<P> {
    /// Header and body as stored.
    pub object: Object,
    /// The projection.
    pub facts: P,
}

/// Rows in order of key, found by key, namespace, owner, label, or an index of the projection. Each lookup costs a
/// logarithm and what it yields; rows are shared, not copied.
#[derive(Debug)]
pub struct Table<P> {
    rows: BTreeMap<Key, Arc<Row<P>>>,
    /// Index name, value and key; owners stand under [`OWNER`], labels under [`LABEL`]. Keys alone: most changes change none
    /// of an object's entries.
    index: Index,
    /// How many rows there are of each kind.
    kinds: BTreeMap<Kind, usize>,
    /// When what is put now is seen.
    now: Timestamp,
    /// What the last change replaced or removed.
    replaced: Option<Arc<Row<P>>>,
}

/// Entries of an index with the keys of their rows.
type Index = BTreeSet<(&'static str, Str, Key)>;

const OWNER: &str = "\0owner";
const LABEL: &str = "\0label";

impl<P> Default for Table<P> {
    fn default() -> Self {
        let (rows, index, kinds) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { rows, index, kinds, now: Timestamp::default(), replaced: None }
    }
}

impl<P: Projection> Table<P> {
    /// The row of a key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Arc<Row<P>>> {
        self.rows.get(key)
    }

    /// The row as it was before a change, if that is the last one taken in and the table knew the object: what the change
    /// says of it before, with its facts.
    #[must_use]
    pub fn before(&self, change: &Change) -> Option<&Arc<Row<P>>> {
        let before = change.before.as_ref()?;
        self.replaced.as_ref().filter(|row| row.object.is_same(before))
    }

    /// Every row in order of key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Row<P>>> {
        self.rows.values()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows of one namespace; of one kind when the projection is of one.
    pub fn in_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Row<P>>> + 'a {
        self.kinds.keys().flat_map(move |kind| self.of_kind(*kind, namespace))
    }

    /// The rows of one kind in one namespace; an empty namespace means those that stand in none.
    pub fn of_kind<'a>(
        &'a self,
        kind: Kind,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<Row<P>>> + use<'a, P> {
        let namespace = Str::from(namespace);
        let from = Key { kind, namespace: namespace.clone(), name: Str::default() };
        self.rows
            .range((Bound::Included(from), Bound::Unbounded))
            .take_while(move |(key, _)| key.kind == kind && key.namespace == namespace)
            .map(|(_, row)| row)
    }

    /// The rows that have an owner of that uid.
    pub fn owned_by<'a>(&'a self, uid: &str) -> impl Iterator<Item = &'a Arc<Row<P>>> + use<'a, P> {
        self.indexed(OWNER, uid)
    }

    /// The rows of a namespace that the selector matches. Costs what the rarest label that it asks for yields, or the
    /// namespace when it asks for none.
    #[must_use]
    pub fn selected<'a>(&'a self, namespace: &'a str, selector: &Selector) -> Vec<&'a Arc<Row<P>>> {
        let matches = |row: &&Arc<Row<P>>| selector.matches(|name| row.object.label(name));
        match selector.required_pair() {
            Some((name, value)) => {
                self.range(LABEL, label_entry(namespace, name, value)).filter(matches).collect()
            }
            None => self.in_namespace(namespace).filter(matches).collect(),
        }
    }

    /// The rows under a value of one of the projection's indexes, in order of key.
    pub fn indexed<'a>(
        &'a self,
        index: &'static str,
        value: &str,
    ) -> impl Iterator<Item = &'a Arc<Row<P>>> + use<'a, P> {
        self.range(index, Str::from(value))
    }

    fn range(&self, index: &'static str, value: Str) -> impl Iterator<Item = &Arc<Row<P>>> + use<'_, P> {
        let from = (index, value.clone(), LEAST.clone());
        self.index
            .range((Bound::Included(from), Bound::Unbounded))
            .take_while(move |(name, found, _)| *name == index && *found == value)
            .filter_map(|(_, _, key)| self.rows.get(key))
    }

    pub(super) fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match &change.now {
            Some(live) => self.put(live),
            None => self.replaced = self.take(change.key()),
        }
    }

    pub(super) fn put(&mut self, live: &Live) {
        let Self { rows, index, kinds, .. } = self;
        let slot = rows.get_mut(live.key());
        let before = slot.as_deref().cloned();
        let mut facts = match &before {
            Some(before) => P::project_after(live, before),
            None => P::project(live),
        };
        facts.remember(before.as_ref().map(|row| &row.facts), self.now);
        let row = Arc::new(Row { object: live.object().clone(), facts });
        place(index, before.as_deref(), &row);
        match slot {
            Some(slot) => *slot = row,
            None => {
                *kinds.entry(live.key().kind).or_default() += 1;
                rows.insert(live.key().clone(), row);
            }
        }
        self.replaced = before;
    }

    fn take(&mut self, key: &Key) -> Option<Arc<Row<P>>> {
        let row = self.rows.remove(key)?;
        for (name, value) in common_entries(&row.object).into_iter().chain(own_entries(&row)) {
            self.index.remove(&(name, value, key.clone()));
        }
        if let Some(count) = self.kinds.get_mut(&key.kind) {
            *count -= 1;
            if *count == 0 {
                self.kinds.remove(&key.kind);
            }
        }
        Some(row)
    }
}

/// Puts a row under its entries in place of those of the one before; most of them are the same.
fn place<P: Projection>(index: &mut Index, before: Option<&Row<P>>, row: &Row<P>) {
    let key = row.object.key();
    let mut new = own_entries(row);
    let is_common_same = before.is_some_and(|before| {
        let (old, new) = (before.object.header(), row.object.header());
        old.labels == new.labels && old.owners == new.owners
    });
    if !is_common_same {
        new.extend(common_entries(&row.object));
    }
    if let Some(before) = before {
        let mut old = own_entries(before);
        if !is_common_same {
            old.extend(common_entries(&before.object));
        }
        for (name, value) in old.iter().filter(|entry| !new.contains(entry)).cloned() {
            index.remove(&(name, value, key.clone()));
        }
        new.retain(|entry| !old.contains(entry));
    }
    index.extend(new.into_iter().map(|(name, value)| (name, value, key.clone())));
}

/// An index's name and the value in it.
type Entry = (&'static str, Str);

/// The entries that the header gives every projection.
fn common_entries(object: &Object) -> Vec<Entry> {
    let header = object.header();
    let mut entries: Vec<Entry> = header.owners.iter().map(|owner| (OWNER, owner.uid.clone())).collect();
    let namespace = &object.key().namespace;
    entries.extend(header.labels.iter().map(|(name, value)| (LABEL, label_entry(namespace, name, value))));
    entries
}

/// The entries of the projection's own indexes.
fn own_entries<P: Projection>(row: &Row<P>) -> Vec<Entry> {
    let mut entries = Vec::new();
    P::index(&row.object, &row.facts, &mut |name, value| entries.push((name, value.into())));
    entries
}

/// NUL stands in no name, so the parts cannot run into each other.
fn label_entry(namespace: &str, name: &str, value: &str) -> Str {
    format!("{namespace}\0{name}\0{value}").into()
}

/// No key is less.
static LEAST: LazyLock<Key> = LazyLock::new(|| Key::new(Kind::named("", ""), "", ""));
