use proptest::prelude::*;
use ratatui::style::{Color, Modifier};

use super::*;

fn theme(name: &str) -> Theme {
    Theme::preset(name).unwrap()
}

#[test]
fn presets_are_complete_and_without_fault() {
    for (name, text) in PRESETS {
        let (_, problems) = Theme::from_user(name, name, text);
        assert!(problems.is_empty(), "{problems:?}");
        let table: toml::Table = text.parse().unwrap();
        let styles = table["styles"].as_table().unwrap();
        for role in Role::ALL {
            assert!(styles.contains_key(role.name()), "{name} says nothing about {}", role.name());
        }
        assert_eq!(styles.len(), Role::ALL.len(), "{name} names a group");
    }
}

/// The surfaces that a role may lie on.
fn surfaces(role: Role) -> Vec<Role> {
    match role.name().split('.').next() {
        Some("status") => vec![Role::Status],
        Some("health" | "composer" | "peer" | "message") => vec![Role::Text],
        _ => vec![Role::Text, Role::Overlay],
    }
}

/// Foreground and background of a role on a surface, as they are seen.
fn seen(theme: &Theme, surface: Role, role: Role) -> Option<([u8; 3], [u8; 3])> {
    let style = theme.style(Role::Text).patch(theme.style(surface)).patch(theme.style(role));
    let (fg, bg) = (color::rgb(style.fg?)?, color::rgb(style.bg?)?);
    Some(if style.add_modifier.contains(Modifier::REVERSED) { (bg, fg) } else { (fg, bg) })
}

#[test]
fn text_is_readable() {
    for (name, wanted, marks) in [("dark", 4.5, 1.5), ("light", 4.5, 1.5), ("high-contrast", 7.0, 3.0)] {
        let theme = theme(name);
        for role in Role::ALL {
            for surface in surfaces(*role) {
                let (fg, bg) = seen(&theme, surface, *role).unwrap();
                let wanted = if role.used_as() == Use::Text { wanted } else { marks };
                let is = contrast(fg, bg);
                assert!(
                    is >= wanted || *role == Role::ScrollTrack,
                    "{name}: {} on {}: {is:.2} < {wanted}",
                    role.name(),
                    surface.name()
                );
            }
        }
    }
}

#[test]
fn what_differs_in_meaning_differs_in_looks() {
    let groups: [&[Role]; 3] = [
        &[Role::HealthUp, Role::HealthDegraded, Role::HealthDown, Role::HealthDisabled],
        &[Role::StateQueued, Role::StateDelivered, Role::StateFailed],
        &[Role::TrustUntrusted, Role::TrustVerified, Role::TrustTrusted, Role::TrustSovereign],
    ];
    for (name, _) in PRESETS.iter().filter(|(name, _)| *name != "mono") {
        for group in groups {
            for (i, a) in group.iter().enumerate() {
                for b in &group[..i] {
                    assert_ne!(theme(name).style(*a), theme(name).style(*b), "{name}: {} and {}", a.name(), b.name());
                }
            }
        }
    }
}

#[test]
fn selections_and_alarms_are_seen_without_colour() {
    let marked = [
        Role::Selection,
        Role::Unread,
        Role::Banner,
        Role::PeerConflict,
        Role::FlashFailed,
        Role::HealthDown,
        Role::StateFailed,
        Role::UrgencyCritical,
    ];
    for (name, _) in PRESETS {
        let theme = theme(name).adapted(ColorDepth::Mono);
        for role in Role::ALL {
            let style = theme.style(*role);
            assert!(
                style.fg.is_none_or(|fg| fg == Color::Reset) && style.bg.is_none_or(|bg| bg == Color::Reset),
                "{name}"
            );
        }
        for role in marked {
            assert_ne!(theme.style(role).add_modifier, Modifier::empty(), "{name}: {}", role.name());
        }
    }
}

#[test]
fn fewer_colours_are_near_and_never_hide_text() {
    for (name, _) in PRESETS {
        for depth in [ColorDepth::Indexed256, ColorDepth::Ansi16] {
            let theme = theme(name).adapted(depth);
            for role in Role::ALL {
                let style = theme.style(*role);
                assert!(!matches!(style.fg, Some(Color::Rgb(..))) && !matches!(style.bg, Some(Color::Rgb(..))));
                if let Some((fg, bg)) = seen(&theme, Role::Text, *role).filter(|_| role.used_as() == Use::Text) {
                    let least = if depth == ColorDepth::Indexed256 { 3.0 } else { 1.3 };
                    assert!(contrast(fg, bg) > least, "{name} {depth:?}: {} {:.2}", role.name(), contrast(fg, bg));
                }
            }
        }
    }
    for (name, depth) in
        [("dark", ColorDepth::Ansi16), ("light", ColorDepth::Ansi16), ("high-contrast", ColorDepth::Ansi16)]
    {
        let theme = theme(name).adapted(depth);
        let (page, selection) = (theme.style(Role::Text), theme.style(Role::Selection));
        let reversed = selection.add_modifier.contains(Modifier::REVERSED);
        assert!(selection.bg != page.bg || reversed, "{name}: a selection is seen");
    }
    let style = Style::new().fg(Color::Rgb(255, 0, 0)).bg(Color::Rgb(0, 0, 0));
    assert_eq!(
        color::adapt(style, None, ColorDepth::Indexed256),
        Style::new().fg(Color::Indexed(196)).bg(Color::Indexed(16))
    );
    assert_eq!(color::adapt(style, None, ColorDepth::Ansi16), Style::new().fg(Color::LightRed).bg(Color::Black));
    // Soft colours keep their hue.
    let green = theme("dark").adapted(ColorDepth::Ansi16).style(Role::PeerOnline).fg;
    assert!(matches!(green, Some(Color::Green | Color::LightGreen)), "{green:?}");
    // Bold black is gray on many terminals.
    let unread = theme("dark").adapted(ColorDepth::Ansi16).style(Role::Unread);
    assert_eq!((unread.fg, unread.add_modifier), (Some(Color::Black), Modifier::empty()));
}

