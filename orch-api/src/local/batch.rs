//! A batch of writes: as few commits as its order allows, each write tried again when somebody else came first.
//!
//! Invariants: writes of one key are done in their order; a write that later ones may depend on (a namespace before what
//! is in it) ends its round; tries are bounded.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use orch_core::{
    DryRun, Error, Key, Kind, KindInfo, Live, Patch, Put, Result, Revision, Str, Verb, Write, kind,
};
use serde_json::Value;

use super::facts::Facts;
use super::quota::Fate;
use super::{LocalApi, definitions, quota, settle};
use crate::convert::{self, Form};
use crate::quota::Charge;
use crate::services::Claim;
use crate::strategy::Strategy;

/// Tries of a write without a precondition that others came before. Each failure is another writer's success, so that
/// many in a row mean a loop of writers and not contention.
const TRIES: u32 = 64;

/// Names tried for a `generateName`, as many as Kubernetes tries (`registry/rest/create.go`).
const NAMES: u32 = 8;

/// A write that is not answered yet.
pub(super) struct Item {
    pub(super) write: Write,
    at: usize,
    tries: u32,
    /// Whether the object is too large with its managed fields.
    is_untracked: bool,
    /// Whether a disruption budget was charged for it.
    is_charged: bool,
}

/// What is to be done for a write.
#[expect(clippy::large_enum_variant, reason = "it stays on the stack, one for each write")]
pub(super) enum Step {
    /// Nothing: this is the answer.
    Done(Live),
    /// This.
    Commit(Commit),
}

/// A write of the store and what goes with it.
pub(super) struct Commit {
    pub(super) put: Put,
    /// The answer, but for the revision.
    pub(super) answer: Live,
    pub(super) claim: Option<Claim>,
    /// The object before, unless it is created.
    pub(super) old: Option<Live>,
    /// Whether the object is gone then.
    pub(super) is_removal: bool,
}

impl Commit {
    pub(super) fn create(answer: Live) -> Self {
        Self { put: Put::create(answer.clone()), answer, claim: None, old: None, is_removal: false }
    }

    /// Done only while another object is at that revision.
    pub(super) fn given(self, other: Key, at: Revision) -> Self {
        Self { put: self.put.given(other, at), ..self }
    }

    pub(super) fn replace(answer: Live, old: &Live) -> Self {
        let put = Put::replace(answer.clone(), old.revision());
        Self { put, answer, claim: None, old: Some(old.clone()), is_removal: false }
    }

    pub(super) fn delete(answer: Live, old: &Live) -> Self {
        let put = Put::delete(old.key().clone(), old.revision());
        Self { put, answer, claim: None, old: Some(old.clone()), is_removal: true }
    }
}

impl From<Commit> for Step {
    fn from(commit: Commit) -> Self {
        Self::Commit(commit)
    }
}

/// What a write of one kind is done with.
pub(super) struct Of<'a> {
    pub(super) api: &'a LocalApi,
    pub(super) info: Arc<KindInfo>,
    pub(super) strategy: Strategy,
    pub(super) write: &'a mut Write,
    /// The form in which the object was sent or is patched, if it is not the stored one.
    pub(super) form: Option<&'static Form>,
    /// Whether the managed fields are given up.
    pub(super) is_untracked: bool,
    /// Whether a disruption budget was charged for it in an earlier try.
    pub(super) is_charged: &'a mut bool,
}

pub(super) async fn run(api: &LocalApi, writes: Vec<Write>) -> Vec<Result<Live>> {
    let mut answers: Vec<Option<Result<Live>>> = Vec::new();
    answers.resize_with(writes.len(), || None);
    let mut pending: Vec<Item> = writes
        .into_iter()
        .enumerate()
        .map(|(at, write)| Item { write, at, tries: 0, is_untracked: false, is_charged: false })
        .collect();
    let mut told = BTreeSet::new();
    while !pending.is_empty() {
        let (round, rest) = split(pending);
        let again = self::round(api, round, &mut answers, &mut told).await;
        pending = in_order(again, rest);
    }
    for namespace in &told {
        quota::tell(api, namespace).await;
    }
    let lost = |answer: Option<Result<Live>>| answer.expect("a write leaves the batch with its answer only");
    answers.into_iter().map(lost).collect()
}

