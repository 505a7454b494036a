//! What a pod's volumes hold, decided without touching a disk (`pkg/volume/{configmap,secret,projected,downwardapi,…}`).
//!
//! Tokens of service accounts and trust bundles of a projected volume are left out of it: the agent has none to give.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Component, Path, PathBuf};

use orch_core::{Key, Object, Str, kind};
use serde_json::Value;

use super::env::Known;
use super::error::Error;
use super::fields;
use super::sources::{claim_of, entries, volume_of};
use super::spec::{Container, DownwardApi, KeyToPath, Volume};

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
}

/// Files by their path within the volume.
pub(super) type Tree = BTreeMap<PathBuf, File>;

/// What a path of the host must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum HostType {
    Any,
    DirectoryOrCreate,
    Directory,
    FileOrCreate,
    File,
    Socket,
    CharDevice,
    BlockDevice,
}

impl HostType {
    /// In words, as in `hostPath type check failed`.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::DirectoryOrCreate | Self::Directory => "directory",
            Self::FileOrCreate | Self::File => "file",
            Self::Socket => "socket file",
            Self::CharDevice => "character device",
            Self::BlockDevice => "block device",
        }
    }
}

/// What stands behind a volume.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Content {
    /// An empty directory.
    Empty,
    /// Files that follow their sources; containers may only read them.
    Files(Tree),
    /// Something on the host.
    Host(HostType),
}

/// A volume of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Prepared {
    pub(super) name: Str,
    /// Where it stands on the host.
    pub(super) path: PathBuf,
    pub(super) content: Content,
    pub(super) read_only: bool,
}

/// Most bytes that the files of one volume may have: many times what one ConfigMap may hold (1 MiB), a small part of a node's.
const MAX_BYTES: usize = 32 << 20;

/// The directory of a pod.
pub(super) fn pod_dir(data_dir: &Path, uid: &str) -> PathBuf {
    data_dir.join("pods").join(uid)
}

/// Every volume of the pod, or the first that cannot be made and why.
pub(super) fn prepare(known: &Known<'_>, data_dir: &Path) -> Result<Vec<Prepared>, (Str, Error)> {
    let dir = pod_dir(data_dir, known.pod.uid()).join("volumes");
    let one =
        |volume: &Volume| volume_of_pod(known, &dir, volume).map_err(|error| (volume.name.clone(), error));
    known.pod.spec.volumes.iter().map(one).collect()
}

/// A number that changes when what is prepared does.
pub(super) fn digest(prepared: &[Prepared]) -> u64 {
    let mut hasher = DefaultHasher::new();
    prepared.hash(&mut hasher);
    hasher.finish()
}

