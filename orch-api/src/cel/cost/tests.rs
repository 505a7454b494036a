//! Costs as `cel-go` and Kubernetes' estimators have them; the sums are written out. All 226 of upstream's own
//! (`celcoststability_test.go`) were compared once.

use serde_json::{Value, json};

use super::*;
use crate::cel::Program;

/// The value `self` is described by the schema.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn check(schema: Value, rule: &str, expected: u64) {
    let schema = Schema::structure(&schema);
    let this = Ty::of(&schema, Root::Part);
    let program = Program::compile(rule, &this, false, &Ty::BOOL).unwrap();
    assert_eq!(program.cost(&schema, Root::Part, false), expected, "{rule}");
}

#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

#[test]
fn looking_at_fields_costs_a_step_each() {
    let schema = object(json!({"a": {"type": "integer"}, "b": {"type": "integer"}}));
    // self, a, the comparison.
    check(schema.clone(), "self.a > 1", 3);
    // A whole number has no size for the estimator, so to compare two costs nothing.
    check(schema.clone(), "self.a == self.b", 4);
    check(schema.clone(), "has(self.a) && self.a > 1 || !has(self.b)", 1 + 3 + 2);
    check(schema, "self.a > 1 ? self.b > 1 : true", 6);
}

#[test]
fn texts_cost_a_tenth_of_their_longest() {
    let schema = object(json!({"a": {"type": "string", "maxLength": 10}, "b": {"type": "string"},
        "e": {"type": "string", "enum": ["abc", "abcdefghijkl"]}}));
    // Four bytes a letter.
    check(schema.clone(), "self.a == self.b", 4 + 4);
    check(schema.clone(), "self.a == 'x'", 2 + 1);
    check(schema.clone(), "self.e == self.b", 4 + 2);
    check(schema.clone(), "self.b.startsWith(self.a)", 4 + 4);
    check(schema.clone(), "self.b.contains('0123456789')", 2 + 314_573);
    check(schema.clone(), "self.a.matches('^[a-z]+$')", 2 + 5 * 2);
    check(schema.clone(), "(self.a + self.a).size() > 1", 4 + 8 + 1 + 1);
    check(schema, "self.a.lowerAscii().replace('a', 'bb').size() > 1", 2 + 4 + 8 + 1 + 1);
}

#[test]
fn loops_cost_as_many_steps_as_there_can_be_elements() {
    let bounded = object(json!({"a": {"type": "array", "maxItems": 10, "items": {"type": "integer"}}}));
    // The range, ten times the test with what goes on, and the result.
    check(bounded.clone(), "self.a.all(x, x > 1)", 2 + 10 * (2 + 3) + 1);
    check(bounded.clone(), "self.a.exists(x, x > 1)", 2 + 10 * (2 + 4) + 1);
    check(bounded.clone(), "self.a.exists_one(x, x > 1)", 2 + 10 * (2 + 2) + 2);
    check(bounded.clone(), "self.a.map(x, x + 1).size() > 1", 2 + 10 + 10 * (2 + 12) + 1 + 1 + 1);
    check(bounded.clone(), "self.a.filter(x, x > 1).size() > 1", 2 + 10 + 10 * (2 + 13) + 1 + 1 + 1);
    check(bounded.clone(), "1 in self.a", 2 + 10);
    check(bounded, "self.a.all(x, self.a.all(y, x == y))", 2 + 10 * (2 + 10 * (2 + 3) + 1 + 3) + 1);
    // As many whole numbers as fit into three megabytes.
    let free = object(json!({"a": {"type": "array", "items": {"type": "integer"}}}));
    check(free, "self.a.all(x, x > 1)", 2 + 1_572_863 * (2 + 3) + 1);
}

#[test]
fn what_may_be_null_is_as_large_as_its_schema_says() {
    let text = json!({"type": "string", "maxLength": 5});
    let schema = object(json!({"a": {"type": "array", "nullable": true, "maxItems": 10, "items": text}}));
    check(schema, "self.a.all(x, self.a.all(y, x == y))", 2 + 10 * (2 + 10 * (2 + 2 + 3) + 1 + 3) + 1);
}

#[test]
fn maps_and_functions_of_libraries_have_their_costs() {
    let schema = object(json!({
        "m": {"type": "object", "maxProperties": 4, "additionalProperties": {"type": "string", "maxLength": 5}},
        "l": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 5}}}));
    check(schema.clone(), "self.m.all(k, self.m[k] == 'abc')", 2 + 4 * (3 + 1 + 1 + 3) + 1);
    check(schema.clone(), "'a' in self.m", 2 + 1);
    check(schema.clone(), "self.l.isSorted()", 2 + 5 * 3);
    check(schema.clone(), "sets.contains(self.l, ['a', 'b'])", 2 + 10 + 10 + 1);
    check(schema.clone(), "self.l.join(',').size() > 1", 2 + 11 + 1 + 1);
    check(schema.clone(), "quantity(self.l[0]) == quantity('1')", 3 + 2 + 1 + 1);
    check(schema, "{'a': 1}.size() == 1 && [1, 2].size() == 2", 30 + 1 + 1 + 10 + 1 + 1);
}

#[test]
fn optionals_are_looked_at_once_more() {
    let schema = object(json!({"a": {"type": "integer"}}));
    check(schema.clone(), "self.?a.orValue(1) > 1", 2 + 1 + 1);
    // Asked, then taken, with a list for the name.
    check(schema, "self.?a.optMap(x, x + 1).orValue(1) > 1", 3 + (10 + 3 + 2 + 1) + 1 + 1);
}

#[test]
fn what_can_be_is_bounded_by_a_request() {
    let text = Schema::structure(&json!({"type": "string"}));
    assert_eq!(most_elements(&text, Root::Part), 3 * 1024 * 1024 / 3);
    let object = Schema::structure(
        &json!({"type": "object", "required": ["ab"], "properties": {"ab": {"type": "integer"}}}),
    );
    assert_eq!(most_elements(&object, Root::Part), 3 * 1024 * 1024 / (2 + 2 + 1 + 4 + 1));
}

#[test]
fn a_field_that_is_required_often_is_required_once() {
    let nested = |times: usize| {
        (0..6).fold(
            json!({"type": "integer"}),
            |below, _| json!({"type": "object", "properties": {"a": below}, "required": vec!["a"; times]}),
        )
    };
    let least = |times| Decl::Value(&Schema::structure(&nested(times)), Root::Part).least_bytes();
    assert_eq!(least(1000), least(1));
}
