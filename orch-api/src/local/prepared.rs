//! Creates that were done before: pods are made in classes, and what is the same for a class is worked out once.
//!
//! A create whose tree others hold too, and which leaves the name to the key or to the server, is one of many. While more may
//! come, the second of them is prepared: defaults, admission, rules, managed fields and encoding are done in it, and those that
//! follow are cast in its mould. Not a cache of objects, and not a shorter way around a rule: what a create may not know beforehand
//! (its namespace, its name, quotas, whether it is there already) is judged each time, and a preparation holds only while
//! everything that it read from the store is as it was. Invariant: a prepared create makes what the same create makes without.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use jiff::Timestamp;
use orch_core::object::{Cast, Mould, Part};
use orch_core::{FieldValidation, Kind, Live, Result, Str, Write, WriteOptions, kind, names};
use serde_json::Value;

use super::batch::{Commit, Of, Step};
use super::facts::{Fact, Facts};
use super::{metadata, service_account};
use crate::tree::{Get, Tree};

/// Classes kept: as many as controllers scale up at once.
const CLASSES: usize = 16;

/// Bytes of an object of a class that is prepared: few pods have more.
const MAX_BYTES: usize = 16 << 10;

/// Whether creates of a kind are prepared: of those that are made in masses.
pub(crate) fn is_prepared(kind: Kind) -> bool {
    kind == kind::PODS
}

/// Those that came last, newest first.
#[derive(Default)]
pub(super) struct Classes(Mutex<VecDeque<Class>>);

/// Creates of the same tree.
#[derive(Clone)]
struct Class {
    /// Known by its address, which no other tree has while this is here.
    tree: Weak<Value>,
    namespace: Str,
    manager: Option<Str>,
    validation: FieldValidation,
    /// Absent until the class is met again.
    prepared: Option<Arc<Prepared>>,
}

impl Class {
    fn of(tree: &Arc<Value>, write: &Write) -> Self {
        let WriteOptions { field_manager, field_validation, .. } = &write.options;
        Self {
            tree: Arc::downgrade(tree),
            namespace: write.key.namespace.clone(),
            manager: field_manager.clone(),
            validation: *field_validation,
            prepared: None,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.tree, &other.tree)
            && self.namespace == other.namespace
            && self.manager == other.manager
            && self.validation == other.validation
    }
}

/// What is known of a class.
enum Known {
    /// It was not met before.
    Nothing,
    /// It was, and has no preparation that is good for anything.
    Met,
    Prepared(Arc<Prepared>),
}

impl Classes {
    fn locked(&self) -> MutexGuard<'_, VecDeque<Class>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a class, which is the newest now. One that nobody else can come with again is not taken in.
    fn meet(&self, class: Class, goes_on: bool) -> Known {
        let mut all = self.locked();
        let place = all.iter().position(|known| known.is_same(&class));
        let met = place.and_then(|at| all.remove(at));
        let known = match &met {
            None => Known::Nothing,
            Some(Class { prepared: None, .. }) => Known::Met,
            Some(Class { prepared: Some(prepared), .. }) => Known::Prepared(Arc::clone(prepared)),
        };
        if goes_on {
            all.push_front(met.unwrap_or(class));
        }
        let oldest = (all.len() > CLASSES).then(|| all.pop_back());
        // Nobody waits while trees are given back.
        drop(all);
        drop(oldest);
        known
    }

    fn keep(&self, class: &Class, prepared: Option<Prepared>) {
        let mut all = self.locked();
        if let Some(known) = all.iter_mut().find(|known| known.is_same(class)) {
            known.prepared = prepared.map(Arc::new);
        }
    }
}

/// A create that was worked out.
struct Prepared {
    mould: Mould,
    /// Whether each pod has a volume of its own name.
    has_mark: bool,
    /// That of generated names.
    prefix: String,
    managed: Option<Managed>,
    rests_on: Vec<Fact>,
    /// Trees of the parts that are the same in all of the class: whoever looks at its objects in the process decodes nothing.
    parts: Vec<(Part, Arc<Value>)>,
}

/// The managed fields of a class, but for the time in them.
struct Managed {
    text: Bytes,
    /// Where the time stands.
    at: usize,
    /// That of the last second in which one was created.
    last: Mutex<(i64, Bytes)>,
}

impl Managed {
    /// `None` unless the time stands there once.
    fn of(text: &Bytes, now: Timestamp) -> Option<Self> {
        let time = format!("\"time\":\"{}\"", metadata::seconds(now));
        let all = std::str::from_utf8(text).ok()?;
        let at = all.find(&time)?;
        if all[at + 1..].contains(&time) {
            return None;
        }
        let last = Mutex::new((now.as_second(), text.clone()));
        Some(Self { text: text.clone(), at: at + "\"time\":\"".len(), last })
    }

