//! Watches: of one kind each, resumed without a word when the server ends them in peace.
//!
//! A server need not say how far it is for a minute. A watch that must know has itself opened anew for a few seconds:
//! shortly before the end of each there comes a bookmark (`apiserver/pkg/storage/cacher/cache_watcher.go`). Invariant: a change
//! comes once, in order, and progress only after all changes up to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use http::Request;
use http::header::ACCEPT;
use http_body_util::BodyExt;
use orch_core::{Change, Error, Event, Key, KindInfo, Live, Object, Result, Revision, Select, Watch, kind};
use serde_json::Value;

use super::error::{About, Status};
use super::events::Lines;
use super::exchange::{AnswerBody, Lost};
use super::path::Path;
use super::{RemoteApi, read};
use crate::tree::Get;

/// A watch asks to be ended after this to twice this, as Kubernetes' reflector does (`minWatchTimeout`).
const LONG: Duration = Duration::from_secs(300);
/// How long one runs whose server is to say how far it is: the bookmark comes two seconds before the end.
const SHORT: Duration = Duration::from_secs(3);
/// How long it may take until it says so by itself.
const PATIENCE: Duration = Duration::from_secs(1);
/// After the time when the server should have ended it: the connection is dead.
const GRACE: Duration = Duration::from_secs(30);
/// A watch that was ended sooner than this without a word is not opened again at once.
const LEAST: Duration = Duration::from_secs(1);

pub(super) async fn open(api: &RemoteApi, what: &Select, from: Option<Revision>) -> Result<Watch> {
    let [kind] = what.kinds[..] else {
        let kind = what.kinds.first().copied().unwrap_or(kind::NAMESPACES);
        return Err(Error::NotAllowed { kind, what: "a watch together with other kinds" });
    };
    let info = api.info(kind)?;
    let mut running = Running {
        api: api.clone(),
        info: Arc::clone(&info),
        select: what.clone(),
        known: BTreeMap::new(),
        pending: VecDeque::new(),
        seen: Revision::ZERO,
        current: Revision::ZERO,
        is_over: false,
        open: None,
    };
    match from {
        None => running.begin(read::every(api, &info, what).await?),
        Some(from) => {
            let namespace = what.namespace.as_deref().unwrap_or_default();
            let current = read::current(api, kind, namespace).await?;
            if current < from {
                return Err(Error::Ahead { requested: from, current });
            }
            (running.seen, running.current) = (from, current);
            running.connect(LONG.mul_f64(1.0 + api.shared.env.fraction())).await?;
        }
    }
    Ok(stream::unfold(running, |mut running| async move {
        let event = running.next().await?;
        Some((event, running))
    })
    .boxed())
}

/// A watch that runs.
struct Running {
    api: RemoteApi,
    info: Arc<KindInfo>,
    select: Select,
    /// What was yielded, to tell what was before: a pointer each.
    known: BTreeMap<Key, Object>,
    pending: VecDeque<Event>,
    /// Everything up to there has been yielded or is pending.
    seen: Revision,
    /// When it was opened; zero once progress up to it was told.
    current: Revision,
    is_over: bool,
    open: Option<Open>,
}

/// What the server sends now.
struct Open {
    body: AnswerBody,
    lines: Lines,
    began: Duration,
    /// When it is at an end, and when the server must have said how far it is.
    ends: Duration,
    is_short: bool,
    is_silent: bool,
}

impl Running {
    /// Yields the present state, and goes on from there.
    fn begin(&mut self, mut present: read::Chunk) {
        present.items.sort_by_key(|live| live.revision());
        for live in present.items {
            self.known.insert(live.key().clone(), live.object().clone());
            let change = Change::new(live.revision(), Some(live), None);
            self.pending.push_back(Event::Changed(Arc::new(change)));
        }
        self.seen = present.revision;
        self.pending.push_back(Event::Progress(present.revision));
    }

