//! What happens to a run from outside, in order of time: faults and what users do.

use std::time::Duration;

use orch_core::Env;

use super::fault::{self, Fault, Trouble};
use super::{Chaos, Step, Workload};
use crate::Part;

/// How long a view may be late though nothing goes wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that comes from outside.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Fault(Fault),
    Step(Step),
}

impl Item {
    pub(super) fn at(&self) -> Duration {
        match self {
            Self::Fault(fault) => fault.at,
            Self::Step(step) => step.at,
        }
    }
}

/// The items of a run; each is known by its number.
#[derive(Clone, Debug)]
pub(super) struct Timeline(Vec<Item>);

impl Timeline {
    pub(super) fn draw(env: &Env, chaos: &Chaos, parts: &[Part], workload: &mut dyn Workload) -> Self {
        let mut mix = chaos.mix.clone();
        if !chaos.access.is_rest() {
            mix.line = 0.0;
        }
        let faults = fault::draw(&env.child("faults"), &mix, parts, chaos.span);
        let steps = workload.draw(&env.child("workload"), chaos.span);
        let mut items: Vec<Item> =
            faults.into_iter().map(Item::Fault).chain(steps.into_iter().map(Item::Step)).collect();
        // Stable: what is drawn for the same time stays in its order.
        items.sort_by_key(Item::at);
        Self(items)
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.0
    }

    /// How late any view can be in this run: as long as all faults together, and as long again for back-off.
    pub(super) fn patience(&self) -> Duration {
        let late = |item: &Item| match item {
            Item::Fault(Fault {
                what: Trouble::ContainerExits { .. } | Trouble::ContainerHangs { .. },
                ..
            })
            | Item::Step(_) => Duration::ZERO,
            Item::Fault(fault) => fault.lasts,
        };
        PATIENCE + 2 * self.0.iter().map(late).sum::<Duration>()
    }

    /// A line for each item.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(number, item): (usize, &Item)| match item {
            Item::Fault(fault) => format!("#{number} fault at {fault}"),
            Item::Step(step) => format!("#{number} user at {:.3}s: {}", step.at.as_secs_f64(), step.what),
        };
        self.0.iter().enumerate().map(line).collect()
    }
}
