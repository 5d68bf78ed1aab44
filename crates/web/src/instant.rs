//! Instants as text: ISO 8601 with milliseconds out; RFC 3339 and HTTP-date in.
//!
//! Inside, an instant is Unix milliseconds. Epoch numbers as digits are not instants (fleet.md §2.2).

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_MS: i64 = 86_400_000;
/// 0000-01-01 and the last millisecond of 9999, the years that the text form can hold.
const FIRST: i64 = -62_167_219_200_000;
const LAST: i64 = 253_402_300_799_999;

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`, without an allocation.
pub struct Text([u8; 24]);

impl Text {
    /// Instants outside the years 0–9999 show as the nearest one inside.
    pub fn of(unix_ms: i64) -> Self {
        let unix_ms = unix_ms.clamp(FIRST, LAST);
        let (year, month, day) = civil(unix_ms.div_euclid(DAY_MS));
        let in_day = unix_ms.rem_euclid(DAY_MS);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        write_digits(&mut text[0..4], year);
        write_digits(&mut text[5..7], month);
        write_digits(&mut text[8..10], day);
        write_digits(&mut text[11..13], in_day / 3_600_000);
        write_digits(&mut text[14..16], in_day / 60_000 % 60);
        write_digits(&mut text[17..19], in_day / 1000 % 60);
        write_digits(&mut text[20..23], in_day % 1000);
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits and separators are ASCII")
    }
}

/// What a client may send as an instant, as Unix milliseconds.
pub fn parse(text: &str) -> Option<i64> {
    rfc3339(text).or_else(|| http_date(text))
}

/// RFC 3339 with any offset and 0–9 fraction digits; digits past the third are cut off.
fn rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let punctuation = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if bytes.len() < 20
        || punctuation.iter().any(|&(at, mark)| bytes[at] != mark)
        || !matches!(bytes[10], b'T' | b't')
    {
        return None;
    }
    let (year, month, day) = (digits(&bytes[0..4])?, digits(&bytes[5..7])?, digits(&bytes[8..10])?);
    let (hour, minute, second) =
        (digits(&bytes[11..13])?, digits(&bytes[14..16])?, digits(&bytes[17..19])?);
    if !(1..=12).contains(&month)
        || day < 1
        || day > days_in(year, month)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let (milliseconds, zone) = fraction(&bytes[19..])?;
    let seconds =
        day_number(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
    Some(seconds * 1000 + milliseconds)
}

fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let length = rest.iter().take_while(|it| it.is_ascii_digit()).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let shown = &rest[..length.min(3)];
    let scale = [100, 10, 1][shown.len() - 1];
    Some((digits(shown)? * scale, &rest[length..]))
}

/// Seconds east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let seconds = hours * 3600 + minutes * 60;
            (hours <= 23 && minutes <= 59).then_some(if *sign == b'+' { seconds } else { -seconds })
        }
        _ => None,
    }
}

fn http_date(text: &str) -> Option<i64> {
    let at: SystemTime = httpdate::parse_http_date(text).ok()?;
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter()
        .try_fold(0, |number, it| it.is_ascii_digit().then(|| number * 10 + i64::from(it - b'0')))
}

fn write_digits(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March,
/// so that the leap day comes last; 400 of them have 146,097 days.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (cycle, in_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    cycle * 146_097 + in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + in_year - 719_468
}

/// The inverse of [`day_number`].
fn civil(day_number: i64) -> (i64, i64, i64) {
    let days = day_number + 719_468;
    let (cycle, in_cycle) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (in_cycle - in_cycle / 1460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
    let in_year = in_cycle - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (cycle * 400 + year + i64::from(month <= 2), month, day)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(parse(text), expected, "{text}");
    }

    #[test]
    fn rfc_3339_is_read_with_any_offset_and_fraction() {
        check("2026-07-11T14:24:22Z", Some(1_783_779_862_000));
        check("2026-07-11T14:24:22+00:00", Some(1_783_779_862_000));
        check("2026-07-11T16:24:22+02:00", Some(1_783_779_862_000));
        check("2026-07-11t08:54:22.5-05:30", Some(1_783_779_862_500));
        check("2026-07-11T14:24:22.481207331Z", Some(1_783_779_862_481));
        check("1969-12-31T23:59:59.999Z", Some(-1));
    }

    #[test]
    fn http_dates_are_read() {
        check("Sat, 11 Jul 2026 14:24:22 GMT", Some(1_783_779_862_000));
    }

    #[test]
    fn nothing_else_is_an_instant() {
        for text in [
            "",
            "not-a-date",
            "1783779862",
            "1783779862000",
            "2026-07-11 14:24:22",
            "2026-07-11T14:24:22",
            "2026-07-11T14:24:22.Z",
            "2026-07-11T14:24:22.1234567890Z",
            "2026-13-11T14:24:22Z",
            "2026-02-29T14:24:22Z",
            "2026-07-11T24:00:00Z",
            "2026-07-11T14:24:22+0200",
            "2026-07-11T14:24:22Zé",
            "２026-07-11T14:24:22Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn an_instant_is_written_with_milliseconds() {
        assert_eq!(Text::of(1_783_761_632_004).as_str(), "2026-07-11T09:20:32.004Z");
        assert_eq!(Text::of(0).as_str(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Text::of(-1).as_str(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Text::of(i64::MAX).as_str(), "9999-12-31T23:59:59.999Z");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(unix_ms in FIRST..=LAST) {
            prop_assert_eq!(parse(Text::of(unix_ms).as_str()), Some(unix_ms));
        }

        #[test]
        fn no_text_makes_the_reader_fail(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }
    }
}
