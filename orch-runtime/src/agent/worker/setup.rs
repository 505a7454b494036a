//! What a pod needs before its first container: volumes, an address, a sandbox.

use std::time::Duration;

use orch_core::runtime::SandboxSpec;

use super::{Context, Out, Slot, Worker};
use crate::agent::command::{Action, Now};
use crate::agent::env::Known;
use crate::agent::error::Error;
use crate::agent::volumes::{Content, Prepared, Tree, digest, prepare};
use orch_core::runtime::SandboxId;

impl Worker {
    /// Asks for the next thing that is missing; answers the sandbox once all is there.
    pub(super) fn set_up(&mut self, context: &Context<'_>, now: Now, out: &mut Out) -> Option<SandboxId> {
        if let Some(at) = self.setup_at.filter(|at| *at > now.elapsed) {
            out.wake_at(at);
            return self.made();
        }
        self.setup_at = None;
        if self.services == Slot::Empty {
            let links = self.pod.spec.enable_service_links.unwrap_or(true);
            let namespace = links.then(|| self.pod.key().namespace.clone());
            self.services = Slot::Making;
            self.ask(out, Action::Services { namespace });
        }
        if !self.make_volumes(context, now, out) {
            return None;
        }
        match &self.network {
            Slot::Empty => {
                self.network = Slot::Making;
                self.ask(out, Action::Attach(self.join(context)));
                return None;
            }
            Slot::Ready(_) => {}
            _ => return None,
        }
        if self.sandbox == Slot::Empty
            && let Some(attachment) = self.network.ready().cloned()
        {
            let annotations =
                self.pod.annotations.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            let (key, uid) = (self.pod.key().clone(), self.pod.uid().clone());
            let spec = SandboxSpec::new(key, uid, context.config.node.clone())
                .hostname(self.pod.hostname())
                .annotations(annotations);
            self.sandbox = Slot::Making;
            self.ask(out, Action::RunSandbox(spec, attachment));
        }
        self.made()
    }

    /// The sandbox, when all that containers need is there.
    fn made(&self) -> Option<SandboxId> {
        self.services.ready()?;
        self.volumes.ready()?;
        self.network.ready()?;
        self.sandbox.ready().cloned()
    }

    /// Says whether the volumes are there; brings them up to date.
    fn make_volumes(&mut self, context: &Context<'_>, now: Now, out: &mut Out) -> bool {
        let is_made = match self.volumes {
            Slot::Empty => false,
            Slot::Ready(_) => true,
            _ => return false,
        };
        if self.pod.spec.volumes.is_empty() {
            self.volumes = Slot::Ready(0);
            return true;
        }
        if is_made && (!self.is_stale || self.updating.is_some()) {
            return true;
        }
        self.is_stale = false;
        let place = self.place(context);
        let known = Known { pod: &self.pod, place: &place, sources: context.sources, services: &[] };
        match prepare(&known, &context.config.data_dir) {
            Ok(prepared) => {
                let fresh = digest(&prepared);
                if is_made && self.volumes.ready() == Some(&fresh) {
                    return true;
                }
                self.prepared = prepared.iter().map(without_bytes).collect();
                self.updating = Some(fresh);
                if !is_made {
                    self.volumes = Slot::Making;
                }
                self.ask(out, Action::Make(prepared));
            }
            // Its feed will say.
            Err((_, Error::Unread { .. })) => {}
            Err((volume, error)) => self.complain(context, now, out, &volume, &error),
        }
        is_made
    }

    /// A volume cannot be made now. What is missing is awaited; the rest is tried again later.
    pub(super) fn complain(
        &mut self,
        context: &Context<'_>,
        now: Now,
        out: &mut Out,
        volume: &str,
        error: &Error,
    ) {
        let message = format!("MountVolume.SetUp failed for volume {volume:?} : {error}");
        if message != self.complaint {
            self.warn(out, "FailedMount", message.clone());
            self.complaint = message;
        }
        if !error.is_awaited() {
            self.retry_setup(context, now, out);
            self.is_stale = true;
        }
    }

    pub(super) fn retry_setup(&mut self, context: &Context<'_>, now: Now, out: &mut Out) {
        let at = self.setup.fail(&context.config.timings.setup, now.elapsed);
        self.retry_setup_at(out, at);
    }

    pub(super) fn retry_setup_at(&mut self, out: &mut Out, at: Duration) {
        self.setup_at = Some(at);
        out.wake_at(at);
    }
}

/// What mounts need of a volume: the bytes of its files are not kept.
fn without_bytes(volume: &Prepared) -> Prepared {
    let content = match &volume.content {
        Content::Files(_) => Content::Files(Tree::new()),
        other => other.clone(),
    };
    Prepared { content, ..volume.clone() }
}
