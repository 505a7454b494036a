//! The subresource `log` of pods: what a container has written, as text (`pkg/registry/core/pod/rest/log.go`,
//! `LogLocation` of `pkg/registry/core/pod/strategy.go`).
//!
//! Where the lines come from is a [`PodLogs`](orch_core::PodLogs)' to know. Invariant: no more bytes are sent than were asked for.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use orch_core::object::Part;
use orch_core::runtime::LogLine;
use orch_core::{Fault, FaultKind, Key, Live, LogOptions, Reason, Revision, kind};

use super::body::{self, Answer};
use super::query::Query;
use super::service::Shared;
use super::status::{Doing, Status};
use super::verb::Request;
use crate::tree::Get;

const TEXT: &str = "text/plain";

/// How lines are shown.
struct Shown {
    has_times: bool,
    /// Bytes that may still be sent.
    left: Option<usize>,
}

/// Answers a request for a log.
pub(super) async fn get(shared: &Arc<Shared>, request: &Request) -> Answer {
    let query = &request.query;
    let (mut options, shown) = read(shared, query, &request.target.name)?;
    let key = Key::new(kind::PODS, request.target.namespace.clone(), request.target.name.clone());
    let failed = |error| Status::of(&error, shared.api.registry(), Doing::Read);
    let pod = shared.api.get(&key, Revision::ZERO).await.map_err(failed)?;
    options.container = container(&pod, &options.container).map_err(Status::bad_request)?.into();
    // A pod without a node has written nothing.
    if pod.field("spec.nodeName").is_none_or(str::is_empty) {
        return Ok(body::bytes(200, TEXT, Bytes::new()));
    }
    let Some(logs) = &shared.logs else {
        return Err(Status::failure(Reason::ServiceUnavailable, "no node's logs can be reached from here"));
    };
    let lines = logs.open(&pod, &options).await.map_err(failed)?;
    let texts = stream::unfold((lines, shown), |(mut lines, mut shown)| async move {
        if shown.left == Some(0) {
            return None;
        }
        let line = lines.next().await?;
        Some((shown.text(&line), (lines, shown)))
    });
    Ok(body::stream(TEXT, texts))
}

impl Shown {
    fn text(&mut self, line: &LogLine) -> Bytes {
        let mut text = if self.has_times {
            format!("{:.9} {}\n", line.time, line.text)
        } else {
            format!("{}\n", line.text)
        }
        .into_bytes();
        if let Some(left) = &mut self.left {
            text.truncate(*left);
            *left -= text.len();
        }
        text.into()
    }
}

/// Reads the parameters (`PodLogOptions`).
fn read(shared: &Shared, query: &Query, pod: &str) -> Result<(LogOptions, Shown), Status> {
    let mut faults = Vec::new();
    let mut bound = |name: &str, least: i64, rule: &str| -> Result<Option<i64>, Status> {
        let number = query.number(name)?;
        if let Some(wrong) = number.filter(|number| *number < least) {
            faults.push(Fault::new(FaultKind::Invalid, name, rule).value(wrong));
        }
        Ok(number)
    };
    let tail = bound("tailLines", 0, "must be greater than or equal to 0")?;
    let limit = bound("limitBytes", 1, "must be greater than 0")?;
    let secs = query.number("sinceSeconds")?;
    let time = Some(query.text("sinceTime")).filter(|text| !text.is_empty());
    if secs.is_some() && time.is_some() {
        let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        faults.push(Fault::new(FaultKind::Forbidden, "", why));
    } else if let Some(wrong) = secs.filter(|secs| *secs < 1) {
        faults.push(Fault::new(FaultKind::Invalid, "sinceSeconds", "must be greater than 0").value(wrong));
    }
    // A feature that is off by default.
    if query.has("stream") {
        faults.push(Fault::new(FaultKind::Forbidden, "stream", "may not be specified"));
    }
    if !faults.is_empty() {
        return Err(Status::invalid("PodLogOptions", "", pod, &faults));
    }
    let unreadable =
        |text: &str| Status::bad_request(format!("sinceTime: {text:?} is no time as of RFC 3339"));
    let since = match (time, secs) {
        (Some(text), _) => Some(text.parse().map_err(|_| unreadable(text))?),
        (None, Some(secs)) => shared.env.now().checked_sub(jiff::SignedDuration::from_secs(secs)).ok(),
        (None, None) => None,
    };
    let count = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let mut options = LogOptions::of(query.text("container"));
    options.is_previous = query.flag("previous");
    options.is_followed = query.flag("follow");
    options.tail = tail.map(count);
    options.since = since;
    Ok((options, Shown { has_times: query.flag("timestamps"), left: limit.map(count) }))
}

/// The container that is meant.
///
/// # Errors
/// Which to choose from.
fn container(pod: &Live, asked: &str) -> Result<String, String> {
    let (spec, name) = (pod.part_tree(Part::Spec), &pod.key().name);
    if asked.is_empty()
        && let [only] = spec.list("containers")
    {
        return Ok(only.text("name").to_owned());
    }
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    let all: Vec<&str> =
        lists.iter().flat_map(|list| spec.list(list)).map(|container| container.text("name")).collect();
    if asked.is_empty() {
        let names = all.join(" ");
        return Err(format!("a container name must be specified for pod {name}, choose one of: [{names}]"));
    }
    if all.contains(&asked) {
        return Ok(asked.to_owned());
    }
    Err(format!("container {asked} is not valid for pod {name}"))
}
