//! Faults of devices, drivers of storage and classes.

use orch_core::kind;
use serde_json::{Value, json};

use super::{created, merged, status_written, updated, valid};

#[test]
fn drivers_say_what_they_can() {
    let drivers = kind::CSI_DRIVERS;
    let spec = |patch: Value| json!({"spec": patch});
    created(
        drivers,
        spec(
            json!({"attachRequired": null, "fsGroupPolicy": "Some", "volumeLifecycleModes": ["Eternal"], "nodeAllocatableUpdatePeriodSeconds": 9}),
        ),
        &[
            "spec.attachedRequired: Required value",
            r#"spec.fsGroupPolicy: Unsupported value: "Some": supported values: "File", "None", "ReadWriteOnceWithFSType""#,
            r#"spec.volumeLifecycleModes: Unsupported value: "Eternal": supported values: "Persistent", "Ephemeral""#,
            "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds",
        ],
    );
    created(
        drivers,
        spec(json!({"tokenRequests": [{"audience": "a", "expirationSeconds": 599}, {"audience": "a"}]})),
        &[
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes",
            r#"spec.tokenRequests[1].audience: Duplicate value: "a""#,
        ],
    );
    updated(
        drivers,
        json!({}),
        spec(json!({"attachRequired": false, "podInfoOnMount": true, "volumeLifecycleModes": ["Ephemeral"]})),
        &[
            "spec.attachedRequired: Invalid value: false: field is immutable",
            r#"spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable"#,
        ],
    );
}

#[test]
fn drivers_of_a_node_stay() {
    let nodes = kind::CSI_NODES;
    let drivers = |list: Value| json!({"spec": {"drivers": list}});
    created(
        nodes,
        drivers(
            json!([{"name": "d", "nodeID": "", "allocatable": {"count": -1}, "topologyKeys": ["a", "a"]}, {"name": "d", "nodeID": "n"}]),
        ),
        &[
            "spec.drivers[0].nodeID: Required value",
            "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0",
            r#"spec.drivers[0]: Duplicate value: "a""#,
            r#"spec.drivers[1].name: Duplicate value: "d""#,
        ],
    );
    let driver =
        |id: &str, count: i64| drivers(json!([{"name": "d", "nodeID": id, "allocatable": {"count": count}}]));
    updated(nodes, driver("n", 1), driver("n", 2), &[]);
    updated(nodes, driver("n", 1), drivers(json!([])), &[]);
    updated(
        nodes,
        driver("n", 1),
        driver("m", 1),
        &[
            r#"spec.drivers: Invalid value: {"allocatable":{"count":1},"name":"d","nodeID":"m"}: field is immutable"#,
        ],
    );
}

