//! What an integer may be.

use serde_json::{Number, Value, json};

/// 2^53 − 1: past it, clients that count in doubles are not exact.
const SAFE: i64 = 9_007_199_254_740_991;

#[derive(Debug, Clone, Copy)]
pub struct Whole {
    least: i64,
    most: i64,
}

impl Whole {
    pub const fn between(least: i64, most: i64) -> Self {
        Self { least, most }
    }

    /// Above zero; the message says so.
    pub const fn positive(most: i64) -> Self {
        Self { least: i64::MIN, most }
    }

    pub const fn any() -> Self {
        Self { least: -SAFE, most: SAFE }
    }

    pub(super) fn outline(self) -> Value {
        match self {
            Self { least: i64::MIN, most } => {
                json!({ "type": "integer", "exclusiveMinimum": 0, "maximum": most })
            }
            Self { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        }
    }

    pub(super) fn check(self, number: &Number) -> Result<i64, String> {
        let whole = whole(number)?;
        match self {
            Self { least: i64::MIN, .. } if whole <= 0 => {
                Err("Too small: expected number to be >0".to_owned())
            }
            Self { least, .. } if whole < least => {
                Err(format!("Too small: expected number to be >={least}"))
            }
            Self { most, .. } if whole > most => {
                Err(format!("Too big: expected number to be <={most}"))
            }
            Self { .. } => Ok(whole),
        }
    }
}

/// `24.0` is a whole number, too.
fn whole(number: &Number) -> Result<i64, String> {
    let value = number.as_f64().unwrap_or(f64::NAN);
    #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact")]
    let bound = SAFE as f64;
    if value > bound {
        Err(format!("Too big: expected int to be <={SAFE}"))
    } else if value < -bound {
        Err(format!("Too small: expected int to be >=-{SAFE}"))
    } else if value.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        Ok(number.as_i64().unwrap_or(value as i64))
    } else {
        Err("Invalid input: expected int, received number".to_owned())
    }
}
