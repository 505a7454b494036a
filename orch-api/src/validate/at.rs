//! A value with the place where it stands, and the faults found there.
//!
//! Rules take an [`At`] and walk from it; a path is only written when a fault is reported, so a valid object costs no
//! allocation. Not a rule itself, and no parser. The invariant: no step and no accessor fails on any tree; what is
//! absent is `null`, and a value of the wrong type reads as the zero value of the type asked for.

use std::cell::{Cell, RefCell};
use std::fmt::{Display, Write};

use orch_core::names::Validity;
use orch_core::{Fault, FaultKind, Quantity};
use serde_json::{Map, Value};

static ABSENT: Value = Value::Null;

/// Faults kept at most, as of structure: more is of no use to anybody, and a fault may show a large value.
const MAX_FAULTS: usize = crate::schema::MAX_FAULTS;

/// Bytes of a value that are shown: a list of a megabyte, wrong in a hundred places, must not make a hundred megabytes.
const SHOWN_MAX: usize = 16 * 1024;

fn shorten(text: &mut String) {
    if text.len() > SHOWN_MAX {
        text.truncate(text.floor_char_boundary(SHOWN_MAX));
        text.push('…');
    }
}

/// The faults of one validation, in the order found.
#[derive(Default)]
pub(super) struct Faults {
    kept: RefCell<Vec<Fault>>,
    count: Cell<usize>,
}

impl Faults {
    /// How many there are, those not kept included.
    pub(super) fn count(&self) -> usize {
        self.count.get()
    }

    /// The faults found after the first `count`, once more.
    pub(super) fn since(&self, count: usize) -> Vec<Fault> {
        self.kept.borrow().get(count..).unwrap_or_default().to_vec()
    }

    /// Forgets all but the first `count`.
    pub(super) fn truncate(&self, count: usize) {
        self.kept.borrow_mut().truncate(count);
        self.count.set(count);
    }

    pub(super) fn extend(&self, more: &[Fault]) {
        more.iter().for_each(|fault| self.add(|| fault.clone()));
    }

    fn add(&self, fault: impl FnOnce() -> Fault) {
        if self.count.get() < MAX_FAULTS {
            let mut fault = fault();
            fault.value.iter_mut().chain([&mut fault.detail]).for_each(shorten);
            self.kept.borrow_mut().push(fault);
        }
        self.count.set(self.count.get() + 1);
    }

    pub(super) fn into_vec(self) -> Vec<Fault> {
        self.kept.into_inner()
    }
}

/// One step of a path.
#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'p str),
    Key(&'p str),
    Index(usize),
}

/// A place in a tree: the value (`'v`) and, through the cursors that led here (`'p`), its path.
#[derive(Clone, Copy)]
pub(super) struct At<'v, 'p> {
    value: &'v Value,
    keys: Keys,
    step: Step<'p>,
    parent: Option<&'p At<'v, 'p>>,
    faults: &'p Faults,
}

/// Where it stands.
impl<'v, 'p> At<'v, 'p> {
    pub(super) fn root(value: &'v Value, faults: &'p Faults) -> Self {
        Self { value, keys: Keys::of(value), step: Step::Root, parent: None, faults }
    }

