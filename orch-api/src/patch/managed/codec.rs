//! `metadata.managedFields` read and written (`managedfields/internal/managedfields.go`).

use serde_json::{Map, Value, json};

use super::{Manager, Managers, Operation, Owned};
use crate::patch::fields::FieldSet;
use crate::tree::{Get, Set};

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
    #[must_use]
    pub fn encode(&self) -> Option<Value> {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_cached_key(|(manager, owned)| {
            let seconds = seconds(owned.time.as_deref());
            let manager = (*manager).clone();
            (manager.operation, seconds, manager.name, owned.api_version.clone(), manager.subresource)
        });
        let entries: Vec<Value> = entries.into_iter().map(|(manager, owned)| entry(manager, owned)).collect();
        (!entries.is_empty()).then_some(Value::Array(entries))
    }
}

fn entry(manager: &Manager, owned: &Owned) -> Value {
    let mut entry = Map::new();
    if !manager.name.is_empty() {
        entry.put("manager", &*manager.name);
    }
    entry.put("operation", manager.operation.as_str());
    entry.put("apiVersion", &*owned.api_version);
    entry.put("fieldsType", FIELDS_TYPE);
    entry.put("fieldsV1", owned.fields.encode());
    if let Some(time) = &owned.time {
        entry.put("time", &**time);
    }
    if !manager.subresource.is_empty() {
        entry.put("subresource", &*manager.subresource);
    }
    Value::Object(entry)
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
