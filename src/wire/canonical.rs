//! Canonical JSON (RFC 8785), the one form of a value that is signed and hashed.

use std::io::Write;

use serde_json::Value;

/// The canonical bytes of `value`: no white space, keys in the order of their UTF-16 code units, strings
/// with the fewest escapes. Numbers must be integers within 2^53 - 1, which [`super::json::parse`] sees to
/// and which our own types keep.
pub(super) fn to_vec(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(estimate(value));
    write_value(&mut out, value);
    out
}

/// Close to the length of the result, so that a large one is allocated once.
fn estimate(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + text.len() / 32 + 4,
        Value::Array(items) => 2 + items.iter().map(|item| 1 + estimate(item)).sum::<usize>(),
        Value::Object(map) => 2 + map.iter().map(|(key, item)| key.len() + 4 + estimate(item)).sum::<usize>(),
        _ => 8,
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => push_display(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                write_value(out, item);
            }
            out.push(b'}');
        }
    }
}

/// RFC 8785 section 3.2.2.2.
fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = first_escaped(rest) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let Some((byte, after)) = from.split_first() {
            write_escape(out, *byte);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Bytes that are looked at together: most of an envelope is armor, in which an escape comes every 64 bytes.
const BLOCK: usize = 16;

/// Where the first byte is that cannot stand for itself.
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    // No early end within a block: so the compiler makes few instructions of it.
    let plain = |block: &&[u8]| !block.iter().fold(false, |any, byte| any | is_escaped(*byte));
    let from = bytes.chunks_exact(BLOCK).take_while(plain).count() * BLOCK;
    bytes.iter().skip(from).position(|byte| is_escaped(*byte)).map(|at| from + at)
}

fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0C => b'f',
        b'\r' => b'r',
        _ => return push_display(out, format_args!("\\u{byte:04x}")),
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn push_display(out: &mut Vec<u8>, item: impl std::fmt::Display) {
    // Writing to a Vec has no way to fail.
    let _ = write!(out, "{item}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(json: &str) -> String {
        String::from_utf8(to_vec(&super::super::json::parse(json.as_bytes()).unwrap())).unwrap()
    }

    #[test]
    fn keys_are_sorted_by_utf16_code_units() {
        // U+1F980 is D83E DD80 in UTF-16 and so comes before U+FF5E, though its UTF-8 comes after.
        let json =
            "{ \"\u{FF5E}\": 1, \"\u{1F980}\": 2, \"\u{3A9}\": 3, \"\\t\": 4, \"Z\": 5, \"a\": 6, \"aa\": 7, \"\": 8 }";
        let want = "{\"\":8,\"\\t\":4,\"Z\":5,\"a\":6,\"aa\":7,\"\u{3A9}\":3,\"\u{1F980}\":2,\"\u{FF5E}\":1}";
        assert_eq!(canonical(json), want);
    }

    #[test]
    fn strings_have_the_fewest_escapes() {
        let json = r#""\u0041\u00e9\ud83e\udd80\/\u0022\u005C\u0008\u0009\u000A\u000C\u000D\u0000\u001B\u007F\u2028""#;
        let want = "\"A\u{E9}\u{1F980}/\\\"\\\\\\b\\t\\n\\f\\r\\u0000\\u001b\u{7F}\u{2028}\"";
        assert_eq!(canonical(json), want);
    }

    #[test]
    fn an_escape_is_found_wherever_it_stands() {
        for length in 0..3 * BLOCK {
            let plain = "x".repeat(length);
            assert_eq!(canonical(&format!("\"{plain}\"")), format!("\"{plain}\""));
            for at in 0..length {
                let (before, after) = ("\u{E9}".repeat(at), "~".repeat(length - at));
                let want = format!("\"{before}\\n{after}\"");
                assert_eq!(canonical(&want), want);
            }
        }
    }

    #[test]
    fn literals_integers_and_lists_have_one_form() {
        let json = " [ null , true,\tfalse, 0, -1, 9007199254740991, -9007199254740991, [ ], { } ]\n";
        assert_eq!(canonical(json), "[null,true,false,0,-1,9007199254740991,-9007199254740991,[],{}]");
    }
}
