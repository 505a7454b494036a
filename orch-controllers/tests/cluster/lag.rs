//! An Api whose watches serve one kind each and lag, each kind by another time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use orch_core::{
    Api, Env, Key, Live, Page, Read, Registry, Result, Revision, Select, Str, User, Watch, Watches, Write,
};

/// Events on their way at once: more than any scenario makes.
const IN_FLIGHT: usize = 10_000;

pub(crate) struct Lagging {
    inner: Arc<dyn Api>,
    env: Env,
    seed: u64,
}

impl Lagging {
    pub(crate) fn new(inner: Arc<dyn Api>, env: Env, seed: u64) -> Self {
        Self { inner, env, seed }
    }

    /// Up to three seconds, by seed and kind.
    fn delay(&self, what: &Select) -> Duration {
        let name = what.kinds.first().map(|kind| kind.to_string()).unwrap_or_default();
        let hash = name.bytes().fold(self.seed.wrapping_mul(0x9e37_79b9), |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Duration::from_millis(hash % 3000)
    }
}

#[async_trait]
impl Read for Lagging {
    fn watches(&self) -> Watches {
        Watches::PerKind
    }

    async fn get(&self, key: &Key, at_least: Revision) -> Result<Live> {
        self.inner.get(key, at_least).await
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        self.inner.list(what, page, limit).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        assert_eq!(what.kinds.len(), 1, "one kind a watch");
        let (env, delay) = (self.env.clone(), self.delay(what));
        let late = self.inner.watch(what, from).await?.map(move |event| {
            let env = env.clone();
            async move {
                env.sleep(delay).await;
                event
            }
        });
        Ok(late.buffered(IN_FLIGHT).boxed())
    }
}

#[async_trait]
impl Api for Lagging {
    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Live>> {
        self.inner.write(writes).await
    }

    fn impersonate(&self, user: &User) -> Arc<dyn Api> {
        Arc::new(Self { inner: self.inner.impersonate(user), env: self.env.clone(), seed: self.seed })
    }

    fn registry(&self) -> &Registry {
        self.inner.registry()
    }
}
