//! What is known of every node for one class of pods: who fits, why not, how well.
//!
//! It catches up from the log: after a placement one node is looked at again, not all. Invariant: it says what
//! [`Lens::survey`] over all nodes would say, which the tests hold it to.

use std::collections::BTreeMap;

use super::lens::{Lens, Misfit, Refused};
use super::plugin::{Bounds, Refusal, Scope};
use super::rescue::Rescue;
use super::tournament::{OUT, Tournament};
use crate::cluster::{Cluster, NodeId};

const FITS: u32 = 0;
/// No node has the place.
const ABSENT: u32 = 1;
/// Codes from here on count refusals.
const REFUSALS: u32 = 2;
/// Distinct refusals kept besides two a node; beyond, the table is made anew and forgets those that no node has any more.
const MOST_REFUSALS: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    position: u64,
    shape: u64,
    codes: Vec<u32>,
    refusals: Refusals,
    /// Scores by node and scorer.
    scores: Vec<i64>,
    width: usize,
    /// Of each scorer that normalises, how many fitting nodes have a score.
    spread: Vec<Option<BTreeMap<i64, usize>>>,
    bounds: Vec<Bounds>,
    tree: Tournament,
    fitting: usize,
    /// Why no node fits, as of a position.
    misfit: Option<(u64, Misfit)>,
    pub(crate) rescue: Rescue,
}

/// Distinct refusals, numbered, with how many nodes have each.
#[derive(Clone, Debug, Default)]
struct Refusals {
    ids: BTreeMap<Refused, u32>,
    list: Vec<(Refused, usize)>,
}

impl Refusals {
    fn code(&mut self, refused: Refused) -> u32 {
        let next = REFUSALS + u32::try_from(self.list.len()).expect("there are fewer refusals than nodes");
        let code = *self.ids.entry(refused).or_insert_with_key(|refused| {
            self.list.push((refused.clone(), 0));
            next
        });
        self.list[(code - REFUSALS) as usize].1 += 1;
        code
    }
}

impl Table {
    /// Everything, in columns.
    pub(crate) fn new(lens: &Lens<'_>, cluster: &mut Cluster) -> Self {
        let places = cluster.places();
        let width = lens.outline.scorers.len();
        let normalises = |at: usize| lens.plugins.scorer(at).is_some_and(|scorer| scorer.normalises());
        let mut table = Self {
            position: cluster.log().position(),
            shape: cluster.shape(),
            codes: vec![ABSENT; places],
            scores: vec![0; places * width],
            width,
            spread: lens.outline.scorers.iter().map(|(at, _)| normalises(*at).then(BTreeMap::new)).collect(),
            bounds: vec![Bounds { min: 0, max: 0 }; width],
            ..Self::default()
        };
        let mut nodes: Vec<NodeId> = cluster.nodes().map(|node| node.id()).collect();
        nodes.sort_unstable();
        let promised: Vec<NodeId> =
            nodes.extract_if(.., |node| !lens.promised(cluster, *node).is_empty()).collect();
        for node in promised {
            let check = lens.check_promised(cluster, node);
            table.enter(lens, cluster, node, Some(check));
        }
        let (codes, refusals) = (&mut table.codes, &mut table.refusals);
        for at in &lens.outline.filters {
            if let Some(filter) = lens.plugins.filter(*at) {
                filter.filter_columns(lens.pod, cluster, &mut nodes, &mut |node, refusal| {
                    codes[node.0 as usize] = refusals.code((*at, refusal));
                });
            }
        }
        for node in nodes {
            table.enter(lens, cluster, node, Some(Ok(())));
        }
        table.rebound();
        table.retotal(lens, cluster);
        table
    }

    /// Looks again at what changed.
    pub(crate) fn refresh(&mut self, lens: &Lens<'_>, cluster: &mut Cluster) {
        let position = cluster.log().position();
        if self.position == position {
            return;
        }
        let Some(mut changed) = self.changed(lens, cluster) else {
            *self = Self::new(lens, cluster);
            return;
        };
        let grown = self.codes.len() < cluster.places();
        if grown {
            self.codes.resize(cluster.places(), ABSENT);
            self.scores.resize(cluster.places() * self.width, 0);
        }
        changed.sort_unstable();
        changed.dedup();
        for node in &changed {
            let check = cluster.is_node(*node).then(|| lens.check_promised(cluster, *node));
            self.leave(*node);
            self.enter(lens, cluster, *node, check);
        }
        if self.rebound() || grown {
            self.retotal(lens, cluster);
        } else {
            for node in changed {
                let key = self.key(lens, cluster, node);
                self.tree.set(node.0, key);
            }
        }
        (self.position, self.shape) = (position, cluster.shape());
    }

