//! Faults of everything but pods at creation: metadata, data, services, storage, workloads, nodes.

use serde_json::json;

use super::created;
use orch_core::kind;

#[test]
fn metadata_has_a_name_and_a_place() {
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"name": null}}),
        &["metadata.name: Required value: name or generateName is required"],
    );
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"name": null, "generateName": "web-"}}),
        &["metadata.name: Required value: name or generateName is required"],
    );
    created(kind::CONFIG_MAPS, json!({"metadata": {"name": "web-x", "generateName": "web-"}}), &[]);
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"generateName": "A-"}}),
        &[r#"metadata.generateName: Invalid value: "A-": <subdomain>"#],
    );
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"name": "A_b"}}),
        &[r#"metadata.name: Invalid value: "A_b": <subdomain>"#],
    );
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"namespace": null}}),
        &["metadata.namespace: Required value"],
    );
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"namespace": "a.b"}}),
        &[r#"metadata.namespace: Invalid value: "a.b": must not contain dots"#],
    );
    created(
        kind::NODES,
        json!({"metadata": {"namespace": "shop"}}),
        &["metadata.namespace: Forbidden: not allowed on this type"],
    );
    created(
        kind::NAMESPACES,
        json!({"metadata": {"name": "a.b"}}),
        &[r#"metadata.name: Invalid value: "a.b": must not contain dots"#],
    );
    created(
        kind::STATEFUL_SETS,
        json!({"metadata": {"name": "a.b"}}),
        &[r#"metadata.name: Invalid value: "a.b": must not contain dots"#],
    );
    created(kind::SERVICES, json!({"metadata": {"name": "1a"}}), &[]);
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"generation": -1}}),
        &["metadata.generation: Invalid value: -1: must be greater than or equal to 0"],
    );
}

#[test]
fn labels_annotations_and_finalizers_are_qualified() {
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"labels": {"a/b/c": "ok"}}}),
        &[
            r#"metadata.labels: Invalid value: "a/b/c": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"#,
        ],
    );
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"labels": {"a": "b c", "-": "x"}}}),
        &[
            r#"metadata.labels: Invalid value: "-": <label key>"#,
            r#"metadata.labels: Invalid value: "b c": <label value>"#,
        ],
    );
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"annotations": {"Example.com/A": "any text", "a b": ""}}}),
        &[r#"metadata.annotations: Invalid value: "a b": <label key>"#],
    );
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"finalizers": ["a b", "orphan", "foregroundDeletion"]}}),
        &[
            r#"metadata.finalizers: Invalid value: "a b": <label key>"#,
            r#"metadata.finalizers: Invalid value: ["a b","orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set"#,
            r#"metadata.finalizers[0]: Invalid value: "a b": name is neither a standard finalizer name nor is it fully qualified"#,
        ],
    );
    created(kind::LEASES, json!({"metadata": {"finalizers": ["unqualified"]}}), &[]);
}

#[test]
fn owners_are_complete_and_one_controls() {
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"ownerReferences": [{}]}}),
        &[
            r#"metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty"#,
            r#"metadata.ownerReferences.kind: Invalid value: "": must not be empty"#,
            r#"metadata.ownerReferences.name: Invalid value: "": must not be empty"#,
            r#"metadata.ownerReferences.uid: Invalid value: "": must not be empty"#,
        ],
    );
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u"}, {"apiVersion": "a/b/c", "kind": "X", "name": "x", "uid": "u"}]}}),
        &[
            r#"metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"e","uid":"u"}: /v1, Kind=Event is disallowed from being an owner"#,
            r#"metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty"#,
        ],
    );
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": true}, {"apiVersion": "v1", "kind": "Pod", "name": "q", "uid": "v", "controller": true}]}}),
        &[
            r#"metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","controller":true,"kind":"Pod","name":"p","uid":"u"},{"apiVersion":"v1","controller":true,"kind":"Pod","name":"q","uid":"v"}]: Only one reference can have Controller set to true. Found "true" in references for Pod/p and Pod/q"#,
        ],
    );
    created(
        kind::CONFIG_MAPS,
        json!({"metadata": {"managedFields": [{"operation": "Delete", "fieldsType": "FieldsV2", "manager": "a\nb"}]}}),
        &[
            r#"metadata.managedFields[0].operation: Invalid value: "Delete": must be `Apply` or `Update`"#,
            r#"metadata.managedFields[0].fieldsType: Invalid value: "FieldsV2": must be `FieldsV1`"#,
            r#"metadata.managedFields[0].manager: Invalid value: "a\nb": invalid character U+000A (at position 1)"#,
        ],
    );
}

