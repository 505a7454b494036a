//! Bodies to trees, with what strict decoding finds on the way: unknown and duplicate fields in the order of the text, and
//! the first value that does not fit its type, in the words of Kubernetes' decoder
//! (`sigs.k8s.io/json`, `apimachinery/pkg/runtime/serializer/json`).
//!
//! Not validation, and no defaults. Invariant: no text makes it panic or go deeper than [`MAX_DEPTH`].

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::de::Read;
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::negotiate::Sent;
use super::status::Status;
use super::{go_json, protobuf};
use crate::manifest;
use crate::schema::{Definition, MAX_DEPTH, Type, TypeRef};
use crate::validate::quote;

/// Strict faults reported: Kubernetes' own bound.
const MAX_FAULTS: usize = 100;

/// Bytes of all strict faults together: each names a path, and a key of it may be as long as the body.
const MAX_FAULT_BYTES: usize = 64 << 10;

/// Characters of a path that is told when all are too long together.
const PREVIEW: usize = 200;

/// Bytes of a body that cannot be read that the answer shows (`summarizeData` of `endpoints/handlers/rest.go`).
const SUMMARY: usize = 30;

/// A body that could be read.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) tree: Value,
    /// `unknown field "spec.nope"` and `duplicate field "data.a"`; of YAML the keys that stand twice come first, in one text.
    pub(super) strict: Vec<String>,
    /// Why the tree does not fit its type.
    pub(super) misfit: Option<String>,
}

/// The answer to a body that cannot be read.
pub(super) fn unrecognized(kind: &str, why: &str, body: &[u8]) -> Status {
    let shown = &body[..body.len().min(SUMMARY)];
    let shown = match shown.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(shown).into_owned(),
        Some(_) => shown.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let more = if body.len() > SUMMARY { " ..." } else { "" };
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): {why} ({shown}{more})"
    ))
}

/// What is wrong with a text in which not even the type of the object can be found.
pub(super) fn typeless(sent: Sent, why: &str) -> String {
    let prefix = if sent == Sent::Json { "couldn't get version/kind; json parse error: " } else { "" };
    format!("{prefix}{why}")
}

/// Reads a body of a type; without a type only duplicates are found.
///
/// # Errors
/// Why the text is not of that encoding.
pub(super) fn decode(text: &[u8], sent: Sent, ty: Option<TypeRef>) -> Result<Decoded, String> {
    decode_with(Walk::default(), text, sent, ty)
}

/// Reads a patch of an object of a type: what is behind an unknown field is kept, for directives are such.
///
/// # Errors
/// Why the text is not of that encoding.
pub(super) fn decode_patch(text: &[u8], sent: Sent, ty: Option<TypeRef>) -> Result<Decoded, String> {
    decode_with(Walk { keeps_unknown: true, ..Walk::default() }, text, sent, ty)
}

fn decode_with(walk: Walk, text: &[u8], sent: Sent, ty: Option<TypeRef>) -> Result<Decoded, String> {
    match sent {
        Sent::Json => json_of(walk, text, ty),
        // As `sigs.k8s.io/yaml`: to JSON first.
        Sent::Yaml => {
            let (tree, twice) = yaml(text)?;
            let mut decoded = json_of(walk, tree.to_string().as_bytes(), ty)?;
            decoded.strict.splice(0..0, twice);
            Ok(decoded)
        }
        // Fields that are not known are no fault there, and values of other types do not decode.
        Sent::Protobuf => match protobuf::decode(text) {
            Ok(tree) => Ok(Decoded { tree, ..Decoded::default() }),
            Err(error) => Err(error.to_string()),
        },
    }
}

