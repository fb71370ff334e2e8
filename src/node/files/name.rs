//! From the name a stranger gave a file to one that is safe here.

/// Longest name a received file gets, in bytes; room is left for a number and an ending of ours.
const NAME_BYTES_MAX: usize = 180;
/// Longest ending that is kept when a name is cut, in bytes.
const ENDING_BYTES_MAX: usize = 16;
/// Names that mean a device on some systems, whatever their ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// A file name for what its sender calls `foreign`: one component, visible characters, no dot or dash in front, not
/// a device, at most 180 bytes. Never empty.
pub(super) fn safe_name(foreign: &str) -> String {
    // Both separators: the folder may be shared with a system that takes the other one.
    let last = foreign.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let cleaned: String = last.chars().map(|c| if is_fine(c) { c } else { '_' }).collect();
    // Some systems drop blanks and dots at the end, so that two names would be one.
    let cleaned = cleaned.trim().trim_end_matches(['.', ' ']);
    let shown = match cleaned.chars().next() {
        None => "file".to_owned(),
        Some('.' | '-' | '~') => format!("_{}", cleaned.trim_start_matches(['.', '-', '~'])),
        Some(_) => cleaned.to_owned(),
    };
    let shown = if is_device(&shown) { format!("_{shown}") } else { shown };
    cut(&shown)
}

/// The names to try, in this order, when the first ones are taken: `photo.jpg`, `photo (1).jpg`, ...
pub(super) fn candidates(name: &str) -> impl Iterator<Item = String> + '_ {
    let (stem, ending) = split(name);
    (0..10_000).map(move |number| if number == 0 { name.to_owned() } else { format!("{stem} ({number}){ending}") })
}

fn is_fine(c: char) -> bool {
    let reserved = matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*');
    // What becomes a visible mark on the screen would be a hidden character in a name.
    let hidden = crate::wire::SafeText::line(c.encode_utf8(&mut [0; 4])).as_str() != c.encode_utf8(&mut [0; 4]);
    !reserved && !c.is_control() && (!hidden || c == ' ')
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let numbered = |kind| stem.strip_prefix(kind).is_some_and(|rest| rest.chars().count() == 1);
    DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

/// The stem, and the ending with its dot if it is short enough to be one.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= ENDING_BYTES_MAX => name.split_at(dot),
        _ => (name, ""),
    }
}

fn cut(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let (stem, ending) = split(name);
    let end = stem.floor_char_boundary(NAME_BYTES_MAX - ending.len());
    format!("{}{ending}", stem[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn foreign_names_become_safe_ones() {
        let long = format!("{}.tar.gz", "n".repeat(300));
        for (foreign, safe) in [
            ("photo.jpg", "photo.jpg"),
            ("Fotos vom See.jpg", "Fotos vom See.jpg"),
            ("Übergröße.pdf", "Übergröße.pdf"),
            ("../../etc/passwd", "passwd"),
            ("/etc/passwd", "passwd"),
            ("C:\\Windows\\system.ini", "system.ini"),
            ("a/b/..", "file"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            ("/", "file"),
            ("   ", "file"),
            (".bashrc", "_bashrc"),
            ("...hidden", "_hidden"),
            ("-rf", "_rf"),
            ("--help", "_help"),
            ("~root", "_root"),
            ("a\0b", "a_b"),
            ("a\nb\u{1b}[2J", "a_b_[2J"),
            ("exe\u{202e}gpj.exe", "exe_gpj.exe"),
            ("zero\u{200b}width", "zero_width"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("LPT1.doc", "_LPT1.doc"),
            ("console.log", "console.log"),
            ("what?.txt", "what_.txt"),
            ("dots...", "dots"),
            ("trailing. . ", "trailing"),
        ] {
            assert_eq!(safe_name(foreign), safe, "{foreign:?}");
        }
        assert_eq!(safe_name(&long), format!("{}.gz", "n".repeat(177)));
    }

    #[test]
    fn taken_names_get_a_number_before_the_ending() {
        let first: Vec<String> = candidates("photo.jpg").take(3).collect();
        assert_eq!(first, ["photo.jpg", "photo (1).jpg", "photo (2).jpg"]);
        assert_eq!(candidates("README").nth(1).unwrap(), "README (1)");
    }

    proptest! {
        #[test]
        fn every_name_is_one_visible_component(foreign in prop_oneof![
            ".{0,400}", "[./\\\\ -]{0,20}", "\\PC{0,300}", "(\\.\\./){1,50}[a-z]{0,4}", "[\\x00-\\x1f]{0,8}",
        ]) {
            let name = safe_name(&foreign);
            prop_assert!(!name.is_empty() && name.len() <= NAME_BYTES_MAX, "{:?}", name);
            prop_assert!(!name.contains(['/', '\\', '\0']), "{:?}", name);
            prop_assert!(!name.starts_with(['.', '-', ' ', '~']) && !name.ends_with(['.', ' ']), "{:?}", name);
            let shown = crate::wire::SafeText::line(&name);
            prop_assert_eq!(shown.as_str(), name.as_str());
            let path = std::path::Path::new("/sandbox").join(&name);
            prop_assert_eq!(path.parent(), Some(std::path::Path::new("/sandbox")));
            prop_assert_eq!(safe_name(&name), name);
        }
    }
}
