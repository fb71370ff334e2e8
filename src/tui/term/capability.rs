//! What the terminal can do, as its environment tells.

use crate::tui::theme::ColorDepth;

/// What the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// How many colours it shows.
    pub colors: ColorDepth,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
    /// Whether frames may be wrapped in synchronized output (mode 2026). Terminals ignore modes they do not
    /// know, so only those that print it are left out.
    pub synchronized: bool,
    /// Whether it is reached over a network (SSH), so that fewer frames should be drawn.
    pub remote: bool,
    /// Whether its background is dark, where the environment tells.
    pub dark: Option<bool>,
}

/// What the user said on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--ascii`.
    pub ascii: bool,
}

impl Capabilities {
    /// From the process's environment.
    pub fn detect(overrides: Overrides) -> Self {
        Self::from_env(|name| std::env::var(name).ok(), overrides)
    }

    /// From an environment: `COLORTERM`, `TERM`, `NO_COLOR`, `LC_ALL`, `LC_CTYPE`, `LANG`, `COLORFGBG`,
    /// `SSH_CONNECTION`, `SSH_TTY`.
    pub fn from_env(env: impl Fn(&str) -> Option<String>, overrides: Overrides) -> Self {
        let var = |name: &str| env(name).filter(|value| !value.is_empty());
        let term = var("TERM").unwrap_or_default();
        let locale = var("LC_ALL").or_else(|| var("LC_CTYPE")).or_else(|| var("LANG")).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let utf8 = locale.contains("utf-8") || locale.contains("utf8");
        Self {
            colors: colors(&term, &var),
            unicode: utf8 && !overrides.ascii && term != "dumb",
            synchronized: !matches!(term.as_str(), "dumb" | "linux"),
            remote: var("SSH_CONNECTION").or_else(|| var("SSH_TTY")).is_some(),
            dark: var("COLORFGBG").and_then(|value| background(&value)),
        }
    }

    /// The preset theme that suits it: one made for no colours where there are none, else by the background.
    pub fn theme(&self) -> &'static str {
        match (self.colors, self.dark) {
            (ColorDepth::Mono, _) => "mono",
            (_, Some(false)) => "light",
            _ => "dark",
        }
    }
}

fn colors(term: &str, var: &impl Fn(&str) -> Option<String>) -> ColorDepth {
    if var("NO_COLOR").is_some() || matches!(term, "dumb" | "") || term.starts_with("vt") {
        return ColorDepth::Mono;
    }
    let colorterm = var("COLORTERM").unwrap_or_default();
    if matches!(colorterm.as_str(), "truecolor" | "24bit") || term.ends_with("-direct") {
        return ColorDepth::True;
    }
    if ["kitty", "alacritty", "foot", "ghostty", "wezterm"].iter().any(|name| term.contains(name)) {
        return ColorDepth::True;
    }
    if term.contains("256") { ColorDepth::Indexed256 } else { ColorDepth::Ansi16 }
}

/// The last number of `COLORFGBG` ("15;0") is the background's: 7 and 9 to 15 are light.
fn background(value: &str) -> Option<bool> {
    let index: u8 = value.rsplit(';').next()?.parse().ok()?;
    Some(!matches!(index, 7 | 9..=15))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(env: &[(&str, &str)]) -> Capabilities {
        let find = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Capabilities::from_env(find, Overrides::default())
    }

    #[test]
    fn colours_follow_the_environment() {
        let cases: [(&[(&str, &str)], ColorDepth); 10] = [
            (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], ColorDepth::True),
            (&[("TERM", "xterm-kitty")], ColorDepth::True),
            (&[("TERM", "xterm-direct")], ColorDepth::True),
            (&[("TERM", "screen-256color")], ColorDepth::Indexed256),
            (&[("TERM", "xterm")], ColorDepth::Ansi16),
            (&[("TERM", "linux")], ColorDepth::Ansi16),
            (&[("TERM", "vt100")], ColorDepth::Mono),
            (&[("TERM", "dumb"), ("COLORTERM", "truecolor")], ColorDepth::Mono),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "1")], ColorDepth::Mono),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], ColorDepth::Indexed256),
        ];
        for (env, expected) in cases {
            assert_eq!(detect(env).colors, expected, "{env:?}");
        }
    }

    #[test]
    fn unicode_follows_the_locale_and_the_user() {
        assert!(detect(&[("TERM", "xterm"), ("LANG", "de_DE.UTF-8")]).unicode);
        assert!(detect(&[("TERM", "xterm"), ("LANG", "C"), ("LC_ALL", "C.utf8")]).unicode);
        assert!(!detect(&[("TERM", "xterm"), ("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")]).unicode);
        assert!(!detect(&[("TERM", "xterm")]).unicode);
        let env = |name: &str| Some(if name == "LANG" { "C.UTF-8" } else { "" }.to_owned());
        assert!(!Capabilities::from_env(env, Overrides { ascii: true }).unicode);
    }

    #[test]
    fn the_rest_is_told_too() {
        let found = detect(&[("TERM", "xterm"), ("SSH_TTY", "/dev/pts/1"), ("COLORFGBG", "0;default;15")]);
        assert!(found.remote && found.synchronized);
        assert_eq!(found.dark, Some(false));
        assert_eq!(found.theme(), "light");
        let found = detect(&[("TERM", "linux"), ("COLORFGBG", "15;0")]);
        assert!(!found.remote && !found.synchronized);
        assert_eq!(found.dark, Some(true));
        assert_eq!(found.theme(), "dark");
        assert_eq!(detect(&[("TERM", "xterm"), ("NO_COLOR", "1"), ("COLORFGBG", "0;15")]).theme(), "mono");
        assert_eq!(detect(&[]).dark, None);
    }
}
