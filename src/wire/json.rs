//! Strict JSON (RFC 8259) from strangers: bounded in depth and number of values, without duplicate keys,
//! with integers only.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{SafeText, limits};

/// The largest integer that every JSON reader keeps exactly (RFC 8785 section 3.2.2.3): 2^53 - 1.
pub(super) const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Longest part of a foreign key that is repeated in an error, in bytes.
const SHOWN_KEY_BYTES: usize = 64;

/// Why bytes are not JSON as this program reads it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JsonError {
    /// Not JSON at all, or not UTF-8, or cut off, or followed by something else.
    #[error("not JSON: {0}")]
    Syntax(SafeText),
    /// The same key twice in one object; two readers might see two different messages.
    #[error("the key `{0}` is there twice")]
    DuplicateKey(SafeText),
    /// Nested deeper than [`limits::JSON_DEPTH`].
    #[error("nested deeper than {} levels", limits::JSON_DEPTH)]
    TooDeep,
    /// More values than [`limits::JSON_VALUES`].
    #[error("more than {} values", limits::JSON_VALUES)]
    TooManyValues,
    /// A number with a fraction or an exponent, or beyond 2^53 - 1 either way.
    #[error("a number is not an integer between -(2^53 - 1) and 2^53 - 1")]
    Number,
}

impl JsonError {
    /// A stable name for counting refusals.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "not_json",
            Self::DuplicateKey(_) => "duplicate_key",
            Self::TooDeep => "too_deep",
            Self::TooManyValues => "too_many_values",
            Self::Number => "bad_number",
        }
    }
}

/// Reads one JSON value that fills `bytes` but for white space around it. The caller bounds the length.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let state = State { values_left: Cell::new(limits::JSON_VALUES), fault: RefCell::new(None) };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let result = Seed { state: &state, depth: 0 }.deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    result.map_err(|e| match state.fault.take() {
        Some(fault) => fault,
        None => JsonError::Syntax(SafeText::line(&e.to_string())),
    })
}

/// What one parse shares between its levels: the budget, and the typed reason, which serde's own error
/// cannot carry.
struct State {
    values_left: Cell<usize>,
    fault: RefCell<Option<JsonError>>,
}

#[derive(Clone, Copy)]
struct Seed<'s> {
    state: &'s State,
    depth: usize,
}

impl Seed<'_> {
    fn refuse<E: serde::de::Error>(self, fault: JsonError) -> E {
        let error = E::custom(&fault);
        self.state.fault.replace(Some(fault));
        error
    }

    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == limits::JSON_DEPTH {
            return Err(self.refuse(JsonError::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.state.values_left.get().checked_sub(1) {
            Some(left) => self.state.values_left.set(left),
            None => return Err(self.refuse(JsonError::TooManyValues)),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > INTEGER_MAX {
            return Err(self.refuse(JsonError::Number));
        }
        Ok(value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > INTEGER_MAX {
            return Err(self.refuse(JsonError::Number));
        }
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Value, E> {
        Err(self.refuse(JsonError::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                let shown = SafeText::line_bounded(&key, SHOWN_KEY_BYTES);
                return Err(self.refuse(JsonError::DuplicateKey(shown)));
            }
            let value = entries.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
