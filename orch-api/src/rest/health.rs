//! `/healthz`, `/livez` and `/readyz`, with checks (`apiserver/pkg/server/healthz/healthz.go`).
//!
//! Invariant: the answer is 200 only when every check that was not excluded passed.

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

/// What a check found.
struct Found {
    name: String,
    fault: Option<String>,
}

async fn run(shared: &Shared, root: &str, query: &Query, only: Option<&str>) -> (Vec<Found>, Vec<String>) {
    let excluded: Vec<&str> = query.all("exclude").collect();
    let is_asked = |name: &str| only.is_none_or(|only| only == name) && !excluded.contains(&name);
    let mut found = Vec::new();
    for name in ["ping", "log"] {
        if is_asked(name) {
            found.push(Found { name: name.to_owned(), fault: None });
        }
    }
    if is_asked("store") {
        let select = Select::kind(kind::NAMESPACES);
        let read = shared.api.list(&select, None, 1);
        let fault = match shared.env.timeout(LIMIT, read).await {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(error.to_string()),
            None => Some("no answer in time".to_owned()),
        };
        found.push(Found { name: "store".to_owned(), fault });
    }
    for check in &shared.checks {
        if is_asked(check.name()) && (root != "livez" || check.is_vital()) {
            let fault = match shared.env.timeout(LIMIT, check.check()).await {
                Some(answer) => answer.err(),
                None => Some("no answer in time".to_owned()),
            };
            found.push(Found { name: check.name().to_owned(), fault });
        }
    }
    let unknown =
        excluded.iter().filter(|name| !is_known(shared, name)).map(|name| format!("{name:?}")).collect();
    (found, unknown)
}

fn is_known(shared: &Shared, name: &str) -> bool {
    ["ping", "log", "store"].contains(&name) || shared.checks.iter().any(|check| check.name() == name)
}

pub(super) async fn answer(shared: &Shared, root: &str, only: Option<&str>, query: &Query) -> Response<Body> {
    let (found, unknown) = run(shared, root, query, only).await;
    if only.is_some() && found.is_empty() {
        return body::not_found();
    }
    let mut text = String::new();
    if only.is_none() {
        for name in query.all("exclude").filter(|name| is_known(shared, name)) {
            text.push_str(&format!("[+]{name} excluded: ok\n"));
        }
    }
    for Found { name, fault } in &found {
        match fault {
            None => text.push_str(&format!("[+]{name} ok\n")),
            Some(fault) => {
                tracing::warn!(check = %name, %fault, "a health check failed");
                text.push_str(&format!("[-]{name} failed: reason withheld\n"));
            }
        }
    }
    if !unknown.is_empty() {
        text.push_str(&format!(
            "warn: some health checks cannot be excluded: no matches for {}\n",
            unknown.join(", ")
        ));
    }
    if found.iter().any(|found| found.fault.is_some()) {
        return body::text(500, format!("{text}{root} check failed\n"));
    }
    if query.has("verbose") {
        return body::text(200, format!("{text}{root} check passed\n"));
    }
    body::text(200, "ok")
}
