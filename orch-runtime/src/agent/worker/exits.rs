//! What a pod learns of its containers: hooks that ran, exits, last words.

use std::sync::Arc;

use orch_core::runtime::{ContainerId, ContainerStatus};

use super::{Context, Out, Worker};
use crate::agent::check::Answer;
use crate::agent::command::{Action, At, HookKind, Now};
use crate::agent::member::{Instance, Op, Run, run_of};

impl Worker {
    #[expect(clippy::too_many_arguments, reason = "the parts of one answer")]
    pub(super) fn hooked(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        at: At,
        which: HookKind,
        id: &ContainerId,
        answer: Answer,
    ) {
        let failed = match answer {
            Answer::Yes => false,
            Answer::No(why) | Answer::Failed(why) => {
                // The message is not told to people: it may hold secrets of the server.
                tracing::debug!(why, pod = %self.pod.key(), ?which, "hook failed");
                true
            }
        };
        let member = &mut self.members[at];
        let is_current = member.instance(id).is_some();
        match (&member.op, which) {
            (Op::PostStart, HookKind::PostStart) if is_current => {
                member.op = Op::Idle;
                if let Some(instance) = &mut member.current {
                    instance.is_hidden = false;
                }
                self.report.touch();
                if failed {
                    self.warn(out, "FailedPostStartHook", "PostStartHook failed");
                    if self.members[at].is_running() {
                        let grace = self.pod.spec.grace();
                        self.kill(context, now, out, at, grace, "FailedPostStartHook");
                    }
                }
            }
            (Op::PreStop { deadline }, HookKind::PreStop) if is_current => {
                member.op = Op::Turn { deadline: *deadline };
                if failed {
                    self.warn(out, "FailedPreStopHook", "PreStopHook failed");
                }
                self.push_stops(context, now, out);
            }
            _ => {}
        }
    }

    pub(super) fn heard(&mut self, at: At, container: &ContainerId, words: String) {
        let Some(instance) = self.members.get_mut(at).and_then(|member| member.instance(container)) else {
            return;
        };
        if let Run::Ended { exit, .. } = &mut instance.run
            && exit.message.is_empty()
            && !words.is_empty()
        {
            exit.message = words.into();
            self.report.touch();
        }
    }

    /// A container has ended.
    pub(in crate::agent) fn exited(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        status: &ContainerStatus,
    ) {
        let pod = Arc::clone(&self.pod.spec);
        let Some(at) = pod.all().position(|container| container.name == status.name) else { return };
        let container = pod.nth(at);
        let runtime = &context.runtime.name;
        let member = &mut self.members[at];
        if matches!(member.op, Op::Starting | Op::Unsure { .. })
            && member.next_attempt() == status.attempt
            && member.instance(&status.id).is_none()
        {
            // It ended before the answer to its start was heard.
            let instance = Instance::of(status, runtime, now.elapsed);
            self.install(out, at, instance);
        } else {
            let Some(instance) = member.instance(&status.id).filter(|instance| instance.is_running()) else {
                return;
            };
            instance.run = run_of(status, runtime, now.elapsed);
            instance.is_hidden = false;
        }
        self.report.touch();
        let member = &mut self.members[at];
        if matches!(member.op, Op::PreStop { .. } | Op::Turn { .. } | Op::PostStart | Op::Unsure { .. }) {
            member.op = Op::Idle;
        }
        let wants_log = member.ended().is_some_and(|(exit, _)| exit.code != 0 && exit.message.is_empty());
        if wants_log
            && context.runtime.has_streams
            && &*container.termination_message_policy == "FallbackToLogsOnError"
        {
            self.ask(out, Action::LastWords { at, container: status.id.clone() });
        }
    }
}