fn json_of(walk: Walk, text: &[u8], ty: Option<TypeRef>) -> Result<Decoded, String> {
    let shape = ty.map_or(Shape::Free, Shape::Of);
    let seed = Seed { walk: &walk, shape, holder: None, place: Place::Root, depth: 0 };
    // Looking at all of it at once is cheaper than looking at each text in it.
    let tree = match std::str::from_utf8(text) {
        Ok(text) => read(serde_json::Deserializer::from_str(text), seed),
        Err(_) => read(serde_json::Deserializer::from_slice(text), seed),
    };
    let found = walk.found.into_inner();
    match tree {
        Ok(tree) => Ok(Decoded { tree, strict: found.strict, misfit: found.misfit }),
        Err(error) => Err(go_json::explain(text, &error)),
    }
}

fn read<'de, R: Read<'de>>(
    mut deserializer: serde_json::Deserializer<R>,
    seed: Seed<'_>,
) -> serde_json::Result<Value> {
    let tree = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(tree)
}

/// One document of YAML, and what a strict reader says of the keys that stand in it twice.
fn yaml(text: &[u8]) -> Result<(Value, Option<String>), String> {
    let (tree, twice) = manifest::document(text).map_err(|errors| {
        // The first line goes without its number, as upstream's parser has it.
        let told = |error: &manifest::Error| match error.at.line {
            1 => error.reason.to_string(),
            line => format!("line {line}: {}", error.reason),
        };
        let is_other =
            |error: &&manifest::Error| !matches!(error.reason, manifest::Reason::DuplicateKey { .. });
        let all: Vec<_> = errors.iter().filter(is_other).map(told).collect();
        format!("yaml: {}", all.join(", "))
    })?;
    let told = |error: &manifest::Error| match &error.reason {
        manifest::Reason::DuplicateKey { key, value_line, .. } => {
            Some(format!("\n  line {value_line}: key {} already set in map", quote(key)))
        }
        _ => None,
    };
    let told: String = twice.iter().filter_map(told).collect();
    Ok((tree, (!told.is_empty()).then(|| format!("{TWICE}{told}"))))
}

/// How a fault begins that tells keys of YAML that stand twice, each in a line.
const TWICE: &str = "yaml: unmarshal errors:";

/// A strict fault as warnings: each key that stands twice is one (`parseYAMLWarnings` of `endpoints/handlers/rest.go`).
pub(super) fn warnings(fault: &str) -> Vec<String> {
    match fault.strip_prefix(TWICE) {
        Some(lines) => lines.trim_start().split('\n').map(|line| line.trim().to_owned()).collect(),
        None => vec![fault.to_owned()],
    }
}

/// Why an apply is refused that is read strictly, if a key stands in it twice.
pub(super) fn refused_apply(strict: &[String]) -> Option<String> {
    let twice = strict.iter().find(|fault| fault.starts_with(TWICE))?;
    Some(format!("error strict decoding YAML: error converting YAML to JSON: {twice}"))
}

/// What is known of the shape of a value.
#[derive(Clone, Copy)]
enum Shape {
    /// Everything goes and is kept: custom resources, raw extensions.
    Free,
    /// Behind an unknown field: it is dropped, unless it is a patch's.
    Lost,
    Of(TypeRef),
}

#[derive(Default)]
struct Found {
    strict: Vec<String>,
    strict_bytes: usize,
    misfit: Option<String>,
}

#[derive(Default)]
struct Walk {
    found: RefCell<Found>,
    keeps_unknown: bool,
}

/// Where a value stands, and in what. Only a fault has it written.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Field(&'a str, &'a Place<'a>),
    /// Of a map.
    Key(&'a str, &'a Place<'a>),
    Index(usize, &'a Place<'a>),
}