    fn step<'c>(&'c self, value: &'v Value, step: Step<'c>) -> At<'v, 'c> {
        At { value, keys: Keys::of(value), step, parent: Some(self), faults: self.faults }
    }

    /// A field of the object.
    #[inline]
    pub(super) fn field<'c>(&'c self, name: &'c str) -> At<'v, 'c> {
        self.step(self.get(name), Step::Field(name))
    }

    /// A field of the object that upstream reports under another name.
    pub(super) fn field_shown<'c>(&'c self, name: &str, shown: &'c str) -> At<'v, 'c> {
        self.step(self.get(name), Step::Field(shown))
    }

    /// The same value, reported at a path one name longer.
    pub(super) fn shown<'c>(&'c self, shown: &'c str) -> At<'v, 'c> {
        self.step(self.value, Step::Field(shown))
    }

    /// The value of a map's key.
    pub(super) fn key<'c>(&'c self, key: &'c str) -> At<'v, 'c> {
        self.step(self.get(key), Step::Key(key))
    }

    /// A value shown as an element of the list.
    pub(super) fn item<'c>(&'c self, value: &'v Value, index: usize) -> At<'v, 'c> {
        self.step(value, Step::Index(index))
    }

    /// An element of the list; absent when there are fewer.
    pub(super) fn index<'c>(&'c self, index: usize) -> At<'v, 'c> {
        self.step(self.list().get(index).unwrap_or(&ABSENT), Step::Index(index))
    }

    /// The elements of the list.
    pub(super) fn items<'c>(&'c self) -> impl Iterator<Item = At<'v, 'c>> {
        self.list().iter().enumerate().map(|(index, value)| self.step(value, Step::Index(index)))
    }

    /// Keys and values of the map.
    pub(super) fn entries<'c>(&'c self) -> impl Iterator<Item = (&'v str, At<'v, 'c>)>
    where
        'v: 'c,
    {
        self.map().into_iter().flatten().map(|(key, value)| (key.as_str(), self.step(value, Step::Key(key))))
    }

    /// Another value at the same place: what an object held before.
    pub(super) fn with<'c>(&'c self, value: &'v Value) -> At<'v, 'c> {
        At { value, keys: Keys::of(value), ..*self }
    }

    /// As Kubernetes writes it (`apimachinery/pkg/util/validation/field/path.go`).
    pub(super) fn path(&self) -> String {
        fn write(at: &At<'_, '_>, path: &mut String) {
            if let Some(parent) = at.parent {
                write(parent, path);
            }
            let written = match at.step {
                Step::Root => Ok(()),
                Step::Field(name) if path.is_empty() => path.write_str(name),
                Step::Field(name) => write!(path, ".{name}"),
                Step::Key(key) => write!(path, "[{key}]"),
                Step::Index(index) => write!(path, "[{index}]"),
            };
            written.expect("writing to a string cannot fail");
        }
        let mut path = String::new();
        write(self, &mut path);
        path
    }
}

