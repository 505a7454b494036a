//! Whether an expression can be right: names, fields, functions and operators, by the types that a schema gives
//! (`cel-go/checker`, `apiextensions-apiserver/pkg/apiserver/schema/cel`).
//!
//! Where a type is not known everything is allowed, and the evaluation judges. The invariant: what is refused here would fail
//! for every object.

use super::Fault;
use super::messages::{self, Makes};
use super::parse::{Access, Binding, Each, Expr, Kind, Literal, Node};
use super::signatures::{JSON_PATCH_LIBRARY, called, library_of};
use super::value::{type_named, unescaped};
use crate::custom::schema::{More, Schema, Type};

/// A type.
#[derive(Clone, Debug)]
pub(crate) enum Ty<'s> {
    Any,
    /// By its name in messages.
    Plain(&'static str),
    List(Box<Ty<'s>>),
    /// By the type of its values.
    Map(Box<Ty<'s>>),
    /// An object with named fields.
    Object(&'s Schema, Root),
    Optional(Box<Ty<'s>>),
    /// What an expression makes, by the name of its type.
    Message(String),
}

/// Whether an object has a version, a kind and metadata that its schema need not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Whole,
    Part,
    /// The metadata itself: its name and nothing else can be looked at.
    Metadata,
}

impl<'s> Ty<'s> {
    pub(crate) const BOOL: Self = Self::Plain("bool");
    pub(crate) const TEXT: Self = Self::Plain("string");

    /// The type of a value with that schema.
    pub(crate) fn of(schema: &'s Schema, root: Root) -> Self {
        if root == Root::Whole || schema.is_embedded {
            return Self::Object(schema, Root::Whole);
        }
        let base = match schema.ty {
            Type::Any | Type::IntOrText => Self::Any,
            Type::Text => Self::Plain(match schema.limits.format.as_str() {
                "byte" => "bytes",
                "date" | "date-time" => "timestamp",
                "duration" => "duration",
                _ => "string",
            }),
            Type::Integer => Self::Plain("int"),
            Type::Number => Self::Plain("double"),
            Type::Boolean => Self::Plain("bool"),
            Type::Array => {
                let item = schema.items.as_deref().map_or(Self::Any, |items| Self::of(items, Root::Part));
                Self::List(Box::new(item))
            }
            // Of what is preserved without a schema nothing is known, so it cannot be looked at.
            Type::Object => match &schema.more {
                Some(More::Of(values)) => Self::Map(Box::new(Self::of(values, Root::Part))),
                _ => Self::Object(schema, Root::Part),
            },
        };
        // A value that may be null is compared with null.
        if schema.is_nullable { Self::Any } else { base }
    }

    /// Whether a value of the type may be one of the other.
    pub(crate) fn may_be(&self, other: &Ty<'_>) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Ty::Any) => true,
            (Self::Plain(a), Ty::Plain(b)) => a == b,
            (Self::List(a), Ty::List(b)) => a.may_be(b),
            (Self::Map(a), Ty::Map(b)) => a.may_be(b),
            (Self::Optional(a), Ty::Optional(b)) => a.may_be(b),
            (Self::Message(a), Ty::Message(b)) => a == b,
            (Self::Object(..) | Self::Map(_), Ty::Object(..) | Ty::Map(_)) => true,
            _ => false,
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Any => "dyn".to_owned(),
            Self::Message(name) => name.clone(),
            Self::Plain(name) => (*name).to_owned(),
            Self::List(item) => format!("list({})", item.name()),
            Self::Map(values) => format!("map(string, {})", values.name()),
            Self::Object(..) => "object".to_owned(),
            Self::Optional(inner) => format!("optional_type({})", inner.name()),
        }
    }

    /// By the name with which it is declared.
    pub(super) fn declared(&self) -> String {
        match self {
            Self::Plain("null") => "null_type".to_owned(),
            Self::Plain("timestamp") => "google.protobuf.Timestamp".to_owned(),
            Self::Plain("duration") => "google.protobuf.Duration".to_owned(),
            Self::List(item) => format!("list({})", item.declared()),
            other => other.name(),
        }
    }

    pub(super) fn is_plain(&self, names: &[&str]) -> bool {
        match self {
            Self::Any => true,
            Self::Plain(name) => names.contains(name),
            _ => false,
        }
    }
}

/// The type of an expression over names with these types, and whether it looks at `oldSelf`.
pub(super) fn check<'s>(
    node: &Node,
    names: Vec<(String, Ty<'s>)>,
    makes: Makes,
) -> Result<(Ty<'s>, bool), Fault> {
    let mut walk = Walk { names, makes, uses_old: false };
    let ty = walk.ty(node)?;
    Ok((ty, walk.uses_old))
}

/// The names of a rule.
pub(super) fn names_of<'s>(this: &Ty<'s>, is_optional: bool) -> Vec<(String, Ty<'s>)> {
    let old = if is_optional { Ty::Optional(Box::new(this.clone())) } else { this.clone() };
    vec![("self".to_owned(), this.clone()), ("oldSelf".to_owned(), old)]
}

struct Walk<'s> {
    names: Vec<(String, Ty<'s>)>,
    makes: Makes,
    uses_old: bool,
}

pub(super) type Found<'s> = Result<Ty<'s>, Fault>;

pub(super) fn no_overload(at: usize, what: &str, types: &[&Ty<'_>]) -> Fault {
    let types: Vec<String> = types.iter().map(|ty| ty.name()).collect();
    Fault::new(at, format!("found no matching overload for '{what}' applied to '({})'", types.join(", ")))
}

impl<'s> Walk<'s> {
    fn ty(&mut self, node: &Node) -> Found<'s> {
        match &node.expr {
            Expr::Literal(literal) => Ok(Ty::Plain(literal_name(literal))),
            Expr::Name(name) => self.name(node.at, name),
            Expr::Select(target, name, access) => {
                let target = self.ty(target)?;
                selected(&target, name, *access, node.at)
            }
            Expr::Has(target, name) => {
                let target = self.ty(target)?;
                field(&target, name, node.at)?;
                Ok(Ty::BOOL)
            }
            Expr::Index(target, index, access) => {
                let (target, index) = (self.ty(target)?, self.ty(index)?);
                indexed(&target, &index, *access, node.at)
            }
            Expr::Call(name, target, arguments) => self.call(node.at, name, target.as_deref(), arguments),
            Expr::List(items) => {
                let types = items.iter().map(|item| self.ty(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(list_of(&types))
            }
            Expr::Map(entries) => {
                for (key, value) in entries {
                    self.ty(key)?;
                    self.ty(value)?;
                }
                Ok(Ty::Map(Box::new(Ty::Any)))
            }
            Expr::Message(name, fields) => {
                let message = messages::made(node.at, name, self.makes)?;
                for field in fields {
                    let given = self.ty(&field.value)?;
                    messages::takes(name, field, &given)?;
                }
                Ok(message)
            }
            Expr::And(all) => self.logic(node.at, "_&&_", all),
            Expr::Or(all) => self.logic(node.at, "_||_", all),
            Expr::Cond(parts) => {
                let [condition, yes, no] = &**parts;
                let condition_ty = self.ty(condition)?;
                let (yes, no) = (self.ty(yes)?, self.ty(no)?);
                if !condition_ty.may_be(&Ty::BOOL) || !yes.may_be(&no) {
                    return Err(no_overload(node.at, "_?_:_", &[&condition_ty, &yes, &no]));
                }
                Ok(messages::either((&yes, &parts[1]), (&no, &parts[2])))
            }
            Expr::Binary(operator, both) => {
                let (left, right) = (self.ty(&both[0])?, self.ty(&both[1])?);
                let sum = binary(node.at, operator, &left, &right)?;
                let are_lists = *operator == "+" && matches!((&left, &right), (Ty::List(_), Ty::List(_)));
                Ok(if are_lists { messages::either((&left, &both[0]), (&right, &both[1])) } else { sum })
            }
            Expr::Not(inner) => {
                let inner = self.ty(inner)?;
                if inner.may_be(&Ty::BOOL) {
                    Ok(Ty::BOOL)
                } else {
                    Err(no_overload(node.at, "!_", &[&inner]))
                }
            }
            Expr::Minus(inner) => {
                let inner = self.ty(inner)?;
                let fits = inner.is_plain(&["int", "double", "duration"]);
                if fits { Ok(inner) } else { Err(no_overload(node.at, "-_", &[&inner])) }
            }
            Expr::Each(each) => self.each(node.at, each),
            Expr::Bind(name, both, binding) => self.bind(name, &both[0], &both[1], *binding),
        }
    }

    fn name(&mut self, at: usize, name: &str) -> Found<'s> {
        if let Some(place) = self.names.iter().rposition(|(known, _)| known == name) {
            self.uses_old |= place == 1 && name == "oldSelf";
            return Ok(self.names[place].1.clone());
        }
        match type_named(name) {
            Some(_) => Ok(Ty::Plain("type")),
            None => Err(Fault::new(at, format!("undeclared reference to '{name}' (in container '')"))),
        }
    }

    fn logic(&mut self, at: usize, what: &str, all: &[Node]) -> Found<'s> {
        for node in all {
            let ty = self.ty(node)?;
            if !ty.may_be(&Ty::BOOL) {
                return Err(no_overload(at, what, &[&ty, &Ty::BOOL]));
            }
        }
        Ok(Ty::BOOL)
    }

    fn within<T>(&mut self, names: Vec<(String, Ty<'s>)>, run: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.names.len();
        self.names.extend(names);
        let answer = run(self);
        self.names.truncate(before);
        answer
    }

    fn each(&mut self, at: usize, each: &Each) -> Found<'s> {
        let range = self.ty(&each.range)?;
        let (key, value) = elements(&range, each.second.is_some(), at)?;
        let item = key.clone();
        let mut names = vec![(each.name.clone(), key)];
        names.extend(each.second.clone().map(|second| (second, value)));
        let body = self.within(names, |walk| {
            if let Some(filter) = &each.filter {
                walk.ty(filter)?;
            }
            walk.ty(&each.body)
        })?;
        let is_test = matches!(each.kind, Kind::All | Kind::Exists | Kind::ExistsOne | Kind::Filter);
        if is_test && !body.may_be(&Ty::BOOL) {
            return Err(no_overload(each.body.at, "_&&_", &[&Ty::BOOL, &body]));
        }
        Ok(of_each(each.kind, item, body))
    }

    fn bind(&mut self, name: &str, value: &Node, body: &Node, binding: Binding) -> Found<'s> {
        let value = match self.ty(value)? {
            Ty::Optional(inner) => *inner,
            _ => Ty::Any,
        };
        let body = self.within(vec![(name.to_owned(), value)], |walk| walk.ty(body))?;
        Ok(if binding == Binding::Mapped { Ty::Optional(Box::new(body)) } else { body })
    }

    fn call(&mut self, at: usize, name: &str, target: Option<&Node>, arguments: &[Node]) -> Found<'s> {
        let is_there = |library: &&str| *library != JSON_PATCH_LIBRARY || self.makes == Makes::Messages;
        let library = library_of(target, name).filter(is_there);
        let mut types = Vec::with_capacity(arguments.len() + 1);
        let target = target.filter(|_| library.is_none());
        if let Some(target) = target {
            types.push(self.ty(target)?);
        }
        for argument in arguments {
            types.push(self.ty(argument)?);
        }
        let full = library.map_or_else(|| name.to_owned(), |library| format!("{library}.{name}"));
        called(&full, &types.iter().collect::<Vec<_>>(), target.is_some(), at)
    }
}