impl Place<'_> {
    /// As Go's decoder tells it: the fields on the way, not the elements.
    fn fields(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Key(_, parent) | Self::Index(_, parent) => parent.fields(),
            Self::Field(name, parent) => match parent.fields() {
                before if before.is_empty() => (*name).to_owned(),
                before => format!("{before}.{name}"),
            },
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(name, Self::Root) | Self::Key(name, Self::Root) => f.write_str(name),
            Self::Field(name, parent) | Self::Key(name, parent) => write!(f, "{parent}.{name}"),
            Self::Index(index, parent) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl Walk {
    fn strict(&self, what: &str, place: &Place<'_>) {
        let mut found = self.found.borrow_mut();
        if found.strict.len() >= MAX_FAULTS {
            return;
        }
        let mut place = place.to_string();
        if found.strict_bytes + place.len() > MAX_FAULT_BYTES {
            place = place.chars().take(PREVIEW).collect();
        }
        found.strict_bytes += place.len();
        found.strict.push(format!("{what} field \"{place}\""));
    }

    fn misfit(&self, seed: &Seed<'_>, ty: TypeRef, got: impl fmt::Display) {
        let mut found = self.found.borrow_mut();
        if found.misfit.is_none() {
            let path = seed.place.fields();
            let place = match seed.holder {
                Some(holder) if !path.is_empty() => format!("Go struct field {}.{path}", short(holder)),
                _ => "Go value".to_owned(),
            };
            found.misfit = Some(format!("json: cannot unmarshal {got} into {place} of type {}", go_type(ty)));
        }
    }

    /// The value is one that its type cannot read, as the type itself puts it.
    fn unreadable(&self, why: String) {
        self.found.borrow_mut().misfit.get_or_insert(why);
    }
}

/// `ObjectMeta` of `io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta`.
fn short(definition: Definition) -> &'static str {
    let name = definition.name();
    name.rsplit('.').next().unwrap_or(name)
}

