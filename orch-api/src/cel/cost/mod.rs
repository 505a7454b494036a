//! What an expression costs at most, as far as its schema bounds what it looks at (`cel-go/checker/cost.go`).
//!
//! It decides which rules a definition may have; what an evaluation takes is counted there (`eval`). The expression was
//! checked before. Macros cost what their expansions cost upstream.

mod calls;
mod size;
#[cfg(test)]
mod tests;

use self::calls::{Call, LOOK, NEW_LIST};
pub(super) use self::size::REQUEST_MAX;
use self::size::{Decl, Size};
use super::check::{self, Root, Ty};
use super::parse::{Access, Binding, Each, Expr, Kind, Literal, Node};
use super::signatures::{called, library_of};
use crate::custom::schema::{Schema, Type};

/// Making a map.
const NEW_MAP: u64 = 30;

/// What an expression over values of a schema costs at most.
pub(super) fn most(node: &Node, schema: &Schema, root: Root, is_optional: bool) -> u64 {
    let this = Ty::of(schema, root);
    let root = if schema.is_embedded { Root::Whole } else { root };
    let place = Place::At(Decl::Value(schema, root));
    let names = check::names_of(&this, is_optional).into_iter();
    let names = names.map(|(name, ty)| (name, Known::at(ty, place))).collect();
    Walk { root: Decl::Value(schema, root), names }.node(node).0
}

/// How often a value with that schema can stand in a request (`maxCardinality`).
pub(crate) fn most_elements(schema: &Schema, root: Root) -> u64 {
    REQUEST_MAX / (Decl::Value(schema, root).least_bytes() + 1)
}

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
enum Place<'s> {
    /// It was made.
    Nowhere,
    /// Below a place of which the schema says nothing.
    Unknown,
    At(Decl<'s>),
}

/// Sizes of the keys and the values of what was made by an expression.
#[derive(Clone, Copy, Debug)]
struct Entries {
    is_list: bool,
    key: Size,
    value: Size,
}

impl Entries {
    fn of_list(value: Size) -> Self {
        Self { is_list: true, key: Size::fixed(1), value }
    }

    fn union(self, other: Self) -> Self {
        Self { key: self.key.union(other.key), value: self.value.union(other.value), ..self }
    }
}

/// What is known of a value.
#[derive(Clone, Debug)]
struct Known<'s> {
    ty: Ty<'s>,
    place: Place<'s>,
    size: Option<Size>,
    entries: Option<Entries>,
}

/// What a value is, as far as it matters for costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Text,
    Bytes,
    List,
    Any,
    Other,
}

impl<'s> Known<'s> {
    /// What stands at a place.
    fn at(ty: Ty<'s>, place: Place<'s>) -> Self {
        let size = match place {
            Place::At(decl) => Some(Size::up_to(decl.most())),
            _ => is_scalar(&ty).then_some(Size::fixed(1)),
        };
        Self { ty, place, size, entries: None }
    }

    fn made(ty: Ty<'s>) -> Self {
        Self::at(ty, Place::Nowhere)
    }

    fn sized(self, size: Option<Size>) -> Self {
        Self { size: size.or(self.size), ..self }
    }

    fn size(&self) -> Size {
        self.size.unwrap_or(Size::UNKNOWN)
    }

    fn is(&self) -> Is {
        match &self.ty {
            Ty::Plain("string") => Is::Text,
            Ty::Plain("bytes") => Is::Bytes,
            Ty::List(_) => Is::List,
            // What may be null is of any type for who checks; the schema knows better.
            Ty::Any => match self.place {
                Place::At(Decl::Value(schema, _)) => match schema.ty {
                    Type::Text => Is::Text,
                    Type::Array => Is::List,
                    Type::Any | Type::IntOrText => Is::Any,
                    _ => Is::Other,
                },
                _ => Is::Any,
            },
            _ => Is::Other,
        }
    }

    /// Whether the elements of a list are texts, and their size; `None` when it is no list.
    fn element(&self) -> Option<(bool, Size)> {
        let Ty::List(item) = &self.ty else { return None };
        let size = match self.place {
            Place::Nowhere => Size::UNKNOWN,
            Place::At(decl) => decl.element().map_or(Size::UNKNOWN, |decl| Size::up_to(decl.most())),
            Place::Unknown => Size::UNKNOWN,
        };
        Some((matches!(**item, Ty::Plain("string" | "bytes")), size))
    }
}

fn is_scalar(ty: &Ty<'_>) -> bool {
    match ty {
        Ty::Plain(name) => matches!(*name, "bool" | "double" | "duration" | "int" | "timestamp" | "uint"),
        Ty::Optional(inner) => is_scalar(inner),
        _ => false,
    }
}

struct Walk<'s> {
    root: Decl<'s>,
    names: Vec<(String, Known<'s>)>,
}