#[test]
fn keys_of_data_are_names_of_files() {
    created(
        kind::CONFIG_MAPS,
        json!({"data": {"a/b": "", "..": "", "ok.txt": ""}}),
        &[
            r#"data[..]: Invalid value: "..": must not be '..'"#,
            r#"data[a/b]: Invalid value: "a/b": <config key>"#,
        ],
    );
    created(
        kind::CONFIG_MAPS,
        json!({"data": {"c": "x"}}),
        &[r#"data[c]: Invalid value: "c": duplicate of key present in binaryData"#],
    );
    created(
        kind::SECRETS,
        json!({"data": {"a b": ""}}),
        &[r#"data[a b]: Invalid value: "a b": <config key>"#],
    );
    created(
        kind::SECRETS,
        json!({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}),
        &["data[tls.key]: Required value"],
    );
    created(
        kind::SECRETS,
        json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}),
        &[],
    );
    created(
        kind::SECRETS,
        json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "W10="}}),
        &[
            r#"data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal into Go value of type map[string]interface {}"#,
        ],
    );
    created(kind::SECRETS, json!({"type": "kubernetes.io/dockercfg"}), &["data[.dockercfg]: Required value"]);
    created(
        kind::SECRETS,
        json!({"type": "kubernetes.io/basic-auth"}),
        &["data[username]: Required value", "data[password]: Required value"],
    );
    created(
        kind::SECRETS,
        json!({"type": "kubernetes.io/ssh-auth", "data": {"ssh-privatekey": ""}}),
        &["data[ssh-privatekey]: Required value"],
    );
    created(
        kind::SECRETS,
        json!({"type": "kubernetes.io/service-account-token"}),
        &["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    );
    created(
        kind::CONTROLLER_REVISIONS,
        json!({"revision": -1, "data": null}),
        &[
            "revision: Invalid value: -1: must be greater than or equal to 0",
            "data: Required value: data is mandatory",
        ],
    );
    created(
        kind::CONTROLLER_REVISIONS,
        json!({"data": [1]}),
        &["data: Required value: data must be a valid JSON object"],
    );
}

#[test]
fn service_ports_are_named_and_distinct() {
    created(kind::SERVICES, json!({"spec": {"ports": []}}), &["spec.ports: Required value"]);
    created(
        kind::SERVICES,
        json!({"spec": {"ports": [{"port": 0, "protocol": "tcp", "targetPort": "A", "appProtocol": "a b"}]}}),
        &[
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            r#"spec.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP""#,
            r#"spec.ports[0].targetPort: Invalid value: "A": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"#,
            r#"spec.ports[0].targetPort: Invalid value: "A": must contain at least one letter (a-z)"#,
            r#"spec.ports[0].appProtocol: Invalid value: "a b": <label key>"#,
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}, {"name": "A", "port": 81, "targetPort": 80}]}}),
        &[
            "spec.ports[0].name: Required value",
            r#"spec.ports[1].name: Invalid value: "A": <label>"#,
            "spec.ports[1].protocol: Required value",
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"ports": [{"name": "a", "port": 80, "protocol": "TCP", "targetPort": 80}, {"name": "a", "port": 81, "protocol": "TCP", "targetPort": 80}]}}),
        &[r#"spec.ports[1].name: Duplicate value: "a""#],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"ports": [{"name": "a", "port": 80, "protocol": "TCP", "targetPort": 80}, {"name": "b", "port": 80, "protocol": "TCP", "targetPort": 81}]}}),
        &[
            r#"spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}"#,
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30000}]}}),
        &["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"type": "NodePort", "externalTrafficPolicy": "Cluster", "ports": [{"name": "a", "port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30000}, {"name": "b", "port": 81, "protocol": "TCP", "targetPort": 80, "nodePort": 30000}]}}),
        &["spec.ports[1].nodePort: Duplicate value: 30000"],
    );
}

#[test]
fn service_types_have_their_fields() {
    created(kind::SERVICES, json!({"spec": {"type": null}}), &["spec.type: Required value"]);
    created(
        kind::SERVICES,
        json!({"spec": {"type": "Magic"}}),
        &[
            r#"spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort""#,
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"type": "ExternalName"}}),
        &[
            "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
            "spec.ipFamilies: Forbidden: may not be set for ExternalName services",
            "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
            "spec.externalName: Required value",
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"type": "ExternalName", "clusterIP": null, "clusterIPs": null, "ipFamilies": null, "ipFamilyPolicy": null, "externalName": "example.com.", "internalTrafficPolicy": null}}),
        &[],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"type": "NodePort", "externalTrafficPolicy": null}}),
        &["spec.externalTrafficPolicy: Required value"],
    );
}

