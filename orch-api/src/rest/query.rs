//! The parameters of a request, under Kubernetes' names and with its leniencies
//! (`apimachinery/pkg/runtime/conversion.go`, `apis/meta/internalversion/validation/validation.go`).
//!
//! Not their meaning for stores. Invariant: a parameter that is not understood is an error that names it, or ignored
//! where Kubernetes ignores it.

use http::HeaderMap;
use http::header::USER_AGENT;
use orch_core::selector::{FieldSelector, FieldTerm, Selector};
use orch_core::{DryRun, Fault, FaultKind, FieldValidation, Kind, KindInfo, Revision, WriteOptions, kind};

use super::status::Status;
use super::target::percent_decoded;
use crate::convert::Form;
use crate::custom::CustomKind;
use crate::patch::{manager_faults, manager_name};

/// The parameters as they were sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Takes a query apart; what cannot be decoded is left out, as Go's `url.ParseQuery` does for `Query()`. All pairs count:
    /// a `dryRun` that comes late must not be lost. URIs are bounded, to 64 KiB.
    pub(super) fn parse(query: &str) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = |text: &str| percent_decoded(&text.replace('+', " "));
            Some((text(name)?, text(value)?))
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';'));
        Self(pairs.filter_map(pair).collect())
    }

    /// The first value of a parameter; empty when it is absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// A flag: anything but `0` and `false` switches it on.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.optional_flag(name).unwrap_or(false)
    }

    pub(super) fn optional_flag(&self, name: &str) -> Option<bool> {
        self.all(name).next().map(|value| !matches!(value.to_lowercase().as_str(), "0" | "false"))
    }

    /// # Errors
    /// 400 when it is no number.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Status> {
        let Some(text) = self.all(name).next().filter(|text| !text.is_empty()) else { return Ok(None) };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(error) => {
                let is_digits = text.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit());
                let why = if is_digits && text.len() > 1 { "value out of range" } else { "invalid syntax" };
                tracing::trace!(%error, name, "number");
                Err(Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}")))
            }
        }
    }
}

/// How exactly a revision is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    Exact,
    NotOlderThan,
}

/// What lists and watches are asked with.
#[derive(Clone, Debug)]
pub(super) struct ListOptions {
    pub(super) labels: Selector,
    pub(super) fields: FieldSelector,
    /// `None` when absent; zero means any.
    pub(super) revision: Option<Revision>,
    pub(super) matching: Option<Match>,
    pub(super) limit: u32,
    pub(super) page: String,
    pub(super) bookmarks: bool,
    pub(super) initial_events: Option<bool>,
    pub(super) timeout_secs: Option<u64>,
}

impl ListOptions {
    /// # Errors
    /// 400 for what cannot be read, 422 for what does not go together.
    pub(super) fn read(
        query: &Query,
        info: &KindInfo,
        version: &str,
        served: Option<&Form>,
        is_watch: bool,
    ) -> Result<Self, Status> {
        let labels = query.text("labelSelector").parse().map_err(|error| bad(&error))?;
        let mut fields: FieldSelector = query.text("fieldSelector").parse().map_err(|error| bad(&error))?;
        if let Some(form) = served {
            fields = as_stored(form, &fields)?;
        }
        for term in fields.terms() {
            known_field(info, version, &term.field)?;
        }
        validate(query, is_watch)?;
        let limit = query.number("limit")?.unwrap_or(0).max(0);
        let matching = match query.text("resourceVersionMatch") {
            "Exact" => Some(Match::Exact),
            "NotOlderThan" => Some(Match::NotOlderThan),
            _ => None,
        };
        Ok(Self {
            labels,
            fields,
            revision: revision(query)?,
            matching,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            page: query.text("continue").to_owned(),
            bookmarks: query.flag("allowWatchBookmarks"),
            initial_events: initial_events(query, is_watch),
            timeout_secs: query.number("timeoutSeconds")?.and_then(|secs| u64::try_from(secs).ok()),
        })
    }
}

/// Whether a watch begins with the state: so it does when it says nothing, and nothing of where it begins
/// (`apis/meta/internalversion/defaults.go`).
fn initial_events(query: &Query, is_watch: bool) -> Option<bool> {
    let says_nothing = query.text(MATCH).is_empty() && matches!(query.text("resourceVersion"), "" | "0");
    query.optional_flag("sendInitialEvents").or((is_watch && says_nothing).then_some(true))
}

