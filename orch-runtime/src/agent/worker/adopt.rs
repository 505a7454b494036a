//! A pod that an agent finds when it starts: what the runtime has, and what the API remembers of the rest.

use std::sync::Arc;
use std::time::Duration;

use orch_core::runtime::{ContainerState, ContainerStatus, SandboxStatus};

use super::{Context, Out, Slot, Why, Worker};
use crate::agent::command::Now;
use crate::agent::member::{Instance, Member, Role, Run, full_id};
use crate::agent::pod::{Pod, is_terminal};
use crate::agent::probe::{Purpose, Verdict};
use crate::agent::shown::{Doing, Exit, Shown};
use crate::agent::spec::without_nulls;

impl Worker {
    /// A pod that fits, with what the runtime has of it.
    pub(in crate::agent) fn adopt(
        context: &Context<'_>,
        pod: Pod,
        found: Option<&SandboxStatus>,
        now: Now,
        out: &mut Out,
    ) -> Self {
        let mut worker = Self::empty(pod, now);
        let status = without_nulls(worker.pod.status());
        let phase = status["phase"].as_str().unwrap_or_default();
        let ips = status["podIPs"].as_array().into_iter().flatten();
        worker.addresses = ips.filter_map(|entry| entry["ip"].as_str().map(str::to_owned)).collect();
        if let Some(sandbox) = found {
            worker.sandbox = Slot::Ready(sandbox.id.clone());
        }
        let remembered: Vec<Shown> = ["initContainerStatuses", "containerStatuses"]
            .iter()
            .flat_map(|list| status[*list].as_array().into_iter().flatten())
            .map(Shown::read)
            .collect();
        let spec = Arc::clone(&worker.pod.spec);
        for (at, container) in spec.all().enumerate() {
            let mut statuses: Vec<&ContainerStatus> = found
                .iter()
                .flat_map(|sandbox| &sandbox.containers)
                .filter(|status| status.name == container.name)
                .collect();
            statuses.sort_by_key(|status| status.attempt);
            let before = remembered.iter().find(|shown| shown.name == container.name);
            match statuses.split_last() {
                Some((current, earlier)) => worker.find(context, now, out, at, current, earlier, before),
                None => worker.remember(now, at, before),
            }
        }
        let regular = spec.init_containers.len();
        let has_run = |members: &[Member]| members.iter().any(|member| member.current.is_some());
        worker.is_initialized = has_run(&worker.members[regular..]);
        if is_terminal(phase) {
            worker.end(Why::Completed, now.elapsed);
            worker.network = if found.is_some() { Slot::Empty } else { Slot::Left };
        }
        worker.heed_deletion(now);
        if found.is_none() && has_run(&worker.members) {
            worker.begin_again(out);
        }
        worker.report.touch();
        worker
    }

    /// The runtime has instances of a container.
    #[expect(clippy::too_many_arguments, reason = "what is known of one container")]
    fn find(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        at: usize,
        current: &ContainerStatus,
        earlier: &[&ContainerStatus],
        before: Option<&Shown>,
    ) {
        let (runtime, pod) = (&context.runtime.name, Arc::clone(&self.pod.spec));
        for status in earlier {
            self.install(out, at, Instance::of(status, runtime, now.elapsed));
        }
        let mut instance = Instance::of(current, runtime, now.elapsed);
        if let ContainerState::Running { started } = &current.state {
            let ran = Duration::try_from(now.wall.duration_since(*started)).unwrap_or_default();
            instance.arm(pod.nth(at), now.elapsed.saturating_sub(ran));
            if let Some(shown) = before.filter(|shown| shown.id == full_id(runtime, &current.id)) {
                carry(&mut instance, shown);
            }
        }
        self.install(out, at, instance);
        let member = &mut self.members[at];
        if member.last.is_none() {
            member.last = before.and_then(|shown| shown.last.clone());
        }
    }

    /// The sandbox is lost. In a new one init containers run again before all others (`computePodActions` of
    /// `pkg/kubelet/kuberuntime/kuberuntime_manager.go`).
    pub(super) fn begin_again(&mut self, out: &mut Out) {
        if self.ending.is_some() || self.has_completed() {
            return;
        }
        self.is_initialized = false;
        for member in self.members.iter_mut().filter(|member| member.role == Role::Init) {
            if let Some(instance) = &mut member.current {
                instance.must_restart = true;
            }
        }
        self.tell(out, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
    }

    /// Only the API remembers a container: what ran there is lost.
    fn remember(&mut self, now: Now, at: usize, before: Option<&Shown>) {
        let Some(shown) = before else { return };
        let exit = match &shown.doing {
            Doing::Ended(exit) => exit.clone(),
            Doing::Running { since } => Exit { started: Some(*since), id: shown.id.clone(), ..Exit::lost() },
            Doing::Waiting { .. } => match &shown.last {
                Some(exit) => exit.clone(),
                None => return,
            },
        };
        let member = &mut self.members[at];
        if !matches!(shown.doing, Doing::Waiting { .. }) {
            member.last = shown.last.clone();
        }
        member.current = Some(Instance {
            id: None,
            attempt: shown.restarts,
            image: shown.image.clone(),
            image_id: shown.image_id.clone(),
            run: Run::Ended { exit, at: now.elapsed },
            since: now.elapsed,
            is_hidden: false,
            must_restart: false,
            probes: Vec::new(),
        });
    }
}

/// Probes go on where an earlier agent left them: a ready container stays ready.
fn carry(instance: &mut Instance, shown: &Shown) {
    for (purpose, probe) in &mut instance.probes {
        let verdict = match purpose {
            Purpose::Startup if shown.started => Verdict::Success,
            Purpose::Readiness if shown.ready => Verdict::Success,
            _ => continue,
        };
        *probe = probe.clone().carried(verdict);
    }
}
