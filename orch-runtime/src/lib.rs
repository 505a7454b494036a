//! The node agent of orch, its runtimes and the conformance suite that every runtime passes
