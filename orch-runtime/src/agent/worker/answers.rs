//! What a pod learns: answers to its commands and events of its containers.

use std::sync::Arc;
use std::time::Duration;

use orch_core::network::Attachment;
use orch_core::runtime::{self, ContainerId, SandboxId};

use super::{Context, Out, Slot, Worker};
use crate::agent::check::Check;
use crate::agent::command::{Action, At, HookKind, Now, Outcome, StartError};
use crate::agent::member::{Instance, Op};
use crate::agent::services::variables;

impl Worker {
    /// Takes in the answer to a command.
    pub(in crate::agent) fn answer(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        outcome: Outcome,
    ) {
        match outcome {
            Outcome::Made(result) => self.volumes_made(context, now, out, result),
            Outcome::Services(Ok(services)) => {
                self.services = Slot::Ready(variables(&services, &self.pod.key().namespace));
            }
            Outcome::Services(Err(error)) => {
                tracing::debug!(%error, pod = %self.pod.key(), "services not read");
                self.services = Slot::Empty;
                self.retry_setup_at(out, now.elapsed + context.config.timings.retry.min(MAX_READ_RETRY));
            }
            Outcome::Attached(result) => self.attached(context, now, out, result),
            Outcome::Detached(result) => match result {
                Ok(()) => self.network = Slot::Left,
                Err(error) => {
                    tracing::warn!(%error, pod = %self.pod.key(), "cannot take a pod off the network");
                    self.network = Slot::Empty;
                    self.retry_setup_at(out, now.elapsed + context.config.timings.retry);
                }
            },
            Outcome::Sandbox(result) => self.sandboxed(context, now, out, result),
            Outcome::SandboxGone(Ok(())) => self.sandbox = Slot::Left,
            Outcome::SandboxGone(Err(error)) => {
                tracing::warn!(%error, pod = %self.pod.key(), "cannot remove a sandbox");
                self.wants_state = true;
                self.retry_setup_at(out, now.elapsed + context.config.timings.retry);
            }
            Outcome::Cleared(Ok(())) => self.volumes = Slot::Left,
            Outcome::Cleared(Err(error)) => {
                tracing::warn!(%error, pod = %self.pod.key(), "cannot remove a pod's directory");
                self.volumes = Slot::Empty;
                self.retry_setup(context, now, out);
            }
            Outcome::Inspected { at, result } => self.inspected(context, now, out, at, result),
            Outcome::Pulled { at, result, took } => self.pulled(context, now, out, at, result, took),
            Outcome::Started { at, result } => self.started(context, now, out, at, result),
            Outcome::Stopped { at, result } => self.stopped(context, now, out, at, result),
            Outcome::Hooked { at, which, container, answer } => {
                self.hooked(context, now, out, at, which, &container, answer)
            }
            Outcome::Probed { at, purpose, number, container, answer } => {
                self.probed(out, at, purpose, number, &container, answer);
            }
            Outcome::LastWords { at, container, words } => self.heard(at, &container, words),
            Outcome::Status(result) => self.reported(context, now, result),
            Outcome::Deleted(result) => self.deleted(context, now, out, result),
            _ => {}
        }
    }

    fn volumes_made(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        result: Result<(), (orch_core::Str, crate::agent::error::Error)>,
    ) {
        let digest = self.updating.take().unwrap_or_default();
        match result {
            Ok(()) => {
                self.setup.clear();
                self.complaint.clear();
                self.volumes = Slot::Ready(digest);
            }
            Err((volume, error)) => {
                if !matches!(self.volumes, Slot::Ready(_)) {
                    self.volumes = Slot::Empty;
                }
                self.complaint.clear();
                self.complain(context, now, out, &volume, &error);
            }
        }
    }

    fn attached(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        result: std::io::Result<Attachment>,
    ) {
        match result {
            Ok(attachment) => {
                self.addresses = attachment.addresses.iter().map(ToString::to_string).collect();
                self.network = Slot::Ready(attachment);
                self.report.touch();
            }
            Err(error) => {
                self.network = Slot::Empty;
                self.warn(out, "FailedCreatePodSandBox", format!("Failed to create pod sandbox: {error}"));
                self.retry_setup_at(out, now.elapsed + context.config.timings.retry);
            }
        }
    }

    fn sandboxed(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        result: runtime::Result<SandboxId>,
    ) {
        match result {
            Ok(sandbox) => {
                self.sandbox = Slot::Ready(sandbox);
                self.sandbox_since = now.elapsed;
                self.report.touch();
            }
            Err(error) => {
                if is_unsure(&error) {
                    self.is_sandbox_unsure = true;
                    self.sandbox_since = now.elapsed;
                    self.wants_state = true;
                } else {
                    self.sandbox = Slot::Empty;
                }
                self.warn(out, "FailedCreatePodSandBox", format!("Failed to create pod sandbox: {error}"));
                self.retry_setup_at(out, now.elapsed + context.config.timings.retry);
            }
        }
    }