    async fn next(&mut self) -> Option<Result<Event>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(Ok(event));
            }
            if self.is_over {
                return None;
            }
            if let Err(error) = self.step().await {
                self.is_over = true;
                return Some(Err(error));
            }
        }
    }

    fn about(&self) -> About {
        let namespace = self.select.namespace.as_deref().unwrap_or_default();
        About::read_at(&Key::new(self.info.kind, namespace, ""), self.seen)
    }

    fn unavailable(why: impl Into<String>) -> Error {
        Error::Unavailable { part: "the watch of the API server".into(), why: why.into() }
    }

    /// Opens it anew, or reads what has come.
    async fn step(&mut self) -> Result<()> {
        let env = self.api.shared.env.clone();
        let Some(open) = &mut self.open else {
            let long = LONG.mul_f64(1.0 + env.fraction());
            return self.connect(if self.current > Revision::ZERO { SHORT } else { long }).await;
        };
        if let Some(line) = open.lines.next().map_err(Self::unavailable)? {
            open.is_silent = false;
            return self.take(&line);
        }
        let until = match self.current {
            Revision::ZERO => open.ends + GRACE,
            _ if open.is_short => open.ends + GRACE,
            _ => open.began + PATIENCE,
        };
        let left = until.saturating_sub(env.elapsed());
        match env.timeout(left, open.body.frame()).await {
            None if until == open.ends + GRACE => Err(Self::unavailable("nothing came for too long")),
            None => {
                // It does not say how far it is.
                self.open = None;
                Ok(())
            }
            Some(None) => {
                let is_sudden = open.is_silent && env.elapsed().saturating_sub(open.began) < LEAST;
                self.open = None;
                if is_sudden { Err(Self::unavailable("it was ended at once")) } else { Ok(()) }
            }
            Some(Some(Err(error))) => Err(Self::unavailable(super::error::chain(&*error))),
            Some(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    open.lines.push(data);
                }
                Ok(())
            }
        }
    }

    async fn connect(&mut self, lasts: Duration) -> Result<()> {
        let namespace = self.select.namespace.as_deref().unwrap_or_default();
        let path = Path::collection(&self.info, None, namespace)
            .selected(&self.select)
            .with("watch", "true")
            .with("allowWatchBookmarks", "true")
            .with("resourceVersion", &self.seen.to_string())
            .with("timeoutSeconds", &lasts.as_secs().to_string());
        let about = self.about();
        let request = Request::get(path.as_str()).header(ACCEPT, "application/json");
        let lost = |lost: Lost| about.lost(lost);
        let response = self.api.open(request, Bytes::new()).await.map_err(lost)?;
        if !response.status().is_success() {
            let answer = super::exchange::answer(&self.api, response).await.map_err(lost)?;
            return Err(about.refused(&self.api.shared.registry, &answer));
        }
        let began = self.api.shared.env.elapsed();
        self.open = Some(Open {
            body: response.into_body(),
            lines: Lines::default(),
            began,
            ends: began + lasts,
            is_short: lasts == SHORT,
            is_silent: true,
        });
        Ok(())
    }

    /// Takes in one line.
    fn take(&mut self, line: &[u8]) -> Result<()> {
        let wrong = |error| Self::unavailable(format!("an event that is no JSON: {error}"));
        let mut tree: Value = serde_json::from_slice(line).map_err(wrong)?;
        let object = tree.get_mut("object").map(Value::take).unwrap_or_default();
        match tree.text("type") {
            "ADDED" | "MODIFIED" => {
                let live = read::live(&self.info, object)?;
                let before = self.known.insert(live.key().clone(), live.object().clone());
                self.changed(live.revision(), Some(live), before)
            }
            "DELETED" => {
                let gone = read::live(&self.info, object)?;
                let before = self.known.remove(gone.key()).unwrap_or_else(|| gone.object().clone());
                self.changed(gone.revision(), None, Some(before))
            }
            "BOOKMARK" => {
                let metadata = object.at("metadata").cloned().unwrap_or_default();
                if let Ok(revision) = metadata.text("resourceVersion").parse() {
                    self.progress(revision);
                }
                Ok(())
            }
            "ERROR" => Err(self.about().status(&self.api.shared.registry, &Status::in_stream(&object))),
            other => Err(Self::unavailable(format!("an event of an unknown type {other:?}"))),
        }
    }

    fn changed(&mut self, revision: Revision, now: Option<Live>, before: Option<Object>) -> Result<()> {
        if revision <= self.seen {
            return Err(Self::unavailable(format!("revision {revision} came after {}", self.seen)));
        }
        self.seen = revision;
        self.pending.push_back(Event::Changed(Arc::new(Change::new(revision, now, before))));
        if self.current > Revision::ZERO && revision >= self.current {
            self.progress(revision);
        }
        Ok(())
    }

    fn progress(&mut self, revision: Revision) {
        self.seen = self.seen.max(revision);
        if revision >= self.current {
            self.current = Revision::ZERO;
        }
        self.pending.push_back(Event::Progress(self.seen));
    }
}
