//! Messages: objects with a type that an expression makes, `Object.spec{replicas: 3}`
//! (`apiserver/pkg/cel/mutation/{typeresolver,jsonpatch}.go`, `mutation/dynamic/objects.go`).
//!
//! Only expressions that make patches know some. Of an object at a path nothing is known: it has every field. Not the values:
//! no such expression is evaluated yet.

use super::Fault;
use super::check::{Found, Ty};
use super::parse::{Expr, Node};

/// The type of a whole object, as an apply configuration is one.
pub(super) const OBJECT: &str = "Object";

/// The type of one operation of a JSON patch.
pub(super) const JSON_PATCH: &str = "JSONPatch";

/// What an expression can make besides values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Makes {
    Values,
    /// Objects and patches of them.
    Messages,
}

/// A field that is set in a message.
#[derive(Clone, Debug)]
pub(super) struct Set {
    /// Where its colon is.
    pub(super) at: usize,
    pub(super) name: String,
    /// Whether its value is an optional: then it may stay unset.
    pub(super) is_optional: bool,
    pub(super) value: Node,
}

/// The name that an expression spells, if it is one: `Object.spec`.
pub(super) fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(name) => Some(name.clone()),
        Expr::Select(target, name, super::parse::Access::Plain) => {
            Some(format!("{}.{name}", name_of(&target.expr)?))
        }
        _ => None,
    }
}

fn is_known(name: &str) -> bool {
    name == JSON_PATCH
        || name == OBJECT
        || name.strip_prefix(OBJECT).is_some_and(|rest| rest.starts_with('.'))
}

/// The type of a message that is made.
pub(super) fn made<'s>(at: usize, name: &str, makes: Makes) -> Found<'s> {
    if makes == Makes::Messages && is_known(name) {
        return Ok(Ty::Message(name.to_owned()));
    }
    Err(Fault::new(at, format!("undeclared reference to '{name}' (in container '')")))
}

/// The type of a field of a message.
pub(super) fn field<'s>(message: &str, name: &str, at: usize) -> Found<'s> {
    match (message, name) {
        (JSON_PATCH, "op" | "path" | "from") => Ok(Ty::TEXT),
        (JSON_PATCH, "value") => Ok(Ty::Any),
        (JSON_PATCH, _) => Err(Fault::new(at, format!("undefined field '{name}'"))),
        _ => Ok(Ty::Any),
    }
}

/// Checks that a field takes a value of that type.
pub(super) fn takes(message: &str, set: &Set, given: &Ty<'_>) -> Result<(), Fault> {
    let of_field = field(message, &set.name, set.at)?;
    let wanted = if set.is_optional { Ty::Optional(Box::new(of_field)) } else { of_field };
    if given.may_be(&wanted) {
        return Ok(());
    }
    let (name, wanted, given) = (&set.name, wanted.name(), given.name());
    Err(Fault::new(
        set.at,
        format!("expected type of field '{name}' is '{wanted}' but provided type is '{given}'"),
    ))
}

/// The type of what is one of two, which may be each other.
pub(super) fn either<'s>((a, left): (&Ty<'s>, &Node), (b, right): (&Ty<'s>, &Node)) -> Ty<'s> {
    match (&left.expr, &right.expr) {
        // A list of nothing is one of anything.
        (Expr::List(none), _) if none.is_empty() => b.clone(),
        (_, Expr::List(none)) if none.is_empty() => a.clone(),
        _ => joined(a, b),
    }
}

/// Of what may be anything, a message is no more known to be one.
fn joined<'s>(a: &Ty<'s>, b: &Ty<'s>) -> Ty<'s> {
    match (a, b) {
        (Ty::Any, other) | (other, Ty::Any) => match other {
            Ty::Message(_) | Ty::List(_) => Ty::Any,
            other => other.clone(),
        },
        (Ty::List(a), Ty::List(b)) => Ty::List(Box::new(if a.may_be(b) { joined(a, b) } else { Ty::Any })),
        (a, _) => a.clone(),
    }
}

/// The type of the elements of a list, if they are of one.
pub(super) fn element<'s>(types: &[Ty<'s>]) -> Ty<'s> {
    let Some(first) = types.first() else { return Ty::Any };
    let is_one = types.iter().all(|ty| ty.may_be(first));
    let is_known = !matches!(first, Ty::Message(_)) || !types.iter().any(|ty| matches!(ty, Ty::Any));
    if is_one && is_known { first.clone() } else { Ty::Any }
}
