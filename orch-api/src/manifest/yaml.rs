//! Reads YAML documents from the events of the parser that `serde-saphyr` is built on.
//!
//! Not a parser: it gives the events Kubernetes' meaning. The invariants: recursion ends at [`MAX_DEPTH`], aliases
//! included, and what anchors and aliases copy is no more than [`MAX_DOCUMENT_BYTES`].

use std::collections::BTreeMap;

use serde_json::Value;
use serde_saphyr::granit_parser::{self, Event, Marker, Options, Parser, ScalarStyle, Span, StrInput};

use super::build::{Array, Built, Document, Object, type_name};
use super::error::{Errors, Reason};
use super::positions::Position;
use super::scalar::{Scalar, Tag, resolve};
use super::{MAX_DEPTH, MAX_DOCUMENT_BYTES};
use crate::schema::Step;

const NAMESPACE: &str = "tag:yaml.org,2002:";

/// Characters of a wrong scalar that a message shows.
const PREVIEW: usize = 60;

/// All documents that are not empty, until the first one that cannot be read.
pub(super) fn documents(text: &str, errors: &mut Errors) -> Vec<Document> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader =
        Reader { parser, errors, path: String::new(), anchors: BTreeMap::new(), copied: 0, begin: 0 };
    let (mut documents, mut number) = (Vec::new(), 0);
    // An error that ends the reading is in `errors`.
    while let Ok(Some((event, span))) = reader.event() {
        match event {
            Event::DocumentStart(..) => {
                reader.begin = offset(span.start);
                reader.copied = 0;
                reader.anchors.clear();
            }
            Event::DocumentEnd => number += 1,
            event if event.is_node() => {
                let Ok(root) = reader.node(event, span, 0) else { break };
                if !root.value.is_null() {
                    documents.push(Document { number, root });
                }
            }
            _ => {}
        }
    }
    documents
}

/// Reading cannot go on; the error is already noted.
struct Stop;

type Spanned<'input> = (Event<'input>, Span);

struct Reader<'input, 'errors> {
    parser: Parser<'input, StrInput<'input>>,
    errors: &'errors mut Errors,
    path: String,
    /// The values of the anchors that are complete.
    anchors: BTreeMap<usize, Built>,
    /// Weight of all copies made for anchors and aliases of this document.
    copied: usize,
    /// Where the document begins.
    begin: usize,
}

