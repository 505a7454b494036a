//! Getting the image of a container (`pkg/kubelet/images/image_manager.go`).

use std::sync::Arc;
use std::time::Duration;

use orch_core::runtime::{self, ImageId, PullPolicy};

use super::start::pull_policy;
use super::{Context, Out, Worker};
use crate::agent::command::{At, Now};
use crate::agent::member::Op;
use crate::agent::text;

impl Worker {
    pub(super) fn inspected(
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

    pub(super) fn pulled(
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

    pub(super) fn take_image(&mut self, context: &Context<'_>, now: Now, out: &mut Out, at: At, id: ImageId) {
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
}
