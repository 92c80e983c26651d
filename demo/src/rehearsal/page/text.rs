//! Words and numbers as people read them. Whatever has no number shows a dash, so that no page says `NaN`.

/// Stands where a number is missing.
pub(super) const ABSENT: &str = "–";

/// Between a number and its unit: they stay on one line.
const TIE: char = '\u{a0}';

/// `28800` as `28,800`.
pub(super) fn count(number: u64) -> String {
    grouped(&number.to_string())
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With so many digits after the point.
pub(super) fn decimal(number: Option<f64>, digits: usize) -> String {
    let Some(number) = number.filter(|number| number.is_finite()) else { return ABSENT.into() };
    let text = format!("{:.digits$}", number.abs());
    // What rounds to nothing has no sign.
    let negative = number < 0.0 && text.chars().any(|c| matches!(c, '1'..='9'));
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    format!("{}{}{rest}", if negative { "−" } else { "" }, grouped(whole))
}

/// A share as a percentage; small ones with a digit more, since `0 %` must mean none.
pub(super) fn percent(share: Option<f64>) -> String {
    let Some(share) = share.filter(|share| share.is_finite()) else { return ABSENT.into() };
    let small = share != 0.0 && share.abs() < 0.0995;
    format!("{}{TIE}%", decimal(Some(100.0 * share), usize::from(small)))
}

/// A size with three digits at most.
pub(super) fn bytes(number: f64) -> String {
    if !number.is_finite() {
        return ABSENT.into();
    }
    let mut scaled = number;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if scaled < 999.5 {
            break;
        }
        (scaled, unit) = (scaled / 1e3, next);
    }
    let digits = usize::from(scaled < 9.95 && (scaled * 10.0).round() % 10.0 != 0.0);
    format!("{}{TIE}{unit}", decimal(Some(scaled), digits))
}

/// A duration in its two largest units.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return ABSENT.into();
    }
    // Saturates; no rehearsal is that long.
    let whole = seconds.round() as u64;
    let (hours, minutes, rest) = (whole / 3_600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}{TIE}s"),
        (0, _) => format!("{minutes}{TIE}min {rest}{TIE}s"),
        _ => format!("{}{TIE}h {minutes}{TIE}min", count(hours)),
    }
}

/// `one` thing, or a number of `many`.
pub(super) fn things(number: u64, one: &str, many: &str) -> String {
    format!("{}{TIE}{}", count(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(decimal(Some(-0.0001), 2), "0.00");
        assert_eq!(decimal(Some(-1_234.56), 1), "−1,234.6");
        assert_eq!(percent(Some(0.004)), "0.4\u{a0}%");
        assert_eq!(percent(Some(0.666)), "67\u{a0}%");
        assert_eq!(
            [0.0, 999.0, 1_500.0, 999_700.0, 1e9].map(bytes),
            ["0\u{a0}B", "999\u{a0}B", "1.5\u{a0}kB", "1\u{a0}MB", "1\u{a0}GB"]
        );
        assert_eq!(
            [12.4, 200.0, 7_260.0].map(duration),
            ["12\u{a0}s", "3\u{a0}min 20\u{a0}s", "2\u{a0}h 1\u{a0}min"]
        );
    }

    #[test]
    fn what_is_no_number_is_a_dash() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(decimal(Some(odd), 1), ABSENT);
            assert_eq!(percent(Some(odd)), ABSENT);
            assert_eq!(bytes(odd), ABSENT);
            assert_eq!(duration(odd), ABSENT);
        }
        assert_eq!(percent(None), ABSENT);
    }
}