#[test]
fn load_balancers_have_fields_of_their_own() {
    created(
        kind::SERVICES,
        json!({"spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}}),
        &["allocateLoadBalancerNodePorts: Required value"],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Near", "allocateLoadBalancerNodePorts": true, "loadBalancerClass": "a b", "loadBalancerSourceRanges": ["10.0.0.1/8", " 10.0.0.0/8 ", "x"]}}),
        &[
            r#"spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length"#,
            r#"spec.LoadBalancerSourceRanges[2]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#,
            r#"spec.loadBalancerClass: Invalid value: "a b": <label key>"#,
            r#"spec.externalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local""#,
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"loadBalancerClass": "a/b", "loadBalancerSourceRanges": ["10.0.0.0/8"], "externalTrafficPolicy": "Local", "healthCheckNodePort": 1, "allocateLoadBalancerNodePorts": false}}),
        &[
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
            "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
            "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
            r#"spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services"#,
            "spec.healthCheckNodePort: Invalid value: 1: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ],
    );
}

#[test]
fn traffic_policies_and_affinity_are_complete() {
    created(
        kind::SERVICES,
        json!({"spec": {"internalTrafficPolicy": "Far", "trafficDistribution": "Even"}}),
        &[
            r#"spec.internalTrafficPolicy: Unsupported value: "Far": supported values: "Cluster", "Local""#,
            r#"spec.trafficDistribution: Unsupported value: "Even": supported values: "PreferClose", "PreferSameZone", "PreferSameNode""#,
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"internalTrafficPolicy": null, "sessionAffinity": null}}),
        &["spec.sessionAffinity: Required value", "spec.internalTrafficPolicy: Required value"],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"sessionAffinity": "ClientIP"}}),
        &["spec.sessionAffinityConfig: Required value: when session affinity type is ClientIP"],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}}}),
        &[
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400",
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"sessionAffinity": "None", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1}}}}),
        &["spec.sessionAffinityConfig: Forbidden: must not be set when session affinity is None"],
    );
}

#[test]
fn addresses_from_outside_are_reachable() {
    created(
        kind::SERVICES,
        json!({"spec": {"externalIPs": ["127.0.0.1", "x"]}}),
        &[
            r#"spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)"#,
            r#"spec.externalIPs[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
            "spec.externalTrafficPolicy: Required value",
        ],
    );
    created(
        kind::SERVICES,
        json!({"metadata": {"annotations": {"service.kubernetes.io/topology-mode": "a", "service.kubernetes.io/topology-aware-hints": "b", "service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8,x"}}}),
        &[
            r#"metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "a": must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified"#,
            "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Forbidden: may only be used when `type` is 'LoadBalancer'",
            r#"metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#,
        ],
    );
}

#[test]
fn cluster_addresses_and_families_agree() {
    created(kind::SERVICES, json!({"spec": {"clusterIP": "None", "clusterIPs": ["None"]}}), &[]);
    created(
        kind::SERVICES,
        json!({"spec": {"clusterIP": "10.96.0.8"}}),
        &[r#"spec.clusterIPs: Invalid value: ["10.96.0.7"]: first value must match `clusterIP`"#],
    );
    created(kind::SERVICES, json!({"spec": {"clusterIPs": []}}), &["spec.clusterIPs: Required value"]);
    created(
        kind::SERVICES,
        json!({"spec": {"clusterIP": null}}),
        &[
            r#"spec.clusterIPs: Invalid value: ["10.96.0.7"]: must be empty when `clusterIP` is not specified"#,
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"clusterIP": "x", "clusterIPs": ["x"]}}),
        &[
            r#"spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"clusterIP": "None", "clusterIPs": ["None", "10.0.0.1"]}}),
        &[r#"spec.clusterIPs: Invalid value: ["None","10.0.0.1"]: 'None' must be the first and only value"#],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"clusterIPs": ["10.96.0.7", "10.96.0.8"], "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}}),
        &[
            r#"spec.clusterIPs: Invalid value: ["10.96.0.7","10.96.0.8"]: may specify no more than one IP for each IP family"#,
            r#"spec.clusterIPs[1]: Invalid value: "10.96.0.8": expected an IPv6 value as indicated by `ipFamilies[1]`"#,
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"clusterIPs": ["10.96.0.7", "fd00::1"], "ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack"}}),
        &[
            r#"spec.clusterIPs[0]: Invalid value: "10.96.0.7": expected an IPv6 value as indicated by `ipFamilies[0]`"#,
            r#"spec.clusterIPs[1]: Invalid value: "fd00::1": expected an IPv4 value as indicated by `ipFamilies[1]`"#,
        ],
    );
    created(
        kind::SERVICES,
        json!({"spec": {"ipFamilies": ["IPv4", "IPv4", "IPX"], "ipFamilyPolicy": "Both"}}),
        &[
            r#"spec.ipFamilies[1]: Duplicate value: "IPv4""#,
            r#"spec.ipFamilies[2]: Unsupported value: "IPX": supported values: "IPv4", "IPv6""#,
            r#"spec.ipFamilyPolicy: Unsupported value: "Both": supported values: "PreferDualStack", "RequireDualStack", "SingleStack""#,
        ],
    );
}

