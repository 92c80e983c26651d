//! Looking for parts of texts, cutting them, and filling them up.

use super::bound::{Bound, Given};
use super::letters::is_space;
use super::value::Value;
use super::{Outcome, TemplateError};

/// Positions are those of characters.
pub(super) fn search(text: &str, name: &'static str, given: Given) -> Outcome<Value> {
    let bound = given.bind(name, &["sub", "start", "end"], 1)?;
    let length = text.chars().count() as i64;
    let place = |at: usize, default: i64| -> Outcome<i64> {
        let value =
            bound.some(at).map(|value| value.int().ok_or_else(|| value.wrong("a position"))).transpose()?;
        let value = value.unwrap_or(default);
        Ok(if value < 0 { (value + length).max(0) } else { value })
    };
    let (start, end) = (place(1, 0)?, place(2, length)?.min(length));
    let nothing = start > end;
    let bytes = |at: i64| {
        let at = usize::try_from(at).unwrap_or(0);
        text.char_indices().nth(at).map_or(text.len(), |(at, _)| at)
    };
    let part = if nothing { "" } else { &text[bytes(start)..bytes(end)] };
    let wanted = bound.need(0)?;
    if matches!(name, "startswith" | "endswith") {
        let any = match wanted {
            Value::Tuple(all) => all.to_vec(),
            one => vec![one.clone()],
        };
        let mut found = false;
        for affix in &any {
            let affix = affix.as_text()?;
            found |= !nothing
                && if name == "startswith" { part.starts_with(&**affix) } else { part.ends_with(&**affix) };
        }
        return Ok(Value::Bool(found));
    }
    let wanted = wanted.as_text()?;
    if name == "count" {
        return Ok(Value::count(if nothing { 0 } else { part.matches(&**wanted).count() }));
    }
    let found = if name.starts_with('r') { part.rfind(&**wanted) } else { part.find(&**wanted) };
    match found.filter(|_| !nothing) {
        Some(at) => Ok(Value::Int(start + part[..at].chars().count() as i64)),
        None if name.ends_with("find") => Ok(Value::Int(-1)),
        None => Err(TemplateError::new("substring not found")),
    }
}

/// `strip` and its like, of spaces or of these characters.
pub(super) fn stripped<'a>(text: &'a str, chars: Option<&Value>, name: &str) -> Outcome<&'a str> {
    let chars = chars.map(Value::as_text).transpose()?;
    let out = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let text = if name == "rstrip" { text } else { text.trim_start_matches(out) };
    Ok(if name == "lstrip" { text } else { text.trim_end_matches(out) })
}

/// `replace`; a negative count is all.
pub(super) fn replaced(text: &str, old: &str, new: &str, count: i64) -> Outcome<String> {
    let found = if old.is_empty() { text.chars().count() + 1 } else { text.matches(old).count() };
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(found);
    if text.len().saturating_add(new.len().saturating_mul(count)) > super::MOST_TEXT {
        return Err(TemplateError::new("a text is too large"));
    }
    Ok(text.replacen(old, new, count))
}

/// A text with so many filling characters before and behind it.
pub(super) fn filled(text: &str, before: usize, behind: usize, fill: char) -> Outcome<String> {
    if before.max(behind) > super::MOST_TEXT / 8 {
        return Err(TemplateError::new("a text is too large"));
    }
    let fill = |count| std::iter::repeat_n(fill, count);
    Ok(fill(before).chain(text.chars()).chain(fill(behind)).collect())
}

pub(super) fn padded(text: &str, name: &'static str, given: Given) -> Outcome<String> {
    let bound: Bound =
        given.bind(name, if name == "zfill" { &["width"] } else { &["width", "fillchar"] }, 1)?;
    let width = usize::try_from(bound.int(0, 0)?).unwrap_or(0);
    let missing = width.saturating_sub(text.chars().count());
    let mut fill = ' ';
    if let Some(given) = bound.get(1) {
        let mut chars = given.as_text()?.chars();
        match (chars.next(), chars.next()) {
            (Some(one), None) => fill = one,
            _ => return Err(TemplateError::new("the fill character must be exactly one character long")),
        }
    }
    match name {
        "ljust" => filled(text, 0, missing, fill),
        "rjust" => filled(text, missing, 0, fill),
        "center" => {
            let before = missing / 2 + (missing & width & 1);
            filled(text, before, missing - before, fill)
        }
        _ => {
            let sign = text.chars().next().filter(|c| matches!(c, '+' | '-'));
            let rest = &text[sign.map_or(0, char::len_utf8)..];
            Ok(sign.map(String::from).unwrap_or_default() + &filled(rest, missing, 0, '0')?)
        }
    }
}

pub(super) fn expanded(text: &str, size: i64) -> Outcome<String> {
    let mut out = String::new();
    let mut column = 0i64;
    for c in text.chars() {
        if c != '\t' {
            out.push(c);
            column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
        } else if size > 0 {
            let spaces = size - column % size;
            out = filled(&out, 0, usize::try_from(spaces).unwrap_or(0), ' ')?;
            column += spaces;
        }
    }
    Ok(out)
}

/// `split` and, from behind, `rsplit`: at a separator, or at runs of spaces.
pub(super) fn split<'a>(
    text: &'a str,
    separator: Option<&str>,
    most: usize,
    from_behind: bool,
) -> Outcome<Vec<&'a str>> {
    let Some(separator) = separator else {
        return Ok(split_spaces(text, most, from_behind));
    };
    if separator.is_empty() {
        return Err(TemplateError::new("empty separator"));
    }
    let most = most.saturating_add(1);
    Ok(if from_behind {
        let mut parts: Vec<_> = text.rsplitn(most, separator).collect();
        parts.reverse();
        parts
    } else {
        text.splitn(most, separator).collect()
    })
}

fn split_spaces(text: &str, most: usize, from_behind: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        rest = if from_behind { rest.trim_end_matches(is_space) } else { rest.trim_start_matches(is_space) };
        if rest.is_empty() {
            break;
        }
        if parts.len() == most {
            parts.push(rest);
            break;
        }
        let word = if from_behind {
            rest.trim_end_matches(|c| !is_space(c)).len()..rest.len()
        } else {
            0..rest.len() - rest.trim_start_matches(|c| !is_space(c)).len()
        };
        parts.push(&rest[word.clone()]);
        rest = if from_behind { &rest[..word.start] } else { &rest[word.end..] };
    }
    if from_behind {
        parts.reverse();
    }
    parts
}

/// `splitlines`.
pub(super) fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    while !rest.is_empty() {
        let end = rest.find(is_end).unwrap_or(rest.len());
        let behind = &rest[end..];
        let mark =
            if behind.starts_with("\r\n") { 2 } else { behind.chars().next().map_or(0, char::len_utf8) };
        lines.push(&rest[..if keep_ends { end + mark } else { end }]);
        rest = &rest[end + mark..];
    }
    lines
}