/// A selector of a form in the names of the stored one.
fn as_stored(form: &Form, fields: &FieldSelector) -> Result<FieldSelector, Status> {
    let renamed = |term: &FieldTerm| match form.field(&term.field) {
        Some(stored) => Ok(FieldTerm { field: stored.to_owned(), ..term.clone() }),
        None if matches!(term.field.as_str(), "metadata.name" | "metadata.namespace") => Ok(term.clone()),
        None => Err(Status::bad_request(format!("field label not supported: {}", term.field))),
    };
    Ok(FieldSelector::new(fields.terms().iter().map(renamed).collect::<Result<Vec<_>, _>>()?))
}

fn bad(error: &impl ToString) -> Status {
    Status::bad_request(error.to_string())
}

/// The revision that a read is asked at; `None` when it does not say.
///
/// # Errors
/// 400 when it is no revision.
pub(super) fn revision(query: &Query) -> Result<Option<Revision>, Status> {
    match query.text("resourceVersion") {
        "" => Ok(None),
        text => match parse_uint(text) {
            Ok(number) => Ok(Some(Revision(number))),
            Err(why) => Err(Status::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: {text:?}: {why}"
            ))),
        },
    }
}

/// A number, read as Go reads it.
///
/// # Errors
/// What Go says to what is none.
pub(super) fn parse_uint(text: &str) -> Result<u64, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let why = if is_number { "value out of range" } else { "invalid syntax" };
    text.parse()
        .ok()
        .filter(|_| is_number)
        .ok_or_else(|| format!("strconv.ParseUint: parsing {text:?}: {why}"))
}

/// Kinds in no namespace whose own conversion says so, too.
const IN_NO_NAMESPACE: [Kind; 4] =
    [kind::CERTIFICATE_SIGNING_REQUESTS, kind::NAMESPACES, kind::NODES, kind::RESOURCE_SLICES];

/// Kinds whose conversion names the field that it does not know, and no other (`pkg/apis/*/v1/conversion.go`); the rest have the
/// generic message.
fn known_field(info: &KindInfo, version: &str, field: &str) -> Result<(), Status> {
    let custom = CustomKind::of(info).and_then(|custom| custom.version(version));
    // Upstream finds replica sets by this field, but lets nobody ask.
    let fields = if info.kind == kind::REPLICA_SETS { &[][..] } else { &info.selectable[..] };
    let is_known = match (field, custom) {
        ("metadata.name", _) => true,
        ("metadata.namespace", None) => !IN_NO_NAMESPACE.contains(&info.kind),
        ("metadata.namespace", Some(_)) => info.is_namespaced(),
        (_, Some(version)) => version.selects(field),
        (_, None) => fields.iter().any(|known| &**known == field),
    };
    if is_known {
        return Ok(());
    }
    Err(Status::bad_request(match info.kind {
        kind::JOBS => format!("field label {field:?} not supported for Job"),
        kind::RESOURCE_SLICES => {
            format!("field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {field}")
        }
        _ if custom.is_none() && fields.is_empty() => {
            format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        }
        _ => format!("field label not supported: {field}"),
    }))
}

const MATCH: &str = "resourceVersionMatch";

/// `ValidateListOptions` of `apis/meta/internalversion/validation/validation.go`.
fn validate(query: &Query, is_watch: bool) -> Result<(), Status> {
    let faults = if is_watch { watch_faults(query) } else { list_faults(query) };
    if faults.is_empty() { Ok(()) } else { Err(Status::invalid("ListOptions", "meta.k8s.io", "", &faults)) }
}

fn forbidden(field: &str, why: &str) -> Fault {
    Fault::new(FaultKind::Forbidden, field, why)
}

fn unsupported_match(matching: &str, supported: &str) -> Fault {
    let why = format!("supported values: {supported}");
    Fault::new(FaultKind::NotSupported, MATCH, why).value(format!("{matching:?}"))
}

const WITH_CONTINUE: &str = "resourceVersionMatch is forbidden when continue is provided";

fn list_faults(query: &Query) -> Vec<Fault> {
    let (matching, revision) = (query.text(MATCH), query.text("resourceVersion"));
    let mut faults = Vec::new();
    if !matching.is_empty() {
        if revision.is_empty() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            faults.push(forbidden(MATCH, why));
        }
        if !query.text("continue").is_empty() {
            faults.push(forbidden(MATCH, WITH_CONTINUE));
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            faults.push(unsupported_match(matching, "\"Exact\", \"NotOlderThan\", \"\""));
        }
        if matching == "Exact" && revision == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            faults.push(forbidden(MATCH, why));
        }
    }
    if query.has("sendInitialEvents") {
        faults.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    faults
}

