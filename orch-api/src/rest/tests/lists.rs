//! Lists: pages, revisions, selectors, forms.

use super::*;

#[test]
fn a_list_stands_at_one_revision_over_all_its_pages() {
    with(|server| async move {
        for name in ["a", "b", "c", "d", "e"] {
            server.map(name, json!({})).await;
        }
        let first = server.get(&format!("{MAPS}?limit=2")).await.expect(200);
        assert_eq!(
            (first.names(), &first.body["metadata"]["remainingItemCount"]),
            (vec!["a", "b"], &json!(3))
        );
        server.delete(&format!("{MAPS}/c"), None).await.expect(200);
        server.map("bb", json!({})).await;
        let token = first.text("/metadata/continue").to_owned();
        let second = server.get(&format!("{MAPS}?limit=2&continue={token}")).await.expect(200);
        assert_eq!((second.names(), second.revision()), (vec!["c", "d"], first.revision()));
        let token = second.text("/metadata/continue").to_owned();
        let third = server.get(&format!("{MAPS}?limit=2&continue={token}")).await.expect(200);
        assert_eq!((third.names(), third.text("/metadata/continue")), (vec!["e"], ""));
        let with_revision = format!("{MAPS}?continue={token}&resourceVersion={}", first.revision());
        server.get(&with_revision).await.expect(400);
    });
}

#[test]
fn a_list_of_any_revision_comes_whole() {
    with(|server| async move {
        for name in ["a", "b", "c"] {
            server.map(name, json!({})).await;
        }
        let whole = server.get(&format!("{MAPS}?limit=1&resourceVersion=0")).await.expect(200);
        assert_eq!((whole.names(), whole.text("/metadata/continue")), (vec!["a", "b", "c"], ""));
        let first = server.get(&format!("{MAPS}?limit=1")).await.expect(200);
        assert_eq!((first.names(), &first.body["metadata"]["remainingItemCount"]), (vec!["a"], &json!(2)));
    });
}

#[test]
fn an_exact_list_is_of_that_revision() {
    with(|server| async move {
        for (name, label) in [("a", "x"), ("b", "x"), ("c", "y")] {
            server.map(name, json!({"l": label})).await;
        }
        let then = server.get(MAPS).await.revision().to_owned();
        server.delete(&format!("{MAPS}/a"), None).await.expect(200);
        server
            .merge(&format!("{MAPS}/b"), json!({"metadata": {"labels": {"l": "y"}}, "data": {"n": "w"}}))
            .await;
        server.merge(&format!("{MAPS}/c"), json!({"metadata": {"labels": {"l": "x"}}})).await.expect(200);
        server.map("d", json!({"l": "x"})).await;
        let exact = format!("{MAPS}?resourceVersion={then}&resourceVersionMatch=Exact");
        let old = server.get(&exact).await.expect(200);
        assert_eq!((old.names(), old.revision()), (vec!["a", "b", "c"], then.as_str()));
        assert!(old.body["items"][1].get("data").is_none(), "as it was then");
        let selected = server.get(&format!("{exact}&labelSelector=l%3Dx")).await.expect(200);
        assert_eq!(selected.names(), ["a", "b"]);
        let mut page = server.get(&format!("{exact}&limit=2")).await.expect(200);
        assert_eq!(page.names(), ["a", "b"]);
        let token = page.text("/metadata/continue").to_owned();
        page = server.get(&format!("{MAPS}?limit=2&continue={token}")).await.expect(200);
        assert_eq!((page.names(), page.revision()), (vec!["c"], then.as_str()));
        // A limit alone means exactly that revision too; without, the newest is not older.
        assert_eq!(
            server.get(&format!("{MAPS}?resourceVersion={then}&limit=9")).await.names(),
            ["a", "b", "c"]
        );
        assert_eq!(server.get(&format!("{MAPS}?resourceVersion={then}")).await.names(), ["b", "c", "d"]);
    });
}

#[test]
fn a_revision_that_does_not_come_is_waited_for_and_refused() {
    with(|server| async move {
        let before = server.env.elapsed();
        for uri in [format!("{MAPS}?resourceVersion=999999"), format!("{MAPS}/a?resourceVersion=999999")] {
            let refused = server.get(&uri).await.expect(504);
            assert_eq!(refused.text("/details/causes/0/reason"), "ResourceVersionTooLarge");
            assert!(refused.headers.contains_key("retry-after"));
        }
        assert!(server.env.elapsed() - before >= std::time::Duration::from_secs(6));
    });
}

