//! What follows from a CustomResourceDefinition: its status, its kind in the registry, and the end of its objects
//! (`apiextensions-apiserver/pkg/controller/{status,establish,finalizer}`).
//!
//! It is done after each write of a definition, before the write is answered, in a task of its own that goes on when the
//! writer does not wait; and for all of them at bootstrap. No controller is needed. The invariants: a definition that says it
//! is established has its kind in the registry; a definition is gone only after the last of its objects.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use orch_core::{
    Api, ApiExt, DeleteOptions, Error, Key, Kind, Live, Object, Propagation, Read, Registry, Result,
    Revision, Select, Str, Subresource, User, Verb, Write, kind,
};
use serde_json::{Value, json};

use super::{LocalApi, metadata};
use crate::custom::names::{self, Taken};
use crate::custom::{CustomKind, is_by_webhook, is_stored};
use crate::tree::{Get, Set, Tree};

/// Holds a definition until its objects are gone.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Who does this; what it writes has no consequences here.
const USER: &str = "system:apiserver";

/// Under which name fields of the status are managed.
const MANAGER: &str = "kube-apiserver";

/// Tries of what others came before in, or that the store refused. The next write of the definition, or the next start, goes
/// on where it was given up.
const TRIES: u32 = 16;

/// The first wait of a try after a refusal by the store; each further one is twice as long, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// Objects that are deleted in one batch.
const BATCH: u32 = 500;

/// Why a definition with good names is not established.
const UNSUPPORTED: (&str, &str) = (
    "ConversionUnsupported",
    "conversion by webhooks is not supported: serve the version that is stored, and keep no other in status.storedVersions, \
     or set spec.conversion.strategy to None",
);

/// What is under way.
#[derive(Default)]
pub(super) struct Definitions {
    /// One definition is settled at a time, so that the registry gets the newest state last.
    turn: tokio::sync::Mutex<()>,
    /// Kinds whose definition waits for the end of their objects.
    ending: RwLock<BTreeSet<Kind>>,
    /// Whether there are any: looked at after every write.
    any_ending: AtomicBool,
}

impl Definitions {
    fn is_ending(&self, kind: Kind) -> bool {
        self.any_ending.load(Ordering::Acquire)
            && self.ending.read().unwrap_or_else(PoisonError::into_inner).contains(&kind)
    }

    fn note(&self, kind: Kind, ends: bool) {
        let mut ending = self.ending.write().unwrap_or_else(PoisonError::into_inner);
        if ends {
            ending.insert(kind);
        } else {
            ending.remove(&kind);
        }
        self.any_ending.store(!ending.is_empty(), Ordering::Release);
    }
}

/// Adds the finalizer that holds a definition whose deletion begins.
pub(super) fn hold(kind: Kind, stored: &Live, finalizers: &mut Vec<Str>) {
    let begins = kind == kind::CUSTOM_RESOURCE_DEFINITIONS && !stored.header().is_terminating();
    if begins && !finalizers.iter().any(|name| &**name == CLEANUP) {
        finalizers.push(CLEANUP.into());
    }
}

/// The conditions of a definition whose deletion begins at `now`; `None` for other objects.
pub(super) fn pending(stored: &Live, now: &str) -> Option<Value> {
    if stored.key().kind != kind::CUSTOM_RESOURCE_DEFINITIONS || stored.header().is_terminating() {
        return None;
    }
    let tree = stored.tree();
    let mut status = tree.object_at("status").cloned().unwrap_or_default();
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    names::set(&mut status, "Terminating", true, "InstanceDeletionPending", message, now);
    status.remove("conditions")
}

/// Whether something may follow from a write of that kind.
pub(super) fn concerns(api: &LocalApi, kind: Kind) -> bool {
    let is_theirs = kind == kind::CUSTOM_RESOURCE_DEFINITIONS || api.shared.definitions.is_ending(kind);
    is_theirs && &*api.user.name != USER
}

/// Does what follows from a write that was done.
pub(super) async fn follow(api: &LocalApi, live: &Live) {
    let key = live.key();
    let name = if key.kind == kind::CUSTOM_RESOURCE_DEFINITIONS {
        key.name.clone()
    } else {
        let info = api.shared.registry.get(key.kind);
        let Some(custom) = info.as_deref().and_then(CustomKind::of) else { return };
        custom.definition.clone()
    };
    let acting = own(api);
    // Nothing is left to do for a part that was stopped.
    let _ = api.shared.env.spawn(async move { settle(&acting, name).await }).await;
}

