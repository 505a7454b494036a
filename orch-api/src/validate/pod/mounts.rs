//! Rules of what a container mounts: volumes as directories and as block devices (`ValidateVolumeMounts`,
//! `ValidateVolumeDevices`).
//!
//! The invariant: a path of a container has one thing mounted, and a volume is a directory or a device.

use super::super::at::{At, quote};
use super::super::rules::{self, Seen};
use super::{Context, volumes};

/// Volume mounts and devices of a container.
pub(super) fn mounts_and_devices(container: &At<'_, '_>, context: &Context<'_>) {
    let (mounts, devices) = (container.field("volumeMounts"), container.field("volumeDevices"));
    if devices.is_empty() {
        self::mounts(&mounts, &Used::default(), container, context);
        return;
    }
    self::mounts(&mounts, &Used::of(&devices, "devicePath"), container, context);
    self::devices(&devices, &Used::of(&mounts, "mountPath"), context);
}

/// Names and paths that the other list takes.
#[derive(Default)]
struct Used<'v> {
    names: std::collections::BTreeSet<&'v str>,
    paths: std::collections::BTreeSet<&'v str>,
}

impl<'v> Used<'v> {
    fn of(list: &At<'v, '_>, path: &str) -> Self {
        Self {
            names: list.items().map(|item| item.get_text("name")).collect(),
            paths: list.items().map(|item| item.get_text(path)).collect(),
        }
    }
}

fn mounts(mounts: &At<'_, '_>, devices: &Used<'_>, container: &At<'_, '_>, context: &Context<'_>) {
    let mut seen = Seen::new();
    for mount in mounts.items() {
        let (name, path) = (mount.field("name"), mount.field("mountPath"));
        mount.require(&["name"]);
        if !context.volumes.contains_key(name.text()) {
            name.not_found();
        }
        mount.require(&["mountPath"]);
        if !seen.insert(path.text()) {
            path.invalid_text("must be unique");
        }
        if devices.names.contains(name.text()) {
            name.invalid_text("must not already exist in volumeDevices");
        }
        if devices.paths.contains(path.text()) {
            path.invalid_text("must not already exist as a path in volumeDevices");
        }
        // Upstream reports the following without the index of the mount.
        let shown = mounts.with(mount.value());
        let (sub_path, expression) = (shown.field("subPath"), shown.field("subPathExpr"));
        if !sub_path.is_empty() {
            rules::descending_path(&sub_path);
        }
        if !expression.is_empty() {
            if !sub_path.is_empty() {
                mount.field("subPathExpr").invalid_text("subPathExpr and subPath are mutually exclusive");
            }
            rules::descending_path(&expression);
        }
        propagation(&shown.field("mountPropagation"), container);
        recursive_read_only(&shown);
    }
}

fn propagation(at: &At<'_, '_>, container: &At<'_, '_>) {
    at.optional_one_of(&["Bidirectional", "HostToContainer", "None"]);
    if at.text() == "Bidirectional" && !container.field("securityContext").field("privileged").is_true() {
        at.forbidden("Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursive_read_only(mount: &At<'_, '_>) {
    let mode = mount.field("recursiveReadOnly");
    mode.optional_one_of(&["Disabled", "Enabled", "IfPossible"]);
    if !matches!(mode.text(), "Enabled" | "IfPossible") {
        return;
    }
    if !mount.field("readOnly").is_true() {
        mode.forbidden("may only be specified when readOnly is true");
    }
    if !matches!(mount.get_text("mountPropagation"), "" | "None") {
        mode.forbidden("may only be specified when mountPropagation is None or not specified");
    }
}

fn devices(devices: &At<'_, '_>, mounts: &Used<'_>, context: &Context<'_>) {
    let (mut names, mut paths) = (Seen::new(), Seen::new());
    for device in devices.items() {
        let (name, path) = (device.field("name"), device.field("devicePath"));
        device.require(&["name"]);
        if !name.is_empty() && !names.insert(name.text()) {
            name.invalid_text("must be unique");
        }
        match context.volumes.get(name.text()) {
            Some(volumes::Kind::Claim) => {}
            Some(volumes::Kind::Other) => name.invalid_text(
                "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
            ),
            None => name.not_found(),
        }
        device.require(&["devicePath"]);
        if paths.has(path.text()) {
            path.invalid_text("must be unique");
        }
        if rules::has_backsteps(path.text()) {
            path.invalid_text("can not contain backsteps ('..')");
        } else {
            paths.insert(path.text());
        }
        if mounts.names.contains(name.text()) {
            name.invalid_text("must not already exist in volumeMounts");
        }
        if mounts.paths.contains(path.text()) {
            path.invalid_as(quote(path.text()), "must not already exist as a path in volumeMounts");
        }
    }
}
