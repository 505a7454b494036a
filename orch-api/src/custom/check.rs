//! Whether a value fits its schema, in the words of Kubernetes' validator (`kube-openapi/pkg/validation/validate`,
//! `apiextensions-apiserver/pkg/apiserver/validation/validation.go`).
//!
//! Not rules of CEL and not lists. An update is judged where it changed something: a value that is what it was has no faults
//! (`ratcheting.go`). The invariant: at most [`MAX_FAULTS`] faults are told.

use orch_core::{Fault, FaultKind};
use serde_json::Value;

use super::format;
use super::schema::{Limits, List, More, Schema, Type};
use crate::schema::{MAX_DEPTH, MAX_FAULTS};
use crate::tree::Tree;
use crate::validate::{quote, show};

/// Every fault of a value; `under` is the path of the value, empty for a whole object.
pub(crate) fn check(value: &Value, old: Option<&Value>, schema: &Schema, under: &str) -> Vec<Fault> {
    let mut found = Found::default();
    let walk = Walk { under };
    walk.value(value, old, schema, "", 0, &mut found);
    found.faults.truncate(MAX_FAULTS);
    found.faults
}

/// Faults, and how many checks were made on the way: of several failures the one with most is told.
#[derive(Default)]
struct Found {
    faults: Vec<Fault>,
    checks: usize,
}

impl Found {
    fn merge(&mut self, other: Self) {
        self.checks += other.checks;
        if self.faults.len() < MAX_FAULTS {
            self.faults.extend(other.faults);
        }
    }
}

struct Walk<'a> {
    under: &'a str,
}

