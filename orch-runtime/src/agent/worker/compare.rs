//! What the runtime has, compared with what the agent believes: events may have been missed, and calls whose outcome nobody
//! knows may have been done.

use std::sync::Arc;
use std::time::Duration;

use orch_core::runtime::{ContainerId, SandboxStatus};

use super::{Context, Out, Slot, Worker};
use crate::agent::command::Now;
use crate::agent::member::{Instance, Member, Op, Run, run_of};
use crate::agent::shown::Exit;

impl Worker {
    /// Takes in the state that was asked for at `asked`: what is younger is not in it.
    pub(in crate::agent) fn compare(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        found: Option<&SandboxStatus>,
        asked: Duration,
    ) {
        for status in found.iter().flat_map(|sandbox| &sandbox.containers) {
            if !matches!(run_of(status, "", now.elapsed), Run::Running { .. }) {
                self.exited(context, now, out, status);
            }
        }
        self.compare_sandbox(found, asked);
        self.find_unsure(context, now, out, found, asked);
        self.find_lost(now, found, asked);
        let is_idle = |member: &Member| !member.is_running() && member.op == Op::Idle;
        match (&self.sandbox, found) {
            // Its removal failed, or was done after all.
            (Slot::Leaving, Some(sandbox)) => self.sandbox = Slot::Ready(sandbox.id.clone()),
            (Slot::Leaving, None) => self.sandbox = Slot::Left,
            (Slot::Ready(_), None) if self.sandbox_since < asked && self.members.iter().all(is_idle) => {
                self.sandbox = if self.ending.is_some() { Slot::Left } else { Slot::Empty };
                self.begin_again(out);
            }
            _ => {}
        }
    }

    fn compare_sandbox(&mut self, found: Option<&SandboxStatus>, asked: Duration) {
        if self.is_sandbox_unsure && asked >= self.sandbox_since {
            self.is_sandbox_unsure = false;
            self.sandbox = found.map_or(Slot::Empty, |sandbox| Slot::Ready(sandbox.id.clone()));
            self.report.touch();
        }
    }

    /// Containers whose start may have been done.
    fn find_unsure(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        found: Option<&SandboxStatus>,
        asked: Duration,
    ) {
        let spec = Arc::clone(&self.pod.spec);
        for (at, container) in spec.all().enumerate() {
            let member = &mut self.members[at];
            if !matches!(member.op, Op::Unsure { since } if since <= asked) {
                continue;
            }
            member.op = Op::Idle;
            let next = member.next_attempt();
            let mut containers = found.iter().flat_map(|sandbox| &sandbox.containers);
            let status = containers.rfind(|status| status.name == container.name && status.attempt == next);
            let Some(status) = status else { continue };
            member.trouble = None;
            member.not_before = None;
            let mut instance = Instance::of(status, &context.runtime.name, now.elapsed);
            instance.arm(container, now.elapsed);
            self.install(out, at, instance);
        }
    }

    /// Containers that the runtime does not have any longer.
    fn find_lost(&mut self, now: Now, found: Option<&SandboxStatus>, asked: Duration) {
        let is_known = |id: &ContainerId| {
            found.is_some_and(|sandbox| sandbox.containers.iter().any(|status| status.id == *id))
        };
        for member in &mut self.members {
            let is_lost = |instance: &&mut Instance| {
                instance.is_running() && instance.since < asked && !instance.id.as_ref().is_some_and(is_known)
            };
            if let Some(instance) = member.current.as_mut().filter(is_lost) {
                instance.run = Run::Ended { exit: Exit::lost(), at: now.elapsed };
                instance.is_hidden = false;
                member.op = Op::Idle;
                self.report.touch();
            }
        }
    }
}
