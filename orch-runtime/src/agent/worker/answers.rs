//! What a pod learns: answers to its commands and events of its containers.

use std::sync::Arc;
use std::time::Duration;

use orch_core::network::Attachment;
use orch_core::runtime::{self, ContainerId, ContainerStatus, ImageId, PullPolicy, SandboxId};

use super::start::pull_policy;
use super::{Context, Out, Slot, Worker};
use crate::agent::check::{Answer, Check};
use crate::agent::command::{Action, At, HookKind, Now, Outcome, StartError};
use crate::agent::member::{Instance, Op, Run, run_of};
use crate::agent::text;

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
            Outcome::Made(result) => self.made(context, now, out, result),
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

    fn made(
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

    fn inspected(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        at: At,
        result: runtime::Result<Option<ImageId>>,
    ) {
        let pod = Arc::clone(&self.pod.spec);
        let container = pod.nth(at);
        match result {
            _ if self.ending.is_some() => self.members[at].op = Op::Idle,
            Ok(Some(id)) => {
                self.tell_present(out, container);
                self.take_image(context, now, out, at, id);
            }
            Ok(None) if pull_policy(container) == PullPolicy::Never => {
                let error = runtime::Error::ImageNeverPull { image: container.image.clone() };
                let message =
                    format!("Container image {:?} is not present with pull policy of Never", container.image);
                self.warn(out, "ErrImageNeverPull", message);
                self.image_failed(context, now, out, at, &error);
            }
            Ok(None) => self.pull(out, at, container.image.clone()),
            Err(error) => self.image_failed(context, now, out, at, &error),
        }
    }

    fn pulled(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        at: At,
        result: runtime::Result<ImageId>,
        took: Duration,
    ) {
        let image = self.pod.spec.nth(at).image.clone();
        match result {
            Ok(id) => {
                let took = text::duration(took);
                self.tell(
                    out,
                    "Pulled",
                    format!("Successfully pulled image {image:?} in {took} ({took} including waiting)."),
                );
                self.members[at].pull.clear();
                self.members[at].pull_failed = None;
                if self.ending.is_some() {
                    self.members[at].op = Op::Idle;
                } else {
                    self.take_image(context, now, out, at, id);
                }
            }
            Err(error) => {
                self.warn(out, "Failed", format!("Failed to pull image {image:?}: {error}"));
                self.image_failed(context, now, out, at, &error);
            }
        }
    }

    fn take_image(&mut self, context: &Context<'_>, now: Now, out: &mut Out, at: At, id: ImageId) {
        self.members[at].image = Some(id);
        self.members[at].op = Op::Idle;
        if let Some(sandbox) = self.sandbox.ready().cloned() {
            self.create(context, now, out, &sandbox, at);
        }
    }

    /// An image is not to be had: the container waits. A policy that never pulls is looked at again as often as a config.
    fn image_failed(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        at: At,
        error: &runtime::Error,
    ) {
        let reason = error.reason();
        self.warn(out, "Failed", format!("Error: {reason}"));
        self.set_trouble(at, reason, error.to_string());
        let member = &mut self.members[at];
        member.op = Op::Idle;
        if reason == "ErrImagePull" {
            let until = member.pull.fail(&context.config.timings.image_pull, now.elapsed);
            member.pull_failed = Some((now.elapsed, until));
        } else {
            member.not_before = Some(now.elapsed + context.config.timings.retry);
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
            // It has ended; its exit code is in an event, or in the state when that was missed.
            Ok(()) => self.wants_state |= member.is_running(),
            Err(error) => {
                tracing::warn!(%error, pod = %self.pod.key(), "cannot stop a container");
                let until = now.elapsed + context.config.timings.retry;
                member.not_before = Some(until);
                out.wake_at(until);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one answer")]
    fn hooked(
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

    fn heard(&mut self, at: At, container: &ContainerId, words: String) {
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
