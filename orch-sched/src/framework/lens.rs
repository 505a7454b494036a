//! One pod looked at through the plugins: which nodes it fits, and how well.
//!
//! Pure functions of plugins, pod and cluster; what they find is kept elsewhere. Invariant: a node fits when it fits with
//! the pods that were promised it, and without them.

use orch_core::Str;
use orch_core::scheduler::{Explanation, NodeVerdict};

use super::plugin::{Bounds, Prefilter, Refusal, Remedy, Scope};
use super::profile::Plugins;
use super::tournament::Key;
use crate::cluster::{Cluster, NodeId, Pod, PodId, Sign};

/// Who refuses, and why.
pub(crate) type Refused = (usize, Refusal);

/// What there is to do for a class of pods.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    pub(crate) filters: Vec<usize>,
    pub(crate) scorers: Vec<(usize, i64)>,
    pub(crate) scope: Scope,
    /// Only these nodes can fit, says that plugin.
    pub(crate) only: Option<(usize, Vec<Str>)>,
    epochs: Vec<(usize, u64)>,
}

impl Outline {
    pub(crate) fn new(plugins: &Plugins, pod: &Pod) -> Result<Self, Refused> {
        let (mut skipped, mut only) = (Vec::new(), None::<(usize, Vec<Str>)>);
        let mut looked = Vec::new();
        for at in 0..plugins.len() {
            let Some(plugin) = plugins.pre_filter(at) else { continue };
            match plugin.pre_filter(pod).map_err(|refusal| (at, refusal))? {
                Prefilter::Skip => skipped.push(at),
                Prefilter::All => looked.push(at),
                Prefilter::Only(names) => {
                    looked.push(at);
                    only = Some(match only {
                        Some((first, others)) => {
                            (first, others.into_iter().filter(|name| names.contains(name)).collect())
                        }
                        None => (at, names),
                    });
                }
            }
        }
        let filters: Vec<_> = plugins.filters.iter().copied().filter(|at| !skipped.contains(at)).collect();
        let applies = |at: usize| plugins.scorer(at).is_some_and(|scorer| scorer.applies(pod));
        let scorers: Vec<_> = plugins.scorers.iter().copied().filter(|(at, _)| applies(*at)).collect();
        looked.extend(filters.iter().copied().chain(scorers.iter().map(|(at, _)| *at)));
        looked.sort_unstable();
        looked.dedup();
        let scopes = looked.iter().map(|at| plugins.get(*at).scope(pod));
        let scope = scopes.fold(Scope::Node, wider);
        let epochs = looked.into_iter().map(|at| (at, plugins.epoch(at))).collect();
        Ok(Self { filters, scorers, scope, only, epochs })
    }

    /// Whether no plugin that has a say has taken in anything since.
    pub(crate) fn is_current(&self, plugins: &Plugins) -> bool {
        self.epochs.iter().all(|(at, epoch)| plugins.epoch(*at) == *epoch)
    }

    /// The nodes that are looked at one by one, when there are few.
    pub(crate) fn few(&self, cluster: &Cluster) -> Option<Vec<NodeId>> {
        let (_, names) = self.only.as_ref()?;
        let mut nodes: Vec<_> = names.iter().filter_map(|name| cluster.find(name)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        Some(nodes)
    }
}

fn wider(one: Scope, other: Scope) -> Scope {
    match (one, other) {
        (Scope::Domains(mut keys), Scope::Domains(more)) => {
            keys.extend(more);
            keys.sort_unstable();
            keys.dedup();
            Scope::Domains(keys)
        }
        (one, other) => one.max(other),
    }
}

/// A pod and who looks at it.
#[derive(Clone, Copy)]
pub(crate) struct Lens<'a> {
    pub(crate) plugins: &'a Plugins,
    pub(crate) outline: &'a Outline,
    pub(crate) pod: &'a Pod,
    pub(crate) seed: u64,
}

