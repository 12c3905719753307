//! The date, as the battery-backed clock of a PC (CMOS RTC) keeps it.

/// Status register B: hours go to 24; numbers are binary, not decimal digits.
const HOURS_24: u8 = 1 << 1;
const BINARY: u8 = 1 << 2;
/// An hour after noon, where hours go to 12.
const AFTERNOON: u8 = 1 << 7;
/// The clock keeps two digits of the year.
const CENTURY: u64 = 2000;
const SECONDS_PER_DAY: u64 = 86_400;

/// The clock's registers, read while it did not change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Registers 0, 2, 4.
    pub time: [u8; 3],
    /// Registers 7, 8, 9: day, month, year.
    pub date: [u8; 3],
    /// Register 11: how the others are written.
    pub status: u8,
}

/// Seconds since the start of 1970, if the registers hold a date. The clock is taken to show UTC.
pub fn unix_seconds(registers: &Registers) -> Option<u64> {
    let number = |value: u8| if registers.status & BINARY != 0 { Some(u64::from(value)) } else { decimal(value) };
    let [second, minute, hour] = registers.time;
    let [day, month, year] = registers.date;
    let (second, minute) = (number(second)?, number(minute)?);
    let hour = match registers.status & HOURS_24 {
        0 => {
            let half = number(hour & !AFTERNOON).filter(|hour| (1..=12).contains(hour))? % 12;
            half + if hour & AFTERNOON != 0 { 12 } else { 0 }
        }
        _ => number(hour)?,
    };
    let (day, month, year) = (number(day)?, number(month)?, number(year).filter(|year| *year < 100)? + CENTURY);
    let exists = second < 60 && minute < 60 && hour < 24 && day >= 1 && day <= days_of(month, year)?;
    exists.then(|| days_before(day, month, year) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

/// Two decimal digits.
fn decimal(value: u8) -> Option<u64> {
    let (high, low) = (value >> 4, value & 0xf);
    (high < 10 && low < 10).then(|| u64::from(high * 10 + low))
}

fn days_of(month: u64, year: u64) -> Option<u64> {
    match month {
        2 => Some(if year.is_multiple_of(4) { 29 } else { 28 }),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

/// Days from the start of 1970 to a date of this century. Years are counted from March, so that leap days come last.
fn days_before(day: u64, month: u64, year: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months = (month + 9) % 12;
    year * 365 + year / 4 - year / 100 + year / 400 + (months * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod test {
    use super::*;

    const DIGITS: Registers = Registers { time: [0x20, 0x33, 0x03], date: [0x18, 0x05, 0x33], status: HOURS_24 };

    #[test]
    fn every_way_of_writing_a_date() {
        assert_eq!(unix_seconds(&DIGITS), Some(2_000_000_000));
        let binary = Registers { time: [20, 33, 3], date: [18, 5, 33], status: HOURS_24 | BINARY };
        assert_eq!(unix_seconds(&binary), Some(2_000_000_000));
        let morning = Registers { status: 0, ..DIGITS };
        assert_eq!(unix_seconds(&morning), Some(2_000_000_000));
        let afternoon = Registers { time: [0x20, 0x33, 0x83], ..morning };
        assert_eq!(unix_seconds(&afternoon), Some(2_000_000_000 + 12 * 3600));
        let midnight = Registers { time: [0x20, 0x33, 0x12], ..morning };
        assert_eq!(unix_seconds(&midnight), Some(2_000_000_000 - 3 * 3600));
    }

    #[test]
    fn leap_years() {
        let on = |date| unix_seconds(&Registers { time: [0; 3], date, ..DIGITS });
        assert_eq!(on([0x29, 0x02, 0x28]), Some(1_835_395_200));
        assert_eq!(on([0x01, 0x03, 0x28]), Some(1_835_395_200 + SECONDS_PER_DAY));
        assert_eq!(on([0x29, 0x02, 0x27]), None);
        assert_eq!(on([0x01, 0x01, 0x00]), Some(946_684_800));
    }

    #[test]
    fn no_date() {
        let nothing = Registers { time: [0xff; 3], date: [0xff; 3], status: 0xff };
        assert_eq!(unix_seconds(&nothing), None);
        assert_eq!(unix_seconds(&Registers { date: [0x00, 0x05, 0x33], ..DIGITS }), None);
        assert_eq!(unix_seconds(&Registers { date: [0x18, 0x13, 0x33], ..DIGITS }), None);
        assert_eq!(unix_seconds(&Registers { date: [0x18, 0x0a, 0x33], ..DIGITS }), None);
        assert_eq!(unix_seconds(&Registers { time: [0x60, 0, 0], ..DIGITS }), None);
        assert_eq!(unix_seconds(&Registers { time: [0, 0, 0x13], status: 0, ..DIGITS }), None);
    }
}
