//! Tokens to a tree. Macros are taken apart here, as in `cel-go/parser`.
//!
//! The invariant: a tree is not deeper than [`MAX_DEPTH`].

use super::Fault;
use super::lex::{Token, tokens};
use super::messages::{self, Set};

/// Levels of an expression: evaluating it recurses as deep.
pub(super) const MAX_DEPTH: usize = 48;

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) expr: Expr,
    depth: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Literal(Literal),
    Name(String),
    /// `a.b`, or with `?` `a.?b`.
    Select(Box<Node>, String, Access),
    /// `has(a.b)`
    Has(Box<Node>, String),
    /// `a[b]`, or with `?` `a[?b]`.
    Index(Box<Node>, Box<Node>, Access),
    Call(String, Option<Box<Node>>, Vec<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// `Object.spec{replicas: 3}`
    Message(String, Vec<Set>),
    /// Any number of them.
    And(Vec<Node>),
    Or(Vec<Node>),
    Cond(Box<[Node; 3]>),
    Binary(&'static str, Box<[Node; 2]>),
    Not(Box<Node>),
    Minus(Box<Node>),
    Each(Box<Each>),
    /// `a.optMap(x, b)`
    Bind(String, Box<[Node; 2]>, Binding),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Plain,
    Optional,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// Of the value within an optional; the answer is an optional.
    Mapped,
    /// The answer of the body is one already.
    FlatMapped,
}

#[derive(Clone, Debug)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A macro that looks at every element.
#[derive(Clone, Debug)]
pub(super) struct Each {
    pub(super) kind: Kind,
    pub(super) range: Node,
    pub(super) name: String,
    pub(super) second: Option<String>,
    pub(super) filter: Option<Node>,
    pub(super) body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    SortBy,
    TransformList,
    TransformMap,
}

pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, end: text.len(), depth: 0 };
    let node = parser.expression()?;
    match parser.tokens.get(parser.next) {
        None => Ok(node),
        Some((at, token)) => Err(Fault::new(*at, format!("Syntax error: extraneous input {token:?}"))),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
    depth: usize,
}

/// Binary operators that are no logic, the weakest first.
const OPERATORS: [&[&str]; 3] = [&["==", "!=", "<=", ">=", "<", ">", "in"], &["+", "-"], &["*", "/", "%"]];

