//! Exact decimal numbers, compared as text: no float ever decides an answer.

use std::fmt;

/// Longest number that is read, in bytes after trimming.
pub const LONGEST: usize = 64;

/// A decimal number in canonical form: equal numbers have equal values of this type.
///
/// Text form: `-` for numbers below zero, the integer part without leading zeros (at least `0`), and, when there is a
/// fraction, `.` and its digits without trailing zeros: `1234`, `-0.5`, `0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal(String);

impl Decimal {
    /// Reads a number as people write it, or says that this is none.
    ///
    /// Rule, after trimming ASCII white space: an optional `+` or `-` and an optional `$`, in either order; digits,
    /// plain or all in groups of three with commas (`1,234,567`); optionally `.` and digits (the integer part may be
    /// missing then: `.5`); optionally `%`, which changes nothing; optionally one final `.`. At most [`LONGEST`]
    /// bytes. Anything else (units, words, exponents, fractions, other digits than ASCII) is not a number.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
        if text.len() > LONGEST {
            return None;
        }
        let (negative, rest) = signed(text);
        let rest = rest.strip_suffix('.').unwrap_or(rest);
        let rest = rest.strip_suffix('%').unwrap_or(rest);
        let (integer, fraction) = match rest.split_once('.') {
            Some((integer, fraction)) => (integer, Some(fraction)),
            None => (rest, None),
        };
        let fraction = match fraction {
            Some(digits) if !is_digits(digits) => return None,
            Some(digits) => digits.trim_end_matches('0'),
            None => "",
        };
        let integer = match integer {
            "" if rest.starts_with('.') => String::new(),
            _ => ungrouped(integer)?,
        };
        Some(Self::canonical(negative, integer.trim_start_matches('0'), fraction))
    }

    fn canonical(negative: bool, integer: &str, fraction: &str) -> Self {
        let mut text = String::with_capacity(integer.len() + fraction.len() + 3);
        if negative && !(integer.is_empty() && fraction.is_empty()) {
            text.push('-');
        }
        text.push_str(if integer.is_empty() { "0" } else { integer });
        if !fraction.is_empty() {
            text.push('.');
            text.push_str(fraction);
        }
        Self(text)
    }

    /// The canonical text: no plus, no zero too many, no point without digits behind it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Takes sign and currency off the front, each at most once, in either order.
fn signed(text: &str) -> (bool, &str) {
    let (dollar, rest) = match text.strip_prefix('$') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (negative, rest) = match (rest.strip_prefix('-'), rest.strip_prefix('+')) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => (false, rest),
    };
    let rest = if dollar { rest } else { rest.strip_prefix('$').unwrap_or(rest) };
    (negative, rest)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digits of an integer part, without commas where they group by three.
fn ungrouped(text: &str) -> Option<String> {
    let mut groups = text.split(',');
    let head = groups.next()?;
    let mut digits = head.to_owned();
    let grouped = text.len() > head.len();
    if !is_digits(head) || (grouped && head.len() > 3) {
        return None;
    }
    for group in groups {
        if group.len() != 3 || !is_digits(group) {
            return None;
        }
        digits.push_str(group);
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> Option<String> {
        Decimal::read(text).map(|decimal| decimal.to_string())
    }

    #[test]
    fn numbers_as_people_write_them_have_one_form() {
        let cases = [
            ("72", "72"),
            (" 72\n", "72"),
            ("+72", "72"),
            ("-72", "-72"),
            ("072", "72"),
            ("72.0", "72"),
            ("72.", "72"),
            ("72.50", "72.5"),
            (".5", "0.5"),
            ("-.50", "-0.5"),
            ("0.00", "0"),
            ("-0", "0"),
            ("$72", "72"),
            ("$-72", "-72"),
            ("-$72.10", "-72.1"),
            ("72%", "72"),
            ("72%.", "72"),
            ("1,234", "1234"),
            ("12,345,678.90", "12345678.9"),
        ];
        for (text, want) in cases {
            assert_eq!(canonical(text).as_deref(), Some(want), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_one_plain_number_is_refused() {
        let cases = [
            "",
            " ",
            ".",
            "-",
            "$",
            "%",
            ",",
            "--72",
            "+-72",
            "$$7",
            "$-$7",
            "7 2",
            "72 73",
            "1,23",
            "1234,567",
            ",234",
            "1,,234",
            "1,234,",
            "72..",
            "1.2.3",
            ".",
            "-.",
            "5.%x",
            "1e3",
            "0x48",
            "72/1",
            "72 dollars",
            "72x",
            "seventy",
            "７２",
            "٧٢",
            "−72",
            "72\u{a0}",
            "NaN",
            "inf",
            "1.234,5",
            "- 72",
            "72 .",
        ];
        for text in cases {
            assert_eq!(canonical(text), None, "{text:?}");
        }
        assert!(Decimal::read(&"9".repeat(LONGEST)).is_some());
        assert_eq!(Decimal::read(&"9".repeat(LONGEST + 1)), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,80}") {
            let _ = Decimal::read(&text);
        }

        #[test]
        fn the_canonical_form_reads_back_as_itself(text in "[+-]?[$]?[0-9]{1,9}([.][0-9]{1,9})?%?[.]?") {
            let decimal = Decimal::read(&text).unwrap();
            prop_assert_eq!(Decimal::read(decimal.as_str()), Some(decimal.clone()));
        }

        #[test]
        fn writings_of_one_integer_are_equal_and_of_two_differ(a in -2_000_000_000i64..2_000_000_000, b: i32) {
            let plain = Decimal::read(&a.to_string()).unwrap();
            let mut digits = a.unsigned_abs().to_string();
            let mut at = digits.len();
            while at > 3 {
                at -= 3;
                digits.insert(at, ',');
            }
            let grouped = format!("{}${digits}.00", if a < 0 { "-" } else { "" });
            prop_assert_eq!(Decimal::read(&grouped), Some(plain.clone()));
            prop_assert_eq!(plain == Decimal::read(&b.to_string()).unwrap(), a == i64::from(b));
        }
    }
}
