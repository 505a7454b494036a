//! What the namespaces use of their quotas: counters that writes move, so that no write looks at the objects that are there
//! (`apiserver/pkg/admission/plugin/resourcequota/controller.go`).
//!
//! A namespace's counters are opened by counting once, and again when a quota changes or the outcome of a write is not
//! known; until then every write that is concluded moves them. In memory, as addresses are: one Api writes the store. Not
//! bounded by time: a pod that should be gone counts until it is. Invariant: with open counters, what is used and what is on
//! its way is never more than what the quotas allowed when it was charged.

mod scope;
mod usage;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use orch_core::{Key, Kind, Object, Quantity, Str, kind};
use serde_json::{Value, json};

use self::scope::{Scope, scopes};
pub(crate) use self::usage::{Usage, usage};
use crate::amounts;
use crate::tree::Get;

/// What a write does, as quotas see it.
pub(crate) struct Act<'a> {
    pub(crate) kind: Kind,
    /// The object before, unless it is created.
    pub(crate) old: Option<&'a Value>,
    /// The object after, unless it is gone.
    pub(crate) new: Option<&'a Value>,
    /// Whether it is refused when it is too much; what a node reports is counted only.
    pub(crate) is_judged: bool,
}

/// Who counts what is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Counting {
    /// This Api: the status of a quota follows.
    #[default]
    Own,
    /// Somebody else, who writes the status of quotas: it says what there is, and what is charged is added to it.
    Elsewhere,
}

/// One quota.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) key: Key,
    hard: Usage,
    scopes: Vec<Scope>,
    used: Usage,
    /// Whether its status says less than is known.
    is_dirty: bool,
    counting: Counting,
}

impl Account {
    /// The account of a stored quota: empty, unless somebody else counts.
    pub(crate) fn new(key: Key, quota: &Value, counting: Counting) -> Self {
        let (spec, status) = (quota.at("spec"), quota.at("status"));
        let map = |of: Option<&Value>, field: &str| -> Usage {
            let amounts = amounts::of(of.and_then(|of| of.at(field)));
            amounts.into_iter().map(|(name, amount)| (name.to_owned(), amount)).collect()
        };
        let scopes = spec.map(scopes).unwrap_or_default();
        let (hard, used) = match counting {
            Counting::Elsewhere => (map(status, "hard"), map(status, "used")),
            Counting::Own => {
                let hard = map(spec, "hard");
                let used = hard.keys().map(|name| (name.clone(), Quantity::ZERO)).collect();
                (hard, used)
            }
        };
        Self { key, hard, scopes, used, is_dirty: counting == Counting::Own, counting }
    }

    /// Counts an object that is there.
    pub(crate) fn count(&mut self, kind: Kind, object: &Value) {
        let taken = self.taken(kind, object);
        add(&mut self.used, &taken);
    }

    /// What an object takes of this quota.
    fn taken(&self, kind: Kind, object: &Value) -> Usage {
        if !self.scopes.iter().all(|scope| scope.holds(kind, object)) {
            return Usage::new();
        }
        let mut taken = usage(kind, object);
        taken.retain(|name, amount| self.hard.contains_key(name) && !amount.is_zero());
        taken
    }

    /// What a write adds, and what it takes away.
    fn change(&self, act: &Act<'_>) -> (Usage, Usage) {
        let of =
            |object: Option<&Value>| object.map(|object| self.taken(act.kind, object)).unwrap_or_default();
        let (old, new) = (of(act.old), of(act.new));
        let more = |one: &Usage, other: &Usage| -> Usage {
            let difference = |(name, amount): (&String, &Quantity)| {
                let rest = amount.sub_to_zero(other.get(name).copied().unwrap_or_default());
                (!rest.is_zero()).then(|| (name.clone(), rest))
            };
            one.iter().filter_map(difference).collect()
        };
        let taken = if self.counting == Counting::Own { more(&old, &new) } else { Usage::new() };
        (more(&new, &old), taken)
    }

