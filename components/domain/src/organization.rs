//! What an organisation decided about itself: one section of its settings per pair of functions.

use serde::{Deserialize, Serialize};
use store::organization_settings::{self, Change};

use crate::{
    Component, audit,
    bindings::exports::myrmidon::domain::{
        organization::{AutoRotation, Guest},
        types::{Actor, Fault},
    },
    call::Call,
    fault,
};

pub(crate) const AUTO_ROTATION: &str = "auto_rotation";
const INTERVAL_DAYS: std::ops::RangeInclusive<u32> = 30..=365;

/// As it is stored. A field that nobody can read has its default, alone.
#[derive(Serialize, Deserialize)]
struct Stored {
    enabled: serde_json::Value,
    interval_days: serde_json::Value,
}

impl Guest for Component {
    async fn find_auto_rotation(by: Actor) -> Result<AutoRotation, Fault> {
        let call = Call::begin()?;
        let found = organization_settings::find(call.db, &by.org_id.into(), AUTO_ROTATION).await?;
        Ok(auto_rotation(found.as_ref().map_or("", |it| &it.value)))
    }

    async fn record_auto_rotation(by: Actor, settings: AutoRotation) -> Result<(), Fault> {
        let call = Call::begin()?;
        let entry = audit::entry(&call, &by, "settings.update");
        let stored = Stored {
            enabled: settings.enabled.into(),
            interval_days: settings.interval_days.into(),
        };
        let value = serde_json::to_string(&stored).map_err(|it| fault::unavailable(&it))?;
        let org = by.org_id.into();
        let change = Change { org: &org, name: AUTO_ROTATION, value: &value, entry: &entry };
        organization_settings::record(call.db, change).await?;
        audit::seal(&call, &org).await;
        Ok(())
    }
}

/// What is stored, in so far as it can be read.
fn auto_rotation(value: &str) -> AutoRotation {
    let stored = serde_json::from_str::<Stored>(value).ok();
    let days = stored.as_ref().and_then(|it| it.interval_days.as_u64());
    let days = days.and_then(|it| u32::try_from(it).ok()).filter(|it| INTERVAL_DAYS.contains(it));
    AutoRotation {
        enabled: stored.is_some_and(|it| it.enabled == true),
        interval_days: days.unwrap_or(90),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, enabled: bool, interval_days: u32) {
        let read = auto_rotation(value);
        assert_eq!((read.enabled, read.interval_days), (enabled, interval_days), "{value}");
    }

    #[test]
    fn what_cannot_be_read_has_its_default() {
        check("", false, 90);
        check(r#"{"enabled":true,"interval_days":60}"#, true, 60);
        check(r#"{"enabled":true,"interval_days":"60"}"#, true, 90);
        check(r#"{"enabled":1,"interval_days":30}"#, false, 30);
        check(r#"{"enabled":true,"interval_days":29}"#, true, 90);
    }
}
