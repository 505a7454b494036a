//! `metadata.managedFields` read and written (`managedfields/internal/managedfields.go`).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Manager, Managers, Operation, Owned};
use crate::patch::fields::{FieldSet, is_plain};
use crate::tree::Get;

const FIELDS_TYPE: &str = "FieldsV1";

/// Entries read at most: every entry costs as much as the object, and Kubernetes itself never writes as many.
const MAX_MANAGERS: usize = 1000;

/// An entry in the form in which this module writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    manager: String,
    operation: Operation,
    api_version: String,
    time: Option<String>,
    #[serde(default)]
    subresource: String,
    fields_type: String,
    fields_v1: FieldSet,
}

impl Managers {
    /// Reads `metadata.managedFields` from text, without a tree in between where it has the form in which it is written.
    ///
    /// # Errors
    /// As [`Managers::decode`].
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let is_usual = |entry: &Entry| entry.fields_type == FIELDS_TYPE && !entry.api_version.is_empty();
        match serde_json::from_slice::<Vec<Entry>>(json) {
            Ok(entries) if entries.len() <= MAX_MANAGERS && entries.iter().all(is_usual) => {
                let mut managers = Self::default();
                for Entry { manager, operation, api_version, time, subresource, fields_v1: fields, .. } in
                    entries
                {
                    let manager = Manager::new(&manager, operation, &api_version, &subresource);
                    managers.0.insert(manager, Owned { fields, api_version, time });
                }
                Ok(managers)
            }
            _ => Self::decode(&serde_json::from_slice(json).map_err(|error| error.to_string())?),
        }
    }

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
        let entries: Vec<Value> = self.in_order().map(|(manager, owned)| entry(manager, owned)).collect();
        (!entries.is_empty()).then_some(Value::Array(entries))
    }

    /// The same as text, which is how it is stored.
    #[must_use]
    pub fn to_json(&self) -> Option<String> {
        let mut out = String::new();
        for (manager, owned) in self.in_order() {
            out.push(if out.is_empty() { '[' } else { ',' });
            write(manager, owned, &mut out, |out| owned.fields.write(out));
        }
        (!out.is_empty()).then(|| out + "]")
    }

    fn in_order(&self) -> impl Iterator<Item = (&Manager, &Owned)> {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_cached_key(|(manager, owned)| {
            let seconds = seconds(owned.time.as_deref());
            let manager = (*manager).clone();
            (manager.operation, seconds, manager.name, owned.api_version.clone(), manager.subresource)
        });
        entries.into_iter()
    }
}

/// The texts of an entry, in Kubernetes' order; some are empty.
fn texts<'t>(manager: &'t Manager, owned: &'t Owned) -> [(&'static str, &'t str); 6] {
    [
        ("manager", &manager.name),
        ("operation", manager.operation.as_str()),
        ("apiVersion", &owned.api_version),
        ("time", owned.time.as_deref().unwrap_or_default()),
        ("subresource", &manager.subresource),
        ("fieldsType", FIELDS_TYPE),
    ]
}

fn entry(manager: &Manager, owned: &Owned) -> Value {
    let texts = texts(manager, owned).into_iter().filter(|(_, text)| !text.is_empty());
    let mut entry: Map<String, Value> = texts.map(|(name, text)| (name.to_owned(), text.into())).collect();
    entry.insert("fieldsV1".to_owned(), owned.fields.encode());
    Value::Object(entry)
}

/// Appends an entry whose set of fields `fields` appends.
pub(super) fn write(manager: &Manager, owned: &Owned, out: &mut String, fields: impl FnOnce(&mut String)) {
    out.push('{');
    for (name, text) in texts(manager, owned).into_iter().filter(|(_, text)| !text.is_empty()) {
        out.push('"');
        out.push_str(name);
        out.push_str("\":");
        if is_plain(text) {
            out.push('"');
            out.push_str(text);
            out.push('"');
        } else {
            out.push_str(&Value::from(text).to_string());
        }
        out.push(',');
    }
    out.push_str("\"fieldsV1\":");
    fields(out);
    out.push('}');
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
