//! Functions of lists and sets (`cel-go/ext/{lists,sets}.go`, `apiserver/pkg/cel/library/lists.go`).

use std::cmp::Ordering;

use super::eval::{Answer, Scope};
use super::functions::{binary, overload};
use super::{Stop, Val};

pub(super) fn lists<'v>(
    name: &str,
    items: &[Val<'v>],
    rest: &[Val<'v>],
    scope: &mut Scope<'v>,
) -> Answer<'v> {
    let number =
        |place: Option<usize>| Ok(Val::Int(place.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1)));
    match (name, rest) {
        ("isSorted", []) => {
            let is_out = |pair: &[Val<'v>]| pair[1].order(&pair[0]) == Some(Ordering::Less);
            Ok(Val::Bool(!items.windows(2).any(is_out)))
        }
        ("min", []) => extreme(items, Ordering::Less),
        ("max", []) => extreme(items, Ordering::Greater),
        ("sum", []) => {
            let Some((first, rest)) = items.split_first() else { return Ok(Val::Int(0)) };
            rest.iter().try_fold(first.clone(), |sum, item| binary("+", &sum, item, scope))
        }
        ("indexOf" | "lastIndexOf", [one]) => {
            pay(items, scope)?;
            let is_it = |item: &Val<'v>| item.same(one);
            number(if name == "indexOf" {
                items.iter().position(is_it)
            } else {
                items.iter().rposition(is_it)
            })
        }
        ("join", []) => joined(items, "", scope),
        ("join", [Val::Text(separator)]) => joined(items, separator, scope),
        ("reverse", []) => Ok(Val::list(items.iter().rev().cloned().collect())),
        ("distinct", []) => distinct(items, scope),
        ("flatten", levels) => {
            let levels = match levels {
                [] => 1,
                [Val::Int(levels)] if *levels >= 0 => *levels,
                [Val::Int(_)] => return Err(Stop::new("level must be non-negative")),
                _ => return overload(),
            };
            let mut flat = Vec::new();
            flatten(items, levels, &mut flat, scope)?;
            Ok(Val::list(flat))
        }
        ("sort", []) => sorted(items.iter().map(|item| (item.clone(), item.clone())).collect(), scope),
        ("slice", [Val::Int(from), Val::Int(to)]) => {
            let place = |number: &i64| usize::try_from(*number).ok();
            let part = place(from).zip(place(to)).and_then(|(from, to)| items.get(from..to));
            let wrong = || Stop::new(format!("cannot slice({from}, {to}), list is length {}", items.len()));
            part.map(|part| Val::list(part.to_vec())).ok_or_else(wrong)
        }
        _ => overload(),
    }
}

fn joined<'v>(items: &[Val<'v>], separator: &str, scope: &mut Scope<'v>) -> Answer<'v> {
    let mut parts: Vec<&str> = Vec::with_capacity(items.len());
    for item in items {
        let Val::Text(text) = item else { return overload() };
        scope.spend(1 + (text.len() + separator.len()) as u64 / 10)?;
        parts.push(text);
    }
    Ok(Val::text(parts.join(separator)))
}

fn distinct<'v>(items: &[Val<'v>], scope: &mut Scope<'v>) -> Answer<'v> {
    scope.spend((items.len() as u64).saturating_mul(items.len() as u64) / 4)?;
    // As often as each is compared.
    for _ in items.iter().filter(|item| item.has_parts()) {
        pay(items, scope)?;
    }
    let mut found: Vec<Val<'v>> = Vec::new();
    for item in items {
        if !found.iter().any(|known| known.same(item)) {
            found.push(item.clone());
        }
    }
    Ok(Val::list(found))
}

pub(super) fn sets<'v>(name: &str, a: &Val<'v>, b: &Val<'v>, scope: &mut Scope<'v>) -> Answer<'v> {
    let (Some(a), Some(b)) = (a.items(), b.items()) else { return overload() };
    scope.spend((a.len() as u64 + 1) * (b.len() as u64 + 1))?;
    for _ in b.iter().filter(|item| item.has_parts()) {
        pay(&a, scope)?;
    }
    let has = |all: &[Val<'v>], one: &Val<'v>| all.iter().any(|item| item.same(one));
    let contains = |a: &[Val<'v>], b: &[Val<'v>]| b.iter().all(|item| has(a, item));
    Ok(Val::Bool(match name {
        "contains" => contains(&a, &b),
        "equivalent" => contains(&a, &b) && contains(&b, &a),
        "intersects" => b.iter().any(|item| has(&a, item)),
        _ => return overload(),
    }))
}

/// Pays for a look at all of these values.
fn pay<'v>(items: &[Val<'v>], scope: &mut Scope<'v>) -> Result<(), Stop> {
    items.iter().try_for_each(|item| item.pay(scope))
}

/// The smallest or the largest.
fn extreme<'v>(all: &[Val<'v>], wanted: Ordering) -> Answer<'v> {
    let Some((first, rest)) = all.split_first() else { return Err(Stop::new("called on empty list")) };
    let mut best = first;
    for value in rest {
        match value.order(best) {
            Some(order) if order == wanted => best = value,
            Some(_) => {}
            None => return overload(),
        }
    }
    Ok(best.clone())
}

fn flatten<'v>(
    items: &[Val<'v>],
    levels: i64,
    flat: &mut Vec<Val<'v>>,
    scope: &mut Scope<'v>,
) -> Result<(), Stop> {
    for item in items {
        scope.spend(1)?;
        let inner = match levels {
            0 => None,
            _ => {
                scope.spend(item.weight())?;
                item.items()
            }
        };
        match inner {
            Some(inner) => flatten(&inner, levels - 1, flat, scope)?,
            None => flat.push(item.clone()),
        }
    }
    Ok(())
}

/// The values in the order of their keys.
pub(super) fn sorted<'v>(mut all: Vec<(Val<'v>, Val<'v>)>, scope: &mut Scope<'v>) -> Answer<'v> {
    scope.spend((all.len() as u64).saturating_mul(all.len() as u64).saturating_mul(2))?;
    let is_alike = |(key, _): &(Val<'v>, Val<'v>)| key.type_name() == all[0].0.type_name();
    if !all.iter().all(is_alike) {
        return Err(Stop::new("list elements must have the same type"));
    }
    if all.first().is_some_and(|(key, _)| key.order(key).is_none()) {
        return Err(Stop::new("list elements must be comparable"));
    }
    all.sort_by(|(a, _), (b, _)| a.order(b).unwrap_or(Ordering::Equal));
    Ok(Val::list(all.into_iter().map(|(_, value)| value).collect()))
}
