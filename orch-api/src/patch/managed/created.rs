//! What whoever creates an object owns: everything in which it differs from the empty one. Written in one walk, where
//! [`Tracker::update`] compares and makes sets.
//!
//! Invariant: the text is that of [`Tracker::update`] for no object and no managers.

use serde_json::Value;

use super::tracker::{MAX_LEVELS, NEVER_OWNED, Tracker};
use super::{Operation, Owned, codec, zero};
use crate::patch::fields::{Element, FieldSet, same};
use crate::patch::typed::{ListRule, MapRule, Parts, Rule, Shape, is_deeper};
use crate::schema::TypeRef;
use crate::tree::Tree;

/// Bytes of a text for which there is room from the start: most are not longer.
const ROOM: usize = 1024;

/// Says that a field that has others below it is owned itself.
const SELF_OWNED: &str = "\".\":{}";

impl Tracker<'_> {
    /// `metadata.managedFields` of an object that `manager` creates, of which nobody else has anything; `None` when nothing
    /// of it can be owned, or tracked.
    ///
    /// ```
    /// use orch_api::patch::{Managers, Shape, Tracker};
    /// use orch_api::schema;
    /// use orch_core::{Registry, Subresource, kind};
    /// use serde_json::json;
    /// let info = Registry::built_in().get(kind::CONFIG_MAPS).unwrap();
    /// let shape = Shape::of(schema::lookup("", "v1", "ConfigMap"));
    /// let tracker = Tracker::new(&info, shape, Subresource::None, "2026-01-01T00:00:00Z");
    /// let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
    /// let text = tracker.created(&map, "me");
    /// assert!(text.as_ref().unwrap().ends_with(r#""fieldsV1":{"f:data":{".":{},"f:k":{}}}}]"#));
    /// assert_eq!(text, tracker.update(None, &map, Managers::default(), "me").to_json());
    /// ```
    #[must_use]
    pub fn created(&self, new: &Value, manager: &str) -> Option<String> {
        if is_deeper(new, MAX_LEVELS) {
            return None;
        }
        let (Rule::Map(rule), fields) = (self.shape.rule(Some(new)), new.as_object()?) else { return None };
        let empty = match self.shape {
            Shape::Typed(ty, _) => Some(ty),
            _ => None,
        };
        let ignored = self.ignored();
        let left_out = LeftOut { whole: Some(&ignored), alone: Some(&NEVER_OWNED) };
        let manager = self.manager(manager, Operation::Update);
        let time = Some(self.now.to_owned());
        let owned = Owned { fields: FieldSet::default(), api_version: self.api_version.clone(), time };
        let (mut text, mut is_any) = (String::with_capacity(ROOM), false);
        text.push('[');
        codec::write(&manager, &owned, &mut text, |text| {
            text.push('{');
            let before = text.len();
            is_any = map(text, rule, empty, fields, left_out).is_ok() && text.len() > before;
            text.push('}');
        });
        text.push(']');
        is_any.then_some(text)
    }
}

/// The fields of a level that nobody owns through this write.
#[derive(Clone, Copy, Default)]
struct LeftOut<'s> {
    /// With all that is below them.
    whole: Option<&'s FieldSet>,
    /// But for what is below them.
    alone: Option<&'s FieldSet>,
}

impl<'s> LeftOut<'s> {
    fn is_whole(self, element: &Element) -> bool {
        self.whole.is_some_and(|set| set.is_member(element))
    }

    fn is_alone(self, element: &Element) -> bool {
        self.alone.is_some_and(|set| set.is_member(element))
    }

    fn under(self, element: &Element) -> Self {
        let under = |set: Option<&'s FieldSet>| set.and_then(|set| set.under(element));
        Self { whole: under(self.whole), alone: under(self.alone) }
    }
}

type Written = Result<(), String>;

