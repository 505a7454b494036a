//! Bodies that come again: clients make pods in masses from one form, and what differs is the name.
//!
//! The second body of a form is decoded once for all that follow, which share its tree: the Api prepares the creates of a
//! shared tree ([`crate::local::prepared`]). Not a cache of objects or answers. Invariant: what stands for a body is what
//! decoding it would give: only bodies without any fault are kept, and the place of a name is known for sure, since two bodies
//! that differ there alone had the names that stand there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use orch_core::object::Part;
use orch_core::{Live, names};
use serde_json::Value;

use super::call::Call;
use super::negotiate::{self, Sent};
use crate::local::prepared::is_prepared;
use crate::tree::{Get, Set};

/// Forms kept: as many as there are workloads that are made at once.
const FORMS: usize = 16;

/// Bytes of a body that is kept: few pods have more.
const MAX_BYTES: usize = 8 << 10;

/// Those that came last, newest first.
#[derive(Default)]
pub(super) struct Again(Mutex<VecDeque<Arc<Form>>>);

/// Bodies that are equal but for a name at one place, or altogether where the server makes the names.
pub(super) struct Form {
    place: Place,
    before: Box<[u8]>,
    after: Box<[u8]>,
    /// The name in the first body.
    first: Box<str>,
    /// Without a name; absent until the form is met again.
    tree: OnceLock<Arc<Value>>,
    /// What there was to say of an object, with the status that it shares with all that are made like it.
    warnings: Mutex<Option<(Arc<Value>, Vec<String>)>>,
}

/// Where a body was sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    kind: orch_core::Kind,
    version: String,
    namespace: String,
    sent: Sent,
}

impl Place {
    /// `None` where nothing is made in masses.
    fn of(call: &Call) -> Option<Self> {
        if !is_prepared(call.info.kind) || call.served.is_some() {
            return None;
        }
        let (version, namespace) = (call.version().to_owned(), call.request.target.namespace.to_string());
        let sent = negotiate::body(&call.request.headers).ok()?;
        Some(Self { kind: call.info.kind, version, namespace, sent })
    }
}

impl Form {
    /// The form of a body whose object has that name; `None` when the place of the name is not plain to see.
    fn of(place: Place, body: &[u8], name: &str) -> Option<Self> {
        let (before, after) = match name {
            "" => (body, &b""[..]),
            name if place.sent == Sent::Json && is_plain(name) => {
                let quoted = format!("\"{name}\"");
                let mut places = std::str::from_utf8(body).ok()?.match_indices(&quoted);
                let (Some((at, _)), None) = (places.next(), places.next()) else { return None };
                (&body[..=at], &body[at + 1 + name.len()..])
            }
            _ => return None,
        };
        Some(Self {
            place,
            before: before.into(),
            after: after.into(),
            first: name.into(),
            tree: OnceLock::new(),
            warnings: Mutex::default(),
        })
    }

    /// The name in a body of this form.
    fn name<'b>(&self, body: &'b [u8]) -> Option<&'b str> {
        let name = body.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let name = std::str::from_utf8(name).ok()?;
        let fits = if self.first.is_empty() { name.is_empty() } else { is_plain(name) };
        fits.then_some(name)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.place == other.place && self.before == other.before && self.after == other.after
    }

    /// What there is to say about an object that was made of it. Objects that the Api makes from one preparation share the tree of
    /// their status: only the first of them is looked at.
    pub(super) fn warnings(&self, live: &Live, of: impl FnOnce(&Value) -> Vec<String>) -> Vec<String> {
        if let Some(whole) = live.tree_at_hand() {
            return of(&whole);
        }
        let status = live.part_tree(Part::Status);
        let Some(status) = status.alone() else { return of(&live.tree()) };
        let mut known = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((like, warnings)) if Arc::ptr_eq(like, status) => warnings.clone(),
            _ => {
                let warnings = of(&live.tree());
                *known = Some((Arc::clone(status), warnings.clone()));
                warnings
            }
        }
    }
}

/// A name that stands in JSON as it is.
fn is_plain(name: &str) -> bool {
    names::dns1123_label(name).is_ok()
}

impl Again {
    fn locked(&self) -> MutexGuard<'_, VecDeque<Arc<Form>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forms whose tree is shared.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.locked().iter().filter(|form| form.tree.get().is_some()).count()
    }

    /// What a body means whose form is known: the tree, and the name.
    pub(super) fn find<'b>(&self, call: &Call, body: &'b [u8]) -> Option<(Arc<Form>, Arc<Value>, &'b str)> {
        let place = Place::of(call).filter(|_| body.len() <= MAX_BYTES)?;
        let mut all = self.locked();
        let known = |form: &Arc<Form>| {
            let name = (form.place == place).then(|| form.name(body))??;
            Some((Arc::clone(form), Arc::clone(form.tree.get()?), name))
        };
        let (at, found) = all.iter().enumerate().find_map(|(at, form)| Some((at, known(form)?)))?;
        if let Some(form) = all.remove(at) {
            all.push_front(form);
        }
        Some(found)
    }

    /// Takes in a body that was decoded without a fault. If its form was met before, what is to be shared by all that follow.
    pub(super) fn learn(&self, call: &Call, body: &[u8], tree: &Value) -> Option<(Arc<Form>, Arc<Value>)> {
        let place = Place::of(call).filter(|_| body.len() <= MAX_BYTES)?;
        let name = tree.object_at("metadata").map_or("", |head| head.text("name"));
        let form = Form::of(place, body, name)?;
        let mut all = self.locked();
        let Some(known) = all.iter().find(|known| known.is_same(&form)) else {
            all.push_front(Arc::new(form));
            let oldest = (all.len() > FORMS).then(|| all.pop_back());
            // Nobody waits while a tree is given back.
            drop(all);
            drop(oldest);
            return None;
        };
        let known = Arc::clone(known);
        drop(all);
        // The same name again says nothing of its place.
        if *known.first == *name && !name.is_empty() {
            return None;
        }
        let nameless = || {
            let mut tree = tree.clone();
            if let Some(head) = tree.as_object_mut().and_then(|fields| fields.object_mut("metadata")) {
                head.remove("name");
            }
            Arc::new(tree)
        };
        let tree = Arc::clone(known.tree.get_or_init(nameless));
        Some((known, tree))
    }
}
