//! Rules of operating systems: what pods of Windows can have, and what of theirs pods of Linux cannot (`validateOS`,
//! `validateWindows`, `validateWindowsSecurityContextOptions`, `validateWindowsHostProcessPod`).
//!
//! Not running them: no runtime shipped here does.

use orch_core::names;
use serde_json::Value;

use super::super::at::{At, quote};
use super::each_container;

const NOT_WINDOWS: &str = "cannot be set for a windows pod";
const NOT_LINUX: &str = "windows options cannot be set for a linux pod";

/// Longest specification of a group managed service account, in bytes.
const CREDENTIALS_MAX: usize = 64 * 1024;
const DOMAIN_MAX: usize = 256;
const USER_MAX: usize = 104;

/// The operating system that a pod names, and what it therefore cannot have.
pub(super) fn os(spec: &At<'_, '_>) {
    let os = spec.field("os");
    let name = os.field("name");
    match name.text() {
        _ if !os.is_set() => {}
        "" => name.required(""),
        "linux" => linux(spec),
        "windows" => windows(spec),
        other => os.unsupported_as(quote(other), &["linux", "windows"]),
    }
}

fn forbid(at: &At<'_, '_>, fields: &[&str], rule: &str) {
    let set = fields.iter().map(|name| at.field(name)).filter(At::is_set);
    set.for_each(|field| field.forbidden(rule));
}

fn linux(spec: &At<'_, '_>) {
    forbid(&spec.field("securityContext"), &["windowsOptions"], NOT_LINUX);
    each_container(spec, |container| {
        forbid(&container.field("securityContext"), &["windowsOptions"], NOT_LINUX);
    });
}

fn windows(spec: &At<'_, '_>) {
    const OF_POD: &[&str] = &[
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "seLinuxChangePolicy",
    ];
    const OF_CONTAINER: &[&str] = &[
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    let context = spec.field("securityContext");
    forbid(&context, OF_POD, NOT_WINDOWS);
    if !context.field("sysctls").is_empty() {
        context.field("sysctls").forbidden(NOT_WINDOWS);
    }
    forbid(spec, &["hostUsers", "shareProcessNamespace"], NOT_WINDOWS);
    for field in ["hostPID", "hostIPC"].map(|name| spec.field(name)) {
        if field.is_true() {
            field.forbidden(NOT_WINDOWS);
        }
    }
    each_container(spec, |container| forbid(&container.field("securityContext"), OF_CONTAINER, NOT_WINDOWS));
}

/// Options of Windows in a security context.
pub(super) fn options(options: &At<'_, '_>) {
    if !options.is_set() {
        return;
    }
    let name = options.field("gmsaCredentialSpecName");
    if name.is_set() {
        name.named(names::dns1123_subdomain);
    }
    let credentials = options.field("gmsaCredentialSpec");
    if credentials.is_set() && credentials.is_empty() {
        credentials.invalid_text("gmsaCredentialSpec cannot be an empty string");
    } else if credentials.len() > CREDENTIALS_MAX {
        credentials.invalid_text("gmsaCredentialSpec size must be under 64 KiB");
    }
    let user = options.field("runAsUserName");
    if user.is_set() {
        user_name(&user);
    }
}

/// `DOMAIN\user` or `user`.
fn user_name(at: &At<'_, '_>) {
    let refuse = |why: &str| at.invalid_text(format!("runAsUserName{why}"));
    let name = at.text();
    let mut parts = name.split('\\');
    let (first, second) = (parts.next().unwrap_or(""), parts.next());
    if name.is_empty() {
        return refuse(" cannot be an empty string");
    }
    if name.bytes().any(|byte| byte.is_ascii_control()) {
        return refuse(" cannot contain control characters");
    }
    if parts.next().is_some() {
        return refuse(" cannot contain more than one backslash");
    }
    let (domain, user) = second.map_or((None, first), |user| (Some(first), user));
    if let Some(domain) = domain {
        if domain.len() >= DOMAIN_MAX {
            refuse("'s Domain length must be under 256 characters");
        }
        if !is_net_bios(domain) && !is_domain(domain) {
            refuse("'s Domain doesn't match the NetBios nor the DNS format");
        }
    }
    if user.is_empty() {
        refuse("'s User cannot be empty");
    } else if user.len() > USER_MAX {
        refuse("'s User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        refuse("'s User cannot contain only periods or spaces");
    }
    if user.contains(|c| "\"/\\:;|=,+*?<>@[]".contains(c)) {
        refuse("'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
    }
}

fn is_net_bios(domain: &str) -> bool {
    let forbidden = |c: char| "\\/:*?\"<>|".contains(c);
    (1..=15).contains(&domain.chars().count()) && !domain.starts_with('.') && !domain.contains(forbidden)
}

fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| names::dns1123_label(&label.to_ascii_lowercase()).is_ok())
}

/// Either all containers of a pod are processes of the host, or none.
pub(super) fn host_process(spec: &At<'_, '_>) {
    let of = |context: &Value| context.get("windowsOptions")?.get("hostProcess")?.as_bool();
    let of_pod = of(spec.get("securityContext"));
    let (mut all, mut host) = (0, 0);
    each_container(spec, |container| {
        all += 1;
        let context = container.field("securityContext");
        let own = of(context.value());
        if let (Some(pod), Some(own)) = (of_pod, own)
            && pod != own
        {
            let options = context.field("windowsOptions");
            options
                .field("hostProcess")
                .invalid(format!("pod hostProcess value must be identical if both are specified, was {pod}"));
        }
        host += usize::from(own.or(of_pod) == Some(true));
    });
    if host == 0 {
        return;
    }
    if host != all {
        spec.invalid_as(
            quote(""),
            "If pod contains any hostProcess containers then all containers must be HostProcess containers",
        );
    }
    let network = spec.field("hostNetwork");
    if !network.is_true() {
        network.invalid_as(false, "hostNetwork must be true if pod contains any hostProcess containers");
    }
}
