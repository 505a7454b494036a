//! Rules of a schema: whether they compile, and what they may cost
//! (`apiextensions-apiserver/pkg/apis/apiextensions/validation/{validation,cel_validation}.go`).
//!
//! The invariant: what rules break is told after what the schema breaks.

use std::cell::{Cell, RefCell};

use orch_core::{Fault, FaultKind};
use serde_json::json;

use super::super::at::At;
use crate::cel::Root;
use crate::custom::rules::judge;
use crate::custom::schema::Schema;

/// Steps that a single expression may be estimated to take (`StaticEstimatedCostLimit`).
const RULE_MAX: u64 = 10_000_000;

/// Steps that all of a schema may be estimated to take (`StaticEstimatedCRDCostLimit`).
const SCHEMA_MAX: u64 = 100_000_000;

/// Expressions that are told when all together cost too much.
const TOLD: usize = 4;

/// What is known of the rules of a schema.
pub(super) struct Rules {
    /// Whether single expressions may cost too much.
    costs: bool,
    faults: RefCell<Vec<Fault>>,
    total: Cell<u64>,
    dearest: RefCell<Vec<(u64, String)>>,
}

impl Rules {
    pub(super) fn new(costs: bool) -> Self {
        Self { costs, faults: RefCell::default(), total: Cell::new(0), dearest: RefCell::default() }
    }

    /// Judges the rules of a value that can stand `elements` times in an object. `uncorrelatable` is the list around it whose
    /// elements cannot be compared with what they were.
    pub(super) fn judge(
        &self,
        schema: &At<'_, '_>,
        is_root: bool,
        elements: Option<u64>,
        uncorrelatable: Option<&str>,
    ) {
        let all = schema.field("x-kubernetes-validations");
        if all.is_empty() {
            return;
        }
        let compiled = Schema::structure(schema.value());
        let root = if is_root { Root::Whole } else { Root::Part };
        let before = schema.faults().count();
        for one in all.items() {
            self.rule(&one, &compiled, root, elements, uncorrelatable);
        }
        self.faults.borrow_mut().extend(schema.faults().since(before));
        schema.faults().truncate(before);
    }

    fn rule(
        &self,
        one: &At<'_, '_>,
        schema: &Schema,
        root: Root,
        elements: Option<u64>,
        uncorrelatable: Option<&str>,
    ) {
        let [rule, message, optional] =
            ["rule", "messageExpression", "optionalOldSelf"].map(|name| one.field(name));
        let judged = judge(one.value(), schema, root);
        let shown = || {
            let part = |name: &str| one.get(name).clone();
            let text = |name: &str| one.get_text(name);
            json!({"Rule": text("rule"), "Message": text("message"), "MessageExpression": text("messageExpression"),
                "Reason": part("reason"), "FieldPath": text("fieldPath"), "OptionalOldSelf": part("optionalOldSelf")})
        };
        let elements = elements.unwrap_or_else(|| crate::cel::most_elements(schema, root));
        self.costs(&rule, "estimated rule cost", judged.cost.saturating_mul(elements));
        if let Some(why) = judged.rule {
            rule.invalid_as(shown(), why);
        }
        match judged.message {
            Some(why) => message.invalid_as(shown(), why),
            None => self.costs(&message, "estimated messageExpression cost", judged.message_cost),
        }
        match uncorrelatable {
            Some(list) if judged.uses_old => rule.invalid_text(format!(
                "oldSelf cannot be used on the uncorrelatable portion of the schema within {list}"
            )),
            _ if optional.is_set() && !judged.uses_old => {
                optional.invalid("may not be set if oldSelf is not used in rule");
            }
            _ => {}
        }
    }

    fn costs(&self, at: &At<'_, '_>, what: &str, cost: u64) {
        if cost > RULE_MAX && !self.costs {
            at.forbidden(excess(what, cost, RULE_MAX));
        }
        self.total.set(self.total.get().saturating_add(cost));
        if cost >= SCHEMA_MAX / 100 {
            let mut dearest = self.dearest.borrow_mut();
            dearest.push((cost, at.path()));
            dearest.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
            dearest.truncate(TOLD);
        }
    }

    /// Tells what was found.
    pub(super) fn report(self, schema: &At<'_, '_>) {
        schema.faults().extend(&self.faults.into_inner());
        let total = self.total.get();
        if total > SCHEMA_MAX {
            let why =
                "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            let dearest = self.dearest.into_inner().into_iter();
            let told: Vec<Fault> =
                dearest.map(|(_, path)| Fault::new(FaultKind::Forbidden, path, why)).collect();
            schema.faults().extend(&told);
            let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
            schema.forbidden(excess(what, total, SCHEMA_MAX));
        }
    }
}

fn excess(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = match factor {
        factor if factor > 100.0 => "more than 100x".to_owned(),
        factor if factor < 1.5 => format!("{factor:.6}x"),
        factor => format!("{factor:.1}x"),
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and \
         maxLength where arrays, maps, and strings are declared)"
    )
}
