//! Evaluation, in which every step is counted (`cel-go/interpreter`).

use serde_json::Value;

use super::parse::{Access, Binding, Each, Expr, Kind, Literal, Node};
use super::signatures::library_of;
use super::value::type_named;
use super::{Input, Stop, Val, functions};
use crate::custom::schema::Schema;

/// Names with their values, and what may still be spent.
pub(super) struct Scope<'v> {
    input: Input<'v>,
    names: Vec<(String, Val<'v>)>,
    left: u64,
}

pub(super) type Answer<'v> = Result<Val<'v>, Stop>;

impl<'v> Scope<'v> {
    pub(super) fn new(input: Input<'v>, granted: u64) -> Self {
        Self { input, names: Vec::new(), left: granted }
    }

    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Spends steps.
    pub(super) fn spend(&mut self, steps: u64) -> Result<(), Stop> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Stop::OverBudget)
            }
        }
    }

    fn name(&self, name: &str) -> Answer<'v> {
        if let Some((_, value)) = self.names.iter().rev().find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        let of = |(value, schema): (&'v Value, &'v Schema)| Val::of(value, Some(schema));
        match name {
            "self" => Ok(of(self.input.now)),
            "oldSelf" if self.input.is_optional => Ok(Val::Optional(self.input.before.map(of).map(Box::new))),
            "oldSelf" => self.input.before.map(of).ok_or_else(|| Stop::new("no such attribute(s): oldSelf")),
            name => match type_named(name) {
                Some(name) => Ok(Val::Type(name)),
                None => Err(Stop::new(format!("no such attribute(s): {name}"))),
            },
        }
    }

    fn with<T>(&mut self, names: Vec<(String, Val<'v>)>, run: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.names.len();
        self.names.extend(names);
        let answer = run(self);
        self.names.truncate(before);
        answer
    }
}

pub(super) fn eval<'v>(node: &'v Node, scope: &mut Scope<'v>) -> Answer<'v> {
    scope.spend(1)?;
    match &node.expr {
        Expr::Literal(literal) => Ok(constant(literal)),
        Expr::Name(name) => scope.name(name),
        Expr::Select(target, name, access) => {
            let target = eval(target, scope)?;
            select(&target, name, *access)
        }
        Expr::Has(target, name) => {
            let target = eval(target, scope)?;
            has(&target, name)
        }
        Expr::Index(target, index, access) => {
            let (target, index) = (eval(target, scope)?, eval(index, scope)?);
            scope.spend(target.weight() / 8)?;
            at(&target, &index, *access)
        }
        Expr::Call(name, target, arguments) => call(name, target.as_deref(), arguments, scope),
        Expr::List(items) => {
            let items = items.iter().map(|item| eval(item, scope)).collect::<Result<Vec<_>, _>>()?;
            Ok(Val::list(items))
        }
        Expr::Map(entries) => map(entries, scope),
        // The check lets none through to where something is evaluated.
        Expr::Message(name, _) => Err(Stop::new(format!("unknown type: {name}"))),
        Expr::And(all) => logic(all, false, scope),
        Expr::Or(all) => logic(all, true, scope),
        Expr::Cond(parts) => {
            let [condition, yes, no] = &**parts;
            match eval(condition, scope)? {
                Val::Bool(true) => eval(yes, scope),
                Val::Bool(false) => eval(no, scope),
                _ => Err(Stop::new("no such overload")),
            }
        }
        Expr::Binary(operator, both) => {
            let (left, right) = (eval(&both[0], scope)?, eval(&both[1], scope)?);
            scope.spend((left.weight() + right.weight()) / 2)?;
            functions::binary(operator, &left, &right, scope)
        }
        Expr::Not(inner) => match eval(inner, scope)? {
            Val::Bool(flag) => Ok(Val::Bool(!flag)),
            _ => Err(Stop::new("no such overload")),
        },
        Expr::Minus(inner) => functions::minus(&eval(inner, scope)?),
        Expr::Each(each) => every(each, scope),
        Expr::Bind(name, both, binding) => bind(name, &both[0], &both[1], *binding, scope),
    }
}

fn constant<'v>(literal: &Literal) -> Val<'v> {
    match literal {
        Literal::Null => Val::Null,
        Literal::Bool(flag) => Val::Bool(*flag),
        Literal::Int(number) => Val::Int(*number),
        Literal::Uint(number) => Val::Uint(*number),
        Literal::Double(number) => Val::Double(*number),
        Literal::Text(text) => Val::text(text.as_str()),
        Literal::Bytes(bytes) => Val::Bytes(bytes.as_slice().into()),
    }
}

