//! Elements of lists: by what each is told from the others (`structured-merge-diff/typed/helpers.go`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ListRule, Parts, Shape, structural};
use crate::patch::fields::{Element, Scalar};
use crate::schema::{Type, TypeRef};

impl ListRule<'_> {
    /// The element of a path that names an element of the list.
    ///
    /// # Errors
    /// Why it cannot be named, in Kubernetes' words.
    pub(crate) fn element(&self, item: &Value) -> Result<Element, String> {
        match &self.parts {
            Parts::Atomic => Err("invalid indexing of non-associative list".to_owned()),
            Parts::Set => match item {
                Value::Object(_) => {
                    Err("associative list without keys has an element that's a map type".to_owned())
                }
                Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
                Value::Null => {
                    Err("associative list without keys has an element that's an explicit null".to_owned())
                }
                value => Ok(Element::Value(Scalar(value.clone()))),
            },
            Parts::Keys(names) => self.keyed(item, names),
        }
    }

    fn keyed(&self, item: &Value, names: &[&str]) -> Result<Element, String> {
        let fields = match item {
            Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
            Value::Object(fields) => fields,
            _ => return Err("associative list with keys may not have non-map elements".to_owned()),
        };
        let value = |name: &&str| {
            let value = fields.get(*name).cloned().or_else(|| default(self.item, name))?;
            Some(((*name).to_owned(), Scalar(value)))
        };
        let mut keys: Vec<_> = names.iter().filter_map(value).collect();
        if keys.is_empty() && !names.is_empty() {
            let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values \
                 for any key fields)",
                names.join(" ")
            ));
        }
        keys.sort();
        Ok(Element::Key(keys))
    }

    /// The elements of a list, each with the items that it names.
    pub(crate) fn index<'v>(&self, list: &'v [Value]) -> Result<Vec<(Element, &'v Value)>, String> {
        let named = |(at, item): (usize, &'v Value)| match self.element(item) {
            Ok(element) => Ok((element, item)),
            Err(why) => Err(format!("element {at}: {why}")),
        };
        list.iter().enumerate().map(named).collect()
    }
}

/// The elements with the places where each stands.
pub(super) fn places<'v>(list: &[(Element, &'v Value)]) -> BTreeMap<Element, Vec<&'v Value>> {
    let mut places: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
    for (element, item) in list {
        places.entry(element.clone()).or_default().push(item);
    }
    places
}

/// The value of a key that an element does not give. Keys that Kubernetes requires have the empty value of their type, the
/// others a value that its types declare (`+default`): the protocol of a port, and the name of a pull secret.
fn default(item: Shape<'_>, key: &str) -> Option<Value> {
    match item {
        Shape::Structural(schema) => structural::default(schema, key).cloned(),
        Shape::Typed(ty, _) => typed_default(ty, key),
        Shape::Custom(_) | Shape::Deduced | Shape::Atomic => None,
    }
}

fn typed_default(ty: TypeRef, key: &str) -> Option<Value> {
    let definition = ty.definition()?;
    let field = definition.field(key)?;
    match (definition.name().rsplit('.').next(), key) {
        (Some("ContainerPort" | "ServicePort"), "protocol") => return Some(json!("TCP")),
        (Some("LocalObjectReference"), "name") => return Some(json!("")),
        _ => {}
    }
    match field.ty().get() {
        _ if !field.is_required() => None,
        Type::String => Some(json!("")),
        Type::Int32 | Type::Int64 | Type::Number => Some(json!(0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn check(definition: &str, field: &str, item: Value, expected: &str) {
        let field = schema::definition(definition).unwrap().field(field).unwrap();
        let rule = Shape::Typed(field.ty(), Some(field)).list().unwrap();
        let text = rule.element(&item).map_or_else(|why| why, |element| element.to_string());
        assert_eq!(text, expected);
    }

    #[test]
    fn elements_are_named_by_their_keys_and_defaults() {
        let container = "io.k8s.api.core.v1.Container";
        check(container, "ports", json!({"containerPort": 80}), "[containerPort=80,protocol=\"TCP\"]");
        check(
            container,
            "ports",
            json!({"containerPort": 80, "protocol": "UDP"}),
            "[containerPort=80,protocol=\"UDP\"]",
        );
        check(container, "env", json!({"value": "x"}), "[name=\"\"]");
        check(container, "env", json!(null), "associative list with keys may not have a null element");
        check(container, "env", json!("x"), "associative list with keys may not have non-map elements");
        let meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
        check(meta, "finalizers", json!("a/b"), "[=\"a/b\"]");
        check(
            meta,
            "finalizers",
            json!({}),
            "associative list without keys has an element that's a map type",
        );
        check(container, "args", json!("x"), "invalid indexing of non-associative list");
    }
}
