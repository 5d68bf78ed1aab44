//! Time zones by their IANA names, from the data that is compiled in: the same everywhere.

use jiff::{
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};

use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// Transitions to look at when a wall time does not exist.
const NEARBY: usize = 4;

impl Zone {
    /// None for what the IANA database does not name.
    pub fn named(name: &str) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        zone.iana_name().is_some().then_some(Self(zone))
    }

    /// As the database spells it.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or_default()
    }

    /// What clocks on the wall show. None outside the years −9999 to 9999.
    pub fn local(&self, at: Timestamp) -> Option<DateTime> {
        Some(self.0.to_datetime(jiff::Timestamp::from_millisecond(at.0).ok()?))
    }

    /// The instant at which clocks on the wall show this, or would have: where they are put
    /// forward, the first instant after the gap; where they are put back, the earlier one (D-50).
    pub fn instant(&self, wall: DateTime) -> Option<Timestamp> {
        let ambiguous = self.0.to_ambiguous_timestamp(wall);
        let at = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
                ambiguous.earlier().ok()?
            }
            AmbiguousOffset::Gap { after, .. } => {
                let before_the_gap = after.to_timestamp(wall).ok()?;
                let mut nearby = self.0.following(before_the_gap).take(NEARBY);
                nearby.find(|it| self.0.to_datetime(it.timestamp()) > wall)?.timestamp()
            }
        };
        Some(Timestamp(at.as_millisecond()))
    }

    /// RFC 3339 with the offset of the zone, for people to read.
    pub fn show(&self, at: Timestamp) -> Option<String> {
        let zoned = jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(self.0.clone());
        Some(zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_database_are_zones() {
        for name in ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Argentina/Ushuaia"] {
            assert_eq!(Zone::named(name).expect(name).name(), name);
        }
        assert_eq!(Zone::named("europe/berlin").unwrap().name(), "Europe/Berlin");
        for name in
            ["", "Mars/X", "+02:00", "Etc/Unknown", "EST5EDT4,M3", "/etc/localtime", "Local"]
        {
            assert_eq!(Zone::named(name), None, "{name}");
        }
    }

    #[test]
    fn an_instant_is_shown_with_its_offset() {
        let zone = Zone::named("Asia/Kathmandu").unwrap();
        assert_eq!(zone.show(Timestamp(0)).unwrap(), "1970-01-01T05:30:00+05:30");
        assert_eq!(zone.show(Timestamp(i64::MAX)), None);
    }
}