/// The name of a type in Go, as its decoder prints it.
fn go_type(ty: TypeRef) -> String {
    match ty.get() {
        Type::String => "string".to_owned(),
        Type::Int32 => "int32".to_owned(),
        Type::Int64 => "int64".to_owned(),
        Type::Number => "float64".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::Bytes => "[]uint8".to_owned(),
        Type::Time => "v1.Time".to_owned(),
        Type::MicroTime => "v1.MicroTime".to_owned(),
        Type::Quantity => "resource.Quantity".to_owned(),
        Type::IntOrString => "intstr.IntOrString".to_owned(),
        Type::Map(item) => format!("map[string]{}", go_type(item)),
        Type::Array(item) => format!("[]{}", go_type(item)),
        Type::Object(definition) => {
            let name = definition.name();
            name.rsplitn(3, '.').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(".")
        }
        _ => "interface {}".to_owned(),
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    walk: &'a Walk,
    shape: Shape,
    /// The object that has the field.
    holder: Option<Definition>,
    place: Place<'a>,
    depth: usize,
}

impl<'a> Seed<'a> {
    fn ty(&self) -> Option<Type> {
        match self.shape {
            Shape::Of(ty) => Some(ty.get()),
            Shape::Free | Shape::Lost => None,
        }
    }

    /// The seed of what stands in this value.
    fn below<'b>(&'b self, place: Place<'b>, shape: Shape, holder: Option<Definition>) -> Seed<'b> {
        Seed { walk: self.walk, shape, holder: holder.or(self.holder), place, depth: self.depth + 1 }
    }

    fn place_of<'b>(&'b self, ty: Option<Type>, key: &'b str) -> Place<'b> {
        match ty {
            Some(Type::Map(_)) => Place::Key(key, &self.place),
            _ => Place::Field(key, &self.place),
        }
    }

    /// The seed of a field or entry; `ty` is that of this value.
    fn entry<'b>(&'b self, ty: Option<Type>, key: &'b str) -> Seed<'b> {
        let place = self.place_of(ty, key);
        match (self.shape, ty) {
            (_, Some(Type::Object(definition))) => match definition.field(key) {
                Some(field) => self.below(place, Shape::Of(field.ty()), Some(definition)),
                None => {
                    self.walk.strict("unknown", &place);
                    self.below(place, Shape::Lost, None)
                }
            },
            (_, Some(Type::Map(item))) => self.below(place, Shape::Of(item), None),
            (Shape::Lost, _) => self.below(place, Shape::Lost, None),
            _ => self.below(place, Shape::Free, None),
        }
    }

    /// Whether nothing is kept of what has that shape.
    fn drops(&self, shape: Shape) -> bool {
        matches!(shape, Shape::Lost) && !self.walk.keeps_unknown
    }

    fn fits(&self, got: impl fmt::Display, fits: impl Fn(Type) -> bool) {
        if let Shape::Of(ty) = self.shape {
            let of = ty.get();
            if of != Type::Any && !fits(of) {
                self.walk.misfit(self, ty, got);
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth >= MAX_DEPTH {
            return Err(serde::de::Error::custom("exceeded max depth"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        self.fits("bool", |ty| ty == Type::Boolean);
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        self.integer(i128::from(value));
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        self.integer(i128::from(value));
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        self.fits(format_args!("number {value}"), |ty| matches!(ty, Type::Number | Type::Quantity));
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        self.fits("string", |ty| {
            use Type::{Bytes, IntOrString, MicroTime, Quantity, String, Time};
            matches!(ty, String | Bytes | Time | MicroTime | Quantity | IntOrString)
        });
        if let Shape::Of(ty) = self.shape
            && let Some(why) = go_json::unreadable(ty, value)
        {
            self.walk.unreadable(why);
        }
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.fits("array", |ty| matches!(ty, Type::Array(_)));
        let shape = match (self.shape, self.ty()) {
            (_, Some(Type::Array(item))) => Shape::Of(item),
            (Shape::Lost, _) => Shape::Lost,
            _ => Shape::Free,
        };
        let mut list = Vec::new();
        loop {
            let seed = self.below(Place::Index(list.len(), &self.place), shape, None);
            match items.next_element_seed(seed)? {
                Some(_) if self.drops(shape) => {}
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.fits("object", |ty| matches!(ty, Type::Object(_) | Type::Map(_)));
        let ty = self.ty();
        let mut map = Map::new();
        if self.drops(self.shape) {
            while entries.next_key::<IgnoredAny>()?.is_some() {
                entries.next_value_seed(self.below(Place::Root, Shape::Lost, None))?;
            }
            return Ok(Value::Object(map));
        }
        let mut twice: BTreeSet<String> = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            match map.entry(key) {
                Entry::Vacant(entry) => {
                    let value = entries.next_value_seed(self.entry(ty, entry.key()))?;
                    entry.insert(value);
                }
                Entry::Occupied(mut entry) => {
                    let key = entry.key();
                    if !matches!(self.shape, Shape::Lost) && twice.insert(key.clone()) {
                        self.walk.strict("duplicate", &self.place_of(ty, key));
                    }
                    let value = entries.next_value_seed(self.entry(ty, key))?;
                    entry.insert(value);
                }
            }
        }
        Ok(Value::Object(map))
    }
}

impl Seed<'_> {
    fn integer(&self, value: i128) {
        let fits = |ty| match ty {
            Type::Int32 | Type::IntOrString => i32::try_from(value).is_ok(),
            Type::Int64 => i64::try_from(value).is_ok(),
            Type::Number | Type::Quantity => true,
            _ => false,
        };
        // A number where a text stands is told without its value.
        match self.ty() {
            Some(Type::Int32 | Type::Int64 | Type::IntOrString) => {
                self.fits(format_args!("number {value}"), fits);
            }
            _ => self.fits("number", fits),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::schema::lookup;

    #[track_caller]
    fn pod(text: &str) -> Decoded {
        decode(text.as_bytes(), Sent::Json, lookup("", "v1", "Pod")).unwrap()
    }

    #[test]
    fn strict_faults_stand_in_the_order_of_the_text() {
        let decoded =
            pod(r#"{"zeta":1,"metadata":{"name":"a","name":"b","labels":{"x":"1","x":"2","x":"3"}},
                "spec":{"containers":[{"name":"c","imgae":{"a":1,"a":2}}]},"alpha":2}"#);
        assert_eq!(
            decoded.strict,
            [
                "unknown field \"zeta\"",
                "duplicate field \"metadata.name\"",
                "duplicate field \"metadata.labels.x\"",
                "unknown field \"spec.containers[0].imgae\"",
                "unknown field \"alpha\"",
            ]
        );
        assert_eq!(decoded.tree["metadata"]["name"], "b", "the last one wins");
        assert_eq!(decoded.misfit, None);
    }

    #[test]
    fn what_is_behind_an_unknown_field_is_kept_of_patches_only() {
        let text = br#"{"spec":{"$retainKeys":["a",{"b":{"c":1}}],"hostname":"h"}}"#;
        let (sent, ty) = (Sent::Json, lookup("", "v1", "Pod"));
        let strict = ["unknown field \"spec.$retainKeys\""];
        for (decoded, kept) in [
            (decode(text, sent, ty).unwrap(), json!([])),
            (decode_patch(text, sent, ty).unwrap(), json!(["a", {"b": {"c": 1}}])),
        ] {
            assert_eq!(decoded.tree, json!({"spec": {"$retainKeys": kept, "hostname": "h"}}));
            assert_eq!(decoded.strict, strict);
        }
    }

    #[test]
    fn a_misfit_is_told_in_gos_words() {
        for (text, expected) in [
            (
                r#"{"metadata":{"name":true}}"#,
                "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.name of type string",
            ),
            (
                r#"{"spec":{"containers":[{"name":7}]}}"#,
                "json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string",
            ),
            (
                r#"{"spec":{"priority":3000000000}}"#,
                "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of type int32",
            ),
            (
                r#"{"spec":{"containers":{}}}"#,
                "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
            ),
            (
                r#"{"metadata":{"labels":{"a.b/c[0]":1}}}"#,
                "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
            ),
            (
                r#"{"spec":{"nodeSelector":{"a":"b"},"containers":[{},{"resources":{"limits":{"cpu":"many"}},"name":1}]}}"#,
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            ),
        ] {
            assert_eq!(pod(text).misfit.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_body_that_cannot_be_read_is_shown_in_part() {
        for (body, shown) in [
            ("", "why (<empty>)"),
            ("[]", "why (5b5d)"),
            ("{\"a\":", "why ({\"a\":)"),
            ("{234567890123456789012345678901", "why ({23456789012345678901234567890 ...)"),
        ] {
            let told = unrecognized("Pod", "why", body.as_bytes());
            let message = format!("the object provided is unrecognized (must be of type Pod): {shown}");
            assert_eq!(told.message(), message, "{body}");
        }
    }

    #[test]
    fn yaml_means_what_it_means_to_kubernetes() {
        let text = b"metadata: {name: y}\n";
        let decoded = decode(text, Sent::Yaml, lookup("", "v1", "ConfigMap")).unwrap();
        assert_eq!(decoded.tree, json!({"metadata": {"name": true}}));
        assert!(decoded.misfit.unwrap().contains("cannot unmarshal bool"));
        assert!(decode(b"a: [", Sent::Yaml, None).unwrap_err().starts_with("yaml: "));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"a-c0-9 \n.e-]{0,60}") {
            for sent in [Sent::Json, Sent::Yaml] {
                let _ = decode(text.as_bytes(), sent, lookup("", "v1", "Pod"));
            }
        }
    }

    #[test]
    fn faults_are_told_however_long_their_names_and_within_a_bound() {
        let long = "x".repeat(1 << 20);
        let twice: Vec<String> = (0..99).map(|at| format!("\"{at}\":1,\"{at}\":1")).collect();
        let text = format!("{{\"{long}\":{{{}}},\"a\":1,\"a\":2}}", twice.join(","));
        let strict = decode(text.as_bytes(), Sent::Json, None).unwrap().strict;
        assert_eq!((strict.len(), strict[99].as_str()), (100, "duplicate field \"a\""));
        assert!(strict.iter().map(String::len).sum::<usize>() < 2 * MAX_FAULT_BYTES);
    }

    #[test]
    fn depth_is_bounded() {
        let text = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(decode(text.as_bytes(), Sent::Json, None).is_err());
        assert!(decode(text.as_bytes(), Sent::Yaml, None).is_err());
    }
}