/// The type of a field, which may be an optional.
pub(super) fn selected<'s>(target: &Ty<'s>, name: &str, access: Access, at: usize) -> Found<'s> {
    let found = field(target, name, at)?;
    let is_optional = access == Access::Optional || matches!(target, Ty::Optional(_));
    Ok(if is_optional { Ty::Optional(Box::new(found)) } else { found })
}

/// The type of an element or of the value of a key.
pub(super) fn indexed<'s>(target: &Ty<'s>, index: &Ty<'s>, access: Access, at: usize) -> Found<'s> {
    let inner = match target {
        Ty::Optional(inner) => inner,
        other => other,
    };
    let found = match inner {
        Ty::Any => Ty::Any,
        Ty::List(item) if index.is_plain(&["int", "uint", "double"]) => (**item).clone(),
        Ty::Map(values) => (**values).clone(),
        _ => return Err(no_overload(at, "_[_]", &[target, index])),
    };
    let is_optional = access == Access::Optional || matches!(target, Ty::Optional(_));
    Ok(if is_optional { Ty::Optional(Box::new(found)) } else { found })
}

/// The type of a list of such elements.
pub(super) fn list_of<'s>(types: &[Ty<'s>]) -> Ty<'s> {
    Ty::List(Box::new(messages::element(types)))
}

