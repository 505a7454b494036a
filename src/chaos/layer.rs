//! The layer between a part and the Api: it knows who calls, cuts the part off, and crashes it between two writes.
//!
//! It changes no answer. Invariant: a write that a crash or a cut suppressed never reached the Api.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::unfold;
use orch_core::{
    Api, DryRun, Env, Error, Key, Live, Page, Precondition, Read, Registry, Result, Revision, Select, Str,
    User, Watch, Watches, Write,
};

use super::Happening;
use super::hub::{ACTOR, Hub};
use super::watched::watched;
use crate::Part;

/// How long a client waits for an Api that does not answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The Api as one part sees it.
pub(super) struct Layer {
    below: Arc<dyn Api>,
    hub: Hub,
    env: Env,
    actor: Str,
    part: Option<Part>,
    isolated: bool,
}

impl Layer {
    /// Of nobody yet: parts come by impersonation.
    pub(super) fn new(below: Arc<dyn Api>, hub: Hub, isolated: bool) -> Self {
        let env = hub.env().child("layer");
        Self { below, hub, env, actor: "unknown".into(), part: None, isolated }
    }

    /// Fails, after a while, when the part is cut off.
    async fn reach(&self) -> Result<()> {
        self.hub.called(&self.actor);
        if !self.hub.is_severed(&self.actor) {
            return Ok(());
        }
        let mended = self.hub.mended();
        self.env.timeout(TIMEOUT.mul_f64(self.env.fraction()), mended).await;
        Err(unreachable(&self.actor))
    }
}

fn unreachable(actor: &str) -> Error {
    Error::Unavailable { part: "api".into(), why: format!("{actor} is cut off") }
}

/// Who a user is: the actor's name and the part that crashes with it.
fn who(user: &User, isolated: bool) -> (Str, Option<Part>) {
    if let Some(name) = user.name.strip_prefix("system:serviceaccount:kube-system:") {
        let part = if isolated { Part::Controller(name.into()) } else { Part::Controllers };
        return (name.into(), Some(part));
    }
    if let Some(node) = user.name.strip_prefix("system:node:") {
        return (format!("node/{node}").into(), Some(Part::Agent(node.into())));
    }
    match &*user.name {
        "system:kube-scheduler" => ("scheduler".into(), Some(Part::Scheduler)),
        other => (other.into(), None),
    }
}

#[async_trait]
impl Read for Layer {
    fn watches(&self) -> Watches {
        self.below.watches()
    }

    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        self.reach().await?;
        self.below.get(key, at_least).await
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        self.reach().await?;
        self.below.list(what, page, limit).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        self.reach().await?;
        let inner = self.below.watch(what, from).await?;
        let inner = watched(inner, self.hub.clone(), self.actor.clone(), what.clone(), from);
        Ok(severable(inner, self.hub.clone(), self.actor.clone()))
    }
}

/// A watch that is silent while its part is cut off, and breaks off then.
fn severable(inner: Watch, hub: Hub, actor: Str) -> Watch {
    unfold(Some((inner, hub, actor)), |state| async move {
        let (mut inner, hub, actor) = state?;
        let event = inner.next().await?;
        loop {
            let mended = hub.mended();
            if !hub.is_severed(&actor) {
                return Some((event, Some((inner, hub, actor))));
            }
            mended.await;
            if !hub.is_severed(&actor) {
                return Some((Err(unreachable(&actor)), None));
            }
        }
    })
    .boxed()
}

#[async_trait]
impl Api for Layer {
    async fn write(&self, mut writes: Vec<Write>) -> Vec<Result<Live>> {
        if let Err(error) = self.reach().await {
            return writes.iter().map(|_| Err(error.clone())).collect();
        }
        let crash = self
            .part
            .as_ref()
            .and_then(|part| self.hub.crash_after(part, writes.len()).map(|crash| (part, crash)));
        if let Some((part, (done, told))) = crash {
            writes.truncate(done);
            if !writes.is_empty() {
                ACTOR.scope(self.actor.clone(), self.below.write(writes)).await;
            }
            self.hub.crash(part);
            told.notify_one();
            // The part is dropped where it waits: here.
            std::future::pending::<()>().await;
            return Vec::new();
        }
        let named: Vec<Option<Precondition>> = writes
            .iter()
            .map(|write| (write.options.dry_run == DryRun::Off).then(|| write.precondition.clone()))
            .collect();
        let answers = ACTOR.scope(self.actor.clone(), self.below.write(writes)).await;
        for (live, named) in answers.iter().zip(&named) {
            if let (Ok(live), Some(named)) = (live, named) {
                self.hub.acknowledged(&self.actor, live, named);
            }
        }
        answers
    }

    fn impersonate(&self, user: &User) -> Arc<dyn Api> {
        let (actor, part) = who(user, self.isolated);
        if let Some(node) = actor.strip_prefix("node/") {
            // An agent takes on its name when it starts.
            self.hub.happened(&Happening::AgentStarted { node });
        }
        let env = self.env.child(&actor);
        let below = self.below.impersonate(user);
        Arc::new(Self { below, hub: self.hub.clone(), env, actor, part, isolated: self.isolated })
    }

    fn registry(&self) -> &Registry {
        self.below.registry()
    }
}
