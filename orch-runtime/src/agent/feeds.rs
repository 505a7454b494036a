//! The feeds of one agent: its pods, its node, and each object that its pods refer to.
//!
//! One watch an object, as the kubelet has (`pkg/kubelet/util/manager/watch_based_manager.go`): a node sees nothing that
//! its pods do not name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{AbortHandle, Abortable, BoxStream, SelectAll};
use orch_core::{Api, Change, Env, Event, Feed, Key, Poker, Read, Revision, Select, Str, kind};
use tokio::sync::Notify;

use super::command::Input;

/// What a feed is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Pods,
    Node,
    Source(Key),
}

/// All feeds of one agent.
pub(super) struct Feeds {
    api: Arc<dyn Api>,
    env: Env,
    streams: SelectAll<Abortable<BoxStream<'static, (About, Event)>>>,
    open: BTreeMap<About, Open>,
}

struct Open {
    abort: AbortHandle,
    poke: Arc<Notify>,
    /// `None` before its initial state was told.
    seen: Option<Revision>,
}

impl Feeds {
    /// The feeds of pods and node.
    pub(super) fn new(api: &Arc<dyn Api>, env: &Env, node: &Str) -> Self {
        let mut feeds =
            Self { api: Arc::clone(api), env: env.clone(), streams: SelectAll::new(), open: BTreeMap::new() };
        feeds.add(About::Pods, Select::kind(kind::PODS).field("spec.nodeName", node));
        feeds.add(About::Node, Select::kind(kind::NODES).field("metadata.name", node));
        feeds
    }

    fn add(&mut self, about: About, select: Select) {
        let feed = Feed::new(Arc::clone(&self.api) as Arc<dyn Read>, self.env.clone(), select);
        let poke = feed.poker();
        let (abort, registration) = AbortHandle::new_pair();
        let name = about.clone();
        let stream = feed.into_stream().map(move |event| (name.clone(), event)).boxed();
        self.streams.push(Abortable::new(stream, registration));
        self.open.insert(about, Open { abort, poke, seen: None });
    }

    /// Follows exactly these objects besides; says whether the set of feeds changed.
    pub(super) fn follow<'a>(&mut self, wanted: impl Iterator<Item = &'a Key>) -> bool {
        let wanted: BTreeSet<&Key> = wanted.collect();
        let is_unwanted = |about: &&About| matches!(about, About::Source(key) if !wanted.contains(key));
        let unwanted: Vec<About> = self.open.keys().filter(is_unwanted).cloned().collect();
        let is_new = |key: &&&Key| !self.open.contains_key(&About::Source((**key).clone()));
        let fresh: Vec<Key> = wanted.iter().filter(is_new).map(|key| (*key).clone()).collect();
        for about in &unwanted {
            if let Some(open) = self.open.remove(about) {
                open.abort.abort();
            }
        }
        for key in &fresh {
            let mut select = Select::kind(key.kind).field("metadata.name", &key.name);
            if !key.namespace.is_empty() {
                select = select.namespace(key.namespace.clone());
            }
            self.add(About::Source(key.clone()), select);
        }
        !unwanted.is_empty() || !fresh.is_empty()
    }

    /// To ask all of them for progress.
    pub(super) fn poker(&self) -> Poker {
        self.open.values().map(|open| Arc::clone(&open.poke)).collect()
    }

    /// How far all of them are.
    pub(super) fn seen(&self) -> Revision {
        self.open.values().map(|open| open.seen.unwrap_or_default()).min().unwrap_or_default()
    }

    /// What the next event says. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Vec<Input> {
        match self.streams.next().await {
            Some((about, event)) => self.read(about, event),
            None => std::future::pending().await,
        }
    }

    fn read(&mut self, about: About, event: Event) -> Vec<Input> {
        let Some(open) = self.open.get_mut(&about) else { return Vec::new() };
        match event {
            Event::Changed(change) => {
                open.seen = open.seen.map(|seen| seen.max(change.revision));
                inputs(&about, &change)
            }
            Event::Progress(revision) => {
                let is_first = open.seen.is_none();
                open.seen = open.seen.max(Some(revision));
                match about {
                    About::Pods if is_first => vec![Input::PodsRead],
                    About::Node if is_first => vec![Input::NodeRead],
                    About::Source(key) if is_first => vec![Input::SourceRead(key)],
                    _ => Vec::new(),
                }
            }
        }
    }
}

fn inputs(about: &About, change: &Change) -> Vec<Input> {
    match about {
        About::Node => vec![Input::Node(change.now.clone())],
        About::Source(key) => {
            vec![Input::Source {
                key: key.clone(),
                object: change.now.as_ref().map(|live| live.object().clone()),
            }]
        }
        About::Pods => {
            let mut inputs = Vec::new();
            let now = change.now.as_ref();
            let gone =
                change.before.as_ref().filter(|before| now.is_none_or(|now| now.uid() != before.uid()));
            if let Some(gone) = gone {
                inputs.push(Input::PodGone { key: gone.key().clone(), uid: gone.uid().clone() });
            }
            inputs.extend(now.cloned().map(Input::Pod));
            inputs
        }
    }
}
