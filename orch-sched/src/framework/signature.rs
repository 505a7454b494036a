//! The signature of a pod: what the plugins read of it, as bytes. Pods with equal signatures are one class.

use std::hash::{Hash, Hasher};

use orch_core::object::Part;

use crate::cluster::Pod;

/// What was signed so far. It is no hash: equal signatures mean that equal things were signed.
///
/// ```
/// use orch_sched::framework::Signature;
/// let sign = |zone: &str| { let mut signature = Signature::default(); signature.add(&zone); signature };
/// assert_eq!(sign("a"), sign("a"));
/// assert_ne!(sign("a"), sign("b"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature(Vec<u8>);

impl Signature {
    /// Signs a value: everything that takes part in its equality must take part in its hash.
    pub fn add(&mut self, part: &(impl Hash + ?Sized)) {
        part.hash(self);
    }

    /// Signs what pods of one template share: namespace, labels, annotations and spec. What a plugin reads beyond that
    /// (name, uid, status), it must sign itself.
    pub fn add_template(&mut self, pod: &Pod) {
        let object = pod.object();
        self.add(pod.namespace());
        self.add(&object.header().labels);
        self.add(&object.part(Part::Spec));
        let metadata: Result<serde_json::Value, _> = object.part_to(Part::Metadata);
        self.add(&metadata.map(|metadata| metadata["annotations"].to_string()).unwrap_or_default());
    }

    pub(crate) fn into_bytes(self) -> Box<[u8]> {
        self.0.into()
    }
}

/// Keeps what is hashed instead of mixing it.
impl Hasher for Signature {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}
