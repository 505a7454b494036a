//! `metadata.managedFields` read and written (`managedfields/internal/managedfields.go`).

use serde_json::{Value, json};

use super::{Manager, Managers, Operation, Owned};
use crate::patch::fields::FieldSet;
use crate::tree::Get;

const FIELDS_TYPE: &str = "FieldsV1";

/// Entries read at most: every entry costs as much as the object, and Kubernetes itself never writes as many.
const MAX_MANAGERS: usize = 1000;

impl Managers {
    /// Reads `metadata.managedFields`.
    ///
    /// # Errors
    /// What is wrong, in Kubernetes' words.
    pub fn decode(tree: &Value) -> Result<Self, String> {
        let entries = match tree {
            Value::Null => return Ok(Self::default()),
            Value::Array(entries) => entries,
            _ => return Err("managed fields must be a list".to_owned()),
        };
        if entries.len() > MAX_MANAGERS {
            return Err(format!("more than {MAX_MANAGERS} managed fields entries"));
        }
        let mut managers = Self::default();
        for (at, entry) in entries.iter().enumerate() {
            let operation = match entry.text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err("operation must be `Apply` or `Update`".to_owned()),
            };
            let api_version = entry.text("apiVersion");
            if api_version.is_empty() {
                return Err("apiVersion must not be empty".to_owned());
            }
            match entry.text("fieldsType") {
                FIELDS_TYPE => {}
                "" => return Err(format!("missing fieldsType in managed fields entry {at}")),
                other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {at}")),
            }
            let fields = match entry.at("fieldsV1") {
                Some(fields) => {
                    FieldSet::decode(fields).map_err(|why| format!("error decoding set: {why}"))?
                }
                None => FieldSet::default(),
            };
            let time = entry.at("time").and_then(Value::as_str).map(str::to_owned);
            let manager =
                Manager::new(entry.text("manager"), operation, api_version, entry.text("subresource"));
            managers.0.insert(manager, Owned { fields, api_version: api_version.to_owned(), time });
        }
        Ok(managers)
    }

    /// Writes `metadata.managedFields`; `None` when nobody owns anything. Appliers come first, then the oldest.
    ///
    /// # Panics
    /// Never: what is written is JSON.
    #[must_use]
    pub fn encode(&self) -> Option<Value> {
        Some(serde_json::from_str(&self.to_json()?).expect("managers are written as JSON"))
    }

    /// The same as text, which is how it is stored.
    #[must_use]
    pub fn to_json(&self) -> Option<String> {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_cached_key(|(manager, owned)| {
            let seconds = seconds(owned.time.as_deref());
            let manager = (*manager).clone();
            (manager.operation, seconds, manager.name, owned.api_version.clone(), manager.subresource)
        });
        let mut out = String::new();
        for (manager, owned) in entries {
            out.push(if out.is_empty() { '[' } else { ',' });
            write(manager, owned, &mut out);
        }
        (!out.is_empty()).then(|| out + "]")
    }
}

/// Appends an entry, with its fields in Kubernetes' order.
fn write(manager: &Manager, owned: &Owned, out: &mut String) {
    out.push('{');
    put(out, "manager", &manager.name);
    put(out, "operation", manager.operation.as_str());
    put(out, "apiVersion", &owned.api_version);
    put(out, "time", owned.time.as_deref().unwrap_or_default());
    put(out, "fieldsType", FIELDS_TYPE);
    out.push_str(",\"fieldsV1\":");
    owned.fields.write(out);
    put(out, "subresource", &manager.subresource);
    out.push('}');
}

/// Appends a text of an entry, unless it is empty.
fn put(out: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        out.push_str(if out.ends_with('{') { "\"" } else { ",\"" });
        out.push_str(name);
        out.push_str("\":");
        out.push_str(&Value::from(value).to_string());
    }
}

/// A time in seconds since 1970; none at all and what is no time come first.
pub(super) fn seconds(time: Option<&str>) -> i64 {
    time.and_then(|time| time.parse::<jiff::Timestamp>().ok()).map_or(0, jiff::Timestamp::as_second)
}

impl Manager {
    pub(super) fn new(name: &str, operation: Operation, api_version: &str, subresource: &str) -> Self {
        let api_version = if operation == Operation::Apply { "" } else { api_version };
        Self {
            name: name.to_owned(),
            operation,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
        }
    }
}

/// Whether a client asks to forget all managers: an empty list, or one empty entry (`isResetManagedFields`).
pub(super) fn is_reset(given: &Value) -> bool {
    match given.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([one]) => *one == json!({}),
        _ => false,
    }
}
