//! Applying a configuration: merge, take out what the manager no longer wants, transfer ownership
//! (`structured-merge-diff/merge/update.go`, `Apply` and `prune`).

use serde_json::Value;

use super::ownership::{Failure, Rules, Take};
use super::{Manager, Managers};
use crate::patch::fields::{FieldSet, same};
use crate::patch::typed::{field_set, merge, remove, with_named};

impl Rules<'_> {
    /// The object with the configuration, `None` when it is the same, and who owns what then.
    pub(super) fn apply(
        &self,
        live: &Value,
        config: &Value,
        managers: Managers,
        actor: &Manager,
        take: Take,
    ) -> Result<(Option<Value>, Managers), Failure> {
        let mut managers = self.reconciled(managers);
        let failed = |why| Failure::Unfit(format!("failed to merge config: {why}"));
        let merged = merge(live, config, self.shape).map_err(failed)?;
        let before = managers.0.remove(actor);
        let time = before.as_ref().and_then(|owned| owned.time.clone());
        let fields = field_set(config, self.shape).without_under(&self.ignored);
        managers.own(actor, self.api_version, fields, time);
        let new = match before {
            Some(before) if !before.fields.is_empty() => self.pruned(merged, &managers, &before.fields),
            _ => merged,
        };
        self.transfer(live, &new, &mut managers, actor, take)?;
        Ok(((!same(live, &new)).then_some(new), managers))
    }

    /// Takes out what the manager applied last time and not this time, unless somebody else owns it.
    fn pruned(&self, merged: Value, managers: &Managers, before: &FieldSet) -> Value {
        let named = |set: &FieldSet| with_named(set, Some(self.shape));
        let set_of = |value: &Value| named(&field_set(value, self.shape));
        let last = named(before);
        let pruned = remove(&merged, &last, self.shape);
        let all = set_of(&merged);
        // What somebody owns comes back.
        let mut owned = FieldSet::default();
        managers.iter().for_each(|(_, theirs)| owned.add(theirs.fields.clone()));
        let kept = set_of(&pruned).union(&named(&owned));
        let pruned = remove(&merged, &all.difference(&kept), self.shape);
        // So does what hung on a removed field and was never this manager's.
        let gone = all.difference(&set_of(&pruned)).intersection(&last);
        let new = remove(&merged, &gone, self.shape);
        if new.is_null() { merged } else { new }
    }
}
