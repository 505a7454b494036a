//! What calls of functions cost (`apiserver/pkg/cel/library/cost.go`, `cel-go/checker/cost.go`, `cel-go/ext/{lists,sets}.go`).

use super::size::{Size, scaled};
use super::{Is, Known};
use crate::cel::parse::{Expr, Literal, Node};

/// Looking at a character.
pub(super) const LOOK: f64 = 0.1;

/// A character of a pattern.
const PATTERN: f64 = 0.25;

/// Characters of the patterns of named formats (`MaxNameFormatRegexSize`).
const FORMAT_PATTERN: f64 = 128.0;

/// Making a list.
pub(super) const NEW_LIST: u64 = 10;

/// A call, whose parts are known.
pub(super) struct Call<'a, 's> {
    /// With its library: `sets.contains`.
    pub(super) name: &'a str,
    pub(super) target: Option<&'a Known<'s>>,
    pub(super) known: &'a [Known<'s>],
    pub(super) arguments: &'a [Node],
}

/// What a call costs without what its arguments cost, and the size of its answer, if that is known.
type Cost = (u64, Option<Size>);

impl Call<'_, '_> {
    fn argument(&self, at: usize) -> Size {
        self.known.get(at).map_or(Size::UNKNOWN, Known::size)
    }

    /// A number that is written out.
    fn literal(&self, at: usize) -> Option<u64> {
        match self.arguments.get(at)?.expr {
            Expr::Literal(Literal::Int(number)) => Some(u64::try_from(number).unwrap_or(0)),
            _ => None,
        }
    }

    pub(super) fn cost(&self) -> Cost {
        let first = self.argument(0);
        let one = (1, None);
        match (self.name, self.target) {
            ("url", None) => (first.cost(LOOK), Some(first)),
            ("ip", Some(_)) => one,
            ("cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver", None) => {
                (first.cost(LOOK), None)
            }
            ("ip.isCanonical", _) => (first.cost(2.0 * LOOK), None),
            ("validate", Some(_)) => (scaled(first.cost(LOOK), FORMAT_PATTERN * PATTERN), None),
            ("strings.quote", _) => {
                let size = Size {
                    min: first.min.saturating_add(2),
                    max: first.max.saturating_mul(2).saturating_add(2),
                };
                (first.cost(LOOK), Some(size))
            }
            ("string", None)
                if self.known.first().is_some_and(|known| matches!(known.is(), Is::Bytes | Is::Any)) =>
            {
                (first.cost(LOOK), Some(Size { min: first.min / 4, max: first.max }))
            }
            ("bytes", None)
                if self.known.first().is_some_and(|known| matches!(known.is(), Is::Text | Is::Any)) =>
            {
                (first.cost(LOOK), Some(Size { min: first.min, max: first.max.saturating_mul(4) }))
            }
            ("sets.contains" | "sets.intersects", _) => self.sets(1.0),
            ("sets.equivalent", _) => self.sets(2.0),
            ("lists.range", _) => made(1.0, Size::fixed(self.literal(0).unwrap_or(u64::MAX))),
            (name, Some(target)) => self.method(name, target),
            _ => one,
        }
    }

    fn sets(&self, factor: f64) -> Cost {
        (self.argument(0).times(self.argument(1)).cost(factor).saturating_add(1), None)
    }

    fn method(&self, name: &str, target: &Known<'_>) -> Cost {
        let (size, first) = (target.size(), self.argument(0));
        let pattern_cost = || {
            let text = size.plus(Size::fixed(1)).cost(LOOK);
            text.saturating_mul(first.cost(PATTERN))
        };
        match name {
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => match target.element() {
                Some((true, element)) => {
                    (size.max.saturating_mul(element.cost(LOOK).saturating_add(1)), None)
                }
                Some((false, _)) => (size.max, None),
                None => (size.cost(LOOK), None),
            },
            "lowerAscii" | "upperAscii" | "substring" | "trim" => (size.cost(LOOK), Some(size)),
            "replace" => (size.cost(2.0 * LOOK), Some(replaced(size, first, self.argument(1)))),
            "split" => (size.cost(2.0 * LOOK), Some(Size::up_to(self.literal(1).unwrap_or(size.max)))),
            "join" => {
                let text = target.element().map_or(Size::fixed(0), |(_, element)| size.times(element));
                let gaps = Size { min: size.min.saturating_sub(1), max: size.max.saturating_sub(1) };
                let text = if self.known.is_empty() { text } else { text.plus(first.times(gaps)) };
                (text.cost(LOOK), Some(text))
            }
            "find" | "findAll" => (pattern_cost(), Some(Size::up_to(size.max))),
            "matches" => (pattern_cost(), None),
            "contains" => (size.cost(LOOK).saturating_mul(first.cost(LOOK)), None),
            "startsWith" | "endsWith" => (first.cost(LOOK), None),
            "format" => (size.cost(LOOK), None),
            "containsIP" | "containsCIDR" => {
                let parsed = match self.known.first().map(Known::is) {
                    Some(Is::Text | Is::Any) => first.cost(LOOK),
                    _ => 0,
                };
                let compared = if name == "containsIP" { 4 } else { 7 };
                (parsed.saturating_add(compared), None)
            }
            "slice" => {
                let (from, to) = (self.literal(0).unwrap_or(0), self.literal(1).unwrap_or(size.max));
                made(1.0, Size::fixed(to.wrapping_sub(from)))
            }
            "reverse" => made(1.0, size),
            "flatten" => {
                let levels = if self.known.is_empty() { 1 } else { self.literal(0).unwrap_or(u64::MAX) };
                made(levels as f64, size)
            }
            "distinct" => made(2.0, size.times(size)),
            "sort" => sorted(target),
            _ => (1, None),
        }
    }
}

/// A list that is made.
fn made(factor: f64, size: Size) -> Cost {
    (size.cost(factor).saturating_add(1 + NEW_LIST), Some(size))
}

/// A list that is sorted by these keys.
pub(super) fn sorted(keys: &Known<'_>) -> Cost {
    let (size, is_text) = (keys.size(), matches!(keys.element(), Some((true, _))));
    made(if is_text { 2.0 + LOOK } else { 2.0 }, size.times(size))
}

/// The size of a text in which some texts are replaced by others.
fn replaced(size: Size, from: Size, to: Size) -> Size {
    let times = |size: u64, each: u64| scaled(size, 1.0 / each as f64);
    let (longest, kept_most) = match from.min {
        0 => (size.max.saturating_add(1), size.max),
        min if to.max <= min => (0, size.max),
        min => (times(size.max, min), 0),
    };
    let (shortest, kept_least) = match from.max {
        0 => (size.min.saturating_add(1), size.min),
        max if max <= to.min => (0, size.min),
        max => (times(size.min, max), 0),
    };
    Size { min: shortest, max: longest }.times(to).plus(Size { min: kept_least, max: kept_most })
}