#[test]
fn attachments_and_capacities_stay_where_they_are() {
    let attachments = kind::VOLUME_ATTACHMENTS;
    const ONE: &str = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    created(
        attachments,
        json!({"spec": {"attacher": null, "source": {"persistentVolumeName": null}}}),
        &["spec.attacher: Required value", &format!("spec.source: Required value: {ONE}")],
    );
    let inline =
        |spec: Value| json!({"spec": {"source": {"persistentVolumeName": null, "inlineVolumeSpec": spec}}});
    let csi = json!({"driver": "d.example.com", "volumeHandle": "h"});
    created(attachments, inline(json!({"accessModes": ["ReadWriteOnce"], "csi": csi})), &[]);
    created(
        attachments,
        inline(
            json!({"hostPath": {"path": "/d"}, "capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": "fast", "volumeMode": "Block"}),
        ),
        &[
            "spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes",
            "spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes",
            "spec.source.inlineVolumeSpec.accessModes: Required value",
            "spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes",
            "spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of inline volumes",
            "spec.source.inlineVolumeSpec.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes",
        ],
    );
    let spec = merged(valid(attachments)["spec"].clone(), json!({"nodeName": "m"}));
    updated(
        attachments,
        json!({}),
        json!({"spec": {"nodeName": "m"}}),
        &[&format!("spec: Invalid value: {spec}: field is immutable")],
    );
    updated(
        kind::CSI_STORAGE_CAPACITIES,
        json!({}),
        json!({"storageClassName": "slow", "capacity": "2Gi"}),
        &[r#"storageClassName: Invalid value: "slow": field is immutable"#],
    );
    updated(
        kind::VOLUME_ATTRIBUTES_CLASSES,
        json!({}),
        json!({"parameters": {"iops": "20"}}),
        &["parameters: Forbidden: updates to parameters are forbidden."],
    );
    created(
        kind::VOLUME_ATTRIBUTES_CLASSES,
        json!({"driverName": null, "parameters": null}),
        &[
            "driverName: Required value",
            "parameters: Required value: must contain at least one key/value pair",
        ],
    );
}

#[test]
fn classes_keep_what_they_are_for() {
    created(kind::RUNTIME_CLASSES, json!({"handler": "H"}), &[r#"handler: Invalid value: "H": <label>"#]);
    updated(
        kind::RUNTIME_CLASSES,
        json!({}),
        json!({"handler": "other"}),
        &[r#"handler: Invalid value: "other": field is immutable"#],
    );
    created(
        kind::INGRESS_CLASSES,
        json!({"spec": {"controller": "ingress"}}),
        &[
            r#"spec.controller: Invalid value: "ingress": must be a domain-prefixed path (such as "acme.io/foo")"#,
        ],
    );
    updated(
        kind::INGRESS_CLASSES,
        json!({}),
        json!({"spec": {"controller": "example.com/other"}}),
        &[r#"spec.controller: Invalid value: "example.com/other": field is immutable"#],
    );
}

/// A claim whose one request has that change.
fn request(patch: Value) -> Value {
    let request = valid(kind::RESOURCE_CLAIMS)["spec"]["devices"]["requests"][0].clone();
    json!({"spec": {"devices": {"requests": [merged(request, patch)]}}})
}

#[test]
fn claims_ask_for_devices() {
    let claims = kind::RESOURCE_CLAIMS;
    const ONE: &str = "exactly one of `exactly` or `firstAvailable` is required";
    created(
        claims,
        request(json!({"exactly": null})),
        &[&format!("spec.devices.requests[0]: Required value: {ONE}")],
    );
    created(
        claims,
        request(json!({"name": "G", "exactly": {"deviceClassName": null, "count": 0}})),
        &[
            r#"spec.devices.requests[0].name: Invalid value: "G": <label>"#,
            "spec.devices.requests[0].exactly.deviceClassName: Required value",
            "spec.devices.requests[0].exactly.count: Invalid value: 0: must be greater than zero",
        ],
    );
    created(
        claims,
        request(json!({"exactly": {"allocationMode": "Some"}})),
        &[
            r#"spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount""#,
        ],
    );
    let tolerations = json!([{"operator": "Exists", "value": "v"}, {"operator": ""}, {"operator": "Equal", "effect": "No"}]);
    created(
        claims,
        request(json!({"exactly": {"tolerations": tolerations}})),
        &[
            r#"spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: "v": must be empty for operator `Exists`"#,
            "spec.devices.requests[0].exactly.tolerations[1].operator: Required value",
            r#"spec.devices.requests[0].exactly.tolerations[2].effect: Unsupported value: "No": supported values: "NoExecute", "NoSchedule", "None""#,
        ],
    );
    created(
        claims,
        json!({"spec": {"devices": {"constraints": [{"requests": ["cpu"], "matchAttribute": "model"}]}}}),
        &[
            r#"spec.devices.constraints[0].requests[0]: Invalid value: "cpu": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"#,
            r#"spec.devices.constraints[0].matchAttribute: Invalid value: "model": a fully qualified name must be a domain and a name separated by a slash"#,
        ],
    );
    created(
        claims,
        json!({"spec": {"devices": {"config": [{}, {"opaque": {"driver": "d.example.com", "parameters": 7}}]}}}),
        &[
            "spec.devices.config[0].opaque: Required value",
            r#"spec.devices.config[1].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object"#,
        ],
    );
    let changed = merged(valid(claims), request(json!({"exactly": {"count": 2}})));
    updated(
        claims,
        json!({}),
        request(json!({"exactly": {"count": 2}})),
        &[&format!("spec: Invalid value: {}: field is immutable", changed["spec"])],
    );
}

#[test]
fn an_allocation_stays() {
    let claims = kind::RESOURCE_CLAIMS;
    let result = |request: &str| json!({"request": request, "driver": "d.example.com", "pool": "p", "device": "gpu-0"});
    let allocated =
        |request: &str| json!({"status": {"allocation": {"devices": {"results": [result(request)]}}}});
    status_written(claims, json!({}), allocated("gpu"), &[]);
    status_written(
        claims,
        json!({}),
        allocated("cpu"),
        &[
            r#"status.allocation.devices.results[0].request: Invalid value: "cpu": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"#,
        ],
    );
    status_written(
        claims,
        allocated("gpu"),
        allocated("cpu"),
        &[&format!(
            "status.allocation: Invalid value: {}: field is immutable",
            allocated("cpu")["status"]["allocation"]
        )],
    );
    let mut shared = allocated("gpu");
    shared["status"]["allocation"]["devices"]["results"][0]["shareID"] =
        "E2F1A0B4-0000-4000-8000-000000000001".into();
    status_written(
        claims,
        json!({}),
        shared,
        &[
            "status.allocation.devices.results[0].shareID: Invalid value: \"E2F1A0B4-0000-4000-8000-000000000001\": uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters",
        ],
    );
    let mut networked = allocated("gpu");
    networked["status"]["devices"] = json!([{"driver": "d.example.com", "pool": "p", "device": "gpu-0", "shareID": "1",
        "networkData": {"ips": ["10.9.8.7"]}}]);
    let shown = networked["status"]["devices"][0].to_string();
    status_written(
        claims,
        allocated("gpu"),
        networked,
        &[
            r#"status.devices[0].shareID: Invalid value: "1": error validating uid: invalid UUID length: 1"#,
            &format!("status.devices[0]: Invalid value: {shown}: must be an allocated device in the claim"),
            r#"status.devices[0].networkData.ips[0]: Invalid value: "10.9.8.7": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"#,
        ],
    );
    let consumer = json!({"status": {"reservedFor": [{"resource": "pods", "name": "a", "uid": "1"}]}});
    status_written(
        claims,
        json!({}),
        consumer,
        &["status.reservedFor: Forbidden: may not be specified when `allocated` is not set"],
    );
}

/// A slice whose one device has that change.
#[track_caller]
fn device_with(patch: Value, expected: &[&str]) {
    let device = merged(valid(kind::RESOURCE_SLICES)["spec"]["devices"][0].clone(), patch);
    created(kind::RESOURCE_SLICES, json!({"spec": {"devices": [device]}}), expected);
}

#[test]
fn devices_say_where_and_what_they_are() {
    const PLACE: &str =
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    let slices = kind::RESOURCE_SLICES;
    let spec = |patch: Value| json!({"spec": patch});
    created(slices, spec(json!({"nodeName": null})), &[&format!("spec: Required value: {PLACE}")]);
    created(
        slices,
        spec(json!({"allNodes": true})),
        &[&format!(
            r#"spec: Invalid value: "{{`nodeName`, `allNodes`}}": {PLACE}, but multiple fields are set"#
        )],
    );
    created(
        slices,
        spec(json!({"pool": {"resourceSliceCount": 0, "generation": -1, "name": "a//b"}})),
        &[
            r#"spec.pool.name: Invalid value: "": <subdomain>"#,
            "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
            "spec.pool.generation: Invalid value: -1: must be greater than or equal to zero",
        ],
    );
    device_with(
        json!({"attributes": {"v": {"version": "1.2"}, "w": {"string": "x", "int": 1}}}),
        &[
            r#"spec.devices[0].attributes[v].version: Invalid value: "1.2": must be a string compatible with semver.org spec 2.0.0"#,
            r#"spec.devices[0].attributes[w]: Invalid value: {"int":1,"string":"x"}: exactly one value must be specified"#,
        ],
    );
    device_with(
        json!({"taints": [{"key": "", "effect": "Never"}], "bindingConditions": ["ready"]}),
        &[
            r#"spec.devices[0].taints[0].key: Invalid value: "": name part must be non-empty"#,
            r#"spec.devices[0].taints[0].key: Invalid value: "": <label key>"#,
            r#"spec.devices[0].taints[0].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "None""#,
            "spec.devices[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingConditions",
        ],
    );
    device_with(
        json!({"allowMultipleAllocations": true, "capacity": {"memory": {"value": "4", "requestPolicy": {"default": "5", "validRange": {"min": "1", "max": "3"}}}}}),
        &[
            r#"spec.devices[0].capacity[memory].requestPolicy.validRange.max: Invalid value: "5": default is more than max: 3"#,
        ],
    );
    updated(
        slices,
        json!({}),
        spec(json!({"nodeName": "m", "pool": {"generation": 2}})),
        &[r#"spec.nodeName: Invalid value: "m": field is immutable"#],
    );
}
