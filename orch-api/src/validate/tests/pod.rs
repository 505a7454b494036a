//! Faults of pods at creation: containers, volumes, scheduling, security, names.

use serde_json::json;

use super::{container_with, created, pod_with};
use orch_core::kind;

#[test]
fn containers_have_a_name_an_image_and_policies() {
    pod_with(json!({"containers": []}), &["spec.containers: Required value"]);
    container_with(json!({"name": ""}), &["spec.containers[0].name: Required value"]);
    container_with(json!({"name": "A_b"}), &[r#"spec.containers[0].name: Invalid value: "A_b": <label>"#]);
    container_with(json!({"image": ""}), &["spec.containers[0].image: Required value"]);
    container_with(
        json!({"image": " nginx"}),
        &[
            r#"spec.containers[0].image: Invalid value: " nginx": must not have leading or trailing whitespace"#,
        ],
    );
    container_with(
        json!({"imagePullPolicy": null, "terminationMessagePolicy": null}),
        &[
            "spec.containers[0].terminationMessagePolicy: Required value",
            "spec.containers[0].imagePullPolicy: Required value",
        ],
    );
    container_with(
        json!({"imagePullPolicy": "Sometimes", "terminationMessagePolicy": "Log"}),
        &[
            r#"spec.containers[0].terminationMessagePolicy: Unsupported value: "Log": supported values: "File", "FallbackToLogsOnError""#,
            r#"spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never""#,
        ],
    );
    pod_with(
        json!({"containers": [{"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File"}, {"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File"}]}),
        &[r#"spec.containers[1].name: Duplicate value: "c""#],
    );
    pod_with(
        json!({"initContainers": [{"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File"}]}),
        &[r#"spec.initContainers[0].name: Duplicate value: "c""#],
    );
}

#[test]
fn ports_are_named_once_and_in_range() {
    container_with(
        json!({"ports": [{"containerPort": 0, "protocol": "TCP"}]}),
        &["spec.containers[0].ports[0].containerPort: Required value"],
    );
    container_with(
        json!({"ports": [{"containerPort": 65536, "hostPort": -1, "protocol": "TCP"}]}),
        &[
            "spec.containers[0].ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive",
            "spec.containers[0].ports[0].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive",
        ],
    );
    container_with(
        json!({"ports": [{"containerPort": 80, "protocol": "tcp"}]}),
        &[
            r#"spec.containers[0].ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP""#,
        ],
    );
    container_with(
        json!({"ports": [{"containerPort": 80}]}),
        &["spec.containers[0].ports[0].protocol: Required value"],
    );
    container_with(
        json!({"ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}, {"name": "http", "containerPort": 81, "protocol": "TCP"}]}),
        &[r#"spec.containers[0].ports[1].name: Duplicate value: "http""#],
    );
    container_with(
        json!({"ports": [{"name": "HTTP", "containerPort": 80, "protocol": "TCP"}]}),
        &[
            r#"spec.containers[0].ports[0].name: Invalid value: "HTTP": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"#,
            r#"spec.containers[0].ports[0].name: Invalid value: "HTTP": must contain at least one letter (a-z)"#,
        ],
    );
    container_with(
        json!({"ports": [{"containerPort": 1, "hostPort": 5, "protocol": "TCP"}, {"containerPort": 2, "hostPort": 5, "protocol": "UDP"}, {"containerPort": 3, "hostPort": 5, "protocol": "TCP"}]}),
        &[r#"spec.containers[0].ports[2].hostPort: Duplicate value: "TCP//5""#],
    );
    pod_with(
        json!({"hostNetwork": true, "containers": [{"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File", "ports": [{"containerPort": 1, "hostPort": 2, "protocol": "TCP"}]}]}),
        &[
            "spec.containers[0].ports[0].hostPort: Invalid value: 2: must match `containerPort` when `hostNetwork` is true",
        ],
    );
}

#[test]
fn variables_have_one_source() {
    container_with(json!({"env": [{"name": ""}]}), &["spec.containers[0].env[0].name: Required value"]);
    container_with(
        json!({"env": [{"name": "a=b"}]}),
        &[
            r#"spec.containers[0].env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='"#,
        ],
    );
    container_with(
        json!({"env": [{"name": "A", "valueFrom": {}}]}),
        &[
            r#"spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"#,
        ],
    );
    container_with(
        json!({"env": [{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}),
        &[
            r#"spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty"#,
        ],
    );
    container_with(
        json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "S", "key": ".."}}}]}),
        &[
            r#"spec.containers[0].env[0].valueFrom.secretKeyRef.name: Invalid value: "S": <subdomain>"#,
            r#"spec.containers[0].env[0].valueFrom.secretKeyRef.key: Invalid value: "..": must not be '..'"#,
        ],
    );
}

#[test]
fn references_mean_what_exists() {
    container_with(
        json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.phase"}}}]}),
        &[
            r#"spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs""#,
        ],
    );
    container_with(
        json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['a b']"}}}]}),
        &[r#"spec.containers[0].env[0].valueFrom.fieldRef: Invalid value: "a b": <label key>"#],
    );
    container_with(
        json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['app']"}}}]}),
        &[],
    );
    container_with(
        json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v2", "fieldPath": "metadata.name"}}}]}),
        &[
            r#"spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.name": error converting fieldPath: unsupported pod version: v2"#,
        ],
    );
    container_with(
        json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.x['a']"}}}]}),
        &[
            r#"spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.x['a']": error converting fieldPath: field label does not support subscript: spec.x['a']"#,
        ],
    );
    container_with(
        json!({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}}]}),
        &[
            r#"spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory""#,
        ],
    );
    container_with(
        json!({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2m"}}}]}),
        &[
            r#"spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource"#,
        ],
    );
    container_with(
        json!({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory", "divisor": "3Mi"}}}]}),
        &[
            r#"spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "requests.memory": only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory resource"#,
        ],
    );
    container_with(
        json!({"env": [{"name": "A", "valueFrom": {"fileKeyRef": {"key": "k", "volumeName": "w", "path": "a/../b"}}}]}),
        &[
            r#"spec.containers[0].env[0].valueFrom.fileKeyRef.path: Invalid value: "a/../b": must not contain '..'"#,
            r#"spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Not found: "w""#,
        ],
    );
    container_with(
        json!({"envFrom": [{"prefix": "a="}, {"configMapRef": {"name": "Bad"}, "secretRef": {"name": ""}}]}),
        &[
            r#"spec.containers[0].envFrom[0].prefix: Invalid value: "a=": a valid environment variable name must consist only of printable ASCII characters other than '='"#,
            r#"spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`"#,
            r#"spec.containers[0].envFrom[1].configMapRef.name: Invalid value: "Bad": <subdomain>"#,
            "spec.containers[0].envFrom[1].secretRef.name: Required value",
            r#"spec.containers[0].envFrom: Invalid value: "": may not have more than one field specified at a time"#,
        ],
    );
}

#[test]
fn mounts_name_a_volume_and_a_path_once() {
    container_with(
        json!({"volumeMounts": [{"name": "v", "mountPath": "/x"}, {"name": "v", "mountPath": "/y", "subPath": "a"}]}),
        &[],
    );
    container_with(
        json!({"volumeMounts": [{"name": "", "mountPath": ""}]}),
        &[
            "spec.containers[0].volumeMounts[0].name: Required value",
            r#"spec.containers[0].volumeMounts[0].name: Not found: """#,
            "spec.containers[0].volumeMounts[0].mountPath: Required value",
        ],
    );
    container_with(
        json!({"volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "/a"}, {"name": "v", "mountPath": "/y", "subPath": "a/../b"}]}),
        &[
            r#"spec.containers[0].volumeMounts.subPath: Invalid value: "/a": must be a relative path"#,
            r#"spec.containers[0].volumeMounts.subPath: Invalid value: "a/../b": must not contain '..'"#,
        ],
    );
    container_with(
        json!({"volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "a", "subPathExpr": "$(A)"}]}),
        &[
            r#"spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: "$(A)": subPathExpr and subPath are mutually exclusive"#,
        ],
    );
    container_with(
        json!({"volumeMounts": [{"name": "v", "mountPath": "/x", "mountPropagation": "Bidirectional"}]}),
        &[
            "spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
        ],
    );
    container_with(
        json!({"volumeMounts": [{"name": "v", "mountPath": "/x", "mountPropagation": "Up", "recursiveReadOnly": "Enabled"}]}),
        &[
            r#"spec.containers[0].volumeMounts.mountPropagation: Unsupported value: "Up": supported values: "Bidirectional", "HostToContainer", "None""#,
            "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
            "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified",
        ],
    );
    container_with(
        json!({"volumeDevices": [{"name": "v", "devicePath": "/dev/a"}, {"name": "w", "devicePath": "../a"}]}),
        &[
            r#"spec.containers[0].volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"#,
            r#"spec.containers[0].volumeDevices[1].name: Not found: "w""#,
            r#"spec.containers[0].volumeDevices[1].devicePath: Invalid value: "../a": can not contain backsteps ('..')"#,
        ],
    );
    container_with(
        json!({"volumeMounts": [{"name": "v", "mountPath": "/x"}], "volumeDevices": [{"name": "v", "devicePath": "/x"}]}),
        &[
            r#"spec.containers[0].volumeMounts[0].name: Invalid value: "v": must not already exist in volumeDevices"#,
            r#"spec.containers[0].volumeMounts[0].mountPath: Invalid value: "/x": must not already exist as a path in volumeDevices"#,
            r#"spec.containers[0].volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"#,
            r#"spec.containers[0].volumeDevices[0].name: Invalid value: "v": must not already exist in volumeMounts"#,
            r#"spec.containers[0].volumeDevices[0].devicePath: Invalid value: "/x": must not already exist as a path in volumeMounts"#,
        ],
    );
}

#[test]
fn volumes_have_one_source_and_a_name_of_their_own() {
    pod_with(
        json!({"volumes": [{"name": "v"}]}),
        &["spec.volumes[0]: Required value: must specify a volume type"],
    );
    pod_with(
        json!({"volumes": [{"name": "V_", "emptyDir": {}}, {"emptyDir": {}}]}),
        &[r#"spec.volumes[0].name: Invalid value: "V_": <label>"#, "spec.volumes[1].name: Required value"],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]}),
        &[r#"spec.volumes[1].name: Duplicate value: "v""#],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "-1"}, "hostPath": {"path": ""}}]}),
        &[
            "spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity",
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ],
    );
}

#[test]
fn files_of_volumes_have_paths_within() {
    pod_with(
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/a/../b", "type": "Pipe"}}]}),
        &[
            r#"spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain '..'"#,
            r#"spec.volumes[0].hostPath.type: Unsupported value: "Pipe": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket""#,
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "secret": {"secretName": "", "defaultMode": 512, "items": [{"key": "", "path": "/a", "mode": -1}]}}]}),
        &[
            "spec.volumes[0].secret.secretName: Required value",
            "spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
            "spec.volumes[0].secret.items[0].key: Required value",
            r#"spec.volumes[0].secret.items[0].path: Invalid value: "/a": must be a relative path"#,
            "spec.volumes[0].secret.items[0].mode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive",
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "configMap": {"items": [{"key": "k", "path": "..a"}]}}]}),
        &[
            "spec.volumes[0].configMap.name: Required value",
            r#"spec.volumes[0].configMap.items[0].path: Invalid value: "..a": must not start with '..'"#,
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "persistentVolumeClaim": {}}]}),
        &["spec.volumes[0].persistentVolumeClaim.claimName: Required value"],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "downwardAPI": {"items": [{"path": "a"}, {"path": "b", "fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}]}}]}),
        &[
            "spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required",
            r#"spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: "status.podIP": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid""#,
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "downwardAPI": {"items": [{"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}]}, "configMap": {"name": "a"}}]}),
        &[
            "spec.volumes[0].downwardAPI.resourceFieldRef.containerName: Required value",
            "spec.volumes[0].configMap: Forbidden: may not specify more than 1 volume type",
        ],
    );
}

#[test]
fn sources_of_volumes_are_complete() {
    pod_with(
        json!({"volumes": [{"name": "v", "csi": {"driver": "A.b", "nodePublishSecretRef": {"name": "S"}}}]}),
        &[r#"spec.volumes[0].csi.name: Invalid value: "S": <subdomain>"#],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "image": {"pullPolicy": "Now"}}]}),
        &[
            "spec.volumes[0].image.reference: Required value",
            r#"spec.volumes[0].image.pullPolicy: Unsupported value: "Now": supported values: "Always", "IfNotPresent", "Never""#,
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "nfs": {"server": "", "path": "a"}}]}),
        &[
            "spec.volumes[0].nfs.server: Required value",
            r#"spec.volumes[0].nfs.path: Invalid value: "a": must be an absolute path"#,
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "iscsi": {"targetPortal": "p", "iqn": "iqn.x", "lun": 256}}]}),
        &[
            r#"spec.volumes[0].iscsi.iqn: Invalid value: "iqn.x": must be valid format"#,
            "spec.volumes[0].iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive",
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "gitRepo": {"directory": "/x"}}]}),
        &[
            "spec.volumes[0].gitRepo.repository: Required value",
            r#"spec.volumes[0].gitRepo.directory: Invalid value: "/x": must be a relative path"#,
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "x"}, "spec": {"accessModes": [], "resources": {}}}}}]}),
        &[
            "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set",
            "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required",
            "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value",
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}}, {"name": "w", "persistentVolumeClaim": {"claimName": "a-v"}}]}),
        &[
            r#"spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: "a-v": must not reference a PVC that gets created for an ephemeral volume"#,
        ],
    );
}