    fn started(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        at: At,
        result: Result<ContainerId, StartError>,
    ) {
        let pod = Arc::clone(&self.pod.spec);
        let container = pod.nth(at);
        self.members[at].op = Op::Idle;
        let id = match result {
            Ok(id) => id,
            Err(StartError::Mount(error)) => {
                return self.config_error(context, now, out, at, &error.to_string());
            }
            Err(StartError::Runtime(error)) => return self.start_failed(context, now, out, at, &error),
        };
        self.tell(out, "Created", "Container created");
        self.tell(out, "Started", "Container started");
        let member = &mut self.members[at];
        let image_id = member.image.take().map_or_else(|| container.image.clone(), |image| image.0);
        member.trouble = None;
        member.not_before = None;
        self.report.touch();
        if member.instance(&id).is_none() {
            let attempt = member.next_attempt();
            let mut instance =
                Instance::new(id.clone(), attempt, container.image.clone(), image_id, now.wall, now.elapsed);
            instance.arm(container, now.elapsed);
            self.install(out, at, instance);
        }
        let Some(hook) = container.lifecycle.post_start.as_ref().filter(|_| self.members[at].is_running())
        else {
            return;
        };
        let ip = self.addresses.first().map(String::as_str).unwrap_or_default();
        let (check, namespace) = (Check::hook(hook, container, ip), self.pod.key().namespace.clone());
        self.members[at].op = Op::PostStart;
        if let Some(instance) = &mut self.members[at].current {
            instance.is_hidden = true;
        }
        self.ask(
            out,
            Action::Hook {
                at,
                which: HookKind::PostStart,
                namespace,
                container: id,
                check,
                limit: POST_START_LIMIT,
            },
        );
    }

    /// An instance takes its place; the one before the last is forgotten.
    pub(super) fn install(&mut self, out: &mut Out, at: At, instance: Instance) {
        if let Some(old) = self.members[at].replace(instance) {
            self.ask(out, Action::Forget(old));
        }
        self.report.touch();
    }

    fn start_failed(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        at: At,
        error: &runtime::Error,
    ) {
        self.warn(out, "Failed", format!("Error: {error}"));
        self.set_trouble(at, error.reason(), error.to_string());
        if is_unsure(error) {
            self.members[at].op = Op::Unsure { since: now.elapsed };
            self.members[at].not_before = Some(now.elapsed + context.config.timings.retry);
            self.wants_state = true;
            return;
        }
        let member = &mut self.members[at];
        member.image = None;
        let until = member.crash.fail(&context.config.timings.crash_loop, now.elapsed);
        member.not_before = Some(until);
        if matches!(error, runtime::Error::NotFound { .. }) {
            self.wants_state = true;
        }
    }

    fn stopped(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        at: At,
        result: runtime::Result<()>,
    ) {
        let member = &mut self.members[at];
        if !matches!(member.op, Op::Stopping { .. }) {
            return;
        }
        member.op = Op::Idle;
        match result {
            // It has ended; its exit code is in an event, or in the state when that was missed. Until that is known it is not
            // stopped again: the answer would come at once, time after time.
            Ok(()) if member.is_running() => {
                self.wants_state = true;
                let until = now.elapsed + context.config.timings.retry.min(MAX_READ_RETRY);
                member.not_before = Some(until);
                out.wake_at(until);
            }
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(%error, pod = %self.pod.key(), "cannot stop a container");
                let until = now.elapsed + context.config.timings.retry;
                member.not_before = Some(until);
                out.wake_at(until);
            }
        }
    }

    fn deleted(&mut self, context: &Context<'_>, now: Now, out: &mut Out, result: orch_core::Result<()>) {
        match result {
            Ok(()) => self.delete = Slot::Left,
            // Gone, or another pod has the name: its feed will say so too.
            Err(error) if error.is_not_found() || error.is_conflict() => self.delete = Slot::Left,
            Err(error) => {
                tracing::debug!(%error, pod = %self.pod.key(), "cannot delete a pod");
                self.delete = Slot::Empty;
                self.retry_setup_at(out, now.elapsed + context.config.timings.retry);
            }
        }
    }
}

/// A postStart hook has no limit of its own; this bound keeps a pod from hanging for ever on one that never ends.
const POST_START_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Whether what was asked for may have been done all the same.
fn is_unsure(error: &runtime::Error) -> bool {
    matches!(error, runtime::Error::Unavailable { .. } | runtime::Error::Timeout { .. })
}

/// A read that failed is tried again soon: the pod waits for it.
const MAX_READ_RETRY: Duration = Duration::from_secs(1);
