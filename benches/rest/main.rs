//! The figures of the REST server that the README reports: CPU time of the server a request over TLS, a large list, watches
//! over sockets, memory, start.
//!
//! ```text
//! cargo bench --bench rest                                # every figure, as a table
//! cargo bench --bench rest -- --json                      # the same as JSON
//! cargo bench --bench rest -- --pods 10000 --requests 5000 --watchers 100 --changes 200   # other sizes
//! ```
//!
//! The server is a process of its own (this program with `--serve`), so that what the kernel counts is the server's alone.
//! Each figure is measured on work that was checked to be done.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock, runs tasks and reports"
)]

mod client;
mod server;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use client::{Access, Process, Sender};

/// Starts and lists; the median is reported.
const RUNS: usize = 7;
/// Requests at once over HTTP/2.
const AT_ONCE: usize = 32;
/// Watches over one connection, well below what client-go has.
const STREAMS: usize = 100;

struct Options {
    json: bool,
    pods: usize,
    requests: usize,
    watchers: usize,
    changes: usize,
    runs: usize,
}

fn options() -> Options {
    let args: Vec<String> = std::env::args().collect();
    let has = |name: &str| args.iter().any(|arg| arg == name);
    let is_test = has("--test");
    let number = |name: &str, default: usize, small: usize| {
        let at = args.iter().position(|arg| arg == name);
        let default = if is_test { small } else { default };
        at.and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    Options {
        json: has("--json"),
        pods: number("--pods", 150_000, 500),
        requests: number("--requests", 20_000, 100),
        watchers: number("--watchers", 1_000, 20),
        changes: number("--changes", 500, 20),
        runs: if is_test { 1 } else { RUNS },
    }
}

struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
}

fn figure(name: impl Into<String>, value: f64, unit: &'static str) -> Figure {
    Figure { name: name.into(), value, unit }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn each(duration: Duration, count: usize) -> f64 {
    duration.as_secs_f64() * 1e6 / number(count)
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// From nothing to an API that answers over TLS, with a namespace that takes objects.
async fn start() -> f64 {
    let began = Instant::now();
    let served = server::serve(0).await;
    let access = Access {
        address: served.server.address().to_string(),
        ca: served.authority.certificate_pem().to_owned(),
        certificate: served.admin.certificate_pem().to_owned(),
        key: served.admin.key_pem().to_owned(),
    };
    let sender = Sender::connect(&access, "http/1.1").await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "first"}});
    let maps = "/api/v1/namespaces/default/configmaps";
    sender.ask("POST", maps, map.to_string(), 201).await;
    let took = millis(began.elapsed());
    served.cluster.shutdown().await.expect("it ends");
    took
}

const PODS: &str = "/api/v1/namespaces/default/pods";

/// A request that is measured, of which every pod gets one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// As controllers make them: every pod is like the others but for its name.
    Create,
    /// Every pod is like no other.
    CreateOther,
    Get,
    Update,
    Patch,
    Apply,
}

impl Asked {
    const ALL: [Self; 6] =
        [Self::Create, Self::CreateOther, Self::Get, Self::Update, Self::Patch, Self::Apply];

    fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::CreateOther => "create of pods like no other",
            Self::Get => "get",
            Self::Update => "update",
            Self::Patch => "merge patch",
            Self::Apply => "apply",
        }
    }

    /// What is sent for a pod: an update has the whole object, with another label.
    async fn body(self, sender: &Sender, name: &str) -> String {
        let labels = json!({"changed": self.name().replace(' ', "-")});
        match self {
            Self::Create => server::pod(name).to_string(),
            Self::CreateOther => {
                let mut pod = server::pod(&format!("{name}-other"));
                pod["metadata"]["annotations"] = json!({"example.com/about": name});
                pod.to_string()
            }
            Self::Get => String::new(),
            Self::Update => {
                let found = sender.ask("GET", &format!("{PODS}/{name}"), "", 200).await;
                let mut pod: Value = serde_json::from_slice(&found).expect("a pod is JSON");
                pod["metadata"]["labels"] = labels;
                pod.to_string()
            }
            Self::Patch => json!({"metadata": {"labels": labels}}).to_string(),
            Self::Apply => {
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}})
                    .to_string()
            }
        }
    }

    async fn send(self, sender: &Sender, name: &str, body: String) -> Bytes {
        let path = format!("{PODS}/{name}");
        match self {
            Self::Create | Self::CreateOther => sender.ask("POST", PODS, body, 201).await,
            Self::Get => sender.ask("GET", &path, body, 200).await,
            Self::Update => sender.ask("PUT", &path, body, 200).await,
            Self::Patch => sender.ask("PATCH", &path, body, 200).await,
            Self::Apply => {
                sender.ask("PATCH", &format!("{path}?fieldManager=bench&force=true"), body, 200).await
            }
        }
    }
}

