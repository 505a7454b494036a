//! Objects as Kubernetes' own encoders write them, for tests (`testdata/samples.py` says where they are from).

use std::io::Read as _;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::Value;

/// An object that says something in every field of its kind.
pub(in super::super) struct Sample {
    pub(in super::super) name: String,
    pub(in super::super) tree: Value,
    pub(in super::super) protobuf: Vec<u8>,
}

fn read(compressed: &[u8]) -> Vec<Sample> {
    let mut text = String::new();
    GzDecoder::new(compressed).read_to_string(&mut text).unwrap();
    let sample = |line: &str| {
        let (name, tree, base64): (String, Value, String) = serde_json::from_str(line).unwrap();
        Sample { name, tree, protobuf: STANDARD.decode(base64).unwrap() }
    };
    text.lines().map(sample).collect()
}

/// Of the version whose API this is.
pub(in super::super) fn newest() -> &'static [Sample] {
    static SAMPLES: OnceLock<Vec<Sample>> = OnceLock::new();
    SAMPLES.get_or_init(|| read(include_bytes!("testdata/kubernetes-v1.36.0.jsonl.gz")))
}

/// Of a version whose clients may still be in use.
pub(in super::super) fn older() -> &'static [Sample] {
    static SAMPLES: OnceLock<Vec<Sample>> = OnceLock::new();
    SAMPLES.get_or_init(|| read(include_bytes!("testdata/kubernetes-v1.33.0.jsonl.gz")))
}
