//! What goes wrong: faults at their times, drawn from the seed as a list, so that each can be left out by itself.

use std::fmt;
use std::time::Duration;

use orch_core::{Env, Str};
use orch_store::Faults;

use crate::Part;

/// One fault: when, for how long, what.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// When it strikes, since the beginning.
    pub at: Duration,
    /// How long it lasts; what crashed starts again then.
    pub lasts: Duration,
    /// What goes wrong.
    pub what: Trouble,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Trouble {
    /// A part crashes, at once or after so many more writes: in the middle of a batch, before it learns of the answer.
    Crash {
        /// Which.
        part: Part,
        /// Writes that it still does; `None` means at once.
        writes: Option<u32>,
    },
    /// A part does not reach the Api: `scheduler`, `node/n1`, or a controller's name. A node that is cut off goes on to run
    /// its containers.
    Cut {
        /// Which.
        actor: Str,
    },
    /// The store answers late, wrongly or not at all, and its watches lag, break off or find history compacted.
    Store(Box<Faults>),
    /// The line between everybody and the API server, where they reach it by REST: requests or answers are lost (`unknown`),
    /// somebody in between refuses them (`unavailable`), they are late (`delay`), and bodies of answers, so watches, lag or
    /// break off.
    Line(Box<Faults>),
    /// A container ends by itself: the one of that number among all that run, modulo their count.
    ContainerExits {
        /// Which.
        nth: u64,
        /// With that code: 137 is a kill for want of memory, 134 a panic.
        code: i32,
    },
    /// A container stops answering probes and signals.
    ContainerHangs {
        /// Which.
        nth: u64,
    },
    /// Calls to the runtime of a node fail, late or before they are done, and events of exits are lost.
    Runtime {
        /// The node.
        node: Str,
        /// How often.
        chance: f64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}s for {:.3}s: ", self.at.as_secs_f64(), self.lasts.as_secs_f64())?;
        match &self.what {
            Trouble::Crash { part, writes: None } => write!(f, "{part} crashes"),
            Trouble::Crash { part, writes: Some(writes) } => {
                write!(f, "{part} crashes after {writes} writes")
            }
            Trouble::Cut { actor } => write!(f, "{actor} is cut off"),
            Trouble::Store(faults) => ways(f, "store", faults),
            Trouble::Line(faults) => ways(f, "line", faults),
            Trouble::ContainerExits { nth, code } => write!(f, "container {nth} exits with {code}"),
            Trouble::ContainerHangs { nth } => write!(f, "container {nth} hangs"),
            Trouble::Runtime { node, chance } => {
                write!(f, "calls to the runtime of {node} fail ({chance:.2})")
            }
        }
    }
}

fn ways(f: &mut fmt::Formatter<'_>, what: &str, faults: &Faults) -> fmt::Result {
    let chances = [
        ("conflicts", faults.conflict),
        ("lost answers", faults.unknown),
        ("refusals", faults.unavailable),
        ("delays", faults.delay),
        ("broken watches", faults.dropped_watch),
        ("compactions", faults.compaction),
        ("lag", faults.lag),
    ];
    write!(f, "the {what} has")?;
    for (name, chance) in chances.iter().filter(|(_, chance)| *chance > 0.0) {
        write!(f, " {name} ({chance:.2})")?;
    }
    Ok(())
}

/// How many faults of which kind strike in a run, on average in a virtual minute.
///
/// ```
/// let mix = orch::chaos::Mix::default();
/// assert!(mix.crashes > 0.0);
/// assert_eq!(orch::chaos::Mix::none().crashes, 0.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Mix {
    /// Crashes of parts other than machines.
    pub crashes: f64,
    /// Machines that die and come back.
    pub machines: f64,
    /// Parts that do not reach the Api.
    pub cuts: f64,
    /// Times in which the store is bad.
    pub store: f64,
    /// Times in which the line to the API server is bad; there is one where requests go by REST.
    pub line: f64,
    /// Containers that end or hang.
    pub containers: f64,
    /// Times in which a runtime is bad.
    pub runtimes: f64,
}

