//! A structural schema, compiled: what pruning, defaulting and validation walk along.
//!
//! Not judged here: a definition was validated before it is compiled, and what does not fit is left out. The invariant: a
//! compiled schema is as deep as its JSON, so that whatever walks along it is bounded, however deep an object is.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::rules::Rules;
use crate::cel::Root;
use crate::tree::{Get, Tree};

/// Bytes that a compiled pattern may take.
const PATTERN_MAX: usize = 10 << 20;

/// What a value is, if the schema says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Any,
    Object,
    Array,
    Text,
    Integer,
    Number,
    Boolean,
    IntOrText,
}

impl Type {
    /// As messages name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Object => "object",
            Self::Array => "array",
            Self::Text => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::IntOrText => "integer,string",
        }
    }
}

/// Fields that are not named.
#[derive(Debug)]
pub(crate) enum More {
    Refused,
    Any,
    Of(Box<Schema>),
}

/// How the elements of a list are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Atomic,
    Set,
    Map(Vec<String>),
}

/// What narrows a value.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) format: String,
    pub(crate) one_of_values: Vec<Value>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_maximum: bool,
    pub(crate) minimum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) pattern: Option<(String, Option<Regex>)>,
    pub(crate) max_items: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) unique_items: bool,
    pub(crate) max_properties: Option<u64>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) required: Vec<String>,
    pub(crate) all_of: Vec<Schema>,
    pub(crate) any_of: Vec<Schema>,
    pub(crate) one_of: Vec<Schema>,
    pub(crate) not: Option<Box<Schema>>,
}

/// A schema of a value.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) ty: Type,
    pub(crate) is_nullable: bool,
    /// Fields that are not named are kept.
    pub(crate) preserves: bool,
    /// The value is an object of some kind, with its metadata.
    pub(crate) is_embedded: bool,
    pub(crate) properties: BTreeMap<String, Schema>,
    pub(crate) more: Option<More>,
    pub(crate) items: Option<Box<Schema>>,
    pub(crate) default: Option<Value>,
    pub(crate) list: List,
    pub(crate) limits: Limits,
    pub(crate) rules: Rules,
    /// Whether a default stands at or below it.
    pub(crate) has_defaults: bool,
    /// Whether a rule stands at or below it.
    pub(crate) has_rules: bool,
    /// Whether it is that of an object within an object, or has one below.
    pub(crate) has_embedded: bool,
}

impl Schema {
    /// Compiles the `openAPIV3Schema` of a version.
    pub(crate) fn root(tree: &Value) -> Self {
        Self::build(tree, Some(Root::Whole))
    }

    /// Compiles a schema without its rules.
    pub(crate) fn structure(tree: &Value) -> Self {
        Self::build(tree, None)
    }

    /// `rules` says whether those are compiled, and where they stand.
    fn build(tree: &Value, rules: Option<Root>) -> Self {
        let mut schema = Self::parts(tree, rules.map(|_| Root::Part));
        if let Some(root) = rules {
            schema.rules = Rules::compile(tree, &schema, root);
            schema.has_rules |= !schema.rules.is_empty();
        }
        schema
    }

    fn parts(tree: &Value, below: Option<Root>) -> Self {
        let compile = |tree: &Value| Self::build(tree, below);
        let flag = |name: &str| tree.at(name) == Some(&Value::Bool(true));
        let properties: BTreeMap<String, Self> = tree
            .object_at("properties")
            .into_iter()
            .flatten()
            .map(|(name, tree)| (name.clone(), compile(tree)))
            .collect();
        let more = tree.at("additionalProperties").map(|more| match more {
            Value::Bool(true) => More::Any,
            Value::Bool(false) => More::Refused,
            schema => More::Of(Box::new(compile(schema))),
        });
        let items = tree.at("items").filter(|items| items.is_object()).map(|items| Box::new(compile(items)));
        let default = tree.at("default").cloned();
        let limits = Limits::compile(tree);
        let any = |has: fn(&Self) -> bool| {
            let more = match &more {
                Some(More::Of(schema)) => has(schema),
                _ => false,
            };
            more || properties.values().any(has)
                || items.as_deref().is_some_and(has)
                || limits.all_of.iter().any(has)
        };
        Self {
            ty: if flag("x-kubernetes-int-or-string") { Type::IntOrText } else { type_of(tree.text("type")) },
            is_nullable: flag("nullable"),
            preserves: flag("x-kubernetes-preserve-unknown-fields"),
            is_embedded: flag("x-kubernetes-embedded-resource"),
            list: list_of(tree),
            has_defaults: default.is_some() || any(|schema| schema.has_defaults),
            has_rules: any(|schema| schema.has_rules),
            has_embedded: flag("x-kubernetes-embedded-resource") || any(|schema| schema.has_embedded),
            properties,
            more,
            items,
            default,
            limits,
            rules: Rules::default(),
        }
    }

    /// The schema of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(match &self.more {
            Some(More::Of(schema)) => Some(schema),
            _ => None,
        })
    }
}

fn type_of(name: &str) -> Type {
    match name {
        "object" => Type::Object,
        "array" => Type::Array,
        "string" => Type::Text,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "boolean" => Type::Boolean,
        _ => Type::Any,
    }
}

fn list_of(tree: &Value) -> List {
    match tree.text("x-kubernetes-list-type") {
        "set" => List::Set,
        "map" => List::Map(texts(tree, "x-kubernetes-list-map-keys")),
        _ => List::Atomic,
    }
}

fn texts(tree: &Value, field: &str) -> Vec<String> {
    tree.list(field).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A pattern, if it is one.
///
/// # Errors
/// Why it is none.
pub(crate) fn pattern(text: &str) -> Result<Regex, String> {
    super::pattern::compile(text, PATTERN_MAX)
}

impl Limits {
    fn compile(tree: &Value) -> Self {
        let empty = Tree::new();
        let fields = tree.as_object().unwrap_or(&empty);
        let number = |name: &str| fields.at(name).and_then(Value::as_f64);
        let count = |name: &str| fields.at(name).and_then(Value::as_u64);
        let flag = |name: &str| fields.at(name) == Some(&Value::Bool(true));
        let schemas = |name: &str| fields.list(name).iter().map(Schema::structure).collect();
        let text = fields.text("pattern");
        Self {
            format: fields.text("format").to_owned(),
            one_of_values: fields.list("enum").to_vec(),
            maximum: number("maximum"),
            exclusive_maximum: flag("exclusiveMaximum"),
            minimum: number("minimum"),
            exclusive_minimum: flag("exclusiveMinimum"),
            multiple_of: number("multipleOf"),
            max_length: count("maxLength"),
            min_length: count("minLength"),
            pattern: (!text.is_empty()).then(|| (text.to_owned(), pattern(text).ok())),
            max_items: count("maxItems"),
            min_items: count("minItems"),
            unique_items: flag("uniqueItems"),
            max_properties: count("maxProperties"),
            min_properties: count("minProperties"),
            required: texts(tree, "required"),
            all_of: schemas("allOf"),
            any_of: schemas("anyOf"),
            one_of: schemas("oneOf"),
            not: fields.at("not").map(|not| Box::new(Schema::structure(not))),
        }
    }
}
