//! Whatever is sent, an answer comes, and it is not the server's fault.

use proptest::prelude::*;

use super::*;

fn requests() -> impl Strategy<Value = (usize, String, String, String)> {
    let part = prop::sample::select(vec![
        "api",
        "apis",
        "v1",
        "apps",
        "namespaces",
        "default",
        "pods",
        "configmaps",
        "deployments",
        "a",
        "status",
        "scale",
        "binding",
        "eviction",
        "log",
        "token",
        "resize",
        "ephemeralcontainers",
        "watch",
        "openapi",
        "v3",
        "healthz",
        "%2f",
        "",
    ]);
    let path = prop::collection::vec(part, 0..8).prop_map(|parts| format!("/{}", parts.join("/")));
    let query = prop::sample::select(vec![
        "",
        "limit=1",
        "limit=-1",
        "resourceVersion=1",
        "resourceVersion=x",
        "continue=bm9wZQ",
        "dryRun=All",
        "dryRun=x",
        "fieldSelector=a",
        "labelSelector=a%20in",
        "watch=1&timeoutSeconds=1",
        "fieldValidation=Strict",
        "propagationPolicy=x",
    ]);
    let body = prop::sample::select(vec![
        "",
        "{}",
        "[]",
        "null",
        "{",
        "{\"metadata\":{\"name\":\"a\"}}",
        "{\"metadata\":7}",
        "{\"metadata\":{\"name\":\"A B\"}}",
        "{\"kind\":\"Pod\"}",
        "{\"spec\":{\"replicas\":\"x\"}}",
        "{\"metadata\":{\"generateName\":\"x-\"}}",
        "\u{0}",
    ]);
    (0..6_usize, path, query.prop_map(str::to_owned), body.prop_map(str::to_owned))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_request_is_the_servers_fault((method, path, query, body) in requests()) {
        with(|server| async move {
            let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD];
            let media = if method == 3 { "application/merge-patch+json" } else { "application/json" };
            let uri = format!("{path}?{query}");
            let answer = server.send(methods[method].clone(), &uri, &[("content-type", media)], body.clone()).await;
            assert!(answer.code < 500, "{} {uri} {body}: {}", methods[method], answer.raw);
        });
    }
}