impl Default for Mix {
    fn default() -> Self {
        Self { crashes: 4.0, machines: 0.7, cuts: 0.8, store: 1.6, line: 1.2, containers: 2.0, runtimes: 0.6 }
    }
}

impl Mix {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self { crashes: 0.0, machines: 0.0, cuts: 0.0, store: 0.0, line: 0.0, containers: 0.0, runtimes: 0.0 }
    }
}

/// Draws the faults of a run; every fault from a stream of its own, so that one more or less moves no other.
pub(super) fn draw(env: &Env, mix: &Mix, parts: &[Part], span: Duration) -> Vec<Fault> {
    let minutes = span.as_secs_f64() / 60.0;
    let nodes: Vec<Str> = parts
        .iter()
        .filter_map(|part| if let Part::Node(name) = part { Some(name.clone()) } else { None })
        .collect();
    let crashable: Vec<Part> = parts.iter().filter(|part| !matches!(part, Part::Node(_))).cloned().collect();
    let mut faults = Vec::new();
    let mut add = |name: &str, mean: f64, what: &dyn Fn(&Env) -> Option<(Duration, Trouble)>| {
        let count = count(&env.child(name), mean * minutes);
        for number in 0..count {
            let env = env.child(name).child(&number.to_string());
            let at = span.mul_f64(env.fraction());
            faults.extend(what(&env).map(|(lasts, what)| Fault { at, lasts, what }));
        }
    };
    add("crash", mix.crashes, &|env| {
        let part = pick(env, &crashable)?;
        let writes = (env.below(4) > 0 && writes(&part)).then(|| u32::try_from(env.below(6)).unwrap_or(0));
        Some((within(env, 0.0, 12.0), Trouble::Crash { part, writes }))
    });
    add("machine", mix.machines, &|env| {
        let part = Part::Node(pick(env, &nodes)?);
        Some((within(env, 1.0, 60.0), Trouble::Crash { part, writes: None }))
    });
    add("cut", mix.cuts, &|env| {
        let actor = match env.below(5) {
            0 => "scheduler".into(),
            1 => match pick(env, &crashable)? {
                Part::Controller(name) => name,
                _ => "scheduler".into(),
            },
            _ => format!("node/{}", pick(env, &nodes)?).into(),
        };
        Some((within(env, 1.0, 40.0), Trouble::Cut { actor }))
    });
    add("store", mix.store, &|env| Some((within(env, 1.0, 15.0), Trouble::Store(Box::new(bad_store(env))))));
    add("line", mix.line, &|env| Some((within(env, 1.0, 15.0), Trouble::Line(Box::new(bad_line(env))))));
    add("container", mix.containers, &|env| {
        let nth = env.draw();
        let what = match env.below(4) {
            0 => Trouble::ContainerHangs { nth },
            1 => Trouble::ContainerExits { nth, code: 137 },
            2 => Trouble::ContainerExits { nth, code: 134 },
            _ => Trouble::ContainerExits { nth, code: i32::try_from(env.below(3)).unwrap_or(1) },
        };
        Some((within(env, 1.0, 20.0), what))
    });
    add("runtime", mix.runtimes, &|env| {
        let node = pick(env, &nodes)?;
        Some((within(env, 1.0, 15.0), Trouble::Runtime { node, chance: 0.05 + 0.3 * env.fraction() }))
    });
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// Whether a part writes: one that does not can only crash at once.
fn writes(part: &Part) -> bool {
    !matches!(part, Part::Proxy | Part::Names)
}

/// A number whose mean is that, from 0 to its double.
fn count(env: &Env, mean: f64) -> u64 {
    let whole = (0..).map(f64::from).take_while(|n| *n < 2.0 * mean).count() as u64;
    if whole == 0 { 0 } else { env.below(whole + 1) }
}

fn within(env: &Env, least: f64, most: f64) -> Duration {
    // Short ones more often.
    let draw = env.fraction();
    Duration::from_secs_f64(least + (most - least) * draw * draw)
}

fn pick<T: Clone>(env: &Env, from: &[T]) -> Option<T> {
    let at = usize::try_from(env.below(from.len() as u64)).ok()?;
    from.get(at).cloned()
}

/// Some of the ways in which a store can be bad, each with its own chance.
fn bad_store(env: &Env) -> Faults {
    let mut faults = Faults::quiet();
    let mut ways = 1 + env.below(3);
    while ways > 0 {
        let chance = 0.02 + 0.25 * env.fraction();
        faults = match env.below(7) {
            0 => faults.conflicts(chance),
            1 => faults.unknown(chance),
            2 => faults.unavailable(chance),
            3 => faults.delays(chance, within(env, 0.05, 2.0)),
            4 => faults.dropped_watches(chance / 4.0),
            5 => faults.compactions(chance / 4.0),
            _ => faults.lag(chance, within(env, 0.1, 4.0)),
        };
        ways -= 1;
    }
    faults
}

/// Some of the ways in which a line can be bad.
fn bad_line(env: &Env) -> Faults {
    let mut faults = Faults::quiet();
    for _ in 0..=env.below(3) {
        let chance = 0.02 + 0.2 * env.fraction();
        faults = match env.below(5) {
            0 => faults.unknown(chance),
            1 => faults.unavailable(chance),
            2 => faults.delays(chance, within(env, 0.05, 2.0)),
            3 => faults.dropped_watches(chance / 4.0),
            _ => faults.lag(chance, within(env, 0.1, 4.0)),
        };
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Vec<Part> {
        vec![Part::Scheduler, Part::Controller("x".into()), Part::Agent("n0".into()), Part::Node("n0".into())]
    }

    fn drawn(seed: u64, mix: &Mix) -> Vec<Fault> {
        orch_core::sim::run(seed, |env| {
            let faults = draw(&env.child("faults"), mix, &parts(), Duration::from_secs(60));
            async move { faults }
        })
    }

    #[test]
    fn one_seed_draws_the_same_faults_in_order_and_within_the_span() {
        let faults = drawn(4, &Mix::default());
        assert_eq!(faults, drawn(4, &Mix::default()));
        assert_ne!(faults, drawn(5, &Mix::default()));
        assert!(faults.is_sorted_by_key(|fault| fault.at));
        assert!(faults.iter().all(|fault| fault.at < Duration::from_secs(60)));
        assert!(drawn(4, &Mix::none()).is_empty());
    }

    #[test]
    fn a_kind_of_fault_that_is_left_out_moves_no_other() {
        let crashes = |faults: Vec<Fault>| -> Vec<Fault> {
            let is_crash = |fault: &Fault| matches!(&fault.what, Trouble::Crash { part, .. } if !matches!(part, Part::Node(_)));
            faults.into_iter().filter(is_crash).collect()
        };
        let fewer = Mix { store: 0.0, cuts: 0.0, ..Mix::default() };
        for seed in 0..20 {
            assert_eq!(crashes(drawn(seed, &Mix::default())), crashes(drawn(seed, &fewer)));
        }
    }

    #[test]
    fn every_trouble_is_drawn_sooner_or_later() {
        let all: Vec<Fault> = (0..200).flat_map(|seed| drawn(seed, &Mix::default())).collect();
        let has = |is: fn(&Trouble) -> bool| assert!(all.iter().any(|fault| is(&fault.what)));
        has(|what| matches!(what, Trouble::Crash { writes: None, .. }));
        has(|what| matches!(what, Trouble::Crash { writes: Some(0), .. }));
        has(|what| matches!(what, Trouble::Cut { actor } if &**actor == "node/n0"));
        has(|what| matches!(what, Trouble::Store(faults) if faults.unknown > 0.0));
        has(|what| matches!(what, Trouble::Line(faults) if faults.dropped_watch > 0.0));
        has(|what| matches!(what, Trouble::ContainerHangs { .. }));
        has(|what| matches!(what, Trouble::Runtime { .. }));
    }
}