fn watch_faults(query: &Query) -> Vec<Fault> {
    let matching = query.text(MATCH);
    let mut faults = Vec::new();
    if query.has("sendInitialEvents") && matching != "NotOlderThan" {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        faults.push(forbidden(MATCH, why));
    }
    if !matching.is_empty() {
        if !query.has("sendInitialEvents") {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            faults.push(forbidden(MATCH, why));
        }
        if matching != "NotOlderThan" {
            faults.push(unsupported_match(matching, "\"NotOlderThan\""));
        }
        if !query.text("continue").is_empty() {
            faults.push(forbidden(MATCH, WITH_CONTINUE));
        }
    }
    faults
}

/// Whether a patch is an apply, which names its manager itself and may be forced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    Create,
    Update,
    Patch,
    Apply,
}

impl Writing {
    fn options(self) -> &'static str {
        match self {
            Self::Create => "CreateOptions",
            Self::Update => "UpdateOptions",
            Self::Patch | Self::Apply => "PatchOptions",
        }
    }
}

/// What goes with a write.
///
/// # Errors
/// 422 for values that are not supported.
pub(super) fn write_options(
    query: &Query,
    headers: &HeaderMap,
    writing: Writing,
) -> Result<WriteOptions, Status> {
    let options = writing.options();
    let mut faults = Vec::new();
    let dry_run = dry_run(query.all("dryRun"), &mut faults);
    let field_validation = match query.text("fieldValidation") {
        "" | "Warn" => FieldValidation::Warn,
        "Ignore" => FieldValidation::Ignore,
        "Strict" => FieldValidation::Strict,
        other => {
            let why = "supported values: \"Ignore\", \"Strict\", \"Warn\"";
            faults.push(
                Fault::new(FaultKind::NotSupported, "fieldValidation", why).value(format!("{other:?}")),
            );
            FieldValidation::Warn
        }
    };
    let manager = query.text("fieldManager");
    faults.extend(manager_faults(manager));
    if writing == Writing::Apply && manager.is_empty() {
        faults.push(Fault::new(FaultKind::Required, "fieldManager", "is required for apply patch"));
    }
    if writing == Writing::Patch && query.has("force") {
        let fault = Fault::new(FaultKind::Forbidden, "force", "may not be specified for non-apply patch");
        faults.push(fault);
    }
    if !faults.is_empty() {
        return Err(Status::invalid(options, "meta.k8s.io", "", &faults));
    }
    let mut found = WriteOptions::default();
    found.dry_run = dry_run;
    found.field_validation = field_validation;
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    found.field_manager = Some(manager_name(manager, agent).into());
    Ok(found)
}

