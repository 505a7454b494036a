//! Columns of tables that a definition asks for (`apiextensions-apiserver/pkg/registry/customresource/tableconvertor`).
//!
//! The invariant: whatever the object is, there is a cell for every column.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::path::Path;
use crate::printers::human_duration;
use crate::tree::Get;

/// A column of a custom kind.
#[derive(Debug)]
pub(crate) struct CustomColumn {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
    path: Option<Path>,
}

/// The columns of a version: those of its definition, or the age.
pub(crate) fn compile(columns: &[Value]) -> Vec<CustomColumn> {
    if columns.is_empty() {
        let path = ".metadata.creationTimestamp";
        let age = json!({"name": "Age", "type": "date", "jsonPath": path, "description": AGE});
        return vec![CustomColumn::of(&age)];
    }
    columns.iter().map(CustomColumn::of).collect()
}

/// The columns of the Scale of a custom kind (`getScaleColumnsForVersion` of `apiextensions-apiserver/pkg/apiserver/helpers.go`).
pub(crate) fn of_scale() -> Vec<CustomColumn> {
    [
        json!({"name": "Desired", "type": "integer", "jsonPath": ".spec.replicas", "description": "Number of desired replicas"}),
        json!({"name": "Available", "type": "integer", "jsonPath": ".status.replicas", "description": "Number of actual replicas"}),
        json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": AGE}),
    ]
    .iter()
    .map(CustomColumn::of)
    .collect()
}

/// The documentation of `metadata.creationTimestamp`.
const AGE: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not \
    guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented \
    in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: \
    https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

impl CustomColumn {
    fn of(tree: &Value) -> Self {
        let (path, said) = (tree.text("jsonPath"), tree.text("description"));
        let description = match said {
            "" => format!("Custom resource definition column (in JSONPath format): {path}"),
            said => said.to_owned(),
        };
        Self {
            name: tree.text("name").to_owned(),
            kind: tree.text("type").to_owned(),
            format: tree.text("format").to_owned(),
            description,
            priority: tree.number("priority").unwrap_or_default(),
            path: Path::parse(path),
        }
    }

    /// As the Table shows it.
    pub(crate) fn definition(&self) -> Value {
        json!({"name": self.name, "type": self.kind, "format": self.format, "description": self.description,
            "priority": self.priority})
    }

    /// The cell of an object.
    pub(crate) fn cell(&self, tree: &Value, now: Timestamp) -> Value {
        let found = self.path.as_ref().and_then(|path| path.find(tree));
        let Some(value) = found else { return Value::Null };
        match (self.kind.as_str(), value) {
            ("string", Value::String(_)) | ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => {
                value.clone()
            }
            ("string", Value::Null) => json!("<nil>"),
            ("string", other) => json!(other.to_string()),
            ("integer", Value::Number(number)) => whole(number),
            ("date", Value::String(text)) => match text.parse::<Timestamp>() {
                Ok(time) => human_duration(now.as_second() - time.as_second()).into(),
                Err(_) => json!("<invalid>"),
            },
            _ => Value::Null,
        }
    }
}

/// A number without its fraction.
fn whole(number: &serde_json::Number) -> Value {
    match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => whole.into(),
        #[expect(clippy::cast_possible_truncation, reason = "that is what is wanted")]
        (None, Some(number)) => (number as i64).into(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_what_its_type_makes_of_the_value() {
        let tree = json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"size": 3, "half": 2.5, "on": true, "name": "x", "list": [1]}});
        let now = "2026-01-01T00:01:30Z".parse().unwrap();
        for (kind, path, expected) in [
            ("integer", ".spec.size", json!(3)),
            ("integer", ".spec.half", json!(2)),
            ("integer", ".spec.name", Value::Null),
            ("number", ".spec.half", json!(2.5)),
            ("boolean", ".spec.on", json!(true)),
            ("string", ".spec.name", json!("x")),
            ("string", ".spec.size", json!("3")),
            ("string", ".spec.list", json!("[1]")),
            ("string", ".spec.none", Value::Null),
            ("date", ".metadata.creationTimestamp", json!("90s")),
            ("date", ".spec.name", json!("<invalid>")),
        ] {
            let column = CustomColumn::of(&json!({"name": "A", "type": kind, "jsonPath": path}));
            assert_eq!(column.cell(&tree, now), expected, "{kind} {path}");
        }
        assert_eq!(compile(&[])[0].cell(&tree, now), "90s");
    }
}
