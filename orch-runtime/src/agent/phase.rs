//! The phase of a pod (`getPhase` of `pkg/kubelet/kubelet_pods.go`).

use super::shown::{Doing, Shown};
use super::spec::{Container, PodSpec};

/// What else the phase depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// No container will be started again, whatever the restart policy says.
    pub(super) is_over: bool,
    /// A regular container has run: a sidecar that restarts does not make the pod pending.
    pub(super) has_initialized: bool,
}

#[derive(Default)]
struct Count {
    pending: usize,
    pending_sidecars: usize,
    failed_init: usize,
    unknown: usize,
    running: usize,
    waiting: usize,
    stopped: usize,
    stopped_for_good: usize,
    succeeded: usize,
}

/// The phase: `Pending`, `Running`, `Succeeded` or `Failed`.
pub(super) fn phase(spec: &PodSpec, shown: &[Shown], course: Course) -> &'static str {
    let find = |container: &Container| shown.iter().find(|shown| shown.name == container.name);
    let mut count = Count::default();
    for container in &spec.init_containers {
        if container.is_sidecar() {
            count.sidecar(find(container));
        } else {
            count.init(spec, container, find(container));
        }
    }
    for container in &spec.containers {
        count.regular(spec, container, find(container));
    }
    count.phase(course)
}

impl Count {
    fn init(&mut self, spec: &PodSpec, container: &Container, shown: Option<&Shown>) {
        match shown.and_then(Shown::exit_code) {
            None => self.pending += 1,
            Some(0) => {}
            Some(code) if container.restarts_after(spec.restart_policy, code) => {
                // A failed init container that restarts keeps the pod pending by what stands behind it.
            }
            Some(_) => self.failed_init += 1,
        }
    }

    fn sidecar(&mut self, shown: Option<&Shown>) {
        let Some(shown) = shown else {
            self.unknown += 1;
            return;
        };
        match &shown.doing {
            Doing::Running { .. } => {
                self.pending_sidecars += usize::from(!shown.started);
                self.running += 1;
            }
            Doing::Waiting { .. } if shown.last.is_none() => {
                self.pending_sidecars += 1;
                self.waiting += 1;
            }
            // Ended sidecars take no part in the phase.
            _ => {}
        }
    }

    fn regular(&mut self, spec: &PodSpec, container: &Container, shown: Option<&Shown>) {
        let Some(shown) = shown else {
            self.unknown += 1;
            return;
        };
        match (&shown.doing, shown.exit_code()) {
            (Doing::Running { .. }, _) => self.running += 1,
            (Doing::Waiting { .. }, None) => self.waiting += 1,
            (doing, code) => {
                let code = code.unwrap_or(137);
                self.stopped += 1;
                self.stopped_for_good += usize::from(!container.restarts_after(spec.restart_policy, code));
                self.succeeded += usize::from(code == 0 && matches!(doing, Doing::Ended(_)));
            }
        }
    }

    fn phase(&self, course: Course) -> &'static str {
        if self.failed_init > 0 {
            return "Failed";
        }
        let initializes = self.pending > 0 || (self.pending_sidecars > 0 && !course.has_initialized);
        if initializes || self.waiting > 0 {
            return "Pending";
        }
        if self.running > 0 && self.unknown == 0 {
            return "Running";
        }
        if self.running > 0 || self.stopped == 0 || self.unknown > 0 {
            return "Pending";
        }
        if !course.is_over && self.stopped != self.stopped_for_good {
            return "Running";
        }
        if self.stopped == self.succeeded { "Succeeded" } else { "Failed" }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::super::shown::Exit;
    use super::*;

    fn exit(code: i32) -> Exit {
        Exit { code, ..Exit::lost() }
    }

