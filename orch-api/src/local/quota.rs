//! Resource quotas at admission: every write of a namespace that has some is charged before it is done
//! (`apiserver/pkg/admission/plugin/resourcequota`). What is counted is [`crate::quota`]'s.
//!
//! Unless somebody else counts, the status of a quota follows the writes. Invariant: without quotas a write costs one look at a flag.

use orch_core::{
    ApiExt, DryRun, Error, Key, Live, Object, Result, Select, Str, Subresource, Verb, Write, kind,
};
use serde_json::{Value, json};

use super::LocalApi;
use super::batch::Commit;
use crate::quota::{Account, Act, Charge, Counting};

/// Tries to count a namespace whose writes go on meanwhile.
const TRIES: u32 = 8;

/// Charges a write.
///
/// # Errors
/// `Forbidden` when it is too much; what the store says.
pub(super) async fn charge(api: &LocalApi, write: &Write, commit: &Commit) -> Result<Option<Charge>> {
    let quotas = &api.shared.quotas;
    let (key, namespace) = (commit.answer.key(), &commit.answer.key().namespace);
    if !quotas.is_used() || namespace.is_empty() {
        return Ok(None);
    }
    if !counts(commit) {
        return Ok(None);
    }
    let is_judged = matches!(write.verb, Verb::Create(_) | Verb::Update(_) | Verb::Patch(_))
        && matches!(write.subresource, Subresource::None | Subresource::Resize)
        && !commit.is_removal;
    for _ in 0..TRIES {
        if let Some(epoch) = quotas.unopened(namespace) {
            let accounts = count(api, namespace).await?;
            quotas.open(namespace, epoch, accounts);
        }
        if let Some(charge) = quotas.free(namespace) {
            return Ok(Some(charge));
        }
        let (old, new) = (commit.old.as_ref().map(Live::tree), commit.answer.tree());
        let new = (!commit.is_removal).then_some(&*new);
        let act = Act { kind: key.kind, old: old.as_deref(), new, is_judged };
        let refused = |why| Error::Forbidden { key: key.clone(), why };
        if let Some(answer) = quotas.charge(namespace, &act, write.options.dry_run == DryRun::All) {
            return answer.map(Some).map_err(refused);
        }
    }
    Err(Error::TooManyRequests {
        subject: key.to_string(),
        why: "the quotas of the namespace are being counted; try again".to_owned(),
        retry_after: None,
    })
}

/// Whether a write may change what is used: objects come and go, and of some kinds they change in size.
pub(super) fn counts(commit: &Commit) -> bool {
    let measured = [kind::PODS, kind::SERVICES, kind::PERSISTENT_VOLUME_CLAIMS];
    commit.old.is_none() || commit.is_removal || measured.contains(&commit.answer.key().kind)
}

/// Counts what a namespace with quotas has. Of one without, nothing is read.
async fn count(api: &LocalApi, namespace: &Str) -> Result<Vec<Account>> {
    let store = &api.shared.store;
    let select = Select::kind(kind::RESOURCE_QUOTAS).namespace(namespace.clone());
    let quotas = store.list(&select, None, 0).await?.items;
    let counting = api.shared.quotas.counting();
    let account = |quota: &Object| Account::new(quota.key().clone(), &quota.body_tree(), counting);
    let mut accounts: Vec<Account> = quotas.iter().map(account).collect();
    if accounts.is_empty() || counting == Counting::Elsewhere {
        return Ok(accounts);
    }
    for object in store.list(&Select::default().namespace(namespace.clone()), None, 0).await?.items {
        let tree = object.body_tree();
        accounts.iter_mut().for_each(|account| account.count(object.key().kind, &tree));
    }
    Ok(accounts)
}

/// The namespace whose quotas may have something to tell after a write.
pub(super) fn concerned(api: &LocalApi, key: &Key) -> Option<Str> {
    let is_concerned = api.shared.quotas.is_used() || key.kind == kind::RESOURCE_QUOTAS;
    (is_concerned && !key.namespace.is_empty()).then(|| key.namespace.clone())
}

/// What a write does to its object, as far as quotas ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) is_removal: bool,
    pub(super) is_counted: bool,
}

/// What became of a write.
pub(super) fn conclude(
    api: &LocalApi,
    key: &Key,
    charge: Option<&Charge>,
    result: &Result<Live>,
    fate: Fate,
) {
    let quotas = &api.shared.quotas;
    let is_quota = key.kind == kind::RESOURCE_QUOTAS;
    if is_quota && result.is_ok() {
        quotas.begin();
    }
    if !quotas.is_used() || key.namespace.is_empty() {
        return;
    }
    match (charge, result) {
        (Some(charge), Ok(_)) => quotas.keep(charge),
        (Some(_), Err(Error::OutcomeUnknown { .. } | Error::Internal { .. })) => quotas.close(&key.namespace),
        (Some(charge), Err(_)) => quotas.release(charge),
        // It began when there were no quotas, and who counted since may have seen it or not.
        (None, _) if fate.is_counted => quotas.close(&key.namespace),
        (None, _) => {}
    }
    // One whose bounds change is counted anew; one whose status is told, is not.
    let is_known = |quota: &Live| !fate.is_removal && quotas.knows(&key.namespace, quota);
    if is_quota && result.as_ref().is_ok_and(|quota| !is_known(quota)) {
        quotas.close(&key.namespace);
    }
}

/// Writes down what is used, where that is not known yet. Who wrote does not hear of it when that fails: it is told with the
/// next write.
pub(super) async fn tell(api: &LocalApi, namespace: &Str) {
    let quotas = &api.shared.quotas;
    if let Some(epoch) = quotas.unopened(namespace) {
        match count(api, namespace).await {
            Ok(accounts) => quotas.open(namespace, epoch, accounts),
            Err(error) => return tracing::warn!(%error, %namespace, "a namespace could not be counted"),
        }
    }
    for (key, status) in quotas.untold(namespace) {
        let tree: Value =
            json!({"metadata": {"name": &*key.name, "namespace": &*key.namespace}, "status": status});
        let write = Write::update(key, tree).to(Subresource::Status);
        match api.one(write).await {
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(%error, %namespace, "the use of a quota could not be told"),
        }
    }
}

/// Whether there are quotas from the start.
pub(super) async fn begin(api: &LocalApi) -> Result<()> {
    let page = api.shared.store.list(&Select::kind(kind::RESOURCE_QUOTAS), None, 1).await?;
    if !page.items.is_empty() {
        api.shared.quotas.begin();
    }
    Ok(())
}
