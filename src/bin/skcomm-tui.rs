//! The screen.
fn main() {}