impl<'input> Reader<'input, '_> {
    fn stop<T>(&mut self, at: Position, reason: Reason) -> Result<T, Stop> {
        self.errors.push(at, Some(&self.path).filter(|path| !path.is_empty()).map(String::as_str), reason);
        Err(Stop)
    }

    fn event(&mut self) -> Result<Option<Spanned<'input>>, Stop> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Err(error)) => {
                let at = position(*error.marker());
                self.stop(at, Reason::Syntax { message: error.info() })
            }
            Some(Ok((event, span))) => {
                // The end of a document is also the end of its last scalar. Its start is known only once it is passed.
                let starts = matches!(event, Event::StreamStart | Event::DocumentStart(..));
                if !starts && offset(span.start).saturating_sub(self.begin) > MAX_DOCUMENT_BYTES {
                    return self.stop(position(span.start), Reason::TooLarge { by_aliases: false });
                }
                Ok(Some((event, span)))
            }
        }
    }

    /// The next event inside of a collection; the parser ends no stream there.
    fn inner(&mut self, at: Position) -> Result<Spanned<'input>, Stop> {
        match self.event()? {
            Some(event) => Ok(event),
            None => self.stop(at, Reason::Syntax { message: "unexpected end of the document".to_owned() }),
        }
    }

    fn node(&mut self, event: Event<'input>, span: Span, depth: usize) -> Result<Built, Stop> {
        let at = position(span.start);
        if depth > MAX_DEPTH {
            return self.stop(at, Reason::TooDeep);
        }
        let anchor = event.anchor_id().filter(|_| !event.is_alias());
        let built = match event {
            Event::Alias(anchor) => return self.alias(anchor, at, depth),
            Event::SequenceStart(..) => self.sequence(at, depth)?,
            Event::MappingStart(..) => self.mapping(at, depth)?,
            Event::Scalar(text, style, _, tag) => {
                let scalar = self.scalar(&text, style, tag.as_deref(), at);
                let shown = preview(&text);
                let value = scalar.into_value(text.into_owned()).unwrap_or_else(|| {
                    self.note(at, Reason::Scalar { text: shown, tag: Tag::Float.name() });
                    Value::Null
                });
                Built::leaf(value, at)
            }
            _ => return self.stop(at, Reason::Syntax { message: "expected a value".to_owned() }),
        };
        if let Some(anchor) = anchor.filter(|anchor| *anchor != 0) {
            self.copy(at, built.weight)?;
            self.anchors.insert(anchor, built.clone());
        }
        Ok(built)
    }

    fn alias(&mut self, anchor: usize, at: Position, depth: usize) -> Result<Built, Stop> {
        let Some(target) = self.anchors.get(&anchor) else {
            return self.stop(at, Reason::RecursiveAlias);
        };
        let (weight, height) = (target.weight, target.height);
        if depth + height > MAX_DEPTH {
            return self.stop(at, Reason::TooDeep);
        }
        self.copy(at, weight)?;
        let mut built = self.anchors.get(&anchor).cloned().expect("it was there above");
        // The alias stands here; what is inside stands at the anchor.
        built.node.at = at;
        Ok(built)
    }

    fn copy(&mut self, at: Position, weight: usize) -> Result<(), Stop> {
        self.copied = self.copied.saturating_add(weight);
        if self.copied > MAX_DOCUMENT_BYTES {
            return self.stop(at, Reason::TooLarge { by_aliases: true });
        }
        Ok(())
    }

    fn sequence(&mut self, at: Position, depth: usize) -> Result<Built, Stop> {
        let mut array = Array::new(at);
        for index in 0.. {
            let (event, span) = self.inner(at)?;
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let element = self.inside(Step::Index(index), |reader| reader.node(event, span, depth + 1))?;
            array.push(element);
        }
        Ok(array.finish())
    }

    fn mapping(&mut self, at: Position, depth: usize) -> Result<Built, Stop> {
        let mut object = Object::new(at);
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.inner(at)?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key_at = position(span.start);
            let key = self.key(event, span, depth)?;
            let (event, span) = self.inner(key_at)?;
            match key {
                Key::Name(name) => {
                    let value =
                        self.inside(Step::Key(&name), |reader| reader.node(event, span, depth + 1))?;
                    object.insert(name, key_at, value, &self.path, self.errors);
                }
                Key::Merge => {
                    let value = self.node(event, span, depth + 1)?;
                    self.mergeable(value, &mut merged);
                }
                Key::Bad => drop(self.node(event, span, depth + 1)?),
            }
        }
        // Last, so that explicit keys win; of several, the first one wins.
        for other in merged {
            object.merge(other);
        }
        Ok(object.finish())
    }

    /// Collects the objects that `<<` names.
    fn mergeable(&mut self, value: Built, merged: &mut Vec<Built>) {
        let at = value.node.at;
        match value.value {
            Value::Object(_) => merged.push(value),
            Value::Array(elements) => {
                // Together they weigh what the array does; who is first does not matter.
                let mut weight = value.weight;
                for (index, element) in elements.into_iter().enumerate() {
                    let Some(node) = value.node.element(index).cloned() else { continue };
                    let weight = std::mem::take(&mut weight);
                    let built = Built { value: element, node, weight, height: value.height };
                    match built.value {
                        Value::Object(_) => merged.push(built),
                        _ => self.note(built.node.at, Reason::Merge { found: type_name(&built.value) }),
                    }
                }
            }
            other => self.note(at, Reason::Merge { found: type_name(&other) }),
        }
    }

    fn key(&mut self, event: Event<'input>, span: Span, depth: usize) -> Result<Key, Stop> {
        let at = position(span.start);
        if let Event::Scalar(text, style, anchor, tag) = event {
            if text == "<<" && style == ScalarStyle::Plain && tag.is_none() {
                return Ok(Key::Merge);
            }
            if anchor != 0 {
                self.copy(at, text.len())?;
                self.anchors.insert(anchor, Built::leaf(Value::from(text.as_ref()), at));
            }
            let scalar = self.scalar(&text, style, tag.as_deref(), at);
            let found = if scalar == Scalar::Null { "null" } else { "an unsigned integer of 64 bits" };
            return Ok(match scalar.into_key(text.into_owned()) {
                Some(name) => Key::Name(name),
                None => self.bad_key(at, found),
            });
        }
        let built = self.node(event, span, depth + 1)?;
        Ok(match built.value {
            Value::String(name) => Key::Name(name),
            Value::Bool(value) => Key::Name(value.to_string()),
            Value::Number(value) => Key::Name(value.to_string()),
            other => self.bad_key(at, type_name(&other)),
        })
    }

    fn bad_key(&mut self, at: Position, found: &'static str) -> Key {
        self.note(at, Reason::Key { found });
        Key::Bad
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&granit_parser::Tag>,
        at: Position,
    ) -> Scalar {
        let Some(tag) = tag else {
            return if style == ScalarStyle::Plain { resolve(text) } else { Scalar::Text };
        };
        let tag = tag.suffix_in_namespace(NAMESPACE).map_or(Tag::Text, |suffix| Tag::named(&suffix));
        tag.resolve(text).unwrap_or_else(|| {
            self.note(at, Reason::Scalar { text: preview(text), tag: tag.name() });
            Scalar::Text
        })
    }

    /// Notes an error after which reading goes on.
    fn note(&mut self, at: Position, reason: Reason) {
        self.errors.push(at, Some(&self.path).filter(|path| !path.is_empty()).map(String::as_str), reason);
    }

    fn inside<T>(&mut self, step: Step<'_>, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        step.append(&mut self.path);
        let outcome = read(self);
        self.path.truncate(before);
        outcome
    }
}

enum Key {
    Name(String),
    Merge,
    /// Noted as an error; its value is read and dropped.
    Bad,
}

fn position(marker: Marker) -> Position {
    Position::new(marker.line(), marker.col().saturating_add(1))
}

fn offset(marker: Marker) -> usize {
    marker.byte_offset().unwrap_or_else(|| marker.index())
}

fn preview(text: &str) -> String {
    text.chars().take(PREVIEW).collect()
}
