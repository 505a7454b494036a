//! Against objects as Kubernetes' own encoders write them.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;

use super::*;

/// What has no protobuf body that a server takes: it is sent by servers only, or never as a body.
const NOT_SENT: [&str; 8] = [
    "admission.k8s.io.v1.AdmissionReview",
    "apidiscovery.k8s.io.v2.APIGroupDiscovery",
    "apiextensions.k8s.io.v1.ConversionReview",
    "core.v1.APIGroup",
    "core.v1.APIVersions",
    "core.v1.RangeAllocation",
    "core.v1.SerializedReference",
    "core.v1.WatchEvent",
];

/// What differs from the JSON of the same object.
fn difference(pb: &[u8], wanted: &Value) -> Option<String> {
    let mut wanted = wanted.clone();
    let mut found = match decode(pb) {
        Ok(found) => found,
        Err(error) => return Some(error.to_string()),
    };
    let text = |field: &str| wanted[field].as_str().unwrap().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
    let ty = schema::lookup(group, version, &kind)?;
    schema::prune_nulls(&mut wanted, ty);
    schema::prune_nulls(&mut found, ty);
    first_difference("", &wanted, &found)
}

fn first_difference(path: &str, wanted: &Value, found: &Value) -> Option<String> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            let keys = wanted.keys().chain(found.keys());
            keys.into_iter().find_map(|key| {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                first_difference(&format!("{path}.{key}"), &of(wanted), &of(found))
            })
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            let mut pairs = wanted.iter().zip(found).enumerate();
            pairs.find_map(|(at, (wanted, found))| first_difference(&format!("{path}[{at}]"), wanted, found))
        }
        _ if wanted == found => None,
        _ => Some(format!("{path}: want {wanted}, got {found}")),
    }
}

#[test]
fn every_kind_is_the_same_as_in_json() {
    let all = samples::newest().iter().chain(samples::older());
    let sent: Vec<_> = all.filter(|sample| !NOT_SENT.contains(&sample.name.as_str())).collect();
    assert!(sent.len() > 130, "{}", sent.len());
    let differences: Vec<_> = sent
        .iter()
        .filter_map(|sample| Some((&sample.name, difference(&sample.protobuf, &sample.tree)?)))
        .collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn every_stored_kind_of_kubernetes_has_a_sample() {
    let has = |api_version: &str, kind: &str| {
        let is = |sample: &samples::Sample| {
            sample.tree["apiVersion"] == api_version && sample.tree["kind"] == kind
        };
        samples::newest().iter().any(is)
    };
    let missing: Vec<_> = orch_core::Registry::built_in()
        .kinds()
        .into_iter()
        .filter(|info| !has(&info.api_version(), &info.name))
        .map(|info| info.kind.to_string())
        .collect();
    // Its types are in kube-aggregator, which has no test data: the test below is its sample.
    assert_eq!(missing, ["apiservices.apiregistration.k8s.io"]);
}

/// A field of bytes: a text or a message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let (low, high) = (bytes.len() % 128, bytes.len() / 128);
    let length = [u8::try_from(low).unwrap() | 0x80, u8::try_from(high).unwrap()];
    [&[number << 3 | 2], &length[..], bytes].concat()
}

/// By the tags of `kube-aggregator/pkg/apis/apiregistration/v1/types.go`.
#[test]
fn an_api_service_is_the_same_as_in_json() {
    let service = [field(1, b"kube-system"), field(2, b"metrics"), vec![3 << 3, 0xbb, 0x03]].concat();
    let priorities = vec![7 << 3, 100, 8 << 3, 15];
    let bundle = field(5, b"\x01\x02\x03");
    let spec = [
        field(1, &service),
        field(2, b"metrics.k8s.io"),
        field(3, b"v1"),
        vec![4 << 3, 0],
        bundle,
        priorities,
    ]
    .concat();
    let condition = [field(1, b"Available"), field(2, b"True"), field(4, b"Passed")].concat();
    let object =
        [field(1, &field(1, b"v1.metrics.k8s.io")), field(2, &spec), field(3, &field(1, &condition))]
            .concat();
    let kind = [field(1, b"apiregistration.k8s.io/v1"), field(2, b"APIService")].concat();
    let unknown = [field(1, &kind), field(2, &object)].concat();
    let wanted = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1.metrics.k8s.io"},
        "spec": {"service": {"namespace": "kube-system", "name": "metrics", "port": 443}, "group": "metrics.k8s.io",
            "version": "v1", "caBundle": "AQID", "groupPriorityMinimum": 100, "versionPriority": 15},
        "status": {"conditions": [{"type": "Available", "status": "True", "reason": "Passed"}]}});
    assert_eq!(difference(&[MAGIC, &unknown].concat(), &wanted), None);
}

/// Every message in a kind that a body may have is in the table; types with a form of their own are not.
#[test]
fn every_message_of_every_kind_has_numbers() {
    let mut waiting: Vec<TypeRef> = orch_core::Registry::built_in()
        .kinds()
        .into_iter()
        .flat_map(|info| {
            let of = |version: &std::sync::Arc<str>| schema::lookup(info.kind.group(), version, &info.name);
            info.versions.iter().filter_map(of).collect::<Vec<_>>()
        })
        .collect();
    let (mut seen, mut missing) = (HashSet::new(), BTreeSet::new());
    while let Some(ty) = waiting.pop() {
        match ty.get() {
            Type::Object(definition) if seen.insert(definition) => {
                if definition.fields().len() > 0 && !table().contains_key(&definition) {
                    missing.insert(definition.name());
                }
                waiting.extend(definition.fields().map(|field| field.ty()));
            }
            Type::Map(item) | Type::Array(item) => waiting.push(item),
            _ => {}
        }
    }
    assert!(seen.len() > 400, "{}", seen.len());
    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn every_line_of_the_table_is_read() {
    assert!(table().len() > 500, "{}", table().len());
    let pod = schema::definition("io.k8s.api.core.v1.Volume").unwrap();
    let entries = &table()[&pod];
    assert!(matches!(entries.get(&1), Some(Entry::Field { name: "name", zero_is_absent: false })));
    let Some(Entry::Inline(inner)) = entries.get(&2) else { panic!("{entries:?}") };
    assert!(matches!(inner.get(&2), Some(Entry::Field { name: "emptyDir", .. })));
}

#[test]
fn what_is_no_object_is_refused() {
    for (bytes, expected) in [
        (&b""[..], "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (b"k8s\0", "no kind \"\" is registered for version \"\""),
        (b"k8s\0\x0a\xff", "unexpected EOF"),
        (b"k8s\0\x0b", "wire type 3 is not known"),
    ] {
        assert_eq!(decode(bytes).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_zero_stays_where_go_has_a_pointer_and_goes_where_it_has_none() {
    let spec = schema::definition("io.k8s.api.apps.v1.DeploymentSpec").unwrap();
    // replicas: 0, minReadySeconds: 0, paused: false
    let map = message(&[0x08, 0, 0x28, 0, 0x38, 0], spec, 0).unwrap();
    assert_eq!(Value::Object(map), json!({"replicas": 0}));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_bytes_make_it_panic(at in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<u16>(), any::<u8>()), 0..8), cut in any::<u16>()) {
        let mut bytes = at.get(samples::newest()).protobuf.clone();
        for (place, byte) in changes {
            let place = usize::from(place) % bytes.len();
            bytes[place] = byte;
        }
        bytes.truncate(bytes.len() - usize::from(cut) % bytes.len() / 2);
        let _ = decode(&bytes);
    }
}
