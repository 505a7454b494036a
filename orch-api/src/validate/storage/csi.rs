//! Rules of what storage drivers say of themselves and are asked for: drivers, nodes, capacities, attachments, classes of
//! attributes (`pkg/apis/storage/validation/validation.go`).
//!
//! The invariant of an update: what was attached where, and by whom, stays.

use orch_core::Scope::{Cluster, Namespaced};
use orch_core::names;

use super::super::at::At;
use super::super::meta::{self, Change};
use super::super::pod::resources;
use super::super::rules::{self, Seen};
use super::super::same::{same, same_but};
use super::{class, source, volume as persistent};

const NODE_ID_MAX: usize = 256;
const METADATA_MAX: usize = 256 * 1024;
const MESSAGE_MAX: usize = 1024;

pub(in super::super) fn driver(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    driver_spec(&object.field("spec"));
}

pub(in super::super) fn driver_update(change: &Change<'_, '_>) {
    change.metadata();
    let (spec, old) = (change.new.field("spec"), change.old.field("spec"));
    driver_spec(&spec);
    // Upstream reports this one under another name.
    rules::immutable(&spec.field_shown("attachRequired", "attachedRequired"), old.get("attachRequired"));
    rules::immutable(&spec.field("volumeLifecycleModes"), old.get("volumeLifecycleModes"));
}

fn driver_spec(spec: &At<'_, '_>) {
    let flags = [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ];
    flags.iter().filter(|(name, _)| !spec.has(name)).for_each(|(name, shown)| {
        spec.field_shown(name, shown).required("");
    });
    spec.field("fsGroupPolicy").optional_one_of(&["File", "None", "ReadWriteOnceWithFSType"]);
    let requests = spec.field("tokenRequests");
    token_requests(&requests);
    let modes = spec.field("volumeLifecycleModes");
    for mode in modes.list() {
        modes.with(mode).one_of(&["Persistent", "Ephemeral"]);
    }
    if !spec.has("seLinuxMount") {
        spec.field("seLinuxMount").required("");
    }
    let period = spec.field("nodeAllocatableUpdatePeriodSeconds");
    if period.is_set() && period.number() < 10 {
        period.invalid_number("must be greater than or equal to 10 seconds");
    }
    let in_secrets = spec.field("serviceAccountTokenInSecrets");
    if in_secrets.is_set() && requests.is_empty() {
        in_secrets.invalid("serviceAccountTokenInSecrets is set but no tokenRequests are specified");
    }
}

fn token_requests(requests: &At<'_, '_>) {
    let mut seen = Seen::new();
    for request in requests.items() {
        let (audience, seconds) = (request.field("audience"), request.field("expirationSeconds"));
        if !seen.insert(audience.text()) {
            audience.duplicate_as(super::super::at::quote(audience.text()), "");
            continue;
        }
        token_lifetime(&seconds);
    }
}

/// How long a token is valid, if that is said.
pub(in super::super) fn token_lifetime(seconds: &At<'_, '_>) {
    if seconds.is_set() && seconds.number() < 600 {
        seconds.invalid_number("may not specify a duration less than 10 minutes");
    }
    if seconds.number() > 1 << 32 {
        seconds.invalid_number("may not specify a duration larger than 2^32 seconds");
    }
}

pub(in super::super) fn node(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    let spec = object.field("spec");
    let mut seen = Seen::new();
    for driver in spec.field("drivers").items() {
        let (name, id) = (driver.field("name"), driver.field("nodeID"));
        source::csi_driver(&name);
        if id.is_empty() {
            id.required("");
        }
        if id.len() > NODE_ID_MAX {
            id.invalid_text("must be 256 characters or less");
        }
        driver.field("allocatable").field("count").non_negative();
        if !seen.insert(name.text()) {
            name.duplicate();
        }
        topology_keys(&driver);
    }
}

