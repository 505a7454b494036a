//! Manifests into the cluster: tried as a whole first, then applied.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use orch_api::apply::{Outcome, apply};
use orch_api::manifest::{self, Manifest};
use orch_api::schema;
use orch_core::{Api, Key, kind};

use crate::Error;

/// Makes an Api over a copy of the cluster's state that is thrown away after the trial.
pub(crate) type Rehearse =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = orch_core::Result<Arc<dyn Api>>> + Send>> + Send + Sync>;

/// What became of one manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The object.
    pub key: Key,
    /// In `kubectl`'s words: `created`, `configured` or `unchanged`.
    pub what: &'static str,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.what)
    }
}

/// One thing that is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The file, or `<manifests>`.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// Path of the field; empty for the whole.
    pub field: String,
    /// What is wrong and what would be right.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: line {}: ", self.file, self.line)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.why)
    }
}

/// Tries the whole set on a copy, then applies it.
pub(crate) async fn run(
    api: &Arc<dyn Api>,
    rehearse: &Rehearse,
    files: &[(String, Vec<u8>)],
) -> Result<Vec<Applied>, Error> {
    let (mut manifests, mut refusals) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        match manifest::parse(name, bytes) {
            Ok(parsed) => manifests.extend(parsed),
            Err(errors) => refusals.extend(errors.iter().map(Refusal::from)),
        }
    }
    // Kubernetes names no field when a tree does not have the shape of its kind: looked at here, each fault has its line.
    refusals.extend(manifests.iter().flat_map(misshapen));
    if refusals.is_empty() {
        let copy = rehearse().await?;
        for manifest in &manifests {
            if let Err(error) = apply(&*copy, &manifest.tree).await {
                refusals.extend(Refusal::of(manifest, &error));
            }
        }
    }
    if !refusals.is_empty() {
        return Err(Error::Refused(refusals));
    }
    let mut applied = Vec::new();
    for manifest in &manifests {
        let done = apply(&**api, &manifest.tree).await?;
        let what = match done.outcome {
            Outcome::Created => "created",
            Outcome::Configured => "configured",
            Outcome::Unchanged => "unchanged",
        };
        applied.push(Applied { key: done.live.key().clone(), what });
    }
    Ok(applied)
}

/// Unknown fields and wrong types; nothing is known of the shape of kinds that are not Kubernetes' own.
fn misshapen(manifest: &Manifest) -> Vec<Refusal> {
    let text = |field: &str| manifest.tree[field].as_str().unwrap_or_default();
    let api_version = text("apiVersion");
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let Some(shape) = schema::lookup(group, version, text("kind")) else { return Vec::new() };
    let faults = schema::check(&manifest.tree, shape);
    faults.iter().map(|fault| Refusal::at(manifest, &fault.path, fault.reason.to_string())).collect()
}

impl From<&manifest::Error> for Refusal {
    fn from(error: &manifest::Error) -> Self {
        Self {
            file: error.source_name.to_string(),
            line: error.at.line,
            field: error.field.clone().unwrap_or_default(),
            why: error.reason.to_string(),
        }
    }
}

impl Refusal {
    fn at(manifest: &Manifest, field: &str, why: String) -> Self {
        let line = manifest.locate(field).map_or(manifest.line, |position| position.line);
        Self { file: manifest.source.to_string(), line, field: field.to_owned(), why }
    }

    /// A refusal for each fault, with the line of its field.
    fn of(manifest: &Manifest, error: &orch_core::Error) -> Vec<Self> {
        let at = |field: &str, why| Self::at(manifest, field, why);
        match error {
            orch_core::Error::Invalid { faults, .. } => faults
                .iter()
                .map(|fault| {
                    let text = fault.to_string();
                    let why = text.strip_prefix(&format!("{}: ", fault.field)).unwrap_or(&text).to_owned();
                    at(&fault.field, why)
                })
                .collect(),
            orch_core::Error::Malformed { field, why, .. } => vec![at(field, why.clone())],
            orch_core::Error::NotFound { key } if key.kind == kind::NAMESPACES => {
                let why = format!(
                    "namespaces {:?} not found: create it first, or put it before this object",
                    &*key.name
                );
                vec![at("metadata.namespace", why)]
            }
            orch_core::Error::UnknownKind { .. } => vec![at("kind", error.to_string())],
            other => vec![at("", other.to_string())],
        }
    }
}
