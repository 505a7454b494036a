//! JSON for people: indented where it is asked for, and for programs that people look at
//! (`isPrettyPrint` of `apiserver/pkg/endpoints/handlers/negotiation/negotiate.go`).
//!
//! Invariant: what goes on or is large stays as it is.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde_json::Value;

use super::body::{self, Body};
use super::query::Query;

/// How user agents begin that show answers as they come.
const SHOWN_BY: [&str; 3] = ["curl", "Wget", "Mozilla/5.0"];

pub(super) fn is_wanted(query: Option<&str>, headers: &HeaderMap) -> bool {
    let query = query.filter(|query| query.contains("pretty")).map(Query::parse);
    match query.as_ref().map_or("", |query| query.text("pretty")) {
        "" => {
            let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
            SHOWN_BY.iter().any(|known| agent.starts_with(known))
        }
        said => matches!(said, "1" | "t" | "T" | "true" | "TRUE" | "True"),
    }
}

/// The same answer, indented if it is JSON that is there as a whole.
pub(super) async fn indented(response: Response<Body>) -> Response<Body> {
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|media| media == "application/json");
    if !is_json || response.body().size_hint().exact().is_none() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            tracing::error!(%error, "an answer broke off");
            return body::text(500, "internal error: the answer broke off\n");
        }
    };
    parts.headers.remove(CONTENT_LENGTH);
    let tree = serde_json::from_slice::<Value>(&bytes).ok();
    let text = tree.and_then(|tree| serde_json::to_vec_pretty(&tree).ok());
    Response::from_parts(parts, body::full(text.map_or(bytes, Into::into)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_those_who_ask_get_lines() {
        let agent = |agent: &str| HeaderMap::from_iter([(USER_AGENT, agent.parse().unwrap())]);
        for (query, user, expected) in [
            (None, "kubectl/v1.36.2", false),
            (None, "curl/8.0", true),
            (Some("pretty=false"), "curl/8.0", false),
            (Some("limit=1&pretty=true"), "kubectl/v1.36.2", true),
            (Some("pretty"), "Mozilla/5.0 (X11)", true),
            (Some("pretty=yes"), "curl/8.0", false),
        ] {
            assert_eq!(is_wanted(query, &agent(user)), expected, "{query:?} {user}");
        }
    }
}