#[test]
fn a_page_whose_history_is_gone_comes_with_a_way_on() {
    with(|server| async move {
        for name in ["a", "b", "c"] {
            server.map(name, json!({})).await;
        }
        let first = server.get(&format!("{MAPS}?limit=1")).await.expect(200);
        server.map("bb", json!({})).await;
        server.store.compact(server.store.revision());
        let token = first.text("/metadata/continue").to_owned();
        let gone = server.get(&format!("{MAPS}?limit=1&continue={token}")).await.expect(410);
        assert_eq!(gone.text("/reason"), "Expired");
        let again = gone.text("/metadata/continue");
        let rest = server.get(&format!("{MAPS}?continue={again}")).await.expect(200);
        assert_eq!(rest.names(), ["b", "bb", "c"]);
        let exact = format!("{MAPS}?resourceVersionMatch=Exact&resourceVersion={}", first.revision());
        assert_eq!(server.get(&exact).await.expect(410).text("/reason"), "Expired");
    });
}

#[test]
fn lists_have_the_form_that_is_asked_for() {
    with(|server| async move {
        server.map("a", json!({"l": "x"})).await;
        let accept = |shape: &str| format!("application/json;as={shape};v=v1;g=meta.k8s.io");
        let table = accept("Table");
        let of =
            async |uri: &str, accept: &str| server.send(Method::GET, uri, &[("accept", accept)], "").await;
        let shown = of(MAPS, &table).await.expect(200);
        assert_eq!(shown.text("/columnDefinitions/0/name"), "Name");
        assert_eq!(shown.body["rows"][0]["cells"][0], "a");
        assert_eq!(shown.text("/rows/0/object/kind"), "PartialObjectMetadata");
        let whole = of(&format!("{MAPS}?includeObject=Object"), &table).await;
        assert_eq!(whole.text("/rows/0/object/kind"), "ConfigMap");
        let none = of(&format!("{MAPS}?includeObject=None"), &table).await;
        assert!(none.body["rows"][0]["object"].is_null());
        let partial = of(MAPS, &accept("PartialObjectMetadataList")).await.expect(200);
        assert_eq!(partial.text("/items/0/metadata/labels/l"), "x");
        of(MAPS, &accept("PartialObjectMetadata")).await.expect(406);
        of(&format!("{MAPS}/a"), &accept("PartialObjectMetadataList")).await.expect(406);
        let plain = server.get(MAPS).await;
        assert!(plain.body["items"][0].get("kind").is_none(), "typed lists leave it out");
        assert_eq!(plain.text("/items/0/metadata/labels/l"), "x");
    });
}

/// More of it than one piece, and more than is sent without compression.
#[test]
fn a_large_list_is_the_same_in_pieces_and_compressed() {
    use std::io::Read as _;
    with(|server| async move {
        let filler = "x".repeat(3_000);
        for at in 0..100 {
            let map = json!({"metadata": {"name": format!("m-{at:03}")}, "data": {"filler": filler, "at": at.to_string()}});
            server.post(MAPS, map).await.expect(201);
        }
        let whole = server.get(MAPS).await.expect(200);
        assert!(
            whole.raw.len() > 300_000 && !whole.headers.contains_key("content-length"),
            "{}",
            whole.raw.len()
        );
        assert_eq!(whole.names().len(), 100);
        assert_eq!((&whole.body["kind"], whole.text("/items/99/data/at")), (&json!("ConfigMapList"), "99"));
        assert!(
            whole.body["items"][0].get("kind").is_none(),
            "items of a typed list do not say what they are"
        );
        let request = Request::get(MAPS).header("accept-encoding", "gzip").body(Full::default()).unwrap();
        let response = server.open(request).await;
        assert_eq!(response.headers()["content-encoding"], "gzip");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
        assert_eq!(text, whole.raw);
        // A page of it is small.
        let page =
            server.send(Method::GET, &format!("{MAPS}?limit=2"), &[("accept-encoding", "gzip")], "").await;
        assert_eq!((page.names().len(), page.headers.contains_key("content-encoding")), (2, false));
    });
}
