//! Rules of security contexts, of pods and of containers (`validatePodSpecSecurityContext`, `ValidateSecurityContext`).
//!
//! Not the pod security standards: whether a namespace lets a pod in is admission's question. Options of Windows are in
//! `windows`.

use serde_json::Value;

use super::super::at::{At, quote, show};
use super::super::rules::{self, Seen};
use super::windows;

/// Longest path of a profile of `AppArmor`, in bytes.
const PROFILE_PATH_MAX: usize = 4095;
/// Longest name of a setting of the kernel, in bytes.
const SYSCTL_MAX: usize = 253;

/// The security context of a pod.
pub(super) fn pod(spec: &At<'_, '_>) {
    let context = spec.field("securityContext");
    if !context.is_set() {
        return;
    }
    ["fsGroup", "runAsUser", "runAsGroup"].iter().for_each(|name| rules::unix_id(&context.field(name)));
    context.field("supplementalGroups").items().for_each(|group| rules::unix_id(&group));
    if spec.field("shareProcessNamespace").is_true() && spec.field("hostPID").is_true() {
        let shared = context.with(spec.value());
        let shared = shared.field("shareProcessNamespace");
        shared.invalid("ShareProcessNamespace and HostPID cannot both be enabled");
    }
    sysctls(&context.field("sysctls"), spec);
    context.field("fsGroupChangePolicy").optional_one_of(&["Always", "OnRootMismatch"]);
    seccomp(&context.field("seccompProfile"));
    windows::options(&context.field("windowsOptions"));
    app_armor(&context.field("appArmorProfile"));
    context.field("supplementalGroupsPolicy").optional_one_of(&["Merge", "Strict"]);
    // Mounting with the label is off by default in 1.36 (`SELinuxMount`).
    context.field("seLinuxChangePolicy").optional_one_of(&["Recursive"]);
}

/// The security context of a container.
pub(super) fn container(context: &At<'_, '_>, host_users: bool) {
    if !context.is_set() {
        return;
    }
    ["runAsUser", "runAsGroup"].iter().for_each(|name| rules::unix_id(&context.field(name)));
    let proc_mount = context.field("procMount");
    proc_mount.optional_one_of(&["Default", "Unmasked"]);
    if host_users && proc_mount.text() == "Unmasked" {
        proc_mount.invalid("`hostUsers` must be false to use `Unmasked`");
    }
    seccomp(&context.field("seccompProfile"));
    if context.field("allowPrivilegeEscalation").is_false() {
        if context.field("privileged").is_true() {
            context.invalid("cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        }
        let capabilities = context.field("capabilities");
        for _ in capabilities.field("add").list().iter().filter(|capability| *capability == "CAP_SYS_ADMIN") {
            context.invalid(
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
            );
        }
    }
    windows::options(&context.field("windowsOptions"));
    app_armor(&context.field("appArmorProfile"));
}

/// The ways in which a profile is chosen.
const PROFILE_TYPES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

fn seccomp(profile: &At<'_, '_>) {
    if !profile.is_set() {
        return;
    }
    let (kind, path) = (profile.field("type"), profile.field("localhostProfile"));
    if kind.is_empty() {
        kind.required("type is required when seccompProfile is set");
    } else {
        kind.one_of(PROFILE_TYPES);
    }
    match (kind.text() == "Localhost", path.is_set()) {
        (true, true) => rules::descending_path(&path),
        (true, false) => path.required("must be set when seccomp type is Localhost"),
        (false, true) => {
            path.invalid_as(show(profile.value()), "can only be set when seccomp type is Localhost")
        }
        (false, false) => {}
    }
}

fn app_armor(profile: &At<'_, '_>) {
    const NEEDS_PATH: &str = "must be set when AppArmor type is Localhost";
    if !profile.is_set() {
        return;
    }
    let (kind, path) = (profile.field("type"), profile.field("localhostProfile"));
    match kind.text() {
        "Localhost" if !path.is_set() => path.required(NEEDS_PATH),
        "Localhost" => {
            if path.text().trim() != path.text() {
                path.invalid_text("must not be padded with whitespace");
            } else if path.is_empty() {
                path.required(NEEDS_PATH);
            }
            if path.len() > PROFILE_PATH_MAX {
                path.too_long(PROFILE_PATH_MAX);
            }
        }
        "RuntimeDefault" | "Unconfined" if path.is_set() => {
            path.invalid("can only be set when AppArmor type is Localhost");
        }
        "RuntimeDefault" | "Unconfined" => {}
        "" => kind.required("type is required when appArmorProfile is set"),
        _ => kind.unsupported(PROFILE_TYPES),
    }
}

/// Settings of the kernel, of which the host's own namespaces have no copy.
fn sysctls(list: &At<'_, '_>, spec: &At<'_, '_>) {
    const FORM: &str = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
    let mut seen = Seen::new();
    for sysctl in list.items() {
        let name = sysctl.field("name");
        if name.is_empty() {
            name.required("");
        } else if !is_sysctl(name.text()) {
            name.invalid_text(format!("must have at most {SYSCTL_MAX} characters and match regex {FORM}"));
        } else if seen.has(name.text()) {
            name.duplicate();
        }
        seen.insert(name.text());
        let host = match namespace_of(name.text()) {
            Some(Namespace::Net) => "hostNetwork",
            Some(Namespace::Ipc) => "hostIPC",
            None => continue,
        };
        if spec.get(host) == &Value::Bool(true) {
            name.invalid_as(quote(name.text()), format!("may not be specified when '{host}' is true"));
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let segment = |segment: &str| {
        let bytes = segment.as_bytes();
        let ends =
            bytes.first().zip(bytes.last()).is_some_and(|(first, last)| is_end(*first) && is_end(*last));
        ends && bytes.iter().all(|byte| is_end(*byte) || matches!(byte, b'-' | b'_'))
    };
    name.len() <= SYSCTL_MAX && name.split(['.', '/']).all(segment)
}

enum Namespace {
    Net,
    Ipc,
}

/// The namespace of the kernel that a setting belongs to (`component-helpers/node/util/sysctl/namespace.go`).
fn namespace_of(sysctl: &str) -> Option<Namespace> {
    const IPC: &[&str] = &[
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.shm",
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.msg",
    ];
    // With a slash as the first separator, slashes separate and dots do not.
    let slashed = sysctl.find(['.', '/']).is_some_and(|at| sysctl[at..].starts_with('/'));
    let name = if slashed { sysctl.replace('/', ".") } else { sysctl.to_owned() };
    let name = name.split('*').next().unwrap_or("");
    if name.starts_with("net.") {
        Some(Namespace::Net)
    } else if IPC.contains(&name) || name.starts_with("fs.mqueue.") {
        Some(Namespace::Ipc)
    } else {
        None
    }
}
