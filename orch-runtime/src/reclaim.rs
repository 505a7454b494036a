//! Removes the directories of node-local volumes that nobody claims any more.
//!
//! The provisioner of `orch-controllers` makes volumes that are directories of one node, and asks for their removal by
//! deleting the volume: the finalizer `orch.local/node-directory` waits for this node. Not here: when a volume may go.
//! Invariant: only the directory `ROOT/NAME` of a volume of that provisioner is ever removed, and the finalizer goes
//! after the directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use orch_core::{Api, ApiExt, Env, Event, Feed, Live, Read, Result, Select, User, Write, kind};
use serde_json::{Value, json};

use crate::agent::MemoryDisk;

/// What waits for the directory to be removed.
const FINALIZER: &str = "orch.local/node-directory";
/// Who made the volume.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// Between tries to remove a directory or its finalizer, as the agent's other steps that failed.
const RETRY: Duration = Duration::from_secs(10);

/// Removes the directories of one node under `root`, for ever. Dropping the future leaves a volume as it was, or its
/// directory gone and the volume to be finished by the next one that runs.
pub async fn run(api: Arc<dyn Api>, env: Env, node: &str, root: PathBuf) {
    work(api, env, node, root, |directory| std::fs::remove_dir_all(directory)).await;
}

/// As [`run`], for a node whose agent has that disk.
pub async fn run_on(disk: MemoryDisk, api: Arc<dyn Api>, env: Env, node: &str, root: PathBuf) {
    work(api, env, node, root, |directory| disk.remove_dir_all(directory)).await;
}

async fn work(
    api: Arc<dyn Api>,
    env: Env,
    node: &str,
    root: PathBuf,
    remove: impl Fn(&Path) -> io::Result<()>,
) {
    let mut user = User::new(format!("system:node:{node}"));
    user.groups = vec!["system:nodes".into()];
    let api = api.impersonate(&user);
    let mine = format!("kubernetes.io/hostname={node}").parse().unwrap_or_default();
    let select = Select::kind(kind::PERSISTENT_VOLUMES).labels(mine);
    let mut feed = Feed::new(Arc::clone(&api) as Arc<dyn Read>, env.clone(), select);
    loop {
        let Event::Changed(change) = feed.next().await else { continue };
        let Some(volume) = &change.now else { continue };
        let Some(directory) = abandoned(volume, &root) else { continue };
        while let Err(error) = is_gone(remove(&directory)) {
            tracing::warn!(%error, volume = %volume.key(), "directory not removed; trying again");
            env.sleep(RETRY).await;
        }
        // Nobody else tells of this volume again.
        while let Err(error) = release(&*api, volume).await {
            // Whoever was first has made a change that will be seen here.
            if error.is_conflict() || error.is_not_found() {
                break;
            }
            tracing::warn!(%error, volume = %volume.key(), "finalizer not removed; trying again");
            env.sleep(RETRY).await;
        }
    }
}

/// The directory of a volume that only waits for it to be removed.
fn abandoned(volume: &Live, root: &Path) -> Option<PathBuf> {
    let header = volume.header();
    let waits_for_us = header.is_terminating() && header.finalizers.iter().all(|one| &**one == FINALIZER);
    if !waits_for_us || header.finalizers.is_empty() {
        return None;
    }
    let tree = volume.tree();
    let is_ours = tree["metadata"]["annotations"][PROVISIONED_BY] == FINALIZER;
    let directory = root.join(&*volume.key().name);
    let path = tree["spec"]["local"]["path"].as_str()?;
    (is_ours && directory == Path::new(path)).then_some(directory)
}

