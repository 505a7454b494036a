//! The query syntax of label selectors: `app=web,tier in (a,b),!canary,cores>8`.
//!
//! The grammar and its leniencies are those of `staging/src/k8s.io/apimachinery/pkg/labels/selector.go`
//! (`Parse`). Not the meaning of requirements: [`Requirement::new`] judges that. No query panics.

use std::collections::BTreeSet;

use crate::names;

use super::label::{Operator, Requirement, SelectorError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A key or a value; where an operator is due, `in` and `notin` are operators.
    Word(&'a str),
    /// One of `= == != ! > < ( ) ,`.
    Symbol(&'a str),
    End,
}

impl<'a> Token<'a> {
    const fn text(self) -> &'a str {
        match self {
            Self::Word(text) | Self::Symbol(text) => text,
            Self::End => "",
        }
    }
}

/// The requirements of a query, in its order.
pub(super) fn parse(query: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser { rest: query };
    let mut requirements = Vec::new();
    match parser.peek() {
        Token::End => return Ok(requirements),
        Token::Word(_) | Token::Symbol("!") => {}
        token => return Err(unexpected(token, "!, identifier, or 'end of string'")),
    }
    loop {
        let requirement =
            parser.requirement().map_err(|fault| SelectorError::InRequirement { fault: Box::new(fault) })?;
        requirements.push(requirement);
        match parser.next() {
            Token::End => return Ok(requirements),
            Token::Symbol(",") => {}
            token => return Err(unexpected(token, "',' or 'end of string'")),
        }
        if !matches!(parser.peek(), Token::Word(_) | Token::Symbol("!")) {
            return Err(unexpected(parser.peek(), "identifier after ','"));
        }
    }
}

fn unexpected(found: Token<'_>, expected: &'static str) -> SelectorError {
    SelectorError::Unexpected { found: found.text().into(), expected }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// The next token and what is after it.
    fn lex(&self) -> (Token<'a>, &'a str) {
        let text = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let symbol =
            ["==", "!=", "=", "!", "(", ")", ",", ">", "<"].into_iter().find(|s| text.starts_with(s));
        if let Some(symbol) = symbol {
            return (Token::Symbol(symbol), &text[symbol.len()..]);
        }
        let end = text.find(|c: char| " \t\r\n=!(),><".contains(c)).unwrap_or(text.len());
        match text.split_at(end) {
            ("", rest) => (Token::End, rest),
            (word, rest) => (Token::Word(word), rest),
        }
    }

    fn peek(&self) -> Token<'a> {
        self.lex().0
    }

    fn next(&mut self) -> Token<'a> {
        let (token, rest) = self.lex();
        self.rest = rest;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let absent = self.peek() == Token::Symbol("!");
        if absent {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key,
            token => return Err(unexpected(token, "identifier")),
        };
        // A bad key is told before whatever is wrong after it.
        if let Err(faults) = names::qualified_name(key) {
            return Err(SelectorError::InvalidKey { field: "<nil>", key: key.into(), faults });
        }
        if absent {
            // Whatever follows, the requirement ends here; the caller tells what should not follow.
            return Requirement::new(key, Operator::DoesNotExist, []);
        }
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Requirement::new(key, Operator::Exists, []);
        }
        let operator = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => BTreeSet::from([self.exact_value()?]),
        };
        Requirement::new(key, operator, values.into_iter().map(str::to_owned))
    }

    fn operator(&mut self) -> Result<Operator, SelectorError> {
        match self.next() {
            Token::Word("in") => Ok(Operator::In),
            Token::Word("notin") => Ok(Operator::NotIn),
            Token::Symbol("=") => Ok(Operator::Equals),
            Token::Symbol("==") => Ok(Operator::DoubleEquals),
            Token::Symbol("!=") => Ok(Operator::NotEquals),
            Token::Symbol(">") => Ok(Operator::GreaterThan),
            Token::Symbol("<") => Ok(Operator::LessThan),
            token => Err(unexpected(token, "in, notin, =, ==, !=, gt, lt")),
        }
    }

    /// The values in parentheses. No value between commas is the empty value, and so is `()`.
    fn values(&mut self) -> Result<BTreeSet<&'a str>, SelectorError> {
        match self.next() {
            Token::Symbol("(") => {}
            token => return Err(unexpected(token, "'('")),
        }
        let mut values = BTreeSet::new();
        loop {
            match self.peek() {
                Token::Word(value) => {
                    values.insert(value);
                    self.next();
                }
                Token::Symbol("," | ")") => {
                    values.insert("");
                }
                token if values.is_empty() => return Err(unexpected(token, "',', ')' or identifier")),
                token => return Err(unexpected(token, "',', or identifier")),
            }
            match self.next() {
                Token::Symbol(")") => return Ok(values),
                Token::Symbol(",") => {}
                token => return Err(unexpected(token, "',' or ')'")),
            }
        }
    }

    /// The value after `=` and its like: a word, or nothing for the empty value.
    fn exact_value(&mut self) -> Result<&'a str, SelectorError> {
        match self.peek() {
            Token::End | Token::Symbol(",") => Ok(""),
            Token::Word(value) => {
                self.next();
                Ok(value)
            }
            token => Err(unexpected(token, "identifier")),
        }
    }
}