/// What stands there.
impl<'v> At<'v, '_> {
    pub(super) fn value(&self) -> &'v Value {
        self.value
    }

    pub(super) fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// The value of a field, `null` when absent.
    #[inline]
    pub(super) fn get(&self, name: &str) -> &'v Value {
        if self.keys.may_have(name) { lookup(self.value, name) } else { &ABSENT }
    }

    /// The text of a field, empty when absent.
    pub(super) fn get_text(&self, name: &str) -> &'v str {
        self.get(name).as_str().unwrap_or("")
    }

    pub(super) fn has(&self, name: &str) -> bool {
        !self.get(name).is_null()
    }

    pub(super) fn text(&self) -> &'v str {
        self.value.as_str().unwrap_or("")
    }

    pub(super) fn number(&self) -> i64 {
        integer(self.value).unwrap_or(0)
    }

    pub(super) fn is_true(&self) -> bool {
        self.value == &Value::Bool(true)
    }

    pub(super) fn is_false(&self) -> bool {
        self.value == &Value::Bool(false)
    }

    pub(super) fn list(&self) -> &'v [Value] {
        self.value.as_array().map_or(&[], Vec::as_slice)
    }

    pub(super) fn map(&self) -> Option<&'v Map<String, Value>> {
        self.value.as_object()
    }

    /// Elements of a list, entries of a map, bytes of a text.
    pub(super) fn len(&self) -> usize {
        match self.value {
            Value::Array(list) => list.len(),
            Value::Object(map) => map.len(),
            Value::String(text) => text.len(),
            _ => 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The quantity; what is none is a fault.
    pub(super) fn quantity(&self) -> Quantity {
        let parsed = match self.value {
            Value::Null => Ok(Quantity::ZERO),
            Value::Number(number) => number.to_string().parse(),
            _ => self.text().parse::<Quantity>(),
        };
        parsed.unwrap_or_else(|error| {
            self.invalid(error.to_string());
            Quantity::ZERO
        })
    }
}

/// What is wrong there.
impl At<'_, '_> {
    pub(super) fn faults(&self) -> &Faults {
        self.faults
    }

    fn report(&self, kind: FaultKind, value: impl FnOnce() -> Option<String>, detail: impl Into<String>) {
        self.faults.add(|| Fault { kind, field: self.path(), value: value(), detail: detail.into() });
    }

    /// A value must be given.
    pub(super) fn required(&self, detail: impl Into<String>) {
        self.report(FaultKind::Required, || None, detail);
    }

    pub(super) fn forbidden(&self, detail: impl Into<String>) {
        self.report(FaultKind::Forbidden, || None, detail);
    }

    /// The value that stands here is wrong; `null` when there is none.
    pub(super) fn invalid(&self, detail: impl Into<String>) {
        self.report(FaultKind::Invalid, || Some(show(self.value)), detail);
    }

    /// The text that stands here is wrong; `""` when there is none.
    pub(super) fn invalid_text(&self, detail: impl Into<String>) {
        self.report(FaultKind::Invalid, || Some(quote(self.text())), detail);
    }

    /// The number that stands here is wrong; `0` when there is none.
    pub(super) fn invalid_number(&self, detail: impl Into<String>) {
        self.report(FaultKind::Invalid, || Some(self.number().to_string()), detail);
    }

    /// Wrong, shown as `value`.
    pub(super) fn invalid_as(&self, value: impl Display, detail: impl Into<String>) {
        self.report(FaultKind::Invalid, || Some(value.to_string()), detail);
    }

    /// Wrong, with no value shown.
    pub(super) fn invalid_unshown(&self, detail: impl Into<String>) {
        self.report(FaultKind::Invalid, || None, detail);
    }

    pub(super) fn duplicate(&self) {
        self.report(FaultKind::Duplicate, || Some(show(self.value)), "");
    }

    pub(super) fn duplicate_as(&self, value: impl Display, detail: &str) {
        self.report(FaultKind::Duplicate, || Some(value.to_string()), detail);
    }

    pub(super) fn not_found(&self) {
        self.not_found_because("");
    }

    pub(super) fn not_found_because(&self, detail: impl Into<String>) {
        self.report(FaultKind::NotFound, || Some(quote(self.text())), detail);
    }

    /// The value is none of those supported.
    pub(super) fn unsupported(&self, supported: &[&str]) {
        let value = if self.is_set() { show(self.value) } else { quote("") };
        self.unsupported_as(value, supported);
    }

    pub(super) fn unsupported_as(&self, value: impl Display, supported: &[&str]) {
        let quoted: Vec<String> = supported.iter().map(|value| quote(value)).collect();
        let detail = format!("supported values: {}", quoted.join(", "));
        self.report(FaultKind::NotSupported, || Some(value.to_string()), detail);
    }

    pub(super) fn too_long(&self, max: usize) {
        self.report(FaultKind::TooLong, || None, format!("may not be more than {max} bytes"));
    }

    /// The list holds more than `max` elements.
    pub(super) fn too_many(&self, max: usize) {
        let detail = format!("must have at most {max} items");
        self.report(FaultKind::TooMany, || Some(self.len().to_string()), detail);
    }

    /// Reports every rule of names that the text breaks.
    pub(super) fn named(&self, rule: impl Fn(&str) -> Validity) {
        if let Err(messages) = rule(self.text()) {
            messages.into_iter().for_each(|message| self.invalid_text(message));
        }
    }

    /// Reports every rule of names that the text breaks, or that there is none.
    pub(super) fn required_name(&self, rule: impl Fn(&str) -> Validity) {
        if self.text().is_empty() { self.required("") } else { self.named(rule) }
    }

    /// Reports every rule of names that a text breaks unless it is empty.
    pub(super) fn optional_name(&self, rule: impl Fn(&str) -> Validity) {
        if !self.text().is_empty() {
            self.named(rule);
        }
    }

    /// The text must be one of those.
    pub(super) fn one_of(&self, supported: &[&str]) {
        if !supported.contains(&self.text()) {
            self.unsupported(supported);
        }
    }

    /// The text must be there and one of those.
    pub(super) fn required_one_of(&self, supported: &[&str]) {
        if self.text().is_empty() { self.required("") } else { self.one_of(supported) }
    }

    /// The text must be one of those if the field is set.
    pub(super) fn optional_one_of(&self, supported: &[&str]) {
        if self.is_set() {
            self.one_of(supported);
        }
    }

    pub(super) fn non_negative(&self) {
        if self.number() < 0 {
            self.invalid_number("must be greater than or equal to 0");
        }
    }

    /// Each of these fields must hold a text or a list that is not empty.
    pub(super) fn require(&self, fields: &[&str]) {
        for field in fields.iter().map(|name| self.field(name)).filter(At::is_empty) {
            field.required("");
        }
    }
}

/// Maps up to this size are searched from end to end.
const SMALL: usize = 16;

/// The value of a field, `null` when absent.
#[inline(never)]
fn lookup<'v>(value: &'v Value, name: &str) -> &'v Value {
    let Value::Object(map) = value else { return &ABSENT };
    let found = if map.len() <= SMALL {
        map.iter().find(|(key, _)| key.len() == name.len() && *key == name).map(|(_, value)| value)
    } else {
        map.get(name)
    };
    found.unwrap_or(&ABSENT)
}

