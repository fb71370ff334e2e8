use serde_json::{Map, Value};

use super::*;
use crate::wire::{canonical, json};

fn kind_of(text: &str) -> &'static str {
    json::parse(text.as_bytes()).map_or_else(|e| e.kind(), |_| "read")
}

#[test]
fn one_grammar_is_read() {
    for (text, kind) in [
        (" {\"a\":[1,-2,true,null,\"\\ud83d\\ude00\"]} ", "read"),
        ("", "not_json"),
        ("{", "not_json"),
        ("{}x", "not_json"),
        ("{} {}", "not_json"),
        ("{'a':1}", "not_json"),
        ("{\"a\":1,}", "not_json"),
        ("[1 2]", "not_json"),
        ("{\"a\":NaN}", "not_json"),
        ("\u{FEFF}{}", "not_json"),
        ("\"\\ud83d\"", "not_json"),
        ("\"a\nb\"", "not_json"),
        ("01", "not_json"),
        ("{\"a\":1,\"a\":1}", "duplicate_key"),
        ("{\"a\":1,\"b\":{\"c\":[{\"d\":1,\"\\u0064\":2}]}}", "duplicate_key"),
        ("1.0", "bad_number"),
        ("1e3", "bad_number"),
        ("-0", "bad_number"),
        ("9007199254740991", "read"),
        ("9007199254740992", "bad_number"),
        ("-9007199254740992", "bad_number"),
        ("18446744073709551616", "bad_number"),
        ("1e999", "not_json"),
    ] {
        assert_eq!(kind_of(text), kind, "{text}");
    }
    assert!(json::parse(b"\"\xff\"").is_err() && json::parse(b"{\"\xc3\":1}").is_err());
}

#[test]
fn nesting_and_number_of_values_are_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + "]".repeat(depth).as_str();
    assert_eq!(kind_of(&nested(limits::JSON_DEPTH)), "read");
    assert_eq!(kind_of(&nested(limits::JSON_DEPTH + 1)), "too_deep");
    assert_eq!(kind_of(&nested(1_000_000)), "too_deep");
    assert_eq!(kind_of(&("{\"a\":".repeat(33) + "1" + "}".repeat(33).as_str())), "too_deep");
    let wide = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
    assert_eq!(kind_of(&wide(limits::JSON_VALUES)), "read");
    assert_eq!(kind_of(&wide(limits::JSON_VALUES + 1)), "too_many_values");
}

#[test]
fn errors_repeat_foreign_keys_only_as_safe_text() {
    let key = "\\u001b]0;".to_owned() + "x".repeat(500).as_str();
    let error = json::parse(format!("{{\"{key}\":1,\"{key}\":2}}").as_bytes()).unwrap_err().to_string();
    assert!(error.contains('␛') && !error.contains('\x1b') && error.len() < 120, "{error}");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|entries| Value::from(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_form_says_the_same_and_is_a_fixed_point(value in values()) {
        let bytes = canonical::to_vec(&value);
        prop_assert_eq!(&serde_json::from_slice::<Value>(&bytes).unwrap(), &value);
        prop_assert_eq!(&json::parse(&bytes).unwrap(), &value);
        let pretty = serde_json::to_vec_pretty(&value).unwrap();
        prop_assert_eq!(canonical::to_vec(&json::parse(&pretty).unwrap()), bytes);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in jsonish()) {
        if let Ok(value) = json::parse(&bytes) {
            prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
        }
    }
}
