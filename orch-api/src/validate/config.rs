//! Rules of kinds that hold data: config maps, secrets, service accounts, controller revisions.
//!
//! Sources: `pkg/apis/core/validation/validation.go`, `pkg/apis/apps/validation/validation.go`. Not admission: whether a
//! service account's token is real is not asked. The invariant: no value of a secret gets into a message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orch_core::Scope::Namespaced;
use orch_core::names;
use serde_json::Value;

use super::at::{At, quote};
use super::meta::{self, Change};
use super::rules;

/// Most bytes that a config map or a secret holds.
const DATA_MAX: usize = 1024 * 1024;

pub(super) fn config_map(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
    let (data, binary) = (object.field("data"), object.field("binaryData"));
    let mut size = 0;
    for (key, value) in data.entries() {
        config_key(&value, key);
        if binary.has(key) {
            value.invalid_as(quote(key), "duplicate of key present in binaryData");
        }
        size += value.len();
    }
    for (key, value) in binary.entries() {
        config_key(&value, key);
        size += decoded_len(value.text());
    }
    if size > DATA_MAX {
        object.shown("[]").too_long(DATA_MAX);
    }
}

fn config_key(value: &At<'_, '_>, key: &str) {
    for message in names::config_map_key(key).err().into_iter().flatten() {
        value.invalid_as(quote(key), message);
    }
}

/// How many bytes Base64 text means.
fn decoded_len(text: &str) -> usize {
    let digits = text.trim_end_matches('=').len();
    digits * 3 / 4
}

pub(super) fn config_map_update(change: &Change<'_, '_>) {
    change.metadata();
    sealed(change, &["data", "binaryData"]);
    config_map(&change.new);
}

/// What is marked as immutable stays, the mark included.
fn sealed(change: &Change<'_, '_>, fields: &[&str]) {
    const RULE: &str = "field is immutable when `immutable` is set";
    if !change.old.field("immutable").is_true() {
        return;
    }
    let immutable = change.new.field("immutable");
    if !immutable.is_true() {
        immutable.forbidden(RULE);
    }
    for name in fields {
        let field = change.new.field(name);
        if !super::same::same(field.value(), change.old.get(name)) {
            field.forbidden(RULE);
        }
    }
}

pub(super) fn secret(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
    let data = object.field("data");
    let mut size = 0;
    for (key, value) in data.entries() {
        config_key(&value, key);
        size += decoded_len(value.text());
    }
    if size > DATA_MAX {
        data.too_long(DATA_MAX);
    }
    secret_type(object, &data);
}

/// What the well-known types of secret hold.
fn secret_type(object: &At<'_, '_>, data: &At<'_, '_>) {
    let require = |key: &str| {
        if !data.has(key) {
            data.key(key).required("");
        }
    };
    match object.get_text("type") {
        "kubernetes.io/service-account-token" => {
            let meta = object.field("metadata");
            let annotations = meta.field("annotations");
            let account = annotations.key("kubernetes.io/service-account.name");
            if account.is_empty() {
                account.required("");
            }
        }
        "kubernetes.io/dockercfg" => json_object(&data.key(".dockercfg")),
        "kubernetes.io/dockerconfigjson" => json_object(&data.key(".dockerconfigjson")),
        "kubernetes.io/basic-auth" if !data.has("username") && !data.has("password") => {
            require("username");
            require("password");
        }
        "kubernetes.io/ssh-auth" => {
            let key = data.key("ssh-privatekey");
            if key.is_empty() {
                key.required("");
            }
        }
        "kubernetes.io/tls" => {
            require("tls.crt");
            require("tls.key");
        }
        _ => {}
    }
}

/// Base64 of a JSON object.
fn json_object(at: &At<'_, '_>) {
    if !at.is_set() {
        at.required("");
        return;
    }
    let bytes = STANDARD.decode(at.text()).unwrap_or_default();
    let why = match serde_json::from_slice(&bytes) {
        Ok(Value::Object(_) | Value::Null) => return,
        Ok(_) => "json: cannot unmarshal into Go value of type map[string]interface {}".to_owned(),
        Err(_) if bytes.is_empty() => "unexpected end of JSON input".to_owned(),
        Err(error) => error.to_string(),
    };
    at.invalid_as(quote("<secret contents redacted>"), why);
}

pub(super) fn secret_update(change: &Change<'_, '_>) {
    change.metadata();
    rules::immutable(&change.new.field("type"), change.old.get("type"));
    sealed(change, &["data"]);
    secret(&change.new);
}

pub(super) fn service_account(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
}

pub(super) fn service_account_update(change: &Change<'_, '_>) {
    change.metadata();
    service_account(&change.new);
}

pub(super) fn controller_revision(object: &At<'_, '_>) {
    revision(object);
    let data = object.field("data");
    match data.value() {
        Value::Object(_) => {}
        Value::Null => data.required("data is mandatory"),
        _ => data.required("data must be a valid JSON object"),
    }
}

fn revision(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
    object.field("revision").non_negative();
}

pub(super) fn controller_revision_update(change: &Change<'_, '_>) {
    change.metadata();
    revision(&change.new);
    let data = change.new.field("data");
    if data.value() != change.old.get("data") {
        data.invalid("field is immutable");
    }
}
