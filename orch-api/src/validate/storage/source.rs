//! Where the data of a volume comes from: one rule for each kind of source that pods and persistent volumes share.
//!
//! A table says which sources a place allows, in the order in which upstream looks at them: the first counts, others are
//! refused (`validateVolumeSource`, `ValidatePersistentVolumeSpec` in `pkg/apis/core/validation/validation.go`). Not the
//! sources of pods alone: those are in `pod::volumes`.

use orch_core::names;

use super::super::at::At;
use super::super::rules;

const ONE_TYPE: &str = "may not specify more than 1 volume type";

/// One kind of source.
pub(in super::super) struct Source {
    /// Its field.
    pub(in super::super) key: &'static str,
    /// As upstream names it in faults of its fields.
    pub(in super::super) shown: &'static str,
    /// As upstream names it when it is one too many; `None` if it is never refused.
    pub(in super::super) refused: Option<&'static str>,
    /// What it must satisfy.
    pub(in super::super) rule: fn(&At<'_, '_>, &Holder<'_>),
}

/// A source that is named as it is.
pub(in super::super) const fn source(key: &'static str, rule: fn(&At<'_, '_>, &Holder<'_>)) -> Source {
    Source { key, shown: key, refused: Some(key), rule }
}

/// What has the volume.
#[derive(Clone, Copy)]
pub(in super::super) struct Holder<'a> {
    /// Name of the volume.
    pub(in super::super) volume: &'a str,
    /// Whether it is a pod, neither a template nor a persistent volume.
    pub(in super::super) is_pod: bool,
}

/// Exactly one source must be given.
pub(in super::super) fn exactly_one(at: &At<'_, '_>, table: &[Source], holder: &Holder<'_>) {
    let set = at.map().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let mut given = set.filter_map(|(key, _)| table.iter().find(|source| source.key == key));
    match (given.next(), given.next()) {
        (None, _) => at.required("must specify a volume type"),
        (Some(only), None) => (only.rule)(&at.field_shown(only.key, only.shown), holder),
        _ => first_of_several(at, table, holder),
    }
}

fn first_of_several(at: &At<'_, '_>, table: &[Source], holder: &Holder<'_>) {
    for (count, source) in table.iter().filter(|source| at.has(source.key)).enumerate() {
        match source.refused {
            Some(refused) if count > 0 => at.field(refused).forbidden(ONE_TYPE),
            _ => (source.rule)(&at.field_shown(source.key, source.shown), holder),
        }
    }
}

pub(in super::super) fn host_path(at: &At<'_, '_>, _: &Holder<'_>) {
    const TYPES: &[&str] = &[
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ];
    let path = at.field("path");
    if path.is_empty() {
        path.required("");
        return;
    }
    rules::no_backsteps(&path);
    at.field("type").optional_one_of(TYPES);
}

fn partition(at: &At<'_, '_>) {
    let partition = at.field("partition");
    if !(0..=255).contains(&partition.number()) {
        partition.invalid_number("must be between 1 and 255, inclusive");
    }
}

pub(in super::super) fn gce_disk(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["pdName"]);
    partition(at);
}

pub(in super::super) fn aws_disk(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["volumeID"]);
    partition(at);
}

pub(in super::super) fn nfs(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["server", "path"]);
    let path = at.field("path");
    if !path.text().starts_with('/') {
        path.invalid_text("must be an absolute path");
    }
}

pub(in super::super) fn iscsi(at: &At<'_, '_>, _: &Holder<'_>) {
    iscsi_target(at, "must be valid format starting with iqn, eui, or naa");
}

pub(in super::super) fn iscsi_volume(at: &At<'_, '_>, holder: &Holder<'_>) {
    let portal = at.field_shown("targetPortal", "targetportal");
    if at.has("initiatorName") && too_long_for_initiator(holder.volume, portal.text()) {
        portal.invalid_text(INITIATOR_RULE);
    }
    iscsi_target(at, "must be valid format");
    if at.has("secretRef") {
        secret_names(at, "secretRef", &["name"]);
    }
}

