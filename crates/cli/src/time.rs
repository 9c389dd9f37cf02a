//! Times as people type them, and as the command prints them.

use atthene_core::UnixMs;
use atthene_core::activity::Span;
use atthene_core::keys::Expiry;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// `30d`, `2027-01-31` (the end of that day here) or `never`.
pub(crate) fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    if let Some(days) = text.strip_suffix('d') {
        let days: u64 = days.parse().map_err(|_| HELP)?;
        // How many are too many is said by who knows it.
        return Ok(Expiry::Days { days: days.try_into().unwrap_or(u16::MAX) });
    }
    last_moment(text).map(|at| Expiry::At { at }).map_err(|_| HELP.into())
}

/// The last millisecond of a day here, written as `2027-01-31`.
pub(crate) fn last_moment(day: &str) -> Result<UnixMs, String> {
    let at = || -> Result<i64, jiff::Error> {
        let day: Date = day.parse()?;
        Ok(day.tomorrow()?.to_zoned(TimeZone::system())?.timestamp().as_millisecond() - 1)
    };
    at().map(UnixMs).map_err(|_| "a day, as in 2027-01-31".into())
}

const HELP: &str = "30d, 2027-01-31 or never";

/// 1, 7, 30 or 90 days.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    let days: i64 = text.parse().map_err(|_| "1, 7, 30 or 90")?;
    let all = [Span::Day, Span::Week, Span::Month, Span::Quarter];
    all.into_iter().find(|span| span.days() == days).ok_or_else(|| "1, 7, 30 or 90".into())
}

/// `7d`, `12h` or `30m`, in milliseconds.
pub(crate) fn span_ms(text: &str) -> Result<i64, String> {
    let wrong = || "a number with d, h or m, as in 7d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit = match unit {
        "d" => UnixMs::DAY,
        "h" => UnixMs::HOUR,
        "m" => 60_000,
        _ => return Err(wrong()),
    };
    let number: i64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|ms| *ms > 0).ok_or_else(wrong)
}

/// As a table shows it: the minute, here.
pub(crate) fn minute(at: UnixMs) -> String {
    let zoned = jiff::Timestamp::from_millisecond(at.0).map(|at| at.to_zoned(TimeZone::system()));
    zoned.map_or_else(|_| at.0.to_string(), |at| at.strftime("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_expiry_is_a_number_of_days_a_day_or_never() {
        assert_eq!(expiry("30d"), Ok(Expiry::Days { days: 30 }));
        assert_eq!(expiry("99999999d"), Ok(Expiry::Days { days: u16::MAX }));
        assert_eq!(expiry("never"), Ok(Expiry::Never));
        let Ok(Expiry::At { at }) = expiry("2027-01-31") else { panic!("no day") };
        assert_eq!(minute(at), "2027-01-31 23:59");
        for wrong in ["", "d", "30", "-1d", "2027-02-30", "tomorrow"] {
            assert!(expiry(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_have_a_unit() {
        assert_eq!(span_ms("7d"), Ok(7 * UnixMs::DAY));
        assert_eq!(span_ms("12h"), Ok(12 * UnixMs::HOUR));
        for wrong in ["", "7", "d", "-7d", "0d", "9223372036854775807d", "7é"] {
            assert!(span_ms(wrong).is_err(), "{wrong}");
        }
    }
}
