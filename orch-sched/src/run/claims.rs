//! Carries out what the claims of a pod need: a node for a volume that is to be made, or a volume that is there.
//!
//! As `pkg/scheduler/framework/plugins/volumebinding/binder.go`; a provisioner and the volume controller do the rest.
//! Invariant: a volume that has a claim is never given to another.

use orch_core::scheduler::ClaimStep;
use orch_core::{Api, ApiExt, ConflictCause, Error, Key, Result, Str, Write};
use serde_json::{Value, json};

/// Has a volume made on that node.
pub(super) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The write of a step; a volume is read first, so that it is bound at the revision at which it is free. `None` when it is
/// done already.
pub(super) async fn write(api: &dyn Api, node: &str, step: &ClaimStep) -> Result<Option<Write>> {
    match step {
        ClaimStep::Provision { claim, uid } => {
            let patch = json!({"metadata": {"annotations": {SELECTED_NODE: node}}});
            Ok(Some(Write::merge(claim.clone(), patch).of(uid)))
        }
        ClaimStep::Bind { claim, uid, volume } => bind(api, claim, uid, volume).await,
        _ => Ok(None),
    }
}

async fn bind(api: &dyn Api, claim: &Key, uid: &Str, volume: &Key) -> Result<Option<Write>> {
    let live = api.read(volume).await?;
    let tree = live.tree();
    let before = &tree["spec"]["claimRef"];
    let is = |field: &str, value: &str| before[field] == value;
    let mut patch = json!({"spec": {"claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": &*claim.namespace, "name": &*claim.name, "uid": &**uid}}});
    if before.is_object() {
        if is("uid", uid) {
            return Ok(None);
        }
        let open = matches!(&before["uid"], Value::Null) || is("uid", "");
        if !(open && is("namespace", &claim.namespace) && is("name", &claim.name)) {
            let cause = ConflictCause::State("the volume has another claim".to_owned());
            return Err(Error::Conflict { key: volume.clone(), cause });
        }
    } else {
        patch["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"] = json!("yes");
    }
    Ok(Some(Write::merge(volume.clone(), patch).at(live.revision())))
}