    /// Why the quota does not allow it.
    fn judge(&self, act: &Act<'_>, added: &Usage) -> Option<String> {
        let name = &self.key.name;
        let new = act.new?;
        let is_about = self.scopes.iter().all(|scope| scope.holds(act.kind, new));
        if act.kind == kind::PODS
            && is_about
            && let Some(words) = usage::missing(new, |resource| self.hard.contains_key(resource))
        {
            return Some(format!("failed quota: {name}: must specify {words}"));
        }
        let unknown: Vec<&str> =
            added.keys().filter(|name| !self.used.contains_key(*name)).map(String::as_str).collect();
        if !unknown.is_empty() {
            let names = unknown.join(",");
            return Some(format!("status unknown for quota: {name}, resources: {names}"));
        }
        let is_over = |resource: &&String| {
            let after = self.used.get(*resource).copied().unwrap_or_default() + added[*resource];
            after > self.hard.get(*resource).copied().unwrap_or_default()
        };
        let over: Vec<&String> = added.keys().filter(is_over).collect();
        if over.is_empty() {
            return None;
        }
        let shown = |all: &Usage| -> String {
            let word = |name: &&String| format!("{name}={}", all.get(*name).copied().unwrap_or_default());
            over.iter().map(word).collect::<Vec<_>>().join(",")
        };
        Some(format!(
            "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
            shown(added),
            shown(&self.used),
            shown(&self.hard)
        ))
    }

    /// Its status.
    fn status(&self) -> Value {
        let map = |all: &Usage| -> Value {
            all.iter().map(|(name, amount)| (name.clone(), Value::from(amount.to_string()))).collect()
        };
        json!({"hard": map(&self.hard), "used": map(&self.used)})
    }
}

fn add(used: &mut Usage, more: &Usage) {
    for (name, amount) in more {
        if let Some(used) = used.get_mut(name) {
            // The notation of what is counted, as Go's `Add` onto zero.
            *used = if used.is_zero() { *amount } else { *used + *amount };
        }
    }
}

fn take(used: &mut Usage, less: &Usage) {
    for (name, amount) in less {
        if let Some(used) = used.get_mut(name) {
            *used = used.sub_to_zero(*amount);
        }
    }
}

/// What a write has taken before it is done.
#[derive(Debug)]
pub(crate) struct Charge {
    namespace: Str,
    epoch: u64,
    /// By account: what was added, and what is taken away when it is done.
    changes: Vec<(usize, Usage, Usage)>,
}

#[derive(Debug, Default)]
struct Namespace {
    /// Counts what makes counters wrong.
    epoch: u64,
    accounts: Option<Vec<Account>>,
}

/// The counters of all namespaces.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    counting: Counting,
    /// Whether there ever was a quota: without, a write costs nothing here.
    is_used: AtomicBool,
    namespaces: Mutex<BTreeMap<Str, Namespace>>,
}

impl Quotas {
    pub(crate) fn new(counting: Counting) -> Self {
        Self { counting, ..Self::default() }
    }

    pub(crate) fn counting(&self) -> Counting {
        self.counting
    }

