//! What is asked of the cluster, one function a step. Each answers a line for people or says what did not hold.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Service};
use orch::Cluster;
use orch::network::Network;
use serde_json::json;

use crate::http;
use crate::load::{self, Load, Tally};

/// Longer than any step takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The cluster and what the steps need of it.
pub struct Shop {
    pub cluster: Cluster,
    network: Arc<dyn Network>,
    web: SocketAddr,
}

impl Shop {
    /// Applies the manifests and waits until every pod is ready.
    pub async fn open(cluster: Cluster, manifests: &str) -> Result<Self> {
        cluster.apply(manifests).await?;
        let network = cluster.network();
        let service: Service = cluster.of("shop").get("web").await?;
        let ip = service.spec.and_then(|spec| spec.cluster_ip).context("web has no cluster IP")?;
        let shop = Self { web: SocketAddr::new(ip.parse()?, 80), cluster, network };
        shop.until("every pod is ready", |pods| pods.len() == 4 && pods.iter().all(is_ready)).await?;
        shop.serving(3).await?;
        Ok(shop)
    }

    async fn pods(&self) -> Result<Vec<Pod>> {
        Ok(self.cluster.of::<Pod>("shop").list().await?)
    }

    /// Waits until the pods of the namespace are as described.
    async fn until(&self, what: &str, holds: impl Fn(&[Pod]) -> bool + Send + Sync) -> Result<Vec<Pod>> {
        let settled = self.cluster.wait_for::<Pod>("shop", PATIENCE, |pods| holds(pods)).await;
        match settled {
            Ok(pods) => Ok(pods),
            Err(error) => {
                let pods = self.pods().await?.iter().map(describe).collect::<Vec<_>>().join("; ");
                bail!("{what}: {error}; pods: {pods}")
            }
        }
    }

    /// Waits until so many different pods answer behind the Service.
    async fn serving(&self, count: usize) -> Result<()> {
        self.answers(&format!("{count} pods"), |tally| tally.by_pod.len() == count).await
    }

    /// Waits until the Service answers every request, and so. Its endpoints follow a moment after its pods.
    async fn answers(&self, by: &str, holds: impl Fn(&Tally) -> bool) -> Result<()> {
        let mut last = Tally::default();
        for _ in 0..600 {
            last = load::requests(&self.network, self.web, "/", 24).await;
            if last.failures.is_empty() && holds(&last) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the Service is not answered by {by}: {last:?}")
    }

    /// Counted in the database, which the web servers reach by its DNS name.
    pub async fn thousand_requests(&self) -> Result<String> {
        let tally = load::requests(&self.network, self.web, "/count", 1000).await;
        ensure!(
            tally.failures.is_empty(),
            "{} requests failed: {:?}",
            tally.failures.len(),
            tally.failures.first()
        );
        ensure!(tally.by_pod.len() == 3, "answered by {:?} only", tally.by_pod);
        let least = tally.by_pod.values().min().copied().unwrap_or(0);
        ensure!(least >= 200, "not spread: {:?}", tally.by_pod);
        let count = self.count().await?;
        ensure!(count == 1000, "the database counted {count}");
        Ok(format!("spread {:?}, the database counted {count}", tally.by_pod.values().collect::<Vec<_>>()))
    }

    /// What the database has counted. A pod is ready a moment before DNS says so: asked again until it does.
    async fn count(&self) -> Result<u64> {
        for _ in 0..500 {
            match self.cluster.connect("shop", "db-0.db", 8080).await {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                connected => {
                    let connect = std::future::ready(connected);
                    return Ok(http::fetch(connect, "db-0.db", "/count").await?.parse()?);
                }
            }
        }
        bail!("db-0.db has no address")
    }

    /// Replaced by a new one with a new address, and no request lost.
    pub async fn graceful_deletion(&self) -> Result<String> {
        let victim = self.a_web_pod(|_| true).await?;
        let load = Load::start(&self.network, self.web);
        self.cluster.of::<Pod>("shop").delete(name(&victim)).await?;
        let pods = self.until("the pod is replaced", |pods| {
            web_pods(pods).filter(|pod| is_ready(pod)).count() == 3
                && pods.iter().all(|pod| name(pod) != name(&victim))
        });
        let pods = pods.await?;
        let tally = load.finish().await;
        ensure!(
            tally.failures.is_empty(),
            "{} requests lost: {:?}",
            tally.failures.len(),
            tally.failures.first()
        );
        let address = ip(&victim);
        ensure!(web_pods(&pods).all(|pod| ip(pod) != address), "the address {address} was given again");
        Ok(format!("{} replaced, {} requests, none lost", name(&victim), tally.answered()))
    }

    /// Restarted in place; only requests in flight on it may fail.
    pub async fn crash(&self) -> Result<String> {
        let victim = self.a_web_pod(|_| true).await?;
        let load = Load::start(&self.network, self.web);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let address = SocketAddr::new(ip(&victim).parse()?, 8080);
        let _ = http::fetch(self.network.connect(None, address), "web", "/crash").await;
        let restarted =
            |pod: &Pod| name(pod) == name(&victim) && restarts(pod) > restarts(&victim) && is_ready(pod);
        self.until("the container is restarted", |pods| pods.iter().any(restarted)).await?;
        let tally = load.finish().await;
        let (failed, answered) = (tally.failures.len(), tally.answered());
        ensure!(
            failed <= 8,
            "{failed} requests failed, more than can have been in flight: {:?}",
            tally.failures
        );
        Ok(format!("{} restarted, {answered} requests, {failed} in flight failed", name(&victim)))
    }

    /// To version 2: no request lost, never fewer available than allowed.
    pub async fn rolling_update(&self) -> Result<String> {
        let load = Load::start(&self.network, self.web);
        let watch = self.least_available();
        let tally = {
            let rollout = async {
                self.set_image("shop/web:2").await?;
                self.rolled_out().await
            };
            let (result, least) = watch.during(rollout).await?;
            result?;
            ensure!(least >= 3, "only {least} pods were available");
            load.finish().await
        };
        ensure!(
            tally.failures.is_empty(),
            "{} requests lost: {:?}",
            tally.failures.len(),
            tally.failures.first()
        );
        self.answers("version 2 alone", |tally| tally.by_version.keys().eq(["v2"])).await?;
        Ok(format!("{} requests, none lost, never fewer than 3 available", tally.answered()))
    }

    async fn set_image(&self, image: &str) -> Result<()> {
        let deployments = self.cluster.of::<Deployment>("shop");
        let mut web = deployments.get("web").await?;
        let containers = web.spec.template.spec.as_mut().map(|spec| &mut spec.containers);
        for container in containers.into_iter().flatten() {
            container.image = Some(image.to_owned());
        }
        web.metadata.resource_version = None;
        deployments.update(&web).await?;
        Ok(())
    }

    async fn rolled_out(&self) -> Result<()> {
        let done = |webs: &[Deployment]| {
            webs.iter().any(|web| {
                let status = web.status.clone().unwrap_or_default();
                let wanted = web.spec.replicas.unwrap_or(1);
                status.observed_generation == web.metadata.generation
                    && [status.replicas, status.updated_replicas, status.available_replicas]
                        == [Some(wanted); 3]
            })
        };
        self.cluster.wait_for("shop", PATIENCE, done).await.context("the rollout does not end")?;
        Ok(())
    }

    fn least_available(&self) -> LeastAvailable<'_> {
        LeastAvailable { cluster: &self.cluster }
    }

