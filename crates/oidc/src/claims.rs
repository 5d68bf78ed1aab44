//! What a token claims (RFC 7519 §4.1), and whether it holds now and for us.

use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{Person, Rejected, Settings};

/// How far the issuer's clock and ours may differ.
const LEEWAY_SECONDS: f64 = 5.0;

#[derive(Deserialize)]
pub(crate) struct Claims {
    sub: String,
    /// Seconds since the epoch, possibly with a fraction.
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    iss: Option<String>,
    aud: Option<Audience>,
    azp: Option<String>,
    /// The state of the issuer's session.
    sts: Option<String>,

    // Claims that are not registered: whatever is not as expected is as if it were absent.
    #[serde(default)]
    v: Value,
    #[serde(default)]
    org_id: Value,
    /// The organisation in version 2 of the issuer's tokens.
    #[serde(default)]
    o: Value,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Claims {
    pub(crate) fn person(self, settings: &Settings, now: Timestamp) -> Result<Person, Rejected> {
        self.check_time(now)?;
        self.check_recipient(settings)?;
        if self.sts.as_deref() == Some("pending") {
            return Err(Rejected::PendingSession);
        }
        let person = Person {
            org: self.org(),
            role: text(&self.metadata["role"]).map(str::to_owned),
            user: self.sub,
        };
        let storable = |it: &String| !it.is_empty() && !it.contains('\0');
        if storable(&person.user) && person.org.iter().all(storable) {
            Ok(person)
        } else {
            Err(Rejected::BadClaims)
        }
    }

    fn check_time(&self, now: Timestamp) -> Result<(), Rejected> {
        #[expect(clippy::cast_precision_loss, reason = "exact for the next 280,000 years")]
        let now = now.0 as f64 / 1000.0;
        let later = |instant: f64| instant > now + LEEWAY_SECONDS;
        if self.exp + LEEWAY_SECONDS <= now {
            return Err(Rejected::Expired);
        }
        if self.nbf.is_some_and(later) || self.iat.is_some_and(later) {
            return Err(Rejected::NotYetValid);
        }
        Ok(())
    }

    fn check_recipient(&self, settings: &Settings) -> Result<(), Rejected> {
        if settings.issuer.is_some() && self.iss != settings.issuer {
            return Err(Rejected::WrongIssuer);
        }
        let audiences = match &self.aud {
            None => &[],
            Some(Audience::One(one)) => std::slice::from_ref(one),
            Some(Audience::Many(many)) => many.as_slice(),
        };
        let wanted = &settings.audiences;
        if !wanted.is_empty() && !audiences.iter().any(|it| wanted.contains(it)) {
            return Err(Rejected::WrongAudience);
        }
        let parties = &settings.authorized_parties;
        if !parties.is_empty() && !self.azp.as_ref().is_some_and(|it| parties.contains(it)) {
            return Err(Rejected::WrongParty);
        }
        Ok(())
    }

    /// The active organisation, else one that a customised token names.
    fn org(&self) -> Option<String> {
        let active = if self.v == 2 { text(&self.o["id"]) } else { None };
        let named = active.or_else(|| text(&self.org_id)).or_else(|| text(&self.o["id"]));
        named.or_else(|| text(&self.metadata["org_id"])).map(str::to_owned)
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|it| !it.is_empty())
}
