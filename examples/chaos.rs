//! Whole clusters driven through faults, one a seed, with every promise checked at every step.
//!
//! ```text
//! cargo run --release --example chaos -- --seeds 0..500 --jobs 2
//! cargo run --release --example chaos -- --seeds 0..100 --rest         # everything over the REST API
//! cargo run --release --example chaos -- --seeds 17 --trace            # what happened, line by line
//! cargo run --release --example chaos -- --seeds 17 --shrink           # the fewest faults that still fail
//! cargo run --release --example chaos -- --seeds 17 --only 3,8,21      # only these of its faults and steps
//! ```
//!
//! You will see a progress bar and, in the end, how many seeds ran and which broke a promise, each with the command that
//! replays it. `--state FILE` keeps what was done: the same command goes on where it was interrupted. The exit code is 0
//! only if every promise was kept.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use orch::chaos::{Chaos, Report, RunOptions, Shop};

/// A run makes and drops millions of small values: this is a third of its time with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Drives whole clusters through faults.
#[derive(Parser)]
struct Arguments {
    /// Seeds: one, or FROM..TO without the last.
    #[arg(long, default_value = "0..100", value_parser = seeds)]
    seeds: (u64, u64),
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Nodes of each cluster.
    #[arg(long, default_value_t = 10)]
    nodes: usize,
    /// Virtual seconds in which faults strike.
    #[arg(long, default_value_t = 60)]
    span: u64,
    /// The size of the workload: 1 has up to 60 pods. Without it each seed draws its own.
    #[arg(long)]
    scale: Option<f64>,
    /// Everybody reaches the Api by its REST API, over a line that can be bad, too.
    #[arg(long)]
    rest: bool,
    /// Prints what happened, each thing with its virtual time; for one seed.
    #[arg(long)]
    trace: bool,
    /// Looks for the fewest faults and steps that still break the promise; for one seed.
    #[arg(long)]
    shrink: bool,
    /// Only these faults and steps, by their numbers; for one seed.
    #[arg(long, value_delimiter = ',')]
    only: Option<Vec<usize>>,
    /// Prints the hash of each seed's trace.
    #[arg(long)]
    hashes: bool,
    /// Keeps what was done in this file, and goes on from there.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Ends at the first promise that is broken.
    #[arg(long)]
    first: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

fn seeds(text: &str) -> Result<(u64, u64), String> {
    let number = |text: &str| {
        text.parse::<u64>().map_err(|_| format!("{text:?} is not a number: give one seed, or FROM..TO"))
    };
    match text.split_once("..") {
        Some((from, to)) => {
            let range = (number(from)?, number(to)?);
            let is_empty =
                || format!("{text} is empty: TO is the first seed that is not run, so give a larger one");
            if range.0 < range.1 { Ok(range) } else { Err(is_empty()) }
        }
        None => number(text).map(|seed| (seed, seed.saturating_add(1))),
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let scale = arguments.scale;
    let chaos = Chaos::new().nodes(arguments.nodes).span(Duration::from_secs(arguments.span));
    let shop = move || scale.map_or_else(Shop::default, |scale| Shop::default().scale(scale));
    let chaos = chaos.workload(shop);
    let chaos = if arguments.rest { chaos.over_rest() } else { chaos };
    let (from, to) = arguments.seeds;
    if arguments.trace || arguments.shrink || arguments.only.is_some() {
        if to - from != 1 {
            bail!("--trace, --shrink and --only are for one seed: give --seeds N");
        }
        return Ok(one(&chaos, from, &arguments));
    }
    many(&chaos, &arguments)
}

/// Looks closely at one seed.
fn one(chaos: &Chaos, seed: u64, arguments: &Arguments) -> ExitCode {
    let mut options = RunOptions::default();
    if let Some(only) = &arguments.only {
        options = options.only(only.iter().copied().collect());
    }
    let report = if arguments.shrink {
        let Some((kept, report)) = chaos.shrink(seed) else {
            println!("seed {seed} breaks no promise");
            return ExitCode::SUCCESS;
        };
        let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
        println!("replay: {} --only {}", command(seed, arguments), kept.join(","));
        for line in report
            .timeline
            .iter()
            .filter(|line| kept.iter().any(|kept| line.starts_with(&format!("#{kept} "))))
        {
            println!("{line}");
        }
        report
    } else {
        chaos.run_with(seed, &options.lines())
    };
    if arguments.trace {
        report.lines.iter().for_each(|line| println!("{line}"));
    }
    println!("{report}");
    if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn command(seed: u64, arguments: &Arguments) -> String {
    let Arguments { nodes, span, scale, rest, .. } = arguments;
    let rest = if *rest { " --rest" } else { "" };
    let scale = scale.map_or_else(String::new, |scale| format!(" --scale {scale}"));
    format!(
        "cargo run --release --example chaos -- --seeds {seed} --nodes {nodes} --span {span}{scale}{rest}"
    )
}

/// Runs many seeds on all threads.
#[expect(
    clippy::disallowed_methods,
    reason = "measures real time, and each run has a thread's clock of its own"
)]
fn many(chaos: &Chaos, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (from, to) = arguments.seeds;
    let done = State::open(arguments)?;
    let began = Instant::now();
    let bar = ProgressBar::new(to.saturating_sub(from));
    let style = "{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left {msg}";
    bar.set_style(ProgressStyle::with_template(style)?);
    let (next, stop, failed) = (AtomicU64::new(from), AtomicBool::new(false), Mutex::new(Vec::new()));
    let (ran, starts) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= to {
                        return;
                    }
                    if done.has(seed) {
                        bar.inc(1);
                        continue;
                    }
                    let report = chaos.run(seed);
                    ran.fetch_add(1, Ordering::Relaxed);
                    starts.fetch_add(report.starts, Ordering::Relaxed);
                    told(&bar, &done, &report, arguments);
                    if !report.is_ok() {
                        stop.fetch_or(arguments.first, Ordering::Relaxed);
                        failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(report);
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut failed = failed.into_inner().unwrap_or_default();
    failed.sort_by_key(|report: &Report| report.seed);
    let (ran, starts) = (ran.into_inner(), starts.into_inner());
    summary(&failed, &done, ran, starts, began.elapsed(), arguments);
    let is_ok = failed.is_empty() && done.failures() == 0;
    Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(bar: &ProgressBar, done: &State, report: &Report, arguments: &Arguments) {
    bar.inc(1);
    done.add(report);
    if arguments.hashes {
        bar.suspend(|| println!("{} {}", report.seed, report.trace));
    }
    if !report.is_ok() && !arguments.json {
        bar.suspend(|| println!("{report}\n  replay: {} --trace", command(report.seed, arguments)));
    }
}

fn summary(failed: &[Report], done: &State, ran: u64, starts: u64, took: Duration, arguments: &Arguments) {
    let per_minute = ran_per_minute(ran, took);
    if arguments.json {
        let broken: Vec<_> = failed
            .iter()
            .filter_map(|report| report.violation.as_ref().map(|found| (report.seed, found)))
            .map(|(seed, found)| serde_json::json!({"seed": seed, "invariant": found.invariant, "what": found.what}))
            .collect();
        let report = serde_json::json!({"ok": failed.is_empty(), "seeds": ran, "seconds": took.as_secs_f64(),
            "seeds_per_minute": per_minute, "containers": starts, "broken": broken});
        println!("{report}");
        return;
    }
    let earlier = done.earlier();
    println!(
        "{ran} seeds in {:.1} s ({per_minute:.0} a minute), {starts} containers started; {earlier} were done before",
        took.as_secs_f64()
    );
    match failed.len() {
        0 => println!("every promise was kept"),
        count => println!("{count} seeds broke a promise"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn ran_per_minute(ran: u64, took: Duration) -> f64 {
    ran as f64 * 60.0 / took.as_secs_f64().max(1e-9)
}

/// What was done, in a file: a line a seed.
struct State {
    earlier: BTreeSet<u64>,
    failures: usize,
    file: Option<Mutex<std::fs::File>>,
}

impl State {
    fn open(arguments: &Arguments) -> anyhow::Result<Self> {
        let Some(path) = &arguments.state else {
            return Ok(Self { earlier: BTreeSet::new(), failures: 0, file: None });
        };
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<(u64, bool)> = text
            .lines()
            .filter_map(|line| {
                line.split_once(' ').and_then(|(seed, how)| Some((seed.parse().ok()?, how == "ok")))
            })
            .collect();
        let failures = lines.iter().filter(|(_, ok)| !ok).count();
        let file = std::fs::File::options().create(true).append(true).open(path);
        let file =
            file.with_context(|| format!("{}: cannot be written: give --state a file", path.display()))?;
        let earlier = lines.into_iter().map(|(seed, _)| seed).collect();
        Ok(Self { earlier, failures, file: Some(Mutex::new(file)) })
    }

    fn has(&self, seed: u64) -> bool {
        self.earlier.contains(&seed)
    }

    fn earlier(&self) -> usize {
        self.earlier.len()
    }

    fn failures(&self) -> usize {
        self.failures
    }

    fn add(&self, report: &Report) {
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let how = if report.is_ok() { "ok" } else { "broken" };
            // A line that is lost is a seed that runs again.
            let _ = writeln!(file, "{} {how}", report.seed);
        }
    }
}