/// A cost, and what is known of the value.
type Cost<'s> = (u64, Known<'s>);

impl<'s> Walk<'s> {
    /// What stands below a place. Upstream takes what was made for the root.
    fn below(&self, place: Place<'s>, step: impl FnOnce(Decl<'s>) -> Option<Decl<'s>>) -> Place<'s> {
        match place {
            Place::Nowhere => Place::At(self.root),
            Place::Unknown => Place::Unknown,
            Place::At(decl) => step(decl).map_or(Place::Unknown, Place::At),
        }
    }

    fn node(&mut self, node: &Node) -> Cost<'s> {
        match &node.expr {
            Expr::Literal(literal) => (0, constant(literal)),
            Expr::Name(name) => (1, self.name(name)),
            Expr::Select(target, name, access) => self.select(target, name, *access),
            Expr::Has(target, _) => (self.node(target).0, Known::made(Ty::BOOL)),
            Expr::Index(target, index, access) => self.index(target, index, *access),
            Expr::Call(name, target, arguments) => self.call(name, target.as_deref(), arguments),
            Expr::List(items) => self.list(items),
            Expr::Map(entries) => self.map(entries),
            Expr::Message(_, fields) => {
                let cost = fields.iter().map(|field| self.node(&field.value).0);
                (cost.fold(1, u64::saturating_add), Known::made(Ty::Any))
            }
            Expr::And(all) | Expr::Or(all) => {
                let cost = all.iter().fold(0_u64, |sum, one| sum.saturating_add(self.node(one).0));
                (cost, Known::made(Ty::BOOL))
            }
            Expr::Cond(parts) => {
                let [condition, yes, no] = parts.each_ref().map(|part| self.node(part));
                either(condition.0, yes, no)
            }
            Expr::Binary(operator, both) => self.binary(operator, &both[0], &both[1]),
            Expr::Not(inner) => (self.node(inner).0.saturating_add(1), Known::made(Ty::BOOL)),
            Expr::Minus(inner) => {
                let (cost, known) = self.node(inner);
                (cost.saturating_add(1), Known::made(known.ty))
            }
            Expr::Each(each) => self.each(each),
            Expr::Bind(name, both, binding) => self.bind(name, &both[0], &both[1], *binding),
        }
    }

    fn name(&self, name: &str) -> Known<'s> {
        match self.names.iter().rfind(|(known, _)| known == name) {
            Some((_, known)) => known.clone(),
            None => Known::at(Ty::Plain("type"), Place::At(self.root)),
        }
    }

    fn select(&mut self, target: &Node, name: &str, access: Access) -> Cost<'s> {
        let (cost, target) = self.node(target);
        let ty = check::selected(&target.ty, name, access, 0).unwrap_or(Ty::Any);
        if access == Access::Optional {
            return (cost.saturating_add(1), Known::made(ty));
        }
        let is_looked_up = matches!(target.ty, Ty::Map(_) | Ty::Object(..));
        let place = self.below(target.place, |decl| decl.field(name));
        (cost.saturating_add(u64::from(is_looked_up)), Known::at(ty, place))
    }

    fn index(&mut self, target: &Node, index: &Node, access: Access) -> Cost<'s> {
        let ((target_cost, target), (index_cost, index)) = (self.node(target), self.node(index));
        let cost = target_cost.saturating_add(index_cost).saturating_add(1);
        let ty = check::indexed(&target.ty, &index.ty, access, 0).unwrap_or(Ty::Any);
        if matches!(ty, Ty::Optional(_)) {
            return (cost, Known::made(ty));
        }
        let place = self.below(target.place, Decl::element);
        let known = Known::at(ty, place);
        (cost, known.sized(target.entries.map(|entries| entries.value)))
    }

    fn list(&mut self, items: &[Node]) -> Cost<'s> {
        let mut cost = NEW_LIST;
        let mut value: Option<Size> = None;
        let mut types = Vec::with_capacity(items.len());
        for item in items {
            let (one, known) = self.node(item);
            cost = cost.saturating_add(one);
            value = Some(value.map_or(known.size(), |value| value.union(known.size())));
            types.push(known.ty);
        }
        let mut known = Known::made(check::list_of(&types)).sized(Some(Size::fixed(items.len() as u64)));
        known.entries = Some(Entries::of_list(value.unwrap_or(Size::fixed(0))));
        (cost, known)
    }

    fn map(&mut self, entries: &[(Node, Node)]) -> Cost<'s> {
        let mut cost = NEW_MAP;
        let mut sizes: Option<Entries> = None;
        for (key, value) in entries {
            let ((key_cost, key), (value_cost, value)) = (self.node(key), self.node(value));
            cost = cost.saturating_add(key_cost).saturating_add(value_cost);
            let one = Entries { is_list: false, key: key.size(), value: value.size() };
            sizes = Some(sizes.map_or(one, |sizes| sizes.union(one)));
        }
        let none = Entries { is_list: false, key: Size::fixed(0), value: Size::fixed(0) };
        let mut known =
            Known::made(Ty::Map(Box::new(Ty::Any))).sized(Some(Size::fixed(entries.len() as u64)));
        known.entries = Some(sizes.unwrap_or(none));
        (cost, known)
    }

    fn call(&mut self, name: &str, target: Option<&Node>, arguments: &[Node]) -> Cost<'s> {
        let library = library_of(target, name);
        let target = target.filter(|_| library.is_none()).map(|target| self.node(target));
        let (costs, known): (Vec<u64>, Vec<Known<'s>>) =
            arguments.iter().map(|argument| self.node(argument)).unzip();
        let spent = costs.iter().fold(0_u64, |sum, cost| sum.saturating_add(*cost));
        if name == "dyn"
            && target.is_none()
            && library.is_none()
            && let [one] = known.as_slice()
        {
            let known = Known { ty: Ty::Any, place: Place::Nowhere, ..one.clone() };
            return (spent.saturating_add(1), known);
        }
        let full = library.map_or_else(|| name.to_owned(), |library| format!("{library}.{name}"));
        let (target_cost, target) = target.map_or((0, None), |(cost, target)| (cost, Some(target)));
        let call = Call { name: &full, target: target.as_ref(), known: &known, arguments };
        let (cost, size) = call.cost();
        let types: Vec<&Ty<'s>> = target.iter().chain(&known).map(|known| &known.ty).collect();
        let ty = called(&full, &types, target.is_some(), 0).unwrap_or(Ty::Any);
        (cost.saturating_add(spent).saturating_add(target_cost), Known::made(ty).sized(size))
    }

    fn binary(&mut self, operator: &str, left: &Node, right: &Node) -> Cost<'s> {
        let ((left_cost, left), (right_cost, right)) = (self.node(left), self.node(right));
        let spent = left_cost.saturating_add(right_cost);
        let ty = check::binary(0, operator, &left.ty, &right.ty).unwrap_or(Ty::Any);
        let known = Known::made(ty);
        let is = (left.is(), right.is());
        let may_be =
            |what: Is| matches!(is, (a, b) if (a == what || a == Is::Any) && (b == what || b == Is::Any));
        let compared = || Size::up_to(left.size().max.min(right.size().max)).cost(LOOK);
        let (cost, known) = match operator {
            "==" if is_opaque(&left.ty) && is_opaque(&right.ty) => (1, known),
            "==" | "!=" => (compared(), known),
            "<" | "<=" | ">" | ">=" if may_be(Is::Text) || may_be(Is::Bytes) => (compared(), known),
            "in" if matches!(right.is(), Is::List | Is::Any) => (right.size().max, known),
            "+" if may_be(Is::Text) || may_be(Is::Bytes) => {
                let size = left.size().plus(right.size());
                (size.cost(LOOK), known.sized(Some(size)))
            }
            "+" if may_be(Is::List) => {
                let entries = left.entries.zip(right.entries).map(|(left, right)| left.union(right));
                let known = known.sized(Some(left.size().plus(right.size())));
                (1, Known { entries, ..known })
            }
            _ => (1, known),
        };
        (cost.saturating_add(spent), known)
    }

    /// The names of a macro over elements.
    fn elements(&self, range: &Known<'s>, each: &Each) -> Vec<(String, Known<'s>)> {
        let is_list = range.entries.map_or(range.is() == Is::List, |entries| entries.is_list);
        let (key, value) = check::elements(&range.ty, each.second.is_some(), 0).unwrap_or((Ty::Any, Ty::Any));
        let of = |ty: Ty<'s>, place: Place<'s>, size: fn(Entries) -> Size| {
            let known = Known::at(ty, place);
            let size = known.size.or(range.entries.map(size));
            Known { size, ..known }
        };
        let element = || self.below(range.place, Decl::element);
        let keys = || self.below(range.place, Decl::key);
        let indices = || self.below(range.place, |_| None);
        let key_size = |entries: Entries| entries.key;
        let value_size = |entries: Entries| entries.value;
        match &each.second {
            None if is_list => vec![(each.name.clone(), of(key, element(), value_size))],
            None => vec![(each.name.clone(), of(key, keys(), key_size))],
            Some(second) => {
                let first = of(key, if is_list { indices() } else { keys() }, key_size);
                vec![(each.name.clone(), first), (second.clone(), of(value, element(), value_size))]
            }
        }
    }

    fn each(&mut self, each: &Each) -> Cost<'s> {
        let (range_cost, range) = self.node(&each.range);
        let names = self.elements(&range, each);
        let element = names[0].1.clone();
        let before = self.names.len();
        self.names.extend(names);
        let filter = each.filter.as_ref().map(|filter| self.node(filter).0);
        let (body_cost, body) = self.node(&each.body);
        self.names.truncate(before);
        // What is collected begins as nothing; each step reads it.
        let filtered = |step: u64| filter.map_or(step, |filter| filter.saturating_add(step));
        let (start, step, result) = match each.kind {
            Kind::All => (0, body_cost.saturating_add(3), 1),
            Kind::Exists => (0, body_cost.saturating_add(4), 1),
            Kind::ExistsOne => (0, body_cost.saturating_add(2), 2),
            Kind::Map | Kind::TransformList => {
                (NEW_LIST, filtered(body_cost.saturating_add(NEW_LIST + 2)), 1)
            }
            Kind::Filter => (NEW_LIST, body_cost.saturating_add(NEW_LIST + 3), 1),
            Kind::TransformMap => (NEW_MAP, filtered(body_cost.saturating_add(3)), 1),
            Kind::SortBy => return sorted_by((range_cost, range), element.ty, (body_cost, body)),
        };
        let times = range.size();
        let cost = times.max.saturating_mul(step).saturating_add(range_cost).saturating_add(start + result);
        let collected = |ty: Ty<'s>, value: Option<Size>| {
            let known = Known::made(ty).sized(Some(times));
            let entries = value.map(|value| Entries::of_list(value.union(Size::fixed(0))));
            Known { entries, ..known }
        };
        let value = (body.size(), element.size());
        let ty = check::of_each(each.kind, element.ty, body.ty);
        let known = match each.kind {
            Kind::Map | Kind::TransformList => collected(ty, Some(value.0)),
            Kind::Filter => collected(ty, Some(value.1)),
            Kind::TransformMap => collected(ty, None),
            _ => Known::made(ty),
        };
        (cost, known)
    }

    /// `optMap` asks whether there is a value, takes it, and gives it a name.
    fn bind(&mut self, name: &str, value: &Node, body: &Node, binding: Binding) -> Cost<'s> {
        let (value_cost, value) = self.node(value);
        let inner = match value.ty {
            Ty::Optional(inner) => *inner,
            _ => Ty::Any,
        };
        self.names.push((name.to_owned(), Known::made(inner)));
        let (body_cost, body) = self.node(body);
        self.names.pop();
        let is_mapped = binding == Binding::Mapped;
        let cost = value_cost.saturating_mul(2).saturating_add(body_cost).saturating_add(NEW_LIST + 2);
        let ty = if is_mapped { Ty::Optional(Box::new(body.ty)) } else { body.ty };
        (cost.saturating_add(u64::from(is_mapped)), Known::made(ty))
    }
}

