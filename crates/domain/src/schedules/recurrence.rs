//! On which days a schedule runs.

use jiff::{
    ToSpan as _,
    civil::{Date, Weekday},
};

use super::ScheduleType;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recurrence {
    Once(Date),
    Daily,
    Weekly(Weekdays),
    /// The day of the month, 1–31; the last one where a month is shorter.
    Monthly(i8),
}

/// A set of days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weekdays(u8);

impl Weekdays {
    pub const ALL: Self = Self(0b0111_1111);

    /// From 1–7 distinct numbers, 0 = Sunday.
    pub fn of(numbers: &[u8]) -> Option<Self> {
        let mut days = 0_u8;
        for number in numbers {
            let day = 1_u8.checked_shl((*number).into()).filter(|_| *number <= 6)?;
            if days & day != 0 {
                return None;
            }
            days |= day;
        }
        (days != 0).then_some(Self(days))
    }

    pub fn contains(self, day: Weekday) -> bool {
        self.0 & (1 << day.to_sunday_zero_offset()) != 0
    }
}

impl Recurrence {
    pub const fn kind(&self) -> ScheduleType {
        match self {
            Self::Once(_) => ScheduleType::Once,
            Self::Daily => ScheduleType::Daily,
            Self::Weekly(_) => ScheduleType::Weekly,
            Self::Monthly(_) => ScheduleType::Monthly,
        }
    }

    /// The first day of it, this one included.
    pub(super) fn next_date(self, from: Date) -> Option<Date> {
        match self {
            Self::Once(date) => (date >= from).then_some(date),
            Self::Daily => Some(from),
            Self::Weekly(days) => {
                let week = (0..7).map_while(|it| from.checked_add(it.days()).ok());
                week.into_iter().find(|it| days.contains(it.weekday()))
            }
            Self::Monthly(day) => {
                let in_this = in_month(from, day)?;
                if in_this >= from {
                    return Some(in_this);
                }
                in_month(from.first_of_month().checked_add(1.month()).ok()?, day)
            }
        }
    }
}

fn in_month(date: Date, day: i8) -> Option<Date> {
    Date::new(date.year(), date.month(), day.min(date.days_in_month())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_are_distinct_and_at_least_one() {
        assert!(Weekdays::of(&[0]).unwrap().contains(Weekday::Sunday));
        assert!(Weekdays::of(&[6]).unwrap().contains(Weekday::Saturday));
        assert_eq!(Weekdays::of(&[0, 1, 2, 3, 4, 5, 6]), Some(Weekdays::ALL));
        for numbers in [&[][..], &[7], &[1, 1], &[200]] {
            assert_eq!(Weekdays::of(numbers), None, "{numbers:?}");
        }
    }
}
