//! The vocabulary of orch: objects, keys, the traits of every part, the one loop