#[test]
fn endpoint_slices_have_addresses_of_their_type() {
    created(kind::ENDPOINT_SLICES, json!({"addressType": null}), &["addressType: Required value"]);
    created(
        kind::ENDPOINT_SLICES,
        json!({"addressType": "IPX"}),
        &[r#"addressType: Unsupported value: "IPX": supported values: "FQDN", "IPv4", "IPv6""#],
    );
    created(
        kind::ENDPOINT_SLICES,
        json!({"endpoints": [{"addresses": []}]}),
        &["endpoints[0].addresses: Required value: must contain at least 1 address"],
    );
    created(
        kind::ENDPOINT_SLICES,
        json!({"endpoints": [{"addresses": ["fd00::1", "127.0.0.1", "x"], "hostname": "a.b", "nodeName": "N"}]}),
        &[
            r#"endpoints[0].addresses: Invalid value: "fd00::1": must be an IPv4 address"#,
            r#"endpoints[0].addresses[1]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)"#,
            r#"endpoints[0].addresses[2]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
            r#"endpoints[0].nodeName: Invalid value: "N": <subdomain>"#,
            r#"endpoints[0].hostname: Invalid value: "a.b": must not contain dots"#,
        ],
    );
    created(
        kind::ENDPOINT_SLICES,
        json!({"addressType": "IPv6", "endpoints": [{"addresses": ["10.0.0.1", "FD00::1"]}]}),
        &[
            r#"endpoints[0].addresses: Invalid value: "10.0.0.1": must be an IPv6 address"#,
            r#"endpoints[0].addresses[1]: Invalid value: "FD00::1": must be in canonical form ("fd00::1")"#,
        ],
    );
    created(
        kind::ENDPOINT_SLICES,
        json!({"addressType": "FQDN", "endpoints": [{"addresses": ["a", "A.b", "a.b.", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.b"]}]}),
        &[
            r#"endpoints[0].addresses[0]: Invalid value: "a": should be a domain with at least two segments separated by dots"#,
            r#"endpoints[0].addresses[1]: Invalid value: "A.b": <subdomain>"#,
            r#"endpoints[0].addresses[3]: Invalid value: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": must be no more than 63 characters"#,
        ],
    );
    created(
        kind::ENDPOINT_SLICES,
        json!({"ports": [{"name": "a"}, {"name": "a", "protocol": "tcp", "appProtocol": "a b"}, {"name": "A", "protocol": "UDP"}]}),
        &[
            "ports[0].protocol: Required value",
            r#"ports[1].name: Duplicate value: "a""#,
            r#"ports[1].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP""#,
            r#"ports[1].appProtocol: Invalid value: "a b": <label key>"#,
            r#"ports[2].name: Invalid value: "A": <label>"#,
        ],
    );
    created(
        kind::ENDPOINT_SLICES,
        json!({"endpoints": [{"addresses": ["10.0.0.1"], "deprecatedTopology": {"a b": ""}, "hints": {"forZones": [{"name": "z"}, {"name": "z"}, {"name": "a b"}], "forNodes": [{"name": "N"}]}}]}),
        &[
            r#"endpoints[0].deprecatedTopology: Invalid value: "a b": <label key>"#,
            r#"endpoints[0].hints.forZones[1].name: Duplicate value: "z""#,
            r#"endpoints[0].hints.forZones[2].name: Invalid value: "a b": <label value>"#,
            r#"endpoints[0].hints.forNodes[0].name: Invalid value: "N": <subdomain>"#,
        ],
    );
}

#[test]
fn deployments_select_their_pods_and_can_roll() {
    created(
        kind::DEPLOYMENTS,
        json!({"spec": {"replicas": -1, "minReadySeconds": -1, "revisionHistoryLimit": -1, "progressDeadlineSeconds": -1}}),
        &[
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0",
            "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
            "spec.progressDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0",
            "spec.progressDeadlineSeconds: Invalid value: -1: must be greater than minReadySeconds",
        ],
    );
    created(
        kind::DEPLOYMENTS,
        json!({"spec": {"selector": {"matchLabels": null, "matchExpressions": [{"key": "app", "operator": "In", "values": ["a"]}]}}}),
        &[],
    );
    created(
        kind::DEPLOYMENTS,
        json!({"spec": {"selector": {"matchLabels": {"app": "b c"}}}}),
        &[
            r#"spec.selector.matchLabels: Invalid value: "b c": <label value>"#,
            r#"spec.selector: Invalid value: {"matchLabels":{"app":"b c"}}: invalid label selector"#,
        ],
    );
}

#[test]
fn rolling_updates_can_proceed() {
    created(
        kind::DEPLOYMENTS,
        json!({"spec": {"strategy": {"type": "Blue"}}}),
        &[
            r#"spec.strategy: Unsupported value: {"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"Blue"}: supported values: "Recreate", "RollingUpdate""#,
        ],
    );
    created(
        kind::DEPLOYMENTS,
        json!({"spec": {"strategy": {"rollingUpdate": null}}}),
        &["spec.strategy.rollingUpdate: Required value: this should be defaulted and never be nil"],
    );
    created(
        kind::DEPLOYMENTS,
        json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": "x%", "maxUnavailable": "101%"}}}}),
        &[
            r#"spec.strategy.rollingUpdate.maxSurge: Invalid value: "x%": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"#,
            r#"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%"#,
        ],
    );
    created(
        kind::DEPLOYMENTS,
        json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": "0%", "maxUnavailable": 0}}}}),
        &["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
    );
    created(
        kind::DEPLOYMENTS,
        json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": -1, "maxUnavailable": 1}}}}),
        &["spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0"],
    );
}

#[test]
fn templates_of_workloads_run_forever() {
    created(
        kind::DEPLOYMENTS,
        json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "activeDeadlineSeconds": 5}}}}),
        &[
            r#"spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#,
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
        ],
    );
    created(
        kind::DEPLOYMENTS,
        json!({"spec": {"template": {"spec": {"containers": []}}}}),
        &["spec.template.spec.containers: Required value"],
    );
    created(
        kind::DEPLOYMENTS,
        json!({"spec": {"template": {"metadata": {"labels": {"app": "a", "x y": "z"}, "annotations": {"a b": ""}}}}}),
        &[
            r#"spec.template.labels: Invalid value: "x y": <label key>"#,
            r#"spec.template.annotations: Invalid value: "a b": <label key>"#,
        ],
    );
    created(
        kind::REPLICA_SETS,
        json!({"spec": {"selector": null, "replicas": -1}}),
        &[
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            "spec.selector: Required value",
            r#"spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`"#,
        ],
    );
    created(
        kind::REPLICA_SETS,
        json!({"spec": {"selector": {"matchLabels": null}}}),
        &["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
    );
}

#[test]
fn stateful_sets_give_their_pods_identity() {
    created(
        kind::STATEFUL_SETS,
        json!({"spec": {"podManagementPolicy": null, "updateStrategy": {"type": null}, "serviceName": "a.b"}}),
        &[
            "spec.podManagementPolicy: Required value",
            "spec.updateStrategy: Required value",
            r#"spec.serviceName: Invalid value: "a.b": must not contain dots"#,
        ],
    );
    created(
        kind::STATEFUL_SETS,
        json!({"spec": {"updateStrategy": {"type": "Later"}}}),
        &[
            r#"spec.updateStrategy: Invalid value: {"rollingUpdate":{},"type":"Later"}: must be 'RollingUpdate' or 'OnDelete'"#,
        ],
    );
    created(
        kind::STATEFUL_SETS,
        json!({"spec": {"updateStrategy": {"type": "OnDelete"}}}),
        &[
            "spec.updateStrategy.rollingUpdate: Invalid value: {}: only allowed for updateStrategy 'RollingUpdate'",
        ],
    );
    created(
        kind::STATEFUL_SETS,
        json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": -1, "maxUnavailable": 0}}}}),
        &[
            "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0",
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0",
        ],
    );
    created(
        kind::STATEFUL_SETS,
        json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Keep", "whenScaled": "Retain"}, "ordinals": {"start": -1}}}),
        &[
            r#"spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Keep": supported values: "Retain", "Delete""#,
            "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0",
        ],
    );
}

#[test]
fn pods_of_stateful_sets_mount_their_claims() {
    created(
        kind::STATEFUL_SETS,
        json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "A"}, "spec": {"resources": {}}}]}}),
        &[
            "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required",
            "spec.volumeClaimTemplates[0].spec.resources[storage]: Required value",
            r#"spec.template.spec.volumes[0].name: Invalid value: "A": <label>"#,
        ],
    );
    created(
        kind::STATEFUL_SETS,
        json!({"spec": {"template": {"spec": {"hostname": "A", "containers": [{"name": "c", "image": "i", "imagePullPolicy": "Always", "terminationMessagePolicy": "File", "volumeMounts": [{"name": "data", "mountPath": "/d"}, {"name": "none", "mountPath": "/n"}]}]}}}}),
        &[r#"spec.template.spec.containers[0].volumeMounts[1].name: Not found: "none""#],
    );
    created(
        kind::STATEFUL_SETS,
        json!({"spec": {"selector": null}}),
        &[
            "spec.selector: Required value",
            r#"spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`"#,
        ],
    );
    created(
        kind::STATEFUL_SETS,
        json!({"spec": {"template": {"spec": {"restartPolicy": "OnFailure", "activeDeadlineSeconds": 1}, "metadata": {"annotations": {"a b": ""}}}}}),
        &[
            r#"spec.template.annotations: Invalid value: "a b": <label key>"#,
            r#"spec.template.annotations: Invalid value: "a b": <label key>"#,
            r#"spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always""#,
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported",
        ],
    );
}

