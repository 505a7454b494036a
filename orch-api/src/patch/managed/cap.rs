//! Updaters are bounded: beyond [`MAX_UPDATERS`] the oldest become one (`managedfields/internal/capmanagers.go`).

use std::collections::BTreeMap;

use super::{Manager, Managers, Operation, codec};

/// Updaters kept at most (`DefaultMaxUpdateManagers`).
const MAX_UPDATERS: usize = 10;

const ANCIENT: &str = "ancient-changes";

impl Managers {
    /// Merges the oldest updaters of a version until few enough are left.
    pub(super) fn cap(&mut self) {
        let mut updaters: Vec<Manager> =
            self.0.keys().filter(|manager| manager.operation == Operation::Update).cloned().collect();
        let mut count = updaters.len();
        if count <= MAX_UPDATERS {
            return;
        }
        updaters.sort_by_cached_key(|manager| {
            let time = self.0.get(manager).and_then(|owned| owned.time.as_deref());
            (codec::seconds(time), manager.clone())
        });
        let mut first: BTreeMap<String, Manager> = BTreeMap::new();
        for manager in updaters {
            if count <= MAX_UPDATERS {
                return;
            }
            let Some(version) = self.0.get(&manager).map(|owned| owned.api_version.clone()) else { continue };
            let Some(first) = first.get(&version) else {
                first.insert(version, manager);
                continue;
            };
            let bucket = Manager::new(ANCIENT, Operation::Update, &version, "");
            if !self.0.contains_key(&bucket)
                && let Some(owned) = self.0.remove(first)
            {
                self.0.insert(bucket.clone(), owned);
            }
            if manager == bucket {
                continue;
            }
            if let Some(owned) = self.0.remove(&manager)
                && let Some(all) = self.0.get_mut(&bucket)
            {
                all.fields.add(owned.fields);
                // It is the newer one.
                all.time = owned.time;
                count -= 1;
            }
        }
    }
}
