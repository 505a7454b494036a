//! `/openapi/v2`: all documents of version 3 as one of version 2 (`kube-openapi/pkg/handler`, `pkg/openapiconv`).
//!
//! JSON only: who asks for Google's protobuf of it alone gets 406, and asks for version 3 then. Invariant: it is made from the
//! documents of version 3 and says what they say; what version 2 has no word for is left out.

use serde_json::{Map, Value, json};

/// Forms of answers, for every operation.
const FORMS: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// One document of many.
pub(super) fn merged(version: &str, documents: impl Iterator<Item = Value>) -> Value {
    let (mut paths, mut definitions) = (Map::new(), Map::new());
    for mut document in documents {
        if let Value::Object(found) = document["paths"].take() {
            paths.extend(found.into_iter().map(|(path, item)| (path, path_item(item))));
        }
        if let Value::Object(found) = document["components"]["schemas"].take() {
            definitions.extend(found);
        }
    }
    definitions.values_mut().for_each(schema);
    json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": version}, "paths": paths, "definitions": definitions})
}

/// A schema, and all that are in it.
fn schema(tree: &mut Value) {
    let Value::Object(fields) = tree else { return };
    // A reference stands alone in version 2, and a description beside it.
    if let Some(Value::Array(all)) = fields.remove("allOf")
        && let Some(Value::Object(one)) = all.into_iter().next()
    {
        fields.extend(one);
    }
    if fields.remove("oneOf").is_some() {
        fields.insert("type".to_owned(), "string".into());
    }
    if let Some(Value::String(reference)) = fields.get_mut("$ref") {
        *reference = reference.replace("#/components/schemas/", "#/definitions/");
    }
    for name in ["items", "additionalProperties"] {
        fields.get_mut(name).into_iter().for_each(schema);
    }
    // Properties may be called what keywords are called.
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(schema);
    }
}

fn path_item(item: Value) -> Value {
    let Value::Object(operations) = item else { return item };
    let operations = operations.into_iter().map(|(name, found)| {
        let found = if name == "parameters" { parameters(found) } else { operation(found) };
        (name, found)
    });
    Value::Object(operations.collect())
}

fn parameters(list: Value) -> Value {
    let Value::Array(list) = list else { return json!([]) };
    let flat = |mut parameter: Value| {
        if let (Value::Object(of), Some(fields)) = (parameter["schema"].take(), parameter.as_object_mut()) {
            fields.remove("schema");
            fields.extend(of);
        }
        parameter
    };
    list.into_iter().map(flat).collect()
}

/// The schema of the first form of a body.
fn content(holder: &mut Value) -> Option<(Vec<String>, Value)> {
    let Value::Object(content) = holder["content"].take() else { return None };
    let forms = content.keys().cloned().collect();
    let mut found = content.into_iter().next()?.1["schema"].take();
    schema(&mut found);
    Some((forms, found))
}

fn operation(mut tree: Value) -> Value {
    let mut all = parameters(tree["parameters"].take());
    let mut body = tree["requestBody"].take();
    if let Some(fields) = tree.as_object_mut() {
        fields.remove("requestBody");
        fields.insert("produces".to_owned(), json!(FORMS));
    }
    if let (Some((forms, schema)), Some(all)) = (content(&mut body), all.as_array_mut()) {
        all.push(json!({"in": "body", "name": "body", "required": true, "schema": schema}));
        tree["consumes"] = forms.into();
    }
    tree["parameters"] = all;
    if let Some(responses) = tree["responses"].as_object_mut() {
        for response in responses.values_mut() {
            let found = content(response);
            if let (Some((_, schema)), Some(fields)) = (found, response.as_object_mut()) {
                fields.remove("content");
                fields.insert("schema".to_owned(), schema);
            }
        }
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_version_three_says_version_two_says() {
        let three = json!({
            "paths": {"/p": {
                "parameters": [{"name": "name", "in": "path", "schema": {"type": "string", "uniqueItems": true}}],
                "post": {"operationId": "o", "requestBody": {"required": true, "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/K"}}}},
                    "responses": {"201": {"description": "OK", "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/K"}}}}}}}},
            "components": {"schemas": {"K": {"type": "object", "description": "a K", "properties": {
                "allOf": {"allOf": [{"$ref": "#/components/schemas/K"}], "description": "itself"},
                "port": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}}}}},
        });
        let two = merged("v1", [three].into_iter());
        assert_eq!(
            two,
            json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1"},
                "paths": {"/p": {
                    "parameters": [{"name": "name", "in": "path", "type": "string", "uniqueItems": true}],
                    "post": {"operationId": "o", "produces": FORMS, "consumes": ["application/json"],
                        "parameters": [{"in": "body", "name": "body", "required": true, "schema": {"$ref": "#/definitions/K"}}],
                        "responses": {"201": {"description": "OK", "schema": {"$ref": "#/definitions/K"}}}}}},
                "definitions": {"K": {"type": "object", "description": "a K", "properties": {
                    "allOf": {"$ref": "#/definitions/K", "description": "itself"},
                    "port": {"format": "int-or-string", "type": "string"}}}}})
        );
    }
}
