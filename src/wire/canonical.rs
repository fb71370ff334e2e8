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
    let mut plain = 0;
    let bytes = text.as_bytes();
    for (i, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => *byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0C => b'f',
            b'\r' => b'r',
            0x00..=0x1F => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..i]);
        plain = i + 1;
        if short == 0 {
            push_display(out, format_args!("\\u{byte:04x}"));
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
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
        // U+1F602 is D83D DE02 in UTF-16 and so comes before U+FB33, though its UTF-8 comes after.
        let json = "{ \"\u{FB33}\": 1, \"\u{1F602}\": 2, \"\u{20AC}\": 3, \"\\r\": 4, \"1\": 5, \"\u{80}\": 6, \"\u{F6}\": 7, \"\": 8 }";
        let want = "{\"\":8,\"\\r\":4,\"1\":5,\"\u{80}\":6,\"\u{F6}\":7,\"\u{20AC}\":3,\"\u{1F602}\":2,\"\u{FB33}\":1}";
        assert_eq!(canonical(json), want);
    }

    #[test]
    fn strings_have_the_fewest_escapes() {
        let json = r#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/\b\f\t\u007f\u2028\ud83d\ude02\u0000""#;
        let want = "\"\u{20AC}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\\b\\f\\t\u{7F}\u{2028}\u{1F602}\\u0000\"";
        assert_eq!(canonical(json), want);
    }

    #[test]
    fn literals_integers_and_lists_have_one_form() {
        let json = " [ null , true,\tfalse, 0, -1, 9007199254740991, -9007199254740991, [ ], { } ]\n";
        assert_eq!(canonical(json), "[null,true,false,0,-1,9007199254740991,-9007199254740991,[],{}]");
    }
}
