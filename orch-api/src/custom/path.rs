//! Simple JSON paths of definitions: `.spec.size`, `.status.conditions[?(@.type=="Ready")].status`
//! (`k8s.io/client-go/util/jsonpath`).
//!
//! Not the whole language: no unions, no slices, no recursive descent. The invariant: a path that is not understood finds
//! nothing.

use serde_json::Value;

/// A path that was taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Every,
    /// Elements in which that field has that value.
    Where(Vec<String>, Value),
}

impl Path {
    /// Takes a path apart; `None` when it is not understood.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[') {
                Some(inner) => bracket(inner)?,
                None => field(rest.strip_prefix('.')?)?,
            };
            steps.push(step);
            rest = after;
        }
        Some(Self(steps))
    }

    /// The first value that the path leads to.
    pub(crate) fn find<'v>(&self, tree: &'v Value) -> Option<&'v Value> {
        first(tree, &self.0)
    }
}

fn first<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(value) };
    match step {
        Step::Field(name) => first(value.get(name)?, rest),
        Step::Index(at) => {
            let list = value.as_array()?;
            let from_end = usize::try_from(at.unsigned_abs()).ok()?;
            let at = if *at < 0 { list.len().checked_sub(from_end)? } else { from_end };
            first(list.get(at)?, rest)
        }
        Step::Every => match value {
            Value::Array(list) => list.iter().find_map(|item| first(item, rest)),
            Value::Object(map) => map.values().find_map(|item| first(item, rest)),
            _ => None,
        },
        Step::Where(path, wanted) => {
            let field =
                |item: &Value| path.iter().try_fold(item.clone(), |item, name| item.get(name).cloned());
            let fits = |item: &&Value| field(item).as_ref() == Some(wanted);
            value.as_array()?.iter().filter(fits).find_map(|item| first(item, rest))
        }
    }
}

/// A name, in which a backslash takes the next character as it is.
fn field(text: &str) -> Option<(Step, &str)> {
    let mut name = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.push(letters.next()?.1),
            '.' | '[' => return named(name, text.get(at..)?),
            letter => name.push(letter),
        }
    }
    named(name, "")
}

fn named(name: String, rest: &str) -> Option<(Step, &str)> {
    match name.as_str() {
        "" => None,
        "*" => Some((Step::Every, rest)),
        _ => Some((Step::Field(name), rest)),
    }
}

/// What stands in brackets.
fn bracket(text: &str) -> Option<(Step, &str)> {
    if let Some(filter) = text.strip_prefix("?(") {
        let (inner, rest) = filter.split_once(")]")?;
        return Some((condition(inner)?, rest));
    }
    if let Some(quote) = text.chars().next().filter(|c| *c == '\'' || *c == '"') {
        let (name, rest) = text.get(1..)?.split_once(quote)?;
        return Some((Step::Field(name.replace('\\', "")), rest.strip_prefix(']')?));
    }
    let (inner, rest) = text.split_once(']')?;
    match inner.trim() {
        "*" => Some((Step::Every, rest)),
        number => Some((Step::Index(number.parse().ok()?), rest)),
    }
}

/// `@.type=="Ready"`
fn condition(text: &str) -> Option<Step> {
    let (path, value) = text.split_once("==")?;
    let path = path.trim().strip_prefix("@.")?.split('.').map(str::to_owned).collect();
    let value = value.trim();
    let quoted = value.strip_prefix(['"', '\'']).and_then(|value| value.strip_suffix(['"', '\'']));
    let value = match quoted {
        Some(text) => Value::from(text),
        None => serde_json::from_str(value).ok()?,
    };
    Some(Step::Where(path, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_finds_the_first_value() {
        let tree = json!({"spec": {"size": 3, "a.b": "x", "list": [1, 2]}, "status": {"conditions": [
            {"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]}});
        for (path, expected) in [
            (".spec.size", json!(3)),
            (r".spec.a\.b", json!("x")),
            (".spec['a.b']", json!("x")),
            (".spec.list[1]", json!(2)),
            (".spec.list[-1]", json!(2)),
            (".spec.list[*]", json!(1)),
            (".status.conditions[?(@.type==\"Ready\")].status", json!("True")),
            (".status.conditions[?(@.type=='Ready')].status", json!("True")),
        ] {
            assert_eq!(Path::parse(path).unwrap().find(&tree), Some(&expected), "{path}");
        }
        for path in [".spec.nope", ".spec.list[7]", ".spec.size.x", ".spec.list[-9]"] {
            assert_eq!(Path::parse(path).unwrap().find(&tree), None, "{path}");
        }
        assert_eq!(Path::parse("spec"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn no_path_makes_it_panic(text in "[.\\[\\]?@()='\"a-bé0-2*\\\\-]{0,24}") {
            if let Some(path) = Path::parse(&text) {
                path.find(&json!({"a": [{"b": 1}], "b": {"a": "é"}}));
            }
        }
    }
}
