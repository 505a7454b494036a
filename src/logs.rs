//! Logs of a cluster's pods, wherever they run: the way to the node.
//!
//! Nodes run in this process; an agent elsewhere would be reached here. Invariant: it keeps no cluster alive.

use std::sync::Weak;

use async_trait::async_trait;
use futures::stream::BoxStream;
use orch_core::runtime::LogLine;
use orch_core::{Error, Live, LogOptions, PodLogs, Result};
use orch_runtime::logs::RuntimeLogs;

use crate::cluster::Inner;

pub(crate) struct ClusterLogs(pub(crate) Weak<Inner>);

#[async_trait]
impl PodLogs for ClusterLogs {
    async fn open(&self, pod: &Live, options: &LogOptions) -> Result<BoxStream<'static, LogLine>> {
        let node = pod.field("spec.nodeName").unwrap_or_default();
        let logs = self.0.upgrade().and_then(|cluster| {
            let machine = cluster.parts.machine(node)?;
            Some(RuntimeLogs::new(machine.runtime, cluster.env.clone()))
        });
        let gone = || Error::Unavailable {
            part: node.into(),
            why: "the node does not run here: its logs cannot be read".to_owned(),
        };
        logs.ok_or_else(gone)?.open(pod, options).await
    }
}