/// The types that a macro gives its names: of what one name stands for, or of a place or key and its value.
pub(super) fn elements<'s>(range: &Ty<'s>, are_two: bool, at: usize) -> Result<(Ty<'s>, Ty<'s>), Fault> {
    Ok(match range {
        Ty::Any => (Ty::Any, Ty::Any),
        Ty::List(item) if are_two => (Ty::Plain("int"), (**item).clone()),
        Ty::List(item) => ((**item).clone(), Ty::Any),
        Ty::Map(values) => (Ty::TEXT, (**values).clone()),
        other => {
            let why = format!(
                "expression of type '{}' cannot be range of a comprehension (must be list, map, or dynamic)",
                other.name()
            );
            return Err(Fault::new(at, why));
        }
    })
}

/// What a macro makes of elements and what it does with each.
pub(super) fn of_each<'s>(kind: Kind, element: Ty<'s>, body: Ty<'s>) -> Ty<'s> {
    match kind {
        Kind::All | Kind::Exists | Kind::ExistsOne => Ty::BOOL,
        Kind::Filter | Kind::SortBy => Ty::List(Box::new(element)),
        Kind::Map | Kind::TransformList => Ty::List(Box::new(body)),
        Kind::TransformMap => Ty::Map(Box::new(body)),
    }
}

