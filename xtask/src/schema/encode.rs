//! Writes a [`Model`] as the table that `orch-api/src/schema/table.rs` reads in place; the format is described there.
//!
//! The invariant: strings, kinds, definitions and fields are sorted by name, so that the reader needs no index of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::{Field, Model, Type};

const MAGIC: &[u8; 8] = b"orchsch1";
const NONE: u16 = u16::MAX;

/// Encodes the table.
pub(crate) fn encode(model: &Model) -> Result<Vec<u8>, String> {
    let mut writer = Writer::new(model)?;
    let mut kinds = Vec::new();
    for ((group, version, kind), definition) in &model.kinds {
        for name in [group, version, kind] {
            put(&mut kinds, writer.string(name)?);
        }
        put(&mut kinds, writer.definition(definition)?);
    }
    let (mut definitions, mut fields, mut field_count) = (Vec::new(), Vec::new(), 0_usize);
    for (name, definition) in &model.definitions {
        put(&mut definitions, writer.string(name)?);
        put(&mut definitions, narrow(field_count)?);
        put(&mut definitions, narrow(definition.fields.len())?);
        put(&mut definitions, u16::from(map_type(definition.map_type.as_deref())?));
        field_count += definition.fields.len();
        for (key, field) in &definition.fields {
            writer.field(key, field, &mut fields)?;
        }
    }
    let (mut offsets, mut blob) = (Vec::new(), Vec::new());
    for name in writer.strings.keys() {
        offsets.extend_from_slice(&wide(blob.len())?.to_le_bytes());
        blob.extend_from_slice(name.as_bytes());
    }
    offsets.extend_from_slice(&wide(blob.len())?.to_le_bytes());
    let sections = [
        (offsets, writer.strings.len()),
        (kinds, model.kinds.len()),
        (definitions, model.definitions.len()),
        (fields, field_count),
        (writer.type_records, writer.types.len()),
        (writer.key_lists, writer.key_count),
        (blob.clone(), blob.len()),
    ];
    let mut table = MAGIC.to_vec();
    let mut offset = MAGIC.len() + sections.len() * 8;
    for (bytes, count) in &sections {
        table.extend_from_slice(&wide(offset)?.to_le_bytes());
        table.extend_from_slice(&wide(*count)?.to_le_bytes());
        offset += bytes.len();
    }
    for (bytes, _) in sections {
        table.extend_from_slice(&bytes);
    }
    Ok(table)
}

struct Writer {
    strings: BTreeMap<String, u16>,
    definitions: BTreeMap<String, u16>,
    types: BTreeMap<(u8, u16), u16>,
    type_records: Vec<u8>,
    key_lists: Vec<u8>,
    key_starts: BTreeMap<Vec<String>, u16>,
    key_count: usize,
}

impl Writer {
    fn new(model: &Model) -> Result<Self, String> {
        let mut names = BTreeSet::new();
        for (group, version, kind) in model.kinds.keys() {
            names.extend([group, version, kind]);
        }
        for (name, definition) in &model.definitions {
            names.insert(name);
            for (key, field) in &definition.fields {
                names.insert(key);
                names.extend(&field.list_keys);
                names.extend(&field.merge_key);
            }
        }
        let number = |names: Vec<&String>| -> Result<BTreeMap<String, u16>, String> {
            names.into_iter().enumerate().map(|(index, name)| Ok((name.clone(), narrow(index)?))).collect()
        };
        let mut writer = Self {
            strings: number(names.into_iter().collect())?,
            definitions: number(model.definitions.keys().collect())?,
            types: BTreeMap::new(),
            type_records: Vec::new(),
            key_lists: Vec::new(),
            key_starts: BTreeMap::new(),
            key_count: 0,
        };
        // Type number n is definition number n, so that a kind needs no type of its own.
        for name in model.definitions.keys() {
            writer.type_number(&Type::Object(name.clone()))?;
        }
        Ok(writer)
    }

    fn string(&self, name: &str) -> Result<u16, String> {
        self.strings.get(name).copied().ok_or_else(|| format!("string {name} was not collected"))
    }