/// Appends the fields of a map. `empty` is its type, where the empty object has that map.
fn map(
    text: &mut String,
    rule: MapRule<'_>,
    empty: Option<TypeRef>,
    fields: &Tree,
    left_out: LeftOut<'_>,
) -> Written {
    for (name, new) in fields {
        let shape = rule.field(name).unwrap_or(Shape::Deduced);
        let element = shape.element(name);
        let empty = match (empty.and_then(TypeRef::definition), shape) {
            (Some(holder), Shape::Typed(ty, Some(field))) if zero::is_there(holder, field) => Some(ty),
            _ => None,
        };
        let before = text.len();
        value(text, &element, shape, empty, new, left_out)?;
        if left_out.is_whole(&element) {
            text.truncate(before);
        }
    }
    Ok(())
}

/// Appends the elements of a list that are told apart. Those that stand twice are one, with nothing below it.
fn list(text: &mut String, rule: &ListRule<'_>, items: &[Value]) -> Written {
    let mut named = rule.index(items)?;
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    for equal in named.chunk_by(|(a, _), (b, _)| a == b) {
        match equal {
            [(element, item)] => value(text, element, rule.item, None, item, LeftOut::default())?,
            [(element, _), ..] => field(text, element, true, |_| Ok(()))?,
            [] => {}
        }
    }
    Ok(())
}

/// Appends what is owned at and below an element. `empty` is the type, where the empty object has a value there.
fn value(
    text: &mut String,
    element: &Element,
    shape: Shape<'_>,
    empty: Option<TypeRef>,
    new: &Value,
    left_out: LeftOut<'_>,
) -> Written {
    let is_new = empty.is_none();
    let may_be_owned = !left_out.is_alone(element);
    match (shape.rule(Some(new)), new) {
        (Rule::Map(rule), Value::Object(fields)) if !rule.is_atomic && !fields.is_empty() => {
            let left_out = left_out.under(element);
            field(text, element, is_new && may_be_owned, |text| map(text, rule, empty, fields, left_out))
        }
        (Rule::List(rule), Value::Array(items)) if rule.parts != Parts::Atomic && !items.is_empty() => {
            field(text, element, is_new && may_be_owned, |text| list(text, &rule, items))
        }
        (rule, _) => {
            let is_granular = matches!(rule, Rule::Map(rule) if !rule.is_atomic);
            let is_other = match empty.map(|ty| zero::of_type(ty, 0)) {
                None => true,
                // Its fields are gone, and it is not.
                Some(Value::Object(before)) if is_granular && !before.is_empty() => false,
                Some(before) => !same(&before, new),
            };
            field(text, element, is_other && may_be_owned, |_| Ok(()))
        }
    }
}