pub(super) fn literal_name(literal: &Literal) -> &'static str {
    match literal {
        Literal::Null => "null",
        Literal::Bool(_) => "bool",
        Literal::Int(_) => "int",
        Literal::Uint(_) => "uint",
        Literal::Double(_) => "double",
        Literal::Text(_) => "string",
        Literal::Bytes(_) => "bytes",
    }
}

/// Whether a schema gives its values a type.
fn is_known(schema: &Schema) -> bool {
    match (schema.ty, &schema.items, &schema.more) {
        (Type::Any, ..) => false,
        (Type::Array, items, _) => items.as_deref().is_some_and(is_known),
        (Type::Object, _, Some(More::Of(values))) => is_known(values),
        _ => true,
    }
}

/// The type of a field.
fn field<'s>(target: &Ty<'s>, name: &str, at: usize) -> Found<'s> {
    let undefined = || Err(Fault::new(at, format!("undefined field '{name}'")));
    match target {
        Ty::Any => Ok(Ty::Any),
        Ty::Map(values) => Ok((**values).clone()),
        Ty::Optional(inner) => field(inner, name, at),
        Ty::Message(message) => messages::field(message, name, at),
        Ty::Object(_, Root::Metadata) => match name {
            "name" | "generateName" => Ok(Ty::TEXT),
            _ => undefined(),
        },
        Ty::Object(schema, root) => {
            let plain = unescaped(name);
            let known = schema.properties.get(name).or_else(|| schema.properties.get(plain.as_deref()?));
            match (root, name) {
                (Root::Whole, "apiVersion" | "kind") => Ok(Ty::TEXT),
                (Root::Whole, "metadata") => Ok(Ty::Object(schema, Root::Metadata)),
                _ => match known {
                    // Values of which nothing is known cannot be looked at.
                    Some(known) if !is_known(known) => undefined(),
                    Some(known) => Ok(Ty::of(known, Root::Part)),
                    None => undefined(),
                },
            }
        }
        other => Err(Fault::new(at, format!("type '{}' does not support field selection", other.name()))),
    }
}

pub(super) fn binary<'s>(at: usize, operator: &str, left: &Ty<'s>, right: &Ty<'s>) -> Found<'s> {
    const NUMBERS: [&str; 3] = ["int", "uint", "double"];
    let wrong = || Err(no_overload(at, &format!("_{operator}_"), &[left, right]));
    let numbers = left.is_plain(&NUMBERS) && right.is_plain(&NUMBERS);
    match operator {
        "==" | "!=" => {
            let is_null = left.is_plain(&["null"]) || right.is_plain(&["null"]);
            if left.may_be(right)
                || numbers
                || is_null && !matches!((left, right), (Ty::Plain(_), Ty::Plain(_)))
            {
                Ok(Ty::BOOL)
            } else {
                wrong()
            }
        }
        "<" | "<=" | ">" | ">=" => {
            let has_order = |ty: &Ty<'_>| {
                ty.is_plain(&["int", "uint", "double", "string", "bytes", "bool", "timestamp", "duration"])
            };
            let fits = has_order(left) && has_order(right) && (numbers || left.may_be(right));
            if fits { Ok(Ty::BOOL) } else { wrong() }
        }
        "in" => match right {
            Ty::Any | Ty::Map(_) => Ok(Ty::BOOL),
            Ty::List(item) if left.may_be(item) => Ok(Ty::BOOL),
            _ => Err(no_overload(at, "@in", &[left, right])),
        },
        _ => match (left, right) {
            // What is added to a list is one of the same.
            (Ty::Any, list @ Ty::List(_)) | (list @ Ty::List(_), Ty::Any) if operator == "+" => {
                Ok(list.clone())
            }
            (Ty::Any, other) | (other, Ty::Any) => {
                Ok(if other.is_plain(&NUMBERS) { other.clone() } else { Ty::Any })
            }
            (Ty::List(a), Ty::List(b)) if operator == "+" => {
                Ok(Ty::List(Box::new(if a.may_be(b) { (**a).clone() } else { Ty::Any })))
            }
            (Ty::Plain(a), Ty::Plain(b)) => sum(operator, a, b).map_or_else(wrong, |ty| Ok(Ty::Plain(ty))),
            _ => wrong(),
        },
    }
}

fn sum(operator: &str, a: &'static str, b: &'static str) -> Option<&'static str> {
    match (operator, a, b) {
        ("%", "int" | "uint", _) | ("+" | "-" | "*" | "/", "int" | "uint" | "double", _) if a == b => Some(a),
        ("+", "string" | "bytes", _) if a == b => Some(a),
        ("+" | "-", "duration", "duration") => Some("duration"),
        ("+" | "-", "timestamp", "duration") | ("+", "duration", "timestamp") => Some("timestamp"),
        ("-", "timestamp", "timestamp") => Some("duration"),
        _ => None,
    }
}
