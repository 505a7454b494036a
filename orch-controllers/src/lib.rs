//! The controllers of orch, one module each