#[test]
fn volumes_have_one_source_and_a_size() {
    created(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"hostPath": null}}),
        &["spec: Required value: must specify a volume type"],
    );
    created(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"nfs": {"server": "s", "path": "/"}}}),
        &["spec.nfs: Forbidden: may not specify more than 1 volume type"],
    );
    created(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"accessModes": [], "capacity": null, "persistentVolumeReclaimPolicy": "Keep", "volumeMode": "Tape", "storageClassName": "S"}}),
        &[
            "spec.accessModes: Required value",
            "spec.capacity: Required value",
            r#"spec.capacity: Unsupported value: null: supported values: "storage""#,
            r#"spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Recycle", "Retain""#,
            r#"spec.storageClassName: Invalid value: "S": <subdomain>"#,
            r#"spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem""#,
        ],
    );
    created(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"accessModes": ["ReadWriteOncePod", "ReadOnlyMany", "X"], "capacity": {"cpu": "1"}}}),
        &[
            r#"spec.accessModes: Unsupported value: "X": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod""#,
            "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
            r#"spec.capacity: Unsupported value: {"cpu":"1","storage":"1Gi"}: supported values: "storage""#,
        ],
    );
    created(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"capacity": {"storage": "0"}}}),
        &[r#"spec.capacity[storage]: Invalid value: "0": must be greater than zero"#],
    );
}

