//! From documents to manifests: takes lists apart and requires what every object needs.
//!
//! Not validation of the objects. The invariant: what it lets through has a kind, and a name if its kind needs one.

use std::sync::Arc;

use serde_json::Value;

use super::Manifest;
use super::build::{Document, type_name};
use super::error::{Errors, Reason};
use super::positions::{Node, Position};
use crate::schema::Step;

/// Appends the objects of `document` and notes what they lack.
pub(super) fn collect(
    document: Document,
    source: &Arc<str>,
    manifests: &mut Vec<Manifest>,
    errors: &mut Errors,
) {
    let mut collector =
        Collector { source, document: document.number, manifests, errors, path: String::new() };
    collector.object(document.root.value, document.root.node);
}

struct Collector<'a> {
    source: &'a Arc<str>,
    document: usize,
    manifests: &'a mut Vec<Manifest>,
    errors: &'a mut Errors,
    path: String,
}

impl Collector<'_> {
    /// Recursion is bounded by the depth of the document.
    fn object(&mut self, mut tree: Value, node: Node) {
        if !tree.is_object() {
            let reason = Reason::NotAnObject { found: type_name(&tree) };
            return self.note(node.at, "", reason);
        }
        let api_version = self.required(&tree, &node, "apiVersion", "apiVersion: v1");
        let kind = self.required(&tree, &node, "kind", "kind: ConfigMap");
        let (Some(api_version), Some(kind)) = (api_version, kind) else { return };
        if let Some(items) = items(&mut tree, &kind) {
            return self.items(items, &node, &api_version, &kind);
        }
        if needs_name(&api_version, &kind) && !self.named(&tree, &node) {
            return;
        }
        let (source, line) = (Arc::clone(self.source), node.at.line);
        self.manifests.push(Manifest { tree, source, document: self.document, line, positions: node });
    }

    fn items(&mut self, items: Vec<Value>, list: &Node, api_version: &str, kind: &str) {
        let nodes = list.entry("items").map(|entry| &entry.value);
        let item_kind = kind.strip_suffix("List").filter(|kind| !kind.is_empty());
        for (index, mut item) in items.into_iter().enumerate() {
            let before = self.path.len();
            Step::Field("items").append(&mut self.path);
            Step::Index(index).append(&mut self.path);
            // The items of a typed list need not say again what they are.
            if let (Some(item_kind), Some(fields)) = (item_kind, item.as_object_mut())
                && !fields.contains_key("kind")
            {
                fields.insert("kind".to_owned(), Value::from(item_kind));
                fields.entry("apiVersion").or_insert_with(|| Value::from(api_version));
            }
            let node = nodes.and_then(|nodes| nodes.element(index)).unwrap_or(list).clone();
            self.object(item, node);
            self.path.truncate(before);
        }
    }

    /// The field that must be a string and not empty.
    fn required(
        &mut self,
        tree: &Value,
        node: &Node,
        field: &'static str,
        example: &'static str,
    ) -> Option<String> {
        match tree.get(field) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            None | Some(Value::Null | Value::String(_)) => {
                let at = node.entry(field).map_or(node.at, |entry| entry.key);
                self.note(at, field, Reason::Missing { field, example });
                None
            }
            Some(other) => {
                let at = node.entry(field).map_or(node.at, |entry| entry.value.at);
                self.note(at, field, Reason::NotAString { field, found: type_name(other) });
                None
            }
        }
    }

    fn named(&mut self, tree: &Value, node: &Node) -> bool {
        const NAME: &str = "metadata.name";
        let metadata = &tree["metadata"];
        if !metadata.is_object() && !metadata.is_null() {
            let at = node.entry("metadata").map_or(node.at, |entry| entry.value.at);
            self.note(at, "metadata", Reason::NotAnObject { found: type_name(metadata) });
            return false;
        }
        for (key, field) in [("name", NAME), ("generateName", "metadata.generateName")] {
            let value = &metadata[key];
            if value.as_str().is_some_and(|text| !text.is_empty()) {
                return true;
            }
            if !value.is_null() && !value.is_string() {
                let at = node.locate(field).unwrap_or(node.at);
                self.note(at, field, Reason::NotAString { field, found: type_name(value) });
                return false;
            }
        }
        let at = node.locate(NAME).unwrap_or(node.at);
        self.note(at, NAME, Reason::Missing { field: NAME, example: "metadata: {name: example}" });
        false
    }

    fn note(&mut self, at: Position, field: &str, reason: Reason) {
        let before = self.path.len();
        if !field.is_empty() {
            Step::Field(field).append(&mut self.path);
        }
        self.errors.push(at, Some(&self.path).filter(|path| !path.is_empty()).map(String::as_str), reason);
        self.path.truncate(before);
    }
}

/// The items, if this is a list: it has an array of them, or is a plain `List` without any.
fn items(tree: &mut Value, kind: &str) -> Option<Vec<Value>> {
    if !kind.ends_with("List") {
        return None;
    }
    match tree.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Some(items),
        None | Some(Value::Null) if kind == "List" => Some(Vec::new()),
        None => None,
        Some(other) => {
            tree["items"] = other;
            None
        }
    }
}

/// Reviews are answered, not kept, and have no name.
fn needs_name(api_version: &str, kind: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    !(kind.ends_with("Review") && matches!(group, "authentication.k8s.io" | "authorization.k8s.io"))
}
