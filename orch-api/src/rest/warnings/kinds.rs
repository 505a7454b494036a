//! Warnings about kinds that have no pods in them: labels and annotations of old, addresses that are written in an unusual way
//! (`pkg/api/{node,persistentvolume,persistentvolumeclaim,storage}`, `nodeWarnings`, `endpointsWarnings`, `warnOnBadIPs` and
//! `networkPolicyWarnings` of the strategies).
//!
//! Invariant: an object in the words of today has no warnings.

use std::net::IpAddr;

use orch_core::{Kind, Quantity, kind};
use serde_json::Value;

use super::{Act, address, annotation};
use crate::tree::Get;
use crate::validate::address::parse_cidr;

/// Labels of nodes that have newer names.
const NODE_LABELS: [(&str, &str); 8] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];

const CLASS: &str = "volume.beta.kubernetes.io/storage-class";

pub(super) fn of(kind: Kind, object: &Value, act: Act, all: &mut Vec<String>) {
    let is_new = act == Act::Create;
    match kind {
        kind::NODES => node(object, all),
        kind::ENDPOINTS => endpoints(object, all),
        kind::ENDPOINT_SLICES => slice(object, is_new, all),
        kind::NETWORK_POLICIES => policy(object, all),
        kind::PERSISTENT_VOLUMES => volume(object, all),
        kind::PERSISTENT_VOLUME_CLAIMS => {
            if annotation(object, CLASS) {
                all.push(old_class());
            }
            claim(object.at("spec"), "spec", all);
        }
        kind::RUNTIME_CLASSES => {
            let selector =
                object.at("scheduling").and_then(|scheduling| scheduling.object_at("nodeSelector"));
            let old =
                selector.into_iter().flat_map(|selector| selector.keys()).filter_map(|key| old_label(key));
            all.extend(old.map(|why| format!("scheduling.nodeSelector: {why}")));
        }
        kind::STORAGE_CLASSES => {
            for (at, topology) in object.list("allowedTopologies").iter().enumerate() {
                for (index, expression) in topology.list("matchLabelExpressions").iter().enumerate() {
                    if let Some(why) = old_label(expression.text("key")) {
                        let path = format!("allowedTopologies[{at}].matchLabelExpressions[{index}].key");
                        all.push(format!("{path}: {why}"));
                    }
                }
            }
        }
        kind::CSI_STORAGE_CAPACITIES => {
            if let Some(selector) = object.at("nodeTopology") {
                expressions(selector, "nodeTopology", all);
                let labels = selector.object_at("matchLabels").into_iter().flat_map(|labels| labels.keys());
                all.extend(labels.filter_map(|label| {
                    old_label(label).map(|why| format!("nodeTopology.matchLabels.{label}: {why}"))
                }));
            }
        }
        kind::CSI_DRIVERS if is_new => {
            let is_open = object.at("spec").is_some_and(|spec| {
                !spec.list("tokenRequests").is_empty() && spec.at("serviceAccountTokenInSecrets").is_none()
            });
            if is_open {
                all.push(
                    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent \
                     possible logging of tokens in volume attributes"
                        .to_owned(),
                );
            }
        }
        kind::SERVICE_ACCOUNTS if is_new => {
            const MOUNTABLE: &str = "kubernetes.io/enforce-mountable-secrets";
            if annotation(object, MOUNTABLE) {
                let why =
                    "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets";
                all.push(format!("metadata.annotations[{MOUNTABLE}]: {why}"));
            }
        }
        _ => {}
    }
}

fn old_label(label: &str) -> Option<&'static str> {
    NODE_LABELS.iter().find(|(known, _)| *known == label).map(|(_, why)| *why)
}

fn old_class() -> String {
    format!(
        "metadata.annotations[{CLASS}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
    )
}

/// Old labels in the expressions of a selector.
fn expressions(selector: &Value, path: &str, all: &mut Vec<String>) {
    for (at, expression) in selector.list("matchExpressions").iter().enumerate() {
        let key = expression.text("key");
        if let Some(why) = old_label(key) {
            all.push(format!("{path}.matchExpressions[{at}].key: {key} is {why}"));
        }
    }
}

fn node(object: &Value, all: &mut Vec<String>) {
    let Some(spec) = object.at("spec") else { return };
    if spec.at("configSource").is_some() {
        all.push("spec.configSource: the feature is removed".to_owned());
    }
    if !spec.text("externalID").is_empty() {
        all.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned());
    }
    for (at, range) in spec.list("podCIDRs").iter().enumerate() {
        cidr(&format!("spec.podCIDRs[{at}]"), range.as_str().unwrap_or_default(), all);
    }
}

