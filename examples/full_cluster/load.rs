//! Load on a Service from outside, on a fresh connection each time, and the tally of what came back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orch::network::Network;
use tokio::task::JoinSet;

use crate::http;

/// How many clients ask at the same time.
const CLIENTS: usize = 8;

/// What came back.
#[derive(Debug, Default)]
pub struct Tally {
    /// Answers by the first word of their text: the pod that answered.
    pub by_pod: BTreeMap<String, usize>,
    /// Answers by the second word of their text: the version that answered.
    pub by_version: BTreeMap<String, usize>,
    /// Why requests failed.
    pub failures: Vec<String>,
}

impl Tally {
    /// Requests that were answered.
    pub fn answered(&self) -> usize {
        self.by_pod.values().sum()
    }

    fn add(&mut self, result: anyhow::Result<String>) {
        match result {
            Ok(text) => {
                let mut words = text.split(' ').map(str::to_owned);
                *self.by_pod.entry(words.next().unwrap_or_default()).or_default() += 1;
                *self.by_version.entry(words.next().unwrap_or_default()).or_default() += 1;
            }
            Err(error) => self.failures.push(format!("{error:#}")),
        }
    }

    fn merge(&mut self, other: Self) {
        for (all, some) in [(&mut self.by_pod, other.by_pod), (&mut self.by_version, other.by_version)] {
            for (key, count) in some {
                *all.entry(key).or_default() += count;
            }
        }
        self.failures.extend(other.failures);
    }
}

/// Clients that ask until they are told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Tally>,
}

impl Load {
    /// Starts the clients.
    pub fn start(network: &Arc<dyn Network>, to: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (stop, network) = (Arc::clone(&stop), Arc::clone(network));
            clients.spawn(async move {
                let mut tally = Tally::default();
                while !stop.load(Ordering::Relaxed) {
                    tally.add(http::fetch(network.connect(None, to), "web", "/").await);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                tally
            });
        }
        Self { stop, clients }
    }

    /// Stops the clients when their last requests are answered.
    pub async fn finish(mut self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        while let Some(part) = self.clients.join_next().await {
            tally.merge(part.unwrap_or_default());
        }
        tally
    }
}

/// So many requests for a path, as fast as the clients can.
pub async fn requests(network: &Arc<dyn Network>, to: SocketAddr, path: &'static str, count: usize) -> Tally {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let network = Arc::clone(network);
        let share = count / CLIENTS + usize::from(client < count % CLIENTS);
        clients.spawn(async move {
            let mut tally = Tally::default();
            for _ in 0..share {
                tally.add(http::fetch(network.connect(None, to), "web", path).await);
            }
            tally
        });
    }
    let mut tally = Tally::default();
    while let Some(part) = clients.join_next().await {
        tally.merge(part.unwrap_or_default());
    }
    tally
}