/// Upstream reports the faults of keys at the driver.
fn topology_keys(driver: &At<'_, '_>) {
    let mut seen = Seen::new();
    for key in driver.field("topologyKeys").list() {
        let key = driver.with(key);
        if key.is_empty() {
            key.required("");
        }
        if !seen.insert(key.text()) {
            key.duplicate_as(super::super::at::quote(key.text()), "");
        }
        key.named(names::qualified_name);
    }
}

pub(in super::super) fn node_update(change: &Change<'_, '_>) {
    node(&change.new);
    let (spec, old) = (change.new.field("spec"), change.old.field("spec"));
    let drivers = spec.field("drivers");
    for before in old.field("drivers").list() {
        let same_name = |driver: &&serde_json::Value| driver.get("name") == before.get("name");
        for driver in drivers.list().iter().filter(same_name) {
            if !same_but(driver, before, &["allocatable"]) {
                drivers.with(driver).invalid("field is immutable");
            }
        }
    }
}

pub(in super::super) fn capacity(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
    rules::label_selector(&object.field("nodeTopology"));
    object.field("storageClassName").named(names::dns1123_subdomain);
    let capacity = object.field("capacity");
    if capacity.is_set() {
        resources::amount(&capacity, "");
    }
}

pub(in super::super) fn capacity_update(change: &Change<'_, '_>) {
    capacity(&change.new);
    change.metadata();
    rules::immutable(&change.new.field("nodeTopology"), change.old.get("nodeTopology"));
    let class = change.new.field("storageClassName");
    if class.text() != change.old.get_text("storageClassName") {
        class.invalid_text("field is immutable");
    }
}

pub(in super::super) fn attributes(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    object.field("driverName").required_name(|name| names::qualified_name(&rules::lowercase(name)));
    let parameters = object.field("parameters");
    if parameters.is_empty() {
        parameters.required("must contain at least one key/value pair");
    } else {
        class::parameters(&parameters);
    }
}

pub(in super::super) fn attributes_update(change: &Change<'_, '_>) {
    change.metadata();
    for name in ["driverName", "parameters"] {
        let field = change.new.field(name);
        if !same(field.value(), change.old.get(name)) {
            field.forbidden(format!("updates to {name} are forbidden."));
        }
    }
    attributes(&change.new);
}

pub(in super::super) fn attachment(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    let spec = object.field("spec");
    source::csi_driver(&spec.field("attacher"));
    let source = spec.field("source");
    let (inline, volume) = (source.field("inlineVolumeSpec"), source.field("persistentVolumeName"));
    const ONE: &str = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (inline.is_set(), volume.is_set()) {
        (false, false) => source.required(ONE),
        (true, true) => source.forbidden(ONE),
        (false, true) if volume.is_empty() => volume.required("must specify non empty persistentVolumeName"),
        (true, false) => persistent::inline(&inline),
        _ => {}
    }
    spec.field("nodeName").named(names::dns1123_subdomain);
    attachment_state(&object.field("status"));
    if volume.is_set() {
        volume.named(names::dns1123_subdomain);
    }
}

fn attachment_state(status: &At<'_, '_>) {
    let metadata = status.field("attachmentMetadata");
    let size: usize = metadata.entries().map(|(key, value)| key.len() + value.len()).sum();
    if size > METADATA_MAX {
        metadata.too_long(METADATA_MAX);
    }
    for error in ["attachError", "detachError"].map(|name| status.field(name)) {
        let (message, code) = (error.field("message"), error.field("errorCode"));
        if message.len() > MESSAGE_MAX {
            // Upstream names the other bound.
            message.too_long(METADATA_MAX);
        }
        if code.number() < 0 {
            code.invalid_number("must be between 0 and 2147483647, inclusive");
        }
    }
}

pub(in super::super) fn attachment_update(change: &Change<'_, '_>) {
    attachment(&change.new);
    rules::immutable(&change.new.field("spec"), change.old.get("spec"));
}