/// The writes that can be done in one commit, and the others.
fn split(pending: Vec<Item>) -> (Vec<Item>, Vec<Item>) {
    if let [_] = pending.as_slice() {
        return (pending, Vec::new());
    }
    let mut seen: HashSet<Key> = HashSet::with_capacity(pending.len());
    let (mut round, mut rest) = (Vec::with_capacity(pending.len()), Vec::new());
    let mut ended = false;
    for item in pending {
        // A name that is yet to be generated is nobody else's.
        let first = item.write.key.name.is_empty() || seen.insert(item.write.key.clone());
        if ended || !first {
            rest.push(item);
        } else {
            ended = others_depend_on(item.write.key.kind);
            round.push(item);
        }
    }
    (round, rest)
}

/// Whether writes of other objects look at objects of that kind.
fn others_depend_on(kind: Kind) -> bool {
    [
        kind::NAMESPACES,
        kind::SERVICES,
        kind::PRIORITY_CLASSES,
        kind::STORAGE_CLASSES,
        kind::CUSTOM_RESOURCE_DEFINITIONS,
    ]
    .contains(&kind)
}

fn in_order(mut again: Vec<Item>, rest: Vec<Item>) -> Vec<Item> {
    if again.is_empty() {
        return rest;
    }
    again.extend(rest);
    again.sort_by_key(|item| item.at);
    again
}

/// Reads, then commits once. Returns what is to be tried again.
async fn round(
    api: &LocalApi,
    items: Vec<Item>,
    answers: &mut [Option<Result<Live>>],
    told: &mut BTreeSet<Str>,
) -> Vec<Item> {
    let mut facts = Facts::new(api);
    let (mut puts, mut waiting) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    for mut item in items {
        let step = prepare(api, &mut item, &mut facts).await;
        let (commit, charge) = match step {
            Ok(Step::Commit(commit)) => match quota::charge(api, &item.write, &commit).await {
                Ok(charge) => (commit, charge),
                Err(error) => {
                    commit.claim.iter().for_each(|claim| api.shared.services.abandon(claim));
                    answers[item.at] = Some(Err(error));
                    continue;
                }
            },
            Ok(Step::Done(live)) => {
                answers[item.at] = Some(Ok(live));
                continue;
            }
            Err(error) => {
                answers[item.at] = Some(Err(error));
                continue;
            }
        };
        if item.write.options.dry_run == DryRun::Off {
            let fate = Fate { is_removal: commit.is_removal, is_counted: quota::counts(&commit) };
            let Commit { put, answer, claim, .. } = commit;
            puts.push(put);
            waiting.push(Waiting { item, answer, claim, charge, fate });
        } else {
            commit.claim.iter().for_each(|claim| api.shared.services.abandon(claim));
            // What would be changed keeps its revision (`DryRunnableStorage` of `registry/generic/registry/dryrun.go`).
            let Commit { answer, old, .. } = commit;
            answers[item.at] = Some(Ok(match old {
                Some(old) => answer.at(old.revision()),
                None => answer,
            }));
        }
    }
    if puts.is_empty() {
        return Vec::new();
    }
    let results = api.shared.store.commit(puts).await;
    let mut again = Vec::new();
    // A store that answers too little has lost the answers.
    let results = results.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
    for (waiting, result) in waiting.into_iter().zip(results) {
        let key = waiting.answer.key();
        let result = result.unwrap_or_else(|| Err(Error::OutcomeUnknown { key: key.clone() }));
        told.extend(quota::concerned(api, key));
        if let Some(retry) = conclude(api, waiting, result, answers).await {
            again.push(retry);
        }
    }
    again
}

/// A write that the store has not answered yet.
struct Waiting {
    item: Item,
    answer: Live,
    claim: Option<Claim>,
    charge: Option<Charge>,
    fate: Fate,
}

async fn conclude(
    api: &LocalApi,
    waiting: Waiting,
    result: Result<Revision>,
    answers: &mut [Option<Result<Live>>],
) -> Option<Item> {
    let Waiting { mut item, answer, claim, charge, fate } = waiting;
    let services = &api.shared.services;
    let result = match result {
        Err(Error::OutcomeUnknown { .. }) => settle::by_reading(api, &item.write, &answer).await,
        Ok(revision) => Ok(answer.at(revision)),
        Err(error) => Err(error),
    };
    quota::conclude(api, answer.key(), charge.as_ref(), &result, fate);
    match result {
        Ok(live) => {
            claim.iter().for_each(|claim| services.keep(claim));
            api.shared.recent.keep(&live);
            if definitions::concerns(api, live.key().kind) {
                definitions::follow(api, &live).await;
            }
            answers[item.at] = Some(Ok(live));
            None
        }
        Err(error @ (Error::OutcomeUnknown { .. } | Error::Internal { .. })) => {
            answers[item.at] = Some(Err(error));
            None
        }
        Err(error) => {
            claim.iter().for_each(|claim| services.abandon(claim));
            item.tries += 1;
            if may_retry(&mut item, &error, &answer) {
                return Some(item);
            }
            answers[item.at] = Some(Err(error));
            None
        }
    }
}

