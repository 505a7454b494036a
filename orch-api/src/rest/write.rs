//! The verbs update and patch, and what they have in common with create (`apiserver/pkg/endpoints/handlers/{update,patch}.go`).
//!
//! It reads bodies and words answers; what a write does is the Api's. Invariant: a body that does not decode writes nothing.

use std::collections::HashSet;

use bytes::Bytes;
use orch_core::{
    Conflicts, Error, Fault, FaultKind, FieldValidation, Live, Patch, Revision, Subresource, Verb, Write,
    WriteOptions,
};
use serde_json::{Map, Value};

use super::access::{self, Attributes};
use super::body::Answer;
use super::call::{Call, api_version};
use super::decode::{Decoded, decode, decode_patch, refused_apply, typeless, unrecognized};
use super::query::{Writing, parse_uint, write_options};
use super::status::{Doing, Status};
use super::warnings::{self, Act};
use super::{grants, negotiate, output, scale, signers};
use crate::schema::{self, FaultReason, TypeRef};
use crate::strategy::Strategy;
use crate::tree::{Get, Set, type_of};

/// What the body of a subresource is: its kind, version and type.
fn body_kind(call: &Call, part: Subresource) -> (String, String, Option<TypeRef>) {
    let of = |group: &str, kind: &str| {
        (kind.to_owned(), api_version(group, "v1"), schema::lookup(group, "v1", kind))
    };
    match part {
        Subresource::Scale => of("autoscaling", "Scale"),
        Subresource::Binding => of("", "Binding"),
        Subresource::Eviction => of("policy", "Eviction"),
        Subresource::Token => of("authentication.k8s.io", "TokenRequest"),
        _ => (call.info.name.to_string(), call.api_version(), call.ty()),
    }
}

