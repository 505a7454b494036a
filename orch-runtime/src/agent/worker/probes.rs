//! Asking the containers that run how they are, when it is time.

use std::sync::Arc;

use super::{Context, Out, Worker};
use crate::agent::check::{Answer, Check};
use crate::agent::command::{Action, At, Now};
use crate::agent::member::{Instance, Op};
use crate::agent::probe::Purpose;
use crate::agent::spec::{Container, Probe};
use orch_core::runtime::ContainerId;

impl Worker {
    /// Asks for the probes that are due. While a pod ends only readiness is asked for.
    pub(super) fn run_probes(&mut self, _context: &Context<'_>, now: Now, out: &mut Out) {
        if self
            .members
            .iter()
            .all(|member| member.current.as_ref().is_none_or(|instance| instance.probes.is_empty()))
        {
            return;
        }
        let spec = Arc::clone(&self.pod.spec);
        let ip = self.addresses.first().cloned().unwrap_or_default();
        let is_ending = self.ending.is_some();
        for at in 0..self.members.len() {
            let member = &mut self.members[at];
            if !matches!(member.op, Op::Idle | Op::PreStop { .. } | Op::Turn { .. }) {
                continue;
            }
            let Some(instance) =
                member.current.as_mut().filter(|instance| instance.is_running() && !instance.is_hidden)
            else {
                continue;
            };
            for (purpose, number) in due(instance, is_ending, now, out) {
                let Some((probe, limit)) = spec_of(spec.nth(at), purpose).zip(
                    self.members[at]
                        .running()
                        .and_then(|running| running.probe(purpose))
                        .map(|probe| probe.timeout()),
                ) else {
                    continue;
                };
                let check = Check::probe(probe, spec.nth(at), &ip);
                let Some(container) = self.members[at].running().and_then(|running| running.id.clone())
                else {
                    continue;
                };
                let namespace = self.pod.key().namespace.clone();
                self.ask(out, Action::Probe { at, purpose, number, namespace, container, check, limit });
            }
        }
    }

    /// A probe was answered.
    pub(super) fn probed(
        &mut self,
        out: &mut Out,
        at: At,
        purpose: Purpose,
        number: u64,
        container: &ContainerId,
        answer: Answer,
    ) {
        let Some(instance) = self.members.get_mut(at).and_then(|member| member.instance(container)) else {
            return;
        };
        if !instance.is_running() {
            return;
        }
        let Some((_, probe)) = instance.probes.iter_mut().find(|(known, _)| *known == purpose) else {
            return;
        };
        let word = purpose.word();
        let (result, message) = match answer {
            Answer::Yes => (Some(true), None),
            Answer::No(why) => (Some(false), Some(format!("{word} probe failed: {why}"))),
            Answer::Failed(why) => {
                (None, Some(format!("{word} probe errored and resulted in unknown state: {why}")))
            }
        };
        if probe.finish(purpose, number, result) {
            self.report.touch();
        }
        if let Some(message) = message {
            self.warn(out, "Unhealthy", message);
        }
    }

    /// Probes under way that the state of the pod waits for.
    pub(in crate::agent) fn awaits_probe(&self) -> bool {
        let instances = self.members.iter().filter_map(|member| member.running());
        instances.flat_map(|instance| &instance.probes).any(|(_, probe)| probe.is_awaited())
    }
}

/// Takes the probes that are due; asks to be woken for the others.
fn due(instance: &mut Instance, is_ending: bool, now: Now, out: &mut Out) -> Vec<(Purpose, u64)> {
    let is_started = instance.is_started();
    let mut due = Vec::new();
    for purpose in Purpose::ALL {
        let Some((_, probe)) = instance.probes.iter_mut().find(|(known, _)| *known == purpose) else {
            continue;
        };
        if is_ending && purpose != Purpose::Readiness {
            probe.retire();
            continue;
        }
        // Others wait for the startup probe; it ends with its success.
        if (purpose == Purpose::Startup) == is_started {
            continue;
        }
        match probe.due() {
            Some(at) if at <= now.elapsed => due.push((purpose, probe.begin(now.elapsed))),
            Some(at) => out.wake_at(at),
            None => {}
        }
    }
    due
}

fn spec_of(container: &Container, purpose: Purpose) -> Option<&Probe> {
    match purpose {
        Purpose::Startup => container.startup_probe.as_ref(),
        Purpose::Liveness => container.liveness_probe.as_ref(),
        Purpose::Readiness => container.readiness_probe.as_ref(),
    }
}
