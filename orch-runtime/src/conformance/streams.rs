//! Cases about logs and commands. A runtime without [`Runtime::streams`](orch_core::runtime::Runtime::streams) is not
//! asked.

use std::time::Duration;

use orch_core::Str;
use orch_core::runtime::{Error, LogQuery, LogSource};

use super::{Behaviour, GRACE, Harness, LIMIT, ended, log, pod, run, stop, texts};

/// A log has every line of both streams, each stream in order.
pub async fn log_has_every_line_in_order(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::Prints(20)).await;
    let Some(log) = log(harness, &id, 21).await else { return };
    let of = |source: LogSource| {
        let lines = log.iter().filter(move |line| line.source == source);
        lines.map(|line| line.text.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of(LogSource::Stdout), (1..=20).map(|line| format!("line {line}")).collect::<Vec<_>>());
    assert_eq!(of(LogSource::Stderr), ["done"]);
    assert!(log.is_sorted_by_key(|line| line.time), "times go back");
}

/// The tail of a log is its last lines.
pub async fn log_tail_is_the_last_lines(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::Prints(5)).await;
    let (Some(all), Some(streams)) = (log(harness, &id, 6).await, harness.runtime().streams()) else {
        return;
    };
    for tail in [0, 1, 3, 6, 100] {
        let mut query = LogQuery::default();
        query.tail = Some(tail);
        let last = streams.logs(&id, &query).await.expect("there is a log");
        assert_eq!(texts(&last), texts(&all[all.len().saturating_sub(tail)..]), "tail {tail}");
    }
}

/// Lines since a time are those written then or later.
pub async fn log_since_is_the_later_lines(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::Prints(5)).await;
    let (Some(all), Some(streams)) = (log(harness, &id, 6).await, harness.runtime().streams()) else {
        return;
    };
    let since = all[3].time;
    let mut query = LogQuery::default();
    query.since = Some(since);
    let later = streams.logs(&id, &query).await.expect("there is a log");
    assert_eq!(later, all.into_iter().filter(|line| line.time >= since).collect::<Vec<_>>());
    query.since = Some(harness.env().now() + jiff::SignedDuration::from_hours(1));
    assert_eq!(streams.logs(&id, &query).await.expect("there is a log"), []);
}

/// The log stays when the container has ended, and goes when it is removed.
pub async fn log_outlives_the_container_until_it_is_removed(harness: &dyn Harness) {
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::Prints(2)).await;
    let (Some(before), Some(streams)) = (log(harness, &id, 3).await, harness.runtime().streams()) else {
        return;
    };
    stop(harness, &id, GRACE).await;
    assert_eq!(streams.logs(&id, &LogQuery::default()).await.expect("there is a log"), before);
    harness.runtime().remove(&id).await.expect("a container is removed");
    let error = streams.logs(&id, &LogQuery::default()).await.expect_err("there is no log");
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

fn words(words: &[&str]) -> Vec<Str> {
    words.iter().map(|word| (*word).into()).collect()
}

/// A command leaves its exit code and what it wrote.
pub async fn command_leaves_code_and_output(harness: &dyn Harness) {
    let Some(streams) = harness.runtime().streams() else { return };
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::UntilStopped).await;
    let output =
        streams.exec(&id, &words(&["echo", "hello", "world"]), LIMIT).await.expect("the command runs");
    assert_eq!((output.code, &*output.stdout, &*output.stderr), (0, &b"hello world\n"[..], &b""[..]));
    let output = streams.exec(&id, &words(&["false"]), LIMIT).await.expect("a command that fails has run");
    assert_eq!(output.code, 1);
    let output = streams.exec(&id, &words(&["cat", "/no/such/file"]), LIMIT).await.expect("the command runs");
    assert!(output.code != 0 && !output.stderr.is_empty(), "{output:?}");
}

/// A command that takes longer than its limit is given up.
pub async fn command_that_takes_too_long_is_killed(harness: &dyn Harness) {
    let Some(streams) = harness.runtime().streams() else { return };
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::UntilStopped).await;
    let exec = async { streams.exec(&id, &words(&["sleep", "3600"]), Duration::from_millis(500)).await };
    let error =
        harness.env().timeout(LIMIT, exec).await.expect("the limit holds").expect_err("it takes too long");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

/// A command that does not exist ends with code 127.
pub async fn unknown_command_is_127(harness: &dyn Harness) {
    let Some(streams) = harness.runtime().streams() else { return };
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::UntilStopped).await;
    let output = streams.exec(&id, &words(&["no-such-command"]), LIMIT).await.expect("the attempt is made");
    assert_eq!(output.code, 127);
}

/// In a container that has ended or is not there no command runs.
pub async fn ended_container_runs_no_command(harness: &dyn Harness) {
    let Some(streams) = harness.runtime().streams() else { return };
    let pod = pod(harness, "web").await;
    let id = run(harness, &pod, "a", Behaviour::Exit(0)).await;
    ended(harness, &id).await;
    let error = streams.exec(&id, &words(&["true"]), LIMIT).await.expect_err("it has ended");
    assert!(matches!(error, Error::NotRunning { .. }), "{error}");
    harness.runtime().remove(&id).await.expect("a container is removed");
    let error = streams.exec(&id, &words(&["true"]), LIMIT).await.expect_err("it is gone");
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}
