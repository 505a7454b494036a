//! The objects that pods refer to, as far as they were read: ConfigMaps, Secrets, claims and volumes.
//!
//! Bytes stay where the store has them; they are decoded when a container or a volume needs them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orch_core::{Key, Object, Str, kind};
use serde_json::Value;

use super::error::Error;
use super::pod::Pod;
use super::spec::Volume;

/// What is known of the objects that pods refer to.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// `None` when the object is not there.
    read: BTreeMap<Key, Option<Object>>,
}

/// The entries of a ConfigMap or Secret.
pub(super) type Entries = BTreeMap<String, Vec<u8>>;

impl Sources {
    /// What was read of an object: it, or that it is not there. Says whether that is news.
    pub(super) fn put(&mut self, key: Key, object: Option<Object>) -> bool {
        let same = |old: &Option<Object>| match (old, &object) {
            (None, None) => true,
            (Some(old), Some(new)) => old.is_same(new),
            _ => false,
        };
        if self.read.get(&key).is_some_and(same) {
            return false;
        }
        self.read.insert(key, object);
        true
    }

    /// An object that was there before its feed said that all is read is left as it is.
    pub(super) fn settle(&mut self, key: &Key) -> bool {
        if self.read.contains_key(key) {
            return false;
        }
        self.read.insert(key.clone(), None);
        true
    }

    /// Forgets what nobody refers to.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&Key) -> bool) {
        self.read.retain(|key, _| is_wanted(key));
    }

    /// The object.
    pub(super) fn get(&self, key: &Key) -> Result<&Object, Error> {
        match self.read.get(key) {
            Some(Some(object)) => Ok(object),
            Some(None) => Err(Error::Missing { key: key.clone() }),
            None => Err(Error::Unread { key: key.clone() }),
        }
    }

    /// The object, or `None` when it may be absent and is.
    pub(super) fn get_optional(&self, key: &Key, optional: bool) -> Result<Option<&Object>, Error> {
        match self.get(key) {
            Err(Error::Missing { .. }) if optional => Ok(None),
            other => other.map(Some),
        }
    }
}

/// The entries of a ConfigMap or Secret as bytes.
pub(super) fn entries(object: &Object) -> Entries {
    let tree = object.body_tree();
    let text = |value: &Value| value.as_str().map(|text| text.as_bytes().to_vec());
    let base64 = |value: &Value| value.as_str().and_then(|text| STANDARD.decode(text).ok());
    let mut entries = Entries::new();
    let mut take = |field: &str, decode: &dyn Fn(&Value) -> Option<Vec<u8>>| {
        for (name, value) in tree[field].as_object().into_iter().flatten() {
            entries.extend(decode(value).map(|bytes| (name.clone(), bytes)));
        }
    };
    if object.key().kind == kind::SECRETS {
        take("data", &base64);
    } else {
        take("data", &text);
        take("binaryData", &base64);
    }
    entries
}

/// The objects that a pod refers to; of claims, also the volumes that they are bound to by now.
pub(super) fn wanted(pod: &Pod, sources: &Sources) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    let (map, secret) = (kind::CONFIG_MAPS, kind::SECRETS);
    let mut add = |kind, name: &Str| _ = keys.insert(pod.key().sibling(kind, name.clone()));
    for container in pod.spec.all() {
        for source in &container.env_from {
            source.config_map_ref.iter().for_each(|source| add(map, &source.name));
            source.secret_ref.iter().for_each(|source| add(secret, &source.name));
        }
        for source in container.env.iter().filter_map(|variable| variable.value_from.as_ref()) {
            source.config_map_key_ref.iter().for_each(|source| add(map, &source.name));
            source.secret_key_ref.iter().for_each(|source| add(secret, &source.name));
        }
    }
    for volume in &pod.spec.volumes {
        volume.config_map.iter().for_each(|source| add(map, &source.name));
        volume.secret.iter().for_each(|source| add(secret, &source.secret_name));
        for source in volume.projected.iter().flat_map(|projected| &projected.sources) {
            source.config_map.iter().for_each(|source| add(map, &source.name));
            source.secret.iter().for_each(|source| add(secret, &source.name));
        }
    }
    for claim in pod.spec.volumes.iter().filter_map(|volume| claim_of(pod, volume)) {
        if let Ok(object) = sources.get(&claim)
            && let Some(volume) = volume_of(object)
        {
            keys.insert(Key::cluster(kind::PERSISTENT_VOLUMES, volume));
        }
        keys.insert(claim);
    }
    keys
}

/// The claim behind a volume of a pod.
pub(super) fn claim_of(pod: &Pod, volume: &Volume) -> Option<Key> {
    let name: Str = match (&volume.persistent_volume_claim, &volume.ephemeral) {
        (Some(claim), _) => claim.claim_name.clone(),
        (None, Some(_)) => format!("{}-{}", pod.key().name, volume.name).into(),
        (None, None) => return None,
    };
    Some(pod.key().sibling(kind::PERSISTENT_VOLUME_CLAIMS, name))
}

/// The volume that a claim is bound to.
pub(super) fn volume_of(claim: &Object) -> Option<String> {
    let tree = claim.body_tree();
    let bound = tree["status"]["phase"] == "Bound";
    tree["spec"]["volumeName"].as_str().filter(|name| bound && !name.is_empty()).map(str::to_owned)
}