fn label<'v>(object: &'v Value, name: &str) -> &'v str {
    let labels = object.at("metadata").and_then(|metadata| metadata.at("labels"));
    labels.map_or("", |labels| labels.text(name))
}

fn endpoints(object: &Value, all: &mut Vec<String>) {
    if label(object, "endpoints.kubernetes.io/managed-by") == "endpoint-controller" {
        return;
    }
    for (at, subset) in object.list("subsets").iter().enumerate() {
        for list in ["addresses", "notReadyAddresses"] {
            for (index, one) in subset.list(list).iter().enumerate() {
                all.extend(address(&format!("subsets[{at}].{list}[{index}].ip"), one.text("ip")));
            }
        }
    }
}

fn slice(object: &Value, is_new: bool, all: &mut Vec<String>) {
    if is_new && object.text("addressType") == "FQDN" {
        all.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
    }
    let maker = label(object, "endpointslice.kubernetes.io/managed-by");
    if maker.starts_with("endpointslice-controller.k8s.io") || maker.starts_with("endpointslicemirroring-") {
        return;
    }
    for (at, endpoint) in object.list("endpoints").iter().enumerate() {
        for (index, one) in endpoint.list("addresses").iter().enumerate() {
            let path = format!("endpoints[{at}].addresses[{index}]");
            all.extend(address(&path, one.as_str().unwrap_or_default()));
        }
    }
}

fn policy(object: &Value, all: &mut Vec<String>) {
    let Some(spec) = object.at("spec") else { return };
    for (way, peers) in [("ingress", "from"), ("egress", "to")] {
        for (at, rule) in spec.list(way).iter().enumerate() {
            for (index, peer) in rule.list(peers).iter().enumerate() {
                let Some(block) = peer.at("ipBlock") else { continue };
                let path = format!("spec.{way}[{at}].{peers}[{index}].ipBlock");
                cidr(&format!("{path}.cidr"), block.text("cidr"), all);
                for (but, range) in block.list("except").iter().enumerate() {
                    cidr(&format!("{path}.except[{but}]"), range.as_str().unwrap_or_default(), all);
                }
            }
        }
    }
}

/// `GetWarningsForCIDR` of `apimachinery/pkg/util/validation/ip.go`.
fn cidr(path: &str, text: &str, all: &mut Vec<String>) {
    let Some((ip, length)) = parse_cidr(text) else { return };
    let Some(range) = u8::try_from(length).ok().and_then(|length| ipnet::IpNet::new(ip, length).ok()) else {
        return;
    };
    let before = all.len();
    let whole = range.trunc();
    if whole.addr() != ip {
        let one = format!("{ip}/{}", range.max_prefix_len());
        let why = format!("is ambiguous in this context (should be \"{whole}\" or {one:?}?)");
        all.push(format!("{path}: CIDR value {text:?} {why}"));
    }
    let is_mapped = matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
    let is_plain = !is_mapped && text.split('/').next().is_some_and(|ip| ip.parse::<IpAddr>().is_ok());
    if !is_plain {
        all.push(format!("{path}: non-standard CIDR value {text:?} is invalid: use \"{whole}\""));
    }
    if all.len() == before && ip.is_ipv6() && range.to_string() != text {
        let why = format!("should be in RFC 5952 canonical format (\"{range}\")");
        all.push(format!("{path}: IPv6 CIDR value {text:?} {why}"));
    }
}

