//! Starting containers: init containers in order, then the others in order, each again as its restart policy and its
//! back-off say (`computePodActions`, `startContainer` and `doBackOff` of `pkg/kubelet/kuberuntime`).

use std::sync::Arc;
use std::time::Duration;

use orch_core::runtime::{ContainerSpec, PullPolicy, Resources, SandboxId};
use orch_core::{Quantity, Str};

use super::{Context, Out, Worker};
use crate::agent::command::{Action, Now};
use crate::agent::env::{self, Known};
use crate::agent::error::Error;
use crate::agent::expand::expand;
use crate::agent::member::{Member, Op, Role, Trouble};
use crate::agent::probe::{Purpose, Verdict};
use crate::agent::spec::Container;
use crate::agent::text;
use crate::agent::volumes::{MountPlan, mounts, pod_dir};

/// How long `ErrImagePull` is shown before it becomes `ImagePullBackOff`.
const SHOW_PULL_ERROR: Duration = Duration::from_secs(1);

impl Worker {
    /// Kills what must not run on, and starts the next container that may start: one at a time, as the kubelet does, so
    /// that a postStart hook holds back the containers after it.
    pub(super) fn run_containers(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        sandbox: &SandboxId,
    ) {
        self.kill_unfit(context, now, out);
        self.push_stops(context, now, out);
        let wanted = self.wanted();
        let mut is_free = !self.members.iter().any(Member::is_starting);
        let spec = Arc::clone(&self.pod.spec);
        for at in wanted {
            let (member, container) = (&self.members[at], spec.nth(at));
            if member.op != Op::Idle || member.is_running() || !self.starts_again(member, container) {
                continue;
            }
            match self.wait_of(context, now, out, at, container) {
                Some(until) => out.wake_at(until),
                None if is_free => is_free = !self.begin(context, now, out, sandbox, at, container),
                None => {}
            }
        }
    }

    /// The containers that may run now, in order.
    fn wanted(&mut self) -> Vec<usize> {
        let init = self.pod.spec.init_containers.len();
        let mut wanted = Vec::new();
        for at in 0..init {
            let member = &self.members[at];
            match member.role {
                Role::Init if self.is_initialized || member.is_ready() => {}
                Role::Init => {
                    wanted.push(at);
                    return wanted;
                }
                Role::Sidecar | Role::Regular => {
                    wanted.push(at);
                    if !self.is_initialized && !member.is_started() {
                        return wanted;
                    }
                }
            }
        }
        self.is_initialized = true;
        wanted.extend(init..self.members.len());
        wanted
    }

    /// Running containers whose image changed or whose liveness or startup probe failed.
    fn kill_unfit(&mut self, context: &Context<'_>, now: Now, out: &mut Out) {
        let pod = Arc::clone(&self.pod.spec);
        let policy = pod.restart_policy;
        for at in 0..self.members.len() {
            let member = &self.members[at];
            let Some(instance) = member.running().filter(|_| member.op == Op::Idle) else { continue };
            let container = pod.nth(at);
            let failed =
                |purpose| instance.probe(purpose).is_some_and(|probe| probe.verdict() == Verdict::Failure);
            let what = if member.role == Role::Regular { "Container" } else { "Init container" };
            let (why, spec, restarts) = if instance.image != container.image && member.role != Role::Init {
                ("definition changed", None, true)
            } else if failed(Purpose::Liveness) {
                (
                    "failed liveness probe",
                    container.liveness_probe.as_ref(),
                    container.restarts_after_kill(policy),
                )
            } else if failed(Purpose::Startup) {
                (
                    "failed startup probe",
                    container.startup_probe.as_ref(),
                    container.restarts_after_kill(policy),
                )
            } else {
                continue;
            };
            let restarts = restarts || member.role == Role::Sidecar;
            let own = spec
                .and_then(|probe| probe.termination_grace_period_seconds)
                .and_then(|secs| secs.try_into().ok());
            let grace = own.map_or_else(|| self.pod.spec.grace(), Duration::from_secs);
            let end = if restarts { ", will be restarted" } else { "" };
            let message = format!("{what} {} {why}{end}", container.name);
            if let Some(instance) = &mut self.members[at].current {
                instance.must_restart = restarts;
            }
            self.kill(context, now, out, at, grace, &message);
        }
    }