#[test]
fn fields_of_volumes_fit_their_source() {
    created(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"hostPath": null, "local": {"path": "/x"}}}),
        &["spec.nodeAffinity: Required value: Local volume requires node affinity"],
    );
    created(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"hostPath": null, "local": {"path": "/x"}, "nodeAffinity": {}}}),
        &["spec.nodeAffinity.required: Required value: must specify required node constraints"],
    );
    created(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"hostPath": null, "csi": {"driver": "", "nodePublishSecretRef": {"name": "S"}}}}),
        &[
            "spec.csi.driver: Required value",
            "spec.csi.volumeHandle: Required value",
            r#"spec.csi.nodePublishSecretRef.name: Invalid value: "S": <subdomain>"#,
            "spec.csi.nodePublishSecretRef.namespace: Required value",
        ],
    );
    created(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"hostPath": {"path": "/../"}, "persistentVolumeReclaimPolicy": "Recycle"}}),
        &[
            r#"spec.hostPath.path: Invalid value: "/../": must not contain '..'"#,
            "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
        ],
    );
    created(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"volumeAttributesClassName": ""}}),
        &[
            "spec.volumeAttributesClassName: Required value: an empty string is disallowed",
            "spec.csi: Required value: has to be specified when using volumeAttributesClassName",
        ],
    );
    created(
        kind::PERSISTENT_VOLUMES,
        json!({"metadata": {"annotations": {"volume.beta.kubernetes.io/mount-options": "ro"}}}),
        &[
            "metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this volume type",
        ],
    );
}