/// Does what follows from every definition that is stored.
///
/// # Errors
/// What the store says.
pub(super) async fn load(api: &LocalApi) -> Result<()> {
    let page = api.list(&Select::kind(kind::CUSTOM_RESOURCE_DEFINITIONS), None, 0).await?;
    let acting = own(api);
    for definition in page.items {
        settle(&acting, definition.key().name.clone()).await;
    }
    Ok(())
}

fn own(api: &LocalApi) -> LocalApi {
    let mut user = User::new(USER);
    user.groups = vec!["system:masters".into()];
    LocalApi { shared: Arc::clone(&api.shared), user }
}

/// Brings a definition, its kind and its objects into the state that they should have.
async fn settle(api: &LocalApi, name: Str) {
    let _turn = api.shared.definitions.turn.lock().await;
    let mut open = vec![name];
    let mut tries = 0;
    let mut wait = SHORTEST;
    while let Some(name) = open.pop() {
        match settled(api, &name).await {
            // Who is refused waits for nobody else: each is settled once.
            Ok(others) => open.extend(others),
            Err(error) if tries >= TRIES => tracing::warn!(%name, %error, "a definition is not settled"),
            Err(error) => {
                tries += 1;
                open.push(name);
                if !error.is_conflict() && !error.is_not_found() {
                    api.shared.env.sleep(wait).await;
                    wait = (wait * 2).min(LONGEST);
                }
            }
        }
    }
}

/// One try. Returns the definitions that may have the names that are free now.
async fn settled(api: &LocalApi, name: &Str) -> Result<Vec<Str>> {
    let key = Key::cluster(kind::CUSTOM_RESOURCE_DEFINITIONS, name.clone());
    let stored = match api.shared.store.get(&key, Revision::ZERO).await {
        Err(Error::NotFound { .. }) => return forget(api, name).await,
        stored => stored?,
    };
    let tree = stored.tree();
    if stored.header().is_terminating() {
        return end(api, &stored, &tree).await;
    }
    let taken = taken(api, name, &tree).await?;
    let now = metadata::seconds(api.shared.env.now());
    let status = names::status(&tree, &taken, unsupported(&tree), &now);
    register(api, name, &tree, &status);
    if tree.object_at("status") != Some(&status) {
        write_status(api, &stored, status).await?;
    }
    Ok(Vec::new())
}

/// A definition whose objects could not be served without being converted by a webhook.
fn unsupported(tree: &Value) -> Option<(&'static str, &'static str)> {
    let spec = tree.object_at("spec")?;
    let stored = spec.list("versions").iter().find(|version| is_stored(version))?;
    let is_served = stored.at("served") == Some(&Value::Bool(true));
    let before = tree.object_at("status").map_or(&[][..], |status| status.list("storedVersions"));
    let is_one = before.iter().all(|version| version.as_str() == Some(stored.text("name")));
    (is_by_webhook(spec) && !(is_served && is_one)).then_some(UNSUPPORTED)
}

/// Puts the kind into the registry as the status says, or takes it out.
fn register(api: &LocalApi, name: &Str, tree: &Value, status: &Tree) {
    let registry = &api.shared.registry;
    let (spec, accepted) = (tree.object_at("spec"), status.object_at("acceptedNames"));
    let info = match (spec, accepted) {
        (Some(spec), Some(accepted)) if names::is_true(status, "Established") => {
            CustomKind::compile(tree).and_then(|custom| custom.info(spec, accepted))
        }
        _ => None,
    };
    let Some(info) = info else {
        known(api, name).into_iter().for_each(|kind| registry.remove(kind));
        return;
    };
    if let Err(error) = registry.register(info) {
        tracing::warn!(%name, %error, "a definition is not served");
    }
}

/// The kinds in the registry that a definition describes: one, if any.
fn known(api: &LocalApi, name: &Str) -> Vec<Kind> {
    let is_its = |info: &KindRow| CustomKind::of(info).is_some_and(|custom| custom.definition == *name);
    api.shared.registry.kinds().into_iter().filter(|info| is_its(info)).map(|info| info.kind).collect()
}

type KindRow = Arc<orch_core::KindInfo>;