    /// To ten pods and back to three.
    pub async fn scale(&self) -> Result<String> {
        for replicas in [10, 3] {
            let patch = json!({"spec": {"replicas": replicas}});
            self.cluster.of::<Deployment>("shop").merge("web", patch).await?;
            self.rolled_out().await?;
            let serving =
                move |pods: &[Pod]| web_pods(pods).count() == replicas && web_pods(pods).all(is_ready);
            self.until("scaled", serving).await?;
            self.serving(replicas).await?;
        }
        Ok("to 10 and back to 3".into())
    }

    /// The rollout stalls, the Service stays, and a rollback ends it.
    pub async fn broken_version(&self) -> Result<String> {
        let load = Load::start(&self.network, self.web);
        self.set_image("shop/web:broken").await?;
        let stalled = |webs: &[Deployment]| {
            let conditions = webs.iter().filter_map(|web| web.status.as_ref()?.conditions.as_ref()).flatten();
            conditions
                .into_iter()
                .any(|condition| condition.reason.as_deref() == Some("ProgressDeadlineExceeded"))
        };
        self.cluster.wait_for("shop", PATIENCE, stalled).await.context("the rollout does not stall")?;
        self.set_image("shop/web:2").await?;
        self.rolled_out().await?;
        let tally = load.finish().await;
        ensure!(
            tally.failures.is_empty(),
            "{} requests lost: {:?}",
            tally.failures.len(),
            tally.failures.first()
        );
        Ok(format!("stalled and rolled back, {} requests, none lost", tally.answered()))
    }

