//! Faults of the kinds that extend a server: definitions, webhooks, policies of admission and services of the API; and of those
//! that say who is asked and how: flow control, certificates, reviews.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orch_core::{Subresource, kind};
use serde_json::{Value, json};

use super::{assert_faults, created, merged, status_written, updated, valid};

/// A definition whose one version has that change.
fn version(patch: Value) -> Value {
    let version = valid(kind::CUSTOM_RESOURCE_DEFINITIONS)["spec"]["versions"][0].clone();
    json!({"spec": {"versions": [merged(version, patch)]}})
}

/// A definition whose schema has that change below `spec`.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn schema_with(patch: Value, expected: &[&str]) {
    let patch =
        json!({"schema": {"openAPIV3Schema": {"properties": {"spec": {"properties": {"x": patch}}}}}});
    created(kind::CUSTOM_RESOURCE_DEFINITIONS, version(patch), expected);
}

#[test]
fn definitions_are_named_for_what_they_define() {
    let crd = kind::CUSTOM_RESOURCE_DEFINITIONS;
    created(
        crd,
        json!({"metadata": {"name": "a.shop.example"}}),
        &[r#"metadata.name: Invalid value: "a.shop.example": must be spec.names.plural+"."+spec.group"#],
    );
    created(
        crd,
        json!({"metadata": {"name": "widgets.shop"}, "spec": {"group": "shop"}}),
        &[r#"spec.group: Invalid value: "shop": should be a domain with at least one dot"#],
    );
    created(
        crd,
        json!({"spec": {"scope": null, "names": {"singular": null, "listKind": "Widget"}}}),
        &[
            "spec.scope: Required value",
            "spec.names.singular: Required value",
            r#"spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same"#,
        ],
    );
    created(
        crd,
        json!({"spec": {"scope": "Global", "preserveUnknownFields": true}}),
        &[
            r#"spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced""#,
            "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ],
    );
    let ours = json!({"metadata": {"name": "widgets.apps.k8s.io"}, "spec": {"group": "apps.k8s.io"}});
    const ASKED: &str = "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have \
                         approval annotation \"api-approved.kubernetes.io\", see \
                         https://github.com/kubernetes/enhancements/pull/1111";
    created(crd, ours.clone(), &[ASKED]);
    let why = json!({"metadata": {"annotations": {"api-approved.kubernetes.io": "unapproved, a test"}}});
    created(crd, merged(ours, why), &[]);
}

#[test]
fn one_version_of_a_definition_is_stored() {
    let crd = kind::CUSTOM_RESOURCE_DEFINITIONS;
    let first = valid(crd)["spec"]["versions"][0].clone();
    let both = |patch: Value| json!({"spec": {"versions": [first, merged(first.clone(), patch)]}});
    created(crd, both(json!({"name": "v2", "storage": false})), &[]);
    created(
        crd,
        both(json!({"storage": false})),
        &[&format!(
            "spec.versions: Invalid value: {}: must contain unique version names",
            json!([first, merged(first.clone(), json!({"storage": false}))])
        )],
    );
    created(
        crd,
        version(json!({"schema": null})),
        &["spec.versions[0].schema.openAPIV3Schema: Required value"],
    );
    created(
        crd,
        version(json!({"deprecationWarning": "old"})),
        &[
            r#"spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions"#,
        ],
    );
    created(
        crd,
        json!({"status": {"storedVersions": ["v0", "v1"]}}),
        &[
            r#"status.storedVersions[0]: Invalid value: "v0": missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions"#,
        ],
    );
    created(
        crd,
        json!({"status": {"storedVersions": []}}),
        &["status.storedVersions: Invalid value: []: must have at least one stored version"],
    );
}

#[test]
fn an_established_definition_stays_what_it_is() {
    let crd = kind::CUSTOM_RESOURCE_DEFINITIONS;
    let changed =
        json!({"spec": {"scope": "Cluster", "names": {"kind": "Gadget", "listKind": "GadgetList"}}});
    updated(crd, json!({}), changed.clone(), &[]);
    let established = json!({"status": {"conditions": [{"type": "Established", "status": "True"}]}});
    updated(
        crd,
        established,
        changed,
        &[
            r#"spec.scope: Invalid value: "Cluster": field is immutable"#,
            r#"spec.names.kind: Invalid value: "Gadget": field is immutable"#,
        ],
    );
    updated(
        crd,
        json!({}),
        json!({"spec": {"group": "other.example", "names": {"plural": "gadgets"}}}),
        &[
            r#"spec.group: Invalid value: "other.example": field is immutable"#,
            r#"spec.names.plural: Invalid value: "gadgets": field is immutable"#,
        ],
    );
}

#[test]
fn definitions_say_how_versions_are_converted() {
    let crd = kind::CUSTOM_RESOURCE_DEFINITIONS;
    let conversion = |patch: Value| json!({"spec": {"conversion": patch}});
    created(
        crd,
        conversion(json!({"strategy": "Magic"})),
        &[r#"spec.conversion.strategy: Unsupported value: "Magic": supported values: "None", "Webhook""#],
    );
    created(
        crd,
        conversion(json!({"strategy": "Webhook"})),
        &[
            "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
            "spec.conversion.conversionReviewVersions: Required value",
        ],
    );
    let webhook = json!({"clientConfig": {"url": "http://x"}, "conversionReviewVersions": ["v7", "v7"]});
    created(
        crd,
        conversion(json!({"strategy": "Webhook", "webhook": webhook})),
        &[
            r#"spec.conversion.webhookClientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]"#,
            r#"spec.conversion.conversionReviewVersions[1]: Invalid value: "v7": duplicate version"#,
            r#"spec.conversion.conversionReviewVersions: Invalid value: ["v7","v7"]: must include at least one of v1, v1beta1"#,
        ],
    );
}

#[test]
fn definitions_scale_and_print_by_path() {
    let crd = kind::CUSTOM_RESOURCE_DEFINITIONS;
    created(
        crd,
        version(
            json!({"subresources": {"scale": {"specReplicasPath": "spec.n", "statusReplicasPath": ".spec.n"}}}),
        ),
        &[
            r#"spec.subresources.scale.specReplicasPath: Invalid value: "spec.n": must be a simple json path starting with ."#,
            r#"spec.subresources.scale.statusReplicasPath: Invalid value: ".spec.n": should be a json path under .status"#,
        ],
    );
    created(
        crd,
        version(json!({"additionalPrinterColumns": [{"name": "", "type": "text", "jsonPath": "spec"}]})),
        &[
            "spec.additionalPrinterColumns[0].name: Required value",
            r#"spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string"#,
            r#"spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec": must be a simple json path starting with ."#,
        ],
    );
    created(
        crd,
        version(
            json!({"selectableFields": [{"jsonPath": ".spec.size"}, {"jsonPath": ".spec"}, {"jsonPath": ".no"}]}),
        ),
        &[
            r#"spec.selectableFields[1].jsonPath: Invalid value: ".spec": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."#,
            r#"spec.selectableFields[2].jsonPath: Invalid value: ".no": is an invalid path: does not refer to a valid field"#,
        ],
    );
}

const X: &str = "spec.validation.openAPIV3Schema.properties[spec].properties[x]";

#[test]
fn schemas_are_structural() {
    schema_with(json!({"type": "string", "minLength": 1}), &[]);
    schema_with(json!({"x-kubernetes-int-or-string": true}), &[]);
    schema_with(
        json!({"description": "anything"}),
        &[&format!("{X}.type: Required value: must not be empty for specified object fields")],
    );
    schema_with(json!({"type": "array"}), &[&format!("{X}.items: Required value: must be specified")]);
    schema_with(
        json!({"type": "array", "items": {}}),
        &[&format!("{X}.items.type: Required value: must not be empty for specified array items")],
    );
    schema_with(
        json!({"type": "object", "anyOf": [{"type": "object", "properties": {"y": {"minimum": 1}}}]}),
        &[&format!("{X}.anyOf[0].type: Forbidden: must be empty to be structural")],
    );
    schema_with(
        json!({"type": "object", "x-kubernetes-embedded-resource": true}),
        &[&format!(
            "{X}.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )],
    );
}

#[test]
fn schemas_say_what_kubernetes_takes() {
    schema_with(
        json!({"type": "text"}),
        &[&format!(
            r#"{X}.type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string""#
        )],
    );
    schema_with(
        json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true, "$ref": "#/x"}),
        &[
            &format!("{X}.$ref: Forbidden: $ref is not supported"),
            &format!(
                "{X}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
            ),
        ],
    );
    schema_with(
        json!({"type": "object", "properties": {"y": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
        &[&format!(
            "{X}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"
        )],
    );
    let item = json!({"type": "object", "properties": {"k": {"type": "string"}}});
    schema_with(
        json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": item}),
        &[&format!(
            "{X}.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
        )],
    );
    schema_with(
        json!({"type": "string", "x-kubernetes-list-type": "set"}),
        &[&format!(
            r#"{X}.type: Invalid value: "string": must be array if x-kubernetes-list-type is specified"#
        )],
    );
    schema_with(
        json!({"type": "string", "x-kubernetes-validations": [{"rule": " "}, {"rule": "true", "message": "a\nb", "reason": "No"}]}),
        &[
            &format!("{X}.x-kubernetes-validations[0].rule: Required value: rule is not specified"),
            &format!(
                "{X}.x-kubernetes-validations[1].message: Invalid value: \"a\\nb\": must not contain line breaks"
            ),
            &format!(
                r#"{X}.x-kubernetes-validations[1].reason: Unsupported value: "No": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired""#
            ),
        ],
    );
}

#[test]
fn what_no_structural_schema_can_say_is_told_alone() {
    schema_with(json!({"$ref": "#/x"}), &[&format!("{X}.$ref: Forbidden: $ref is not supported")]);
    schema_with(
        json!({"type": "object", "properties": {"y": {"type": "string", "pattern": "a("}}, "additionalProperties": false}),
        &[
            &format!(
                r#"{X}.properties[y].pattern: Invalid value: "a(": must be a valid regular expression, but isn't: error parsing regexp: missing closing ): `a(`"#
            ),
            &format!(
                "{X}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"
            ),
        ],
    );
    created(
        kind::CUSTOM_RESOURCE_DEFINITIONS,
        version(json!({"schema": {"openAPIV3Schema": {"additionalProperties": false}}})),
        &[
            "spec.validation.openAPIV3Schema.additionalProperties: Forbidden: must not be used at the root",
            "spec.validation.openAPIV3Schema.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ],
    );
}

#[test]
fn rules_name_fields_and_compare_what_can_be_compared() {
    let rule = |rule: Value| json!({"type": "object", "properties": {"y": {"type": "integer"}}, "x-kubernetes-validations": [rule]});
    schema_with(rule(json!({"rule": "self.y > 1", "fieldPath": ".y"})), &[]);
    schema_with(
        rule(json!({"rule": "self.y > 1", "fieldPath": ".z"})),
        &[&format!(
            r#"{X}.x-kubernetes-validations[0].fieldPath: Invalid value: ".z": must be a valid path"#
        )],
    );
    let list = |kind: &str| {
        let item = json!({"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "n": {"type": "integer",
            "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]}}});
        json!({"type": "array", "maxItems": 5, "x-kubernetes-list-type": kind, "x-kubernetes-list-map-keys": ["k"], "items": item})
    };
    schema_with(list("map"), &[]);
    let mut atomic = list("atomic");
    atomic.as_object_mut().unwrap().remove("x-kubernetes-list-map-keys");
    schema_with(
        atomic,
        &[&format!(
            r#"{X}.items.properties[n].x-kubernetes-validations[0].rule: Invalid value: "self >= oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within {X}"#
        )],
    );
}

#[test]
fn rules_cost_what_their_schema_lets_them_cost() {
    const ADVICE: &str = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and \
                          strings are declared)";
    let list = |bound: Value| {
        let rule = json!({"rule": "self.all(x, self.all(y, x == y))"});
        merged(
            json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": [rule]}),
            bound,
        )
    };
    let dear = format!(
        "{X}.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x {ADVICE}"
    );
    let contributes = format!(
        "{X}.x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire \
         OpenAPIv3 schema"
    );
    let total = format!(
        "spec.validation.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema \
         exceeds budget by factor of more than 100x {ADVICE}"
    );
    schema_with(list(json!({})), &[&dear, &contributes, &total]);
    schema_with(list(json!({"maxItems": 20, "items": {"maxLength": 20}})), &[]);
    // As often as there can be elements.
    let each = json!({"rule": "self.contains('x')"});
    let inner = json!({"type": "string", "maxLength": 100, "x-kubernetes-validations": [each]});
    schema_with(json!({"type": "array", "maxItems": 1000, "items": inner}), &[]);
    let inner = json!({"type": "string", "maxLength": 100_000, "x-kubernetes-validations": [each]});
    schema_with(
        json!({"type": "array", "maxItems": 1000, "items": inner}),
        &[&format!(
            "{X}.items.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of 4.0x {ADVICE}"
        )],
    );
    // What a definition had before it may keep.
    let patch = |label: &str| {
        let schema = json!({"schema": {"openAPIV3Schema": {"properties": {"spec": {"properties": {"x": {"type": "array",
            "maxItems": 1000, "items": inner}}}}}}});
        merged(version(schema), json!({"metadata": {"labels": {"a": label}}}))
    };
    updated(kind::CUSTOM_RESOURCE_DEFINITIONS, patch("b"), patch("c"), &[]);
}

#[test]
fn expressions_of_policies_and_conditions_compile() {
    let policy = kind::VALIDATING_ADMISSION_POLICIES;
    let with = |validation: Value| json!({"spec": {"validations": [validation]}});
    let (at, shown) =
        ("spec.validations[0]", "compilation failed: ERROR: <input>:1:1: undeclared reference to");
    created(
        policy,
        with(
            json!({"expression": "object.spec.replicas > 1 && has(request.userInfo) && authorizer.path('/x').check('get').allowed()"}),
        ),
        &[],
    );
    created(
        policy,
        with(json!({"expression": "objekt.spec.replicas > 1", "messageExpression": "1"})),
        &[
            &format!(
                "{at}.expression: Invalid value: \"objekt.spec.replicas > 1\": {shown} 'objekt' (in container '')\n | objekt.spec.replicas > 1\n | ^"
            ),
            &format!("{at}.messageExpression: Invalid value: \"1\": must evaluate to string but got int"),
        ],
    );
    created(policy, with(json!({"expression": "request.dryRun", "messageExpression": "request.name"})), &[]);
    created(
        policy,
        with(json!({"expression": "object.spec.replicas"})),
        &[&format!(
            "{at}.expression: Invalid value: \"object.spec.replicas\": must evaluate to bool but got dyn"
        )],
    );
    created(
        policy,
        with(json!({"expression": "params.x == 1"})),
        &[&format!(
            "{at}.expression: Invalid value: \"params.x == 1\": {shown} 'params' (in container '')\n | params.x == 1\n | ^"
        )],
    );
    webhook_with(
        json!({"matchConditions": [{"name": "a", "expression": "'x'"}]}),
        &[
            "webhooks[0].matchConditions[0].expression: Invalid value: \"'x'\": must evaluate to bool but got string",
        ],
    );
}

#[test]
fn the_root_of_a_schema_is_an_object_of_kubernetes() {
    let root = |patch: Value| version(json!({"schema": {"openAPIV3Schema": patch}}));
    let not = json!({"not": {"properties": {"y": {"minimum": 1}}}});
    let whole = merged(
        valid(kind::CUSTOM_RESOURCE_DEFINITIONS)["spec"]["versions"][0]["schema"].clone(),
        json!({"openAPIV3Schema": not}),
    );
    created(
        kind::CUSTOM_RESOURCE_DEFINITIONS,
        root(not),
        &[
            &format!(
                "spec.validation.openAPIV3Schema: Invalid value: {}: only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations] fields are allowed at the root of the schema if the status subresource is enabled",
                whole["openAPIV3Schema"]
            ),
            "spec.validation.openAPIV3Schema.properties[y]: Required value: because it is defined in spec.validation.openAPIV3Schema.not.properties[y]",
        ],
    );
    created(
        kind::CUSTOM_RESOURCE_DEFINITIONS,
        root(json!({"properties": {"metadata": {"type": "object", "default": {}, "description": "mine"}}})),
        &[
            "spec.validation.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
            "spec.validation.openAPIV3Schema.properties[metadata].default: Forbidden: must not be set in top-level metadata",
        ],
    );
}

/// A configuration whose one webhook has that change.
#[track_caller]
fn webhook_with(patch: Value, expected: &[&str]) {
    let hooks = kind::VALIDATING_WEBHOOK_CONFIGURATIONS;
    let hook = merged(valid(hooks)["webhooks"][0].clone(), patch);
    created(hooks, json!({"webhooks": [hook]}), expected);
}

#[test]
fn webhooks_say_what_they_are_asked_and_where() {
    webhook_with(
        json!({"name": "a.b", "sideEffects": "Some", "timeoutSeconds": 31, "admissionReviewVersions": ["v9"]}),
        &[
            r#"webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots"#,
            r#"webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun""#,
            "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
            r#"webhooks[0].admissionReviewVersions: Invalid value: ["v9"]: must include at least one of v1, v1beta1"#,
        ],
    );
    webhook_with(
        json!({"sideEffects": null, "admissionReviewVersions": null}),
        &[
            "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
            "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1",
        ],
    );
    webhook_with(
        json!({"clientConfig": {"url": null}}),
        &["webhooks[0].clientConfig: Required value: exactly one of url or service is required"],
    );
    webhook_with(
        json!({"clientConfig": {"url": "https://me@host/x?y#z"}}),
        &[
            r#"webhooks[0].clientConfig.url: Invalid value: "me": user information is not permitted in the URL"#,
            r#"webhooks[0].clientConfig.url: Invalid value: "z": fragments are not permitted in the URL"#,
            r#"webhooks[0].clientConfig.url: Invalid value: "y": query parameters are not permitted in the URL"#,
        ],
    );
    webhook_with(
        json!({"clientConfig": {"url": null, "service": {"name": "a", "namespace": "b", "port": 0, "path": "x//y"}}}),
        &[
            "webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
            r#"webhooks[0].clientConfig.service.path: Invalid value: "x//y": must start with a '/'"#,
            r#"webhooks[0].clientConfig.service.path: Invalid value: "x//y": segment[0] may not be empty"#,
            r#"webhooks[0].clientConfig.service.path: Invalid value: "x//y": segment[1] may not be empty"#,
        ],
    );
    webhook_with(
        json!({"matchConditions": [{"name": "a b", "expression": "true"}, {"name": "c", "expression": " "}]}),
        &[
            r#"webhooks[0].matchConditions[0].name: Invalid value: "a b": <label key>"#,
            "webhooks[0].matchConditions[1].expression: Required value",
        ],
    );
}

#[test]
fn rules_of_webhooks_name_what_they_watch() {
    let rule = |patch: Value| {
        let rule = json!({"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"], "scope": "*"});
        json!({"rules": [merged(rule, patch)]})
    };
    webhook_with(
        rule(
            json!({"operations": ["CREATE", "*"], "apiGroups": ["*", "apps"], "resources": [], "scope": "Here"}),
        ),
        &[
            r#"webhooks[0].rules[0].operations: Invalid value: ["CREATE","*"]: if '*' is present, must not specify other operations"#,
            r#"webhooks[0].rules[0].apiGroups: Invalid value: ["*","apps"]: if '*' is present, must not specify other API groups"#,
            "webhooks[0].rules[0].resources: Required value",
            r#"webhooks[0].rules[0].scope: Unsupported value: "Here": supported values: "*", "Cluster", "Namespaced""#,
        ],
    );
    webhook_with(
        rule(json!({"operations": ["LOOK"], "resources": ["*/*", "pods"]})),
        &[
            r#"webhooks[0].rules[0].operations[0]: Unsupported value: "LOOK": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE""#,
            r#"webhooks[0].rules[0].resources: Invalid value: ["*/*","pods"]: if '*/*' is present, must not specify other resources"#,
        ],
    );
    webhook_with(rule(json!({"resources": ["pods", "pods/*"]})), &[]);
    webhook_with(
        rule(json!({"resources": ["*", "pods"]})),
        &[
            r#"webhooks[0].rules[0].resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources without subresources"#,
        ],
    );
}

#[test]
fn what_a_webhook_was_let_do_it_is_let_keep() {
    let hooks = kind::VALIDATING_WEBHOOK_CONFIGURATIONS;
    let hook = |patch: Value| json!({"webhooks": [merged(valid(hooks)["webhooks"][0].clone(), patch)]});
    let old = hook(json!({"sideEffects": "Some", "admissionReviewVersions": ["v9"]}));
    let new = hook(json!({"sideEffects": "Unknown", "admissionReviewVersions": ["v8"]}));
    updated(hooks, old, new.clone(), &[]);
    updated(
        hooks,
        json!({}),
        new,
        &[
            r#"webhooks[0].sideEffects: Unsupported value: "Unknown": supported values: "None", "NoneOnDryRun""#,
            r#"webhooks[0].admissionReviewVersions: Invalid value: ["v8"]: must include at least one of v1, v1beta1"#,
        ],
    );
}

#[test]
fn policies_of_admission_ask_something() {
    let policies = kind::VALIDATING_ADMISSION_POLICIES;
    let spec = |patch: Value| json!({"spec": patch});
    const ONE: &str = "Required value: validations or auditAnnotations must contain at least one item";
    created(
        policies,
        spec(json!({"validations": null})),
        &[&format!("spec.validations: {ONE}"), &format!("spec.auditAnnotations: {ONE}")],
    );
    created(
        policies,
        spec(json!({"matchConstraints": null, "failurePolicy": "Maybe"})),
        &[
            r#"spec.failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore""#,
            "spec.matchConstraints: Required value",
        ],
    );
    created(
        policies,
        spec(json!({"validations": [{"expression": " ", "message": "a\nb", "reason": "No"}]})),
        &[
            "spec.validations[0].expression: Required value: expression is not specified",
            "spec.validations[0].message: Invalid value: \"a\\nb\": must not contain line breaks",
            r#"spec.validations[0].reason: Unsupported value: "No": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge""#,
        ],
    );
    created(
        policies,
        spec(json!({"paramKind": {"apiVersion": "a/b/c"}})),
        &[
            r#"spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c"#,
            "spec.paramKind.kind: Required value",
        ],
    );
    created(
        policies,
        spec(
            json!({"auditAnnotations": [{"key": "k", "valueExpression": "'x'"}, {"key": "k", "valueExpression": ""}]}),
        ),
        &[
            "spec.auditAnnotations[1].valueExpression: Required value: valueExpression is not specified",
            r#"spec.auditAnnotations[1].key: Duplicate value: "k""#,
        ],
    );
}

#[test]
fn policies_that_change_objects_say_how() {
    let policies = kind::MUTATING_ADMISSION_POLICIES;
    let spec = |patch: Value| json!({"spec": patch});
    created(
        policies,
        spec(json!({"mutations": []})),
        &["spec.mutations: Required value: mutations must contain at least one item"],
    );
    created(
        policies,
        spec(json!({"mutations": [{"patchType": "JSONPatch"}, {"patchType": "Diff"}]})),
        &[
            "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
            r#"spec.mutations[1].patchType: Unsupported value: "Diff": supported values: "ApplyConfiguration", "JSONPatch""#,
        ],
    );
}

#[test]
fn bindings_of_policies_say_what_follows() {
    let bindings = kind::VALIDATING_ADMISSION_POLICY_BINDINGS;
    let spec = |patch: Value| json!({"spec": patch});
    created(
        bindings,
        spec(json!({"policyName": null, "validationActions": []})),
        &[
            "spec.policyName: Required value",
            "spec.validationActions: Required value: at least one validation action is required",
        ],
    );
    created(
        bindings,
        spec(json!({"validationActions": ["Deny", "Warn", "Deny", "Shout"]})),
        &[
            r#"spec.validationActions[2]: Duplicate value: "Deny""#,
            r#"spec.validationActions[3]: Unsupported value: "Shout": supported values: "Audit", "Deny", "Warn""#,
            r#"spec.validationActions: Invalid value: ["Deny","Warn","Deny","Shout"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)"#,
        ],
    );
    created(
        bindings,
        spec(json!({"paramRef": {"name": "p", "selector": {}}})),
        &[
            r#"spec.paramRef.name: Forbidden: name and selector are mutually exclusive"#,
            "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
            "spec.paramRef.parameterNotFoundAction: Required value",
        ],
    );
}

#[test]
fn services_of_the_api_are_named_for_what_they_serve() {
    let services = kind::API_SERVICES;
    created(
        services,
        json!({"metadata": {"name": "v1.other"}}),
        &[
            r#"metadata.name: Invalid value: "v1.other": must be `spec.version+"."+spec.group`: "v1.shop.example""#,
        ],
    );
    created(
        services,
        json!({"spec": {"groupPriorityMinimum": 20001, "versionPriority": 0, "insecureSkipTLSVerify": true}}),
        &[
            "spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000",
            "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
            "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
        ],
    );
    created(
        services,
        json!({"spec": {"service": null}}),
        &[r#"spec.caBundle: Invalid value: "1 bytes": local APIServices may not have a caBundle"#],
    );
    created(
        services,
        json!({"spec": {"service": {"namespace": null}}}),
        &["spec.service.namespace: Required value"],
    );
    let condition = json!({"status": {"conditions": [{"type": "Available", "status": "Maybe"}]}});
    status_written(
        services,
        json!({}),
        condition,
        &[
            r#"status.conditions[0].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown""#,
        ],
    );
}

#[test]
fn flows_name_their_level() {
    let flows = kind::FLOW_SCHEMAS;
    let spec = |patch: Value| json!({"spec": patch});
    created(
        flows,
        spec(
            json!({"matchingPrecedence": 1, "priorityLevelConfiguration": {"name": null}, "distinguisherMethod": {"type": "ByMood"}}),
        ),
        &[
            "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
            r#"spec.distinguisherMethod.type: Unsupported value: {"Type":"ByMood"}: supported values: "ByNamespace", "ByUser""#,
            "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
        ],
    );
    created(
        flows,
        spec(json!({"rules": [{"subjects": [{"kind": "User", "group": {"name": "g"}}]}]})),
        &[
            "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
            "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
            "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
        ],
    );
    let subjects = json!([{"kind": "ServiceAccount", "serviceAccount": {"name": "*"}}]);
    created(
        flows,
        spec(
            json!({"rules": [{"subjects": subjects, "nonResourceRules": [{"verbs": ["get", "look"], "nonResourceURLs": ["/a*"]}]}]}),
        ),
        &[
            "spec.rules[0].subjects[0].serviceAccount.namespace: Required value: must specify namespace for service account",
            r#"spec.rules[0].nonResourceRules[0].verbs: Unsupported value: ["get","look"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch""#,
            r#"spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "/a*": wildcard can only do suffix matching"#,
        ],
    );
}

#[test]
fn levels_share_what_there_is() {
    let levels = kind::PRIORITY_LEVEL_CONFIGURATIONS;
    let limited = |patch: Value| json!({"spec": {"limited": patch}});
    created(
        levels,
        limited(json!({"nominalConcurrencyShares": -1, "lendablePercent": 101, "borrowingLimitPercent": -1})),
        &[
            "spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
            "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive",
            "spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer",
        ],
    );
    created(
        levels,
        limited(json!({"limitResponse": {"type": "Reject"}})),
        &[
            "spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited",
        ],
    );
    created(
        levels,
        limited(json!({"limitResponse": {"queuing": {"queues": 4, "queueLengthLimit": 0}}})),
        &[
            "spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: 0: must be positive",
            "spec.limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (4)",
        ],
    );
    created(
        levels,
        json!({"spec": {"type": "Exempt"}}),
        &[
            r#"spec.type: Invalid value: "Exempt": must be 'Exempt' if and only if `name` is 'exempt'"#,
            "spec.limited: Forbidden: must be nil if the type is not Limited",
        ],
    );
    created(
        levels,
        json!({"metadata": {"name": "catch-all"}}),
        &[&format!(
            "spec: Invalid value: {}: spec of 'catch-all' must equal the fixed value",
            valid(levels)["spec"]
        )],
    );
}

#[test]
fn certificates_are_asked_for_in_form() {
    let requests = kind::CERTIFICATE_SIGNING_REQUESTS;
    let spec = |patch: Value| json!({"spec": patch});
    created(
        requests,
        spec(json!({"usages": ["client auth", "client auth", "magic"], "expirationSeconds": 599})),
        &[
            r#"spec.usages[2]: Unsupported value: "magic": supported values: "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping""#,
            r#"spec.usages[1]: Duplicate value: "client auth""#,
            "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)",
        ],
    );
    for (name, fault) in [
        ("kubernetes.io/legacy-unknown", "the legacy signerName is not allowed via this API version"),
        ("nope", "must be a fully qualified domain and path of the form 'example.com/signer-name'"),
    ] {
        created(
            requests,
            spec(json!({"signerName": name})),
            &[&format!("spec.signerName: Invalid value: {name:?}: {fault}")],
        );
    }
    created(
        requests,
        spec(json!({"signerName": "a/b"})),
        &[
            r#"spec.signerName: Invalid value: "a": should be a domain with at least two segments separated by dots"#,
        ],
    );
    let text = STANDARD.encode("hello");
    created(
        requests,
        spec(json!({"request": text})),
        &[&format!("spec.request: Invalid value: {text:?}: PEM block type must be CERTIFICATE REQUEST")],
    );
}

#[test]
fn a_certificate_is_decided_once_and_issued_once() {
    let requests = kind::CERTIFICATE_SIGNING_REQUESTS;
    let condition = |kind: &str| json!({"type": kind, "status": "True"});
    let conditions = |kinds: &[&str]| json!({"status": {"conditions": kinds.iter().map(|kind| condition(kind)).collect::<Vec<_>>()}});
    status_written(
        requests,
        json!({}),
        conditions(&["Approved"]),
        &[r#"status.conditions: Forbidden: updates may not add a condition of type "Approved""#],
    );
    status_written(requests, json!({}), conditions(&["Failed"]), &[]);
    status_written(
        requests,
        conditions(&["Approved", "Failed"]),
        conditions(&["Denied"]),
        &[
            r#"status.conditions: Forbidden: updates may not remove a condition of type "Approved""#,
            r#"status.conditions: Forbidden: updates may not remove a condition of type "Failed""#,
            r#"status.conditions: Forbidden: updates may not add a condition of type "Denied""#,
        ],
    );
    let approved = |before: Value, patch: Value, expected: &[&str]| {
        let old = merged(valid(requests), before);
        let new = merged(old.clone(), patch);
        assert_faults(requests, &new, Some(&old), Subresource::Approval, expected);
    };
    approved(json!({}), conditions(&["Approved"]), &[]);
    approved(
        conditions(&["Approved"]),
        conditions(&["Denied"]),
        &[r#"status.conditions: Forbidden: updates may not remove a condition of type "Approved""#],
    );
    approved(
        json!({}),
        conditions(&["Denied", "Approved"]),
        &[
            r#"status.conditions: Invalid value: "Approved": Approved and Denied conditions are mutually exclusive"#,
        ],
    );
    let issued = |text: &str| {
        let pem =
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(text));
        json!({"status": {"certificate": STANDARD.encode(pem)}})
    };
    status_written(requests, json!({}), issued("0\0"), &[]);
    status_written(
        requests,
        issued("0\0"),
        issued("0\u{1}x"),
        &["status.certificate: Forbidden: updates may not modify existing certificate content"],
    );
    updated(
        requests,
        json!({}),
        issued("0\0"),
        &["status.certificate: Forbidden: updates may not set certificate content"],
    );
}

#[test]
fn reviews_ask_one_thing_of_somebody() {
    let asked = |kind, spec: Value, expected: &[&str]| {
        assert_faults(kind, &json!({"spec": spec}), None, Subresource::None, expected);
    };
    let pods = json!({"verb": "get", "resource": "pods"});
    asked(kind::SUBJECT_ACCESS_REVIEWS, json!({"user": "jane", "resourceAttributes": pods}), &[]);
    asked(kind::SELF_SUBJECT_ACCESS_REVIEWS, json!({"resourceAttributes": pods}), &[]);
    asked(
        kind::SUBJECT_ACCESS_REVIEWS,
        json!({}),
        &[
            "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
            r#"spec.user: Invalid value: "": at least one of user or group must be specified"#,
        ],
    );
    asked(
        kind::SELF_SUBJECT_ACCESS_REVIEWS,
        json!({"resourceAttributes": merged(pods.clone(), json!({"labelSelector": {"requirements": [{"key": "a", "operator": "In"}]}}))}),
        &[
            "spec.resourceAttributes.labelSelector.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        ],
    );
    asked(
        kind::TOKEN_REVIEWS,
        json!({}),
        &["spec.token: Required value: token is required for TokenReview in authentication"],
    );
    let here =
        json!({"metadata": {"namespace": "shop"}, "spec": {"user": "jane", "resourceAttributes": pods}});
    assert_faults(
        kind::LOCAL_SUBJECT_ACCESS_REVIEWS,
        &here,
        None,
        Subresource::None,
        &[r#"spec.resourceAttributes.namespace: Invalid value: "": must match metadata.namespace"#],
    );
}