/// `sortBy` gives the list a name, makes the keys of it, and sorts by them.
fn sorted_by<'s>((range_cost, range): Cost<'s>, element: Ty<'s>, (body_cost, body): Cost<'s>) -> Cost<'s> {
    let keys = Known { ty: Ty::List(Box::new(body.ty)), ..Known::made(Ty::Any).sized(Some(range.size())) };
    let making = range.size().max.saturating_mul(body_cost.saturating_add(NEW_LIST + 2));
    let (cost, size) = calls::sorted(&keys);
    // The names, once for the keys and once for the call.
    let named = NEW_LIST + 2 + NEW_LIST + 1;
    let cost = cost.saturating_add(making).saturating_add(range_cost).saturating_add(named);
    (cost, Known::made(Ty::List(Box::new(element))).sized(size))
}

/// One of two values.
fn either<'s>(condition: u64, yes: Cost<'s>, no: Cost<'s>) -> Cost<'s> {
    let ((yes_cost, yes), (no_cost, no)) = (yes, no);
    let size = yes.size().union(no.size());
    let entries = yes.entries.zip(no.entries).map(|(yes, no)| yes.union(no));
    let ty = if matches!(yes.ty, Ty::Any) { no.ty } else { yes.ty };
    let known = Known::made(ty).sized(Some(size));
    (condition.saturating_add(yes_cost.max(no_cost)), Known { entries, ..known })
}

fn constant<'s>(literal: &Literal) -> Known<'s> {
    let size = match literal {
        Literal::Text(text) => text.chars().count() as u64,
        Literal::Bytes(bytes) => bytes.len() as u64,
        _ => 1,
    };
    Known::made(Ty::Plain(check::literal_name(literal))).sized(Some(Size::fixed(size)))
}

/// Values of Kubernetes' own types, which are compared at once.
fn is_opaque(ty: &Ty<'_>) -> bool {
    matches!(ty, Ty::Plain(name) if name.starts_with("kubernetes.") || name.starts_with("net."))
}