#[test]
fn claims_want_something() {
    created(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"resources": {"requests": null}}}),
        &["spec.resources[storage]: Required value"],
    );
    created(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"resources": {"requests": {"storage": "0"}}}}),
        &[r#"spec.resources[storage]: Invalid value: "0": must be greater than zero"#],
    );
    created(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"accessModes": ["X"], "volumeMode": "Tape", "storageClassName": "S", "volumeAttributesClassName": "V"}}),
        &[
            r#"spec.accessModes: Unsupported value: "X": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod""#,
            r#"spec.storageClassName: Invalid value: "S": <subdomain>"#,
            r#"spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem""#,
            r#"spec.volumeAttributesClassName: Invalid value: "V": <subdomain>"#,
        ],
    );
    created(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"selector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}}),
        &[
            r#"spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator"#,
        ],
    );
    created(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"dataSource": {"kind": "Snapshot", "name": ""}}}),
        &[
            "spec.dataSource.name: Required value",
            r#"spec.dataSource: Invalid value: "Snapshot": must be 'PersistentVolumeClaim' when referencing the default apiGroup"#,
        ],
    );
    created(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}, "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "b"}}}),
        &["spec: Invalid value: {}: must match dataSourceRef"],
    );
    created(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}, "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "a", "namespace": "N"}}}),
        &[
            r#"spec.dataSourceRef.namespace: Invalid value: "N": <label>"#,
            "spec: Invalid value: {}: may not be specified when dataSourceRef.namespace is specified",
        ],
    );
}

#[test]
fn storage_classes_name_a_provisioner() {
    created(kind::STORAGE_CLASSES, json!({"provisioner": ""}), &["provisioner: Required value"]);
    created(
        kind::STORAGE_CLASSES,
        json!({"provisioner": "a b", "reclaimPolicy": "Recycle", "volumeBindingMode": "Soon", "parameters": {"": "x"}}),
        &[
            r#"provisioner: Invalid value: "a b": <label key>"#,
            r#"parameters: Invalid value: "": field can not be empty."#,
            r#"reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain""#,
            r#"volumeBindingMode: Unsupported value: "Soon": supported values: "Immediate", "WaitForFirstConsumer""#,
        ],
    );
    created(
        kind::STORAGE_CLASSES,
        json!({"volumeBindingMode": null}),
        &["volumeBindingMode: Required value"],
    );
    created(
        kind::STORAGE_CLASSES,
        json!({"allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": ["a", "a"]}, {"key": "zone", "values": []}]}, {"matchLabelExpressions": [{"key": "z", "values": ["a"]}]}, {"matchLabelExpressions": [{"key": "z", "values": ["a"]}]}]}),
        &[
            r#"allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a""#,
            "allowedTopologies[0].matchLabelExpressions[1].values: Required value",
            r#"allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "zone""#,
            r#"allowedTopologies[2].matchLabelExpressions: Duplicate value: """#,
        ],
    );
}

