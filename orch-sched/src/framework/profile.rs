//! Which plugins a scheduler has, at which extension points and with which weights.
//!
//! Invariant: a plugin stands once, however many points it has, so that they share its tables.

use std::any::Any;
use std::collections::BTreeMap;

use orch_core::Kind;

use super::plugin::{Filter, Permit, Plugin, PostFilter, PreEnqueue, PreFilter, QueueSort, Reserve, Score};
use crate::{Error, plugins};

/// Plugins a profile can have: a refusal names its plugins as bits.
pub(crate) const MOST_PLUGINS: usize = 64;

type View<T> = fn(&dyn Plugin) -> &T;

/// A plugin and the extension points that it is used at.
pub struct Using<P> {
    plugin: P,
    points: Points,
}

#[derive(Clone, Copy, Default)]
struct Points {
    queue_sort: Option<View<dyn QueueSort>>,
    pre_enqueue: Option<View<dyn PreEnqueue>>,
    pre_filter: Option<View<dyn PreFilter>>,
    filter: Option<View<dyn Filter>>,
    post_filter: Option<View<dyn PostFilter>>,
    score: Option<(View<dyn Score>, i64)>,
    reserve: Option<fn(&mut dyn Plugin) -> &mut dyn Reserve>,
    permit: Option<View<dyn Permit>>,
}

fn own<P: Plugin>(plugin: &dyn Plugin) -> &P {
    (plugin as &dyn Any).downcast_ref().expect("the view was made for the type of this very plugin")
}

fn own_mut<P: Plugin>(plugin: &mut dyn Plugin) -> &mut P {
    (plugin as &mut dyn Any).downcast_mut().expect("the view was made for the type of this very plugin")
}

impl<P: Plugin> Using<P> {
    /// A plugin that is not used at any point yet.
    #[must_use]
    pub fn new(plugin: P) -> Self {
        Self { plugin, points: Points::default() }
    }

    /// Sorts the queue.
    #[must_use]
    pub fn queue_sort(mut self) -> Self
    where
        P: QueueSort,
    {
        self.points.queue_sort = Some(|plugin| own::<P>(plugin));
        self
    }

    /// Keeps pods out of the queue.
    #[must_use]
    pub fn pre_enqueue(mut self) -> Self
    where
        P: PreEnqueue,
    {
        self.points.pre_enqueue = Some(|plugin| own::<P>(plugin));
        self
    }

    /// Looks at a pod before the nodes.
    #[must_use]
    pub fn pre_filter(mut self) -> Self
    where
        P: PreFilter,
    {
        self.points.pre_filter = Some(|plugin| own::<P>(plugin));
        self
    }

    /// Filters nodes.
    #[must_use]
    pub fn filter(mut self) -> Self
    where
        P: Filter,
    {
        self.points.filter = Some(|plugin| own::<P>(plugin));
        self
    }

    /// Makes room when no node fits.
    #[must_use]
    pub fn post_filter(mut self) -> Self
    where
        P: PostFilter,
    {
        self.points.post_filter = Some(|plugin| own::<P>(plugin));
        self
    }

    /// Scores nodes, with that weight.
    #[must_use]
    pub fn score(mut self, weight: i64) -> Self
    where
        P: Score,
    {
        self.points.score = Some((|plugin| own::<P>(plugin), weight));
        self
    }

    /// Sets things aside.
    #[must_use]
    pub fn reserve(mut self) -> Self
    where
        P: Reserve,
    {
        self.points.reserve = Some(|plugin| own_mut::<P>(plugin));
        self
    }

    /// Holds pods back before they are bound.
    #[must_use]
    pub fn permit(mut self) -> Self
    where
        P: Permit,
    {
        self.points.permit = Some(|plugin| own::<P>(plugin));
        self
    }
}

struct Use {
    plugin: Box<dyn Plugin>,
    points: Points,
}

impl Clone for Use {
    fn clone(&self) -> Self {
        Self { plugin: self.plugin.fork(), points: self.points }
    }
}

/// The plugins of a scheduler, in the order in which they are asked.
#[derive(Clone, Default)]
pub struct Profile {
    uses: Vec<Use>,
}

impl Profile {
    /// Without any plugin: every node fits every pod.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Kubernetes' default profile (`pkg/scheduler/apis/config/v1/default_plugins.go`), as far as the plugins are there:
    /// all but those of topology spread, affinity between pods, image locality, volume limits and zones, and dynamic
    /// resources.
    #[must_use]
    pub fn kubernetes() -> Self {
        Self::empty()
            .with(Using::new(plugins::SchedulingGates).pre_enqueue())
            .with(Using::new(plugins::PrioritySort).queue_sort())
            .with(Using::new(plugins::NodeUnschedulable).filter())
            .with(Using::new(plugins::NodeName).filter())
            .with(Using::new(plugins::TaintToleration).filter().score(3))
            .with(Using::new(plugins::NodeAffinity).pre_filter().filter().score(2))
            .with(Using::new(plugins::NodePorts).pre_filter().filter())
            .with(Using::new(plugins::NodeResourcesFit::default()).filter().score(1))
            .with(Using::new(plugins::VolumeBinding::default()).pre_filter().filter().reserve())
            .with(Using::new(plugins::DefaultPreemption::default()).post_filter())
            .with(Using::new(plugins::NodeResourcesBalancedAllocation).score(1))
    }