/// Whether a write is only tried, of all values that were sent.
pub(super) fn dry_run<'a>(values: impl Iterator<Item = &'a str>, faults: &mut Vec<Fault>) -> DryRun {
    let mut found = DryRun::Off;
    for value in values {
        if value == "All" {
            found = DryRun::All;
        } else {
            let why = "supported values: \"All\"";
            faults.push(Fault::new(FaultKind::NotSupported, "dryRun", why).value(format!("{value:?}")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use orch_core::{Registry, kind};
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn list(query: &str, is_watch: bool) -> Result<ListOptions, (u16, String)> {
        let info = Registry::built_in().get(kind::PODS).unwrap();
        let options = ListOptions::read(&Query::parse(query), &info, "v1", None, is_watch);
        options.map_err(|status| (status.code(), status.message().to_owned()))
    }

    #[test]
    fn what_goes_together_is_read() {
        let options =
            list("labelSelector=a+in+%28b%29&limit=2&resourceVersion=7&resourceVersionMatch=Exact", false)
                .unwrap();
        assert_eq!(options.labels.to_string(), "a in (b)");
        assert_eq!(
            (options.limit, options.revision, options.matching),
            (2, Some(Revision(7)), Some(Match::Exact))
        );
        let watch = "sendInitialEvents=1&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
        let options = list(watch, true).unwrap();
        assert_eq!((options.initial_events, options.bookmarks), (Some(true), true));
        for (query, begins) in
            [("", Some(true)), ("resourceVersion=0", Some(true)), ("resourceVersion=1", None)]
        {
            assert_eq!(list(query, true).unwrap().initial_events, begins, "{query}");
            assert_eq!(list(query, false).unwrap().initial_events, None, "{query}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_the_field() {
        for (query, is_watch, code, part) in [
            ("resourceVersion=x", false, 400, "parsing \"x\": invalid syntax"),
            ("limit=x", false, 400, "strconv.ParseInt"),
            ("fieldSelector=spec.nope%3D1", false, 400, "field label not supported: spec.nope"),
            ("labelSelector=a+b", false, 400, "unable to parse requirement"),
            ("resourceVersionMatch=Exact", false, 422, "unless resourceVersion is provided"),
            ("resourceVersionMatch=Exact&resourceVersion=0", false, 422, "forbidden for resourceVersion"),
            ("resourceVersionMatch=Nope&resourceVersion=1", false, 422, "Unsupported value: \"Nope\""),
            ("resourceVersionMatch=Exact&resourceVersion=1", true, 422, "for watch unless sendInitialEvents"),
            (
                "resourceVersionMatch=Exact&resourceVersion=1",
                true,
                422,
                "supported values: \"NotOlderThan\"]",
            ),
            (
                "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=a",
                true,
                422,
                "when continue is provided",
            ),
            (
                "sendInitialEvents=true&resourceVersionMatch=Exact",
                false,
                422,
                "unless resourceVersion is provided, sendInitialEvents",
            ),
            ("sendInitialEvents=true", true, 422, "requires setting resourceVersionMatch"),
            ("sendInitialEvents=true", false, 422, "sendInitialEvents is forbidden for list"),
        ] {
            let (found, message) = list(query, is_watch).expect_err(query);
            assert_eq!(found, code, "{query}");
            assert!(message.contains(part), "{query}: {message}");
        }
    }

    #[test]
    fn a_field_that_is_not_known_is_told_in_the_words_of_its_kind() {
        let generic = "is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
        for (kind, field, expected) in [
            (kind::CONFIG_MAPS, "data", format!("\"data\" {generic}")),
            (kind::REPLICA_SETS, "status.replicas", format!("\"status.replicas\" {generic}")),
            (kind::NODES, "metadata.namespace", "field label not supported: metadata.namespace".to_owned()),
            (kind::JOBS, "a", "field label \"a\" not supported for Job".to_owned()),
            (
                kind::RESOURCE_SLICES,
                "a",
                "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: a".to_owned(),
            ),
        ] {
            let info = Registry::built_in().get(kind).unwrap();
            assert_eq!(known_field(&info, "v1", field).unwrap_err().message(), expected);
            assert!(known_field(&info, "v1", "metadata.name").is_ok());
        }
    }

    #[test]
    fn options_of_writes_are_checked() {
        let read = |query: &str| write_options(&Query::parse(query), &HeaderMap::new(), Writing::Create);
        let options = read("dryRun=All&fieldValidation=Strict&fieldManager=me").unwrap();
        assert_eq!(options.dry_run, DryRun::All);
        assert_eq!(options.field_validation, FieldValidation::Strict);
        assert_eq!(options.field_manager.as_deref(), Some("me"));
        assert_eq!(read("").unwrap().field_validation, FieldValidation::Warn);
        let status = read("dryRun=Some&fieldValidation=x").unwrap_err();
        assert_eq!(status.code(), 422);
        assert!(
            status
                .message()
                .starts_with("CreateOptions.meta.k8s.io \"\" is invalid: [dryRun: Unsupported value")
        );
    }

    #[test]
    fn what_comes_late_counts() {
        let query = Query::parse(&format!("{}dryRun=All", "a=b&".repeat(1_000)));
        let options = write_options(&query, &HeaderMap::new(), Writing::Create).unwrap();
        assert_eq!(options.dry_run, DryRun::All);
    }

    #[test]
    fn whoever_names_no_manager_has_that_of_the_user_agent() {
        for (agent, query, expected) in [
            ("kubectl/v1.36.2 (linux/amd64)", "", "kubectl"),
            ("kubectl/v1.36.2", "fieldManager=me", "me"),
            ("", "", ""),
        ] {
            let headers = HeaderMap::from_iter([(USER_AGENT, agent.parse().unwrap())]);
            let options = write_options(&Query::parse(query), &headers, Writing::Update).unwrap();
            assert_eq!(options.field_manager.as_deref(), Some(expected), "{agent} {query}");
        }
        let apply = |query: &str| write_options(&Query::parse(query), &HeaderMap::new(), Writing::Apply);
        assert!(apply("").unwrap_err().message().contains("fieldManager: Required value: is required"));
        assert_eq!(apply("force=true&fieldManager=me").unwrap().field_manager.as_deref(), Some("me"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_query_makes_it_panic(query in "[a-zA-Z=&%+0-9,!()\u{e9}]{0,80}") {
            let info = Registry::built_in().get(kind::PODS).unwrap();
            let _ = ListOptions::read(&Query::parse(&query), &info, "v1", None, query.len() % 2 == 0);
            let _ = write_options(&Query::parse(&query), &HeaderMap::new(), Writing::Patch);
        }
    }
}
