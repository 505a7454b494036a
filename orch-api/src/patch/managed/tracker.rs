//! Field management of one kind through one subresource: what writes go through (`managedfields/fieldmanager.go` and the
//! managers that it is wrapped in).

use std::sync::LazyLock;

use orch_core::{ConflictCause, Error, Key, KindInfo, PatchFault, Subresource};
use serde_json::Value;

use super::ownership::{Failure, Rules, Take, has_version};
use super::{Conflict, Manager, Managers, Operation, codec, last_applied, reset, zero};
use crate::patch::fields::FieldSet;
use crate::patch::typed::{Shape, check, is_deeper};
use crate::schema::MAX_DEPTH;
use crate::tree::Get;

/// The owner of what was there before anything was tracked.
const BEFORE_APPLY: &str = "before-first-apply";

/// Levels of an object whose fields are tracked: sets of fields are nested as deep as the object, and stand five levels deep
/// in it themselves. No kind comes near.
pub(super) const MAX_LEVELS: usize = MAX_DEPTH - 8;

/// The name of a manager that has none.
const UNKNOWN: &str = "unknown";

/// Tracks who manages the fields of a kind's objects.
///
/// ```
/// use orch_api::patch::{Managers, Shape, Tracker};
/// use orch_api::schema;
/// use orch_core::{Conflicts, Registry, Subresource, kind};
/// use serde_json::json;
/// let info = Registry::built_in().get(kind::CONFIG_MAPS).unwrap();
/// let shape = Shape::of(schema::lookup("", "v1", "ConfigMap"));
/// let tracker = Tracker::new(&info, shape, Subresource::None, "2026-01-01T00:00:00Z");
/// let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
/// let applied = tracker.apply(None, &config, Managers::default(), "me", Conflicts::Refuse).unwrap();
/// assert_eq!(applied.object.unwrap()["data"]["k"], "v");
/// assert_eq!(applied.managers.iter().next().unwrap().1.fields.paths(), [".data.k"]);
/// ```
#[derive(Clone, Debug)]
pub struct Tracker<'s> {
    kind: &'s KindInfo,
    pub(super) api_version: String,
    pub(super) shape: Shape<'s>,
    subresource: Subresource,
    pub(super) now: &'s str,
}

/// What an apply makes.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object; `None` when it is what it was.
    pub object: Option<Value>,
    /// Who owns what.
    pub managers: Managers,
}

impl<'s> Tracker<'s> {
    /// For writes at `now`, an RFC 3339 time in whole seconds.
    #[must_use]
    pub fn new(kind: &'s KindInfo, shape: Shape<'s>, subresource: Subresource, now: &'s str) -> Self {
        Self { kind, api_version: kind.api_version(), shape, subresource, now }
    }

    /// For writes in another version of the kind, with the shape that it has there.
    #[must_use]
    pub fn speaking(mut self, api_version: &str, shape: Shape<'s>) -> Self {
        if has_version(self.kind, api_version) {
            api_version.clone_into(&mut self.api_version);
            self.shape = shape;
        }
        self
    }

