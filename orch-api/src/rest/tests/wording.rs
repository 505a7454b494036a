//! What is refused, to the letter.

use super::*;

#[test]
fn bodies_that_are_no_object_of_the_kind_are_refused() {
    with(|server| async move {
        let unrecognized = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json \
                            parse error: ";
        let misfit = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: ";
        for (body, message) in [
            ("", format!("{unrecognized}unexpected end of JSON input (<empty>)")),
            (
                r#"{"kind":"ConfigMap","apiVersion":"v1",}"#,
                format!(
                    "{unrecognized}invalid character '}}' looking for beginning of object key string \
                     ({{\"kind\":\"ConfigMap\",\"apiVersio ...)"
                ),
            ),
            ("hello", format!("{unrecognized}invalid character 'h' looking for beginning of value (68656c6c6f)")),
            (
                r#"{"kind":"Secret"}"#,
                "Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): \
                 unknown conversion"
                    .to_owned(),
            ),
            (
                r#"{"kind":"Deployment","apiVersion":"apps/v1"}"#,
                "Deployment in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Deployment) to \
                 (core.ConfigMap): unknown conversion"
                    .to_owned(),
            ),
            (
                r#"{"kind":"ConfigMap","apiVersion":"v2"}"#,
                "ConfigMap in version \"v2\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered for \
                 version \"v2\" in scheme \"pkg/api/legacyscheme/scheme.go:30\""
                    .to_owned(),
            ),
            (
                r#"{"data":{"a":1}}"#,
                format!("{misfit}json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
            ),
            (
                r#"{"metadata":{"creationTimestamp":"now"}}"#,
                format!(
                    "{misfit}parsing time \"now\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"now\" as \"2006\""
                ),
            ),
            (r#"{"binaryData":{"a":"!"}}"#, format!("{misfit}illegal base64 data at input byte 0")),
        ] {
            let answer = server.send(Method::POST, MAPS, &[], body).await.expect(400);
            assert_eq!(answer.text("/message"), message, "{body}");
        }
        server.send(Method::POST, MAPS, &[], "null").await.expect(422);
    });
}

#[test]
fn an_object_of_another_version_of_its_group_is_told_so() {
    with(|server| async move {
        let uri = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
        let older = json!({"kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v1", "metadata": {"name": "a"}});
        assert_eq!(
            server.post(uri, older).await.expect(400).text("/message"),
            "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)"
        );
    });
}

#[test]
fn an_update_says_whom_it_is_of() {
    with(|server| async move {
        server.map("a", json!({})).await;
        server.post(DEPLOYMENTS, deployment("web")).await.expect(201);
        let scale = format!("{DEPLOYMENTS}/web/scale");
        let one = format!("{MAPS}/a");
        for (uri, body, code, message) in [
            (
                &one,
                json!({"data": {}}),
                400,
                "the name of the object (a based on URL) was undeterminable: name must be provided",
            ),
            (
                &scale,
                json!({"metadata": {"name": "b"}}),
                400,
                "the name of the object (b) does not match the name on the URL (web)",
            ),
            (
                &scale,
                deployment("web"),
                400,
                "Deployment in version \"v1\" cannot be handled as a Scale: converting (v1.Deployment) to \
                 (autoscaling.Scale): unknown conversion",
            ),
            (
                &one,
                json!({"metadata": {"name": "a", "namespace": "other"}}),
                400,
                "the namespace of the provided object does not match the namespace sent on the request",
            ),
            (
                &one,
                json!({"metadata": {"name": "a", "resourceVersion": "x"}}),
                500,
                "strconv.ParseUint: parsing \"x\": invalid syntax",
            ),
        ] {
            assert_eq!(server.put(uri, body).await.expect(code).text("/message"), message, "{uri}");
        }
    });
}

#[test]
fn options_of_deletions_are_read_as_they_are() {
    with(|server| async move {
        server.map("a", json!({})).await;
        let one = format!("{MAPS}/a");
        for (body, code, message) in [
            (
                json!({"kind": "Pod", "apiVersion": "v1"}),
                400,
                "no kind \"Pod\" is registered for version \"v1\"",
            ),
            (
                json!({"gracePeriodSeconds": "a"}),
                400,
                "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
            ),
            (
                json!({"preconditions": {"resourceVersion": "x"}}),
                409,
                "Operation cannot be fulfilled on ConfigMap \"a\"",
            ),
        ] {
            let answer = server.delete(&one, Some(body)).await.expect(code);
            assert!(answer.text("/message").starts_with(message), "{}", answer.raw);
        }
        let headers = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
        let asked = server.send(Method::GET, &format!("{MAPS}?includeObject=All"), &headers, "").await;
        assert_eq!(
            asked.expect(400).text("/message"),
            "Unable to convert to Table as requested: includeObject: Invalid value: \"All\": must be 'Metadata', 'Object', \
             'None', or empty"
        );
        let none =
            server.send(Method::GET, &format!("{MAPS}?includeObject=None"), &headers, "").await.expect(200);
        assert_eq!(none.body["rows"][0], json!({"cells": ["a", 0, "0s"], "object": null}));
    });
}

#[test]
fn questions_about_access_are_judged() {
    with(|server| async move {
        let ask = async |resource: &str, spec: Value, metadata: Value| {
            let uri = format!("/apis/authorization.k8s.io/v1/{resource}");
            server.post(&uri, json!({"spec": spec, "metadata": metadata})).await
        };
        let pods = json!({"verb": "get", "resource": "pods", "namespace": "default"});
        let path = json!({"verb": "get", "path": "/"});
        let local = "namespaces/default/localsubjectaccessreviews";
        for (resource, spec, metadata, fields) in [
            ("subjectaccessreviews", json!({}), json!({}), vec!["spec.resourceAttributes", "spec.user"]),
            (
                "subjectaccessreviews",
                json!({"user": "u", "resourceAttributes": pods, "nonResourceAttributes": path}),
                json!({"name": "a"}),
                vec!["spec.nonResourceAttributes", "metadata"],
            ),
            (
                "selfsubjectaccessreviews",
                json!({"resourceAttributes": {"fieldSelector": {}}}),
                json!({}),
                vec!["spec.resourceAttributes.fieldSelector.requirements"],
            ),
            (
                local,
                json!({"user": "u", "resourceAttributes": {"namespace": "other"}}),
                json!({}),
                vec!["spec.resourceAttributes.namespace"],
            ),
        ] {
            let refused = ask(resource, spec, metadata).await.expect(422);
            let causes = refused.body["details"]["causes"].as_array().unwrap();
            let told: Vec<&str> = causes.iter().filter_map(|cause| cause["field"].as_str()).collect();
            assert_eq!(told, fields, "{}", refused.raw);
            assert_eq!(refused.body["details"].get("kind"), None);
        }
        let allowed =
            ask(local, json!({"user": "u", "resourceAttributes": pods}), json!({})).await.expect(201);
        assert_eq!(allowed.body["metadata"], json!({"namespace": "default"}));
        let tokens = "/apis/authentication.k8s.io/v1/tokenreviews";
        assert_eq!(
            server.post(tokens, json!({"spec": {}})).await.expect(400).text("/message"),
            "token is required for TokenReview in authentication"
        );
        server.post(tokens, json!({"kind": "Pod", "apiVersion": "v1"})).await.expect(400);
    });
}

#[test]
fn health_tells_every_check_at_its_place() {
    with(|server| async move {
        let uri = "/healthz?verbose&exclude=log&exclude=nope&exclude=log&exclude=a";
        assert_eq!(
            server.get(uri).await.expect(200).raw,
            "[+]ping ok\n[+]log excluded: ok\n[+]store ok\nwarn: some health checks cannot be excluded: no matches for \
             \"a\",\"nope\"\nhealthz check passed\n"
        );
        server.get("/readyz/log?exclude=log").await.expect(200);
    });
}