/// CPU time of the server for each request, one after another over HTTP/1.1 and many at once over HTTP/2.
async fn requests(options: &Options, figures: &mut Vec<Figure>) {
    let process = Process::start(0);
    for (alpn, at_once) in [("http/1.1", 1), ("h2", AT_ONCE)] {
        let sender = Sender::connect(&process.access, alpn).await;
        let each_task = options.requests.div_ceil(at_once);
        let count = each_task * at_once;
        let name = |task: usize, at: usize| format!("web-{}-{task}-{at}", alpn.replace(['/', '.'], ""));
        // The first ones warm both sides up.
        for at in 0..50 {
            let pod = server::pod(&name(at_once, at)).to_string();
            sender.ask("POST", PODS, pod, 201).await;
        }
        for asked in Asked::ALL {
            let mut bodies = Vec::with_capacity(count);
            for (task, at) in (0..count).map(|number| (number / each_task, number % each_task)) {
                let name = name(task, at);
                let body = asked.body(&sender, &name).await;
                bodies.push((name, body));
            }
            let before = process.cpu();
            let began = Instant::now();
            let tasks = bodies.chunks(each_task).map(|bodies| {
                let (sender, bodies) = (sender.clone(), bodies.to_vec());
                tokio::spawn(async move {
                    for (name, body) in bodies {
                        let answer = asked.send(&sender, &name, body).await;
                        assert!(answer.len() > 1000, "a pod, not {} bytes", answer.len());
                    }
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.expect("every answer is as it should be");
            }
            let (cpu, wall) = (process.cpu() - before, began.elapsed());
            let asked = asked.name();
            figures.push(figure(
                format!("{asked} over {alpn}, {at_once} at once: server CPU"),
                each(cpu, count),
                "µs",
            ));
            figures.push(figure(
                format!("{asked} over {alpn}, {at_once} at once: wall"),
                each(wall, count),
                "µs",
            ));
        }
        let listed: Value =
            serde_json::from_slice(&sender.ask("GET", PODS, "", 200).await).expect("a list is JSON");
        let made = listed["items"].as_array().expect("items").len();
        assert!(made >= 2 * count, "{made} pods were made");
    }
}

/// Reads a list to its end, without keeping it; says how many bytes it has.
async fn read(sender: &Sender, path: &str) -> usize {
    let response = sender.send("GET", path, "").await;
    assert_eq!(response.status(), 200);
    let (mut body, mut bytes) = (response.into_body(), 0);
    while let Some(frame) = body.frame().await {
        bytes += frame.expect("the list goes on").into_data().map_or(0, |data| data.len());
    }
    bytes
}

/// Memory a stored pod, and the list of all of them.
async fn lists(options: &Options, figures: &mut Vec<Figure>) {
    let mut process = Process::start(0);
    let empty = process.memory_kib("VmRSS:");
    let made = process.tell(&format!("pods {}", options.pods));
    let json_bytes = made["bytes"].as_f64().expect("a number") / number(options.pods);
    let kib = |kib: u64| f64::from(u32::try_from(kib).unwrap_or(u32::MAX));
    let resident = kib(process.memory_kib("VmRSS:").saturating_sub(empty)) * 1024.0 / number(options.pods);
    figures.push(figure("JSON of a pod", json_bytes, "bytes"));
    figures.push(figure("memory a stored pod, index and history with it", resident, "bytes"));
    for alpn in ["http/1.1", "h2"] {
        let sender = Sender::connect(&process.access, alpn).await;
        let whole = sender.ask("GET", "/api/v1/pods", "", 200).await;
        let listed: Value = serde_json::from_slice(&whole).expect("a list is JSON");
        assert_eq!(listed["items"].as_array().expect("items").len(), options.pods, "every pod is listed");
        drop(listed);
        let whole = whole.len();
        let (mut walls, mut cpus, mut extras, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..options.runs {
            process.forget_peak();
            let (before, cpu, began) = (process.memory_kib("VmRSS:"), process.cpu(), Instant::now());
            bytes = read(&sender, "/api/v1/pods").await;
            walls.push(millis(began.elapsed()));
            cpus.push(millis(process.cpu() - cpu));
            extras.push(kib(process.memory_kib("VmHWM:").saturating_sub(before)) / 1024.0);
            assert_eq!(bytes, whole, "the same list");
        }
        let name = format!("LIST of {} pods over {alpn}", options.pods);
        figures.push(figure(format!("{name}: wall"), median(walls), "ms"));
        figures.push(figure(format!("{name}: server CPU"), median(cpus), "ms"));
        figures.push(figure(format!("{name}: extra memory"), median(extras), "MiB"));
        figures.push(figure(format!("{name}: size"), number(bytes >> 10) / 1024.0, "MiB"));
    }
}

/// One object changes, and everybody watches it.
async fn fan_out(options: &Options, figures: &mut Vec<Figure>) {
    let mut process = Process::start(0);
    let first = Sender::connect(&process.access, "h2").await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "touched"},
        "data": {"at": "", "filler": "x".repeat(700)}});
    let maps = "/api/v1/namespaces/default/configmaps";
    let made = first.ask("POST", maps, map.to_string(), 201).await;
    let made: Value = serde_json::from_slice(&made).expect("JSON");
    let revision = made["metadata"]["resourceVersion"].as_str().expect("a revision");
    let path = format!("{maps}?watch=1&resourceVersion={revision}");
    let (mut tasks, mut sender) = (Vec::new(), first);
    let last = format!("\"at\":\"{}\"", options.changes - 1);
    for at in 0..options.watchers {
        if at % STREAMS == 0 {
            sender = Sender::connect(&process.access, "h2").await;
        }
        let response = sender.send("GET", &path, "").await;
        assert_eq!(response.status(), 200);
        let (last, changes, sender) = (last.clone(), options.changes, sender.clone());
        tasks.push(tokio::spawn(async move {
            let (mut body, mut lines, mut tail) = (response.into_body(), 0, Vec::new());
            while lines < changes {
                let frame = body.frame().await.expect("the watch goes on").expect("it does not fail");
                let Ok(data) = frame.into_data() else { continue };
                lines += data.iter().filter(|byte| **byte == b'\n').count();
                tail.extend_from_slice(&data);
                tail.drain(..tail.len().saturating_sub(4096));
            }
            assert_eq!(lines, changes);
            assert!(String::from_utf8_lossy(&tail).contains(&last), "the last change comes last");
            drop(sender);
        }));
    }
    let (cpu, began) = (process.cpu(), Instant::now());
    process.order(&format!("touch {}", options.changes));
    for task in tasks {
        task.await.expect("every watcher sees every change once");
    }
    let (wall, cpu) = (began.elapsed(), process.cpu() - cpu);
    process.done();
    let deliveries = options.watchers * options.changes;
    let name =
        format!("{} watches over {} connections", options.watchers, options.watchers.div_ceil(STREAMS));
    figures.push(figure(format!("{name}: deliveries"), number(deliveries) / wall.as_secs_f64(), "/s"));
    figures.push(figure(format!("{name}: server CPU a delivery"), each(cpu, deliveries), "µs"));
}

/// Resident memory of an idle cluster of three nodes that serves the API over TLS and was asked once.
async fn idle() -> f64 {
    let process = Process::start(3);
    let sender = Sender::connect(&process.access, "http/1.1").await;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let nodes: Value =
            serde_json::from_slice(&sender.ask("GET", "/api/v1/nodes", "", 200).await).expect("JSON");
        if nodes["items"].as_array().is_some_and(|items| items.len() == 3) {
            break;
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    f64::from(u32::try_from(process.memory_kib("VmRSS:")).unwrap_or(u32::MAX)) / 1024.0
}

async fn measure(options: &Options) -> Vec<Figure> {
    let mut starts = Vec::new();
    for _ in 0..options.runs {
        starts.push(start().await);
    }
    let mut figures = vec![figure("start with TLS, first object written over it", median(starts), "ms")];
    figures.push(figure("idle cluster of three nodes with its API over TLS, resident", idle().await, "MiB"));
    requests(options, &mut figures).await;
    lists(options, &mut figures).await;
    fan_out(options, &mut figures).await;
    figures
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if std::env::args().any(|arg| arg == "--serve") {
        return runtime.block_on(server::run());
    }
    let options = options();
    let figures = runtime.block_on(measure(&options));
    if options.json {
        let figures: Vec<_> = figures
            .iter()
            .map(|Figure { name, value, unit }| json!({"figure": name, "value": value, "unit": unit}))
            .collect();
        println!("{}", json!({"figures": figures}));
        return;
    }
    for Figure { name, value, unit } in &figures {
        println!("{name:<64} {value:>12.1} {unit}");
    }
}