fn select<'v>(target: &Val<'v>, name: &str, access: Access) -> Answer<'v> {
    if let Val::Optional(inner) = target {
        let found = inner.as_ref().and_then(|inner| inner.field(name));
        return Ok(Val::Optional(found.map(Box::new)));
    }
    let found = target.field(name);
    match (found, access) {
        (found, Access::Optional) => Ok(Val::Optional(found.map(Box::new))),
        (Some(value), Access::Plain) => Ok(value),
        (None, Access::Plain) if target.entries().is_some() => Err(Stop::new(format!("no such key: {name}"))),
        _ => Err(Stop::new("no such overload")),
    }
}

fn has<'v>(target: &Val<'v>, name: &str) -> Answer<'v> {
    let target = match target {
        Val::Optional(Some(inner)) => inner,
        Val::Optional(None) => return Ok(Val::Bool(false)),
        other => other,
    };
    match target {
        Val::Object(..) | Val::Map(_) => Ok(Val::Bool(target.field(name).is_some())),
        _ => Err(Stop::new("no such overload")),
    }
}

fn at<'v>(target: &Val<'v>, index: &Val<'v>, access: Access) -> Answer<'v> {
    let (target, access) = match target {
        Val::Optional(None) => return Ok(Val::Optional(None)),
        Val::Optional(Some(inner)) => (&**inner, Access::Optional),
        other => (other, access),
    };
    let (found, why) = match (target, index) {
        (Val::List(_) | Val::Array(..), index) => {
            let number = match index {
                Val::Int(number) => Some(*number),
                Val::Uint(number) => i64::try_from(*number).ok(),
                #[expect(clippy::cast_possible_truncation, reason = "it has no fraction")]
                Val::Double(number) if number.fract() == 0.0 => Some(*number as i64),
                _ => return Err(Stop::new("no such overload")),
            };
            let place = number.and_then(|number| usize::try_from(number).ok());
            (
                place.and_then(|place| item(target, place)),
                format!("index out of bounds: {}", functions::shown(index)),
            )
        }
        (Val::Object(..), Val::Text(name)) => (target.field(name), format!("no such key: {name}")),
        (Val::Map(entries), key) => {
            let found = entries.iter().find(|(known, _)| known.same(key)).map(|(_, value)| value.clone());
            (found, format!("no such key: {}", functions::shown(key)))
        }
        _ => return Err(Stop::new("no such overload")),
    };
    match access {
        Access::Optional => Ok(Val::Optional(found.map(Box::new))),
        Access::Plain => found.ok_or(Stop::Error(why)),
    }
}

fn item<'v>(list: &Val<'v>, place: usize) -> Option<Val<'v>> {
    match list {
        Val::List(items) => items.get(place).cloned(),
        Val::Array(list, schema) => {
            Some(Val::of(list.get(place)?, schema.and_then(|schema| schema.items.as_deref())))
        }
        _ => None,
    }
}

fn map<'v>(entries: &'v [(Node, Node)], scope: &mut Scope<'v>) -> Answer<'v> {
    let mut all: Vec<(Val<'v>, Val<'v>)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let key = eval(key, scope)?;
        scope.spend(all.len() as u64)?;
        if all.iter().any(|(known, _)| known.same(&key)) {
            return Err(Stop::new(format!("Failed with repeated key: {}", functions::shown(&key))));
        }
        let value = eval(value, scope)?;
        all.push((key, value));
    }
    Ok(Val::Map(all.into()))
}

/// `&&` and `||`: what decides is looked for on all sides, so that an error on one of them need not matter.
fn logic<'v>(all: &'v [Node], decides: bool, scope: &mut Scope<'v>) -> Answer<'v> {
    let mut failed = None;
    for node in all {
        match eval(node, scope) {
            Ok(Val::Bool(flag)) if flag == decides => return Ok(Val::Bool(decides)),
            Ok(Val::Bool(_)) => {}
            Ok(_) => failed = failed.or(Some(Stop::new("no such overload"))),
            Err(Stop::OverBudget) => return Err(Stop::OverBudget),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(Val::Bool(!decides)), Err)
}

fn call<'v>(
    name: &'v str,
    target: Option<&'v Node>,
    arguments: &'v [Node],
    scope: &mut Scope<'v>,
) -> Answer<'v> {
    let library = library_of(target, name);
    let target = target.filter(|_| library.is_none());
    let mut values = Vec::with_capacity(arguments.len() + 1);
    if let Some(target) = target {
        values.push(eval(target, scope)?);
    }
    for argument in arguments {
        values.push(eval(argument, scope)?);
    }
    scope.spend(values.iter().map(Val::weight).sum())?;
    functions::call(library, name, target.is_some(), &values, scope)
}

