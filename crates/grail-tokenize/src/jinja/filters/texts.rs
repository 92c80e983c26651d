//! Filters on texts.

use std::rc::Rc;

use super::super::bound::{Bound, Given};
use super::super::cuts::{lines, replaced, stripped};
use super::super::eval::Run;
use super::super::letters::{is_alphanumeric, is_space};
use super::super::methods;
use super::super::value::Value;
use super::super::{Outcome, TemplateError, format, wrap};

pub(super) fn apply(run: &mut Run, name: &str, value: Value, given: Given) -> Outcome<Value> {
    if matches!(value, Value::Safe(_)) && name != "string" {
        return Err(value.wrong(&format!("the filter {name}")));
    }
    if name == "format" {
        let values = if given.named.is_empty() {
            Value::tuple(given.positional)
        } else if given.positional.is_empty() {
            let mut dict = super::super::value::Dict::default();
            given.named.into_iter().for_each(|(name, value)| dict.set_text(&name, value));
            Value::Dict(Rc::new(dict))
        } else {
            return Err(TemplateError::new("can't handle positional and keyword arguments at the same time"));
        };
        let pattern = run.display(&value)?;
        let text = format::percent(run, &pattern, &values)?;
        return run.text(text);
    }
    let (names, needed): (&[&str], usize) = match name {
        "center" => (&["width"], 0),
        "indent" => (&["width", "first", "blank"], 0),
        "replace" => (&["old", "new", "count"], 2),
        "trim" => (&["chars"], 0),
        "truncate" => (&["length", "killwords", "end", "leeway"], 0),
        "wordwrap" => (&["width", "break_long_words", "wrapstring", "break_on_hyphens"], 0),
        _ => (&[], 0),
    };
    let bound = given.bind(name, names, needed)?;
    match name {
        "indent" | "truncate" | "wordwrap" => {
            let text = match name {
                "indent" => indented(value.as_text()?, &bound)?,
                "truncate" => truncated(value.as_text()?, &bound)?,
                _ => wrapped(value.as_text()?, &bound)?,
            };
            return run.text(text);
        }
        "urlencode" => {
            let text = encoded(run, &value)?;
            return run.text(text);
        }
        "string" if matches!(value, Value::Safe(_)) => return Ok(value),
        _ => {}
    }
    let text = run.display(&value)?;
    match name {
        "string" => run.text(text),
        "lower" | "upper" | "capitalize" => {
            let name = if name == "lower" {
                "lower"
            } else if name == "upper" {
                "upper"
            } else {
                "capitalize"
            };
            methods::call(run, &Value::text(text), name, Given::default())
        }
        "title" => {
            let text = title(&text);
            run.text(text)
        }
        "trim" => {
            let trimmed = stripped(&text, bound.some(0), "strip")?.to_owned();
            run.text(trimmed)
        }
        "center" => {
            let width = Value::Int(bound.int(0, 80)?);
            let given = Given { positional: vec![width], named: Vec::new() };
            methods::call(run, &Value::text(text), "center", given)
        }
        "replace" => {
            let (old, new) = (run.display(bound.need(0)?)?, run.display(bound.need(1)?)?);
            let count =
                bound.some(2).map(|count| count.int().ok_or_else(|| count.wrong("a count"))).transpose()?;
            run.text(replaced(&text, &old, &new, count.unwrap_or(-1))?)
        }
        _ => {
            let words = text.split(|c: char| c != '_' && !is_alphanumeric(c)).filter(|word| !word.is_empty());
            Ok(Value::count(words.count()))
        }
    }
}

/// A word begins after `-`, a space or an opening bracket; other than in `str.title`, not after an apostrophe.
fn title(text: &str) -> String {
    let between = |c: char| is_space(c) || matches!(c, '-' | '(' | '{' | '[' | '<');
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(between).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let mut chars = word.chars();
        out.extend(chars.next().into_iter().flat_map(char::to_uppercase));
        out.push_str(&chars.as_str().to_lowercase());
        let next = behind.find(|c| !between(c)).unwrap_or(behind.len());
        out.push_str(&behind[..next]);
        rest = &behind[next..];
    }
    out
}

