//! Daily prices of a recording, as integers.

use std::{collections::BTreeMap, path::Path};

use crate::table::{self, DatasetError, Place};

/// Seconds of a day.
pub(crate) const DAY_SECS: u64 = 86_400;

/// Price in micro-USD per whole token, by first second of the day and symbol.
pub(crate) type Prices = BTreeMap<(u64, String), u64>;

/// Reads `symbol,date,usd`.
pub(crate) fn load(file: &Path) -> Result<Prices, DatasetError> {
    let mut prices = Prices::new();
    for (place, row) in table::rows(file, ',', 3, true)? {
        let [symbol, date, usd] = row.as_slice() else { continue };
        let day = day_start(date).ok_or_else(|| place.error(format!("'{date}' is not a date")))?;
        prices.insert((day, symbol.clone()), micro(usd, &place)?);
    }
    Ok(prices)
}

/// Decimal dollars as micro-USD; digits beyond the sixth are cut off.
pub(crate) fn micro(text: &str, place: &Place) -> Result<u64, DatasetError> {
    let bad = || place.error(format!("'{text}' is not an amount in dollars"));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = part.chars().chain("000000".chars()).take(6).collect();
    let whole: u64 = whole.parse().map_err(|_not_a_number| bad())?;
    let part: u64 = digits.parse().map_err(|_not_a_number| bad())?;
    whole.checked_mul(1_000_000).and_then(|micro| micro.checked_add(part)).ok_or_else(bad)
}

/// First second of a day written `YYYY-MM-DD`, by the usual count of days in the proleptic Gregorian calendar.
fn day_start(date: &str) -> Option<u64> {
    let mut parts = date.splitn(3, '-');
    let year: i64 = parts.next()?.parse().ok()?;
    let month: i64 = parts.next()?.parse().ok()?;
    let day: i64 = parts.next()?.parse().ok()?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last of its year.
    let year = year.checked_sub(i64::from(month <= 2))?;
    let shifted = month.checked_add(9)?.checked_rem(12)?;
    let day_of_year =
        shifted.checked_mul(153)?.checked_add(2)?.checked_div(5)?.checked_add(day)?.checked_sub(1)?;
    let leaps =
        year.checked_div(4)?.checked_sub(year.checked_div(100)?)?.checked_add(year.checked_div(400)?)?;
    let days = year.checked_mul(365)?.checked_add(leaps)?.checked_add(day_of_year)?.checked_sub(719_468)?;
    u64::try_from(days).ok()?.checked_mul(DAY_SECS)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn dates_become_seconds() {
        assert_eq!(day_start("1970-01-01"), Some(0));
        assert_eq!(day_start("2022-08-01"), Some(1_659_312_000));
        assert_eq!(day_start("2024-02-29"), Some(1_709_164_800));
        assert_eq!(day_start("2022-13-01"), None);
        assert_eq!(day_start("yesterday"), None);
    }

    #[test]
    fn dollars_become_micro_dollars() {
        let place = Place { file: PathBuf::from("prices"), line: 7 };
        assert_eq!(micro("16561.122", &place).ok(), Some(16_561_122_000));
        assert_eq!(micro("0.00000099", &place).ok(), Some(0));
        assert_eq!(micro("1.0004123456", &place).ok(), Some(1_000_412));
        assert!(micro("a lot", &place).is_err());
        assert!(micro("-1", &place).is_err());
    }
}