    /// Until when a container waits, if it does; says why.
    fn wait_of(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        at: usize,
        container: &Container,
    ) -> Option<Duration> {
        let later = |until: &Duration| *until > now.elapsed;
        let member = &mut self.members[at];
        if let Some(until) = member.not_before.filter(later) {
            return Some(until);
        }
        member.not_before = None;
        if let Some((failed, until)) = member.pull_failed.filter(|(_, until)| later(until)) {
            let shown = failed + SHOW_PULL_ERROR;
            if later(&shown) {
                return Some(shown.min(until));
            }
            let before =
                member.trouble.as_ref().filter(|trouble| &*trouble.reason != "ImagePullBackOff").cloned();
            if let Some(before) = before {
                let message = format!("Back-off pulling image {:?}", container.image);
                self.tell(out, "BackOff", message.clone());
                self.warn(out, "Failed", "Error: ImagePullBackOff");
                self.set_trouble(
                    at,
                    "ImagePullBackOff",
                    format!("{message}: {}: {}", before.reason, before.message),
                );
            }
            return Some(until);
        }
        let (_, ended) = member.ended()?;
        let (until, wait) = member
            .crash
            .until(&context.config.timings.crash_loop, ended)
            .filter(|(until, _)| later(until))?;
        if member.trouble.as_ref().is_none_or(|trouble| &*trouble.reason != "CrashLoopBackOff") {
            let (name, pod) = (container.name.clone(), self.pod.full_name());
            self.warn(out, "BackOff", format!("Back-off restarting failed container {name} in pod {pod}"));
            let message =
                format!("back-off {} restarting failed container={name} pod={pod}", text::duration(wait));
            self.set_trouble(at, "CrashLoopBackOff", message);
        }
        Some(until)
    }

    pub(super) fn set_trouble(&mut self, at: usize, reason: &str, message: impl Into<Str>) {
        let trouble = Some(Trouble { reason: reason.into(), message: message.into() });
        if self.members[at].trouble != trouble {
            self.members[at].trouble = trouble;
            self.report.touch();
        }
    }

    /// Begins to start a container; says whether a start is under way.
    fn begin(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        sandbox: &SandboxId,
        at: usize,
        container: &Container,
    ) -> bool {
        if self.members[at].image.is_some() || !context.runtime.has_images {
            if !context.runtime.has_images {
                self.tell_present(out, container);
            }
            return self.create(context, now, out, sandbox, at);
        }
        let image = container.image.clone();
        if pull_policy(container) == PullPolicy::Always {
            self.pull(out, at, image);
        } else {
            self.members[at].op = Op::Inspecting;
            self.ask(out, Action::Inspect { at, image });
        }
        true
    }

    pub(super) fn tell_present(&self, out: &mut Out, container: &Container) {
        let image = &container.image;
        let message =
            format!("Container image {image:?} already present on machine and can be accessed by the pod");
        self.tell(out, "Pulled", message);
    }

    pub(super) fn pull(&mut self, out: &mut Out, at: usize, image: Str) {
        self.tell(out, "Pulling", format!("Pulling image {image:?}"));
        self.members[at].op = Op::Pulling;
        self.ask(out, Action::Pull { at, image });
    }

    /// Starts a container whose image is here; says whether a start is under way.
    pub(super) fn create(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        sandbox: &SandboxId,
        at: usize,
    ) -> bool {
        let pod = Arc::clone(&self.pod.spec);
        self.members[at].op = Op::Idle;
        match self.container_spec(context, pod.nth(at), self.members[at].next_attempt()) {
            Ok((spec, mounts)) => {
                let member = &mut self.members[at];
                if let Some((_, ended)) = member.ended() {
                    member.crash.next(&context.config.timings.crash_loop, ended, now.elapsed);
                }
                member.op = Op::Starting;
                self.ask(out, Action::Start { at, sandbox: sandbox.clone(), spec, mounts });
                true
            }
            // Its feed will say.
            Err(Error::Unread { .. }) => false,
            Err(error) => {
                self.config_error(context, now, out, at, &error.to_string());
                false
            }
        }
    }

