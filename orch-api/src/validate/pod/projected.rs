//! Rules of volumes that are put together from objects of the API: projected volumes and the downward API
//! (`validateProjectionSources`, `validateDownwardAPIVolumeFile`).
//!
//! The invariant: no two files of a projected volume have the same path.

use std::collections::BTreeSet;

use orch_core::names;

use super::super::at::{At, quote};
use super::super::rules;
use super::super::storage::source::Holder;
use super::{env, volumes};

/// Shortest life of a token, in seconds.
const TOKEN_SECONDS_MIN: i64 = 10 * 60;
/// Longest life of a token, in seconds.
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

/// Paths of a volume's files, and where one that stands twice is reported.
struct Paths<'v, 'a> {
    volume: &'a At<'v, 'a>,
    seen: BTreeSet<&'v str>,
}

impl<'v> Paths<'v, '_> {
    /// Takes a path; `shown` is what upstream shows when it is taken already.
    fn take(&mut self, path: &'v str, shown: &str) {
        if !self.seen.insert(path) {
            self.volume.invalid_as(quote(shown), "conflicting duplicate paths");
        }
    }
}

pub(super) fn projected(volume: &At<'_, '_>, _: &Holder<'_>) {
    rules::file_mode(&volume.field("defaultMode"));
    let mut paths = Paths { volume, seen: BTreeSet::new() };
    for source in volume.field("sources").items() {
        let mut count = 0;
        for name in [
            "secret",
            "configMap",
            "downwardAPI",
            "serviceAccountToken",
            "clusterTrustBundle",
            "podCertificate",
        ] {
            let projection = source.field(name);
            if !projection.is_set() {
                continue;
            }
            count += 1;
            match name {
                "secret" | "configMap" => keys(&projection, &mut paths),
                "downwardAPI" => downward_files(&projection, &mut paths),
                "serviceAccountToken" => token(&projection, volume),
                "clusterTrustBundle" => trust_bundle(&projection, &mut paths),
                _ => certificate(&projection, &mut paths),
            }
        }
        if count > 1 {
            source.forbidden("may not specify more than 1 volume type per source");
        }
    }
}

fn keys<'v>(at: &At<'v, '_>, paths: &mut Paths<'v, '_>) {
    at.require(&["name"]);
    for item in at.field("items").items() {
        volumes::key_to_path(&item);
        let path = item.get_text("path");
        if !path.is_empty() {
            paths.take(path, at.get_text("name"));
        }
    }
}

fn downward_files<'v>(at: &At<'v, '_>, paths: &mut Paths<'v, '_>) {
    for file in at.field("items").items() {
        // Upstream reports faults of a file at the projection.
        downward_file(&at.with(file.value()));
        let path = file.get_text("path");
        if !path.is_empty() {
            paths.take(path, path);
        }
    }
}

/// A volume of the downward API alone.
pub(super) fn downward_api(at: &At<'_, '_>, _: &Holder<'_>) {
    rules::file_mode(&at.field("defaultMode"));
    at.field("items").list().iter().for_each(|file| downward_file(&at.with(file)));
}

fn downward_file(file: &At<'_, '_>) {
    let path = file.field("path");
    file.require(&["path"]);
    rules::unreserved_path(&path);
    let (field, resource) = (file.field("fieldRef"), file.field("resourceFieldRef"));
    if field.is_set() {
        env::field(&field, env::FILE_FIELDS);
        if resource.is_set() {
            file.invalid_as(
                "\"resource\"",
                "fieldRef and resourceFieldRef can not be specified simultaneously",
            );
        }
    } else if resource.is_set() {
        env::resource(&resource, true);
    } else {
        file.required("one of fieldRef and resourceFieldRef is required");
    }
    rules::file_mode(&file.field("mode"));
}

fn token(at: &At<'_, '_>, volume: &At<'_, '_>) {
    let seconds = at.field("expirationSeconds");
    if seconds.number() < TOKEN_SECONDS_MIN {
        seconds.invalid_number("may not specify a duration less than 10 minutes");
    }
    if seconds.number() > TOKEN_SECONDS_MAX {
        seconds.invalid_number("may not specify a duration larger than 2^32 seconds");
    }
    // Upstream reports the path at the volume.
    let shown = volume.with(at.value());
    let path = shown.field("path");
    if path.is_empty() { path.required("") } else { rules::unreserved_path(&path) }
}

