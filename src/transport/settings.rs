//! Reads the settings of one transport, naming what is wrong.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{ConfigError, TransportConfig};

/// The settings of one transport, checked for names that its kind does not know.
#[derive(Debug)]
pub struct Settings<'a>(&'a Map<String, Value>);

impl<'a> Settings<'a> {
    /// The settings of `config`, whose kind knows those in `known` and no others.
    ///
    /// # Errors
    /// Names the first setting that is not known, what is near, and all that are known.
    pub fn new(config: &'a TransportConfig, known: &[&str]) -> Result<Self, ConfigError> {
        for name in config.settings.keys() {
            if !known.contains(&name.as_str()) {
                let near = suggestion(name, known);
                let list = known.join(", ");
                let problem = format!("not a setting of {} transports{near}; known are {list}", config.kind);
                return Err(ConfigError { setting: name.clone(), problem });
            }
        }
        Ok(Self(&config.settings))
    }

    /// The value of `name`, or none when it is absent or null.
    ///
    /// # Errors
    /// When the value is not of the type wanted.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value).map(Some).map_err(|e| problem(name, e.to_string())),
        }
    }

    /// A whole number between `low` and `high`, both included, or `default` when it is absent.
    ///
    /// # Errors
    /// When it is not a whole number, or outside of the bounds, which are named.
    pub fn number(&self, name: &str, default: u64, low: u64, high: u64) -> Result<u64, ConfigError> {
        let wanted = || problem(name, format!("wants a whole number from {low} to {high}"));
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value.as_u64().filter(|n| (low..=high).contains(n)).ok_or_else(wanted),
        }
    }
}

/// An error about `setting`.
pub(super) fn problem(setting: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError { setting: setting.to_owned(), problem: problem.into() }
}

/// `, did you mean "…"?` when something in `known` is near enough to `name`, else nothing.
pub(super) fn suggestion(name: &str, known: &[&str]) -> String {
    let distance = |candidate: &&&str| strsim::osa_distance(name, candidate);
    let near = known.iter().min_by_key(distance).filter(|best| distance(best) <= 1 + name.len() / 4);
    near.map(|best| format!(", did you mean {best:?}?")).unwrap_or_default()
}
