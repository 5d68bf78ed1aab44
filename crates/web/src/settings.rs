//! The configuration that all tiers share, read once per instance.

use std::sync::OnceLock;

use http::HeaderValue;
use spin_sdk::variables;

use crate::log::{self, Level};

#[derive(Debug, Clone)]
pub struct Settings {
    /// The one origin that browsers may call us from.
    pub cors_origin: HeaderValue,
    /// How many proxies in front of us add to `X-Forwarded-For`.
    pub trusted_proxies: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cors_origin: HeaderValue::from_static("http://localhost:5173"), trusted_proxies: 0 }
    }
}

impl Settings {
    /// What is unusable is logged and left at its default: a typing error in a header's value
    /// must not take the whole service down.
    fn from_text(cors_origin: Option<&str>, trusted_proxies: Option<&str>) -> Self {
        let mut settings = Self::default();
        if let Some(origin) = cors_origin {
            match HeaderValue::from_str(origin) {
                Ok(origin) => settings.cors_origin = origin,
                Err(_) => log::notice(Level::Error, "cors_origin is not a header value"),
            }
        }
        if let Some(count) = trusted_proxies {
            match count.parse() {
                Ok(count) => settings.trusted_proxies = count,
                Err(_) => log::notice(Level::Error, "trusted_proxies is not a number"),
            }
        }
        settings
    }
}

/// Kept once both variables could be read.
pub(crate) async fn load() -> Settings {
    static KEPT: OnceLock<Settings> = OnceLock::new();
    if let Some(kept) = KEPT.get() {
        return kept.clone();
    }
    let (origin, proxies) = (variable("cors_origin").await, variable("trusted_proxies").await);
    let complete = origin.is_ok() && proxies.is_ok();
    let settings =
        Settings::from_text(origin.ok().flatten().as_deref(), proxies.ok().flatten().as_deref());
    if complete { KEPT.get_or_init(|| settings).clone() } else { settings }
}

/// The provider of variables could not answer.
#[derive(Debug, thiserror::Error)]
#[error("a variable could not be read")]
pub struct Unreadable;

/// A variable, trimmed. Undefined and empty are the same: unset.
pub async fn variable(name: &str) -> Result<Option<String>, Unreadable> {
    match variables::get(name).await {
        Ok(value) => Ok(Some(value.trim().to_owned()).filter(|it| !it.is_empty())),
        Err(variables::Error::Undefined(_)) => Ok(None),
        Err(_) => {
            log::notice(Level::Error, &format!("variable {name} could not be read"));
            Err(Unreadable)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_settings_fall_back_to_their_defaults() {
        let settings = Settings::from_text(Some("https://a\nb"), Some("many"));
        assert_eq!(
            (settings.cors_origin.to_str().unwrap(), settings.trusted_proxies),
            ("http://localhost:5173", 0)
        );
        let settings = Settings::from_text(Some("https://console.example"), Some("2"));
        assert_eq!(
            (settings.cors_origin.to_str().unwrap(), settings.trusted_proxies),
            ("https://console.example", 2)
        );
    }
}