    pub(crate) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Acquire)
    }

    /// From now on there are quotas.
    pub(crate) fn begin(&self) {
        self.is_used.store(true, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Str, Namespace>> {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The epoch of a namespace whose counters must be opened; `None` when they are.
    pub(crate) fn unopened(&self, namespace: &Str) -> Option<u64> {
        let mut all = self.lock();
        let entry = all.entry(namespace.clone()).or_default();
        entry.accounts.is_none().then_some(entry.epoch)
    }

    /// Opens counters that were counted in that epoch, unless it is over.
    pub(crate) fn open(&self, namespace: &Str, epoch: u64, accounts: Vec<Account>) {
        let mut all = self.lock();
        let entry = all.entry(namespace.clone()).or_default();
        if entry.epoch == epoch && entry.accounts.is_none() {
            entry.accounts = Some(accounts);
        }
    }

    /// The counters of a namespace are wrong.
    pub(crate) fn close(&self, namespace: &Str) {
        let mut all = self.lock();
        let entry = all.entry(namespace.clone()).or_default();
        entry.epoch += 1;
        entry.accounts = None;
    }

    /// Whether the counters of a namespace are those of that quota as it is: only its status changed.
    pub(crate) fn knows(&self, namespace: &Str, quota: &Object) -> bool {
        let all = self.lock();
        let accounts = all.get(namespace).and_then(|entry| entry.accounts.as_ref());
        let known = Account::new(quota.key().clone(), &quota.body_tree(), self.counting);
        let is_it = |account: &Account| {
            let is_used = self.counting == Counting::Own || account.used == known.used;
            account.key == known.key
                && account.hard == known.hard
                && account.scopes == known.scopes
                && is_used
        };
        accounts.is_some_and(|accounts| accounts.iter().any(is_it))
    }

    /// The charge of a write in a namespace that is known to have no quotas: nothing, and nothing need be read for it.
    pub(crate) fn free(&self, namespace: &Str) -> Option<Charge> {
        let all = self.lock();
        let entry = all.get(namespace)?;
        let is_free = entry.accounts.as_ref().is_some_and(Vec::is_empty);
        is_free.then(|| Charge { namespace: namespace.clone(), epoch: entry.epoch, changes: Vec::new() })
    }

    /// Charges a write; `None` when the counters are not open.
    ///
    /// # Errors
    /// Why a quota does not allow it.
    pub(crate) fn charge(
        &self,
        namespace: &Str,
        act: &Act<'_>,
        is_tried: bool,
    ) -> Option<Result<Charge, String>> {
        let mut all = self.lock();
        let entry = all.get_mut(namespace)?;
        let epoch = entry.epoch;
        let accounts = entry.accounts.as_mut()?;
        let mut changes = Vec::new();
        for (at, account) in accounts.iter().enumerate() {
            let (added, taken) = account.change(act);
            if act.is_judged
                && (!added.is_empty() || act.old.is_none())
                && let Some(why) = account.judge(act, &added)
            {
                return Some(Err(why));
            }
            if !added.is_empty() || !taken.is_empty() {
                changes.push((at, added, taken));
            }
        }
        if !is_tried {
            for (at, added, _) in &changes {
                let account = &mut accounts[*at];
                add(&mut account.used, added);
                account.is_dirty |= !added.is_empty();
            }
        }
        Some(Ok(Charge { namespace: namespace.clone(), epoch, changes }))
    }

    /// The write was done.
    pub(crate) fn keep(&self, charge: &Charge) {
        self.settle(charge, |account, _, taken| {
            take(&mut account.used, taken);
            account.is_dirty |= !taken.is_empty();
        });
    }

    /// The write was not done.
    pub(crate) fn release(&self, charge: &Charge) {
        self.settle(charge, |account, added, _| {
            take(&mut account.used, added);
            account.is_dirty |= !added.is_empty();
        });
    }

    /// Moves the counters; those that were opened since may have seen the write or not.
    fn settle(&self, charge: &Charge, step: impl Fn(&mut Account, &Usage, &Usage)) {
        let mut all = self.lock();
        let Some(entry) = all.get_mut(&charge.namespace) else { return };
        match &mut entry.accounts {
            Some(accounts) if entry.epoch == charge.epoch => {
                for (at, added, taken) in &charge.changes {
                    if let Some(account) = accounts.get_mut(*at) {
                        step(account, added, taken);
                    }
                }
            }
            accounts => {
                *accounts = None;
                entry.epoch += 1;
            }
        }
    }

    /// The statuses of quotas that say less than is known; they count as told.
    pub(crate) fn untold(&self, namespace: &Str) -> Vec<(Key, Value)> {
        let mut all = self.lock();
        let accounts = all.get_mut(namespace).and_then(|entry| entry.accounts.as_mut());
        let tell = |account: &mut Account| {
            let is_dirty = std::mem::take(&mut account.is_dirty);
            is_dirty.then(|| (account.key.clone(), account.status()))
        };
        accounts.into_iter().flatten().filter_map(tell).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMESPACE: &str = "shop";

    fn opened(hard: &Value) -> Quotas {
        let (quotas, namespace) = (Quotas::default(), Str::from(NAMESPACE));
        let epoch = quotas.unopened(&namespace).unwrap();
        let key = Key::new(kind::RESOURCE_QUOTAS, NAMESPACE, "q");
        quotas.open(
            &namespace,
            epoch,
            vec![Account::new(key, &json!({"spec": {"hard": hard}}), Counting::Own)],
        );
        quotas
    }

    fn create(quotas: &Quotas, kind: Kind, object: &Value) -> Result<Charge, String> {
        let act = Act { kind, old: None, new: Some(object), is_judged: true };
        quotas.charge(&NAMESPACE.into(), &act, false).expect("it is open")
    }

    fn used(quotas: &Quotas) -> Value {
        let all = quotas.lock();
        all[NAMESPACE].accounts.as_ref().unwrap()[0].status()["used"].clone()
    }

    #[test]
    fn what_is_too_much_is_refused_in_kubernetes_words() {
        let quotas = opened(&json!({"configmaps": "1", "count/secrets": "5"}));
        create(&quotas, kind::CONFIG_MAPS, &json!({})).unwrap();
        assert_eq!(
            create(&quotas, kind::CONFIG_MAPS, &json!({})).unwrap_err(),
            "exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: configmaps=1"
        );
        create(&quotas, kind::SECRETS, &json!({})).unwrap();
        assert_eq!(used(&quotas), json!({"configmaps": "1", "count/secrets": "1"}));
        let quotas = opened(&json!({"requests.cpu": "1"}));
        let pod = json!({"spec": {"containers": [{"name": "c"}]}});
        let why = create(&quotas, kind::PODS, &pod).unwrap_err();
        assert_eq!(why, "failed quota: q: must specify requests.cpu for: c");
    }

    #[test]
    fn what_was_not_done_is_given_back_and_what_is_gone_too() {
        let quotas = opened(&json!({"configmaps": "2"}));
        let (one, two) =
            (create(&quotas, kind::CONFIG_MAPS, &json!({})), create(&quotas, kind::CONFIG_MAPS, &json!({})));
        quotas.keep(&one.unwrap());
        quotas.release(&two.unwrap());
        assert_eq!(used(&quotas), json!({"configmaps": "1"}));
        let gone = json!({});
        let act = Act { kind: kind::CONFIG_MAPS, old: Some(&gone), new: None, is_judged: false };
        let charge = quotas.charge(&NAMESPACE.into(), &act, false).unwrap().unwrap();
        assert_eq!(used(&quotas), json!({"configmaps": "1"}), "it may still fail");
        quotas.keep(&charge);
        assert_eq!(used(&quotas), json!({"configmaps": "0"}));
    }

    #[test]
    fn counters_of_another_epoch_are_counted_again() {
        let quotas = opened(&json!({"configmaps": "2"}));
        let charge = create(&quotas, kind::CONFIG_MAPS, &json!({})).unwrap();
        let namespace = Str::from(NAMESPACE);
        quotas.close(&namespace);
        let epoch = quotas.unopened(&namespace).unwrap();
        quotas.open(&namespace, epoch, Vec::new());
        assert!(quotas.unopened(&namespace).is_none());
        quotas.keep(&charge);
        assert!(quotas.unopened(&namespace).is_some(), "who counted may have seen it or not");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn counters_say_what_counting_would(steps in prop::collection::vec((0..4u8, any::<bool>()), 0..40)) {
            let quotas = opened(&json!({"pods": "3", "requests.cpu": "2"}));
            let pod = |cpu: u8| json!({"spec": {"containers": [
                {"name": "c", "resources": {"requests": {"cpu": format!("{cpu}")}}}]}});
            let mut there: Vec<Value> = Vec::new();
            for (what, is_done) in steps {
                let (old, new) = match (what, there.last().cloned()) {
                    (0, Some(last)) => (Some(last), None),
                    (1, Some(last)) => {
                        let mut ended = last.clone();
                        ended["status"] = json!({"phase": "Succeeded"});
                        (Some(last), Some(ended))
                    }
                    (cpu, _) => (None, Some(pod(cpu % 2 + 1))),
                };
                let is_judged = old.is_none();
                let act = Act { kind: kind::PODS, old: old.as_ref(), new: new.as_ref(), is_judged };
                let Ok(charge) = quotas.charge(&NAMESPACE.into(), &act, false).unwrap() else { continue };
                if is_done {
                    quotas.keep(&charge);
                    if old.is_some() {
                        there.pop();
                    }
                    there.extend(new);
                } else {
                    quotas.release(&charge);
                }
                let mut counted = Usage::new();
                for pod in &there {
                    for (name, amount) in usage(kind::PODS, pod) {
                        *counted.entry(name).or_default() += amount;
                    }
                }
                let all = quotas.lock();
                for (name, used) in &all[NAMESPACE].accounts.as_ref().unwrap()[0].used {
                    prop_assert_eq!(*used, counted.get(name).copied().unwrap_or_default(), "{}", name);
                    prop_assert!(*used <= "3".parse().unwrap());
                }
            }
        }
    }
}