fn volume_of_pod(known: &Known<'_>, dir: &Path, volume: &Volume) -> Result<Prepared, Error> {
    let place = |plugin: &str| dir.join(format!("kubernetes.io~{plugin}")).join(&*volume.name);
    let prepared = |path, content| Prepared { name: volume.name.clone(), path, content, read_only: false };
    let files = |path, tree: Tree| {
        let size: usize = tree.values().map(|file| file.bytes.len()).sum();
        if size > MAX_BYTES {
            return Err(Error::TooLarge { size, limit: MAX_BYTES });
        }
        Ok(Prepared { read_only: true, ..prepared(path, Content::Files(tree)) })
    };
    if volume.empty_dir.is_some() {
        return Ok(prepared(place("empty-dir"), Content::Empty));
    }
    if let Some(source) = &volume.config_map {
        let key = known.pod.key().sibling(kind::CONFIG_MAPS, source.name.clone());
        return files(
            place("configmap"),
            object_files(known, &key, &source.items, source.optional, mode(source.default_mode))?,
        );
    }
    if let Some(source) = &volume.secret {
        let key = known.pod.key().sibling(kind::SECRETS, source.secret_name.clone());
        return files(
            place("secret"),
            object_files(known, &key, &source.items, source.optional, mode(source.default_mode))?,
        );
    }
    if let Some(source) = &volume.downward_api {
        return files(place("downward-api"), downward_files(known, source, mode(source.default_mode))?);
    }
    if let Some(source) = &volume.projected {
        let mut tree = Tree::new();
        for part in &source.sources {
            for (kind, part) in [(kind::CONFIG_MAPS, &part.config_map), (kind::SECRETS, &part.secret)] {
                let Some(part) = part else { continue };
                let key = known.pod.key().sibling(kind, part.name.clone());
                tree.extend(object_files(
                    known,
                    &key,
                    &part.items,
                    part.optional,
                    mode(source.default_mode),
                )?);
            }
            if let Some(part) = &part.downward_api {
                tree.extend(downward_files(known, part, mode(source.default_mode))?);
            }
        }
        return files(place("projected"), tree);
    }
    if let Some(source) = &volume.host_path {
        return Ok(prepared(PathBuf::from(&*source.path), Content::Host(host_type(&source.r#type))));
    }
    let Some(claim) = claim_of(known.pod, volume) else {
        return Err(Error::VolumeKind { volume: volume.name.clone() });
    };
    let path = claimed_path(known, volume, &claim)?;
    let read_only = volume.persistent_volume_claim.as_ref().is_some_and(|claim| claim.read_only);
    Ok(Prepared { read_only, ..prepared(path, Content::Host(HostType::DirectoryOrCreate)) })
}

fn mode(default: Option<u32>) -> u32 {
    default.unwrap_or(0o644)
}

fn object_files(
    known: &Known<'_>,
    key: &Key,
    items: &[KeyToPath],
    optional: bool,
    mode: u32,
) -> Result<Tree, Error> {
    let Some(object) = known.sources.get_optional(key, optional)? else { return Ok(Tree::new()) };
    let mut entries = entries(object);
    if items.is_empty() {
        return entries.into_iter().map(|(name, bytes)| Ok((within(&name)?, File { bytes, mode }))).collect();
    }
    let mut tree = Tree::new();
    for item in items {
        match entries.remove(&*item.key).or_else(|| tree_entry(&tree, items, &item.key)) {
            Some(bytes) => {
                _ = tree.insert(within(&item.path)?, File { bytes, mode: item.mode.unwrap_or(mode) })
            }
            None if optional => {}
            None => return Err(Error::NoVolumeKey { what: what(key), entry: item.key.clone() }),
        }
    }
    Ok(tree)
}

/// The bytes of a key that an earlier item placed already.
fn tree_entry(tree: &Tree, items: &[KeyToPath], key: &str) -> Option<Vec<u8>> {
    let earlier = items.iter().filter(|item| &*item.key == key);
    earlier.filter_map(|item| tree.get(Path::new(&*item.path))).map(|file| file.bytes.clone()).next()
}

fn what(key: &Key) -> &'static str {
    if key.kind == kind::SECRETS { "secret" } else { "config" }
}

fn downward_files(known: &Known<'_>, source: &DownwardApi, mode: u32) -> Result<Tree, Error> {
    let mut tree = Tree::new();
    for item in &source.items {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(from), _) => fields::field(known.pod, known.place, &from.field_path)?,
            (None, Some(from)) => fields::resource(known.pod, &Container::default(), known.place, from)?,
            (None, None) => String::new(),
        };
        let file = File { bytes: text.into_bytes(), mode: item.mode.unwrap_or(mode) };
        tree.insert(within(&item.path)?, file);
    }
    Ok(tree)
}

/// A path that stays where it is put.
fn within(path: &str) -> Result<PathBuf, Error> {
    let path = Path::new(path);
    let is_plain =
        path.components().all(|part| matches!(part, Component::Normal(_))) && !path.as_os_str().is_empty();
    if is_plain && !path.starts_with("..data") {
        Ok(path.to_owned())
    } else {
        Err(Error::Escape { path: path.to_string_lossy().into() })
    }
}

fn host_type(word: &str) -> HostType {
    match word {
        "DirectoryOrCreate" => HostType::DirectoryOrCreate,
        "Directory" => HostType::Directory,
        "FileOrCreate" => HostType::FileOrCreate,
        "File" => HostType::File,
        "Socket" => HostType::Socket,
        "CharDevice" => HostType::CharDevice,
        "BlockDevice" => HostType::BlockDevice,
        _ => HostType::Any,
    }
}

/// Where the volume behind a claim stands on this node.
fn claimed_path(known: &Known<'_>, volume: &Volume, claim: &Key) -> Result<PathBuf, Error> {
    let object = known.sources.get(claim)?;
    let unbound = || Error::Unbound { claim: claim.name.clone() };
    let bound = volume_of(object).ok_or_else(unbound)?;
    let object = known.sources.get(&Key::cluster(kind::PERSISTENT_VOLUMES, bound))?;
    local_path(object).ok_or_else(|| Error::VolumeKind { volume: volume.name.clone() })
}

fn local_path(volume: &Object) -> Option<PathBuf> {
    let tree: Value = volume.body_tree();
    let path = tree["spec"]["hostPath"]["path"].as_str().or_else(|| tree["spec"]["local"]["path"].as_str());
    path.filter(|path| Path::new(path).is_absolute()).map(PathBuf::from)
}

/// A mount of a container before its sub path is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MountPlan {
    pub(super) volume: PathBuf,
    pub(super) container: PathBuf,
    pub(super) read_only: bool,
    pub(super) sub: Option<SubPath>,
}