/// Reads the object that a body describes.
///
/// # Errors
/// 415 and 400, in Kubernetes' words.
pub(super) fn object(
    call: &mut Call,
    part: Subresource,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Value, Status> {
    let encoding = negotiate::body(&call.request.headers)?;
    let (kind, version, ty) = body_kind(call, part);
    let refused = |why: &str| unrecognized(&kind, why, body);
    let mut decoded = decode(body, encoding, ty).map_err(|why| refused(&typeless(encoding, &why)))?;
    if decoded.tree.is_null() {
        decoded.tree = Value::Object(Map::new());
    }
    if !decoded.tree.is_object() {
        let got = type_of(&decoded.tree);
        return Err(refused(&format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {got} into Go value of type struct \
             {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
        )));
    }
    let is_older = part == Subresource::Eviction && decoded.tree.text("apiVersion") == "policy/v1beta1";
    if ty.is_some() && !is_older {
        check_kind(&decoded.tree, &kind, &version)?;
    }
    let misfit = decoded.misfit.or_else(|| call.custom().and_then(|_| metadata_misfit(&decoded.tree)));
    if let Some(misfit) = misfit {
        return Err(call.undecoded(&kind, &misfit));
    }
    let mut strict = decoded.strict;
    if matches!(part, Subresource::None | Subresource::Status) {
        strict.extend(unknown(call, &decoded.tree));
    }
    call.strict(&kind, &strict, validation)?;
    let mut tree = decoded.tree;
    if call.custom().is_some() && matches!(part, Subresource::None | Subresource::Status) {
        says_what_it_is(call, &tree)?;
    }
    call.warnings.extend(told_twice(&mut tree));
    // Without a version it is that of the path.
    if let Some(fields) = tree.as_object_mut().filter(|_| call.served.is_some()) {
        fields.default_text("apiVersion", &call.api_version());
    }
    Ok(tree)
}

/// Why the metadata of a custom object is none.
fn metadata_misfit(tree: &Value) -> Option<String> {
    let metadata = tree.get("metadata").filter(|metadata| !metadata.is_null())?;
    let ty = schema::definition(OBJECT_META)?.ty();
    let mut faults = schema::check(metadata, ty);
    faults.retain(|fault| fault.reason != FaultReason::UnknownField);
    let told = || decode(metadata.to_string().as_bytes(), negotiate::Sent::Json, Some(ty)).ok()?.misfit;
    if faults.is_empty() { None } else { told() }
}

/// Objects of custom kinds must say what they are, in the version of the path.
///
/// # Errors
/// 400.
fn says_what_it_is(call: &Call, tree: &Value) -> Result<(), Status> {
    if tree.text("kind").is_empty() {
        return Err(Status::bad_request("Object 'Kind' is missing in 'object has no kind field '"));
    }
    let (sent, expected) = (tree.text("apiVersion"), call.api_version());
    if sent != expected {
        return Err(Status::bad_request(format!(
            "the API version in the data ({sent}) does not match the expected API version ({expected})"
        )));
    }
    Ok(())
}

/// Checks that a body says to be of that kind, or nothing.
///
/// # Errors
/// 400: it is of no kind that is known, or of another (`runtime.Scheme`, `AcceptsGroupVersion`).
pub(super) fn check_kind(tree: &Value, name: &str, expected: &str) -> Result<(), Status> {
    let (kind, api_version) = (tree.text("kind"), tree.text("apiVersion"));
    let said = if api_version.is_empty() { expected } else { api_version };
    let kind = if kind.is_empty() { name } else { kind };
    if kind == name && said == expected {
        return Ok(());
    }
    let (group, version) = said.rsplit_once('/').unwrap_or(("", said));
    let package = go_package(expected.rsplit_once('/').map_or("", |(group, _)| group));
    let what = format!("{kind} in version {version:?} cannot be handled as a {name}");
    if schema::lookup(group, version, kind.trim_end_matches("List")).is_none() {
        return Err(Status::bad_request(format!(
            "{what}: no kind {kind:?} is registered for version {said:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
        )));
    }
    Err(Status::bad_request(if kind == name && go_package(group) == package {
        format!("the API version in the data ({said}) does not match the expected API version ({expected})")
    } else {
        format!("{what}: converting ({version}.{kind}) to ({package}.{name}): unknown conversion")
    }))
}

/// The package of the types of a group inside Kubernetes.
fn go_package(group: &str) -> &str {
    match group {
        "" | "events.k8s.io" => "core",
        group => group.split('.').next().unwrap_or_default(),
    }
}

/// Leaves out owners that stand there twice, and says so (`dedupOwnerReferences` of `endpoints/handlers/rest.go`).
fn told_twice(tree: &mut Value) -> Option<String> {
    let owners = tree.get_mut("metadata")?.get_mut("ownerReferences")?.as_array_mut()?;
    if owners.len() < 2 {
        return None;
    }
    let (mut seen, mut twice) = (HashSet::new(), Vec::new());
    owners.retain(|owner| {
        let is_new = seen.insert(owner.to_string());
        if !is_new {
            twice.push(owner.text("uid").to_owned());
        }
        is_new
    });
    (!twice.is_empty()).then(|| {
        format!(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may \
             reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            twice.join(", ")
        )
    })
}

/// What the schema of a custom kind does not know.
fn unknown(call: &Call, tree: &Value) -> Vec<String> {
    let Some((_, version)) = call.custom() else { return Vec::new() };
    let mut paths = Vec::new();
    if let (Some(metadata), Some(definition)) = (tree.get("metadata"), schema::definition(OBJECT_META)) {
        let faults = schema::check(metadata, definition.ty());
        let unknown = faults.into_iter().filter(|fault| fault.reason == FaultReason::UnknownField);
        paths.extend(unknown.map(|fault| format!("metadata.{}", fault.path)));
    }
    paths.extend(version.unknown(tree));
    paths.into_iter().map(|path| format!("unknown field \"{path}\"")).collect()
}

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Options for the Api: what strict decoding has to say was said.
pub(super) fn said(mut options: WriteOptions) -> WriteOptions {
    options.field_validation = FieldValidation::Warn;
    options
}

pub(super) async fn update(mut call: Call, part: Subresource, body: Bytes) -> Answer {
    let options = write_options(&call.request.query, &call.request.headers, Writing::Update)?;
    let tree = object(&mut call, part, &body, options.field_validation)?;
    check_name(&call, &tree)?;
    let key = call.key();
    let mut write = Write::update(key, tree).to(part);
    let may_create = part == Subresource::None && Strategy::of(&call.info).row.creates_on_update();
    let before = before(&call, &mut write, may_create).await?;
    write.options = said(options);
    let live = grants::write(&call, write, Doing::Write).await?;
    if part == Subresource::Scale {
        return scale::answer(&call, live.object());
    }
    changed(call, part, before, &live)
}

/// Checks that an object says the namespace of its request, if both have one; what has none loses it
/// (`EnsureObjectNamespaceMatchesRequestNamespace` of `apiserver/pkg/registry/rest/meta.go`).
///
/// # Errors
/// 400.
pub(super) fn check_namespace(said: &str, expected: &str) -> Result<(), Status> {
    if said.is_empty() || expected.is_empty() || said == expected {
        return Ok(());
    }
    let why = "the namespace of the provided object does not match the namespace sent on the request";
    Err(Status::bad_request(why))
}

/// Checks that an update is of the object that the path names (`checkName` of `endpoints/handlers/rest.go`).
///
/// # Errors
/// 400, and 500 for what is no revision, as Kubernetes has it.
fn check_name(call: &Call, tree: &Value) -> Result<(), Status> {
    let (name, namespace) = (&call.request.target.name, &call.request.target.namespace);
    let text = |field: &str| tree.object_at("metadata").map_or("", |metadata| metadata.text(field));
    check_namespace(text("namespace"), namespace)?;
    match text("name") {
        "" => {
            let why = "was undeterminable: name must be provided";
            return Err(Status::bad_request(format!("the name of the object ({name} based on URL) {why}")));
        }
        other if other != &**name => {
            let why = format!("the name of the object ({other}) does not match the name on the URL ({name})");
            return Err(Status::bad_request(why));
        }
        _ => {}
    }
    let revision = text("resourceVersion");
    if !revision.is_empty()
        && let Err(why) = parse_uint(revision)
    {
        return Err(Status::unknown(why));
    }
    Ok(())
}

/// The kinds of patch, in the order in which Kubernetes lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own, for its own kinds.
    Strategic,
    /// Server-side apply (KEP-555).
    Apply,
}

