//! `/healthz`, `/livez` and `/readyz`, with checks (`apiserver/pkg/server/healthz/healthz.go`).
//!
//! Invariant: the answer is 200 only when every check that was not excluded passed.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use http::Response;
use orch_core::{Select, kind};

use super::body::{self, Body};
use super::query::Query;
use super::service::Shared;

/// How long a check may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether a part of the server is well.
#[async_trait]
pub trait Check: Send + Sync + 'static {
    /// As it stands in paths, for example `etcd`.
    fn name(&self) -> &str;

    /// Whether `/livez` asks for it too: then its failure means that the process must be started again.
    fn is_vital(&self) -> bool {
        false
    }

    /// # Errors
    /// What is wrong. It is shown to nobody, and logged.
    async fn check(&self) -> Result<(), String>;
}

/// What became of a check.
enum Found {
    Well,
    Faulty(String),
    Excluded,
}

/// The checks of a root, or the one of them that is asked for, in their order; and what is excluded and no check.
async fn run<'a>(
    shared: &'a Shared,
    root: &str,
    query: &'a Query,
    only: Option<&str>,
) -> (Vec<(&'a str, Found)>, BTreeSet<&'a str>) {
    let mut checks: Vec<(&str, Option<&dyn Check>)> = vec![("ping", None), ("log", None), ("store", None)];
    for check in shared.checks.iter().filter(|check| root != "livez" || check.is_vital()) {
        checks.push((check.name(), Some(&**check)));
    }
    checks.retain(|(name, _)| only.is_none_or(|only| only == *name));
    // Who asks for one check gets it.
    let mut excluded: BTreeSet<&str> = query.all("exclude").filter(|_| only.is_none()).collect();
    let mut found = Vec::new();
    for (name, check) in checks {
        if excluded.remove(name) {
            found.push((name, Found::Excluded));
            continue;
        }
        let answer = match check {
            Some(check) => shared.env.timeout(LIMIT, check.check()).await,
            None if name == "store" => shared.env.timeout(LIMIT, store(shared)).await,
            None => Some(Ok(())),
        };
        found.push(match answer {
            Some(Ok(())) => (name, Found::Well),
            Some(Err(fault)) => (name, Found::Faulty(fault)),
            None => (name, Found::Faulty("no answer in time".to_owned())),
        });
    }
    (found, excluded)
}

async fn store(shared: &Shared) -> Result<(), String> {
    let select = Select::kind(kind::NAMESPACES);
    shared.api.list(&select, None, 1).await.map(drop).map_err(|error| error.to_string())
}

pub(super) async fn answer(shared: &Shared, root: &str, only: Option<&str>, query: &Query) -> Response<Body> {
    let (found, unknown) = run(shared, root, query, only).await;
    if found.is_empty() {
        return body::not_found();
    }
    let mut text = String::new();
    for (name, found) in &found {
        match found {
            Found::Well => text.push_str(&format!("[+]{name} ok\n")),
            Found::Excluded => text.push_str(&format!("[+]{name} excluded: ok\n")),
            Found::Faulty(fault) => {
                tracing::warn!(check = %name, %fault, "a health check failed");
                text.push_str(&format!("[-]{name} failed: reason withheld\n"));
            }
        }
    }
    if !unknown.is_empty() {
        let unknown: Vec<_> = unknown.iter().map(|name| format!("{name:?}")).collect();
        text.push_str(&format!(
            "warn: some health checks cannot be excluded: no matches for {}\n",
            unknown.join(",")
        ));
    }
    if found.iter().any(|(_, found)| matches!(found, Found::Faulty(_))) {
        return body::text(500, format!("{text}{root} check failed\n"));
    }
    if query.has("verbose") {
        return body::text(200, format!("{text}{root} check passed\n"));
    }
    body::text(200, "ok")
}
