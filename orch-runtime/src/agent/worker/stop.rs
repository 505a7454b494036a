//! Ending containers and pods: preStop hooks, order, grace, and giving back what the pod had (`killContainer`,
//! `killContainersWithSyncResult` and `terminationOrdering` of `pkg/kubelet/kuberuntime`, `SyncTerminatingPod`).

use std::sync::Arc;
use std::time::Duration;

use orch_core::Write;

use super::{Context, Out, Slot, Why, Worker};
use crate::agent::check::Check;
use crate::agent::command::{Action, HookKind, Now};
use crate::agent::member::{Op, Role};
use crate::agent::volumes::pod_dir;

impl Worker {
    /// Begins to end a running container.
    pub(super) fn kill(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        at: usize,
        grace: Duration,
        message: &str,
    ) {
        let spec = Arc::clone(&self.pod.spec);
        let container = spec.nth(at);
        let Some(id) = self.members[at].running().and_then(|instance| instance.id.clone()) else { return };
        self.tell(out, "Killing", message);
        let deadline = now.elapsed + grace;
        match &container.lifecycle.pre_stop {
            Some(hook) if !grace.is_zero() => {
                let ip = self.addresses.first().map(String::as_str).unwrap_or_default();
                let check = Check::hook(hook, container, ip);
                let namespace = self.pod.key().namespace.clone();
                self.members[at].op = Op::PreStop { deadline };
                self.ask(
                    out,
                    Action::Hook {
                        at,
                        which: HookKind::PreStop,
                        namespace,
                        container: id,
                        check,
                        limit: grace,
                    },
                );
            }
            _ => self.members[at].op = Op::Turn { deadline },
        }
        self.push_stops(context, now, out);
    }

    /// Stops the containers whose turn it is; a hook or a turn that takes longer than the grace is not waited for.
    pub(super) fn push_stops(&mut self, context: &Context<'_>, now: Now, out: &mut Out) {
        for at in 0..self.members.len() {
            let deadline = match self.members[at].op {
                Op::Turn { deadline } if self.is_turn_of(at) || deadline <= now.elapsed => deadline,
                Op::PreStop { deadline } if deadline <= now.elapsed => deadline,
                Op::Turn { deadline } | Op::PreStop { deadline } => {
                    out.wake_at(deadline);
                    continue;
                }
                _ => continue,
            };
            self.stop(context, now, out, at, deadline);
        }
    }

    fn stop(&mut self, context: &Context<'_>, now: Now, out: &mut Out, at: usize, deadline: Duration) {
        let Some(container) = self.members[at].running().and_then(|instance| instance.id.clone()) else {
            self.members[at].op = Op::Idle;
            return;
        };
        let left = Duration::from_secs(deadline.saturating_sub(now.elapsed).as_secs());
        self.members[at].op = Op::Stopping { deadline };
        self.ask(out, Action::Stop { at, container, grace: left.max(context.config.timings.least_grace) });
    }

    /// When a pod ends, sidecars end after the regular containers, the last one first.
    fn is_turn_of(&self, at: usize) -> bool {
        if self.ending.is_none() || self.members[at].role != Role::Sidecar {
            return true;
        }
        let later = self.members.iter().skip(at + 1);
        !later
            .filter(|member| member.role != Role::Init)
            .any(|member| member.is_running() || member.op == Op::Starting)
    }

    /// Ends what runs; then gives back what the pod had; then lets the object go.
    pub(super) fn wind_down(&mut self, context: &Context<'_>, now: Now, out: &mut Out) {
        let Some(ending) = self.ending else { return };
        let spec = Arc::clone(&self.pod.spec);
        for at in 0..self.members.len() {
            let member = &mut self.members[at];
            let is_running = member.is_running();
            match &mut member.op {
                // A hook or stop with a longer grace is hurried.
                Op::PreStop { deadline } | Op::Turn { deadline } => {
                    *deadline = (*deadline).min(ending.deadline)
                }
                Op::Stopping { deadline } if *deadline > ending.deadline => {
                    self.stop(context, now, out, at, ending.deadline);
                }
                // A postStart hook is not waited for: the container ends under it.
                Op::Idle | Op::PostStart if is_running => {
                    if let Some(until) = member.not_before.filter(|until| *until > now.elapsed) {
                        out.wake_at(until);
                        continue;
                    }
                    let grace = ending.deadline.saturating_sub(now.elapsed);
                    let message = format!("Stopping container {}", spec.nth(at).name);
                    self.kill(context, now, out, at, grace, &message);
                }
                _ => {}
            }
        }
        self.push_stops(context, now, out);
        if self.members.iter().any(|member| member.is_running() || member.op != Op::Idle) {
            return;
        }
        self.give_back(context, now, out, ending.why);
    }

    fn give_back(&mut self, context: &Context<'_>, now: Now, out: &mut Out, why: Why) {
        if let Some(at) = self.setup_at.filter(|at| *at > now.elapsed) {
            out.wake_at(at);
            return;
        }
        self.give_back_network(context, out);
        self.give_back_volumes(context, out);
        if !self.network.is_left() || !self.volumes.is_left() || matches!(self.sandbox, Slot::Making) {
            return;
        }
        if !self.is_settled {
            self.is_settled = true;
            self.report.touch();
        }
        if !matches!(why, Why::Deleted | Why::Gone) {
            // Sandbox and containers stay for their logs until somebody deletes the pod.
            return;
        }
        if !self.is_gone && !self.report.is_clean() {
            return;
        }
        match self.sandbox.ready().cloned() {
            Some(sandbox) => {
                self.sandbox = Slot::Leaving;
                self.ask(out, Action::RemoveSandbox(sandbox));
            }
            None if self.sandbox == Slot::Empty => self.sandbox = Slot::Left,
            None => {}
        }
        if self.sandbox.is_left() && !self.is_gone && self.delete == Slot::Empty {
            self.delete = Slot::Making;
            let write = Write::delete(self.pod.key().clone()).grace(0).of(self.pod.uid());
            self.ask(out, Action::Delete(write));
        }
    }

    fn give_back_network(&mut self, context: &Context<'_>, out: &mut Out) {
        match &self.network {
            Slot::Empty if self.is_refused || self.sandbox == Slot::Empty => self.network = Slot::Left,
            // An agent before this one attached it.
            Slot::Empty => {
                let join = self.join(context);
                self.network = Slot::Leaving;
                self.ask(out, Action::Leave(join));
            }
            Slot::Ready(attachment) => {
                let attachment = attachment.clone();
                self.network = Slot::Leaving;
                self.ask(out, Action::Detach(attachment));
            }
            _ => {}
        }
    }

    fn give_back_volumes(&mut self, context: &Context<'_>, out: &mut Out) {
        match &self.volumes {
            Slot::Ready(_) if self.updating.is_some() => return,
            Slot::Empty | Slot::Ready(_) => {}
            _ => return,
        }
        if self.is_refused || self.pod.spec.volumes.is_empty() {
            self.volumes = Slot::Left;
            return;
        }
        self.volumes = Slot::Leaving;
        let dir = pod_dir(&context.config.data_dir, self.pod.uid());
        self.ask(out, Action::Clear(dir));
    }
}
