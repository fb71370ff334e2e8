//! config.yml.

use std::{num::NonZeroUsize, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    delivery::Policy,
    identity::{Fqid, RoutingDefaults},
    wire::{Mode, Urgency, limits},
};

/// The content of config.yml. Everything has a default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who we are.
    pub identity: IdentityConfig,
    /// What a message gets that asks for nothing else.
    pub defaults: Defaults,
    /// Files that peers send.
    pub files: FilesConfig,
    /// How much is taken at once, and from whom.
    pub limits: Limits,
    /// The screen.
    pub ui: UiConfig,
}

/// Who we are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// The name others see.
    pub name: String,
    /// `agent@operator.realm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fqid: Option<Fqid>,
}

/// What a message gets that asks for nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// Routing mode.
    pub mode: Mode,
    /// Which of the usable paths is the best.
    pub policy: Policy,
    /// How much it matters.
    pub urgency: Urgency,
    /// Time to live in seconds, at most 28 days.
    pub ttl_seconds: u64,
    /// Rounds over all paths before a message counts as failed.
    pub max_retries: u32,
    /// Whether the sender is told when its message was on the screen.
    pub read_receipts: bool,
    /// Whether accepted peers are told now and then that this node runs.
    pub presence: bool,
}

impl Defaults {
    /// What of them a thread or a peer may say otherwise.
    pub fn routing(&self) -> RoutingDefaults {
        RoutingDefaults {
            mode: Some(self.mode),
            policy: Some(self.policy),
            urgency: Some(self.urgency),
            ttl_seconds: Some(self.ttl_seconds),
        }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            mode: Mode::Failover,
            policy: Policy::Balanced,
            urgency: Urgency::Normal,
            ttl_seconds: 86_400,
            max_retries: 5,
            read_receipts: true,
            presence: true,
        }
    }
}

/// Files that peers send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilesConfig {
    /// Where they are put, in a folder for each peer; `downloads` in the home folder when none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloads: Option<PathBuf>,
    /// Largest file, in bytes, that is taken without asking from a peer whose trust allows files.
    pub auto_accept_bytes: u64,
    /// Largest file that can be taken at all, in bytes.
    pub max_bytes: u64,
    /// Most bytes of files of one peer.
    pub peer_quota_bytes: u64,
    /// Most bytes of files of all peers.
    pub quota_bytes: u64,
    /// Bytes of the disk that files leave free.
    pub keep_free_bytes: u64,
}

impl Default for FilesConfig {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            downloads: None,
            auto_accept_bytes: 16 * MIB,
            max_bytes: 16 * 1024 * MIB,
            peer_quota_bytes: 16 * 1024 * MIB,
            quota_bytes: 64 * 1024 * MIB,
            keep_free_bytes: 512 * MIB,
        }
    }
}

/// How much is taken at once, and from whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most messages that wait for one peer; further ones are refused.
    pub queue_per_peer: NonZeroUsize,
    /// Most messages that wait in all.
    pub queue_total: NonZeroUsize,
    /// Messages a second that are taken of one known peer in the long run; a minute's worth may come at once. Without
    /// bound when 0.
    pub peer_messages_per_second: u32,
    /// Answers without a person in strict alternation, within [`Limits::loop_seconds`], after which a conversation is
    /// stopped. Never when 0.
    pub loop_turns: usize,
    /// See [`Limits::loop_turns`].
    pub loop_seconds: u64,
    /// Messages without a person that each answer the one before by its id, after which a conversation is stopped. Never
    /// when 0.
    pub loop_chain: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let count = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Self {
            queue_per_peer: count(limits::QUEUED_PER_PEER),
            queue_total: count(100_000),
            peer_messages_per_second: 500,
            loop_turns: 60,
            loop_seconds: 300,
            loop_chain: 50,
        }
    }
}

/// The screen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UiConfig {
    /// A preset or a file in the user's themes folder.
    pub theme: String,
    /// A preset or a file in the user's keymaps folder.
    pub keymap: String,
    /// Most frames a second.
    pub fps: u16,
    /// Only ASCII on the screen.
    pub ascii: bool,
    /// No flashes.
    pub reduced_motion: bool,
}

impl Default for UiConfig {
    fn default() -> Self {
        Self { theme: "auto".into(), keymap: "default".into(), fps: 60, ascii: false, reduced_motion: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        home::Home,
        identity::{PeerKeyEvent, PeerProfile, RouteEntry},
    };

    /// The fields of a type that refuses others: serde names them when it meets one that it does not know.
    fn fields<T: serde::de::DeserializeOwned>() -> Vec<String> {
        let error = serde_json::from_str::<T>("{\"?\":1}").err().map(|e| e.to_string()).unwrap_or_default();
        let fields: Vec<String> = error.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        assert!(!fields.is_empty(), "{error}");
        fields
    }

    #[test]
    fn the_guide_explains_every_field() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md")).unwrap();
        let under =
            |section: &'static str, names: Vec<String>| names.into_iter().map(move |name| format!("{section}.{name}"));
        let written = fields::<PeerProfile>().into_iter().chain(fields::<RouteEntry>());
        let all = written
            .chain(fields::<PeerKeyEvent>())
            .chain(under("identity", fields::<IdentityConfig>()))
            .chain(under("defaults", fields::<Defaults>()))
            .chain(under("files", fields::<FilesConfig>()))
            .chain(under("limits", fields::<Limits>()))
            .chain(under("ui", fields::<UiConfig>()));
        for name in all {
            assert!(page.contains(&format!("`{name}`")), "docs/config.md does not explain {name}");
        }
        assert_eq!(fields::<Config>(), ["identity", "defaults", "files", "limits", "ui"]);
    }

    #[test]
    fn the_example_of_the_guide_is_the_default() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md")).unwrap();
        let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let read: Config = serde_saphyr::from_str(example).unwrap();
        assert_eq!((read.defaults, read.ui), (Defaults::default(), UiConfig::default()));
        assert_eq!(read.files, FilesConfig::default());
        assert_eq!(read.limits, Limits::default());
        assert_eq!(read.identity.fqid.unwrap().as_str(), "opus@casey.douno");
    }

    #[test]
    fn errors_name_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        std::fs::write(dir.path().join("config.yml"), "identity:\n  name: Opus\nui:\n  theem: dark\n").unwrap();
        let text = home.config().unwrap_err().to_string();
        assert!(text.contains("config.yml:4") && text.contains("theem") && text.contains("theme"), "{text}");
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        assert_eq!(home.config().unwrap(), Config::default());
        let mut config = Config::default();
        config.identity.name = "Opus: the \"first\"".into();
        config.identity.fqid = Some("opus@casey.douno".parse().unwrap());
        home.save_config(&config).unwrap();
        assert_eq!(home.config().unwrap(), config);
    }
}
