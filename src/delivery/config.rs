//! The machine's numbers.

/// The machine's numbers, with their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {}

impl Default for Config {
    fn default() -> Self {
        Self {}
    }
}