    pub(super) fn config_error(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        at: usize,
        message: &str,
    ) {
        self.warn(out, "Failed", format!("Error: {message}"));
        self.set_trouble(at, "CreateContainerConfigError", message);
        let until = now.elapsed + context.config.timings.retry;
        self.members[at].not_before = Some(until);
        out.wake_at(until);
    }

    fn container_spec(
        &self,
        context: &Context<'_>,
        container: &Container,
        attempt: u32,
    ) -> Result<(ContainerSpec, Vec<MountPlan>), Error> {
        let place = self.place(context);
        let known = Known {
            pod: &self.pod,
            place: &place,
            sources: context.sources,
            services: self.services.ready().map(Vec::as_slice).unwrap_or_default(),
        };
        let variables = env::variables(&known, container)?;
        let lookup =
            |name: &str| variables.iter().rfind(|(known, _)| &**known == name).map(|(_, value)| &**value);
        let dir = pod_dir(&context.config.data_dir, self.pod.uid());
        let mounts = mounts(container, &self.prepared, &dir, |expr| expand(expr, lookup).into())?;
        let mut spec = ContainerSpec::new(container.name.clone(), container.image.clone());
        spec.attempt = attempt;
        spec.command = env::words(&container.command, &variables);
        spec.args = env::words(&container.args, &variables);
        spec.working_dir = container.working_dir.clone();
        spec.resources = resources(container);
        spec.termination_message_path =
            container.termination_message_path.clone().unwrap_or_else(|| "/dev/termination-log".into());
        spec.ports = tcp_ports(container);
        spec.env = variables;
        Ok((spec, mounts))
    }
}

/// The policy, or what the image's tag says (`pkg/apis/core/v1/defaults.go`).
pub(super) fn pull_policy(container: &Container) -> PullPolicy {
    match &*container.image_pull_policy {
        "Always" => PullPolicy::Always,
        "Never" => PullPolicy::Never,
        "IfNotPresent" => PullPolicy::IfNotPresent,
        _ => {
            let name = container.image.rsplit('/').next().unwrap_or_default();
            let is_pinned =
                name.contains('@') || name.rsplit_once(':').is_some_and(|(_, tag)| tag != "latest");
            if is_pinned { PullPolicy::IfNotPresent } else { PullPolicy::Always }
        }
    }
}

/// TCP is what a port means that names no protocol.
fn tcp_ports(container: &Container) -> Vec<u16> {
    let is_tcp = |protocol: &str| matches!(protocol, "" | "TCP");
    container.ports.iter().filter(|port| is_tcp(&port.protocol)).map(|port| port.container_port).collect()
}

fn resources(container: &Container) -> Resources {
    let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
    let milli = |amount: Option<&Quantity>| amount.and_then(|amount| positive(amount.milli_value()));
    let (requests, limits) = (&container.resources.requests, &container.resources.limits);
    Resources {
        cpu_request_milli: milli(requests.get("cpu").or_else(|| limits.get("cpu"))),
        cpu_limit_milli: milli(limits.get("cpu")),
        memory_limit: limits.get("memory").and_then(|amount| positive(amount.value())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_decides_when_no_policy_does() {
        let check = |image: &str, expected| {
            let container = Container { image: image.into(), ..Container::default() };
            assert_eq!(pull_policy(&container), expected, "{image}");
        };
        check("web", PullPolicy::Always);
        check("web:latest", PullPolicy::Always);
        check("web:1.2", PullPolicy::IfNotPresent);
        check("registry:5000/web", PullPolicy::Always);
        check("web@sha256:abc", PullPolicy::IfNotPresent);
    }

    #[test]
    fn a_container_listens_at_its_tcp_ports() {
        let ports = r#"{"ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"},
            {"containerPort": 443, "protocol": "TCP"}]}"#;
        assert_eq!(tcp_ports(&serde_json::from_str(ports).unwrap()), [80, 443]);
    }
}