fn bind<'v>(
    name: &'v str,
    value: &'v Node,
    body: &'v Node,
    binding: Binding,
    scope: &mut Scope<'v>,
) -> Answer<'v> {
    let value = eval(value, scope)?;
    let inner = match value {
        Val::Optional(Some(inner)) => *inner,
        Val::Optional(None) => return Ok(Val::Optional(None)),
        _ => return Err(Stop::new("no such overload")),
    };
    let answer = scope.with(vec![(name.to_owned(), inner)], |scope| eval(body, scope))?;
    Ok(if binding == Binding::Mapped { Val::Optional(Some(Box::new(answer))) } else { answer })
}

/// What the macros see of an element: its value, or with two names its place or key, too.
fn elements<'v>(range: &Val<'v>, each: &Each) -> Result<Vec<Vec<(String, Val<'v>)>>, Stop> {
    let named = |key: Val<'v>, value: Option<Val<'v>>| {
        let mut names = vec![(each.name.clone(), key)];
        if let (Some(second), Some(value)) = (&each.second, value) {
            names.push((second.clone(), value));
        }
        names
    };
    if let Some(items) = range.items() {
        let items = items.into_iter().enumerate();
        return Ok(items
            .map(|(place, item)| match each.second {
                None => named(item, None),
                Some(_) => named(Val::Int(i64::try_from(place).unwrap_or(i64::MAX)), Some(item)),
            })
            .collect());
    }
    match range.entries() {
        Some(entries) => Ok(entries.into_iter().map(|(key, value)| named(key, Some(value))).collect()),
        None => Err(Stop::new("no such overload")),
    }
}

fn every<'v>(each: &'v Each, scope: &mut Scope<'v>) -> Answer<'v> {
    let range = eval(&each.range, scope)?;
    scope.spend(range.weight())?;
    let mut found = Vec::new();
    let mut entries: Vec<(Val<'v>, Val<'v>)> = Vec::new();
    let (mut count, mut failed) = (0, None);
    for names in elements(&range, each)? {
        let first = names[0].1.clone();
        let answer = scope.with(names, |scope| {
            if let Some(filter) = &each.filter
                && !is_true(&eval(filter, scope)?)?
            {
                return Ok(None);
            }
            eval(&each.body, scope).map(Some)
        });
        match (each.kind, answer) {
            (_, Err(Stop::OverBudget)) => return Err(Stop::OverBudget),
            (Kind::All | Kind::Exists, Err(error)) => failed = failed.or(Some(error)),
            (_, Err(error)) => return Err(error),
            (_, Ok(None)) => {}
            (Kind::Map | Kind::TransformList, Ok(Some(value))) => found.push(value),
            (Kind::TransformMap, Ok(Some(value))) => entries.push((first, value)),
            (Kind::SortBy, Ok(Some(key))) => entries.push((key, first)),
            (Kind::All, Ok(Some(Val::Bool(false)))) => return Ok(Val::Bool(false)),
            (Kind::Exists, Ok(Some(Val::Bool(true)))) => return Ok(Val::Bool(true)),
            (Kind::Filter, Ok(Some(Val::Bool(true)))) => found.push(first),
            (Kind::ExistsOne, Ok(Some(Val::Bool(true)))) => count += 1,
            (_, Ok(Some(Val::Bool(_)))) => {}
            (_, Ok(Some(_))) => failed = failed.or(Some(Stop::new("no such overload"))),
        }
    }
    match each.kind {
        Kind::All | Kind::Exists => failed.map_or(Ok(Val::Bool(each.kind == Kind::All)), Err),
        _ if failed.is_some() => Err(failed.unwrap_or(Stop::OverBudget)),
        Kind::ExistsOne => Ok(Val::Bool(count == 1)),
        Kind::TransformMap => Ok(Val::Map(entries.into())),
        Kind::SortBy => super::lists::sorted(entries, scope),
        _ => Ok(Val::list(found)),
    }
}

fn is_true(value: &Val<'_>) -> Result<bool, Stop> {
    match value {
        Val::Bool(flag) => Ok(*flag),
        _ => Err(Stop::new("no such overload")),
    }
}