/// A part of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubPath {
    pub(super) path: PathBuf,
    /// Where it is copied to: files that follow their sources do not change under a container that mounts a part of them.
    pub(super) copy_to: Option<PathBuf>,
}

/// The mounts of a container; `expand` replaces the references of `subPathExpr`.
pub(super) fn mounts(
    container: &Container,
    prepared: &[Prepared],
    pod_dir: &Path,
    expand: impl Fn(&Str) -> Str,
) -> Result<Vec<MountPlan>, Error> {
    let one = |(at, mount): (usize, &super::spec::VolumeMount)| {
        let missing = || Error::NoVolume { volume: mount.name.clone(), container: container.name.clone() };
        let volume = prepared.iter().find(|volume| volume.name == mount.name).ok_or_else(missing)?;
        let sub = if mount.sub_path_expr.is_empty() {
            mount.sub_path.clone()
        } else {
            expand(&mount.sub_path_expr)
        };
        let copies = matches!(volume.content, Content::Files(_));
        let copy =
            || pod_dir.join("volume-subpaths").join(&*mount.name).join(&*container.name).join(at.to_string());
        let sub = match &*sub {
            "" => None,
            path => Some(SubPath { path: within(path)?, copy_to: copies.then(copy) }),
        };
        Ok(MountPlan {
            volume: volume.path.clone(),
            container: Path::new("/").join(&*mount.mount_path),
            read_only: mount.read_only || volume.read_only,
            sub,
        })
    };
    container.volume_mounts.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fields::Place;
    use super::super::sources::Sources;
    use super::super::testing::{object, pod};
    use super::*;

    fn sources() -> Sources {
        let mut sources = Sources::default();
        for tree in [
            json!({"kind": "ConfigMap", "metadata": {"name": "cfg", "namespace": "d"},
                "data": {"a": "1", "b": "2"}, "binaryData": {"c": "AAE="}}),
            json!({"kind": "Secret", "metadata": {"name": "sec", "namespace": "d"}, "data": {"pw": "czNjcmV0"}}),
            json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "d"},
                "spec": {"volumeName": "pv1"}, "status": {"phase": "Bound"}}),
            json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "later", "namespace": "d"}, "status": {"phase": "Pending"}}),
            json!({"kind": "PersistentVolume", "metadata": {"name": "pv1"}, "spec": {"local": {"path": "/mnt/one"}}}),
        ] {
            let mut tree = tree;
            tree["apiVersion"] = "v1".into();
            let object = object(tree);
            sources.put(object.key().clone(), Some(object));
        }
        sources.put(Key::new(kind::CONFIG_MAPS, "d", "gone"), None);
        sources
    }

    fn one(mut volume: Value) -> Result<Prepared, String> {
        volume["name"] = "v".into();
        let pod = pod(
            json!({"metadata": {"name": "p", "namespace": "d", "uid": "u", "labels": {"app": "x"}},
            "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}}], "volumes": [volume]}}),
        );
        let known = Known { pod: &pod, place: &Place::default(), sources: &sources(), services: &[] };
        let prepared = prepare(&known, Path::new("/data")).map_err(|(_, error)| error.to_string())?;
        Ok(prepared.into_iter().next().unwrap())
    }

    #[track_caller]
    fn files(volume: Value, expected: &[(&str, &str, u32)]) {
        let Content::Files(tree) = one(volume).unwrap().content else { panic!("not files") };
        let found: Vec<_> = tree
            .iter()
            .map(|(path, file)| {
                (path.to_str().unwrap(), String::from_utf8_lossy(&file.bytes).into_owned(), file.mode)
            })
            .collect();
        let found: Vec<_> = found.iter().map(|(path, text, mode)| (*path, &**text, *mode)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn files_come_from_their_objects() {
        files(
            json!({"configMap": {"name": "cfg"}}),
            &[("a", "1", 0o644), ("b", "2", 0o644), ("c", "\0\u{1}", 0o644)],
        );
        files(
            json!({"configMap": {"name": "cfg", "defaultMode": 256, "items": [
            {"key": "a", "path": "x/y"}, {"key": "a", "path": "z", "mode": 511}]}}),
            &[("x/y", "1", 0o400), ("z", "1", 0o777)],
        );
        files(json!({"secret": {"secretName": "sec"}}), &[("pw", "s3cret", 0o644)]);
        files(json!({"configMap": {"name": "gone", "optional": true}}), &[]);
        files(
            json!({"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"}}]}}),
            &[("cpu", "2", 0o644), ("labels", "app=\"x\"", 0o644)],
        );
        files(
            json!({"projected": {"defaultMode": 288, "sources": [
            {"configMap": {"name": "cfg", "items": [{"key": "b", "path": "b"}]}}, {"secret": {"name": "sec"}},
            {"serviceAccountToken": {"path": "token"}},
            {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}}),
            &[("b", "2", 0o440), ("name", "p", 0o440), ("pw", "s3cret", 0o440)],
        );
    }

    #[test]
    fn directories_stand_where_they_should() {
        let empty = one(json!({"emptyDir": {}})).unwrap();
        assert_eq!(empty.path, Path::new("/data/pods/u/volumes/kubernetes.io~empty-dir/v"));
        let host = one(json!({"hostPath": {"path": "/x", "type": "Directory"}})).unwrap();
        assert_eq!(
            (host.path.as_path(), host.content),
            (Path::new("/x"), Content::Host(HostType::Directory))
        );
        let claim = one(json!({"persistentVolumeClaim": {"claimName": "data", "readOnly": true}})).unwrap();
        assert_eq!((claim.path.as_path(), claim.read_only), (Path::new("/mnt/one"), true));
    }

    #[track_caller]
    fn refused(volume: Value, message: &str) {
        assert_eq!(one(volume).unwrap_err(), message);
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        refused(json!({"configMap": {"name": "gone"}}), "configmap \"gone\" not found");
        refused(
            json!({"configMap": {"name": "cfg", "items": [{"key": "no", "path": "x"}]}}),
            "references non-existent config key: no",
        );
        refused(
            json!({"secret": {"secretName": "sec", "items": [{"key": "no", "path": "x"}]}}),
            "references non-existent secret key: no",
        );
        refused(
            json!({"persistentVolumeClaim": {"claimName": "later"}}),
            "persistentvolumeclaim \"later\" is not bound",
        );
        refused(
            json!({"nfs": {}}),
            "no volume plugin matched: volume \"v\" is of a kind that this node cannot make",
        );
        for path in ["../x", "/x", "a/../../b", "..data/x", ""] {
            refused(
                json!({"configMap": {"name": "cfg", "items": [{"key": "a", "path": path}]}}),
                &format!("path {path:?} must stay within the volume"),
            );
        }
    }

    #[test]
    fn mounts_follow_their_volume() {
        let config = Prepared {
            read_only: true,
            content: Content::Files(Tree::new()),
            ..one(json!({"emptyDir": {}})).unwrap()
        };
        let container: Container = serde_json::from_value(json!({"name": "c", "volumeMounts": [
            {"name": "v", "mountPath": "/etc/a"}, {"name": "v", "mountPath": "rel", "subPathExpr": "$(A)/x"}]})).unwrap();
        let found = mounts(&container, &[config], Path::new("/pod"), |expr| expr.replace("$(A)", "1").into())
            .unwrap();
        assert_eq!(found[0].sub, None);
        assert!(found[0].read_only, "config volumes are read-only");
        assert_eq!(found[1].container, Path::new("/rel"));
        let sub = found[1].sub.clone().unwrap();
        assert_eq!((sub.path, sub.copy_to), ("1/x".into(), Some("/pod/volume-subpaths/v/c/1".into())));
        assert!(mounts(&container, &[], Path::new("/pod"), Str::clone).is_err());
    }
}
