//! Whole requests against a server in memory.