/// A directory that is not there is as good as removed.
fn is_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn release(api: &dyn Api, volume: &Live) -> Result<()> {
    let patch = json!({"metadata": {"finalizers": Value::Null}});
    api.one(Write::merge(volume.key().clone(), patch).of(volume.uid()).at(volume.revision()))
        .await
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use orch_api::LocalApi;
    use orch_core::{Object, Registry};
    use orch_store::{Faults, Faulty, MemStore};

    use super::*;

    fn volume(finalizers: &[&str], path: &str, terminating: bool) -> Live {
        let mut tree = json!({"apiVersion": "v1", "kind": "PersistentVolume", "spec": {"local": {"path": path}},
            "metadata": {"name": "pvc-1", "finalizers": finalizers, "annotations": {PROVISIONED_BY: FINALIZER}}});
        if terminating {
            tree["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        let info = Registry::built_in().get(kind::PERSISTENT_VOLUMES).unwrap();
        Live::fresh(Object::encode(&info, &tree).unwrap(), tree.into())
    }

    #[track_caller]
    fn check(volume: &Live, expected: Option<&str>) {
        assert_eq!(abandoned(volume, Path::new("/volumes")), expected.map(PathBuf::from));
    }

    #[test]
    fn only_a_directory_that_waits_for_this_node_is_removed() {
        check(&volume(&[FINALIZER], "/volumes/pvc-1", true), Some("/volumes/pvc-1"));
        check(&volume(&[FINALIZER], "/volumes/pvc-1", false), None);
        check(&volume(&[FINALIZER, "kubernetes.io/pv-protection"], "/volumes/pvc-1", true), None);
        check(&volume(&[], "/volumes/pvc-1", true), None);
        check(&volume(&[FINALIZER], "/volumes/../etc", true), None);
        check(&volume(&[FINALIZER], "/etc", true), None);
    }

    /// Found by chaos (seed 143): the Api did not answer once, and the volume kept its finalizer for ever.
    #[test]
    fn the_finalizer_goes_however_often_the_api_fails() {
        orch_core::sim::run(1, |env| async move {
            let registry = Arc::new(Registry::built_in());
            let store = Arc::new(MemStore::new(Arc::clone(&registry)));
            let store = Arc::new(Faulty::new(store, env.child("store"), Faults::quiet()));
            let api: Arc<dyn Api> =
                Arc::new(LocalApi::builder(Arc::clone(&store) as _, env.clone(), registry).build());
            let tree = json!({
                "metadata": {"name": "pvc-1", "labels": {"kubernetes.io/hostname": "n1"},
                    "finalizers": [FINALIZER], "annotations": {PROVISIONED_BY: FINALIZER}},
                "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                    "local": {"path": "/volumes/pvc-1"}, "nodeAffinity": {"required": {"nodeSelectorTerms":
                        [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]}}},
            });
            let key = orch_core::Key::cluster(kind::PERSISTENT_VOLUMES, "pvc-1");
            api.one(Write::create(key.clone(), tree)).await.unwrap();
            // Nobody here protects volumes that are in use.
            let own = json!({"metadata": {"finalizers": [FINALIZER]}});
            api.one(Write::merge(key.clone(), own)).await.unwrap();
            let disk = MemoryDisk::default();
            let agent = env.child("agent");
            let work = run_on(disk, Arc::clone(&api), agent.clone(), "n1", "/volumes".into());
            agent.spawn(work);
            env.sleep(Duration::from_secs(1)).await;
            api.one(Write::delete(key.clone())).await.unwrap();
            store.set(Faults::quiet().unavailable(1.0));
            env.sleep(RETRY * 3).await;
            store.heal();
            env.sleep(RETRY * 2).await;
            assert!(api.read(&key).await.unwrap_err().is_not_found());
            agent.crash();
        });
    }

    #[test]
    fn a_directory_that_is_gone_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pvc-1");
        let disk = MemoryDisk::default();
        std::fs::create_dir_all(path.join("data")).unwrap();
        disk.create_dir_all(path.join("data")).unwrap();
        for _ in 0..2 {
            is_gone(std::fs::remove_dir_all(&path)).unwrap();
            is_gone(disk.remove_dir_all(&path)).unwrap();
            assert!(!path.exists() && !disk.exists(&path));
        }
        std::fs::write(&path, "").unwrap();
        disk.write(&path, "").unwrap();
        assert!(is_gone(std::fs::remove_dir_all(&path)).is_err());
        assert!(is_gone(disk.remove_dir_all(&path)).is_err());
    }
}