/// The media types of patches of a kind. Only Kubernetes' own kinds have types that say how lists merge.
pub(super) fn patches(is_typed: bool) -> Vec<&'static str> {
    PatchType::served(is_typed).map(|(name, _)| name).collect()
}

impl PatchType {
    const ALL: [(&'static str, Self); 4] = [
        ("application/json-patch+json", Self::Json),
        ("application/merge-patch+json", Self::Merge),
        ("application/strategic-merge-patch+json", Self::Strategic),
        ("application/apply-patch+yaml", Self::Apply),
    ];

    /// # Errors
    /// 415.
    fn of(call: &Call) -> Result<Self, Status> {
        let media = negotiate::media(&call.request.headers);
        let is_typed = call.ty().is_some();
        let found = Self::served(is_typed).find(|(name, _)| *name == media).map(|(_, ty)| ty);
        found.ok_or_else(|| Status::unsupported_media(&patches(is_typed)))
    }

    fn served(is_typed: bool) -> impl Iterator<Item = (&'static str, Self)> {
        Self::ALL.into_iter().filter(move |(_, ty)| is_typed || *ty != Self::Strategic)
    }

    fn writing(self) -> Writing {
        if self == Self::Apply { Writing::Apply } else { Writing::Patch }
    }
}

/// The patch that a body describes.
///
/// # Errors
/// 400, 403 where nobody may make such an object, and 422 where the object that it makes is to blame.
fn patch_of(
    call: &mut Call,
    ty: PatchType,
    part: Subresource,
    body: &[u8],
    options: &WriteOptions,
) -> Result<Patch, Status> {
    let (kind, _, schema) = body_kind(call, part);
    let (sent, schema) = match ty {
        PatchType::Json => (negotiate::Sent::Json, None),
        PatchType::Merge | PatchType::Strategic => (negotiate::Sent::Json, schema),
        PatchType::Apply => (negotiate::Sent::Yaml, None),
    };
    let what = if ty == PatchType::Apply { "YAML" } else { "patch" };
    let undecoded = |why: &str| Status::bad_request(format!("error decoding {what}: {why}"));
    let Decoded { tree, mut strict, misfit } =
        decode_patch(body, sent, schema).map_err(|why| undecoded(&why))?;
    if ty == PatchType::Merge && part != Subresource::Scale {
        strict.extend(unknown(call, &tree));
    }
    if ty != PatchType::Json && !tree.is_object() {
        let got = type_of(&tree);
        return Err(undecoded(&format!(
            "json: cannot unmarshal {got} into Go value of type map[string]interface {{}}"
        )));
    }
    // Directives are no fields.
    strict.retain(|fault| ty != PatchType::Strategic || !fault.contains(".$") && !fault.contains("\"$"));
    // What is refused is the patched object, and Kubernetes says so.
    let refused = |why: String| {
        let fault = Fault::new(FaultKind::Invalid, "patch", why);
        Status::invalid("", "", "", &[fault.value(Value::from(tree.to_string()))])
    };
    if let Some(misfit) = misfit.filter(|_| ty == PatchType::Merge) {
        return Err(refused(format!(
            "{kind} in version {:?} cannot be handled as a {kind}: {misfit}",
            call.version()
        )));
    }
    if options.field_validation == FieldValidation::Strict
        && let Some(why) = refused_apply(&strict)
    {
        return Err(Status::bad_request(why));
    }
    if options.field_validation == FieldValidation::Strict && !strict.is_empty() {
        return Err(refused(format!("strict decoding error: {}", strict.join(", "))));
    }
    call.strict(&kind, &strict, options.field_validation)?;
    if ty == PatchType::Apply && part == Subresource::None {
        signers::check_subject(call, &call.request.target.name, &tree)?;
    }
    Ok(match ty {
        PatchType::Json => Patch::Json(tree.into()),
        PatchType::Merge => Patch::Merge(tree.into()),
        PatchType::Strategic => Patch::Strategic(tree.into()),
        PatchType::Apply => {
            let is_forced = call.request.query.flag("force");
            let conflicts = if is_forced { Conflicts::Force } else { Conflicts::Refuse };
            Patch::Apply { config: tree.into(), conflicts }
        }
    })
}

pub(super) async fn patch(mut call: Call, part: Subresource, body: Bytes) -> Answer {
    let ty = PatchType::of(&call)?;
    let mut options = write_options(&call.request.query, &call.request.headers, ty.writing())?;
    let patch = patch_of(&mut call, ty, part, &body, &options)?;
    options.api_version = Some(call.api_version().into());
    let mut write = Write::new(call.key(), Verb::Patch(patch)).to(part);
    let may_create = ty == PatchType::Apply && part == Subresource::None;
    let before = before(&call, &mut write, may_create).await?;
    // Unknown fields of operations are the Api's to refuse, all others were. No client is taken for a part of the cluster.
    let is_left = ty == PatchType::Json && options.field_validation == FieldValidation::Strict;
    write.options = if is_left { options } else { said(options) };
    let live = grants::write(&call, write, Doing::Write).await?;
    if part == Subresource::Scale {
        return scale::answer(&call, live.object());
    }
    changed(call, part, before, &live)
}

/// What the answer depends on besides the object as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Absent,
    Generation(i64),
    Unasked,
}

