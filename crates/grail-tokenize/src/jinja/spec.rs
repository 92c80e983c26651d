//! What `format(value, spec)` and `%` write for one value.

use super::cuts::filled;
use super::operands::{Number, number};
use super::print::{display, exponent, float};
use super::value::Value;
use super::{Outcome, TemplateError};

/// `[[fill]align][sign][#][0][width][,][.precision][type]`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spec {
    pub(super) fill: Option<char>,
    pub(super) align: Option<char>,
    pub(super) sign: Option<char>,
    pub(super) alternate: bool,
    pub(super) zero: bool,
    pub(super) width: usize,
    pub(super) grouped: bool,
    pub(super) precision: Option<usize>,
    pub(super) kind: Option<char>,
}

const MOST_WIDTH: usize = 1 << 20;

impl Spec {
    pub(super) fn parse(text: &str) -> Outcome<Self> {
        let mut spec = Self::default();
        let mut rest = text;
        let aligns = |c: Option<char>| c.filter(|c| matches!(c, '<' | '>' | '=' | '^'));
        let mut chars = text.chars();
        let (first, second) = (chars.next(), chars.next());
        if let (Some(fill), Some(align)) = (first, aligns(second)) {
            (spec.fill, spec.align) = (Some(fill), Some(align));
            rest = &rest[fill.len_utf8() + 1..];
        } else if let Some(align) = aligns(first) {
            spec.align = Some(align);
            rest = &rest[1..];
        }
        let eat = |rest: &mut &str, wanted: &[char]| {
            let found = rest.chars().next().filter(|c| wanted.contains(c));
            *rest = &rest[found.map_or(0, char::len_utf8)..];
            found
        };
        spec.sign = eat(&mut rest, &['+', '-', ' ']);
        spec.alternate = eat(&mut rest, &['#']).is_some();
        spec.zero = eat(&mut rest, &['0']).is_some();
        spec.width = count(&mut rest)?.unwrap_or(0);
        spec.grouped = eat(&mut rest, &[',']).is_some();
        if eat(&mut rest, &['.']).is_some() {
            spec.precision = Some(
                count(&mut rest)?.ok_or_else(|| TemplateError::new("Format specifier missing precision"))?,
            );
        }
        spec.kind = rest.chars().next();
        if rest.chars().count() > 1 {
            return Err(TemplateError::unsupported(format_args!("the format specifier {text:?}")));
        }
        Ok(spec)
    }
}

/// A bounded number at the beginning.
pub(super) fn count(rest: &mut &str) -> Outcome<Option<usize>> {
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, behind) = rest.split_at(length);
    *rest = behind;
    if digits.is_empty() {
        return Ok(None);
    }
    let number = digits.parse().ok().filter(|number| *number <= MOST_WIDTH);
    number.map(Some).ok_or_else(|| TemplateError::new("a width or precision is too large"))
}

/// `format(value, spec)`.
pub(super) fn formatted(value: &Value, text: &str, mark: Option<char>) -> Outcome<String> {
    if text.is_empty() {
        return display(value, mark);
    }
    let spec = Spec::parse(text)?;
    if let Value::Text(text) = value {
        if !matches!(spec.kind, None | Some('s')) || spec.sign.is_some() || spec.alternate || spec.grouped {
            return Err(TemplateError::new("this format specifier is not for a text"));
        }
        if spec.align == Some('=') || (spec.zero && spec.align.is_none()) {
            return Err(TemplateError::unsupported("a text with zeros before it by a format specifier"));
        }
        let cut: String = text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
        return padded("", &cut, &spec, '<');
    }
    let Some(found) = number(value) else { return Err(value.wrong("a format specifier")) };
    let (sign, digits) = digits(found, &spec)?;
    padded(&sign, &digits, &spec, '>')
}

/// Sign and digits of a number.
pub(super) fn digits(found: Number, spec: &Spec) -> Outcome<(String, String)> {
    let unknown = || {
        TemplateError::unsupported(format_args!("the format {:?} of such a number", spec.kind.unwrap_or(' ')))
    };
    let (negative, mut digits) = match (found, spec.kind) {
        (Number::Int(number), None | Some('d' | 'x' | 'X' | 'o' | 'b')) => {
            if spec.precision.is_some() {
                return Err(TemplateError::new("Precision not allowed in integer format specifier"));
            }
            let size = number.unsigned_abs();
            let (prefix, text) = match spec.kind {
                Some('x') => ("0x", format!("{size:x}")),
                Some('X') => ("0X", format!("{size:X}")),
                Some('o') => ("0o", format!("{size:o}")),
                Some('b') => ("0b", format!("{size:b}")),
                _ => ("", size.to_string()),
            };
            (number < 0, if spec.alternate { format!("{prefix}{text}") } else { text })
        }
        (Number::Float(number), None) if spec.precision.is_none() && !spec.alternate => {
            (number.is_sign_negative(), float(number.abs()))
        }
        (found, Some('f' | 'F' | 'e' | 'E' | '%')) if !spec.alternate => {
            let number = found.float();
            if !number.is_finite() {
                return Err(unknown());
            }
            let size = number.abs();
            let precision = spec.precision.unwrap_or(6).min(MOST_WIDTH);
            let text = match spec.kind {
                Some('e') => scientific(size, precision),
                Some('E') => scientific(size, precision).to_uppercase(),
                Some('%') => format!("{:.precision$}%", size * 100.0),
                _ => format!("{size:.precision$}"),
            };
            (number.is_sign_negative(), text)
        }
        _ => return Err(unknown()),
    };
    if spec.grouped {
        if spec.zero || matches!(spec.kind, Some('x' | 'X' | 'o' | 'b' | 'e' | 'E')) {
            return Err(unknown());
        }
        digits = grouped(&digits);
    }
    let sign = match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    };
    Ok((sign.to_owned(), digits))
}

fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    match text.split_once('e') {
        Some((digits, power)) => format!("{digits}{}", exponent(power.parse().unwrap_or(0))),
        None => text,
    }
}

/// Commas between thousands of the whole part.
fn grouped(digits: &str) -> String {
    let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
    let mut out = String::new();
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && at < whole && (whole - at) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn padded(sign: &str, digits: &str, spec: &Spec, default: char) -> Outcome<String> {
    let missing = spec.width.saturating_sub(sign.chars().count() + digits.chars().count());
    let align = spec.align.unwrap_or(if spec.zero { '=' } else { default });
    let fill = spec.fill.unwrap_or(if spec.zero { '0' } else { ' ' });
    if align == '=' {
        return Ok(sign.to_owned() + &filled(digits, missing, 0, fill)?);
    }
    let before = match align {
        '<' => 0,
        '^' => missing / 2,
        _ => missing,
    };
    filled(&format!("{sign}{digits}"), before, missing - before, fill)
}
