//! Taking an object apart, field by field, with errors that name the field.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use thiserror::Error;

/// A field is missing or not as it must be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// The field with its path, such as `payload.type`.
    pub field: &'static str,
    /// What is wrong with it. Holds no foreign text.
    pub problem: String,
}

impl FieldError {
    pub(super) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

/// The fields of one object. Every getter takes the full path of the field, whose last part is the key, and
/// takes the field out; what is left at the end are fields of later versions.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn new(value: Value, field: &'static str) -> Result<Self, FieldError> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            _ => Err(FieldError::new(field, "must be an object")),
        }
    }

    /// The value, if there is one. `null` is a value: a field that says nothing is left out.
    pub(super) fn optional(&mut self, field: &'static str) -> Option<Value> {
        self.0.remove(field.rsplit('.').next().unwrap_or(field))
    }

    pub(super) fn required(&mut self, field: &'static str) -> Result<Value, FieldError> {
        self.optional(field).ok_or_else(|| FieldError::new(field, "is missing"))
    }

    pub(super) fn object(&mut self, field: &'static str) -> Result<Self, FieldError> {
        Self::new(self.required(field)?, field)
    }

    pub(super) fn optional_object(&mut self, field: &'static str) -> Result<Option<Self>, FieldError> {
        self.optional(field).map(|value| Self::new(value, field)).transpose()
    }

    /// A string of `bytes` bytes of UTF-8.
    pub(super) fn text(&mut self, field: &'static str, bytes: RangeInclusive<usize>) -> Result<String, FieldError> {
        text(self.required(field)?, field, bytes)
    }

    pub(super) fn optional_text(
        &mut self,
        field: &'static str,
        bytes: RangeInclusive<usize>,
    ) -> Result<Option<String>, FieldError> {
        self.optional(field).map(|value| text(value, field, bytes)).transpose()
    }

    /// A string of at most `bytes` bytes that `T` reads.
    pub(super) fn parsed<T>(&mut self, field: &'static str, bytes: usize) -> Result<T, FieldError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        parsed(self.required(field)?, field, bytes)
    }

    pub(super) fn optional_parsed<T>(&mut self, field: &'static str, bytes: usize) -> Result<Option<T>, FieldError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        self.optional(field).map(|value| parsed(value, field, bytes)).transpose()
    }

    /// An integer from 0 to `max`; `default` when it is left out.
    pub(super) fn integer_or(&mut self, field: &'static str, max: u64, default: u64) -> Result<u64, FieldError> {
        self.optional(field).map_or(Ok(default), |value| integer(&value, field, max))
    }

    pub(super) fn integer(&mut self, field: &'static str, max: u64) -> Result<u64, FieldError> {
        integer(&self.required(field)?, field, max)
    }

    pub(super) fn optional_integer(&mut self, field: &'static str, max: u64) -> Result<Option<u64>, FieldError> {
        self.optional(field).map(|value| integer(&value, field, max)).transpose()
    }

    pub(super) fn flag_or(&mut self, field: &'static str, default: bool) -> Result<bool, FieldError> {
        match self.optional(field) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(value),
            Some(_) => Err(FieldError::new(field, "must be true or false")),
        }
    }

    /// A list of `items` values.
    pub(super) fn list(&mut self, field: &'static str, items: RangeInclusive<usize>) -> Result<Vec<Value>, FieldError> {
        list(self.required(field)?, field, items)
    }

    pub(super) fn optional_list(
        &mut self,
        field: &'static str,
        items: RangeInclusive<usize>,
    ) -> Result<Vec<Value>, FieldError> {
        self.optional(field).map_or(Ok(Vec::new()), |value| list(value, field, items))
    }
}

pub(super) fn text(value: Value, field: &'static str, bytes: RangeInclusive<usize>) -> Result<String, FieldError> {
    match value {
        Value::String(text) if bytes.contains(&text.len()) => Ok(text),
        Value::String(_) => {
            Err(FieldError::new(field, format!("must have {} to {} bytes", bytes.start(), bytes.end())))
        }
        _ => Err(FieldError::new(field, "must be a string")),
    }
}

pub(super) fn parsed<T>(value: Value, field: &'static str, bytes: usize) -> Result<T, FieldError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text(value, field, 0..=bytes)?.parse().map_err(|e: T::Err| FieldError::new(field, e.to_string()))
}

fn integer(value: &Value, field: &'static str, max: u64) -> Result<u64, FieldError> {
    match value.as_u64() {
        Some(number) if number <= max => Ok(number),
        _ => Err(FieldError::new(field, format!("must be an integer from 0 to {max}"))),
    }
}

fn list(value: Value, field: &'static str, items: RangeInclusive<usize>) -> Result<Vec<Value>, FieldError> {
    match value {
        Value::Array(list) if items.contains(&list.len()) => Ok(list),
        Value::Array(_) => {
            Err(FieldError::new(field, format!("must have {} to {} entries", items.start(), items.end())))
        }
        _ => Err(FieldError::new(field, "must be a list")),
    }
}

/// Whether every byte is visible ASCII, without spaces.
pub(super) fn is_token(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}
