//! How times, values and ids look to people.

use portcullis_verifier::ActionClass;

/// Seconds of a day.
const DAY_SECS: i64 = 86_400;

/// A moment in milliseconds since 1970 as `2022-08-01 21:32:31.000 UTC`.
pub(super) fn moment(at_ms: i64) -> String {
    let (secs, millis) = (at_ms.div_euclid(1_000), at_ms.rem_euclid(1_000));
    let (days, second) = (secs.div_euclid(DAY_SECS), secs.rem_euclid(DAY_SECS));
    let (year, month, day) = civil(days);
    let minute = second.div_euclid(60);
    let (hour, minute, second) = (minute.div_euclid(60), minute.rem_euclid(60), second.rem_euclid(60));
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03} UTC")
}

/// A moment in chain time, seconds since 1970.
pub(super) fn chain_time(at_s: i64) -> String {
    moment(at_s.saturating_mul(1_000)).replace(".000 UTC", " UTC")
}

/// Year, month and day of a number of days since 1970 in the Gregorian calendar (Hinnant, "chrono-compatible
/// low-level date algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let leap = |n: i64, by: i64| n.div_euclid(by);
    let year_of_era = leap(
        day_of_era
            .saturating_sub(leap(day_of_era, 1_460))
            .saturating_add(leap(day_of_era, 36_524))
            .saturating_sub(leap(day_of_era, 146_096)),
        365,
    );
    let before = year_of_era
        .saturating_mul(365)
        .saturating_add(leap(year_of_era, 4))
        .saturating_sub(leap(year_of_era, 100));
    let day_of_year = day_of_era.saturating_sub(before);
    let shifted_month = leap(day_of_year.saturating_mul(5).saturating_add(2), 153);
    let month_start = leap(shifted_month.saturating_mul(153).saturating_add(2), 5);
    let day = day_of_year.saturating_sub(month_start).saturating_add(1);
    let month =
        if shifted_month < 10 { shifted_month.saturating_add(3) } else { shifted_month.saturating_sub(9) };
    let year = year_of_era.saturating_add(era.saturating_mul(400)).saturating_add(i64::from(month <= 2));
    (year, month, day)
}

/// Micro-USD as `$1,234.56`, cut to cents.
pub(super) fn usd(micro: i64) -> String {
    let whole = micro.div_euclid(1_000_000);
    let cents = micro.rem_euclid(1_000_000).div_euclid(10_000);
    format!("${}.{cents:02}", grouped(whole))
}

/// A number with commas between thousands.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len().saturating_mul(2));
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(index);
        if index > 0 && left.is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}

/// The beginning and the end of a long id.
pub(super) fn short(id: &str) -> String {
    match (id.get(..10), id.get(id.len().saturating_sub(6)..)) {
        (Some(head), Some(tail)) if id.len() > 20 => format!("{head}…{tail}"),
        _ => id.to_owned(),
    }
}

/// A class of action as the configuration and the API write it.
pub(super) fn class_name(class: ActionClass) -> &'static str {
    match class {
        ActionClass::Notify => "notify",
        ActionClass::Tighten => "tighten",
        ActionClass::Hold => "hold",
        ActionClass::Halt => "halt",
    }
}

/// Words as a JSON list holds them, one per line with a dash; nothing for anything else.
pub(super) fn bullets(list: &serde_json::Value, indent: &str) -> String {
    let texts = list.as_array().into_iter().flatten().filter_map(|item| item.as_str());
    texts.map(|text| format!("{indent}- {text}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_follow_the_calendar() {
        assert_eq!(moment(0), "1970-01-01 00:00:00.000 UTC");
        assert_eq!(moment(1_659_389_551_007), "2022-08-01 21:32:31.007 UTC");
        assert_eq!(chain_time(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(moment(-1), "1969-12-31 23:59:59.999 UTC");
        assert_eq!(chain_time(4_107_542_399), "2100-02-28 23:59:59 UTC");
        assert_eq!(chain_time(4_107_542_400), "2100-03-01 00:00:00 UTC");
    }

    #[test]
    fn values_are_cut_not_rounded() {
        assert_eq!(usd(159_580_000_000_000), "$159,580,000.00");
        assert_eq!(usd(1_999_999), "$1.99");
        assert_eq!(usd(0), "$0.00");
        assert_eq!(grouped(-1_234), "-1,234");
        assert_eq!(grouped(999), "999");
    }

    #[test]
    fn long_ids_are_shortened_and_short_ones_kept() {
        assert_eq!(short("0x12"), "0x12");
        assert_eq!(short(&format!("0x{}", "ab".repeat(32))), "0xabababab…ababab");
    }
}