fn indented(text: &str, bound: &Bound) -> Outcome<String> {
    let indent = match bound.get(0) {
        Some(Value::Text(text)) => text.to_string(),
        _ => " ".repeat(usize::try_from(bound.int(0, 4)?.clamp(0, 1 << 16)).unwrap_or(0)),
    };
    // Jinja adds a line end before it cuts the text into lines.
    let text = format!("{text}\n");
    let lines = lines(&text, false);
    if lines.len().saturating_mul(indent.len()) > super::super::MOST_TEXT {
        return Err(TemplateError::new("a text is too large"));
    }
    let mut out = if bound.flag(1) { indent.clone() } else { String::new() };
    for (at, line) in lines.into_iter().enumerate() {
        if at > 0 {
            out.push('\n');
            if bound.flag(2) || !line.is_empty() {
                out.push_str(&indent);
            }
        }
        out.push_str(line);
    }
    Ok(out)
}

fn truncated(text: &str, bound: &Bound) -> Outcome<String> {
    let (length, end) =
        (bound.int(0, 255)?, bound.get(2).map_or(Ok("..."), |end| end.as_text().map(|end| &**end))?);
    let leeway =
        bound.some(3).map_or(Ok(5), |leeway| leeway.int().ok_or_else(|| leeway.wrong("a leeway")))?;
    let kept = length - end.chars().count() as i64;
    if kept < 0 || leeway < 0 {
        return Err(TemplateError::new(
            "expected a length of at least that of the end, and a leeway of at least 0",
        ));
    }
    if text.chars().count() as i64 <= length.saturating_add(leeway) {
        return Ok(text.to_owned());
    }
    let head: String = text.chars().take(usize::try_from(kept).unwrap_or(0)).collect();
    let head = if bound.flag(1) {
        head.as_str()
    } else {
        head.rsplit_once(' ').map_or(head.as_str(), |(head, _)| head)
    };
    Ok(format!("{head}{end}"))
}

fn wrapped(text: &str, bound: &Bound) -> Outcome<String> {
    let width = usize::try_from(bound.int(0, 79)?).unwrap_or(0);
    if width == 0 {
        return Err(TemplateError::new("invalid width (must be > 0)"));
    }
    let between = bound.some(2).map_or(Ok("\n"), |between| between.as_text().map(|between| &**between))?;
    let (break_words, hyphens) =
        (bound.get(1).is_none_or(Value::truth), bound.get(3).is_none_or(Value::truth));
    let mut out = Vec::new();
    for line in lines(text, false) {
        if hyphens && line.contains('-') {
            return Err(TemplateError::unsupported("the filter wordwrap on a text with hyphens"));
        }
        out.push(wrap::wrap(line, width, break_words).join(between));
    }
    Ok(out.join(between))
}

/// Percent signs for what is no letter, digit or one of `_.-~`; a mapping or pairs become a query.
fn encoded(run: &mut Run, value: &Value) -> Outcome<String> {
    let pairs = match value {
        Value::Dict(dict) => {
            dict.iter().map(|(key, value)| Value::tuple(vec![key.clone(), value.clone()])).collect()
        }
        Value::List(_) | Value::Tuple(_) | Value::Iterator(_) | Value::View(..) => value.items()?,
        Value::Undefined(_) | Value::Group(_) | Value::Range { .. } | Value::Loop(_) => {
            return Err(TemplateError::unsupported(format_args!(
                "the filter urlencode on a '{}'",
                value.kind()
            )));
        }
        other => {
            let text = run.display(other)?;
            return Ok(quoted(&text, b"/"));
        }
    };
    let mut parts = Vec::new();
    for pair in pairs {
        let [key, value] = &pair.items()?[..] else {
            return Err(TemplateError::new("a query is made of pairs"));
        };
        let (key, value) = (run.display(key)?, run.display(value)?);
        parts.push(format!("{}={}", quoted(&key, b""), quoted(&value, b"")).replace("%20", "+"));
    }
    Ok(parts.join("&"))
}

fn quoted(text: &str, safe: &[u8]) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) || safe.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