/// A user's file and what must be said about it, as `line: part of the message`.
fn check(text: &str, expected: &[&str]) -> Theme {
    let (theme, problems) = Theme::from_user("mine", "mine.toml", text);
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
    for (problem, expected) in shown.iter().zip(expected) {
        let (line, part) = expected.split_once(": ").unwrap();
        assert!(
            problem.starts_with(&format!("mine.toml:{line}: ")) && problem.contains(part),
            "{problem} <- {expected}"
        );
    }
    theme
}

#[test]
fn a_users_file_is_a_patch() {
    let mine = check(
        "inherits = \"light\"\n[palette]\ngreen = \"#004400\"\n[styles]\n\"message.own\" = { fg = \"red\" }\n\"peer\" = \"blue\"\n",
        &[],
    );
    let light = theme("light");
    assert_eq!(mine.name(), "mine");
    assert_eq!(mine.is_dark(), Some(false));
    assert_eq!(mine.style(Role::HealthUp).fg, Some(Color::Rgb(0, 0x44, 0)), "roles follow the palette");
    assert_eq!(
        mine.style(Role::MessageOwn).fg,
        light.style(Role::NoticeError).fg,
        "the palette's red before the terminal's"
    );
    assert!(mine.style(Role::MessageOwn).add_modifier.contains(Modifier::BOLD), "what is not named stays");
    assert_eq!(mine.style(Role::TrustVerified), light.style(Role::TrustVerified), "the most specific name wins");
    assert_eq!(check("", &[]).style(Role::Text), theme("dark").style(Role::Text));
}

#[test]
fn faults_name_line_and_remedy_and_spare_the_rest() {
    let mine = check(
        r##"inherits = "drak"
dark = "yes"
colour = 1
[palette]
good = "#00ff00"
bad = "#12345"
[styles]
"message.onw" = "red"
"message.own" = "gren"
"health.up" = { fg = "good", bgg = "red", modifiers = ["bold", "blinking"] }
"health.down" = 7
"notice.info" = { fg = 3 }
"##,
        &[
            "1: inherits is one of dark, light, high-contrast, mono",
            "2: dark is true or false",
            "3: it has inherits, dark, [palette] and [styles]",
            "6: #rrggbb",
            "8: did you mean message.own",
            "9: did you mean green?",
            "10: fg, bg and modifiers",
            "10: they are bold, dim",
            "11: a style is a colour",
            "12: text in quotation marks",
        ],
    );
    assert_eq!(mine.style(Role::HealthUp).fg, Some(Color::Rgb(0, 255, 0)));
    assert_eq!(mine.style(Role::MessageOwn), theme("dark").style(Role::MessageOwn), "a bad colour falls back");
    check("[styles\n", &["1: not TOML"]);
}

#[test]
fn contrast_is_that_of_wcag() {
    assert!((contrast([0, 0, 0], [255, 255, 255]) - 21.0).abs() < 0.001);
    assert!((contrast([119, 119, 119], [255, 255, 255]) - 4.48).abs() < 0.01);
}

#[test]
fn docs_themes_md_names_every_role() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/themes.md")).unwrap();
    for role in Role::ALL {
        let line = format!("| `{}` | {} |", role.name(), role.doc());
        assert!(page.contains(&line), "docs/themes.md lacks: {line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_file_is_read_or_reported(text in "(\\[(styles|palette|x)\\]\n|\"text\" = |ink = |dark = |\"#[0-9a-g]{5,7}\"|\\{ fg = \"ink\" \\}|true|\n){0,24}") {
        let (theme, problems) = Theme::from_user("any", "any.toml", &text);
        let lines = text.matches('\n').count() + 1;
        prop_assert!(problems.iter().all(|problem| (1..=lines).contains(&problem.line)));
        for depth in [ColorDepth::Mono, ColorDepth::Ansi16, ColorDepth::Indexed256, ColorDepth::True] {
            let _ = theme.clone().adapted(depth);
        }
    }
}
