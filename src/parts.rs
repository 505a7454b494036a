//! The parts of a running cluster: which run, how they crash, how they come back.
//!
//! Not here: what a part is made of ([`recipes`](crate::recipes)). Invariants: a part has one start at a time that runs, in
//! an environment of its own whose name differs from start to start; no code of the user's runs under the lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orch_core::runtime::Runtime;
use orch_core::{Env, Str};

use crate::recipes::{Machine, Recipes, Start};
use crate::{Error, Part};

/// The parts of one cluster.
pub(crate) struct Parts {
    /// `None` after shutdown: what the user gave the parts is let go then.
    recipes: Mutex<Option<Arc<Recipes>>>,
    slots: Mutex<BTreeMap<Part, Slot>>,
}

/// What is known of a part.
#[derive(Default)]
struct Slot {
    starts: u32,
    /// Of the last start.
    env: Option<Env>,
    /// Of a node that runs.
    machine: Option<Machine>,
}

impl Slot {
    fn is_running(&self) -> bool {
        self.env.as_ref().is_some_and(|env| !env.is_stopped())
    }
}

impl Parts {
    /// Starts all of them in their order.
    pub(crate) fn start(recipes: Recipes, is_isolated: bool) -> Self {
        let mut parts: Vec<Part> = vec![Part::Proxy, Part::Names];
        if !recipes.is_alone {
            parts.push(Part::Scheduler);
        }
        if is_isolated {
            parts.extend(recipes.controllers.iter().map(|recipe| Part::Controller(Arc::clone(&recipe.name))));
        } else if !recipes.controllers.is_empty() {
            parts.push(Part::Controllers);
        }
        for node in recipes.nodes.keys() {
            parts.extend([Part::Agent(Arc::clone(node)), Part::Node(Arc::clone(node))]);
        }
        let slots: BTreeMap<_, _> = parts.into_iter().map(|part| (part, Slot::default())).collect();
        let all: Vec<Part> = slots.keys().cloned().collect();
        let recipes = Arc::new(recipes);
        let parts = Self { recipes: Mutex::new(Some(Arc::clone(&recipes))), slots: Mutex::new(slots) };
        for part in all {
            // An agent comes with its node.
            if !matches!(part, Part::Agent(_)) {
                parts.launch(&recipes, &part);
            }
        }
        parts
    }

    /// Everything that can crash, in order.
    pub(crate) fn all(&self) -> Vec<Part> {
        self.slots().keys().cloned().collect()
    }

    pub(crate) fn is_running(&self, part: &Part) -> bool {
        self.slots().get(part).is_some_and(Slot::is_running)
    }

    /// What runs the containers of a node that runs.
    pub(crate) fn machine(&self, node: &str) -> Option<Machine> {
        let slots = self.slots();
        slots.get(&Part::Node(node.into())).filter(|slot| slot.is_running())?.machine.clone()
    }

    pub(crate) fn crash(&self, part: &Part) -> Result<(), Error> {
        let machine = {
            let mut slots = self.slots();
            let slot = slots.get_mut(part).ok_or_else(|| no_part(part))?;
            if let Some(env) = &slot.env {
                env.crash();
            }
            slot.machine.take()
        };
        // What it drops may be the user's: not under the lock.
        drop(machine);
        Ok(())
    }

    pub(crate) fn restart(&self, part: &Part) -> Result<(), Error> {
        let recipes = self.recipes().clone().ok_or_else(|| no_part(part))?;
        if !self.slots().contains_key(part) {
            return Err(no_part(part));
        }
        if let Part::Agent(node) = part
            && !self.is_running(&Part::Node(Arc::clone(node)))
        {
            return Err(Error::NoNode { name: node.to_string() });
        }
        self.launch(&recipes, part);
        Ok(())
    }

    /// Lets go of everything; the tasks have ended by now.
    pub(crate) fn clear(&self) {
        let recipes = self.recipes().take();
        let machines: Vec<_> = self.slots().values_mut().filter_map(|slot| slot.machine.take()).collect();
        drop((recipes, machines));
    }

    /// Starts a part that is there; its last start crashes, if it runs.
    fn launch(&self, recipes: &Recipes, part: &Part) {
        match part {
            Part::Node(node) => self.launch_node(recipes, node),
            Part::Agent(node) => {
                let machine =
                    self.slots().get(&Part::Node(Arc::clone(node))).and_then(|slot| slot.env.clone());
                if let (Some(env), Some(machine)) = (machine, self.machine(node)) {
                    self.launch_agent(recipes, node, &env, None, &machine.runtime);
                }
            }
            part => {
                let Some(start) = self.begin(recipes, part, &recipes.env) else { return };
                match part {
                    Part::Controller(name) => recipes.start_controllers(&start, Some(name)),
                    Part::Scheduler => recipes.start_scheduler(start),
                    Part::Proxy => recipes.start_proxy(start),
                    Part::Names => recipes.start_names(start),
                    _ => recipes.start_controllers(&start, None),
                }
            }
        }
    }

    fn launch_node(&self, recipes: &Recipes, name: &Str) {
        let (part, node) = (Part::Node(Arc::clone(name)), &recipes.nodes[name]);
        let Some(Start { env, before }) = self.begin(recipes, &part, &recipes.env) else { return };
        let machine = recipes.new_machine(&env, node);
        if let Some(slot) = self.slots().get_mut(&part)
            && !env.is_stopped()
        {
            slot.machine = Some(machine.clone());
        }
        self.launch_agent(recipes, name, &env, before, &machine.runtime);
    }

    fn launch_agent(
        &self,
        recipes: &Recipes,
        name: &Str,
        machine: &Env,
        machine_before: Option<Env>,
        runtime: &Arc<dyn Runtime>,
    ) {
        let part = Part::Agent(Arc::clone(name));
        let Some(start) = self.begin(recipes, &part, machine) else { return };
        recipes.start_agent(start, machine_before, &recipes.nodes[name], runtime);
    }

    /// Ends the last start of a part and makes the environment of the next; `None` when there is nothing left to run it on.
    fn begin(&self, recipes: &Recipes, part: &Part, parent: &Env) -> Option<Start> {
        let skew = recipes.skew(part);
        let (start, machine) = {
            let mut slots = self.slots();
            let slot = slots.get_mut(part).filter(|_| !parent.is_stopped())?;
            slot.starts += 1;
            let name = if let Part::Agent(_) = part { "agent".to_owned() } else { part.to_string() };
            let name = if slot.starts == 1 { name } else { format!("{name}#{}", slot.starts) };
            let env = parent.skewed_child(&name, skew);
            let before = slot.env.replace(env.clone());
            before.iter().for_each(Env::crash);
            (Start { env, before }, slot.machine.take())
        };
        drop(machine);
        Some(start)
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<Part, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recipes(&self) -> MutexGuard<'_, Option<Arc<Recipes>>> {
        self.recipes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_part(part: &Part) -> Error {
    Error::NoPart { part: part.clone() }
}
