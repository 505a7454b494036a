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
        let has_all = |before: &FieldSet| {
            before.is_empty() || managers.0.get(actor).is_some_and(|now| before.is_within(&now.fields))
        };
        let new = match before {
            // Who applies all that it did before, as nearly everybody does, takes nothing out.
            Some(before) if !has_all(&before.fields) => self.pruned(merged, &managers, &before.fields),
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

#[cfg(test)]
mod tests {
    use orch_core::{Registry, kind};
    use proptest::prelude::*;

    use super::super::tests::any_pod;
    use super::super::{Manager, Operation};
    use super::*;
    use crate::patch::typed::Shape;
    use crate::schema;

    proptest! {
        #[test]
        fn nothing_is_taken_out_of_what_is_applied_still(live in any_pod(), config in any_pod(), other in any_pod()) {
            let info = Registry::built_in().get(kind::PODS).unwrap();
            let shape = Shape::of(schema::lookup("", "v1", "Pod"));
            let rules = Rules { shape, api_version: "v1", kind: &info, ignored: FieldSet::default() };
            let set_of = |tree| field_set(tree, shape);
            let actor = Manager::new("me", Operation::Apply, "v1", "");
            let mut managers = Managers::default();
            managers.own(&actor, "v1", set_of(&config), None);
            managers.own(&Manager::new("other", Operation::Update, "v1", ""), "v1", set_of(&other), None);
            let merged = merge(&live, &config, shape).unwrap();
            let now = set_of(&config);
            for last in [now.clone(), now.intersection(&set_of(&other)), now.difference(&set_of(&live))] {
                prop_assert!(last.is_within(&now));
                prop_assert_eq!(&rules.pruned(merged.clone(), &managers, &last), &merged);
            }
        }
    }
}
