//! Expressions of CEL, as rules of custom resources use them (`cel-go`, `apiserver/pkg/cel`, `cel-spec/doc/langdef.md`).
//!
//! Why not the crate `kube-cel`: it bounds neither the steps of an evaluation nor the depth of an expression, and a rule is
//! written by whoever may write definitions and run against what everybody sends. Here every step is counted. Not the whole
//! language: no protocol buffers, no macros of other libraries than Kubernetes' lists, strings, sets, quantities, addresses and
//! optionals. The invariants: no text and no value makes it panic, and an evaluation ends after its budget of steps.

mod check;
mod cost;
mod eval;
mod format;
mod functions;
mod lex;
mod library;
mod lists;
mod macros;
mod messages;
mod named_formats;
mod parse;
mod semver;
mod signatures;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use check::{Root, Ty};
pub(crate) use cost::most_elements;
pub(crate) use value::{RESERVED, Val};

use serde_json::Value;

use self::eval::Scope;
use self::messages::{JSON_PATCH, Makes, OBJECT};
use self::parse::{Expr, Node};
use crate::custom::schema::Schema;

/// Steps of one evaluation (`PerCallLimit` of `apiserver/pkg/apis/cel`).
const PER_CALL: u64 = 1_000_000;

/// Steps of all rules of one object (`RuntimeCELCostBudget`).
pub(crate) const BUDGET: u64 = 10_000_000;

/// An expression that was parsed and checked.
#[derive(Debug)]
pub(crate) struct Program {
    node: Node,
    /// Whether it looks at the value as it was.
    pub(crate) uses_old: bool,
}

/// Why an evaluation has no value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stop {
    Error(String),
    OverBudget,
}

impl Stop {
    fn new(why: impl Into<String>) -> Self {
        Self::Error(why.into())
    }
}

/// What an expression may look at.
#[derive(Clone, Copy)]
pub(crate) struct Input<'v> {
    pub(crate) now: (&'v Value, &'v Schema),
    /// As it was: for rules that compare.
    pub(crate) before: Option<(&'v Value, &'v Schema)>,
    /// Whether `oldSelf` is an optional.
    pub(crate) is_optional: bool,
}

impl Program {
    /// Parses an expression over `self` and checks it: it must be of the type `expected`.
    ///
    /// # Errors
    /// What is wrong, in the form in which `cel-go` prints it.
    pub(crate) fn compile(
        text: &str,
        this: &Ty<'_>,
        is_optional: bool,
        expected: &Ty<'_>,
    ) -> Result<Self, String> {
        let node = parse::parse(text).map_err(|fault| fault.shown(text))?;
        let names = check::names_of(this, is_optional);
        let (found, uses_old) =
            check::check(&node, names, Makes::Values).map_err(|fault| fault.shown(text))?;
        if !found.may_be(expected) {
            return Err(String::new());
        }
        Ok(Self { node, uses_old })
    }

    /// Steps that it takes at most, by what the schema of `self` allows.
    pub(crate) fn cost(&self, schema: &Schema, root: Root, is_optional: bool) -> u64 {
        cost::most(&self.node, schema, root, is_optional)
    }

    /// Evaluates it; `budget` is what is left of all steps.
    ///
    /// # Errors
    /// There is no value.
    pub(crate) fn run<'v>(&'v self, input: Input<'v>, budget: &mut u64) -> Result<Val<'v>, Stop> {
        let granted = PER_CALL.min(*budget);
        let mut scope = Scope::new(input, granted);
        let answer = eval::eval(&self.node, &mut scope);
        *budget -= granted - scope.left();
        answer
    }
}

/// What an expression must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Bool,
    Text,
    /// A text, or null for none.
    TextOrNull,
    /// A list of operations on an object.
    JsonPatch,
    /// A part of an object that is applied to it.
    ApplyConfiguration,
    Any,
}

/// Why an expression over names of any type cannot be one, if it cannot.
pub(crate) fn refused(text: &str, names: &[&str], expected: Expected) -> Option<String> {
    let names = names.iter().map(|name| ((*name).to_owned(), Ty::Any)).collect();
    let node = parse::parse(text);
    let is_patch = matches!(expected, Expected::JsonPatch | Expected::ApplyConfiguration);
    let makes = if is_patch { Makes::Messages } else { Makes::Values };
    let checked = node.and_then(|node| check::check(&node, names, makes).map(|(ty, _)| (node, ty)));
    let (node, ty) = match checked {
        Ok(found) => found,
        Err(fault) => return Some(format!("compilation failed: {}", fault.shown(text))),
    };
    // Of what stands in an object nobody knows the type, and that is not the type that is wanted.
    let is =
        |wanted: &Ty<'_>| if matches!(ty, Ty::Any) { !is_of_an_object(&node) } else { ty.may_be(wanted) };
    let is_exactly = |wanted: Ty<'_>| ty.name() == wanted.name();
    let message = |name: &str| Ty::Message(name.to_owned());
    let (fits, what) = match expected {
        Expected::Any => return None,
        Expected::JsonPatch => (is_exactly(Ty::List(Box::new(message(JSON_PATCH)))), "list(JSONPatch)"),
        Expected::ApplyConfiguration => (is_exactly(message(OBJECT)), "Object"),
        Expected::Bool => (is(&Ty::BOOL), "bool"),
        Expected::Text => (is(&Ty::TEXT), "string"),
        Expected::TextOrNull => (is(&Ty::TEXT) || is(&Ty::Plain("null")), "one of [string null_type]"),
    };
    (!fits).then(|| format!("must evaluate to {what} but got {}", ty.declared()))
}

/// Whether an expression only looks into an object of any kind. Variables and what is known of a request have types.
fn is_of_an_object(node: &Node) -> bool {
    match &node.expr {
        Expr::Name(name) => matches!(name.as_str(), "object" | "oldObject" | "params"),
        Expr::Select(target, ..) | Expr::Index(target, ..) => is_of_an_object(target),
        _ => false,
    }
}

/// What is wrong with an expression, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    at: usize,
    why: String,
}

impl Fault {
    fn new(at: usize, why: impl Into<String>) -> Self {
        Self { at, why: why.into() }
    }

    /// `ERROR: <input>:1:6: undefined field 'x'`, with the line and a mark below it.
    fn shown(&self, text: &str) -> String {
        let before = text.get(..self.at).unwrap_or(text);
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count());
        let shown = text.lines().nth(line).unwrap_or_default();
        format!(
            "ERROR: <input>:{}:{}: {}\n | {shown}\n | {}^",
            line + 1,
            column + 1,
            self.why,
            ".".repeat(column)
        )
    }
}