/// Which names an object may have: a bit for each key, the same for several.
///
/// Rules ask for many more fields than there are, so an answer without a search is worth the one pass over the keys.
#[derive(Clone, Copy)]
struct Keys(u64);

impl Keys {
    /// Not more keys than are found as quickly without.
    const FEW: usize = 3;

    fn of(value: &Value) -> Self {
        match value {
            Value::Object(map) if map.len() > Self::FEW => {
                Self(map.keys().fold(0, |bits, key| bits | Self::bit(key)))
            }
            Value::Object(_) => Self(u64::MAX),
            _ => Self(0),
        }
    }

    #[inline]
    fn bit(name: &str) -> u64 {
        let bytes = name.as_bytes();
        let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
        1 << ((usize::from(first) * 5 + usize::from(last) + bytes.len() * 11) % 64)
    }

    #[inline]
    fn may_have(self, name: &str) -> bool {
        self.0 & Self::bit(name) != 0
    }
}

/// The integer that a JSON number is; one with a fraction is none.
pub(super) fn integer(value: &Value) -> Option<i64> {
    value.as_i64()
}

/// A value as the API server prints it in a message.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

/// A text as Go's `%q` prints it.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\x0b' => quoted.push_str("\\v"),
            c if c.is_ascii_control() => write!(quoted, "\\x{:02x}", u32::from(c)).expect("to a string"),
            c if c.is_control() => write!(quoted, "\\u{:04x}", u32::from(c)).expect("to a string"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_reads_as_kubernetes_writes_it() {
        let tree = json!({"spec": {"containers": [{"ports": [{"containerPort": 0}]}]}, "data": {"a.b": ""}});
        let faults = Faults::default();
        let root = At::root(&tree, &faults);
        let spec = root.field("spec");
        let containers = spec.field("containers");
        let container = containers.index(0);
        let ports = container.field("ports");
        let port = ports.index(0);
        assert_eq!(port.field("containerPort").path(), "spec.containers[0].ports[0].containerPort");
        assert_eq!(root.field("data").key("a.b").path(), "data[a.b]");
        assert_eq!(spec.field_shown("hostPID", "HostPID").path(), "spec.HostPID");
    }

    #[test]
    fn a_text_is_quoted_as_go_does() {
        assert_eq!(quote("a\"b\\\n\x01é"), "\"a\\\"b\\\\\\n\\x01é\"");
    }

    #[test]
    fn what_is_absent_or_of_another_type_reads_as_zero() {
        let faults = Faults::default();
        for tree in [json!(null), json!(7), json!("x"), json!([]), json!({})] {
            let at = At::root(&tree, &faults);
            let (field, item) = (at.field("a"), at.index(3));
            assert_eq!(
                (field.text(), field.number(), field.len(), item.list().len()),
                ("", 0, 0, 0),
                "{tree}"
            );
        }
        assert_eq!(faults.count(), 0);
    }
}