#[test]
fn projected_volumes_have_each_path_once() {
    pod_with(
        json!({"volumes": [{"name": "v", "projected": {"defaultMode": 420, "sources": [{"secret": {"name": "s", "items": [{"key": "a", "path": "p"}]}}, {"configMap": {"items": [{"key": "a", "path": "p"}]}}]}}]}),
        &[
            "spec.volumes[0].projected.sources[1].configMap.name: Required value",
            r#"spec.volumes[0].projected: Invalid value: "": conflicting duplicate paths"#,
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 1, "path": ""}, "downwardAPI": {"items": []}}]}}]}),
        &[
            "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes",
            "spec.volumes[0].projected.path: Required value",
            "spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source",
        ],
    );
    pod_with(
        json!({"serviceAccountName": null, "volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 3600, "path": "t"}}]}}]}),
        &[
            "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set",
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"name": "n", "signerName": "example.com/s", "path": "p"}}]}}]}),
        &[
            r#"spec.volumes[0].projected.sources[0].clusterTrustBundle: Invalid value: {"name":"n","path":"p","signerName":"example.com/s"}: only one of name and signerName may be used"#,
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"signerName": "example/s", "path": "/p"}}]}}]}),
        &[
            r#"spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Invalid value: "example": should be a domain with at least two segments separated by dots"#,
            r#"spec.volumes[0].projected.sources[0].clusterTrustBundle.path: Invalid value: "/p": must be a relative path"#,
        ],
    );
    pod_with(
        json!({"volumes": [{"name": "v", "projected": {"sources": [{"podCertificate": {"signerName": "a.b/c", "keyType": "DSA", "maxExpirationSeconds": 60}}]}}]}),
        &[
            r#"spec.volumes[0].projected.sources[0].podCertificate.keyType: Unsupported value: "DSA": supported values: "RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519""#,
            "spec.volumes[0].projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 60: if provided, maxExpirationSeconds must be >= 3600",
            "spec.volumes[0].projected.sources[0].podCertificate: Required value: specify at least one of credentialBundlePath, keyPath, and certificateChainPath",
        ],
    );
}

