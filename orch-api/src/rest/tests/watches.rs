//! Watches: what comes, in which order, and how they end.

use std::time::Duration;

use super::*;

/// The events that a watch sends until it ends.
fn events(answer: &Answer) -> Vec<Value> {
    answer.raw.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Types and names of events; of a bookmark its revision.
fn short(answer: &Answer) -> Vec<String> {
    let one = |event: &Value| {
        let metadata = &event["object"]["metadata"];
        let what = metadata["name"].as_str().or(metadata["resourceVersion"].as_str()).unwrap_or_default();
        format!("{} {what}", event["type"].as_str().unwrap())
    };
    events(answer).iter().map(one).collect()
}

#[test]
fn a_watch_from_a_revision_has_every_change_since() {
    with(|server| async move {
        let from = server.get(MAPS).await.revision().to_owned();
        server.map("a", json!({"l": "x"})).await;
        server.map("b", json!({})).await;
        server.merge(&format!("{MAPS}/a"), json!({"data": {"k": "v"}})).await.expect(200);
        server.merge(&format!("{MAPS}/b"), json!({"metadata": {"labels": {"l": "x"}}})).await.expect(200);
        server.merge(&format!("{MAPS}/a"), json!({"metadata": {"labels": {"l": "y"}}})).await.expect(200);
        server.delete(&format!("{MAPS}/b"), None).await.expect(200);
        let uri = format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={from}");
        let all = server.get(&uri).await.expect(200);
        assert_eq!(
            short(&all),
            ["ADDED a", "ADDED b", "MODIFIED a", "MODIFIED b", "MODIFIED a", "DELETED b"]
        );
        let selected = server.get(&format!("{uri}&labelSelector=l%3Dx")).await.expect(200);
        assert_eq!(short(&selected), ["ADDED a", "MODIFIED a", "ADDED b", "DELETED a", "DELETED b"]);
        let left = &events(&selected)[3]["object"];
        assert_eq!(left["metadata"]["labels"]["l"], "x", "as it was while it was selected");
        let revisions: Vec<u64> = events(&all)
            .iter()
            .map(|event| event["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap())
            .collect();
        assert!(revisions.is_sorted_by(|a, b| a < b), "a deletion has a revision of its own: {revisions:?}");
    });
}

#[test]
fn a_watch_begins_as_it_is_told() {
    with(|server| async move {
        server.map("a", json!({})).await;
        let now = server.map("b", json!({})).await.revision().to_owned();
        let of = async |query: &str| {
            short(&server.get(&format!("{MAPS}?watch=1&timeoutSeconds=1{query}")).await.expect(200))
        };
        assert_eq!(of("").await, ["ADDED a", "ADDED b"]);
        assert_eq!(of("&resourceVersion=0").await, ["ADDED a", "ADDED b"]);
        assert_eq!(of(&format!("&resourceVersion={now}")).await, [""; 0]);
        let initial = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1";
        assert_eq!(
            of(initial).await[..3],
            ["ADDED a".to_owned(), "ADDED b".into(), format!("BOOKMARK {now}")]
        );
        let none = "&sendInitialEvents=false&resourceVersionMatch=NotOlderThan";
        assert_eq!(of(none).await, [""; 0]);
        assert_eq!(of("&fieldSelector=metadata.name%3Db").await, ["ADDED b"]);
        let old = server.get("/api/v1/watch/namespaces/default/configmaps/b?timeoutSeconds=1").await;
        assert_eq!(short(&old.expect(200)), ["ADDED b"]);
    });
}

#[test]
fn the_end_of_the_initial_state_is_marked() {
    with(|server| async move {
        server.map("a", json!({})).await;
        let query = "watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1";
        let answer = server.get(&format!("{MAPS}?{query}")).await.expect(200);
        let mark = &events(&answer)[1];
        assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
        assert_eq!(
            (mark["type"].as_str(), mark["object"]["kind"].as_str()),
            (Some("BOOKMARK"), Some("ConfigMap"))
        );
    });
}

#[test]
fn bookmarks_tell_of_progress_elsewhere() {
    with(|server| async move {
        let from = server.get(MAPS).await.revision().to_owned();
        let uri = format!("{MAPS}?watch=1&timeoutSeconds=9&allowWatchBookmarks=true&resourceVersion={from}");
        let watch = server.open(Request::get(&uri).body(Full::default()).unwrap()).await;
        let mut body = watch.into_body();
        server.post(PODS, pod("a")).await.expect(201);
        let seen = server.get(PODS).await.revision().to_owned();
        let mut lines = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            lines.push(serde_json::from_slice::<Value>(frame.data_ref().unwrap()).unwrap());
        }
        assert!(lines.iter().all(|line| line["type"] == "BOOKMARK"), "{lines:?}");
        assert_eq!(lines.last().unwrap()["object"]["metadata"]["resourceVersion"], seen.as_str());
    });
}

#[test]
fn a_watch_ends_when_it_was_told_to() {
    with(|server| async move {
        let before = server.env.elapsed();
        server.get(&format!("{MAPS}?watch=1&timeoutSeconds=30")).await.expect(200);
        assert_eq!((server.env.elapsed() - before).as_secs(), 30);
        server.get(&format!("{MAPS}?watch=1")).await.expect(200);
        assert!(server.env.elapsed() - before > Duration::from_secs(1800), "and else within an hour");
    });
}

#[test]
fn a_watch_of_history_that_is_gone_says_so() {
    with(|server| async move {
        let from = server.map("a", json!({})).await.revision().to_owned();
        server.map("b", json!({})).await;
        server.store.compact(server.store.revision());
        let answer = server.get(&format!("{MAPS}?watch=1&resourceVersion={from}")).await.expect(200);
        let event = &events(&answer)[0];
        assert_eq!((event["type"].as_str(), event["object"]["code"].as_u64()), (Some("ERROR"), Some(410)));
        assert_eq!(event["object"]["reason"], "Expired");
        assert!(event["object"]["message"].as_str().unwrap().starts_with("too old resource version: "));
    });
}

#[test]
fn a_watch_from_the_future_has_nothing_older() {
    with(|server| async move {
        let now: u64 = server.map("a", json!({})).await.revision().parse().unwrap();
        let uri = format!("{MAPS}?watch=1&timeoutSeconds=5&resourceVersion={}", now + 1);
        let watch = server.open(Request::get(&uri).body(Full::default()).unwrap()).await;
        server.map("b", json!({})).await;
        server.map("c", json!({})).await;
        let raw = watch.into_body().collect().await.unwrap().to_bytes();
        let lines: Vec<&str> = std::str::from_utf8(&raw).unwrap().lines().collect();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("\"name\":\"c\""), "{lines:?}");
    });
}

#[test]
fn a_table_tells_its_columns_once() {
    with(|server| async move {
        for name in ["a", "b"] {
            server.map(name, json!({})).await;
        }
        let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
        let uri = format!("{MAPS}?watch=1&timeoutSeconds=1");
        let answer = server.send(Method::GET, &uri, &accept, "").await.expect(200);
        let columns: Vec<usize> = events(&answer)
            .iter()
            .map(|event| event["object"]["columnDefinitions"].as_array().map_or(0, Vec::len))
            .collect();
        assert_eq!(columns, [3, 0]);
    });
}
