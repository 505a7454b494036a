//! Rules of CEL at the values of a schema (`x-kubernetes-validations`;
//! `apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go`).
//!
//! The invariant: all rules of an object together take a bounded number of steps.

use orch_core::{Fault, FaultKind};
use serde_json::Value;

use super::check::counterpart;
use super::field_path::{self, Brackets};
use super::schema::{List, More, Schema};
use crate::cel::{BUDGET, Input, Program, Root, Stop, Ty, Val};
use crate::schema::{MAX_DEPTH, MAX_FAULTS};
use crate::tree::Get;
use crate::validate::{quote, show};

/// Bytes of a message that an expression makes (`MaxEvaluatedMessageExpressionSizeBytes`).
const MAX_MESSAGE: usize = 5 << 10;

/// The rules of a value.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

/// A rule.
#[derive(Debug)]
struct Rule {
    text: String,
    message: String,
    program: Result<Program, String>,
    message_program: Option<Program>,
    reason: FaultKind,
    field: String,
    is_optional: bool,
}

impl Rules {
    pub(super) fn compile(tree: &Value, schema: &Schema, root: Root) -> Self {
        let this = Ty::of(schema, root);
        let rules = tree.list("x-kubernetes-validations").iter();
        Self(
            rules
                .filter(|rule| !rule.text("rule").trim().is_empty())
                .map(|rule| Rule::compile(rule, &this, schema))
                .collect(),
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is known of a rule before it is asked.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Judged {
    /// Why it is none.
    pub(crate) rule: Option<String>,
    /// Why its message is none.
    pub(crate) message: Option<String>,
    /// Whether it looks at what was.
    pub(crate) uses_old: bool,
    /// Steps at most, by what the schema allows.
    pub(crate) cost: u64,
    pub(crate) message_cost: u64,
}

/// Judges a rule of a value with that schema.
pub(crate) fn judge(rule: &Value, schema: &Schema, root: Root) -> Judged {
    let (text, this) = (rule.text("rule"), Ty::of(schema, root));
    let mut judged = Judged::default();
    if text.trim().is_empty() {
        return judged;
    }
    let is_optional = rule.at("optionalOldSelf") == Some(&Value::Bool(true));
    match Program::compile(text, &this, is_optional, &Ty::BOOL) {
        Ok(program) => {
            judged.uses_old = program.uses_old;
            judged.cost = program.cost(schema, root, is_optional);
        }
        Err(why) if why.is_empty() => {
            judged.rule = Some("cel expression must evaluate to a bool".to_owned());
            return judged;
        }
        Err(why) => {
            judged.rule = Some(format!("compilation failed: {why}"));
            return judged;
        }
    }
    let message = rule.text("messageExpression");
    if !message.trim().is_empty() {
        match Program::compile(message, &this, is_optional, &Ty::TEXT) {
            Ok(program) => judged.message_cost = program.cost(schema, root, is_optional),
            Err(why) if why.is_empty() => {
                judged.message = Some("messageExpression must evaluate to a string".to_owned());
            }
            Err(why) => judged.message = Some(format!("messageExpression compilation failed: {why}")),
        }
    }
    judged
}

impl Rule {
    fn compile(rule: &Value, this: &Ty<'_>, schema: &Schema) -> Self {
        let is_optional = rule.at("optionalOldSelf") == Some(&Value::Bool(true));
        let computed = rule.text("messageExpression");
        Self {
            text: rule.text("rule").trim().to_owned(),
            message: rule.text("message").trim().to_owned(),
            program: Program::compile(rule.text("rule"), this, is_optional, &Ty::BOOL),
            message_program: Some(computed)
                .filter(|text| !text.is_empty())
                .and_then(|text| Program::compile(text, this, is_optional, &Ty::TEXT).ok()),
            reason: match rule.text("reason") {
                "FieldValueForbidden" => FaultKind::Forbidden,
                "FieldValueRequired" => FaultKind::Required,
                "FieldValueDuplicate" => FaultKind::Duplicate,
                _ => FaultKind::Invalid,
            },
            field: field_path::follow(rule.text("fieldPath"), schema, Brackets::Allowed)
                .map(|found| found.shown)
                .unwrap_or_default(),
            is_optional,
        }
    }

    /// How errors name it.
    fn name(&self) -> &str {
        if self.message.is_empty() { &self.text } else { &self.message }
    }

    fn place(&self, path: &str) -> String {
        match (path, self.field.as_str()) {
            ("", "") => "<nil>".to_owned(),
            ("", field) => field.to_owned(),
            (path, "") => path.to_owned(),
            (path, field) => format!("{path}.{field}"),
        }
    }
}

/// Every rule that an object breaks.
pub(super) fn check(new: &Value, old: Option<&Value>, schema: &Schema) -> Vec<Fault> {
    within(new, old, schema, &mut { BUDGET })
}

/// The same, with so many steps at most; they are taken from the budget.
pub(super) fn within(new: &Value, old: Option<&Value>, schema: &Schema, budget: &mut u64) -> Vec<Fault> {
    let mut walk = Walk { budget: *budget, is_over: false, faults: Vec::new() };
    walk.value(new, old, schema, "", false, 0);
    *budget = walk.budget;
    walk.faults.truncate(MAX_FAULTS);
    walk.faults
}

struct Walk {
    budget: u64,
    is_over: bool,
    faults: Vec<Fault>,
}

impl Walk {
    /// `was_same`: whether a value around it that can be compared is what it was.
    fn value(
        &mut self,
        value: &Value,
        old: Option<&Value>,
        schema: &Schema,
        path: &str,
        was_same: bool,
        depth: usize,
    ) {
        if !schema.has_rules || value.is_null() || self.is_over || depth > MAX_DEPTH {
            return;
        }
        let is_same = old.map_or(was_same, |old| old == value);
        for rule in &schema.rules.0 {
            self.rule(rule, value, old, schema, path, is_same);
            if self.is_over {
                return;
            }
        }
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let old = old.and_then(|old| old.get(name));
                    let dot = if path.is_empty() { "" } else { "." };
                    match (schema.properties.get(name), &schema.more) {
                        (Some(below), _) => {
                            self.value(value, old, below, &format!("{path}{dot}{name}"), is_same, depth + 1);
                        }
                        (None, Some(More::Of(below))) => {
                            self.value(value, old, below, &format!("{path}[{name}]"), is_same, depth + 1);
                        }
                        _ => {}
                    }
                }
            }
            Value::Array(list) => {
                let Some(items) = &schema.items else { return };
                for (at, item) in list.iter().enumerate() {
                    let before =
                        if schema.list == List::Set { None } else { counterpart(&schema.list, old, item) };
                    self.value(item, before, items, &format!("{path}[{at}]"), is_same, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn rule(
        &mut self,
        rule: &Rule,
        value: &Value,
        old: Option<&Value>,
        schema: &Schema,
        path: &str,
        is_same: bool,
    ) {
        let plain = |detail: String| {
            let place = if path.is_empty() { "<nil>" } else { path };
            Fault::new(FaultKind::Invalid, place, detail).value(quote(schema.ty.name()))
        };
        let program = match &rule.program {
            Ok(program) => program,
            Err(why) => return self.faults.push(plain(format!("rule compile error: {why}"))),
        };
        // There is nothing to compare a new value with.
        if program.uses_old && old.is_none() && !rule.is_optional {
            return;
        }
        let old = old.filter(|old| !old.is_null()).map(|old| (old, schema));
        let input = Input { now: (value, schema), before: old, is_optional: rule.is_optional };
        let fault = match program.run(input, &mut self.budget) {
            Ok(Val::Bool(true)) => return,
            Ok(_) => self.broken(rule, value, input, path),
            Err(Stop::OverBudget) => {
                self.is_over = true;
                let why = "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to \
                    call cost exceeds limit for rule";
                return self.faults.push(plain(format!("{why}: {}", rule.name())));
            }
            Err(Stop::Error(why)) if why.starts_with("no such overload") => {
                let what =
                    "call arguments did not match a supported operator, function or macro signature for rule";
                return self.faults.push(plain(format!("'{why}': {what}: {}", rule.name())));
            }
            Err(Stop::Error(why)) => {
                return self.faults.push(plain(format!("{why} evaluating rule: {}", rule.name())));
            }
        };
        // What was wrong before and is what it was is not held against who changes something else.
        if program.uses_old || !is_same {
            self.faults.push(fault);
        }
    }

    fn broken(&mut self, rule: &Rule, value: &Value, input: Input<'_>, path: &str) -> Fault {
        let computed =
            rule.message_program.as_ref().and_then(|program| program.run(input, &mut self.budget).ok());
        let computed = match computed {
            Some(Val::Text(text)) => Some(text.trim().to_owned()),
            _ => None,
        };
        let is_fit = |text: &String| !text.is_empty() && text.len() <= MAX_MESSAGE && !text.contains('\n');
        let detail = computed.filter(is_fit).unwrap_or_else(|| match rule.message.as_str() {
            "" => format!("failed rule: {}", rule.text),
            message => message.to_owned(),
        });
        let detail = if rule.reason == FaultKind::Duplicate { String::new() } else { detail };
        let fault = Fault::new(rule.reason, rule.place(path), detail);
        let shows = matches!(rule.reason, FaultKind::Invalid | FaultKind::Duplicate);
        if shows && !value.is_object() && !value.is_array() { fault.value(show(value)) } else { fault }
    }
}