pub(in super::super) const INITIATOR_RULE: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 \
                                                   characters if iscsi.initiatorName is specified.";

pub(in super::super) fn too_long_for_initiator(volume: &str, portal: &str) -> bool {
    volume.len() + 1 + portal.len() > 64
}

fn iscsi_target(at: &At<'_, '_>, unknown_form: &str) {
    at.require(&["targetPortal"]);
    let iqn = at.field("iqn");
    if iqn.is_empty() {
        iqn.required("")
    } else {
        iscsi_name(&iqn, unknown_form)
    }
    let lun = at.field("lun");
    if !(0..=255).contains(&lun.number()) {
        lun.invalid_number("must be between 0 and 255, inclusive");
    }
    let chap = at.field("chapAuthDiscovery").is_true() || at.field("chapAuthSession").is_true();
    if chap && !at.has("secretRef") {
        at.field("secretRef").required("");
    }
    let initiator = at.field_shown("initiatorName", "initiatorname");
    if initiator.is_set() {
        iscsi_name(&initiator, unknown_form);
    }
}

/// A name as `iqn.2001-04.com.example:disk`, `eui.` or `naa.` and digits.
fn iscsi_name(at: &At<'_, '_>, unknown_form: &str) {
    let name = at.text();
    let alphanumerics = |rest: &str, count: usize| {
        let mut chars = rest.chars();
        chars.next().is_some() && chars.as_str().len() == count && chars.all(|c| c.is_ascii_alphanumeric())
    };
    let valid = match name.get(..3) {
        Some("iqn") => is_iqn(name),
        Some("eui") => alphanumerics(&name[3..], 16),
        Some("naa") => alphanumerics(&name[3..], 32),
        _ => {
            at.invalid_text(unknown_form);
            return;
        }
    };
    if !valid {
        at.invalid_text("must be valid format");
    }
}

fn is_iqn(name: &str) -> bool {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name.strip_prefix("iqn.").and_then(|rest| {
        let (year, rest) = rest.split_once('-')?;
        let (month, rest) = rest.split_once('.')?;
        let (authority, unique) = rest.split_once(':')?;
        Some((digits(year, 4) && digits(month, 2), authority, unique))
    });
    parts.is_some_and(|(date, authority, unique)| {
        let forbidden = |c: char| matches!(c, ',' | ';' | '*' | '&' | '$' | '|') || c.is_ascii_whitespace();
        date && !authority.is_empty()
            && authority.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
            && !unique.is_empty()
            && !unique.contains(forbidden)
    })
}

pub(in super::super) fn fibre_channel(at: &At<'_, '_>, _: &Holder<'_>) {
    let (targets, ids, lun) = (at.field("targetWWNs"), at.field("wwids"), at.field("lun"));
    match (targets.is_empty(), ids.is_empty()) {
        (true, true) => targets.required("must specify either targetWWNs or wwids, but not both"),
        (false, false) => targets.invalid("targetWWNs and wwids can not be specified simultaneously"),
        _ => {}
    }
    if targets.is_empty() {
        return;
    }
    if !lun.is_set() {
        lun.required("lun is required if targetWWNs is specified");
    } else if !(0..=255).contains(&lun.number()) {
        lun.invalid_number("must be between 0 and 255, inclusive");
    }
}

pub(in super::super) fn glusterfs(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["endpoints", "path"]);
    let namespace = at.field("endpointsNamespace");
    if namespace.is_set() && namespace.is_empty() {
        namespace.invalid_text("if the endpointnamespace is set, it must be a valid namespace name");
    } else {
        namespace.optional_name(names::dns1123_label);
    }
}

pub(in super::super) fn flocker(at: &At<'_, '_>, _: &Holder<'_>) {
    let (name, uuid) = (at.field("datasetName"), at.field("datasetUUID"));
    match (name.is_empty(), uuid.is_empty()) {
        (true, true) => at.required("one of datasetName and datasetUUID is required"),
        (false, false) => {
            at.invalid_as("\"resource\"", "datasetName and datasetUUID can not be specified simultaneously");
        }
        _ => {}
    }
    if name.text().contains('/') {
        name.invalid_text("must not contain '/'");
    }
}