#[test]
fn priorities_of_users_are_below_those_of_the_system() {
    created(
        kind::PRIORITY_CLASSES,
        json!({"value": 1000000001_i64}),
        &["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    );
    created(
        kind::PRIORITY_CLASSES,
        json!({"metadata": {"name": "system-mine"}}),
        &[
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class",
        ],
    );
    created(
        kind::PRIORITY_CLASSES,
        json!({"metadata": {"name": "system-node-critical"}, "value": 2000001000_i64}),
        &[],
    );
    created(
        kind::PRIORITY_CLASSES,
        json!({"metadata": {"name": "system-cluster-critical"}, "value": 7}),
        &[
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: value of system-cluster-critical PriorityClass must be 2000000000",
        ],
    );
    created(
        kind::PRIORITY_CLASSES,
        json!({"metadata": {"name": "system-cluster-critical"}, "value": 2000000000_i64, "globalDefault": true}),
        &[
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: globalDefault of system-cluster-critical PriorityClass must be false",
        ],
    );
    created(
        kind::PRIORITY_CLASSES,
        json!({"preemptionPolicy": "Maybe"}),
        &[
            r#"preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never""#,
        ],
    );
}

#[test]
fn nodes_have_taints_amounts_and_addresses_in_form() {
    created(
        kind::NODES,
        json!({"spec": {"taints": [{"key": "k", "effect": "NoExecute"}, {"key": "k", "effect": "NoExecute", "value": "v"}]}}),
        &[
            r#"metadata.taints[1]: Duplicate value: {"Key":"k","Value":"v","Effect":"NoExecute","TimeAdded":null}: taints must be unique by key and effect pair"#,
        ],
    );
    created(
        kind::NODES,
        json!({"spec": {"taints": [{"key": "", "value": "a b"}]}}),
        &[
            r#"metadata.taints[0].key: Invalid value: "": name part must be non-empty"#,
            r#"metadata.taints[0].key: Invalid value: "": <label key>"#,
            r#"metadata.taints[0].value: Invalid value: "a b": <label value>"#,
            "metadata.taints[0].effect: Required value",
        ],
    );
    created(
        kind::NODES,
        json!({"spec": {"podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]}}),
        &[
            r#"spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family"#,
        ],
    );
    created(
        kind::NODES,
        json!({"spec": {"podCIDRs": ["x"]}}),
        &[
            r#"spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#,
        ],
    );
    created(
        kind::NODES,
        json!({"status": {"capacity": {"pods": "1.5", "cpu": "-1"}}}),
        &[
            r#"status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0"#,
            r#"status.capacity.pods: Invalid value: "1500m": must be an integer"#,
        ],
    );
    created(
        kind::NODES,
        json!({"status": {"declaredFeatures": ["B", "A", "A", "x"]}}),
        &[
            r#"status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically"#,
            r#"status.declaredFeatures[2]: Duplicate value: "A""#,
            r#"status.declaredFeatures[3]: Invalid value: "x": invalid feature name "x": must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"#,
        ],
    );
    created(
        kind::NODES,
        json!({"metadata": {"annotations": {"scheduler.alpha.kubernetes.io/taints": "[{\"key\":\"k\"}]"}}}),
        &["metadata.annotations.scheduler.alpha.kubernetes.io/taints[0].effect: Required value"],
    );
}

#[test]
fn namespaces_leases_and_events_are_consistent() {
    created(
        kind::NAMESPACES,
        json!({"spec": {"finalizers": ["mine"]}}),
        &[
            r#"spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified"#,
        ],
    );
    created(
        kind::LEASES,
        json!({"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}}),
        &[
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
        ],
    );
    created(
        kind::LEASES,
        json!({"spec": {"strategy": "Newest", "preferredHolder": "a"}}),
        &[
            r#"spec.strategy.strategy: Unsupported value: "Newest": supported values: "OldestEmulationVersion""#,
        ],
    );
    created(
        kind::LEASES,
        json!({"spec": {"preferredHolder": "a"}}),
        &["spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined"],
    );
    created(
        kind::EVENTS,
        json!({"involvedObject": {"namespace": "other"}}),
        &[r#"involvedObject.namespace: Invalid value: "other": does not match event.namespace"#],
    );
    created(
        kind::EVENTS,
        json!({"eventTime": "2026-01-01T00:00:00Z"}),
        &[
            "reportingComponent: Required value",
            r#"reportingComponent: Invalid value: "": name part must be non-empty"#,
            r#"reportingComponent: Invalid value: "": <label key>"#,
            "reportingInstance: Required value",
            "action: Required value",
            "reason: Required value",
        ],
    );
    created(
        kind::EVENTS,
        json!({"metadata": {"labels": {"a b": ""}}}),
        &[r#"metadata.labels: Invalid value: "a b": <label key>"#],
    );
    created(
        kind::EVENTS,
        json!({"apiVersion": "events.k8s.io/v1", "regarding": {"kind": "Pod", "namespace": "shop"}, "eventTime": "2026-01-01T00:00:00Z", "reportingController": "c", "reportingInstance": "i", "action": "a", "reason": "r", "type": "Normal"}),
        &[],
    );
    created(
        kind::EVENTS,
        json!({"apiVersion": "events.k8s.io/v1", "regarding": {"kind": "Pod", "namespace": "shop"}, "series": {"count": 1}, "deprecatedCount": 3}),
        &[
            r#"series.count: Invalid value: "": should be at least 2"#,
            "series.lastObservedTime: Required value",
            "eventTime: Required value",
            r#"type: Invalid value: "": has invalid value: "#,
            r#"count: Invalid value: "": needs to be unset"#,
        ],
    );
}
