//! Answers of a running kube-apiserver v1.36.2 to invalid objects, recorded: reason, field and message of every cause.
//!
//! The objects are as that server saw them when it validated: with their defaults.

use orch_core::{Fault, Kind, Subresource, kind};
use serde_json::Value;

use super::{shortened, validate};

/// Name, kind, object and the causes that were answered.
type Answer = (&'static str, Kind, &'static str, &'static [&'static str]);

const REFUSED: &[Answer] = &[
    (
        "name-uppercase",
        kind::CONFIG_MAPS,
        r#"{"metadata":{"name":"Bad","namespace":"ns1"}}"#,
        &[r#"FieldValueInvalid metadata.name: Invalid value: "Bad": <subdomain>"#],
    ),
    (
        "name-underscore",
        kind::SERVICES,
        r#"{"metadata":{"name":"a_b","namespace":"ns1"},"spec":{"internalTrafficPolicy":"Cluster",
           "ports":[{"port":80,"protocol":"TCP","targetPort":80}],"sessionAffinity":"None",
           "type":"ClusterIP"}}"#,
        &[r#"FieldValueInvalid metadata.name: Invalid value: "a_b": <label>"#],
    ),
    (
        "label-key",
        kind::CONFIG_MAPS,
        r#"{"metadata":{"labels":{"bad key":"v"},"name":"a","namespace":"ns1"}}"#,
        &[r#"FieldValueInvalid metadata.labels: Invalid value: "bad key": <label key>"#],
    ),
    (
        "finalizer-unqualified",
        kind::CONFIG_MAPS,
        r#"{"metadata":{"finalizers":["bad"],"name":"a","namespace":"ns1"}}"#,
        &[
            r#"FieldValueInvalid metadata.finalizers[0]: Invalid value: "bad": name is neither a standard finalizer name nor is it fully qualified"#,
        ],
    ),
    (
        "configmap-both",
        kind::CONFIG_MAPS,
        r#"{"binaryData":{"a":"AAEC"},"data":{"a":"v"},"metadata":{"name":"a","namespace":"ns1"}}"#,
        &[r#"FieldValueInvalid data[a]: Invalid value: "a": duplicate of key present in binaryData"#],
    ),
    (
        "pod-dup-container",
        kind::PODS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"},{"image":"nginx:1.27","imagePullPolicy":"IfNotPresent",
           "name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,
           "restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},
           "terminationGracePeriodSeconds":30}}"#,
        &[r#"FieldValueDuplicate spec.containers[1].name: Duplicate value: "c""#],
    ),
    (
        "pod-restart-policy",
        kind::PODS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,
           "restartPolicy":"Sometimes","schedulerName":"default-scheduler","securityContext":{},
           "terminationGracePeriodSeconds":30}}"#,
        &[
            r#"FieldValueNotSupported spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never""#,
        ],
    ),
    (
        "pod-mount-unknown",
        kind::PODS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File","volumeMounts":[{"mountPath":"/x","name":"nope"}]}],
           "dnsPolicy":"ClusterFirst","enableServiceLinks":true,"restartPolicy":"Always",
           "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}"#,
        &[r#"FieldValueNotFound spec.containers[0].volumeMounts[0].name: Not found: "nope""#],
    ),
    (
        "pod-mount-dup-path",
        kind::PODS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File","volumeMounts":[{"mountPath":"/x","name":"v"},
           {"mountPath":"/x","name":"v"}]}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,
           "restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},
           "terminationGracePeriodSeconds":30,"volumes":[{"emptyDir":{},"name":"v"}]}}"#,
        &[
            r#"FieldValueInvalid spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique"#,
        ],
    ),
    (
        "pod-volume-two-sources",
        kind::PODS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,
           "restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},
           "terminationGracePeriodSeconds":30,"volumes":[{"emptyDir":{},"hostPath":{"path":"/x",
           "type":""},"name":"v"}]}}"#,
        &["FieldValueForbidden spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
    ),
    (
        "pod-request-over-limit",
        kind::PODS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","resources":{"limits":{"cpu":"1"},
           "requests":{"cpu":"2"}},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,
           "restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},
           "terminationGracePeriodSeconds":30}}"#,
        &[
            r#"FieldValueInvalid spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1"#,
        ],
    ),
    (
        "pod-fieldpath",
        kind::PODS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"containers":[{"env":[{"name":"A",
           "valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.nope"}}}],
           "image":"nginx:1.27","imagePullPolicy":"IfNotPresent","name":"c","resources":{},
           "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],
           "dnsPolicy":"ClusterFirst","enableServiceLinks":true,"restartPolicy":"Always",
           "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}"#,
        &[
            r#"FieldValueInvalid spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.nope": error converting fieldPath: field label not supported: metadata.nope"#,
        ],
    ),
    (
        "pod-probe-two",
        kind::PODS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","livenessProbe":{"exec":{"command":["a"]},
           "failureThreshold":3,"periodSeconds":10,"successThreshold":1,"tcpSocket":{"port":1},
           "timeoutSeconds":1},"name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,
           "restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},
           "terminationGracePeriodSeconds":30}}"#,
        &[
            "FieldValueForbidden spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        ],
    ),
    (
        "pod-toleration",
        kind::PODS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,
           "restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},
           "terminationGracePeriodSeconds":30,"tolerations":[{"key":"k","operator":"Exists",
           "value":"v"}]}}"#,
        &[
            r#"FieldValueInvalid spec.tolerations[0].operator: Invalid value: "v": value must be empty when `operator` is 'Exists'"#,
        ],
    ),
    (
        "pod-hostport-conflict",
        kind::PODS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","ports":[{"containerPort":1,
           "hostPort":5,"protocol":"TCP"},{"containerPort":2,"hostPort":5,"protocol":"TCP"}],
           "resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],
           "dnsPolicy":"ClusterFirst","enableServiceLinks":true,"restartPolicy":"Always",
           "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}"#,
        &[r#"FieldValueDuplicate spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//5""#],
    ),
    (
        "pod-init-probe",
        kind::PODS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,
           "initContainers":[{"image":"x","imagePullPolicy":"Always","livenessProbe":{"failureThreshold":3,
           "periodSeconds":10,"successThreshold":1,"tcpSocket":{"port":1},"timeoutSeconds":1},
           "name":"i","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"restartPolicy":"Always","schedulerName":"default-scheduler",
           "securityContext":{},"terminationGracePeriodSeconds":30}}"#,
        &[
            "FieldValueForbidden spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
        ],
    ),
    (
        "service-dup-ports",
        kind::SERVICES,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"internalTrafficPolicy":"Cluster",
           "ports":[{"name":"a","port":80,"protocol":"TCP","targetPort":80},{"name":"b",
           "port":80,"protocol":"TCP","targetPort":80}],"sessionAffinity":"None","type":"ClusterIP"}}"#,
        &[
            r#"FieldValueDuplicate spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}"#,
        ],
    ),
    (
        "service-unnamed-ports",
        kind::SERVICES,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"internalTrafficPolicy":"Cluster",
           "ports":[{"port":80,"protocol":"TCP","targetPort":80},{"port":81,"protocol":"TCP",
           "targetPort":81}],"sessionAffinity":"None","type":"ClusterIP"}}"#,
        &[
            "FieldValueRequired spec.ports[0].name: Required value",
            "FieldValueRequired spec.ports[1].name: Required value",
        ],
    ),
    (
        "service-type",
        kind::SERVICES,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"ports":[{"port":80,
           "protocol":"TCP","targetPort":80}],"sessionAffinity":"None","type":"Nope"}}"#,
        &[
            r#"FieldValueNotSupported spec.type: Unsupported value: "Nope": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort""#,
        ],
    ),
    (
        "deployment-no-selector",
        kind::DEPLOYMENTS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"progressDeadlineSeconds":600,
           "replicas":1,"revisionHistoryLimit":10,"strategy":{"rollingUpdate":{"maxSurge":"25%",
           "maxUnavailable":"25%"},"type":"RollingUpdate"},"template":{"metadata":{"labels":{"app":"a"}},
           "spec":{"containers":[{"image":"nginx:1.27","imagePullPolicy":"IfNotPresent",
           "name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always",
           "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}}}"#,
        &[
            "FieldValueRequired spec.selector: Required value",
            r#"FieldValueInvalid spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`"#,
        ],
    ),
    (
        "deployment-selector-mismatch",
        kind::DEPLOYMENTS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"progressDeadlineSeconds":600,
           "replicas":1,"revisionHistoryLimit":10,"selector":{"matchLabels":{"x":"y"}},
           "strategy":{"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"RollingUpdate"},
           "template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always",
           "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}}}"#,
        &[
            r#"FieldValueInvalid spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`"#,
        ],
    ),
    (
        "deployment-empty-selector",
        kind::DEPLOYMENTS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"progressDeadlineSeconds":600,
           "replicas":1,"revisionHistoryLimit":10,"selector":{},"strategy":{"rollingUpdate":{"maxSurge":"25%",
           "maxUnavailable":"25%"},"type":"RollingUpdate"},"template":{"metadata":{"labels":{"app":"a"}},
           "spec":{"containers":[{"image":"nginx:1.27","imagePullPolicy":"IfNotPresent",
           "name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always",
           "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}}}"#,
        &["FieldValueInvalid spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
    ),
    (
        "deployment-zero-surge",
        kind::DEPLOYMENTS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"progressDeadlineSeconds":600,
           "replicas":0,"revisionHistoryLimit":10,"selector":{"matchLabels":{"app":"a"}},
           "strategy":{"rollingUpdate":{"maxSurge":0,"maxUnavailable":0},"type":"RollingUpdate"},
           "template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always",
           "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}}}"#,
        &[
            "FieldValueInvalid spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ],
    ),
    (
        "deployment-recreate-rolling",
        kind::DEPLOYMENTS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"progressDeadlineSeconds":600,
           "replicas":0,"revisionHistoryLimit":10,"selector":{"matchLabels":{"app":"a"}},
           "strategy":{"rollingUpdate":{"maxSurge":1},"type":"Recreate"},"template":{"metadata":{"labels":{"app":"a"}},
           "spec":{"containers":[{"image":"nginx:1.27","imagePullPolicy":"IfNotPresent",
           "name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always",
           "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}}}"#,
        &[
            "FieldValueForbidden spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ],
    ),
    (
        "deployment-deadline",
        kind::DEPLOYMENTS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"minReadySeconds":100,
           "progressDeadlineSeconds":50,"replicas":0,"revisionHistoryLimit":10,"selector":{"matchLabels":{"app":"a"}},
           "strategy":{"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"RollingUpdate"},
           "template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"image":"nginx:1.27",
           "imagePullPolicy":"IfNotPresent","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always",
           "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}}}"#,
        &[
            "FieldValueInvalid spec.progressDeadlineSeconds: Invalid value: 50: must be greater than minReadySeconds",
        ],
    ),
    (
        "statefulset-policy",
        kind::STATEFUL_SETS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain",
           "whenScaled":"Retain"},"podManagementPolicy":"Nope","replicas":1,"revisionHistoryLimit":10,
           "selector":{"matchLabels":{"app":"a"}},"serviceName":"","template":{"metadata":{"labels":{"app":"a"}},
           "spec":{"containers":[{"image":"nginx:1.27","imagePullPolicy":"IfNotPresent",
           "name":"c","resources":{},"terminationMessagePath":"/dev/termination-log",
           "terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always",
           "schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}},
           "updateStrategy":{"rollingUpdate":{"partition":0},"type":"RollingUpdate"}}}"#,
        &[
            r#"FieldValueInvalid spec.podManagementPolicy: Invalid value: "Nope": must be 'OrderedReady' or 'Parallel'"#,
        ],
    ),
    (
        "pvc-no-modes",
        kind::PERSISTENT_VOLUME_CLAIMS,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"resources":{"requests":{"storage":"1Gi"}},
           "volumeMode":"Filesystem"},"status":{"phase":"Pending"}}"#,
        &["FieldValueRequired spec.accessModes: Required value: at least 1 access mode is required"],
    ),
    (
        "lease-duration",
        kind::LEASES,
        r#"{"metadata":{"name":"a","namespace":"ns1"},"spec":{"leaseDurationSeconds":0}}"#,
        &["FieldValueInvalid spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
    ),
    (
        "node-taint",
        kind::NODES,
        r#"{"metadata":{"name":"abc"},"spec":{"taints":[{"effect":"Nope","key":"k"}]},
           "status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{"architecture":"",
           "bootID":"","containerRuntimeVersion":"","kernelVersion":"","kubeProxyVersion":"",
           "kubeletVersion":"","machineID":"","operatingSystem":"","osImage":"","systemUUID":""}}}"#,
        &[
            r#"FieldValueNotSupported metadata.taints[0].effect: Unsupported value: "Nope": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute""#,
        ],
    ),
    (
        "pv-no-source",
        kind::PERSISTENT_VOLUMES,
        r#"{"metadata":{"name":"abc"},"spec":{"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"},
           "persistentVolumeReclaimPolicy":"Retain","volumeMode":"Filesystem"},"status":{"phase":"Pending"}}"#,
        &["FieldValueRequired spec: Required value: must specify a volume type"],
    ),
    (
        "priorityclass-system",
        kind::PRIORITY_CLASSES,
        r#"{"metadata":{"name":"abc"},"preemptionPolicy":"PreemptLowerPriority","value":2000000000}"#,
        &[
            "FieldValueForbidden value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
        ],
    ),
];

fn cause(fault: &Fault) -> String {
    format!("{} {}", fault.kind.cause(), shortened(fault))
}

#[test]
fn invalid_objects_are_answered_as_recorded() {
    for (name, kind, new, expected) in REFUSED {
        let new: Value = serde_json::from_str(new).unwrap();
        let mut causes: Vec<_> = validate(*kind, &new, None, Subresource::None).iter().map(cause).collect();
        let mut expected = expected.to_vec();
        causes.sort();
        expected.sort_unstable();
        assert_eq!(causes, expected, "{name}");
    }
}
