//! The kinds of transports this program knows, and how each is made from its configuration.
//!
//! A new transport is its own file and one line in `KINDS`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

#[cfg(feature = "matrix")]
use super::matrix;
#[cfg(feature = "nostr")]
use super::nostr;
use super::{ConfigError, Context, Rules, Transport, Zone, file, rules, settings, tcp, websocket};
use crate::delivery::{Bulk, Cost, Window};

/// One kind of transport.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What `type` says in the configuration.
    pub name: &'static str,
    /// One line for lists and help.
    pub summary: &'static str,
    /// The priority of a transport that names none; lower goes first.
    pub default_priority: u16,
    /// Whether an address of it means nothing but a place on the network, so that also a stranger may say that it is to
    /// be answered there.
    pub public_address: bool,
    /// Checks the settings and makes the transport; touches neither disk nor network.
    pub build: Build,
}

/// Makes a transport from its configuration, or says which setting is wrong.
pub type Build = fn(&TransportConfig, Context) -> Result<Arc<dyn Transport>, ConfigError>;

/// Every kind, by name.
static KINDS: &[Kind] = &[
    file::KIND,
    #[cfg(feature = "matrix")]
    matrix::KIND,
    #[cfg(feature = "nats")]
    super::nats::KIND,
    #[cfg(feature = "nostr")]
    nostr::KIND,
    tcp::KIND,
    websocket::KIND,
];

/// Kinds behind a cargo feature of the same name: known also to a build without it, which then says what it lacks.
const OPTIONAL: &[&str] = &["matrix", "nats", "nostr"];

/// The priority of a transport of a kind that is not known (which [`build`] refuses).
const UNKNOWN_PRIORITY: u16 = 100;

/// Every kind of transport, in the order of their names.
pub fn kinds() -> &'static [Kind] {
    KINDS
}

/// One configured transport: the content of `transports/NAME.yml`.
///
/// ```yaml
/// type: tcp
/// enabled: true        # optional, true
/// priority: 20         # optional, lower goes first; each kind has its own default
/// cost: metered        # optional: free, shared or metered; each kind has its own default
/// windows: ["22:00-06:00"] # optional: when it may be used; always without. See docs/routing.md for this and more
/// listen: 0.0.0.0:9999 # everything else belongs to the kind
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct TransportConfig {
    /// The kind's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the user wants it.
    pub enabled: bool,
    /// Lower goes first.
    pub priority: u16,
    /// What a message costs, if the user knows better than the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// When it may be used, and for what.
    #[serde(flatten)]
    pub rules: Rules,
    /// The settings of the kind.
    #[serde(flatten)]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl TransportConfig {
    /// An enabled transport of `kind` with the kind's own priority and no settings.
    pub fn new(kind: &str) -> Self {
        Written { kind: kind.to_owned(), enabled: true, ..Written::default() }.into()
    }

    /// The same with `setting` set to `value`.
    #[must_use]
    pub fn with(mut self, setting: &str, value: impl Into<serde_json::Value>) -> Self {
        self.settings.insert(setting.to_owned(), value.into());
        self
    }
}

/// A configuration as a person writes it.
#[derive(Default, Deserialize)]
struct Written {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    priority: Option<u16>,
    #[serde(default)]
    cost: Option<Cost>,
    #[serde(default, deserialize_with = "rules::windows")]
    windows: Vec<Window>,
    #[serde(default)]
    time_zone: Option<Zone>,
    #[serde(default, deserialize_with = "rules::size")]
    max_bytes: Option<usize>,
    #[serde(default)]
    bulk: Option<Bulk>,
    #[serde(flatten)]
    settings: serde_json::Map<String, serde_json::Value>,
}

fn yes() -> bool {
    true
}

impl From<Written> for TransportConfig {
    fn from(written: Written) -> Self {
        let Written { kind, enabled, priority, cost, windows, time_zone, max_bytes, bulk, settings } = written;
        let priority = priority.unwrap_or_else(|| find(&kind).map_or(UNKNOWN_PRIORITY, |kind| kind.default_priority));
        let rules = Rules { windows, time_zone, max_bytes, bulk };
        Self { kind, enabled, priority, cost, rules, settings }
    }
}

fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Makes the transport that `config` describes, also when it is not enabled.
///
/// # Errors
/// When the kind or a setting is not known (naming what is near), or a value does not fit.
pub fn build(config: &TransportConfig, context: Context) -> Result<Arc<dyn Transport>, ConfigError> {
    let Some(kind) = find(&config.kind) else {
        if OPTIONAL.contains(&config.kind.as_str()) {
            let problem = format!("this build has no {0} transport; build with `--features {0}`", config.kind);
            return Err(ConfigError { setting: "type".to_owned(), problem });
        }
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let problem = format!(
            "{:?} is not a kind of transport{}; known are {}",
            config.kind,
            settings::suggestion(&config.kind, &known),
            known.join(", ")
        );
        return Err(ConfigError { setting: "type".to_owned(), problem });
    };
    (kind.build)(config, context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::testing;

    fn refusal(yaml: &str) -> String {
        let config: TransportConfig = serde_saphyr::from_str(yaml).unwrap();
        let dir = tempfile::tempdir().unwrap();
        match build(&config, testing::context("t", 1, dir.path())) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("was accepted: {yaml}"),
        }
    }

    #[test]
    fn a_configuration_has_the_defaults_of_its_kind() {
        let config: TransportConfig = serde_saphyr::from_str("type: tcp\nlisten: 127.0.0.1:0\n").unwrap();
        assert!(config.enabled);
        assert_eq!(config.cost, None);
        assert_eq!(config.priority, tcp::KIND.default_priority);
        assert_eq!(config.settings["listen"], "127.0.0.1:0");
        let config: TransportConfig =
            serde_saphyr::from_str("type: file\nenabled: false\npriority: 7\ncost: metered\nfolders: [/a, /b]\n")
                .unwrap();
        assert!(!config.enabled);
        assert_eq!((config.priority, config.cost), (7, Some(Cost::Metered)));
        assert_eq!(config.settings["folders"], serde_json::json!(["/a", "/b"]));
    }

    #[test]
    fn a_configuration_survives_being_written_and_read() {
        let config = TransportConfig::new("file").with("folders", vec!["/srv/shared"]).with("keep", "archive");
        let yaml = serde_saphyr::to_string(&config).unwrap();
        assert_eq!(serde_saphyr::from_str::<TransportConfig>(&yaml).unwrap(), config, "{yaml}");
    }

    #[test]
    fn rules_survive_being_written_and_read() {
        let yaml = "type: tcp\nwindows: [\"22:00-06:00\", \"sat,sun\"]\ntime_zone: UTC\nmax_bytes: 65536\n\
                    bulk:\n  larger_than: 10000\n  windows: [\"01:00-05:00\"]\nlisten: 127.0.0.1:0\n";
        let config: TransportConfig = serde_saphyr::from_str(yaml).unwrap();
        assert_eq!(config.rules.windows.len(), 2);
        assert_eq!(config.rules.schedule().max_bytes, Some(65_536));
        assert_eq!(config.settings.len(), 1, "{:?}", config.settings);
        let again = serde_saphyr::to_string(&config).unwrap();
        assert_eq!(serde_saphyr::from_str::<TransportConfig>(&again).unwrap(), config, "{again}");
    }

    #[test]
    fn what_is_not_known_is_named_with_what_is_near() {
        let known: Vec<&str> = kinds().iter().map(|kind| kind.name).collect();
        assert_eq!(
            refusal("type: tpc"),
            format!("type: \"tpc\" is not a kind of transport, did you mean \"tcp\"?; known are {}", known.join(", "))
        );
        for optional in OPTIONAL.iter().filter(|name| find(name).is_none()) {
            let line = refusal(&format!("type: {optional}"));
            assert!(line.contains(&format!("--features {optional}")), "{line}");
        }
        let line = refusal("type: tcp\nlistn: 127.0.0.1:1\n");
        assert!(line.starts_with("listn: not a setting of tcp transports, did you mean \"listen\"?"), "{line}");
        let line = refusal("type: file\nfolder: /a\n");
        assert!(line.contains("did you mean \"folders\"?"), "{line}");
        let line = refusal("type: file\nzzzzzz: 1\n");
        assert!(line.contains("known are folders") && !line.contains("did you mean"), "{line}");
    }

    #[test]
    fn a_value_that_does_not_fit_names_its_setting() {
        for (yaml, start) in [
            ("type: tcp\nlisten: 5\n", "listen: "),
            ("type: tcp\nlisten: nonsense\n", "listen: "),
            ("type: tcp\nmax_connections: 0\n", "max_connections: "),
            ("type: tcp\nmax_connections: lots\n", "max_connections: "),
            ("type: tcp\nidle_seconds: -1\n", "idle_seconds: "),
            ("type: file\nfolders: relative/path\n", "folders: "),
            ("type: file\nfolders: [relative/path]\n", "folders: "),
            ("type: file\nfolders: [/a/../b]\n", "folders: "),
            ("type: file\nkeep: forever\n", "keep: "),
            ("type: file\npoll_seconds: 0\n", "poll_seconds: "),
        ] {
            let line = refusal(yaml);
            assert!(line.starts_with(start), "{yaml} -> {line}");
        }
    }

    #[test]
    fn the_guide_explains_every_setting() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md")).unwrap();
        for kind in kinds() {
            let own =
                page.split(&format!("| `type: {}` |", kind.name)).nth(1).and_then(|rest| rest.split("\n\n").next());
            let (own, line) = (own.unwrap(), refusal(&format!("type: {}\nzzzzzz: 1\n", kind.name)));
            for name in line.split_once("known are ").unwrap().1.split(", ") {
                assert!(
                    own.contains(&format!("| `{name}` |")),
                    "docs/config.md does not explain {name} of {}",
                    kind.name
                );
            }
            assert!(page.contains(&format!("`{}` {}", kind.name, kind.default_priority)), "priority of {}", kind.name);
        }
        for name in ["type", "enabled", "priority", "cost", "windows", "time_zone", "max_bytes", "bulk"] {
            assert!(page.contains(&format!("| `{name}` |")), "docs/config.md does not explain {name}");
        }
    }

    #[test]
    fn kinds_are_sorted_and_named_once() {
        let names: Vec<&str> = kinds().iter().map(|kind| kind.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }
}
