//! The verb watch: a stream of events, one JSON object a line (`apiserver/pkg/endpoints/handlers/watch.go`,
//! `pkg/storage/cacher`).
//!
//! The stream is pulled: a client that does not read is behind, and gets 410 once history no longer goes back to it; the
//! writer never waits. Invariants: revisions never go back; a bookmark comes only after everything up to it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt, stream};
use orch_core::{Change, Env, Error, Event, Object, Revision, Select, Watch};
use serde_json::{Value, json};

use super::body::{self, Answer};
use super::call::Call;
use super::metrics::Counted;
use super::negotiate::{Encoding, Shape};
use super::output;
use super::query::ListOptions;
use super::read::{arrived, selection};
use super::status::{Doing, Status};
use super::table;

/// A watch that does not say how long ends after this to twice this (`--min-request-timeout`).
const LEAST_TIMEOUT: Duration = Duration::from_secs(1800);
/// No watch lasts longer, whatever it asks for: clocks end somewhere.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Bookmarks come this often at most. Kubernetes sends one a minute; a client whose barrier waits for one is glad of more.
const BOOKMARK_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn watch(call: Call) -> Answer {
    let mut options = ListOptions::read(&call.request.query, &call.info, call.version(), call.served, true)?;
    if !call.request.target.name.is_empty() {
        options.fields = options.fields.and_equals("metadata.name", &*call.request.target.name);
    }
    if call.form.encoding != Encoding::Json {
        return Err(Status::not_acceptable(&["application/json", "application/json;stream=watch"]));
    }
    let env = call.shared.env.clone();
    let timeout = match options.timeout_secs {
        Some(secs) if secs > 0 => Duration::from_secs(secs).min(LONGEST_TIMEOUT),
        _ => LEAST_TIMEOUT.mul_f64(1.0 + env.fraction()),
    };
    let deadline = env.elapsed().saturating_add(timeout);
    let select = selection(&call, &options);
    let opened = open(&call, &select, &options).await;
    let content_type = call.form.encoding.content_type();
    let (events, floor) = match opened {
        Ok(opened) => opened,
        // As of the watch cache: the answer is 200, and the stream has the error.
        Err(Opening::Error(error)) => {
            let line = text_line("ERROR", &call.failed(&error, Doing::Read).to_tree().to_string());
            return Ok(body::stream(content_type, stream::iter([line])));
        }
        Err(Opening::Refused(status)) => return Err(status),
    };
    let running = Running {
        _open: call.shared.metrics.open(&call.place),
        events,
        floor,
        deadline,
        alarm: Alarm::new(&env, deadline),
        seen: None,
        told: Revision::ZERO,
        next_bookmark: env.elapsed(),
        bookmarks: options.bookmarks,
        ends_initial: options.initial_events == Some(true),
        header: table::Header::Shown,
        is_as_stored: call.form.shape == Shape::Whole && !call.is_converted(),
        is_over: false,
        call,
    };
    Ok(body::stream(content_type, running.lines()))
}

enum Opening {
    Refused(Status),
    Error(Error),
}

/// Opens the watch of the store; events up to the second answer are not the client's.
async fn open(call: &Call, select: &Select, options: &ListOptions) -> Result<(Watch, Revision), Opening> {
    let asked = options.revision.filter(|revision| *revision != Revision::ZERO);
    let api = &call.api;
    let now = || async { api.list(select, None, 1).await.map(|page| page.revision) };
    let from = match (options.initial_events, asked) {
        // Begins with the state: of a revision that is not older than the one asked for.
        (Some(true), Some(revision)) => {
            let come = || -> BoxFuture<'_, _> {
                Box::pin(async move {
                    let current = now().await?;
                    if current < revision {
                        return Err(Error::Ahead { requested: revision, current });
                    }
                    Ok(())
                })
            };
            arrived(call, come).await.map_err(Opening::Refused)?;
            None
        }
        (Some(true), None) | (None, None) => None,
        (Some(false), None) => Some(now().await.map_err(Opening::Error)?),
        (_, Some(revision)) => Some(revision),
    };
    match api.watch(select, from).await {
        Ok(events) => Ok((events, Revision::ZERO)),
        // What has not come yet will: nothing before it is wanted.
        Err(Error::Ahead { requested, current }) => match api.watch(select, Some(current)).await {
            Ok(events) => Ok((events, requested)),
            Err(error) => Err(Opening::Error(error)),
        },
        Err(error) => Err(Opening::Error(error)),
    }
}

/// A watch that runs.
struct Running {
    call: Call,
    events: Watch,
    /// Events up to it are not the client's.
    floor: Revision,
    deadline: Duration,
    alarm: Alarm,
    /// Progress that the client has not been told.
    seen: Option<Revision>,
    told: Revision,
    next_bookmark: Duration,
    bookmarks: bool,
    /// Whether the end of the initial state is still to be marked.
    ends_initial: bool,
    /// Of the next table.
    header: table::Header,
    is_as_stored: bool,
    is_over: bool,
    /// It is counted while it is open.
    _open: Counted,
}

/// Wakes a watch at some time or before: most events come first, and a timer that is early need not be set anew for each.
struct Alarm {
    at: Duration,
    rings: BoxFuture<'static, ()>,
}