    fn rules(&self) -> Rules<'_> {
        Rules { shape: self.shape, api_version: &self.api_version, kind: self.kind, ignored: self.ignored() }
    }

    /// Fields that writes through this subresource do not change.
    pub(super) fn ignored(&self) -> FieldSet {
        reset::fields(self.kind, self.subresource)
    }

    pub(super) fn manager(&self, name: &str, operation: Operation) -> Manager {
        let name = if name.is_empty() { UNKNOWN } else { name };
        Manager::new(name, operation, &self.api_version, self.subresource.as_str())
    }

    /// The managers that a write that is no apply starts from instead of the stored ones: those that it gives, if it gives any
    /// (`decodeLiveOrNew`). A client that sends `[]` or `[{}]` wants them forgotten.
    #[must_use]
    pub fn given(&self, given: Option<&Value>) -> Option<Managers> {
        match given.filter(|_| self.subresource == Subresource::None)? {
            given if codec::is_reset(given) => Some(Managers::default()),
            given => Managers::decode(given).ok().filter(|managers| !managers.is_empty()),
        }
    }

    /// A create, an update or a patch that is no apply. `old` is `None` for a create. An object that nobody manages stays
    /// so until its first apply, unless it is created. What cannot be tracked is tracked no more: writes never fail here.
    #[must_use]
    pub fn update(&self, old: Option<&Value>, new: &Value, managers: Managers, manager: &str) -> Managers {
        if managers.is_empty() && old.is_some() {
            return managers;
        }
        let zero;
        let old = match old {
            Some(old) => old,
            None => {
                zero = zero::zero(&self.api_version, &self.kind.name, self.shape);
                &zero
            }
        };
        self.tracked(old, new, managers, manager).unwrap_or_default()
    }

    fn tracked(
        &self,
        old: &Value,
        new: &Value,
        managers: Managers,
        manager: &str,
    ) -> Result<Managers, Failure> {
        if is_deeper(new, MAX_LEVELS) {
            return Err(Failure::Unfit("nested too deeply".to_owned()));
        }
        // What the write itself changes, apart from what its manager had before.
        let current = Manager::new("current-operation", Operation::Update, "", "");
        let mut managers = self.rules().update(old, new, managers, &current)?;
        if let Some(mut changed) = managers.0.remove(&current) {
            let manager = self.manager(manager, Operation::Update);
            changed.fields.remove(&NEVER_OWNED);
            if !changed.fields.is_empty() {
                let mut fields = managers.0.remove(&manager).map(|owned| owned.fields).unwrap_or_default();
                fields.add(changed.fields);
                managers.own(&manager, &self.api_version, fields, Some(self.now.to_owned()));
            }
        }
        managers.cap();
        Ok(managers)
    }

    /// Applies a configuration. `live` is `None` when the object is absent.
    ///
    /// # Errors
    /// [`Error::Patch`] when the configuration is none of the kind or does not fit its type, [`Error::Conflict`] with
    /// [`ConflictCause::Fields`] when fields belong to others and are not to be taken.
    pub fn apply(
        &self,
        live: Option<&Value>,
        config: &Value,
        managers: Managers,
        manager: &str,
        conflicts: orch_core::Conflicts,
    ) -> Result<Applied, Error> {
        self.check(config)?;
        let empty = zero::zero(&self.api_version, &self.kind.name, self.shape);
        let mut managers = managers;
        if managers.is_empty()
            && let Some(live) = live
        {
            managers = self
                .tracked(&empty, live, managers, BEFORE_APPLY)
                .map_err(|failure| self.error(config, failure))?;
        }
        let live = live.unwrap_or(&empty);
        let take = match conflicts {
            orch_core::Conflicts::Refuse => Take::Refuse,
            orch_core::Conflicts::Force => Take::Force,
        };
        let (rules, actor) = (self.rules(), self.manager(manager, Operation::Apply));
        let mut applied = rules.apply(live, config, managers.clone(), &actor, take);
        if let (last_applied::KUBECTL, Err(Failure::Conflicts(found))) = (manager, &applied)
            && let Some(allowed) = rules.applied_by_client(live)
        {
            applied = match others(found, &allowed) {
                left if left.is_empty() => rules.apply(live, config, managers, &actor, Take::Force),
                left => Err(Failure::Conflicts(left)),
            };
        }
        let (mut object, mut managers) = applied.map_err(|failure| self.error(config, failure))?;
        if let Some(owned) = managers.0.remove(&actor) {
            let time = if object.is_some() { Some(self.now.to_owned()) } else { owned.time };
            managers.own(&actor, &self.api_version, owned.fields.difference(&NEVER_OWNED), time);
        }
        if manager == last_applied::KUBECTL {
            let mut renewed = object.clone().unwrap_or_else(|| live.clone());
            last_applied::renew(&mut renewed, config);
            object = if renewed == *live { object } else { Some(renewed) };
        }
        Ok(Applied { object, managers })
    }

    /// Whether a tree is a configuration of the kind.
    fn check(&self, config: &Value) -> Result<(), Error> {
        if is_deeper(config, MAX_LEVELS) {
            return Err(self.fault(config, PatchFault::Malformed, "nested too deeply"));
        }
        let (api_version, kind) = (config.text("apiVersion"), config.text("kind"));
        if api_version != self.api_version || kind != &*self.kind.name {
            let why = format!("invalid object type: {}", gvk(config));
            return Err(self.fault(config, PatchFault::Malformed, why));
        }
        if config.object_at("metadata").is_some_and(|metadata| metadata.at("managedFields").is_some()) {
            return Err(self.fault(config, PatchFault::Malformed, "metadata.managedFields must be nil"));
        }
        check(config, self.shape).map_err(|why| {
            let text = |field| config.object_at("metadata").map_or("", |metadata| metadata.text(field));
            let (namespace, name) = (text("namespace"), text("name"));
            let object = format!("{namespace}/{name}; {}", gvk(config));
            let why = format!("failed to create typed patch object ({object}): {why}");
            self.fault(config, PatchFault::Unfit, why)
        })
    }

    fn key(&self, config: &Value) -> Key {
        let text = |field| config.object_at("metadata").map_or("", |metadata| metadata.text(field));
        Key::new(self.kind.kind, text("namespace"), text("name"))
    }

    fn fault(&self, config: &Value, fault: PatchFault, why: impl Into<String>) -> Error {
        Error::Patch { key: self.key(config), fault, why: why.into() }
    }

    fn error(&self, config: &Value, failure: Failure) -> Error {
        match failure {
            Failure::Unfit(why) => self.fault(config, PatchFault::Unfit, why),
            Failure::Conflicts(conflicts) => Error::Conflict {
                key: self.key(config),
                cause: ConflictCause::Fields(conflicts.iter().flat_map(Conflict::causes).collect()),
            },
        }
    }
}

/// Version and kind of a tree as Go prints them: `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`.
fn gvk(tree: &Value) -> String {
    let api_version = tree.text("apiVersion");
    let core = if api_version.contains('/') { "" } else { "/" };
    format!("{core}{api_version}, Kind={}", tree.text("kind"))
}

/// The conflicts that are left when some fields are none.
fn others(conflicts: &[Conflict], allowed: &FieldSet) -> Vec<Conflict> {
    let left = conflicts.iter().map(|conflict| Conflict {
        manager: conflict.manager.clone(),
        fields: conflict.fields.difference(allowed),
    });
    left.filter(|conflict| !conflict.fields.is_empty()).collect()
}

/// Fields that are the server's or name the object (`managedfields/internal/stripmeta.go`).
pub(super) static NEVER_OWNED: LazyLock<FieldSet> = LazyLock::new(|| {
    const METADATA: [&str; 9] = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    let mut all = FieldSet::default();
    ["apiVersion", "kind", "metadata"].iter().for_each(|name| all.add(FieldSet::field(&[name])));
    METADATA.iter().for_each(|name| all.add(FieldSet::field(&["metadata", name])));
    all
});
