//! Custom resources through requests.

use http::Method;
use serde_json::{Value, json};

use super::{Answer, Server, with};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/shop.example/v1/namespaces/default/widgets";

fn version(name: &str, is_stored: bool) -> Value {
    json!({"name": name, "served": true, "storage": is_stored, "subresources": {"status": {}, "scale": {
            "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "size": {"type": "integer", "maximum": 10},
                "color": {"type": "string", "default": "red"}}},
            "status": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}})
}

fn definition(versions: &[Value]) -> Value {
    json!({"metadata": {"name": "widgets.shop.example"}, "spec": {"group": "shop.example", "scope": "Namespaced",
        "versions": versions, "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]}}})
}

async fn widget(server: &Server, name: &str, spec: Value) -> Answer {
    server.post(WIDGETS, json!({"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})).await
}

#[test]
fn a_definition_is_served_as_soon_as_it_is_answered() {
    with(|server| async move {
        assert_eq!(server.get("/apis/shop.example/v1").await.code, 404);
        server.post(DEFINITIONS, definition(&[version("v1", true)])).await.expect(201);
        let list = server.get("/apis/shop.example/v1").await.expect(200).body;
        let names: Vec<&str> =
            list["resources"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["widgets", "widgets/status", "widgets/scale"]);
        assert_eq!(list["resources"][0]["verbs"][0], "delete");
        assert_eq!(list["resources"][2]["group"], "autoscaling");
        let answer = widget(&server, "a", json!({"size": 3})).await.expect(201);
        assert_eq!(answer.body["spec"], json!({"size": 3, "color": "red"}));
        let openapi = server.get("/openapi/v3/apis/shop.example/v1").await.expect(200).body;
        let schema = &openapi["components"]["schemas"]["example.shop.v1.Widget"];
        assert_eq!(schema["properties"]["spec"]["properties"]["size"]["type"], "integer");
        assert_eq!(
            schema["properties"]["metadata"]["allOf"][0]["$ref"],
            "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
        );
    });
}

#[test]
fn unknown_fields_are_refused_or_warned_about() {
    with(|server| async move {
        server.post(DEFINITIONS, definition(&[version("v1", true)])).await.expect(201);
        let tree = json!({"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": "w", "nope": 1}, "spec": {"nope": 1}});
        let refused =
            server.post(&format!("{WIDGETS}?fieldValidation=Strict"), tree.clone()).await.expect(400);
        assert_eq!(
            refused.text("/message"),
            "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"metadata.nope\", \
             unknown field \"spec.nope\""
        );
        let warned = server.post(WIDGETS, tree).await.expect(201);
        let warnings: Vec<&str> =
            warned.headers.get_all("warning").iter().map(|text| text.to_str().unwrap()).collect();
        assert_eq!(
            warnings,
            ["299 - \"unknown field \\\"metadata.nope\\\"\"", "299 - \"unknown field \\\"spec.nope\\\"\""]
        );
        assert_eq!(warned.body["spec"], json!({"color": "red"}));
    });
}

#[test]
fn tables_have_the_columns_of_the_definition() {
    with(|server| async move {
        server.post(DEFINITIONS, definition(&[version("v1", true)])).await.expect(201);
        widget(&server, "a", json!({"size": 3})).await.expect(201);
        let headers = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
        let table = server.send(Method::GET, WIDGETS, &headers, "").await.expect(200).body;
        let names: Vec<&Value> =
            table["columnDefinitions"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["Name", "Size"]);
        assert_eq!(table["rows"][0]["cells"], json!(["a", 3]));
        let mut plain = version("v1", true);
        plain["additionalPrinterColumns"] = json!([]);
        server
            .merge(&format!("{DEFINITIONS}/widgets.shop.example"), json!({"spec": {"versions": [plain]}}))
            .await
            .expect(200);
        let table = server.send(Method::GET, WIDGETS, &headers, "").await.expect(200).body;
        assert_eq!(table["columnDefinitions"][1]["name"], "Age");
    });
}

#[test]
fn scale_is_read_and_patched_by_paths() {
    with(|server| async move {
        server.post(DEFINITIONS, definition(&[version("v1", true)])).await.expect(201);
        widget(&server, "a", json!({"size": 2})).await.expect(201);
        let scale = format!("{WIDGETS}/a/scale");
        let found = server.get(&scale).await.expect(200).body;
        assert_eq!(
            (&found["kind"], &found["spec"], &found["status"]),
            (&json!("Scale"), &json!({"replicas": 2}), &json!({"replicas": 0}))
        );
        let patched = server.merge(&scale, json!({"spec": {"replicas": 5}})).await.expect(200).body;
        assert_eq!(patched["spec"], json!({"replicas": 5}));
        let mut put = patched;
        put["spec"]["replicas"] = 7.into();
        server.put(&scale, put).await.expect(200);
        assert_eq!(server.get(&format!("{WIDGETS}/a")).await.body["spec"]["size"], 7);
        widget(&server, "b", json!({})).await.expect(201);
        let missing = server.get(&format!("{WIDGETS}/b/scale")).await.expect(500);
        assert!(missing.text("/message").contains("the spec replicas field \".spec.size\" does not exist"));
        assert_eq!(server.merge(&format!("{WIDGETS}/b/scale"), json!({})).await.code, 400);
    });
}

#[test]
fn each_version_is_read_in_its_name_and_with_its_defaults() {
    with(|server| async move {
        let mut beta = version("v1beta1", false);
        beta["deprecated"] = true.into();
        beta["subresources"] = json!({});
        server.post(DEFINITIONS, definition(&[version("v1", true), beta.clone()])).await.expect(201);
        let group = server.get("/apis/shop.example").await.expect(200).body;
        assert_eq!(group["preferredVersion"]["version"], "v1");
        let old = WIDGETS.replace("/v1/", "/v1beta1/");
        let tree = json!({"apiVersion": "shop.example/v1beta1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}});
        let made = server.post(&old, tree).await.expect(201);
        assert_eq!(made.body["apiVersion"], "shop.example/v1beta1");
        assert!(
            made.headers["warning"].to_str().unwrap().contains("shop.example/v1beta1 Widget is deprecated")
        );
        assert_eq!(server.get(&format!("{WIDGETS}/w")).await.body["apiVersion"], "shop.example/v1");
        assert_eq!(server.get(&format!("{old}/w/scale")).await.code, 404, "that version has none");
        assert_eq!(server.get(WIDGETS).await.body["items"][0]["apiVersion"], "shop.example/v1");
        // A default that came later is seen in what was stored before.
        let mut newer = version("v1", true);
        newer["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["shape"] =
            json!({"type": "string", "default": "round"});
        server
            .merge(
                &format!("{DEFINITIONS}/widgets.shop.example"),
                json!({"spec": {"versions": [newer, beta]}}),
            )
            .await
            .expect(200);
        assert_eq!(server.get(&format!("{WIDGETS}/w")).await.body["spec"]["shape"], "round");
    });
}

#[test]
fn fields_that_a_definition_names_select() {
    with(|server| async move {
        server.post(DEFINITIONS, definition(&[version("v1", true)])).await.expect(201);
        widget(&server, "a", json!({"color": "blue"})).await.expect(201);
        widget(&server, "b", json!({})).await.expect(201);
        let blue = server.get(&format!("{WIDGETS}?fieldSelector=spec.color%3Dblue")).await.expect(200);
        assert_eq!(blue.names(), ["a"]);
        assert_eq!(server.get(&format!("{WIDGETS}?fieldSelector=spec.size%3D1")).await.code, 400);
    });
}

#[test]
fn a_definition_takes_its_objects_with_it() {
    with(|server| async move {
        server.post(DEFINITIONS, definition(&[version("v1", true)])).await.expect(201);
        widget(&server, "a", json!({})).await.expect(201);
        server.delete(&format!("{DEFINITIONS}/widgets.shop.example"), None).await.expect(200);
        assert_eq!(server.get(&format!("{DEFINITIONS}/widgets.shop.example")).await.code, 404);
        assert_eq!(server.get("/apis/shop.example/v1").await.code, 404);
    });
}

#[test]
fn a_scale_has_a_table_of_its_own() {
    with(|server| async move {
        server.post(DEFINITIONS, definition(&[version("v1", true)])).await.expect(201);
        widget(&server, "a", json!({"size": 3})).await.expect(201);
        server.post(super::DEPLOYMENTS, super::deployment("web")).await.expect(201);
        let headers = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
        for (path, name, wanted) in [(WIDGETS, "a", 3), (super::DEPLOYMENTS, "web", 2)] {
            let uri = format!("{path}/{name}/scale");
            let table = server.send(Method::GET, &uri, &headers, "").await.expect(200).body;
            let names: Vec<&Value> =
                table["columnDefinitions"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
            assert_eq!(names, ["Name", "Desired", "Available", "Age"]);
            assert_eq!(table["rows"][0]["cells"], json!([name, wanted, 0, "0s"]));
            assert_eq!(table["rows"][0]["object"]["metadata"]["name"], name);
        }
    });
}

#[test]
fn custom_objects_say_what_they_are() {
    with(|server| async move {
        server.post(DEFINITIONS, definition(&[version("v1", true), version("v2", false)])).await.expect(201);
        let tree = json!({"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": "w"}});
        for (field, sent, message) in [
            ("kind", json!(null), "Object 'Kind' is missing in 'object has no kind field '"),
            (
                "apiVersion",
                json!(null),
                "the API version in the data () does not match the expected API version (shop.example/v1)",
            ),
            (
                "apiVersion",
                json!("shop.example/v2"),
                "the API version in the data (shop.example/v2) does not match the expected API version (shop.example/v1)",
            ),
        ] {
            let mut tree = tree.clone();
            tree[field] = sent;
            assert_eq!(server.post(WIDGETS, tree).await.expect(400).text("/message"), message);
        }
        let mut unfit = tree.clone();
        unfit["metadata"]["name"] = 5.into();
        assert_eq!(
            server.post(WIDGETS, unfit).await.expect(400).text("/message"),
            "Widget in version \"v1\" cannot be handled as a Widget: json: cannot unmarshal number into Go struct field \
             ObjectMeta.name of type string"
        );
        let mut other = tree.clone();
        other["kind"] = "Gadget".into();
        let refused = server.post(WIDGETS, other).await.expect(422);
        assert_eq!(
            (refused.text("/message"), refused.text("/details/kind")),
            (
                "Gadget.shop.example \"w\" is invalid: kind: Invalid value: \"Gadget\": must be Widget",
                "Gadget"
            )
        );
        server.post(WIDGETS, tree).await.expect(201);
        let patched =
            server.merge(&format!("{WIDGETS}/w"), json!({"apiVersion": "shop.example/v2"})).await.expect(422);
        assert_eq!(patched.text("/details/causes/0/field"), "apiVersion");
    });
}

#[test]
fn a_version_selects_by_its_own_fields_and_has_its_own_parts() {
    with(|server| async move {
        let mut plain = version("v2", false);
        plain.as_object_mut().unwrap().remove("selectableFields");
        plain["subresources"] = json!({"status": {}});
        server.post(DEFINITIONS, definition(&[version("v1", true), plain])).await.expect(201);
        widget(&server, "a", json!({"size": 2})).await.expect(201);
        let v2 = WIDGETS.replace("/v1/", "/v2/");
        assert_eq!(server.get(&format!("{WIDGETS}?fieldSelector=spec.color%3Dred")).await.names(), ["a"]);
        let refused = server.get(&format!("{v2}?fieldSelector=spec.color%3Dred")).await.expect(400);
        assert_eq!(refused.text("/message"), "field label not supported: spec.color");
        let missing = server.get(&format!("{v2}/a/scale")).await.expect(404);
        assert_eq!(missing.text("/message"), "widgets.shop.example \"a\" not found");
        let refused = server.delete(&format!("{v2}/a/status"), None).await.expect(405);
        let message = "delete is not supported on resources of kind \"widgets.shop.example\"";
        assert_eq!(refused.text("/message"), message);
    });
}

#[test]
fn what_was_stored_in_a_version_that_is_gone_is_read_in_another() {
    with(|server| async move {
        server.post(DEFINITIONS, definition(&[version("v1", true), version("v2", false)])).await.expect(201);
        widget(&server, "a", json!({"size": 2})).await.expect(201);
        let path = format!("{DEFINITIONS}/widgets.shop.example");
        let moved = json!({"spec": {"versions": [version("v1", false), version("v2", true)]}});
        server.merge(&path, moved).await.expect(200);
        server
            .merge(&format!("{path}/status"), json!({"status": {"storedVersions": ["v2"]}}))
            .await
            .expect(200);
        server.merge(&path, json!({"spec": {"versions": [version("v2", true)]}})).await.expect(200);
        let v2 = format!("{}/a", WIDGETS.replace("/v1/", "/v2/"));
        assert_eq!(server.get(&v2).await.expect(200).text("/apiVersion"), "shop.example/v2");
        let labelled = server.merge(&v2, json!({"metadata": {"labels": {"a": "b"}}})).await.expect(200);
        assert_eq!(labelled.text("/apiVersion"), "shop.example/v2");
    });
}

#[test]
fn finalizers_without_a_domain_are_warned_about() {
    with(|server| async move {
        server.post(DEFINITIONS, definition(&[version("v1", true)])).await.expect(201);
        let tree = json!({"apiVersion": "shop.example/v1", "kind": "Widget",
            "metadata": {"name": "w", "finalizers": ["plain", "a.b/c"]}});
        let warned = server.post(WIDGETS, tree).await.expect(201);
        let warnings: Vec<&str> =
            warned.headers.get_all("warning").iter().map(|text| text.to_str().unwrap()).collect();
        assert_eq!(
            warnings,
            [
                "299 - \"metadata.finalizers: \\\"plain\\\": prefer a domain-qualified finalizer name to avoid accidental conflicts \
              with other finalizer writers\""
            ]
        );
    });
}