/// Looks at the object before a write that may create it, or whose warnings depend on what it changes.
///
/// # Errors
/// 403 when it would be created by who may not.
async fn before(call: &Call, write: &mut Write, may_create: bool) -> Result<Before, Status> {
    let is_whole = write.subresource == Subresource::None;
    if !is_whole || !may_create && !warnings::counts(call.info.kind) {
        return Ok(Before::Unasked);
    }
    let found = match call.api.get(&write.key, Revision::ZERO).await {
        Ok(found) => Some(found),
        Err(Error::NotFound { .. }) => None,
        Err(error) if may_create => return Err(call.failed(&error, Doing::Write)),
        Err(_) => return Ok(Before::Unasked),
    };
    if may_create {
        check_creation(call, write, found.as_ref()).await?;
    }
    Ok(match found {
        Some(found) => Before::Generation(found.header().generation),
        None if may_create => Before::Absent,
        None => Before::Unasked,
    })
}

/// An update or apply of an absent object creates it. Who may do so but may not create does it only to objects that are there
/// (`withAuthorization` of `update.go`).
///
/// # Errors
/// 403.
async fn check_creation(call: &Call, write: &mut Write, found: Option<&Live>) -> Result<(), Status> {
    let (target, user) = (&call.request.target, &call.request.user);
    let what = Attributes::resource("create", &target.group, &target.version, &target.resource)
        .namespace(&target.namespace)
        .name(&target.name);
    let may_create = access::check(&*call.shared.authorizer, user, &what).await;
    match (found, may_create) {
        (None, refused) => refused,
        (Some(found), Err(_)) => {
            // Should it be gone by then, nothing is made.
            let says_uid = match &write.verb {
                Verb::Update(tree) => tree.object_at("metadata").is_some_and(|head| !head.is_unset("uid")),
                _ => false,
            };
            if !says_uid {
                write.precondition.uid = Some(found.uid().clone());
            }
            Ok(())
        }
        (Some(_), Ok(())) => Ok(()),
    }
}

/// The answer to a write of an object that was there, or may have been.
fn changed(mut call: Call, part: Subresource, before: Before, live: &Live) -> Answer {
    let act = match before {
        Before::Absent => Act::Create,
        Before::Generation(generation) => Act::Change { counted: generation != live.header().generation },
        Before::Unasked => Act::Change { counted: false },
    };
    if part == Subresource::None {
        call.warnings.extend(warnings::of(call.info.kind, &live.tree(), act));
    }
    output::object(&call, if before == Before::Absent { 201 } else { 200 }, live.object())
}
