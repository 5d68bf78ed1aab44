//! Values as the database knows them, and total decoding of rows.
//!
//! Each reader moves its column out of the row, so that no text is copied; a
//! value the caller cannot hold becomes [`Error::Corrupt`], naming the caller's line.

use std::{panic::Location, str::FromStr};

use domain::{
    secrets::Digest,
    time::{Span, Timestamp},
};

use crate::Error;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// One row of a result. Read each column once.
#[derive(Debug, Clone, PartialEq)]
pub struct Row(Vec<Value>);

impl Row {
    pub fn new(values: Vec<Value>) -> Self {
        Self(values)
    }

    fn take(&mut self, column: usize) -> Option<Value> {
        self.0.get_mut(column).map(|it| std::mem::replace(it, Value::Null))
    }

    /// Whether the column holds no value.
    pub fn is_null(&self, column: usize) -> bool {
        matches!(self.0.get(column), Some(Value::Null))
    }

    #[track_caller]
    pub fn integer<T: TryFrom<i64>>(&mut self, column: usize) -> Result<T, Error> {
        match self.take(column) {
            Some(Value::Integer(it)) => T::try_from(it).map_err(|_| corrupt()),
            _ => Err(corrupt()),
        }
    }

    #[track_caller]
    pub fn optional_integer(&mut self, column: usize) -> Result<Option<i64>, Error> {
        match self.take(column) {
            Some(Value::Integer(it)) => Ok(Some(it)),
            Some(Value::Null) => Ok(None),
            _ => Err(corrupt()),
        }
    }

    #[track_caller]
    pub fn optional_real(&mut self, column: usize) -> Result<Option<f64>, Error> {
        match self.take(column) {
            Some(Value::Real(it)) => Ok(Some(it)),
            Some(Value::Null) => Ok(None),
            _ => Err(corrupt()),
        }
    }

    #[track_caller]
    pub fn flag(&mut self, column: usize) -> Result<bool, Error> {
        match self.take(column) {
            Some(Value::Integer(0)) => Ok(false),
            Some(Value::Integer(1)) => Ok(true),
            _ => Err(corrupt()),
        }
    }

    #[track_caller]
    pub fn timestamp(&mut self, column: usize) -> Result<Timestamp, Error> {
        match self.take(column) {
            Some(Value::Integer(it)) => Ok(Timestamp(it)),
            _ => Err(corrupt()),
        }
    }

    #[track_caller]
    pub fn optional_timestamp(&mut self, column: usize) -> Result<Option<Timestamp>, Error> {
        match self.take(column) {
            Some(Value::Integer(it)) => Ok(Some(Timestamp(it))),
            Some(Value::Null) => Ok(None),
            _ => Err(corrupt()),
        }
    }

    #[track_caller]
    pub fn text(&mut self, column: usize) -> Result<String, Error> {
        match self.take(column) {
            Some(Value::Text(it)) => Ok(it),
            _ => Err(corrupt()),
        }
    }

    #[track_caller]
    pub fn optional_text(&mut self, column: usize) -> Result<Option<String>, Error> {
        match self.take(column) {
            Some(Value::Text(it)) => Ok(Some(it)),
            Some(Value::Null) => Ok(None),
            _ => Err(corrupt()),
        }
    }

    /// A text of a closed set.
    #[track_caller]
    pub fn parsed<T: FromStr>(&mut self, column: usize) -> Result<T, Error> {
        match self.take(column) {
            Some(Value::Text(it)) => it.parse().map_err(|_| corrupt()),
            _ => Err(corrupt()),
        }
    }

    /// A text of a closed set, or none.
    #[track_caller]
    pub fn optional_parsed<T: FromStr>(&mut self, column: usize) -> Result<Option<T>, Error> {
        if self.is_null(column) { Ok(None) } else { self.parsed(column).map(Some) }
    }

    #[track_caller]
    pub fn blob(&mut self, column: usize) -> Result<Vec<u8>, Error> {
        match self.take(column) {
            Some(Value::Blob(it)) => Ok(it),
            _ => Err(corrupt()),
        }
    }

    #[track_caller]
    pub fn optional_blob(&mut self, column: usize) -> Result<Option<Vec<u8>>, Error> {
        match self.take(column) {
            Some(Value::Blob(it)) => Ok(Some(it)),
            Some(Value::Null) => Ok(None),
            _ => Err(corrupt()),
        }
    }

    #[track_caller]
    pub fn bytes<const N: usize>(&mut self, column: usize) -> Result<[u8; N], Error> {
        match self.take(column) {
            Some(Value::Blob(it)) => it.try_into().map_err(|_| corrupt()),
            _ => Err(corrupt()),
        }
    }
}

#[track_caller]
fn corrupt() -> Error {
    Error::Corrupt { decoded_at: Location::caller() }
}

impl From<i64> for Value {
    fn from(it: i64) -> Self {
        Self::Integer(it)
    }
}

impl From<u32> for Value {
    fn from(it: u32) -> Self {
        Self::Integer(it.into())
    }
}

impl From<u64> for Value {
    /// Counts and sizes; nothing here reaches 2^63.
    fn from(it: u64) -> Self {
        Self::Integer(it.cast_signed())
    }
}

impl From<u8> for Value {
    fn from(it: u8) -> Self {
        Self::Integer(it.into())
    }
}

impl From<f64> for Value {
    fn from(it: f64) -> Self {
        Self::Real(it)
    }
}

impl From<bool> for Value {
    fn from(it: bool) -> Self {
        Self::Integer(it.into())
    }
}

impl From<&str> for Value {
    fn from(it: &str) -> Self {
        Self::Text(it.to_owned())
    }
}

impl From<String> for Value {
    fn from(it: String) -> Self {
        Self::Text(it)
    }
}

impl From<&String> for Value {
    fn from(it: &String) -> Self {
        Self::Text(it.clone())
    }
}

impl From<&[u8]> for Value {
    fn from(it: &[u8]) -> Self {
        Self::Blob(it.to_vec())
    }
}

impl From<Timestamp> for Value {
    fn from(it: Timestamp) -> Self {
        Self::Integer(it.0)
    }
}

/// In milliseconds.
impl From<Span> for Value {
    fn from(it: Span) -> Self {
        Self::Integer(it.as_millis())
    }
}

impl From<&Digest> for Value {
    fn from(it: &Digest) -> Self {
        Self::Blob(it.as_bytes().to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(it: Option<T>) -> Self {
        it.map_or(Self::Null, Into::into)
    }
}

macro_rules! ids {
    ($($id:ident),+) => {$(
        impl From<&domain::ids::$id> for Value {
            fn from(it: &domain::ids::$id) -> Self {
                Self::Text(it.0.clone())
            }
        }
    )+};
}

ids!(
    AgentId,
    TaskId,
    ScheduleId,
    TokenId,
    BatchId,
    OrgId,
    UserId,
    SessionId,
    ApiKeyId,
    InvitationId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_is_corrupt_and_names_the_line() {
        let mut row = Row::new(vec![Value::from("seven")]);
        let Err(Error::Corrupt { decoded_at }) = row.integer::<u32>(0) else { panic!() };
        assert!(decoded_at.file().ends_with("row.rs"));
        assert!(matches!(row.text(9), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn an_integer_out_of_range_is_corrupt() {
        assert!(Row::new(vec![Value::from(-1_i64)]).integer::<u32>(0).is_err());
        assert!(Row::new(vec![Value::from(2_i64)]).flag(0).is_err());
    }
}