fn trust_bundle<'v>(at: &At<'v, '_>, paths: &mut Paths<'v, '_>) {
    let (name, signer, selector) = (at.field("name"), at.field("signerName"), at.field("labelSelector"));
    match (name.is_set(), signer.is_set()) {
        (true, true) => at.invalid("only one of name and signerName may be used"),
        (true, false) => {
            if name.is_empty() {
                name.required("must be a valid object name");
            }
            // What stands before the last colon is the signer.
            let own = name.text().rsplit_once(':').map_or(name.text(), |(_, own)| own);
            for message in names::dns1123_subdomain(own).err().into_iter().flatten() {
                name.invalid_text(format!("not a valid clustertrustbundlename: {message}"));
            }
            if selector.is_set() {
                selector.invalid("labelSelector must be unset if name is specified");
            }
        }
        (false, true) => {
            if signer.is_empty() {
                signer.required("must be a valid signer name");
            }
            signer_name(&signer);
            rules::label_selector(&selector);
        }
        (false, false) => at.required("either name or signerName must be specified"),
    }
    at.require(&["path"]);
    let path = at.field("path");
    rules::unreserved_path(&path);
    paths.take(path.text(), path.text());
}

fn certificate<'v>(at: &At<'v, '_>, paths: &mut Paths<'v, '_>) {
    const DAY: i64 = 24 * 60 * 60;
    const PATHS: &[&str] = &["credentialBundlePath", "keyPath", "certificateChainPath"];
    let signer = at.field("signerName");
    signer_name(&signer);
    at.field("keyType").one_of(&["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"]);
    let life = at.field("maxExpirationSeconds");
    if life.is_set() {
        let domain = signer.text().split('/').next().unwrap_or("");
        let is_own = domain == "kubernetes.io" || domain.ends_with(".kubernetes.io");
        let max = if is_own { DAY } else { 91 * DAY };
        if life.number() < 3600 {
            life.invalid_number("if provided, maxExpirationSeconds must be >= 3600");
        }
        if life.number() > max {
            life.invalid_number(format!("if provided, maxExpirationSeconds must be <= {max}"));
        }
    }
    let mut count = 0;
    for path in PATHS.iter().map(|name| at.field(name)).filter(|path| !path.is_empty()) {
        count += 1;
        rules::unreserved_path(&path);
        paths.take(path.text(), path.text());
    }
    if count == 0 {
        at.required("specify at least one of credentialBundlePath, keyPath, and certificateChainPath");
    }
}

/// A domain and a path, as `example.com/signer` (`ValidateSignerName` in `pkg/apis/core/validation/names.go`).
fn signer_name(at: &At<'_, '_>) {
    const NAME_MAX: usize = 2 * names::SUBDOMAIN_MAX + names::LABEL_MAX + 2;
    if at.is_empty() {
        at.required("");
        return;
    }
    let Some((domain, path)) = at.text().split_once('/').filter(|(_, path)| !path.contains('/')) else {
        at.invalid_text("must be a fully qualified domain and path of the form 'example.com/signer-name'");
        return;
    };
    if domain.len() > names::SUBDOMAIN_MAX {
        at.too_long(names::SUBDOMAIN_MAX);
    }
    let first_wrong = |part: &str, rule: fn(&str) -> names::Validity| {
        let wrong = part.split('.').find_map(|label| Some((label, rule(label).err()?)));
        let (label, messages) = wrong.unzip();
        for message in messages.into_iter().flatten() {
            let label = quote(label.unwrap_or(""));
            at.invalid_as(quote(part), format!("validating label {label}: {message}"));
        }
    };
    first_wrong(domain, names::dns1123_label);
    if !domain.contains('.') {
        at.invalid_as(quote(domain), "should be a domain with at least two segments separated by dots");
    }
    first_wrong(path, names::dns1123_subdomain);
    if at.len() > NAME_MAX {
        at.too_long(NAME_MAX);
    }
}

/// A pod without a service account has no token to project.
pub(super) fn no_tokens(volumes: &At<'_, '_>) {
    for volume in volumes.items().filter(|volume| volume.has("projected")) {
        let projected = volume.field("projected");
        for source in projected.field("sources").items() {
            let token = source.field("serviceAccountToken");
            if token.is_set() {
                token.forbidden("must not be specified when serviceAccountName is not set");
            }
        }
    }
}