    fn at(&self, now: Timestamp) -> Bytes {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != now.as_second() {
            let (mut text, time) = (self.text.to_vec(), metadata::seconds(now));
            text[self.at..self.at + time.len()].copy_from_slice(time.as_bytes());
            *last = (now.as_second(), text.into_boxed_slice().into());
        }
        last.1.clone()
    }
}

impl Prepared {
    /// What a create of that tree is known by from now on; `None` when its object has something that another one would have
    /// otherwise.
    fn of(tree: &Value, answer: &Live, rests_on: Vec<Fact>) -> Option<Self> {
        let made = answer.tree_at_hand()?;
        // Claims of such volumes have names that begin with that of the pod.
        let is_own = |volume: &Value| volume.at("ephemeral").is_some();
        let volumes = made.at("spec").map_or(&[][..], |spec| spec.list("volumes"));
        if answer.body().len() > MAX_BYTES || volumes.iter().any(is_own) {
            return None;
        }
        let mark = made.object_at("spec").and_then(service_account::token_volume);
        if tree.object_at("spec").and_then(service_account::token_volume).is_some() {
            return None;
        }
        let managed = match answer.managed_fields() {
            Some(text) => Some(Managed::of(text, answer.header().created?)?),
            None => None,
        };
        let prefix = tree.object_at("metadata").map_or("", |head| head.text("generateName")).to_owned();
        let mould = Mould::of(answer.object(), mark)?;
        let has_mark = mark.is_some();
        let is_common = |(part, _): &(Part, &str)| *part != Part::Spec || !has_mark;
        let part = |(part, name)| Some((part, Arc::new(made.at(name)?.clone())));
        let parts = [(Part::Spec, "spec"), (Part::Status, "status")];
        let parts = parts.into_iter().filter(is_common).filter_map(part).collect();
        Some(Self { mould, has_mark, prefix, managed, rests_on, parts })
    }
}

impl Of<'_> {
    /// Creates an object as one of its class; `None` when it is of none that was met before.
    pub(super) async fn create_again(
        &mut self,
        tree: &Arc<Value>,
        facts: &mut Facts<'_>,
    ) -> Result<Option<Step>> {
        if !self.is_one_of_many(tree) {
            return Ok(None);
        }
        let (class, classes) = (Class::of(tree, self.write), &self.api.shared.classes);
        let goes_on = Arc::strong_count(tree) > 1;
        match classes.meet(class.clone(), goes_on) {
            Known::Nothing => return Ok(None),
            Known::Prepared(prepared) => {
                if let Some(step) = self.cast(&prepared, facts).await? {
                    return Ok(Some(step));
                }
            }
            Known::Met => {}
        }
        if !goes_on {
            return Ok(None);
        }
        facts.record();
        let step = self.begin(Value::clone(tree).into(), facts).await;
        let rests_on = facts.recorded();
        let step = step?;
        if let Step::Commit(commit) = &step {
            classes.keep(&class, Prepared::of(tree, &commit.answer, rests_on));
        }
        Ok(Some(step))
    }

    fn is_one_of_many(&self, tree: &Arc<Value>) -> bool {
        let given = &*self.write.key.name;
        let is_named = |head: &Tree| match given {
            "" => !head.is_unset("generateName"),
            name => names::dns1123_label(name).is_ok(),
        };
        // Managed fields that a client sends stand in an order that depends on the time.
        let is_plain = |head: &Tree| head.is_unset("name") && !head.contains_key("managedFields");
        is_prepared(self.info.kind)
            && !self.is_untracked
            && self.form.is_none()
            && tree.object_at("metadata").is_some_and(|head| is_plain(head) && is_named(head))
    }

    /// `None` when the preparation does not hold any more.
    async fn cast(&self, prepared: &Prepared, facts: &mut Facts<'_>) -> Result<Option<Step>> {
        let namespace = self.admit_namespace(facts).await?;
        if !facts.hold(&prepared.rests_on).await? {
            return Ok(None);
        }
        let env = &self.api.shared.env;
        let (created, uid) = (env.now(), env.uuid());
        let name = match &*self.write.key.name {
            "" => super::create::generated_name(&prepared.prefix, env).into(),
            _ => self.write.key.name.clone(),
        };
        let mark = if prepared.has_mark { service_account::volume_name(env) } else { String::new() };
        let managed = prepared.managed.as_ref().map(|managed| managed.at(created));
        let cast = Cast { name: &name, uid: &uid, created, mark: &mark, managed };
        let Some(object) = prepared.mould.cast(&cast) else { return Ok(None) };
        let with = |live: Live, (part, tree): &(Part, Arc<Value>)| live.knowing(*part, Arc::clone(tree));
        let live = prepared.parts.iter().fold(Live::shared(object), with);
        let commit = Commit::create(live);
        let commit = match namespace {
            Some((key, revision)) => commit.given(key, revision),
            None => commit,
        };
        Ok(Some(commit.into()))
    }
}
