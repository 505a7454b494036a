//! The Kubernetes API semantics over any store of orch