/// Kinds of volumes that are gone, and what their warnings call them.
const VOLUMES: [(&str, &str, &str); 6] = [
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

fn volume(object: &Value, all: &mut Vec<String>) {
    const OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
    if annotation(object, CLASS) {
        all.push(old_class());
    }
    if annotation(object, OPTIONS) {
        let why = "deprecated since v1.31; use \"mountOptions\" attribute instead";
        all.push(format!("metadata.annotations[{OPTIONS}]: {why}"));
    }
    let Some(spec) = object.at("spec") else { return };
    if spec.text("persistentVolumeReclaimPolicy") == "Recycle" {
        all.push(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended \
             approach is to use dynamic provisioning."
                .to_owned(),
        );
    }
    let required = spec.at("nodeAffinity").and_then(|affinity| affinity.at("required"));
    let terms = required.map_or(&[][..], |required| required.list("nodeSelectorTerms"));
    for (at, term) in terms.iter().enumerate() {
        expressions(term, &format!("spec.nodeAffinity.required.nodeSelectorTerms[{at}]"), all);
    }
    for (field, warned, why) in VOLUMES {
        if spec.at(field).is_some() {
            all.push(format!("spec.{warned}: {why}"));
        }
    }
}

fn claim(spec: Option<&Value>, path: &str, all: &mut Vec<String>) {
    let Some(resources) = spec.and_then(|spec| spec.at("resources")) else { return };
    for list in ["requests", "limits"] {
        let amount = resources.at(list).map_or("", |amounts| amounts.text("storage"));
        if amount.parse::<Quantity>().is_ok_and(|amount| amount.milli_value() % 1000 != 0) {
            let why = format!("fractional byte value {amount:?} is invalid, must be an integer");
            all.push(format!("{path}.resources.{list}[storage]: {why}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn check(kind: Kind, object: Value, expected: &[&str]) {
        let mut all = Vec::new();
        of(kind, &object, Act::Create, &mut all);
        assert_eq!(all, expected, "{object}");
    }

    #[test]
    fn words_of_old_are_told() {
        let class = "volume.beta.kubernetes.io/storage-class";
        check(
            kind::PERSISTENT_VOLUMES,
            json!({"metadata": {"annotations": {class: "a"}}, "spec": {"persistentVolumeReclaimPolicy": "Recycle",
                "storageos": {}, "nodeAffinity": {"required": {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "beta.kubernetes.io/os"}]}]}}}}),
            &[
                "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \
                 \"storageClassName\" attribute instead",
                "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended \
                 approach is to use dynamic provisioning.",
                "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is \
                 deprecated since v1.14; use \"kubernetes.io/os\" instead",
                "spec.storageOS: deprecated in v1.22, non-functional in v1.25+",
            ],
        );
        check(
            kind::PERSISTENT_VOLUME_CLAIMS,
            json!({"spec": {"resources": {"requests": {"storage": "1500m"}, "limits": {"storage": "1Gi"}}}}),
            &[
                "spec.resources.requests[storage]: fractional byte value \"1500m\" is invalid, must be an integer",
            ],
        );
        check(
            kind::RUNTIME_CLASSES,
            json!({"scheduling": {"nodeSelector": {"beta.kubernetes.io/arch": "x"}}}),
            &["scheduling.nodeSelector: deprecated since v1.14; use \"kubernetes.io/arch\" instead"],
        );
        check(
            kind::STORAGE_CLASSES,
            json!({"allowedTopologies": [{"matchLabelExpressions": [{"key": "app.kubernetes.io/created-by"}]}]}),
            &["allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.9"],
        );
        check(
            kind::CSI_STORAGE_CAPACITIES,
            json!({"nodeTopology": {"matchLabels": {"node-role.kubernetes.io/master": ""}}}),
            &[
                "nodeTopology.matchLabels.node-role.kubernetes.io/master: use \"node-role.kubernetes.io/control-plane\" \
               instead",
            ],
        );
        check(
            kind::NODES,
            json!({"spec": {"externalID": "x"}}),
            &["spec.externalID: this field is deprecated, and is \
            unused by Kubernetes"],
        );
    }

    #[test]
    fn addresses_in_other_words_are_told() {
        check(
            kind::NETWORK_POLICIES,
            json!({"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.1/8", "except": ["10.1.0.0/16"]}}]}],
                "egress": [{"to": [{}, {"ipBlock": {"cidr": "2001:DB8::/32"}}]}]}}),
            &[
                "spec.ingress[0].from[0].ipBlock.cidr: CIDR value \"10.0.0.1/8\" is ambiguous in this context (should be \
                 \"10.0.0.0/8\" or \"10.0.0.1/32\"?)",
                "spec.egress[0].to[1].ipBlock.cidr: IPv6 CIDR value \"2001:DB8::/32\" should be in RFC 5952 canonical \
                 format (\"2001:db8::/32\")",
            ],
        );
        check(
            kind::NODES,
            json!({"spec": {"podCIDRs": ["010.0.0.0/8"]}}),
            &["spec.podCIDRs[0]: non-standard CIDR value \"010.0.0.0/8\" is invalid: use \"10.0.0.0/8\""],
        );
        let slice = |labels: Value| json!({"metadata": {"labels": labels}, "addressType": "IPv4", "endpoints": [{"addresses": ["010.0.0.1"]}]});
        let told =
            "endpoints[0].addresses[0]: non-standard IP address \"010.0.0.1\" is invalid: use \"10.0.0.1\"";
        check(kind::ENDPOINT_SLICES, slice(json!({})), &[told]);
        let maker = "endpointslice.kubernetes.io/managed-by";
        check(kind::ENDPOINT_SLICES, slice(json!({maker: "endpointslice-controller.k8s.io"})), &[]);
        check(
            kind::ENDPOINTS,
            json!({"subsets": [{"notReadyAddresses": [{"ip": "::FFFF"}]}]}),
            &[
                "subsets[0].notReadyAddresses[0].ip: IPv6 address \"::FFFF\" should be in RFC 5952 canonical format \
               (\"::ffff\")",
            ],
        );
    }
}
