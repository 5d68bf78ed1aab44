//! JSON with a limited number of values: ten megabytes of `{"":0}` would take half a gigabyte.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A whole document. Of a key that is there twice the last value counts.
pub(super) fn parse(document: &[u8], most: usize) -> serde_json::Result<Value> {
    let left = Cell::new(most);
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let value = Counted(&left).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Counted<'a>(&'a Cell<usize>);

impl Counted<'_> {
    fn count<E: Error>(self) -> Result<(), E> {
        let left = self.0.get().checked_sub(1).ok_or_else(|| E::custom("too many values"))?;
        self.0.set(left);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            fields.insert(key, value);
        }
        Ok(fields.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(document: &str) {
        let expected = serde_json::from_str::<Value>(document);
        match (parse(document.as_bytes(), 1000), expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read, expected),
            (Err(read), Err(expected)) => assert_eq!(read.to_string(), expected.to_string()),
            (read, expected) => panic!("{read:?} but {expected:?}"),
        }
    }

    #[test]
    fn it_reads_what_any_reader_would() {
        for document in [
            r#"{"a":[1,-1,1.5,-0,1e3,18446744073709551615,true,null,"\u00fc\n",{"a":{}}],"a":2}"#,
            "[]",
            " {} ",
            "",
            "[1,]",
            "{\"a\"}",
            "1e400",
            "[1]x",
            "\"\\ud800\"",
            "nul",
            "9e999",
        ] {
            check(document);
        }
        check(&"[".repeat(1000));
    }

    #[test]
    fn values_are_counted_wherever_they_are() {
        for (document, count) in [("[]", 1), ("[1,2]", 3), (r#"{"a":{"b":[1]},"c":2}"#, 5)] {
            assert!(parse(document.as_bytes(), count).is_ok(), "{document}");
            let refused = parse(document.as_bytes(), count - 1).unwrap_err().to_string();
            assert!(refused.starts_with("too many values"), "{refused}");
        }
    }
}