impl Walk<'_> {
    /// Where a fault is shown; the path of nothing is Go's.
    fn place(&self, path: &str) -> String {
        match (self.under, path.trim_start_matches('.')) {
            ("", "") => "<nil>".to_owned(),
            (under, "") => under.to_owned(),
            ("", path) => path.to_owned(),
            (under, path) => format!("{under}.{path}"),
        }
    }

    fn fault(&self, kind: FaultKind, path: &str, detail: String) -> Fault {
        Fault::new(kind, self.place(path), detail)
    }

    /// A fault of the whole, for which upstream names no place.
    fn whole(&self, detail: String) -> Fault {
        self.fault(FaultKind::Invalid, "", detail).value(quote(""))
    }

    fn value(
        &self,
        value: &Value,
        old: Option<&Value>,
        schema: &Schema,
        path: &str,
        depth: usize,
        found: &mut Found,
    ) {
        if depth > MAX_DEPTH || found.faults.len() >= MAX_FAULTS {
            return;
        }
        let mut own = Found::default();
        own.checks += 1;
        if value.is_null() {
            if schema.ty != Type::Any && !schema.is_nullable {
                own.faults.push(self.mistyped(path, schema.ty.name(), "null"));
            }
            self.enumerated(value, schema, path, &mut own);
        } else {
            self.typed(value, schema, path, &mut own);
            self.logic(value, &schema.limits, path, depth, &mut own);
            match value {
                Value::String(text) => self.text(text, schema, path, &mut own),
                Value::Number(_) => self.number(value, schema, path, &mut own),
                Value::Array(list) => self.list(list, old, schema, path, depth, &mut own),
                _ => {}
            }
            self.enumerated(value, schema, path, &mut own);
            if let Value::Object(fields) = value {
                self.object(fields, old, schema, path, depth, &mut own);
            }
            own.checks += 2;
        }
        if !own.faults.is_empty() && old == Some(value) {
            own.faults.clear();
        }
        found.merge(own);
    }

    fn mistyped(&self, path: &str, expected: &str, got: &str) -> Fault {
        let detail = format!("{path} in body must be of type {expected}: {}", quote(got));
        self.fault(FaultKind::TypeInvalid, path, detail).value(quote(got))
    }

    fn typed(&self, value: &Value, schema: &Schema, path: &str, found: &mut Found) {
        found.checks += 1;
        let has_format = !schema.limits.format.is_empty();
        let fits = match (schema.ty, value) {
            (Type::Any, _)
            | (Type::Object, Value::Object(_))
            | (Type::Array, Value::Array(_))
            | (Type::Boolean, Value::Bool(_))
            | (Type::Text | Type::IntOrText, Value::String(_))
            | (Type::Number, Value::Number(_)) => true,
            (Type::Integer | Type::IntOrText, Value::Number(number)) => {
                number.as_i64().is_some() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
            }
            // Upstream leaves lists with a format to the format.
            (Type::Text, Value::Array(_)) => has_format,
            _ => false,
        };
        if !fits {
            found.faults.push(self.mistyped(path, schema.ty.name(), kind_of(value)));
        }
    }

    fn enumerated(&self, value: &Value, schema: &Schema, path: &str, found: &mut Found) {
        let allowed = &schema.limits.one_of_values;
        found.checks += 1;
        if allowed.is_empty() || allowed.iter().any(|one| same(one, value)) {
            return;
        }
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let all: Vec<String> = allowed.iter().map(|one| quote(&shown(one))).collect();
        let detail = format!("supported values: {}", all.join(", "));
        found.faults.push(self.fault(FaultKind::NotSupported, path, detail).value(show(value)));
    }

    fn text(&self, text: &str, schema: &Schema, path: &str, found: &mut Found) {
        let limits = &schema.limits;
        found.checks += 1;
        let invalid = |detail: String| self.fault(FaultKind::Invalid, path, detail).value(quote(text));
        let length = text.chars().count() as u64;
        // As upstream, the first that is broken.
        if let Some(max) = limits.max_length.filter(|max| length > *max) {
            let detail = format!("may not be more than {max} bytes");
            found.faults.push(self.fault(FaultKind::TooLong, path, detail));
        } else if let Some(min) = limits.min_length.filter(|min| length < *min) {
            found.faults.push(invalid(format!("{path} in body should be at least {min} chars long")));
        } else if let Some((pattern, regex)) = &limits.pattern
            && regex.as_ref().is_none_or(|regex| !regex.is_match(text))
        {
            found.faults.push(invalid(format!("{path} in body should match '{pattern}'")));
        }
        if !format::fits(&limits.format, text) {
            let detail = format!("{path} in body must be of type {}: {}", limits.format, quote(text));
            found.faults.push(self.fault(FaultKind::TypeInvalid, path, detail).value(quote(text)));
        }
    }

    fn number(&self, value: &Value, schema: &Schema, path: &str, found: &mut Found) {
        let Some(number) = value.as_f64() else { return };
        let limits = &schema.limits;
        found.checks += 1;
        let invalid = |detail: String| self.fault(FaultKind::Invalid, path, detail).value(value);
        if schema.ty == Type::Integer {
            let range = match limits.format.as_str() {
                "int32" => value.as_i64().is_some_and(|number| i32::try_from(number).is_err()),
                "int64" | "" => value.is_u64() && value.as_i64().is_none(),
                _ => false,
            };
            if range {
                let with = if limits.format.is_empty() {
                    "(default format)".to_owned()
                } else {
                    format!("with format {}", limits.format)
                };
                let detail = format!("Checked value must be of type integer {with} in {path}");
                found.faults.push(self.whole(detail));
            }
        }
        if let Some(factor) = limits.multiple_of {
            let quotient = number / factor;
            if factor > 0.0 && (quotient - quotient.round()).abs() > 1e-9 {
                found
                    .faults
                    .push(invalid(format!("{path} in body should be a multiple of {}", shown(factor))));
            }
        }
        let low = limits.minimum.filter(|low| number < *low || limits.exclusive_minimum && number <= *low);
        if let Some(low) = low {
            let or = if limits.exclusive_minimum { "" } else { " or equal to" };
            found.faults.push(invalid(format!("{path} in body should be greater than{or} {}", shown(low))));
        }
        let high =
            limits.maximum.filter(|high| number > *high || limits.exclusive_maximum && number >= *high);
        if let Some(high) = high {
            let or = if limits.exclusive_maximum { "" } else { " or equal to" };
            found.faults.push(invalid(format!("{path} in body should be less than{or} {}", shown(high))));
        }
    }

    fn list(
        &self,
        list: &[Value],
        old: Option<&Value>,
        schema: &Schema,
        path: &str,
        depth: usize,
        found: &mut Found,
    ) {
        let limits = &schema.limits;
        if let Some(items) = &schema.items {
            for (at, item) in list.iter().enumerate() {
                let before = counterpart(&schema.list, old, item);
                self.value(item, before, items, &format!("{path}[{at}]"), depth + 1, found);
            }
        }
        let count = list.len() as u64;
        if let Some(min) = limits.min_items.filter(|min| count < *min) {
            let detail = format!("{path} in body should have at least {min} items");
            found.faults.push(self.fault(FaultKind::Invalid, path, detail).value(count));
        }
        if let Some(max) = limits.max_items.filter(|max| count > *max) {
            found.faults.push(self.too_many(path, count, max));
        }
        let is_repeated = |(at, item): (usize, &Value)| list[..at].iter().any(|other| same(other, item));
        if limits.unique_items && list.iter().enumerate().any(is_repeated) {
            let detail = format!("{path} in body shouldn't contain duplicates");
            found.faults.push(self.fault(FaultKind::Invalid, path, detail).value(quote("")));
        }
        found.checks += 1;
    }

    fn too_many(&self, path: &str, count: u64, max: u64) -> Fault {
        let detail = format!("must have at most {max} items");
        self.fault(FaultKind::TooMany, path, detail).value(count)
    }

    fn object(
        &self,
        fields: &Tree,
        old: Option<&Value>,
        schema: &Schema,
        path: &str,
        depth: usize,
        found: &mut Found,
    ) {
        let limits = &schema.limits;
        let count = fields.len() as u64;
        if let Some(min) = limits.min_properties.filter(|min| count < *min) {
            let detail = format!("{path} in body should have at least {min} properties");
            found.faults.push(self.fault(FaultKind::Invalid, path, detail).value(count));
        }
        if let Some(max) = limits.max_properties.filter(|max| count > *max) {
            found.faults.push(self.too_many(path, count, max));
        }
        for (name, value) in fields {
            match (schema.properties.get(name), &schema.more) {
                (None, Some(More::Of(below))) => {
                    let before = old.and_then(|old| old.get(name));
                    self.value(value, before, below, &format!("{path}.{name}"), depth + 1, found);
                }
                (None, Some(More::Refused)) => {
                    let detail = format!("{path}.{name} in body is a forbidden property");
                    found.faults.push(self.fault(FaultKind::Invalid, path, detail).value(quote(name)));
                }
                _ => {}
            }
        }
        for (name, below) in &schema.properties {
            if let Some(value) = fields.get(name) {
                let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let before = old.and_then(|old| old.get(name));
                self.value(value, before, below, &place, depth + 1, found);
            }
        }
        for name in limits.required.iter().filter(|name| !fields.contains_key(*name)) {
            let place = format!("{path}.{name}");
            found.faults.push(self.fault(FaultKind::Required, &place, String::new()));
        }
        found.checks += 1;
    }

    /// What is said by schemas within the schema.
    fn logic(&self, value: &Value, limits: &Limits, path: &str, depth: usize, found: &mut Found) {
        let judged = |schema: &Schema| {
            let mut own = Found::default();
            self.value(value, None, schema, path, depth + 1, &mut own);
            own
        };
        if !limits.any_of.is_empty() {
            match best(&limits.any_of, judged) {
                (0, failures) => {
                    let detail = format!("{} must validate at least one schema (anyOf)", quote(path));
                    found.faults.push(self.whole(detail));
                    found.merge(failures.unwrap_or_default());
                }
                _ => found.checks += 1,
            }
        }
        if !limits.one_of.is_empty() {
            let (valid, failures) = best(&limits.one_of, judged);
            if valid != 1 {
                let why = match valid {
                    0 => "Found none valid".to_owned(),
                    many => format!("Found {many} valid alternatives"),
                };
                let detail = format!("{} must validate one and only one schema (oneOf). {why}", quote(path));
                found.faults.push(self.whole(detail));
                found.merge(failures.filter(|_| valid == 0).unwrap_or_default());
            }
        }
        let mut valid = 0;
        for schema in &limits.all_of {
            let one = judged(schema);
            valid += usize::from(one.faults.is_empty());
            found.merge(one);
        }
        if valid != limits.all_of.len() {
            let why = if valid == 0 { ". None validated" } else { "" };
            let detail = format!("{} must validate all the schemas (allOf){why}", quote(path));
            found.faults.push(self.whole(detail));
        }
        if limits.not.as_ref().is_some_and(|not| judged(not).faults.is_empty()) {
            let detail = format!("{} must not validate the schema (not)", quote(path));
            found.faults.push(self.whole(detail));
        }
        found.checks += 1;
    }
}

/// How many of some schemas a value fits, and the faults of that which it fits best.
fn best(schemas: &[Schema], judged: impl Fn(&Schema) -> Found) -> (usize, Option<Found>) {
    let (mut valid, mut best): (usize, Option<Found>) = (0, None);
    for schema in schemas {
        let found = judged(schema);
        if found.faults.is_empty() {
            valid += 1;
        } else if best.as_ref().is_none_or(|best| found.checks > best.checks) {
            best = Some(found);
        }
    }
    (valid, best)
}

/// The element of the old list that an element is now, if the list says how to tell.
pub(crate) fn counterpart<'v>(list: &List, old: Option<&'v Value>, item: &Value) -> Option<&'v Value> {
    let List::Map(keys) = list else { return None };
    let old = old?.as_array()?;
    old.iter().find(|old| keys.iter().all(|key| old.get(key) == item.get(key)))
}

/// Whether two values are the same; numbers are by what they are worth.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A bound as Go prints it, about.
fn shown(number: f64) -> String {
    number.to_string()
}