    /// Its web pods are replaced elsewhere.
    pub async fn node_death(&self) -> Result<String> {
        let database = self.pods().await?.into_iter().find(|pod| name(pod) == "db-0").context("no db-0")?;
        let home = node(&database).to_owned();
        // All of the web pods may be where the database is.
        let web = self.a_web_pod(|pod| node(pod) != home).await.ok().map(|pod| node(&pod).to_owned());
        let nodes = self.cluster.of::<Node>("").list().await?;
        let other = nodes.into_iter().filter_map(|node| node.metadata.name).find(|name| *name != home);
        let dead = web.or(other).context("no second node")?;
        let lost = web_pods(&self.pods().await?).filter(|pod| node(pod) == dead).count();
        self.cluster.kill_node(&dead)?;
        let elsewhere = |pods: &[Pod]| {
            web_pods(pods).filter(|pod| is_ready(pod) && !is_terminating(pod) && node(pod) != dead).count()
                == 3
        };
        self.until("replaced elsewhere", elsewhere).await?;
        // As whoever runs the machines would: a node that does not come back is removed, and its pods with it.
        self.cluster.of::<Node>("").delete(&dead).await?;
        // The pods that died may have been all that there were.
        self.serving(3).await?;
        let tally = load::requests(&self.network, self.web, "/", 100).await;
        ensure!(tally.failures.is_empty(), "requests lost after the failover: {:?}", tally.failures.first());
        Ok(format!("{dead} died with {lost} of the web pods, three are ready on the others"))
    }

    /// Same name, same data.
    pub async fn stateful_identity(&self) -> Result<String> {
        let before = self.count().await?;
        let old = self.pods().await?.into_iter().find(|pod| name(pod) == "db-0").context("no db-0")?;
        self.cluster.of::<Pod>("shop").delete("db-0").await?;
        let again = |pod: &Pod| name(pod) == "db-0" && pod.metadata.uid != old.metadata.uid && is_ready(pod);
        self.until("db-0 is back", |pods| pods.iter().any(again)).await?;
        let after = self.count().await?;
        ensure!(before == after && after >= 1000, "the count was {before} and is {after}");
        Ok(format!("db-0 is back and still counts {after}"))
    }

    /// The mounted file follows its ConfigMap.
    pub async fn config_follows(&self) -> Result<String> {
        let motd = "the baker is ill today";
        let patch = json!({"data": {"motd": motd}});
        self.cluster.of::<ConfigMap>("shop").merge("web", patch).await?;
        let pod = self.a_web_pod(|pod| is_ready(pod) && !is_terminating(pod)).await?;
        let address = SocketAddr::new(ip(&pod).parse()?, 8080);
        for _ in 0..600 {
            if http::fetch(self.network.connect(None, address), "web", "/motd").await? == motd {
                return Ok(format!("{} reads {motd:?}", name(&pod)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the mounted file did not follow")
    }

    /// Everything in it goes with it.
    pub async fn namespace_deletion(&self) -> Result<String> {
        self.cluster.of::<Namespace>("").delete("shop").await?;
        let gone = |namespaces: &[Namespace]| {
            namespaces.iter().all(|ns| ns.metadata.name.as_deref() != Some("shop"))
        };
        self.cluster.wait_for("", PATIENCE, gone).await.context("the namespace stays")?;
        let left = self.cluster.objects_in("shop").await?;
        ensure!(left.is_empty(), "left behind: {left:?}");
        Ok("nothing is left in it".into())
    }

    async fn a_web_pod(&self, wanted: impl Fn(&Pod) -> bool) -> Result<Pod> {
        let pods = self.pods().await?;
        pods.into_iter().find(|pod| name(pod).starts_with("web-") && wanted(pod)).context("no such web pod")
    }
}

/// Watches how many pods of the Deployment are available while something happens.
struct LeastAvailable<'a> {
    cluster: &'a Cluster,
}

impl LeastAvailable<'_> {
    async fn during<T>(&self, body: impl Future<Output = T>) -> Result<(T, usize)> {
        use futures::StreamExt;
        let mut changes = self.cluster.of::<Pod>("shop").watch().await?;
        let (mut least, mut ready) = (usize::MAX, BTreeSet::new());
        let mut complete = false;
        tokio::pin!(body);
        loop {
            tokio::select! {
                biased;
                Some(change) = changes.next() => {
                    let change = change?;
                    let key = change.key().clone();
                    match change.now.as_ref().map(|live| live.to::<Pod>()).transpose()? {
                        Some(pod) if name(&pod).starts_with("web-") && is_ready(&pod) => _ = ready.insert(key),
                        _ => _ = ready.remove(&key),
                    }
                    complete |= ready.len() >= 3;
                    if complete {
                        least = least.min(ready.len());
                    }
                }
                answer = &mut body => return Ok((answer, least)),
            }
        }
    }
}

fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

fn node(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default()
}

fn ip(pod: &Pod) -> String {
    pod.status.as_ref().and_then(|status| status.pod_ip.clone()).unwrap_or_default()
}

fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|status| status.restart_count).sum()
}

fn web_pods(pods: &[Pod]) -> impl Iterator<Item = &Pod> {
    pods.iter().filter(|pod| name(pod).starts_with("web-") && !is_terminating(pod))
}

fn describe(pod: &Pod) -> String {
    let phase = pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
    let ready = if is_ready(pod) { "ready" } else { "not ready" };
    format!("{} on {:?} {phase} {ready}", name(pod), node(pod))
}