/// Appends an element, unless neither it nor anything below it is owned.
fn field(
    text: &mut String,
    element: &Element,
    is_owned: bool,
    below: impl FnOnce(&mut String) -> Written,
) -> Written {
    let before = text.len();
    if !text.ends_with('{') {
        text.push(',');
    }
    element.write(text);
    text.push('{');
    let open = text.len();
    if is_owned {
        text.push_str(SELF_OWNED);
    }
    let bare = text.len();
    below(text)?;
    match text.len() == bare {
        true if !is_owned => {
            text.truncate(before);
            return Ok(());
        }
        true => text.truncate(open),
        false => {}
    }
    text.push('}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use orch_core::{KindInfo, Registry, Scope, Subresource, kind};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::patch::Managers;
    use crate::schema::{self, Type};

    /// A value of a type, as the draws have it: some are empty, some stand twice, some do not fit.
    fn value_of(ty: TypeRef, draws: &mut impl Iterator<Item = u8>) -> Value {
        let Some(draw) = draws.next() else { return Value::Null };
        let one_of = |values: &[Value]| values[usize::from(draw) % values.len()].clone();
        if draw > 248 {
            return one_of(&[
                json!(null),
                json!([{}, null, {}]),
                json!({"a": {"b": [1]}}),
                json!(7),
                json!(""),
            ]);
        }
        match ty.get() {
            Type::Object(definition) => {
                let mut fields = Tree::new();
                for field in definition.fields() {
                    match draws.next() {
                        Some(draw) if draw % 4 == 0 => {
                            fields.insert(field.name().to_owned(), value_of(field.ty(), draws));
                        }
                        _ => {}
                    }
                }
                Value::Object(fields)
            }
            Type::Map(item) => {
                let names = ["a", "b.c/d", "\u{e9}\"<&\\", "", "e"].into_iter().take(usize::from(draw) % 6);
                names.map(|name| (name.to_owned(), value_of(item, draws))).collect()
            }
            Type::Array(item) => (0..draw % 4).map(|_| value_of(item, draws)).collect(),
            Type::String => one_of(&[json!(""), json!("b"), json!("a"), json!("UDP"), json!("\"<\u{e9}>")]),
            Type::Int32 | Type::Int64 | Type::Number => one_of(&[json!(0), json!(1), json!(2), json!(0.5)]),
            Type::Boolean => json!(draw % 2 == 0),
            Type::Quantity => one_of(&[json!("0"), json!("1Gi")]),
            Type::Any => one_of(&[json!({}), json!([]), json!({"a": [{"b": 1}]}), json!(false), json!("x")]),
            _ => json!("2026-01-01T00:00:00Z"),
        }
    }

    #[track_caller]
    fn check(info: &KindInfo, shape: Shape<'_>, new: &Value) {
        let tracker = Tracker::new(info, shape, Subresource::None, "2026-01-01T00:00:00Z");
        let compared = tracker.update(None, new, Managers::default(), "me").to_json();
        assert_eq!(tracker.created(new, "me"), compared, "{new}");
    }

    fn object(mut fields: Value, info: &KindInfo) -> Value {
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("apiVersion".to_owned(), info.api_version().into());
            fields.insert("kind".to_owned(), (*info.name).into());
        }
        fields
    }

    #[test]
    fn nothing_is_owned_of_an_object_without_content() {
        let info = Registry::built_in().get(kind::CONFIG_MAPS).unwrap();
        let shape = Shape::of(schema::lookup("", "v1", "ConfigMap"));
        check(&info, shape, &object(json!({"metadata": {"name": "a"}}), &info));
        let mut deep = json!(1);
        (0..2 * MAX_LEVELS).for_each(|_| deep = json!({"a": deep}));
        check(&info, Shape::Deduced, &deep);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn what_is_created_is_owned_as_if_it_was_compared(
            kind in any::<prop::sample::Index>(),
            draws in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let kinds = Registry::built_in().kinds();
            let info = kind.get(&kinds);
            let Some(ty) = schema::lookup(info.kind.group(), &info.versions[0], &info.name) else { return Ok(()) };
            let new = value_of(ty, &mut draws.into_iter());
            check(info, Shape::of(Some(ty)), &object(new, info));
        }

        #[test]
        fn so_are_custom_kinds(new in crate::merge::tests::any_json(), draws in prop::collection::vec(any::<u8>(), 0..60)) {
            let info = KindInfo::new(orch_core::Kind::named("shop.example", "widgets"), "v1", "Widget", Scope::Namespaced);
            let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
                "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["b", "a"],
                    "items": {"type": "object", "properties": {"a": {"type": "string", "default": "x"}, "b": {"type": "integer"}}}},
                "one": {"type": "object", "x-kubernetes-map-type": "atomic"},
                "more": {"type": "object", "additionalProperties": {"type": "string"}}}}}});
            let mut draws = draws.into_iter();
            let mut draw = || draws.next().unwrap_or_default();
            let item = |a: u8, b: u8| if a.is_multiple_of(2) { json!({"b": b % 3}) } else { json!({"a": "y", "b": b % 3, "c": 1}) };
            let spec = json!({"set": (0..draw() % 4).map(|at| format!("v{}", at % 3)).collect::<Vec<_>>(),
                "map": (0..draw() % 4).map(|_| item(draw(), draw())).collect::<Vec<_>>(),
                "one": {"a": 1}, "more": {"k": "v"}, "other": new.clone()});
            let object = object(json!({"metadata": {"name": "a", "labels": {"k": "v"}}, "spec": spec, "status": {}}), &info);
            for shape in [Shape::Custom(&schema), Shape::Deduced] {
                check(&info, shape, &object);
                check(&info, shape, &new);
            }
        }
    }
}