    /// Adds a plugin, last; or puts it in the place of the one of the same name.
    #[must_use]
    pub fn with<P: Plugin>(mut self, using: Using<P>) -> Self {
        let one = Use { plugin: Box::new(using.plugin), points: using.points };
        match self.uses.iter_mut().find(|other| other.plugin.name() == one.plugin.name()) {
            Some(other) => *other = one,
            None => self.uses.push(one),
        }
        self
    }

    /// Takes a plugin out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.uses.retain(|one| one.plugin.name() != name);
        self
    }
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.uses.iter().map(|one| one.plugin.name())).finish()
    }
}

/// The plugins of a profile, found by extension point. A plugin is named by its place in the profile.
#[derive(Clone)]
pub(crate) struct Plugins {
    uses: Vec<Use>,
    /// Counts the changes that each plugin took in.
    epochs: Vec<u64>,
    by_kind: BTreeMap<Kind, Vec<usize>>,
    queue_sort: Option<usize>,
    post_filter: Option<usize>,
    pub(crate) scorers: Vec<(usize, i64)>,
    pub(crate) filters: Vec<usize>,
}

impl Plugins {
    pub(crate) fn new(profile: Profile) -> Result<Self, Error> {
        let uses = profile.uses;
        if uses.len() > MOST_PLUGINS {
            return Err(Error::TooManyPlugins { count: uses.len(), most: MOST_PLUGINS });
        }
        let at = |has: &dyn Fn(&Points) -> bool| -> Vec<usize> {
            uses.iter().enumerate().filter(|(_, one)| has(&one.points)).map(|(at, _)| at).collect()
        };
        let single = |point: &'static str, found: Vec<usize>| match found[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            [one, two, ..] => Err(Error::OnePlugin {
                point,
                first: uses[one].plugin.name(),
                second: uses[two].plugin.name(),
            }),
        };
        let queue_sort = single("queue sort", at(&|points| points.queue_sort.is_some()))?;
        let post_filter = single("post-filter", at(&|points| points.post_filter.is_some()))?;
        let filters = at(&|points| points.filter.is_some());
        let weighted = |(at, one): (usize, &Use)| one.points.score.map(|(_, weight)| (at, weight));
        let scorers =
            uses.iter().enumerate().filter_map(weighted).filter(|(_, weight)| *weight != 0).collect();
        let mut by_kind = BTreeMap::<Kind, Vec<usize>>::new();
        for (at, one) in uses.iter().enumerate() {
            one.plugin.kinds().into_iter().for_each(|kind| by_kind.entry(kind).or_default().push(at));
        }
        Ok(Self { epochs: vec![0; uses.len()], uses, by_kind, queue_sort, post_filter, scorers, filters })
    }

    pub(crate) fn len(&self) -> usize {
        self.uses.len()
    }

    pub(crate) fn get(&self, at: usize) -> &dyn Plugin {
        &*self.uses[at].plugin
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> &mut dyn Plugin {
        self.epochs[at] += 1;
        &mut *self.uses[at].plugin
    }

    pub(crate) fn epoch(&self, at: usize) -> u64 {
        self.epochs[at]
    }

    /// Who looks at a kind besides pods and nodes.
    pub(crate) fn of_kind(&self, kind: Kind) -> &[usize] {
        self.by_kind.get(&kind).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.by_kind.keys().copied()
    }

    pub(crate) fn filter(&self, at: usize) -> Option<&dyn Filter> {
        let one = &self.uses[at];
        one.points.filter.map(|view| view(&*one.plugin))
    }

    pub(crate) fn pre_filter(&self, at: usize) -> Option<&dyn PreFilter> {
        let one = &self.uses[at];
        one.points.pre_filter.map(|view| view(&*one.plugin))
    }

    pub(crate) fn scorer(&self, at: usize) -> Option<&dyn Score> {
        let one = &self.uses[at];
        one.points.score.map(|(view, _)| view(&*one.plugin))
    }

    pub(crate) fn queue_sort(&self) -> Option<&dyn QueueSort> {
        let one = &self.uses[self.queue_sort?];
        one.points.queue_sort.map(|view| view(&*one.plugin))
    }

    pub(crate) fn post_filter(&self) -> Option<(usize, &dyn PostFilter)> {
        let at = self.post_filter?;
        let one = &self.uses[at];
        one.points.post_filter.map(|view| (at, view(&*one.plugin)))
    }

    pub(crate) fn permits(&self) -> impl Iterator<Item = (usize, &dyn Permit)> {
        let permit = |(at, one): (usize, &'_ Use)| one.points.permit.map(|view| (at, view));
        let permits: Vec<_> = self.uses.iter().enumerate().filter_map(permit).collect();
        permits.into_iter().map(|(at, view)| (at, view(&*self.uses[at].plugin)))
    }

    pub(crate) fn gatekeepers(&self) -> impl Iterator<Item = &dyn PreEnqueue> {
        self.uses.iter().filter_map(|one| one.points.pre_enqueue.map(|view| view(&*one.plugin)))
    }

    /// Places of the plugins that set things aside.
    pub(crate) fn reserving(&self) -> Vec<usize> {
        (0..self.len()).filter(|at| self.uses[*at].points.reserve.is_some()).collect()
    }

    /// Setting things aside changes what the plugin answers for others.
    pub(crate) fn reserve_mut(&mut self, at: usize) -> Option<&mut dyn Reserve> {
        let one = &mut self.uses[at];
        let view = one.points.reserve?;
        Some(view(&mut *one.plugin))
    }

    pub(crate) fn bump(&mut self, at: usize) {
        self.epochs[at] += 1;
    }
}
