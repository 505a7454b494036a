//! The Api as one start of a part has it: it dies with the part.
//!
//! A crash may be asked for from inside a call of the very part, and another thread may be in the middle of one. Invariant:
//! once the part's environment has stopped, no call of it goes out, and none that is under way comes back.

use std::sync::Arc;

use async_trait::async_trait;
use orch_core::{
    Api, Env, Key, Live, Page, Read, Registry, Result, Revision, Select, Str, User, Watch, Watches, Write,
};

/// An Api for the tasks of one environment, and for nobody else: after the crash its futures never complete.
pub(crate) struct Mortal {
    below: Arc<dyn Api>,
    env: Env,
}

impl Mortal {
    pub(crate) fn over(below: &Arc<dyn Api>, env: &Env) -> Arc<dyn Api> {
        Arc::new(Self { below: Arc::clone(below), env: env.clone() })
    }

    async fn alive<T>(&self, call: impl Future<Output = T> + Send) -> T {
        self.env.while_running().await;
        let answer = call.await;
        self.env.while_running().await;
        answer
    }
}

#[async_trait]
impl Read for Mortal {
    fn watches(&self) -> Watches {
        self.below.watches()
    }

    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        self.alive(self.below.get(key, at_least)).await
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        self.alive(self.below.list(what, page, limit)).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        self.alive(self.below.watch(what, from)).await
    }
}

#[async_trait]
impl Api for Mortal {
    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Live>> {
        self.alive(self.below.write(writes)).await
    }

    fn impersonate(&self, user: &User) -> Arc<dyn Api> {
        Self::over(&self.below.impersonate(user), &self.env)
    }

    fn registry(&self) -> &Registry {
        self.below.registry()
    }
}
