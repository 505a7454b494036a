//! Store implementations of orch and the conformance suite that every store passes