/// Whether a write that was not done is worth another try; brings a create into the state for it. An object that is too large
/// is tried once without its managed fields, unless it is applied (`apiserver/pkg/endpoints/handlers/{create,update,patch}.go`).
fn may_retry(item: &mut Item, error: &Error, answer: &Live) -> bool {
    let write = &mut item.write;
    match (error, &mut write.verb) {
        (Error::AlreadyExists { .. }, Verb::Create(tree)) => {
            let generated = write.key.name.is_empty() && item.tries < NAMES;
            if generated {
                // The tree was taken for the first try.
                let mut again = Value::clone(&answer.tree());
                if let Some(metadata) = again.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.remove("name");
                }
                *tree = Arc::new(again);
            }
            generated
        }
        (Error::TooLarge { .. }, verb) => {
            let is_apply = matches!(verb, Verb::Patch(Patch::Apply { .. }));
            let is_first = !std::mem::replace(&mut item.is_untracked, true);
            match verb {
                // These trees were taken for the first try.
                Verb::Create(tree) => *tree = answer.tree(),
                verb if write.precondition.revision.is_some() => *verb = Verb::Update(answer.tree()),
                _ => {}
            }
            is_first && !is_apply && answer.managed_fields().is_some()
        }
        // The namespace was changed, or is gone: the tree was taken for the first try.
        (Error::Conflict { .. } | Error::NotFound { .. }, Verb::Create(tree))
            if write.subresource == orch_core::Subresource::None =>
        {
            *tree = answer.tree();
            item.tries < TRIES
        }
        (Error::AlreadyExists { .. } | Error::Conflict { .. } | Error::NotFound { .. }, _) => {
            write.precondition.revision.is_none() && item.tries < TRIES
        }
        _ => false,
    }
}

async fn prepare(api: &LocalApi, item: &mut Item, facts: &mut Facts<'_>) -> Result<Step> {
    use orch_core::Subresource::{
        Approval, Binding, EphemeralContainers, Eviction, Finalize, None, Resize, Scale, Status, Token,
    };
    let Item { write, is_untracked, is_charged, .. } = item;
    let is_untracked = *is_untracked;
    let (info, strategy) = facts.kind(&write.key)?;
    let subresource = write.subresource;
    let not_allowed = |what| Err(Error::NotAllowed { kind: info.kind, what });
    if !info.has(subresource) {
        return not_allowed(subresource.as_str());
    }
    let verb = match (&write.verb, subresource) {
        (Verb::Create(_), None) => Do::Create,
        (Verb::Create(_), Binding) => Do::Bind,
        (Verb::Create(_), Eviction) => Do::Evict,
        (Verb::Update(_) | Verb::Patch(_), Status | Approval) => Do::Status,
        (Verb::Create(_), Token) => Do::Token,
        (Verb::Update(_) | Verb::Patch(_), None | Scale | Finalize | EphemeralContainers | Resize) => {
            Do::Change
        }
        (Verb::Delete(_), None) => Do::Delete,
        (Verb::Create(_), _) => return not_allowed("create of that subresource"),
        (Verb::Delete(_), _) => return not_allowed("delete of that subresource"),
        _ => return not_allowed("update of that subresource"),
    };
    let form = write.options.api_version.as_deref().and_then(|version| convert::named(info.kind, version));
    let of = Of { api, info, strategy, write, form, is_untracked, is_charged };
    match verb {
        Do::Create => of.create(facts).await,
        Do::Bind => of.bind().await,
        Do::Evict => of.evict().await,
        Do::Token => of.token(facts).await,
        Do::Status => of.status().await,
        Do::Change => of.change(facts).await,
        Do::Delete => of.delete().await,
    }
}

enum Do {
    Create,
    Bind,
    Evict,
    Token,
    Status,
    Change,
    Delete,
}
