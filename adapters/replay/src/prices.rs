//! Daily prices of a recording, as integers.

use std::{collections::BTreeMap, path::Path};

use portcullis_verifier::Slug;

use crate::{
    table::{self, DatasetError, Place},
    tokens::slug,
};

/// Seconds of a day.
pub(crate) const DAY_SECS: u64 = 86_400;

/// Price in micro-USD per whole token, by first second of the day and symbol.
pub(crate) type Prices = BTreeMap<(u64, Slug), u64>;

/// Reads `symbol,date,usd`.
pub(crate) fn load(file: &Path) -> Result<Prices, DatasetError> {
    let mut prices = Prices::new();
    for (place, row) in table::rows(file, ',', 3, true)? {
        let [symbol, date, usd] = row.as_slice() else { continue };
        let day = day_start(date).ok_or_else(|| place.error(format!("'{date}' is not a date")))?;
        if prices.insert((day, slug(symbol, &place)?), micro(usd, &place)?).is_some() {
            return Err(place.error(format!("{symbol} has two prices on {date}")));
        }
    }
    Ok(prices)
}

/// Decimal dollars as micro-USD; digits beyond the sixth are cut off.
pub(crate) fn micro(text: &str, place: &Place) -> Result<u64, DatasetError> {
    let bad = || place.error(format!("'{text}' is not an amount in dollars"));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let digits: String = part.chars().chain("000000".chars()).take(6).collect();
    let whole: u64 = whole.parse().map_err(|_not_a_number| bad())?;
    let part: u64 = digits.parse().map_err(|_not_a_number| bad())?;
    whole.checked_mul(1_000_000).and_then(|micro| micro.checked_add(part)).ok_or_else(bad)
}

/// First second of a day written `YYYY-MM-DD`; none for a day that no calendar has.
fn day_start(date: &str) -> Option<u64> {
    let mut parts = date.splitn(3, '-');
    let mut part = |length: usize| {
        let digits = parts.next().filter(|p| p.len() == length && p.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u64>().ok())
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let years = (1970..year).map(|year| if is_leap(year) { 366u64 } else { 365 });
    let months = (1..month).map(|month| days_of(year, month));
    years.chain(months).fold(day.checked_sub(1)?, u64::saturating_add).checked_mul(DAY_SECS)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
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
        assert_eq!(day_start("2000-03-01"), Some(951_868_800));
        assert_eq!(day_start("2022-13-01"), None);
        assert_eq!(day_start("2022-02-29"), None);
        assert_eq!(day_start("2022-8-1"), None);
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
        assert!(micro("1.+5", &place).is_err());
    }
}
