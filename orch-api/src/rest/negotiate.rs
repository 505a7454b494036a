//! Which form an answer and a body have (`apiserver/pkg/endpoints/handlers/negotiation`).
//!
//! Answers are JSON or YAML: protobuf is asked for by many clients beside JSON, and they take JSON. Invariant: a form that was not
//! asked for is not given.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::status::Status;

/// Forms of objects, as Kubernetes lists them to whoever asks for another.
const FORMS: [&str; 5] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];

/// Forms of bodies, as Kubernetes lists them.
const BODIES: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    Json,
    Yaml,
}

impl Encoding {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// What stands in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    /// The objects.
    #[default]
    Whole,
    /// A table for people, of that version of `meta.k8s.io`.
    Table(&'static str),
    /// The metadata of one object.
    Metadata(&'static str),
    /// The metadata of the objects of a list.
    MetadataList(&'static str),
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) encoding: Encoding,
    pub(super) shape: Shape,
}

/// One entry of `Accept`.
struct Clause<'a> {
    media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: u16,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let pair = |part: &'a str| {
            part.split_once('=').map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
        };
        let parameters: Vec<_> = parts.filter_map(pair).collect();
        let quality =
            parameters.iter().find(|(name, _)| *name == "q").and_then(|(_, q)| q.parse::<f64>().ok());
        // In thousandths, as many digits as RFC 9110 allows.
        let quality = (quality.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 1000"
        )]
        let quality = quality as u16;
        Self { media, parameters, quality }
    }

    fn get(&self, name: &str) -> &'a str {
        self.parameters.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    fn encoding(&self) -> Option<Encoding> {
        match self.media {
            "application/json" | "*/*" | "application/*" => Some(Encoding::Json),
            "application/yaml" => Some(Encoding::Yaml),
            _ => None,
        }
    }

    /// The shape; `None` when it is one that is not known, and the clause is passed over then.
    fn shape(&self) -> Option<Shape> {
        let version = match self.get("v") {
            "v1" => "v1",
            "v1beta1" => "v1beta1",
            _ => "",
        };
        match (self.get("as"), self.get("g"), version) {
            ("", _, _) => Some(Shape::Whole),
            (_, group, _) if group != "meta.k8s.io" => None,
            (_, _, "") => None,
            ("Table", _, version) => Some(Shape::Table(version)),
            ("PartialObjectMetadata", _, version) => Some(Shape::Metadata(version)),
            ("PartialObjectMetadataList", _, version) => Some(Shape::MetadataList(version)),
            _ => None,
        }
    }
}

fn accept(headers: &HeaderMap) -> Cow<'_, str> {
    let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut accept = Cow::Borrowed(values.next().unwrap_or_default());
    for value in values {
        let accept = accept.to_mut();
        accept.push(',');
        accept.push_str(value);
    }
    accept
}

fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<_> =
        accept.split(',').filter(|text| !text.trim().is_empty()).map(Clause::parse).collect();
    // Stable: of two that are wanted as much, the first counts.
    clauses.sort_by_key(|clause| std::cmp::Reverse(clause.quality));
    clauses
}

/// The form of an answer that has objects.
///
/// # Errors
/// 406 when none of the forms asked for can be given.
pub(super) fn objects(headers: &HeaderMap) -> Result<Form, Status> {
    let accept = accept(headers);
    if matches!(&*accept, "" | "application/json") {
        return Ok(Form::default());
    }
    let form = |clause: &Clause<'_>| Some(Form { encoding: clause.encoding()?, shape: clause.shape()? });
    clauses(&accept).iter().find_map(form).ok_or_else(|| Status::not_acceptable(&FORMS))
}

/// Whether discovery is wanted all in one, and in which version.
pub(super) fn aggregated(headers: &HeaderMap) -> Option<&'static str> {
    let accept = accept(headers);
    let version = |clause: &Clause<'_>| {
        let is_json = clause.media == "application/json";
        let plain = is_json && clause.get("as").is_empty();
        let is_aggregated = is_json
            && clause.get("g") == "apidiscovery.k8s.io"
            && clause.get("as") == "APIGroupDiscoveryList";
        match (is_aggregated, clause.get("v")) {
            (true, "v2") => Some(Some("v2")),
            _ if plain => Some(None),
            _ => None,
        }
    };
    clauses(&accept).iter().find_map(version).flatten()
}

/// How the body of a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Json,
    Yaml,
    Protobuf,
}

/// How the body of a request is written.
///
/// # Errors
/// 415.
pub(super) fn body(headers: &HeaderMap) -> Result<Sent, Status> {
    match media(headers) {
        "" | "application/json" | "*/*" => Ok(Sent::Json),
        "application/yaml" => Ok(Sent::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Sent::Protobuf),
        _ => Err(Status::unsupported_media(&BODIES)),
    }
}

/// The media type of a body without its parameters.
pub(super) fn media(headers: &HeaderMap) -> &str {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        headers
    }

    #[test]
    fn the_first_form_that_can_be_given_is_given() {
        for (accept, encoding, shape) in [
            ("application/json", Encoding::Json, Shape::Whole),
            ("*/*", Encoding::Json, Shape::Whole),
            ("application/vnd.kubernetes.protobuf,application/json", Encoding::Json, Shape::Whole),
            ("application/json;q=0.5,application/yaml", Encoding::Yaml, Shape::Whole),
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
                Encoding::Json,
                Shape::Table("v1"),
            ),
            ("application/json;as=Nope;v=v1;g=meta.k8s.io,application/json", Encoding::Json, Shape::Whole),
            (
                "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
                Encoding::Json,
                Shape::Metadata("v1"),
            ),
        ] {
            assert_eq!(objects(&headers(accept)).unwrap(), Form { encoding, shape }, "{accept}");
        }
        assert_eq!(objects(&HeaderMap::new()).unwrap(), Form::default());
        assert_eq!(objects(&headers("image/png")).unwrap_err().code(), 406);
        assert_eq!(objects(&headers("application/vnd.kubernetes.protobuf")).unwrap_err().code(), 406);
    }

    #[test]
    fn discovery_is_aggregated_when_that_is_asked_for_first() {
        let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        assert_eq!(aggregated(&headers(v2)), Some("v2"));
        assert_eq!(aggregated(&headers(&format!("{v2},application/json"))), Some("v2"));
        assert_eq!(aggregated(&headers(&format!("application/json,{v2}"))), None);
        assert_eq!(aggregated(&headers("application/json")), None);
    }
}
