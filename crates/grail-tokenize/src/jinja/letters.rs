//! Kinds of characters, as Python sorts them.

use std::sync::LazyLock;

use regex::Regex;

use super::{Outcome, TemplateError};

static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{L}$").ok());
static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{N}$").ok());
static DECIMAL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{Nd}$").ok());
static TITLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{Lt}$").ok());
static HIDDEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\p{C}\p{Z}]$").ok());

fn is(class: &LazyLock<Option<Regex>>, c: char) -> bool {
    let mut bytes = [0; 4];
    class.as_ref().is_some_and(|class| class.is_match(c.encode_utf8(&mut bytes)))
}

/// `str.isspace`.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.isalpha`.
pub(super) fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { is(&LETTER, c) }
}

/// `str.isalnum`.
pub(super) fn is_alphanumeric(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { is(&LETTER, c) || is(&NUMBER, c) }
}

/// `str.isdecimal`.
pub(super) fn is_decimal(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { is(&DECIMAL, c) }
}

/// `str.isdigit`; some signs that are no decimal digits count there.
pub(super) fn is_digit(c: char) -> Outcome<bool> {
    if c.is_ascii() || is_decimal(c) || !is(&NUMBER, c) {
        return Ok(is_decimal(c));
    }
    Err(TemplateError::unsupported(format_args!("isdigit of {c:?}")))
}

/// `str.isnumeric`; some letters, such as Chinese numerals, count there.
pub(super) fn is_numeric(c: char) -> Outcome<bool> {
    if c.is_ascii() || is(&NUMBER, c) {
        return Ok(!c.is_ascii() || c.is_ascii_digit());
    }
    if is(&LETTER, c) && ('\u{3000}'..'\u{40000}').contains(&c) {
        return Err(TemplateError::unsupported(format_args!("isnumeric of {c:?}")));
    }
    Ok(false)
}

/// A letter such as `ǅ`, which is neither upper nor lower case.
pub(super) fn is_title(c: char) -> bool {
    !c.is_ascii() && is(&TITLE, c)
}

/// `str.isprintable`, which also decides what `repr` escapes.
pub(super) fn is_printable(c: char) -> bool {
    if c.is_ascii() { (' '..='~').contains(&c) } else { !is(&HIDDEN, c) }
}

/// A character as a word begins with it. Python has a table of its own for this, in which a few letters differ from
/// upper case.
pub(super) fn title(c: char) -> Outcome<char> {
    let mut upper = c.to_uppercase();
    let special = matches!(u32::from(c), 0x1c4..=0x1cc | 0x1f1..=0x1f3 | 0x10d0..=0x10ff);
    match (upper.next(), upper.next()) {
        (Some(one), None) if !special => Ok(one),
        _ => Err(TemplateError::unsupported(format_args!("a word that begins with {c:?} in title case"))),
    }
}