    /// The nodes to look at again; `None` when that is all of them.
    fn changed(&self, lens: &Lens<'_>, cluster: &Cluster) -> Option<Vec<NodeId>> {
        let changed = cluster.log().since(self.position)?;
        if changed.len() > cluster.len() || self.refusals.list.len() > cluster.len() * 2 + MOST_REFUSALS {
            return None;
        }
        let changed: Vec<NodeId> = changed.collect();
        match &lens.outline.scope {
            Scope::Node => Some(changed),
            Scope::Cluster => None,
            // A label that changed moves a node between domains: only the log of loads is fine enough for less.
            Scope::Domains(_) if self.shape != cluster.shape() => None,
            Scope::Domains(keys) => {
                let mut all = Vec::new();
                for key in keys {
                    let value = |node: &NodeId| cluster.node(*node).label(key);
                    let values: std::collections::BTreeSet<_> =
                        changed.iter().filter(|node| cluster.is_node(**node)).filter_map(value).collect();
                    let inside =
                        cluster.nodes().filter(|node| node.label(key).is_some_and(|v| values.contains(v)));
                    all.extend(inside.map(|node| node.id()));
                }
                all.extend(changed);
                Some(all)
            }
        }
    }

    fn leave(&mut self, node: NodeId) {
        match self.codes[node.0 as usize] {
            FITS => {
                self.fitting -= 1;
                let scores = &self.scores[node.0 as usize * self.width..][..self.width];
                for (spread, score) in self.spread.iter_mut().zip(scores) {
                    if let Some(spread) = spread
                        && let Some(count) = spread.get_mut(score)
                    {
                        *count -= 1;
                        if *count == 0 {
                            spread.remove(score);
                        }
                    }
                }
            }
            ABSENT => {}
            code => self.refusals.list[(code - REFUSALS) as usize].1 -= 1,
        }
        self.codes[node.0 as usize] = ABSENT;
    }

    fn enter(
        &mut self,
        lens: &Lens<'_>,
        cluster: &Cluster,
        node: NodeId,
        check: Option<Result<(), Refused>>,
    ) {
        self.codes[node.0 as usize] = match check {
            None => ABSENT,
            Some(Err(refused)) => self.refusals.code(refused),
            Some(Ok(())) => {
                self.fitting += 1;
                let scores = &mut self.scores[node.0 as usize * self.width..][..self.width];
                lens.score(cluster, node, scores);
                for (spread, score) in self.spread.iter_mut().zip(scores) {
                    if let Some(spread) = spread {
                        *spread.entry(*score).or_default() += 1;
                    }
                }
                FITS
            }
        };
    }

    /// Whether the bounds of a scorer moved.
    fn rebound(&mut self) -> bool {
        let mut moved = false;
        for (bounds, spread) in self.bounds.iter_mut().zip(&self.spread) {
            let Some(spread) = spread else { continue };
            let bound = |edge: Option<(&i64, &usize)>| edge.map_or(0, |(score, _)| *score);
            let now = Bounds { min: bound(spread.first_key_value()), max: bound(spread.last_key_value()) };
            moved |= *bounds != now;
            *bounds = now;
        }
        moved
    }

    fn retotal(&mut self, lens: &Lens<'_>, cluster: &Cluster) {
        let mut tree = std::mem::take(&mut self.tree);
        tree.rebuild((0..).map(NodeId).take(self.codes.len()).map(|node| self.key(lens, cluster, node)));
        self.tree = tree;
    }

    fn key(&self, lens: &Lens<'_>, cluster: &Cluster, node: NodeId) -> (i64, u64) {
        if self.codes[node.0 as usize] != FITS {
            return OUT;
        }
        let scores = &self.scores[node.0 as usize * self.width..][..self.width];
        lens.key(cluster, node, scores, &self.bounds)
    }

    pub(crate) fn best(&self) -> Option<NodeId> {
        self.tree.best().map(NodeId)
    }

    pub(crate) fn fits(&self, node: NodeId) -> bool {
        self.codes.get(node.0 as usize) == Some(&FITS)
    }

    /// Why a node is refused.
    pub(crate) fn refusal(&self, node: NodeId) -> Option<&Refusal> {
        let code = self.codes.get(node.0 as usize)?.checked_sub(REFUSALS)?;
        self.refusals.list.get(code as usize).map(|((_, refusal), _)| refusal)
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Why no node fits.
    pub(crate) fn misfit(&mut self, cluster: &Cluster) -> Misfit {
        if let Some((position, misfit)) = &self.misfit
            && *position == self.position
        {
            return misfit.clone();
        }
        let mut misfit = Misfit::new(cluster.len());
        for ((at, refusal), nodes) in &self.refusals.list {
            misfit.count(*at, refusal, *nodes);
        }
        misfit.explanation.fitting = self.fitting;
        self.misfit = Some((self.position, misfit.clone()));
        misfit
    }
}
