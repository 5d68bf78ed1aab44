//! Where a page of a list ended, as clients hold it: the last row's key, opaque to them.
//!
//! A list answers `next_cursor` (null at its end) and goes on from `?cursor=` ([`crate::Query::cursor`]).
//! It is no secret and no permission: whoever invents one sees another part of their own list.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::Problem;

/// In base64. Keys are ids, instants and short texts.
const LONGEST: usize = 2048;

/// The text for a key; `key` is what [`crate::Query::cursor`] shall return, best a tuple.
pub fn encode(key: &impl Serialize) -> Result<String, Problem> {
    let json = serde_json::to_vec(key).map_err(|it| Problem::Unpresentable(it.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

pub(crate) fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let invalid = || Problem::bad_request("Invalid cursor");
    if text.len() > LONGEST {
        return Err(invalid());
    }
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    let key: Value = serde_json::from_slice(&json).map_err(|_| invalid())?;
    if has_nul(&key) {
        return Err(invalid());
    }
    T::deserialize(key).map_err(|_| invalid())
}

/// The database takes no NUL, and JSON could smuggle one in. Its parser bounds the depth.
fn has_nul(key: &Value) -> bool {
    match key {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, it)| name.contains('\0') || has_nul(it)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Key = (Option<i64>, String);

    #[track_caller]
    fn check(key: &Key) {
        assert_eq!(&decode::<Key>(&encode(key).unwrap()).unwrap(), key);
    }

    #[test]
    fn a_key_survives_the_journey() {
        check(&(Some(1_783_761_611_000), "8c1f".into()));
        check(&(None, "é\"\\".into()));
        check(&(None, r"C:\u0000".into()));
        check(&(Some(i64::MAX), r"\\u0000\".into()));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let forged = |json: &str| URL_SAFE_NO_PAD.encode(json);
        for text in [
            String::new(),
            "%%%".into(),
            "bnVsbA==".into(),
            forged("[1]"),
            forged(r#"[1,"a",2]"#),
            forged(r#"["a",1]"#),
            forged(r#"[1,"\u0000"]"#),
            forged(r#"[1,"\ud800"]"#),
            URL_SAFE_NO_PAD.encode(b"[1,\"\xff\"]"),
            "A".repeat(LONGEST + 4),
        ] {
            let Err(Problem::Refused(status, error)) = decode::<Key>(&text) else {
                panic!("{text} was accepted")
            };
            assert_eq!((status.as_u16(), error.as_ref()), (400, "Invalid cursor"), "{text}");
        }
    }
}