/// The names in use in the group of a definition by all others.
async fn taken(api: &LocalApi, name: &Str, tree: &Value) -> Result<Taken> {
    let of =
        |tree: &Value| tree.object_at("spec").map_or(String::new(), |spec| spec.text("group").to_owned());
    let group = of(tree);
    let mut taken = Taken::default();
    let page = api.list(&Select::kind(kind::CUSTOM_RESOURCE_DEFINITIONS), None, 0).await?;
    for other in page.items.iter().filter(|other| other.key().name != *name) {
        let other = other.body_tree();
        if of(&other) == group
            && let Some(names) =
                other.object_at("status").and_then(|status| status.object_at("acceptedNames"))
        {
            taken.add(names);
        }
    }
    // Kinds that no definition describes: Kubernetes' own, which none may replace, and those of the program.
    let plural = tree.pointer("/spec/names/plural").and_then(Value::as_str).unwrap_or_default();
    let is_its = |kind: Kind| kind.resource() == plural && Registry::built_in().get(kind).is_none();
    for info in api.shared.registry.kinds() {
        let is_other = info.kind.group() == group && !is_its(info.kind);
        if is_other && CustomKind::of(&info).is_none() {
            let words = info.short_names.iter().map(ToString::to_string);
            taken.words.extend(words.chain([info.kind.resource().to_owned(), info.singular.to_string()]));
            taken.kinds.extend([info.name.to_string(), format!("{}List", info.name)]);
        }
    }
    Ok(taken)
}

async fn write_status(api: &LocalApi, stored: &Live, status: Tree) -> Result<Live> {
    let mut tree = Value::clone(&stored.tree());
    if let Some(fields) = tree.as_object_mut() {
        fields.put("status", status);
    }
    let write = Write::update(stored.key().clone(), tree).to(Subresource::Status).at(stored.revision());
    // The task is one of its own, so that this does not recurse.
    Box::pin(api.one(write.managed_by(MANAGER))).await
}

/// The definition is gone: so is its kind. Returns those of its group that were refused.
async fn forget(api: &LocalApi, name: &Str) -> Result<Vec<Str>> {
    for kind in known(api, name) {
        api.shared.registry.remove(kind);
        api.shared.definitions.note(kind, false);
    }
    let group = name.split_once('.').map_or("", |(_, group)| group);
    let page = api.list(&Select::kind(kind::CUSTOM_RESOURCE_DEFINITIONS), None, 0).await?;
    let is_refused = |other: &&Object| {
        other.key().name.split_once('.').is_some_and(|(_, theirs)| theirs == group)
            && !other
                .body_tree()
                .object_at("status")
                .is_some_and(|status| names::is_true(status, "NamesAccepted"))
    };
    Ok(page.items.iter().filter(is_refused).map(|other| other.key().name.clone()).collect())
}

/// The definition is being deleted: its objects first.
async fn end(api: &LocalApi, stored: &Live, tree: &Value) -> Result<Vec<Str>> {
    let name = &stored.key().name;
    let mut status = tree.object_at("status").cloned().unwrap_or_default();
    register(api, name, tree, &status);
    if !stored.header().has_finalizer(CLEANUP) {
        return Ok(Vec::new());
    }
    let mut left = false;
    for kind in known(api, name) {
        api.shared.definitions.note(kind, true);
        delete_all(api, kind).await?;
        left |= !api.list(&Select::kind(kind), None, 1).await?.items.is_empty();
    }
    if left {
        let now = metadata::seconds(api.shared.env.now());
        let message = "CustomResource deletion is in progress";
        names::set(&mut status, "Terminating", true, "InstanceDeletionInProgress", message, &now);
        if tree.object_at("status") != Some(&status) {
            write_status(api, stored, status).await?;
        }
        return Ok(Vec::new());
    }
    let others: Vec<&Str> = stored.header().finalizers.iter().filter(|name| &***name != CLEANUP).collect();
    let is_last = others.is_empty();
    let patch = json!({"metadata": {"finalizers": others}});
    Box::pin(api.one(Write::merge(stored.key().clone(), patch).at(stored.revision()))).await?;
    if is_last { forget(api, name).await } else { Ok(Vec::new()) }
}

/// Deletes every object of a kind that is not being deleted already.
async fn delete_all(api: &LocalApi, kind: Kind) -> Result<()> {
    let select = Select::kind(kind);
    let mut page = api.list(&select, None, BATCH).await?;
    loop {
        let open = page.items.iter().filter(|object| !object.header().is_terminating());
        let mut options = DeleteOptions::default();
        options.propagation = Some(Propagation::Background);
        let delete = |object: &Object| {
            Write::new(object.key().clone(), Verb::Delete(options.clone())).of(object.uid())
        };
        for answer in Box::pin(api.write(open.map(delete).collect())).await {
            match answer {
                Err(error) if !error.is_not_found() && !error.is_conflict() => return Err(error),
                _ => {}
            }
        }
        match page.next {
            Some(next) => page = api.list(&select, Some(next), BATCH).await?,
            None => return Ok(()),
        }
    }
}
