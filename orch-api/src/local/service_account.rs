//! Pods act as a service account (`plugin/pkg/admission/serviceaccount/admission.go`).
//!
//! Only where it is asked for: somebody must make the account `default` of each namespace, and nodes must mount tokens. Not the
//! list of secrets that an account may mount, which is deprecated. Invariant: a pod names an account that is there.

use std::sync::Arc;

use orch_core::{Env, Key, Result, kind};
use serde_json::{Value, json};

use super::batch::Of;
use super::facts::Facts;
use crate::tree::{Get, Set, Tree};

const DEFAULT: &str = "default";
const AUTOMOUNT: &str = "automountServiceAccountToken";
const PULL_SECRETS: &str = "imagePullSecrets";
const MIRROR: &str = "kubernetes.io/config.mirror";
/// Where containers find their token.
pub(super) const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How names of volumes with tokens begin.
const VOLUME: &str = "kube-api-access-";
/// Seconds that a token is good for: an hour, and a little for those who do not read it again.
const TOKEN_SECS: i64 = 3607;

impl Of<'_> {
    /// Before a pod is created.
    pub(super) async fn account(&self, tree: &mut Tree, facts: &mut Facts<'_>) -> Result<()> {
        let annotations = tree.object_at("metadata").and_then(|metadata| metadata.object_at("annotations"));
        let is_mirror = annotations.is_some_and(|all| all.contains_key(MIRROR));
        let spec = tree.make("spec");
        if is_mirror {
            if spec.is_unset("serviceAccountName") {
                return Ok(());
            }
            return Err(self.forbidden("a mirror pod may not reference service accounts"));
        }
        spec.default_text("serviceAccountName", DEFAULT);
        let name = spec.text("serviceAccountName").to_owned();
        spec.put("serviceAccount", name.as_str());
        let namespace = &self.write.key.namespace;
        let key = Key::new(kind::SERVICE_ACCOUNTS, namespace.clone(), name.as_str());
        let account = facts.find(&key).await?.ok_or_else(|| {
            let why = format!("serviceaccount \"{name}\" not found");
            self.forbidden(format!("error looking up service account {namespace}/{name}: {why}"))
        })?;
        // Nearly all accounts say neither: look before decoding.
        let text = std::str::from_utf8(account.body()).unwrap_or_default();
        let says_more = [AUTOMOUNT, PULL_SECRETS].iter().any(|field| text.contains(field));
        let account = if says_more { account.tree() } else { Arc::default() };
        let mounts = |tree: &Tree| tree.at(AUTOMOUNT).and_then(Value::as_bool);
        let own = account.as_object().and_then(mounts);
        if mounts(spec).or(own).unwrap_or(true) {
            mount(spec, || volume_name(&self.api.shared.env));
        }
        if spec.is_unset(PULL_SECRETS) && !account.list(PULL_SECRETS).is_empty() {
            spec.put(PULL_SECRETS, account.list(PULL_SECRETS).to_vec());
        }
        Ok(())
    }
}

/// The name of a new volume with a token.
pub(super) fn volume_name(env: &Env) -> String {
    format!("{VOLUME}{}", env.name_suffix())
}

/// The name of the volume with the token of a pod, and how often it stands in its spec where the volume is mounted for it.
pub(super) fn token_volume(spec: &Tree) -> Option<(&str, usize)> {
    let mut names = spec.list("volumes").iter().map(|volume| volume.text("name"));
    let name = names.find(|name| name.starts_with(VOLUME))?;
    let containers = spec.list("initContainers").iter().chain(spec.list("containers"));
    let mounts = containers.flat_map(|container| container.list("volumeMounts"));
    Some((name, 1 + mounts.filter(|mount| mount.text("name") == name).count()))
}

/// Mounts a token into every container that has nothing there; a volume of a new name is made if there is none yet.
fn mount(spec: &mut Tree, new: impl Fn() -> String) {
    let is_bare = |container: &Tree| {
        container.list("volumeMounts").iter().all(|mount| mount.text("mountPath") != MOUNT_PATH)
    };
    let mut containers =
        spec.list("initContainers").iter().chain(spec.list("containers")).filter_map(Value::as_object);
    if !containers.any(is_bare) {
        return;
    }
    let existing = token_volume(spec).map(|(name, _)| name.to_owned());
    let is_there = existing.is_some();
    let name = existing.unwrap_or_else(new);
    for containers in ["initContainers", "containers"] {
        for container in spec.objects_mut(containers).filter(|container| is_bare(container)) {
            let mount = json!({"name": name, "readOnly": true, "mountPath": MOUNT_PATH});
            container.make_list("volumeMounts").push(mount);
        }
    }
    if !is_there {
        spec.make_list("volumes").push(json!({"name": name, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace",
                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}}));
    }
}
