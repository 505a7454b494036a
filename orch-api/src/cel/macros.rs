//! Calls that are macros: they take names and expressions, not values (`cel-go/parser/macro.go`, `cel-go/ext`).

use super::Fault;
use super::parse::{Access, Binding, Each, Expr, Kind, Node};

/// What a call is.
pub(super) fn expand(
    at: usize,
    name: String,
    target: Option<Node>,
    arguments: Vec<Node>,
) -> Result<Expr, Fault> {
    let Some(target) = target else {
        if name == "has" {
            return has(at, arguments);
        }
        return Ok(Expr::Call(name, None, arguments));
    };
    let kind = match (name.as_str(), arguments.len()) {
        ("all", 2 | 3) => Some(Kind::All),
        ("exists", 2 | 3) => Some(Kind::Exists),
        ("exists_one" | "existsOne", 2 | 3) => Some(Kind::ExistsOne),
        ("map", 2 | 3) => Some(Kind::Map),
        ("filter", 2) => Some(Kind::Filter),
        ("sortBy", 2) => Some(Kind::SortBy),
        ("transformList", 3 | 4) => Some(Kind::TransformList),
        ("transformMap", 3 | 4) => Some(Kind::TransformMap),
        _ => None,
    };
    if let Some(kind) = kind {
        return each(kind, target, arguments);
    }
    let binding = match (name.as_str(), arguments.len()) {
        ("optMap", 2) => Binding::Mapped,
        ("optFlatMap", 2) => Binding::FlatMapped,
        _ => return Ok(Expr::Call(name, Some(Box::new(target)), arguments)),
    };
    let [variable, body] = pair(arguments);
    Ok(Expr::Bind(variable_of(&variable)?, Box::new([target, body]), binding))
}

/// Two of the arguments, which are there.
fn pair(arguments: Vec<Node>) -> [Node; 2] {
    <[Node; 2]>::try_from(arguments).expect("the caller counted two")
}

fn variable_of(node: &Node) -> Result<String, Fault> {
    match &node.expr {
        Expr::Name(name) => Ok(name.clone()),
        _ => Err(Fault::new(node.at, "argument must be a simple name")),
    }
}

fn has(at: usize, mut arguments: Vec<Node>) -> Result<Expr, Fault> {
    match (arguments.pop().map(|node| node.expr), arguments.is_empty()) {
        (Some(Expr::Select(target, field, Access::Plain)), true) => Ok(Expr::Has(target, field)),
        _ => Err(Fault::new(at, "invalid argument to has() macro")),
    }
}

fn each(kind: Kind, range: Node, mut arguments: Vec<Node>) -> Result<Expr, Fault> {
    let body = arguments.pop().expect("the caller counted two at least");
    let name = variable_of(&arguments[0])?;
    let (second, filter) = match (kind, arguments.len()) {
        (_, 1) => (None, None),
        (Kind::Map, _) => (None, arguments.pop()),
        (_, 2) => (Some(variable_of(&arguments[1])?), None),
        _ => {
            let filter = arguments.pop();
            (Some(variable_of(&arguments[1])?), filter)
        }
    };
    Ok(Expr::Each(Box::new(Each { kind, range, name, second, filter, body })))
}