    fn definition(&self, name: &str) -> Result<u16, String> {
        self.definitions.get(name).copied().ok_or_else(|| format!("definition {name} was not collected"))
    }

    fn type_number(&mut self, ty: &Type) -> Result<u16, String> {
        let record = match ty {
            Type::Any => (0, 0),
            Type::String => (1, 0),
            Type::Int32 => (2, 0),
            Type::Int64 => (3, 0),
            Type::Number => (4, 0),
            Type::Boolean => (5, 0),
            Type::Bytes => (6, 0),
            Type::Time => (7, 0),
            Type::MicroTime => (8, 0),
            Type::Quantity => (9, 0),
            Type::IntOrString => (10, 0),
            Type::Map(item) => (11, self.type_number(item)?),
            Type::Array(item) => (12, self.type_number(item)?),
            Type::Object(name) => (13, self.definition(name)?),
        };
        if let Some(number) = self.types.get(&record) {
            return Ok(*number);
        }
        let number = narrow(self.types.len())?;
        self.types.insert(record, number);
        put(&mut self.type_records, u16::from(record.0));
        put(&mut self.type_records, record.1);
        Ok(number)
    }

    fn keys(&mut self, keys: &[String]) -> Result<u16, String> {
        if let Some(start) = self.key_starts.get(keys) {
            return Ok(*start);
        }
        let start = narrow(self.key_count)?;
        for key in keys {
            let key = self.string(key)?;
            put(&mut self.key_lists, key);
            self.key_count += 1;
        }
        self.key_starts.insert(keys.to_vec(), start);
        Ok(start)
    }

    fn field(&mut self, key: &str, field: &Field, out: &mut Vec<u8>) -> Result<(), String> {
        put(out, self.string(key)?);
        put(out, self.type_number(&field.ty)?);
        let list_type = match field.list_type.as_deref() {
            None => 0,
            Some("atomic") => 1,
            Some("set") => 2,
            Some("map") => 3,
            Some(other) => return Err(format!("{key}: unknown list type {other}")),
        };
        out.push(u8::from(field.required) | list_type << 1 | map_type(field.map_type.as_deref())? << 3);
        let mut strategy = 0;
        for word in field.patch_strategy.iter().flat_map(|text| text.split(',')) {
            strategy |= match word {
                "merge" => 1,
                "retainKeys" => 2,
                "replace" => 4,
                other => return Err(format!("{key}: unknown patch strategy {other}")),
            };
        }
        out.push(strategy);
        put(out, field.merge_key.as_deref().map_or(Ok(NONE), |key| self.string(key))?);
        put(out, self.keys(&field.list_keys)?);
        put(out, narrow(field.list_keys.len())?);
        Ok(())
    }
}

fn map_type(name: Option<&str>) -> Result<u8, String> {
    match name {
        None => Ok(0),
        Some("atomic") => Ok(1),
        Some("granular") => Ok(2),
        Some(other) => Err(format!("unknown map type {other}")),
    }
}

fn put(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn narrow(number: usize) -> Result<u16, String> {
    u16::try_from(number)
        .ok()
        .filter(|number| *number != NONE)
        .ok_or_else(|| format!("{number} does not fit 16 bits"))
}

fn wide(number: usize) -> Result<u32, String> {
    u32::try_from(number).map_err(|_| format!("{number} does not fit 32 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn model() -> Model {
        Model::read(&json!({"$defs": {"K": {
            "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "K"}],
            "properties": {"f": {
                "type": "array", "items": {"type": "string"},
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "x-kubernetes-patch-strategy": "merge,retainKeys", "x-kubernetes-patch-merge-key": "name",
            }},
        }}}))
        .unwrap()
    }

    #[test]
    fn the_same_model_gives_the_same_bytes() {
        let table = encode(&model()).unwrap();
        assert_eq!(table, encode(&model()).unwrap());
        assert_eq!(&table[..8], MAGIC);
    }

    #[test]
    fn an_unknown_merge_fact_is_an_error() {
        let mut odd = model();
        odd.definitions.get_mut("K").unwrap().fields.get_mut("f").unwrap().list_type = Some("odd".to_owned());
        assert_eq!(encode(&odd).unwrap_err(), "f: unknown list type odd");
    }
}