impl Parser {
    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn fault(&self, why: impl Into<String>) -> Fault {
        Fault::new(self.at(), why)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.takes(sign) { Ok(()) } else { Err(self.fault(format!("Syntax error: missing '{sign}'"))) }
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.fault("Syntax error: a name is missing")),
        }
    }

    fn node(&self, at: usize, expr: Expr) -> Result<Node, Fault> {
        let deepest = expr.children().map(|child| child.depth).max().unwrap_or_default();
        if deepest >= MAX_DEPTH {
            return Err(Fault::new(at, format!("expression is nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Node { at, expr, depth: deepest + 1 })
    }

    fn expression(&mut self) -> Result<Node, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault(format!("expression is nested deeper than {MAX_DEPTH} levels")));
        }
        let start = self.or()?;
        let at = self.at();
        let node = if self.takes("?") {
            let yes = self.or()?;
            self.expect(":")?;
            let no = self.expression()?;
            self.node(at, Expr::Cond(Box::new([start, yes, no])))?
        } else {
            start
        };
        self.depth -= 1;
        Ok(node)
    }

    fn or(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        let mut all = vec![self.and()?];
        while self.takes("||") {
            all.push(self.and()?);
        }
        self.chain(at, all, Expr::Or)
    }

    fn and(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        let mut all = vec![self.binary(0)?];
        while self.takes("&&") {
            all.push(self.binary(0)?);
        }
        self.chain(at, all, Expr::And)
    }

    fn chain(&self, at: usize, mut all: Vec<Node>, make: fn(Vec<Node>) -> Expr) -> Result<Node, Fault> {
        match (all.len(), all.pop()) {
            (1, Some(one)) => Ok(one),
            (_, Some(last)) => {
                all.push(last);
                self.node(at, make(all))
            }
            (_, None) => Err(self.fault("Syntax error: an expression is missing")),
        }
    }

    fn binary(&mut self, level: usize) -> Result<Node, Fault> {
        let Some(operators) = OPERATORS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        loop {
            let at = self.at();
            let found = operators.iter().find(|operator| match self.peek() {
                Some(Token::Sign(sign)) => sign == *operator,
                Some(Token::Name(name)) => name == *operator,
                _ => false,
            });
            let Some(operator) = found.copied() else { return Ok(left) };
            self.next += 1;
            let right = self.binary(level + 1)?;
            left = self.node(at, Expr::Binary(operator, Box::new([left, right])))?;
        }
    }

    fn unary(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        let mut signs = Vec::new();
        while let Some(sign) = ["!", "-"].into_iter().find(|sign| self.takes(sign)) {
            signs.push(sign);
        }
        let mut node = self.member()?;
        for sign in signs.into_iter().rev() {
            let expr = match (sign, node.expr) {
                ("-", Expr::Literal(Literal::Int(number))) => {
                    Expr::Literal(Literal::Int(number.wrapping_neg()))
                }
                ("-", Expr::Literal(Literal::Double(number))) => Expr::Literal(Literal::Double(-number)),
                ("-", expr) => Expr::Minus(Box::new(Node { expr, ..node })),
                (_, expr) => Expr::Not(Box::new(Node { expr, ..node })),
            };
            node = self.node(at, expr)?;
        }
        Ok(node)
    }

    fn member(&mut self) -> Result<Node, Fault> {
        let mut node = self.primary()?;
        loop {
            let at = self.at();
            if self.takes(".?") {
                let name = self.name()?;
                node = self.node(at, Expr::Select(Box::new(node), name, Access::Optional))?;
            } else if self.takes(".") {
                let name = self.name()?;
                node = if self.takes("(") {
                    let arguments = self.list(")")?;
                    self.call(at, name, Some(node), arguments)?
                } else {
                    let expr = match type_named(&node.expr, &name) {
                        Some(name) => Expr::Name(name),
                        None => Expr::Select(Box::new(node), name, Access::Plain),
                    };
                    self.node(at, expr)?
                };
            } else if self.takes("[?") {
                let index = self.expression()?;
                self.expect("]")?;
                node = self.node(at, Expr::Index(Box::new(node), Box::new(index), Access::Optional))?;
            } else if self.takes("[") {
                let index = self.expression()?;
                self.expect("]")?;
                node = self.node(at, Expr::Index(Box::new(node), Box::new(index), Access::Plain))?;
            } else if matches!(self.peek(), Some(Token::Sign("{")))
                && let Some(name) = messages::name_of(&node.expr)
            {
                self.next += 1;
                let fields = self.fields()?;
                node = self.node(at, Expr::Message(name, fields))?;
            } else {
                return Ok(node);
            }
        }
    }

    /// The fields of a message up to its bracket.
    fn fields(&mut self) -> Result<Vec<Set>, Fault> {
        let mut all = Vec::new();
        while !self.takes("}") {
            if !all.is_empty() {
                self.expect(",")?;
                if self.takes("}") {
                    break;
                }
            }
            let is_optional = self.takes("?");
            let name = self.name()?;
            let at = self.at();
            self.expect(":")?;
            all.push(Set { at, name, is_optional, value: self.expression()? });
        }
        Ok(all)
    }

    /// Expressions up to a bracket; the last may have a comma behind it.
    fn list(&mut self, end: &str) -> Result<Vec<Node>, Fault> {
        let mut all = Vec::new();
        while !self.takes(end) {
            if !all.is_empty() {
                self.expect(",")?;
                if self.takes(end) {
                    break;
                }
            }
            all.push(self.expression()?);
        }
        Ok(all)
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        if self.takes("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.takes("[") {
            let items = self.list("]")?;
            return self.node(at, Expr::List(items));
        }
        if self.takes("{") {
            return self.map(at);
        }
        let leading = self.takes(".");
        let token = self.peek().cloned();
        self.next += 1;
        let literal = match token {
            Some(Token::Int(number)) => Literal::Int(number),
            Some(Token::Uint(number)) => Literal::Uint(number),
            Some(Token::Double(number)) => Literal::Double(number),
            Some(Token::Text(text)) => Literal::Text(text),
            Some(Token::Bytes(bytes)) => Literal::Bytes(bytes),
            Some(Token::Name(name)) => match name.as_str() {
                "true" if !leading => Literal::Bool(true),
                "false" if !leading => Literal::Bool(false),
                "null" if !leading => Literal::Null,
                _ if self.takes("(") => {
                    let arguments = self.list(")")?;
                    return self.call(at, name, None, arguments);
                }
                _ => return self.node(at, Expr::Name(name)),
            },
            _ => {
                self.next -= 1;
                return Err(self.fault("Syntax error: an expression is missing"));
            }
        };
        self.node(at, Expr::Literal(literal))
    }

    fn map(&mut self, at: usize) -> Result<Node, Fault> {
        let mut entries = Vec::new();
        while !self.takes("}") {
            if !entries.is_empty() {
                self.expect(",")?;
                if self.takes("}") {
                    break;
                }
            }
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
        }
        self.node(at, Expr::Map(entries))
    }

    fn call(
        &self,
        at: usize,
        name: String,
        target: Option<Node>,
        arguments: Vec<Node>,
    ) -> Result<Node, Fault> {
        let expr = super::macros::expand(at, name, target, arguments)?;
        self.node(at, expr)
    }
}

/// Types whose names have dots.
fn type_named(target: &Expr, name: &str) -> Option<String> {
    let Expr::Select(first, second, Access::Plain) = target else { return None };
    let is_type = matches!(&first.expr, Expr::Name(first) if first == "google")
        && second == "protobuf"
        && matches!(name, "Timestamp" | "Duration");
    is_type.then(|| format!("google.protobuf.{name}"))
}

impl Expr {
    /// Every part of it.
    pub(super) fn children(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match self {
            Self::Literal(_) | Self::Name(_) => Box::new(std::iter::empty()),
            Self::Select(node, ..) | Self::Has(node, _) | Self::Not(node) | Self::Minus(node) => {
                Box::new(std::iter::once(&**node))
            }
            Self::Index(a, b, _) => Box::new([&**a, &**b].into_iter()),
            Self::Call(_, target, arguments) => Box::new(target.as_deref().into_iter().chain(arguments)),
            Self::List(all) | Self::And(all) | Self::Or(all) => Box::new(all.iter()),
            Self::Map(entries) => Box::new(entries.iter().flat_map(|(key, value)| [key, value])),
            Self::Message(_, fields) => Box::new(fields.iter().map(|field| &field.value)),
            Self::Cond(all) => Box::new(all.iter()),
            Self::Binary(_, both) | Self::Bind(_, both, _) => Box::new(both.iter()),
            Self::Each(each) => Box::new([&each.range, &each.body].into_iter().chain(each.filter.as_ref())),
        }
    }
}