pub(in super::super) fn rbd(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["monitors", "image"]);
}

pub(in super::super) fn ceph_fs(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["monitors"]);
}

pub(in super::super) fn cinder(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["volumeID"]);
    secret_names(at, "secretRef", &["name"]);
}

pub(in super::super) fn cinder_volume(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["volumeID"]);
    secret_names(at, "secretRef", &["name", "namespace"]);
}

/// A reference to a secret has these parts if it is given.
fn secret_names(at: &At<'_, '_>, field: &str, parts: &[&str]) {
    if at.has(field) {
        at.field(field).require(parts);
    }
}

pub(in super::super) fn quobyte(at: &At<'_, '_>, _: &Holder<'_>) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = at.field("registry");
    if registry.is_empty() {
        registry.required(PAIRS);
    } else if at.field("tenant").len() >= 65 {
        at.field("tenant").required("must be a UUID and may not exceed a length of 64 characters");
    } else {
        let is_pair = |pair: &str| {
            pair.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'))
        };
        for _ in registry.text().split(',').filter(|pair| !is_pair(pair)) {
            registry.invalid_text(PAIRS);
        }
    }
    at.require(&["volume"]);
}

pub(in super::super) fn flex_volume(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["driver"]);
    for (key, option) in at.field("options").entries() {
        let namespace = format!(".{}", rules::lowercase(key.split('/').next().unwrap_or(key)));
        if namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io") {
            option
                .invalid_as(super::super::at::quote(key), "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

pub(in super::super) fn azure_file(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["secretName", "shareName"]);
    if at.has("secretNamespace") {
        at.require(&["secretNamespace"]);
    }
}

pub(in super::super) fn azure_disk(at: &At<'_, '_>, _: &Holder<'_>) {
    const MANAGED: &str =
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
    const BLOB: &str = "https://{account-name}.blob.windows.net/{container-name}/{disk-name}.vhd";
    at.require(&["diskName", "diskURI"]);
    at.field("cachingMode").optional_one_of(&["None", "ReadOnly", "ReadWrite"]);
    let (kind, uri) = (at.field("kind"), at.field("diskURI"));
    kind.optional_one_of(&["Dedicated", "Managed", "Shared"]);
    let (prefix, form) =
        if kind.text() == "Managed" { ("/subscriptions/", MANAGED) } else { ("https://", BLOB) };
    if kind.is_set() && !uri.text().starts_with(prefix) {
        uri.unsupported(&[form]);
    }
}

pub(in super::super) fn vsphere(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["volumePath"]);
}

pub(in super::super) fn photon(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["pdID"]);
}

pub(in super::super) fn portworx(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["volumeID"]);
}

pub(in super::super) fn scale_io(at: &At<'_, '_>, _: &Holder<'_>) {
    at.require(&["gateway", "system", "volumeName"]);
}

fn storage_os_parts(at: &At<'_, '_>, secret: &[&str]) {
    at.field("volumeName").required_name(names::dns1123_label);
    at.field("volumeNamespace").optional_name(names::dns1123_label);
    secret_names(at, "secretRef", secret);
}

pub(in super::super) fn storage_os(at: &At<'_, '_>, _: &Holder<'_>) {
    storage_os_parts(at, &["name"]);
}

pub(in super::super) fn storage_os_volume(at: &At<'_, '_>, _: &Holder<'_>) {
    storage_os_parts(at, &["name", "namespace"]);
}

/// The name of a CSI driver.
pub(in super::super) fn csi_driver(driver: &At<'_, '_>) {
    if driver.is_empty() {
        driver.required("");
        return;
    }
    if driver.len() > names::LABEL_MAX {
        driver.too_long(names::LABEL_MAX);
    }
    driver.named(|name| names::dns1123_subdomain(&rules::lowercase(name)));
}
