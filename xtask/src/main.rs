//! Generates the tables that stand in the tree.
fn main() {}
