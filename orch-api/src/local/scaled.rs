//! Writes of a Scale: who manages the count, and applies of it
//! (`pkg/registry/apps/deployment/storage/storage.go`, `apiextensions-apiserver/pkg/registry/customresource/etcd.go`).
//!
//! Not the count itself: `change` and `custom` write it into the object.

use orch_core::{Conflicts, Error, Fault, FaultKind, Key, Kind, KindInfo, Live, Result, Scope, Subresource};
use serde_json::Value;

use super::batch::Of;
use super::metadata;
use super::patched::Patched;
use crate::custom::CustomKind;
use crate::patch::{Counts, FieldSet, Managers, Shape, Tracker};
use crate::scale::scale;
use crate::schema;
use crate::tree::Get;

/// What a Scale is called in errors.
pub(crate) fn scale_kind() -> Kind {
    Kind::named("autoscaling", "scales")
}

impl Of<'_> {
    /// An object as its Scale.
    pub(super) fn scale_of(&self, tree: &Value) -> Value {
        self.scale_paths(tree).map_or_else(|| scale(tree), |paths| paths.scale(tree))
    }

    /// Checks a Scale that a client sent or that its patch made (`ValidateScale`). That of a custom kind is judged as its object.
    ///
    /// # Errors
    /// It is another's, or its count is none.
    pub(super) fn check_scale(&self, scale: &Value) -> Result<()> {
        self.same_name(scale)?;
        let replicas = scale.object_at("spec").and_then(|spec| spec.number("replicas")).unwrap_or(0);
        if replicas >= 0 || CustomKind::of(&self.info).is_some() {
            return Ok(());
        }
        let why = "must be greater than or equal to 0";
        let fault = Fault::new(FaultKind::Invalid, "spec.replicas", why).value(replicas);
        let key = Key { kind: scale_kind(), ..self.key() };
        Err(Error::Invalid { key, faults: vec![fault] })
    }

    fn with_scale_tracker<R>(&self, run: impl FnOnce(&Tracker<'_>) -> R) -> R {
        let info = KindInfo::new(scale_kind(), "v1", "Scale", Scope::Namespaced);
        let shape = Shape::of(schema::lookup("autoscaling", "v1", "Scale"));
        let now = metadata::seconds(self.api.shared.env.now());
        run(&Tracker::new(&info, shape, Subresource::Scale, &now))
    }

    /// Where the count stands in each version of the kind, and the version of the write.
    fn counts(&self) -> (Counts, String) {
        let Some(custom) = CustomKind::of(&self.info) else {
            let api_version = self.info.api_version();
            let count = FieldSet::field(&["spec", "replicas"]);
            return (Counts::from([(api_version.clone(), Some(count))]), api_version);
        };
        let spoken = custom.spoken(self.write.options.api_version.as_deref().unwrap_or_default());
        (custom.counts(), custom.api_version(spoken))
    }

    /// The managers of an object after a write of its Scale that is no apply.
    pub(super) fn scale_tracked(
        &self,
        managers: Managers,
        old: &Value,
        new: &Value,
        manager: &str,
    ) -> Managers {
        let (counts, api_version) = self.counts();
        let (old, new) = (self.scale_of(old), self.scale_of(new));
        let scale = self.with_scale_tracker(|tracker| {
            tracker.update(Some(&old), &new, managers.of_scale(&counts), manager)
        });
        managers.with_scale(scale, &counts, &api_version)
    }

    /// A Scale after an apply, and who manages the object then.
    ///
    /// # Errors
    /// As of any apply.
    pub(super) fn scale_applied(
        &self,
        stored: &Live,
        live: &Value,
        config: &Value,
        manager: &str,
        conflicts: Conflicts,
    ) -> Result<Patched> {
        let (counts, api_version) = self.counts();
        let managers = self.managers(stored)?;
        let applied = self.with_scale_tracker(|tracker| {
            tracker.apply(Some(live), config, managers.of_scale(&counts), manager, conflicts)
        })?;
        Ok(Patched {
            tree: applied.object.unwrap_or_else(|| live.clone()),
            managers: Some(managers.with_scale(applied.managers, &counts, &api_version)),
        })
    }
}