#[test]
fn probes_and_hooks_do_one_thing() {
    container_with(
        json!({"livenessProbe": {"successThreshold": 1}}),
        &["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
    );
    container_with(
        json!({"livenessProbe": {"successThreshold": 2, "exec": {"command": []}}}),
        &[
            "spec.containers[0].livenessProbe.exec.command: Required value",
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ],
    );
    container_with(
        json!({"readinessProbe": {"successThreshold": 2, "terminationGracePeriodSeconds": 0, "httpGet": {"path": "", "port": "", "scheme": "FTP", "httpHeaders": [{"name": "a b"}]}}}),
        &[
            "spec.containers[0].readinessProbe.httpGet.path: Required value",
            r#"spec.containers[0].readinessProbe.httpGet.port: Invalid value: "": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"#,
            r#"spec.containers[0].readinessProbe.httpGet.port: Invalid value: "": must contain at least one letter (a-z)"#,
            r#"spec.containers[0].readinessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS""#,
            r#"spec.containers[0].readinessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"#,
            "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
            "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 0: must not be set for readinessProbes",
        ],
    );
    container_with(
        json!({"startupProbe": {"successThreshold": 1, "periodSeconds": -1, "grpc": {"port": 0}}}),
        &[
            "spec.containers[0].startupProbe.grpc.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.containers[0].startupProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
        ],
    );
    container_with(
        json!({"lifecycle": {"postStart": {}, "preStop": {"sleep": {"seconds": 31}}}}),
        &[
            "spec.containers[0].lifecycle.postStart: Required value: must specify a handler type",
            "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)",
        ],
    );
    container_with(
        json!({"lifecycle": {"preStop": {"tcpSocket": {"port": "p"}, "exec": {"command": ["a"]}}}}),
        &[
            "spec.containers[0].lifecycle.preStop.tcpSocket: Forbidden: may not specify more than 1 handler type",
        ],
    );
    container_with(
        json!({"lifecycle": {"stopSignal": "SIGTERM"}}),
        &[
            "spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`",
        ],
    );
}

#[test]
fn requests_are_not_more_than_limits() {
    container_with(
        json!({"resources": {"requests": {"cpu": "-1"}}}),
        &[
            r#"spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0"#,
        ],
    );
    container_with(
        json!({"resources": {"requests": {"gpu": "1"}}}),
        &[
            r#"spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified"#,
            r#"spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers"#,
        ],
    );
    container_with(
        json!({"resources": {"requests": {"example.com/gpu": "1"}}}),
        &[
            "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
        ],
    );
    container_with(
        json!({"resources": {"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "2"}}}),
        &[
            r#"spec.containers[0].resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2"#,
        ],
    );
    container_with(
        json!({"resources": {"limits": {"example.com/gpu": "1500m"}}}),
        &[
            r#"spec.containers[0].resources.limits[example.com/gpu]: Invalid value: "1500m": must be an integer"#,
        ],
    );
    container_with(
        json!({"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "512Mi"}}}),
        &[
            r#"spec.containers[0].resources.requests: Invalid value: "1Gi": must be less than or equal to memory limit of 512Mi"#,
        ],
    );
}

#[test]
fn huge_pages_come_whole() {
    container_with(
        json!({"resources": {"limits": {"hugepages-2Mi": "3Mi"}}}),
        &[
            r#"spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi"#,
            "spec.containers[0].resources: Forbidden: HugePages require cpu or memory",
        ],
    );
    container_with(
        json!({"resources": {"limits": {"hugepages-2Mi": "4Mi", "cpu": "1"}, "requests": {"hugepages-2Mi": "4Mi"}}}),
        &[],
    );
}

#[test]
fn resources_of_a_pod_fit_its_containers() {
    container_with(
        json!({"resources": {"limits": {"cpu": "many"}}}),
        &[
            r#"spec.containers[0].resources.limits[cpu]: Invalid value: "many": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"#,
        ],
    );
    container_with(
        json!({"resources": {"claims": [{"name": "x"}, {"name": "x"}]}}),
        &[
            r#"spec.containers[0].resources.claims[0]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is empty"#,
            r#"spec.containers[0].resources.claims[1]: Duplicate value: "x""#,
            r#"spec.containers[0].resources.claims[1]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is empty"#,
        ],
    );
    container_with(
        json!({"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}, {"resourceName": "cpu", "restartPolicy": "Maybe"}, {"resourceName": "disk", "restartPolicy": "NotRequired"}]}),
        &[
            r#"spec.containers[0].resizePolicy[1]: Duplicate value: "cpu""#,
            r#"spec.containers[0].resizePolicy: Unsupported value: "Maybe": supported values: "NotRequired", "RestartContainer""#,
            r#"spec.containers[0].resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory""#,
        ],
    );
    pod_with(
        json!({"resources": {"requests": {"cpu": "1", "ephemeral-storage": "1Gi"}}, "containers": [{"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File", "resources": {"requests": {"cpu": "2"}}}]}),
        &[
            r#"spec.resources.requests[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "hugepages-", "memory""#,
            r#"spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2"#,
        ],
    );
    pod_with(
        json!({"resources": {"limits": {"cpu": "1"}}, "containers": [{"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File", "resources": {"limits": {"cpu": "2"}}}]}),
        &[
            r#"spec.resources.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1"#,
        ],
    );
    pod_with(
        json!({"overhead": {"cpu": "-1"}}),
        &[r#"spec.overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0"#],
    );
}

#[test]
fn init_containers_without_restart_have_no_probes() {
    pod_with(
        json!({"initContainers": [{"name": "i", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File", "livenessProbe": {"successThreshold": 1, "tcpSocket": {"port": 1}}, "lifecycle": {}}]}),
        &[
            "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always",
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
        ],
    );
    pod_with(
        json!({"initContainers": [{"name": "i", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File", "restartPolicy": "Always", "livenessProbe": {"successThreshold": 1, "tcpSocket": {"port": 0}}}]}),
        &[
            "spec.initContainers[0].livenessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ],
    );
    pod_with(
        json!({"initContainers": [{"name": "i", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File", "restartPolicy": "Soon"}]}),
        &[
            r#"spec.initContainers[0].restartPolicy: Unsupported value: "Soon": supported values: "Always", "Never", "OnFailure""#,
        ],
    );
    container_with(
        json!({"restartPolicy": "Never", "restartPolicyRules": [{"action": "Stop", "exitCodes": {"operator": "Is", "values": [1]}}, {"action": "Restart"}]}),
        &[
            r#"spec.containers[0].restartPolicyRules[0].action: Unsupported value: "Stop": supported values: "Restart", "RestartAllContainers""#,
            r#"spec.containers[0].restartPolicyRules[0].exitCodes.operator: Unsupported value: "Is": supported values: "In", "NotIn""#,
            "spec.containers[0].restartPolicyRules[1].exitCodes: Required value: must be specified",
        ],
    );
    container_with(
        json!({"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]}),
        &[
            "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used",
        ],
    );
}

#[test]
fn ephemeral_containers_are_added_later_and_have_few_fields() {
    pod_with(
        json!({"ephemeralContainers": [{"name": "e", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File", "ports": [{"containerPort": 80, "protocol": "TCP"}], "targetContainerName": "x"}]}),
        &[
            r#"spec.ephemeralContainers[0].targetContainerName: Not found: "x""#,
            "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
            "spec.ephemeralContainers: Forbidden: cannot be set on create",
        ],
    );
}

#[test]
fn policies_are_known() {
    pod_with(
        json!({"restartPolicy": null, "dnsPolicy": null, "terminationGracePeriodSeconds": null}),
        &[
            "spec.terminationGracePeriodSeconds: Required value",
            "spec.restartPolicy: Required value",
            "spec.dnsPolicy: Required value",
        ],
    );
    pod_with(
        json!({"restartPolicy": "Sometimes", "dnsPolicy": "Mine", "preemptionPolicy": "Maybe"}),
        &[
            r#"spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never""#,
            r#"spec.dnsPolicy: Unsupported value: "Mine": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None""#,
            r#"spec.preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never""#,
        ],
    );
    pod_with(
        json!({"dnsPolicy": "None"}),
        &["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    );
    pod_with(
        json!({"dnsPolicy": "None", "dnsConfig": {}}),
        &[
            "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None",
        ],
    );
    pod_with(
        json!({"dnsConfig": {"nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3", "x"], "searches": ["a_b.c", ".", "A"], "options": [{}]}}),
        &[
            r#"spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","1.1.1.2","1.1.1.3","x"]: must not have more than 3 nameservers"#,
            r#"spec.dnsConfig.nameservers[3]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
            r#"spec.dnsConfig.searches[2]: Invalid value: "A": <subdomain>"#,
            "spec.dnsConfig.options[0]: Required value: must not be empty",
        ],
    );
    pod_with(
        json!({"hostAliases": [{"ip": "1.2.3", "hostnames": ["A"]}]}),
        &[
            r#"spec.hostAliases[0].ip: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
            r#"spec.hostAliases[0].hostnames[0]: Invalid value: "A": <subdomain>"#,
        ],
    );
}

#[test]
fn names_in_a_pod_have_their_form() {
    pod_with(
        json!({"hostname": "a.b", "subdomain": "-", "nodeName": "N", "serviceAccountName": "S", "priorityClassName": "P", "runtimeClassName": "R"}),
        &[
            r#"spec.serviceAccountName: Invalid value: "S": <subdomain>"#,
            r#"spec.nodeName: Invalid value: "N": <subdomain>"#,
            r#"spec.hostname: Invalid value: "a.b": must not contain dots"#,
            r#"spec.subdomain: Invalid value: "-": <label>"#,
            r#"spec.priorityClassName: Invalid value: "P": <subdomain>"#,
            r#"spec.runtimeClassName: Invalid value: "R": <subdomain>"#,
        ],
    );
    pod_with(
        json!({"activeDeadlineSeconds": 0}),
        &["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    );
    pod_with(
        json!({"hostnameOverride": "a.b", "setHostnameAsFQDN": true, "hostNetwork": true}),
        &[
            "spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true",
            "spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true",
        ],
    );
    pod_with(
        json!({"readinessGates": [{"conditionType": "a b"}], "schedulingGates": [{"name": "g"}, {"name": "g"}, {"name": ""}]}),
        &[
            r#"spec.readinessGates[0].conditionType: Invalid value: "a b": <label key>"#,
            r#"spec.schedulingGates[1]: Duplicate value: "g""#,
            r#"spec.schedulingGates[2]: Invalid value: "": name part must be non-empty"#,
            r#"spec.schedulingGates[2]: Invalid value: "": <label key>"#,
        ],
    );
    pod_with(
        json!({"nodeName": "n", "schedulingGates": [{"name": "g"}]}),
        &["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
    );
    pod_with(
        json!({"nodeSelector": {"a b": "c d"}}),
        &[
            r#"spec.nodeSelector: Invalid value: "a b": <label key>"#,
            r#"spec.nodeSelector: Invalid value: "c d": <label value>"#,
        ],
    );
    pod_with(
        json!({"resourceClaims": [{"name": "c"}, {"name": "c", "resourceClaimName": "R"}]}),
        &[
            r#"spec.resourceClaims[0]: Invalid value: {"name":"c"}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"#,
            r#"spec.resourceClaims[1].name: Duplicate value: "c""#,
            r#"spec.resourceClaims[1].resourceClaimName: Invalid value: "R": <subdomain>"#,
        ],
    );
}

#[test]
fn tolerations_match_what_taints_can_be() {
    pod_with(
        json!({"tolerations": [{"operator": "Exists"}, {"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 1}]}),
        &[],
    );
    pod_with(
        json!({"tolerations": [{"operator": "Equal"}, {"key": "k", "tolerationSeconds": 1}]}),
        &[
            r#"spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys""#,
            r#"spec.tolerations[1].effect: Invalid value: "": effect must be 'NoExecute' when `tolerationSeconds` is set"#,
        ],
    );
    pod_with(
        json!({"tolerations": [{"key": "a b", "operator": "Equal", "value": "c d"}]}),
        &[
            r#"spec.tolerations[0].key: Invalid value: "a b": <label key>"#,
            r#"spec.tolerations[0].operator: Invalid value: "c d": <label value>"#,
        ],
    );
    pod_with(
        json!({"tolerations": [{"key": "k", "operator": "Lt", "value": "1"}, {"key": "k", "operator": "Like"}, {"key": "k", "operator": "Exists", "effect": "Never"}]}),
        &[
            r#"spec.tolerations[0].operator: Unsupported value: "Lt": supported values: "Equal", "Exists", "Lt", "Gt""#,
            r#"spec.tolerations[1].operator: Unsupported value: "Like": supported values: "Equal", "Exists""#,
            r#"spec.tolerations[2].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute""#,
        ],
    );
}

#[test]
fn spread_constraints_are_complete_and_different() {
    pod_with(
        json!({"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Wait"}]}),
        &[
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
            r#"spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Wait": supported values: "DoNotSchedule", "ScheduleAnyway""#,
        ],
    );
    pod_with(
        json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}, {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]}),
        &[
            r#"spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, DoNotSchedule}""#,
        ],
    );
    pod_with(
        json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 0, "nodeTaintsPolicy": "Maybe", "matchLabelKeys": ["a b"]}]}),
        &[
            "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero",
            "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
            r#"spec.topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: "Maybe": supported values: "Honor", "Ignore""#,
            "spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
        ],
    );
    pod_with(
        json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}, {"key": "b", "operator": "Is"}]}}]}),
        &[
            "spec.topologySpreadConstraints[0].labelSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
            r#"spec.topologySpreadConstraints[0].labelSelector.matchExpressions[1].operator: Invalid value: "Is": not a valid selector operator"#,
        ],
    );
}

#[test]
fn affinity_terms_are_complete() {
    pod_with(
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}}),
        &[
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term",
        ],
    );
    pod_with(
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In"}, {"key": "a", "operator": "Exists", "values": ["x"]}, {"key": "a", "operator": "Gt", "values": ["1", "2"]}, {"key": "a b", "operator": "Is", "values": ["c d"]}], "matchFields": [{"key": "spec.x", "operator": "Exists"}, {"key": "metadata.name", "operator": "In", "values": ["N"]}]}]}}}}),
        &[
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[2].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
            r#"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[3].operator: Invalid value: "Is": not a valid selector operator"#,
            r#"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[3].key: Invalid value: "a b": <label key>"#,
            r#"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[3].values[0]: Invalid value: "c d": <label value>"#,
            r#"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].operator: Invalid value: "Exists": not a valid selector operator"#,
            r#"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].key: Invalid value: "spec.x": not a valid field selector key"#,
            r#"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[1].values[0]: Invalid value: "N": <subdomain>"#,
        ],
    );
    pod_with(
        json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 0, "preference": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["c d"]}]}}]}}}),
        &[
            "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100",
        ],
    );
    pod_with(
        json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "", "namespaces": ["N"], "matchLabelKeys": ["a"]}]}}}),
        &[
            r#"spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].namespace: Invalid value: "N": <label>"#,
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty",
            r#"spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must be non-empty"#,
            r#"spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": <label key>"#,
        ],
    );
    pod_with(
        json!({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 101, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b c"}}}}]}}}),
        &[
            "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100",
            r#"spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector.matchLabels: Invalid value: "b c": <label value>"#,
        ],
    );
}

#[test]
fn security_contexts_are_in_range_and_consistent() {
    pod_with(
        json!({"securityContext": {"runAsUser": -1, "fsGroup": 2147483648_i64, "supplementalGroups": [-1], "fsGroupChangePolicy": "Never", "seLinuxChangePolicy": "MountOption", "supplementalGroupsPolicy": "All"}}),
        &[
            "spec.securityContext.fsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
            "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            "spec.securityContext.supplementalGroups[0]: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            r#"spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always", "OnRootMismatch""#,
            r#"spec.securityContext.supplementalGroupsPolicy: Unsupported value: "All": supported values: "Merge", "Strict""#,
            r#"spec.securityContext.seLinuxChangePolicy: Unsupported value: "MountOption": supported values: "Recursive""#,
        ],
    );
    pod_with(
        json!({"securityContext": {"sysctls": [{"name": ""}, {"name": "A"}, {"name": "net.x"}, {"name": "net.x"}]}, "hostNetwork": true}),
        &[
            "spec.securityContext.sysctls[0].name: Required value",
            r#"spec.securityContext.sysctls[1].name: Invalid value: "A": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"#,
            r#"spec.securityContext.sysctls[2].name: Invalid value: "net.x": may not be specified when 'hostNetwork' is true"#,
            r#"spec.securityContext.sysctls[3].name: Duplicate value: "net.x""#,
            r#"spec.securityContext.sysctls[3].name: Invalid value: "net.x": may not be specified when 'hostNetwork' is true"#,
        ],
    );
    pod_with(
        json!({"hostPID": true, "shareProcessNamespace": true}),
        &[
            "spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
        ],
    );
    pod_with(
        json!({"hostUsers": false, "hostPID": true, "hostIPC": true, "hostNetwork": true}),
        &[
            "spec.hostNetwork: Forbidden: when `hostUsers` is false",
            "spec.HostPID: Forbidden: when `hostUsers` is false",
            "spec.HostIPC: Forbidden: when `hostUsers` is false",
        ],
    );
    pod_with(
        json!({"securityContext": {"seccompProfile": {"type": "Localhost"}, "appArmorProfile": {"type": "RuntimeDefault", "localhostProfile": "x"}}}),
        &[
            "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
            r#"spec.securityContext.appArmorProfile.localhostProfile: Invalid value: "x": can only be set when AppArmor type is Localhost"#,
        ],
    );
    container_with(
        json!({"securityContext": {"privileged": true, "allowPrivilegeEscalation": false, "capabilities": {"add": ["CAP_SYS_ADMIN"]}}}),
        &[
            r#"spec.containers[0].securityContext: Invalid value: {"allowPrivilegeEscalation":false,"capabilities":{"add":["CAP_SYS_ADMIN"]},"privileged":true}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true"#,
            r#"spec.containers[0].securityContext: Invalid value: {"allowPrivilegeEscalation":false,"capabilities":{"add":["CAP_SYS_ADMIN"]},"privileged":true}: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"#,
        ],
    );
    container_with(
        json!({"securityContext": {"procMount": "Unmasked", "runAsGroup": -5, "seccompProfile": {"type": "Mine"}, "appArmorProfile": {"type": "Localhost", "localhostProfile": " x"}}}),
        &[
            "spec.containers[0].securityContext.runAsGroup: Invalid value: -5: must be between 0 and 2147483647, inclusive",
            r#"spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`"#,
            r#"spec.containers[0].securityContext.seccompProfile.type: Unsupported value: "Mine": supported values: "Localhost", "RuntimeDefault", "Unconfined""#,
            r#"spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid value: " x": must not be padded with whitespace"#,
        ],
    );
}

#[test]
fn operating_systems_exclude_each_others_fields() {
    pod_with(json!({"os": {"name": ""}}), &["spec.os.name: Required value"]);
    pod_with(
        json!({"os": {"name": "plan9"}}),
        &[r#"spec.os: Unsupported value: "plan9": supported values: "linux", "windows""#],
    );
    pod_with(
        json!({"os": {"name": "linux"}, "containers": [{"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File", "securityContext": {"windowsOptions": {"runAsUserName": "a"}}}]}),
        &[
            "spec.containers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod",
        ],
    );
    pod_with(
        json!({"os": {"name": "windows"}, "hostPID": true, "securityContext": {"runAsUser": 1}, "containers": [{"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File", "securityContext": {"privileged": true}}]}),
        &[
            "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
            "spec.hostPID: Forbidden: cannot be set for a windows pod",
            "spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod",
        ],
    );
    container_with(
        json!({"securityContext": {"windowsOptions": {"gmsaCredentialSpecName": "G", "gmsaCredentialSpec": "", "runAsUserName": "a\\b\\c"}}}),
        &[
            r#"spec.containers[0].securityContext.windowsOptions.gmsaCredentialSpecName: Invalid value: "G": <subdomain>"#,
            r#"spec.containers[0].securityContext.windowsOptions.gmsaCredentialSpec: Invalid value: "": gmsaCredentialSpec cannot be an empty string"#,
            r#"spec.containers[0].securityContext.windowsOptions.runAsUserName: Invalid value: "a\\b\\c": runAsUserName cannot contain more than one backslash"#,
        ],
    );
    container_with(
        json!({"securityContext": {"windowsOptions": {"hostProcess": true}}}),
        &[
            "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers",
        ],
    );
}

#[test]
fn annotations_of_a_pod_agree_with_its_fields() {
    created(
        kind::PODS,
        json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x", "controller.kubernetes.io/pod-deletion-cost": "+1"}}}),
        &[
            r#"metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "+1": must be a 32bit integer"#,
            r#"metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set"#,
        ],
    );
    created(
        kind::PODS,
        json!({"metadata": {"annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}}, "spec": {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}}),
        &[
            "spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match",
        ],
    );
    created(
        kind::PODS,
        json!({"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/x": "mine"}}}),
        &[
            r#"metadata.annotations[container.apparmor.security.beta.kubernetes.io/x]: Invalid value: "x": container not found"#,
            r#"metadata.annotations[container.apparmor.security.beta.kubernetes.io/x]: Invalid value: "mine": invalid AppArmor profile name: "mine""#,
        ],
    );
    created(
        kind::PODS,
        json!({"metadata": {"annotations": {"scheduler.alpha.kubernetes.io/tolerations": "[{\"operator\":\"Equal\"}]"}}}),
        &[
            r#"metadata.annotations.scheduler.alpha.kubernetes.io/tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys""#,
        ],
    );
}
