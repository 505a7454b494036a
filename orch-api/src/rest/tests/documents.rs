//! Discovery and OpenAPI.

use std::collections::BTreeSet;

use super::*;

#[test]
fn what_is_listed_is_served() {
    with(|server| async move {
        let mut seen = 0;
        let groups = server.get("/apis").await.expect(200);
        let mut places: Vec<String> = vec!["/api/v1".into()];
        for group in groups.body["groups"].as_array().unwrap() {
            for version in group["versions"].as_array().unwrap() {
                places.push(format!("/apis/{}", version["groupVersion"].as_str().unwrap()));
            }
            server.get(&format!("/apis/{}", group["name"].as_str().unwrap())).await.expect(200);
        }
        for place in places {
            let list = server.get(&place).await.expect(200);
            for resource in list.body["resources"].as_array().unwrap() {
                let name = resource["name"].as_str().unwrap();
                if resource["verbs"].as_array().unwrap().contains(&json!("list")) {
                    seen += 1;
                    let listed = server.get(&format!("{place}/{name}")).await.expect(200);
                    let kind = format!("{}List", resource["kind"].as_str().unwrap());
                    assert_eq!(listed.text("/kind"), kind);
                }
            }
        }
        let forms = crate::convert::forms().len();
        assert_eq!(
            seen,
            Registry::built_in().kinds().len() + forms,
            "other versions and groups are listed, too"
        );
        for path in ["/apis/nope", "/apis/nope/v1/things", "/nope"] {
            assert_eq!(server.get(path).await.expect(404).raw, "404 page not found\n");
        }
        for path in
            ["/apis/apps/v9", "/apis/apps/v9/deployments", "/api/v2", "/api/v2/pods", "/api/v1/things"]
        {
            assert_eq!(server.get(path).await.expect(404).text("/reason"), "NotFound", "{path}");
        }
        for path in ["/api", "/apis/apps", "/version"] {
            assert_eq!(server.post(path, json!({})).await.expect(405).text("/reason"), "MethodNotAllowed");
        }
    });
}

#[test]
fn discovery_comes_all_in_one() {
    with(|server| async move {
        let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        let answer = server.send(Method::GET, "/apis", &[("accept", accept)], "").await.expect(200);
        assert_eq!(answer.text("/apiVersion"), "apidiscovery.k8s.io/v2");
        assert!(answer.headers["content-type"].to_str().unwrap().contains("as=APIGroupDiscoveryList"));
        let apps =
            answer.body["items"].as_array().unwrap().iter().find(|item| item["metadata"]["name"] == "apps");
        let resources = apps.unwrap()["versions"][0]["resources"].as_array().unwrap().clone();
        let scale = resources.iter().find(|resource| resource["resource"] == "deployments").unwrap();
        assert_eq!(
            scale["subresources"][0]["responseKind"],
            json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
        );
        let core = server.send(Method::GET, "/api", &[("accept", accept)], "").await.expect(200);
        assert_eq!(core.body["items"].as_array().unwrap().len(), 1);
    });
}

/// Every `$ref` in a document.
fn references(tree: &Value, out: &mut BTreeSet<String>) {
    match tree {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str().filter(|_| key == "$ref") {
                    Some(reference) => _ = out.insert(reference.to_owned()),
                    None => references(value, out),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|item| references(item, out)),
        _ => {}
    }
}

#[test]
fn openapi_documents_are_whole() {
    with(|server| async move {
        let index = server.get("/openapi/v3").await.expect(200);
        let paths = index.body["paths"].as_object().unwrap();
        assert!(paths.contains_key("api/v1") && paths.contains_key("apis/apps/v1"));
        for place in paths.values() {
            let document = server.get(place["serverRelativeURL"].as_str().unwrap()).await.expect(200);
            let mut all = BTreeSet::new();
            references(&document.body, &mut all);
            assert!(all.len() > 3);
            for reference in all {
                assert!(document.body.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
            }
        }
        let apps = server.get("/openapi/v3/apis/apps/v1").await;
        let deployment = &apps.body["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"];
        assert_eq!(
            deployment["x-kubernetes-group-version-kind"],
            json!([{"group": "apps", "version": "v1", "kind": "Deployment"}])
        );
    });
}

#[test]
fn an_openapi_document_may_be_kept_as_long_as_its_hash_stays() {
    with(|server| async move {
        let index = server.get("/openapi/v3").await.expect(200);
        let place = index.body["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
        let known = server.get(place).await.expect(200);
        assert_eq!(known.headers["cache-control"], "public, immutable");
        assert_eq!(known.headers["expires"], "Fri, 01 Jan 2027 00:00:00 GMT", "in a year");
        let tag = known.headers["etag"].to_str().unwrap();
        let again = server.send(Method::GET, place, &[("if-none-match", tag)], "").await.expect(304);
        assert_eq!(again.raw, "");
        let old = server.get("/openapi/v3/apis/apps/v1?hash=old").await.expect(301);
        assert_eq!(old.headers["location"], place);
        let plain = server.get("/openapi/v3/apis/apps/v1").await.expect(200);
        assert_eq!(plain.headers["cache-control"], "no-cache, private");
        assert_eq!(plain.headers.get("expires"), None);
    });
}

#[test]
fn openapi_says_what_fields_are_for() {
    with(|server| async move {
        let core = server.get("/openapi/v3/api/v1").await.expect(200);
        let spec = &core.body["components"]["schemas"]["io.k8s.api.core.v1.Pod"]["properties"]["spec"];
        assert!(
            spec["description"].as_str().unwrap().starts_with("Specification of the desired behavior"),
            "{spec}"
        );
    });
}

#[test]
fn openapi_v2_is_all_documents_in_one() {
    with(|server| async move {
        let json = [("accept", "application/json")];
        let document = server.send(Method::GET, "/openapi/v2", &json, "").await.expect(200);
        assert_eq!(document.text("/swagger"), "2.0");
        let mut all = BTreeSet::new();
        references(&document.body, &mut all);
        assert!(all.len() > 300, "{}", all.len());
        for reference in all {
            assert!(document.body.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        let post = &document.body["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments"]["post"];
        assert_eq!(
            post["parameters"].as_array().unwrap().last().unwrap()["schema"]["$ref"],
            "#/definitions/io.k8s.api.apps.v1.Deployment"
        );
        let protobuf = [("accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")];
        server.send(Method::GET, "/openapi/v2", &protobuf, "").await.expect(406);
    });
}