impl Lens<'_> {
    /// Whether the pod fits the node as it is.
    pub(crate) fn check(&self, cluster: &Cluster, node: NodeId) -> Result<(), Refused> {
        let node = cluster.node(node);
        for at in &self.outline.filters {
            if let Some(filter) = self.plugins.filter(*at) {
                filter.check(self.pod, &node).map_err(|refusal| (*at, refusal))?;
            }
        }
        Ok(())
    }

    /// Whether the pod fits the node as it is, and with the pods that were promised it and are as important.
    pub(crate) fn check_promised(&self, cluster: &mut Cluster, node: NodeId) -> Result<(), Refused> {
        let promised = self.promised(cluster, node);
        if !promised.is_empty() {
            promised.iter().for_each(|id| cluster.try_count(*id, node, Sign::On));
            let check = self.check(cluster, node);
            promised.iter().rev().for_each(|id| cluster.try_count(*id, node, Sign::Off));
            check?;
        }
        self.check(cluster, node)
    }

    /// The pods that were promised the node and are as important.
    pub(crate) fn promised(&self, cluster: &Cluster, node: NodeId) -> Vec<PodId> {
        let counts = |id: &PodId| {
            let other = cluster.pod(*id);
            other.priority() >= self.pod.priority() && other.uid() != self.pod.uid()
        };
        cluster.nominated(node).filter(counts).collect()
    }

    /// Writes the score of each scorer.
    pub(crate) fn score(&self, cluster: &Cluster, node: NodeId, scores: &mut [i64]) {
        let node = cluster.node(node);
        for ((at, _), score) in self.outline.scorers.iter().zip(scores) {
            *score = self.plugins.scorer(*at).map_or(0, |scorer| scorer.score(self.pod, &node));
        }
    }

    /// The weighted sum of normalised scores, and what breaks ties.
    pub(crate) fn key(&self, cluster: &Cluster, node: NodeId, scores: &[i64], bounds: &[Bounds]) -> Key {
        let mut total = 0;
        for ((at, weight), (score, bounds)) in self.outline.scorers.iter().zip(scores.iter().zip(bounds)) {
            total += self.plugins.scorer(*at).map_or(0, |scorer| scorer.normalise(*score, *bounds)) * weight;
        }
        (total, self.tie(cluster, node))
    }

    /// Like chance, but it follows from seed, node and how many pods the node has: equal nodes take turns.
    pub(crate) fn tie(&self, cluster: &Cluster, node: NodeId) -> u64 {
        let node = cluster.node(node);
        let mixed = self.seed
            ^ node.facts().hash()
            ^ node.pod_count().cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Looks at those nodes one by one, without any memory.
    pub(crate) fn survey(&self, cluster: &mut Cluster, nodes: impl IntoIterator<Item = NodeId>) -> Survey {
        let (mut fits, mut refused) = (Vec::new(), Vec::new());
        for node in nodes {
            match self.check_promised(cluster, node) {
                Ok(()) => {
                    let mut scores = vec![0; self.outline.scorers.len()];
                    self.score(cluster, node, &mut scores);
                    fits.push((node, scores));
                }
                Err((at, refusal)) => refused.push((node, at, refusal)),
            }
        }
        let bound = |scorer: usize| {
            let scores = || fits.iter().map(|(_, scores)| scores[scorer]);
            Bounds { min: scores().min().unwrap_or(0), max: scores().max().unwrap_or(0) }
        };
        let bounds: Vec<_> = (0..self.outline.scorers.len()).map(bound).collect();
        let key = |(node, scores): &(NodeId, Vec<i64>)| (*node, self.key(cluster, *node, scores, &bounds));
        Survey { fits: fits.iter().map(key).collect(), refused }
    }
}

/// What was found of some nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub(crate) fits: Vec<(NodeId, Key)>,
    pub(crate) refused: Vec<(NodeId, usize, Refusal)>,
}

impl Survey {
    pub(crate) fn best(&self) -> Option<NodeId> {
        self.fits.iter().max_by_key(|(node, key)| (*key, std::cmp::Reverse(*node))).map(|(node, _)| *node)
    }

    pub(crate) fn misfit(&self, lens: &Lens<'_>, cluster: &Cluster) -> Misfit {
        let mut misfit = Misfit::new(cluster.len());
        self.refused.iter().for_each(|(_, at, refusal)| misfit.count(*at, refusal, 1));
        misfit.explanation.fitting = self.fits.len();
        if let Some((at, _)) = &lens.outline.only {
            let reason = format!("node(s) didn't satisfy plugin(s) [{}]", lens.plugins.get(*at).name());
            let others = cluster.len() - self.fits.len() - self.refused.len();
            misfit.count(*at, &Refusal::unresolvable(reason), others);
        }
        misfit
    }

    pub(crate) fn detail(&self, lens: &Lens<'_>, cluster: &Cluster) -> Vec<NodeVerdict> {
        let name = |node: NodeId| cluster.node(node).name().clone();
        let fit = self.fits.iter().map(|(node, _)| NodeVerdict {
            node: name(*node),
            plugin: Str::default(),
            reasons: Vec::new(),
        });
        let unfit = self.refused.iter().map(|(node, at, refusal)| NodeVerdict {
            node: name(*node),
            plugin: lens.plugins.get(*at).name().into(),
            reasons: refusal.reasons.iter().map(|reason| Str::from(&**reason)).collect(),
        });
        let mut detail: Vec<_> = fit.chain(unfit).collect();
        detail.sort_by(|one, other| one.node.cmp(&other.node));
        detail
    }
}

/// Why no node fits, and which plugins say so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Misfit {
    pub(crate) explanation: Explanation,
    /// A bit a plugin. None: there is no node.
    pub(crate) by: u64,
}

impl Misfit {
    pub(crate) fn new(nodes: usize) -> Self {
        Self { explanation: Explanation::new(nodes), by: 0 }
    }

    /// A reason that holds on every node.
    pub(crate) fn overall(nodes: usize, by: u64, why: impl Into<String>) -> Self {
        let mut misfit = Self { by, ..Self::new(nodes) };
        misfit.explanation.overall = Some(why.into());
        misfit
    }

    /// A refusal by one plugin that holds on every node.
    pub(crate) fn refused(nodes: usize, (at, refusal): &Refused) -> Self {
        Self::overall(nodes, 1 << at, refusal.reasons.join(", "))
    }

    pub(crate) fn count(&mut self, at: usize, refusal: &Refusal, nodes: usize) {
        if nodes > 0 {
            self.by |= 1 << at;
            refusal.reasons.iter().for_each(|reason| self.explanation.count(reason, nodes));
        }
    }
}

/// Whether removing pods could help.
pub(crate) fn is_resolvable(refusal: &Refusal) -> bool {
    refusal.remedy == Remedy::Preemption
}