impl Alarm {
    fn new(env: &Env, at: Duration) -> Self {
        let env = env.clone();
        Self { at, rings: Box::pin(async move { env.sleep_until(at).await }) }
    }
}

impl Running {
    fn lines(self) -> impl Stream<Item = Bytes> + Send + 'static {
        // In a box: it is moved with each line.
        stream::unfold(Box::new(self), |mut running| async move {
            let line = running.next().await?;
            Some((line, running))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        let env = self.call.shared.env.clone();
        while !self.is_over {
            let due = match self.seen {
                Some(_) if self.bookmarks => self.next_bookmark.min(self.deadline),
                _ => self.deadline,
            };
            if self.alarm.at > due {
                self.alarm = Alarm::new(&env, due);
            }
            let event = tokio::select! {
                biased;
                event = self.events.next() => event,
                () = &mut self.alarm.rings => {
                    self.alarm = Alarm::new(&env, self.deadline);
                    if env.elapsed() < due {
                        continue;
                    }
                    // A last bookmark before the end lets the client come back where it was.
                    self.is_over = env.elapsed() >= self.deadline;
                    match self.bookmark() {
                        Some(line) => return Some(line),
                        None => continue,
                    }
                }
            };
            let line = match event {
                None => return None,
                Some(Err(error)) => {
                    self.is_over = true;
                    let status = self.call.failed(&error, Doing::Read);
                    Some(text_line("ERROR", &status.to_tree().to_string()))
                }
                Some(Ok(Event::Changed(change))) => self.changed(&change),
                Some(Ok(Event::Progress(revision))) => self.progress(revision),
            };
            if line.is_some() {
                return line;
            }
        }
        None
    }

    fn changed(&mut self, change: &Arc<Change>) -> Option<Bytes> {
        if change.revision <= self.floor {
            return None;
        }
        self.told = self.told.max(change.revision);
        self.seen = None;
        let (what, object) = match (&change.before, &change.now) {
            (None, Some(now)) => ("ADDED", now.object().clone()),
            (Some(_), Some(now)) => ("MODIFIED", now.object().clone()),
            (Some(before), None) => ("DELETED", before.at(change.revision)),
            (None, None) => return None,
        };
        if self.is_as_stored {
            let encode = || line(what, object.size(), |out| object.write_json(out));
            return Some(self.call.shared.lines.of(change, encode));
        }
        Some(text_line(what, &self.shown(&object).to_string()))
    }

    fn shown(&mut self, object: &Object) -> Value {
        match self.call.form.shape {
            Shape::Whole => self.call.tree(object),
            Shape::Metadata(version) | Shape::MetadataList(version) => {
                output::partial(&self.call.tree(object), version)
            }
            Shape::Table(version) => {
                let header = std::mem::replace(&mut self.header, table::Header::Hidden);
                let metadata = json!({"resourceVersion": object.revision().to_string()});
                table::table(&self.call, version, &metadata, &[self.call.tree(object)], header)
            }
        }
    }

    fn progress(&mut self, revision: Revision) -> Option<Bytes> {
        if revision > self.told {
            self.seen = Some(revision);
        }
        if self.ends_initial {
            self.seen.get_or_insert(revision);
            let line = self.bookmark_with(true);
            self.ends_initial = false;
            return line;
        }
        if self.call.shared.env.elapsed() >= self.next_bookmark { self.bookmark() } else { None }
    }

    fn bookmark(&mut self) -> Option<Bytes> {
        self.bookmark_with(false)
    }

    fn bookmark_with(&mut self, ends_initial: bool) -> Option<Bytes> {
        let revision = self.seen.take()?;
        if !self.bookmarks || self.ends_initial && !ends_initial || revision < self.floor {
            return None;
        }
        self.told = revision;
        self.next_bookmark = self.call.shared.env.elapsed() + BOOKMARK_EVERY;
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if ends_initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        Some(text_line("BOOKMARK", &self.marked(&metadata).to_string()))
    }

    fn marked(&mut self, metadata: &Value) -> Value {
        match self.call.form.shape {
            Shape::Whole => {
                let api_version = self.call.api_version();
                json!({"kind": &*self.call.info.name, "apiVersion": api_version, "metadata": metadata})
            }
            Shape::Metadata(version) | Shape::MetadataList(version) => {
                output::partial(&json!({"metadata": metadata}), version)
            }
            // A row of an object that has nothing.
            Shape::Table(version) => {
                let header = std::mem::replace(&mut self.header, table::Header::Hidden);
                let revision = json!({"resourceVersion": metadata["resourceVersion"]});
                table::table(&self.call, version, &revision, &[json!({"metadata": metadata})], header)
            }
        }
    }
}

fn text_line(what: &str, object: &str) -> Bytes {
    line(what, object.len(), |out| out.extend_from_slice(object.as_bytes()))
}

/// A line with an object that is written into it, of about that size.
fn line(what: &str, size: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::with_capacity(size + 128);
    for part in ["{\"type\":\"", what, "\",\"object\":"] {
        out.extend_from_slice(part.as_bytes());
    }
    write(&mut out);
    out.extend_from_slice(b"}\n");
    out.into()
}