    /// `run`, `start` (runs, not started), `wait`, `wait:CODE` (waits after an end) or a code; nothing means unknown.
    fn shown(name: &str, word: &str) -> Option<Shown> {
        let waiting = Doing::Waiting { reason: "ContainerCreating".into(), message: "".into() };
        let running = Doing::Running { since: Timestamp::UNIX_EPOCH };
        let (doing, last) = match word {
            "" => return None,
            "run" | "start" => (running, None),
            "wait" => (waiting, None),
            _ => match word.strip_prefix("wait:") {
                Some(code) => (waiting, Some(exit(code.parse().unwrap()))),
                None => (Doing::Ended(exit(word.parse().unwrap())), None),
            },
        };
        Some(Shown {
            name: name.into(),
            doing,
            last,
            ready: false,
            started: word == "run",
            restarts: 0,
            image: "".into(),
            image_id: "".into(),
            id: "".into(),
        })
    }

    /// Words of init containers (with `*` for sidecars), then of the others.
    #[track_caller]
    fn check(policy: &str, init: &[&str], main: &[&str], expected: &str) {
        check_course(policy, init, main, Course::default(), expected);
    }

    #[track_caller]
    fn check_course(policy: &str, init: &[&str], main: &[&str], course: Course, expected: &str) {
        let mut found = Vec::new();
        let mut container = |kind: &str, at: usize, word: &str| -> Value {
            let name = format!("{kind}{at}");
            found.extend(shown(&name, word.trim_start_matches('*')));
            match word.starts_with('*') {
                true => json!({"name": name, "restartPolicy": "Always"}),
                false => json!({"name": name}),
            }
        };
        let init: Vec<_> = init.iter().enumerate().map(|(at, word)| container("i", at, word)).collect();
        let main: Vec<_> = main.iter().enumerate().map(|(at, word)| container("c", at, word)).collect();
        let spec =
            PodSpec::read(&json!({"restartPolicy": policy, "initContainers": init, "containers": main}))
                .unwrap();
        assert_eq!(phase(&spec, &found, course), expected);
    }

    #[test]
    fn regular_containers_decide_the_phase() {
        check("Always", &[], &["wait"], "Pending");
        check("Always", &[], &["run"], "Running");
        check("Always", &[], &["run", "wait"], "Pending");
        check("Always", &[], &["run", "wait:1"], "Running");
        check("Always", &[], &["0"], "Running");
        check("Always", &[], &["wait:1"], "Running");
        check("Always", &[], &["run", ""], "Pending");
        check("OnFailure", &[], &["0", "0"], "Succeeded");
        check("OnFailure", &[], &["0", "1"], "Running");
        check("OnFailure", &[], &["0", "wait:1"], "Running");
        check("OnFailure", &[], &["0", "run"], "Running");
        check("Never", &[], &["0", "0"], "Succeeded");
        check("Never", &[], &["0", "1"], "Failed");
        check("Never", &[], &["1", "run"], "Running");
    }

    #[test]
    fn init_containers_keep_a_pod_pending_or_fail_it() {
        check("Always", &["wait"], &["wait"], "Pending");
        check("Always", &["run"], &["wait"], "Pending");
        check("Always", &["0"], &["wait"], "Pending");
        check("Always", &["0"], &["run"], "Running");
        check("Always", &["1"], &["wait"], "Pending");
        check("Never", &["1"], &["wait"], "Failed");
        check("OnFailure", &["wait:1"], &["wait"], "Pending");
        check("Never", &["0", "2"], &["wait"], "Failed");
    }

    #[test]
    fn sidecars_count_while_they_run() {
        check("Always", &["*start"], &["wait"], "Pending");
        check("Always", &["*run"], &["run"], "Running");
        check("Never", &["*run"], &["0"], "Running");
        check("Never", &["*0"], &["0"], "Succeeded");
        check("Never", &["*137"], &["0"], "Succeeded");
        check("Always", &["*start"], &["run"], "Pending");
        let course = Course { has_initialized: true, ..Course::default() };
        check_course("Always", &["*start"], &["run"], course, "Running");
    }

    #[test]
    fn a_pod_that_is_over_ends_by_its_exit_codes() {
        let over = Course { is_over: true, has_initialized: true };
        check_course("Always", &[], &["0"], over, "Succeeded");
        check_course("Always", &[], &["0", "137"], over, "Failed");
        check_course("OnFailure", &[], &["1"], over, "Failed");
        check_course("Always", &[], &["run"], over, "Running");
    }
}
