//! The feeds of one part: one over all its kinds, or one a kind where a watch cannot serve several.

use std::sync::Arc;

use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use tokio::sync::Notify;

use crate::view::Needs;
use crate::{Api, Env, Event, Feed, Kind, Select, Watches};

/// The changes of every kind that a part looks at, without end. See [`Feed`] for what it promises.
pub struct Informer {
    feeds: SelectAll<BoxStream<'static, (Option<Kind>, Event)>>,
    scopes: Vec<Option<Kind>>,
    poker: Poker,
}

/// Asks the feeds of an [`Informer`] how far their source is.
#[derive(Clone, Default)]
pub struct Poker(Arc<Vec<Arc<Notify>>>);

impl Poker {
    /// Each feed will yield progress of at least the revision that is current now.
    pub fn poke(&self) {
        self.0.iter().for_each(|feed| feed.notify_one());
    }
}

/// Of feeds that a part keeps itself.
impl FromIterator<Arc<Notify>> for Poker {
    fn from_iter<I: IntoIterator<Item = Arc<Notify>>>(feeds: I) -> Self {
        Self(Arc::new(feeds.into_iter().collect()))
    }
}

impl Informer {
    /// Feeds for these needs. Where kinds have watches of their own, every kind means those registered now.
    #[must_use]
    pub fn new(api: &Arc<dyn Api>, env: &Env, needs: &Needs) -> Self {
        Self::of_kinds(api, env, needs.kinds())
    }

    /// Feeds of those kinds; `None` means all.
    #[must_use]
    pub fn of_kinds(api: &Arc<dyn Api>, env: &Env, kinds: Option<Vec<Kind>>) -> Self {
        let scopes: Vec<Option<Kind>> = match api.watches() {
            Watches::Joint => vec![None],
            Watches::PerKind => {
                let all = || api.registry().kinds().iter().map(|info| info.kind).collect();
                kinds.clone().unwrap_or_else(all).into_iter().map(Some).collect()
            }
        };
        let joint = Select::kinds(kinds.unwrap_or_default());
        let (mut feeds, mut pokers) = (SelectAll::new(), Vec::new());
        for scope in scopes.clone() {
            let select = scope.map_or_else(|| joint.clone(), Select::kind);
            let feed = Feed::new(Arc::clone(api) as Arc<dyn crate::Read>, env.clone(), select);
            pokers.push(feed.poker());
            feeds.push(feed.into_stream().map(move |event| (scope, event)).boxed());
        }
        Self { feeds, scopes, poker: Poker(Arc::new(pokers)) }
    }

    /// The next event and the feed it comes from, as [`Cache::apply`](crate::view::Cache::apply) takes them. Dropping
    /// the future loses nothing.
    pub async fn next(&mut self) -> (Option<Kind>, Event) {
        match self.feeds.next().await {
            Some(event) => event,
            // Without kinds there is no feed.
            None => std::future::pending().await,
        }
    }

    /// The next event if it is there already.
    pub fn ready(&mut self) -> Option<(Option<Kind>, Event)> {
        self.feeds.next().now_or_never().flatten()
    }

    /// Whose events come: `None` for the joint feed.
    #[must_use]
    pub fn scopes(&self) -> &[Option<Kind>] {
        &self.scopes
    }

    /// To ask for progress from elsewhere.
    #[must_use]
    pub fn poker(&self) -> Poker {
        self.poker.clone()
    }
}
