//! Against objects as Kubernetes' own encoder writes them (`k8s.io/api/testdata`).

use proptest::prelude::*;

use super::*;

/// Objects of `testdata` of v1.36.0, which say something in every field of their kind. With the table as it stands every
/// stable kind there comes out as in JSON; these are kept.
const SAMPLES: &[(&[u8], &str)] = &[
    (include_bytes!("testdata/core.v1.ConfigMap.pb"), include_str!("testdata/core.v1.ConfigMap.json")),
    (include_bytes!("testdata/core.v1.Service.pb"), include_str!("testdata/core.v1.Service.json")),
    (include_bytes!("testdata/core.v1.Pod.pb"), include_str!("testdata/core.v1.Pod.json")),
    (include_bytes!("testdata/apps.v1.Deployment.pb"), include_str!("testdata/apps.v1.Deployment.json")),
    (
        include_bytes!("testdata/authorization.k8s.io.v1.SubjectAccessReview.pb"),
        include_str!("testdata/authorization.k8s.io.v1.SubjectAccessReview.json"),
    ),
    (
        include_bytes!("testdata/networking.k8s.io.v1.Ingress.pb"),
        include_str!("testdata/networking.k8s.io.v1.Ingress.json"),
    ),
];

/// What differs from the JSON of the same object.
fn difference(pb: &[u8], json: &str) -> Option<String> {
    let mut wanted: Value = serde_json::from_str(json).unwrap();
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
fn objects_are_the_same_as_in_json() {
    for (pb, json) in SAMPLES {
        assert_eq!(difference(pb, json), None);
    }
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
    fn no_bytes_make_it_panic(at in 0..6_usize, changes in prop::collection::vec((any::<u16>(), any::<u8>()), 0..8), cut in any::<u16>()) {
        let mut bytes = SAMPLES[at].0.to_vec();
        for (place, byte) in changes {
            let place = usize::from(place) % bytes.len();
            bytes[place] = byte;
        }
        bytes.truncate(bytes.len() - usize::from(cut) % bytes.len() / 2);
        let _ = decode(&bytes);
    }
}
