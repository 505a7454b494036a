//! Rules of probes and of hooks in the life of a container (`validateProbe`, `validateLifecycle`).
//!
//! Not probing. The invariant: a probe or hook does exactly one thing.

use orch_core::names;

use super::super::at::{At, quote};
use super::super::rules;
use super::Context;

type Rule = fn(&At<'_, '_>, &Context<'_>);

const PROBE: &[(&str, Rule)] = &[("exec", exec), ("httpGet", http_get), ("tcpSocket", port), ("grpc", port)];
const HOOK: &[(&str, Rule)] = &[("exec", exec), ("httpGet", http_get), ("tcpSocket", port), ("sleep", sleep)];

/// Hooks and probes of a container that runs beside others.
pub(super) fn of_container(container: &At<'_, '_>, context: &Context<'_>) {
    let hooks = container.field("lifecycle");
    if hooks.is_set() {
        lifecycle(&hooks, context);
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = container.field(name);
        if !probe.is_set() {
            continue;
        }
        self::probe(&probe, context);
        if name == "readinessProbe" {
            let grace = probe.field("terminationGracePeriodSeconds");
            if grace.is_set() {
                grace.invalid_number("must not be set for readinessProbes");
            }
        } else if probe.field("successThreshold").number() != 1 {
            probe.field("successThreshold").invalid_number("must be 1");
        }
    }
}

fn probe(probe: &At<'_, '_>, context: &Context<'_>) {
    const COUNTS: &[&str] =
        &["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
    handler(probe, PROBE, context);
    COUNTS.iter().for_each(|name| probe.field(name).non_negative());
    let grace = probe.field("terminationGracePeriodSeconds");
    if grace.is_set() && grace.number() <= 0 {
        grace.invalid_number("must be greater than 0");
    }
}

fn lifecycle(hooks: &At<'_, '_>, context: &Context<'_>) {
    for hook in ["postStart", "preStop"].map(|name| hooks.field(name)).iter().filter(|hook| hook.is_set()) {
        handler(hook, HOOK, context);
    }
    stop_signal(&hooks.field("stopSignal"), context.os);
}

/// Exactly one of `kinds`.
fn handler(at: &At<'_, '_>, kinds: &[(&str, Rule)], context: &Context<'_>) {
    let mut count = 0;
    for (name, rule) in kinds {
        let action = at.field(name);
        if !action.is_set() {
            continue;
        }
        if count == 0 {
            rule(&action, context);
        } else {
            action.forbidden("may not specify more than 1 handler type");
        }
        count += 1;
    }
    if count == 0 {
        at.required("must specify a handler type");
    }
}

fn exec(at: &At<'_, '_>, _: &Context<'_>) {
    at.require(&["command"]);
}

fn http_get(at: &At<'_, '_>, _: &Context<'_>) {
    at.require(&["path"]);
    rules::port_number_or_name(&at.field("port"));
    at.field("scheme").one_of(&["HTTP", "HTTPS"]);
    let headers = at.field("httpHeaders");
    for header in headers.list() {
        let header = headers.with(header);
        headers.with(header.get("name")).named(names::http_header_name);
    }
}

fn port(at: &At<'_, '_>, _: &Context<'_>) {
    rules::port_number_or_name(&at.field("port"));
}

fn sleep(at: &At<'_, '_>, context: &Context<'_>) {
    let seconds = at.field("seconds").number();
    if let Some(grace) = context.grace_period.filter(|grace| !(0..=*grace).contains(&seconds)) {
        at.invalid_as(
            seconds,
            format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})"),
        );
    }
}

/// The signals of Linux besides those with a number.
const SIGNALS: &[&str] = &[
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGRTMAX",
    "SIGRTMIN",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];

fn stop_signal(at: &At<'_, '_>, os: Option<&str>) {
    if !at.is_set() {
        return;
    }
    match os {
        None => at.forbidden("may not be set for containers with empty `spec.os.name`"),
        Some("windows") => at.one_of(&["SIGKILL", "SIGTERM"]),
        Some("linux") if !SIGNALS.contains(&at.text()) => {
            let numbered =
                (1..=15).map(|n| format!("SIGRTMIN+{n}")).chain((1..=14).map(|n| format!("SIGRTMAX-{n}")));
            let mut all: Vec<String> = SIGNALS.iter().map(ToString::to_string).chain(numbered).collect();
            all.sort_unstable();
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            if !all.contains(&at.text()) {
                at.unsupported_as(quote(at.text()), &all);
            }
        }
        Some(_) => {}
    }
}
