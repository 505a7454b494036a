//! `/metrics`: what was counted.

use super::*;

#[track_caller]
fn says(text: &str, name: &str, labels: &[(&str, &str)], value: &str) {
    let is = |line: &&str| {
        line.starts_with(&format!("{name}{{"))
            && labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
    };
    let found: Vec<_> = text.lines().filter(is).collect();
    assert_eq!(found.len(), 1, "{name} {labels:?} in {text}");
    assert_eq!(found[0].rsplit(' ').next(), Some(value), "{}", found[0]);
}

#[test]
fn requests_watches_and_objects_are_counted_under_kubernetes_names() {
    with(|server| async move {
        server.map("a", json!({})).await;
        server.map("b", json!({})).await;
        server.get(&format!("{MAPS}/gone")).await.expect(404);
        server.get(&format!("{MAPS}?limit=1")).await.expect(200);
        server.post(&format!("{MAPS}?dryRun=All"), json!({"metadata": {"name": "c"}})).await.expect(201);
        let apply = [("content-type", "application/apply-patch+yaml")];
        let config = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#;
        server.send(Method::PATCH, &format!("{MAPS}/a?fieldManager=m"), &apply, config).await.expect(200);
        server.get("/healthz").await.expect(200);
        server.get("/api/v1/namespaces/default/nothing").await.expect(404);
        let watch = Request::get(format!("{MAPS}?watch=1")).body(Full::default()).unwrap();
        let watch = server.open(watch).await;
        let text = server.get("/metrics").await.expect(200);
        assert_eq!(text.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let (text, total) = (text.raw.as_str(), "apiserver_request_total");
        let maps = |verb, scope, dry_run, code| {
            [
                ("resource", "configmaps"),
                ("verb", verb),
                ("scope", scope),
                ("dry_run", dry_run),
                ("code", code),
            ]
        };
        says(text, total, &maps("POST", "resource", "", "201"), "2");
        says(text, total, &maps("POST", "resource", "All", "201"), "1");
        says(text, total, &maps("GET", "resource", "", "404"), "1");
        says(text, total, &maps("LIST", "namespace", "", "200"), "1");
        says(text, total, &maps("APPLY", "resource", "", "200"), "1");
        says(text, total, &[("verb", "GET"), ("subresource", "/healthz"), ("code", "200")], "1");
        assert!(!text.contains("nothing"), "what a client makes up is no label");
        let durations = "apiserver_request_duration_seconds";
        says(text, &format!("{durations}_count"), &[("resource", "configmaps"), ("verb", "LIST")], "1");
        says(text, &format!("{durations}_bucket"), &[("verb", "LIST"), ("le", "60")], "1");
        says(text, "apiserver_longrunning_requests", &[("verb", "WATCH"), ("resource", "configmaps")], "1");
        says(text, "apiserver_current_inflight_requests", &[("request_kind", "readOnly")], "1");
        says(text, "apiserver_current_inflight_requests", &[("request_kind", "mutating")], "0");
        says(text, "apiserver_storage_objects", &[("resource", "configmaps")], "2");
        says(text, "apiserver_storage_objects", &[("resource", "deployments.apps")], "0");
        says(text, "apiserver_resource_objects", &[("group", "apps"), ("resource", "deployments")], "0");
        drop(watch);
        let text = server.get("/metrics").await.expect(200).raw;
        says(&text, "apiserver_longrunning_requests", &[("verb", "WATCH"), ("resource", "configmaps")], "0");
        says(&text, total, &maps("WATCH", "namespace", "", "200"), "1");
    });
}

#[test]
fn metrics_are_for_who_may_read_them() {
    with(|server| async move {
        let nobody = server.rest.acting_as(User::new("nobody"));
        let request = Request::get("/metrics").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(nobody.answer(request).await.status(), 403);
    });
}
