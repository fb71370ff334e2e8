//! Who may know whom: the order of the rooms that `ARCHITECTURE.md` gives, held to the code.

use std::{collections::BTreeSet, fs, path::Path};

/// Each room imports only rooms of the lines above its own.
const ORDER: &[&[&str]] = &[
    &["wire"],
    &["pgp", "delivery"],
    &["identity"],
    &["store", "transport"],
    &["home"],
    &["node", "serve"],
    &["tui"],
    &["demo", "cli"],
    &["launch"],
];

#[test]
fn a_room_imports_only_rooms_before_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut before: BTreeSet<&str> = BTreeSet::new();
    for line in ORDER {
        for room in *line {
            let mut imports = BTreeSet::new();
            collect(&source.join(room), &mut imports);
            imports.remove(*room);
            assert!(!imports.is_empty() || *room != "node", "nothing was read of {room}");
            let beyond: Vec<_> = imports.iter().filter(|name| !before.contains(name.as_str())).collect();
            assert!(beyond.is_empty(), "{room} imports {beyond:?}");
        }
        before.extend(*line);
    }
}

#[test]
fn every_room_is_in_the_order_and_in_the_map() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    for entry in fs::read_dir(root.join("src")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() && name != "bin" {
            assert!(ORDER.iter().any(|line| line.contains(&name.as_str())), "{name} has no place in the order");
            assert!(page.contains(&format!("| `{name}` |")), "{name} is not in ARCHITECTURE.md");
        }
    }
}

/// The rooms that the code of a folder names, tests and comments left out.
fn collect(folder: &Path, imports: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name.contains("test") || name == "sim" {
            continue;
        }
        if path.is_dir() {
            collect(&path, imports);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = lines.collect::<Vec<_>>().join("\n");
            for rest in code.split("crate::").skip(1) {
                imports.extend(first_names(rest));
            }
        }
    }
}

/// The first name behind `crate::`, or each first name of the braces there.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(inside) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut parts) = (1, vec![String::new()]);
    for c in inside.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => parts.push(String::new()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if let Some(part) = parts.last_mut().filter(|_| depth == 1 && !matches!(c, ',' | '}')) {
            part.push(c);
        }
    }
    parts.iter().map(|part| name(part.trim())).filter(|name| !name.is_empty()).collect()
}
