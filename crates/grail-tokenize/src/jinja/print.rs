//! `str` and `repr`.

use super::letters::is_printable;
use super::value::{Dict, Value, View};
use super::{Outcome, TemplateError};

const MOST_DEPTH: usize = 64;

/// `str(value)`.
pub(super) fn display(value: &Value, mark: Option<char>) -> Outcome<String> {
    match value {
        Value::Undefined(_) => Ok(String::new()),
        Value::Text(text) | Value::Safe(text) => Ok(text.to_string()),
        other => repr(other, mark),
    }
}

/// `repr(value)`; `mark` is printed as it is.
pub(super) fn repr(value: &Value, mark: Option<char>) -> Outcome<String> {
    let mut out = String::new();
    write(value, mark, 0, &mut out)?;
    Ok(out)
}

fn write(value: &Value, mark: Option<char>, depth: usize, out: &mut String) -> Outcome<()> {
    if depth > MOST_DEPTH || out.len() > super::MOST_TEXT {
        return Err(TemplateError::new("a value is nested too deeply or too large to be printed"));
    }
    let depth = depth + 1;
    match value {
        Value::Undefined(_) => out.push_str("Undefined"),
        Value::None => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&float(*number)),
        Value::Text(text) => quoted(text, mark, out),
        Value::List(items) => sequence(("[", "]"), items, mark, depth, out)?,
        Value::Tuple(items) | Value::Group(items) => {
            sequence(("(", if items.len() == 1 { ",)" } else { ")" }), items, mark, depth, out)?;
        }
        Value::Dict(dict) => pairs(dict, mark, depth, out)?,
        Value::View(view, _) => {
            let (name, items) = (value.kind(), value.items()?);
            debug_assert!(matches!(view, View::Keys | View::Values | View::Items));
            out.push_str(name);
            sequence(("([", "])"), &items, mark, depth, out)?;
        }
        Value::Range { start, stop, step: 1 } => out.push_str(&format!("range({start}, {stop})")),
        Value::Range { start, stop, step } => out.push_str(&format!("range({start}, {stop}, {step})")),
        Value::Namespace(held) => {
            out.push_str("<Namespace ");
            pairs(&held.borrow(), mark, depth, out)?;
            out.push('>');
        }
        Value::Macro(held) => {
            out.push_str("<Macro ");
            quoted(&held.node.name, mark, out);
            out.push('>');
        }
        Value::Loop(state) => {
            out.push_str(&format!("<LoopContext {}/{}>", state.index.get() + 1, state.items.len()));
        }
        Value::Safe(_)
        | Value::Iterator(_)
        | Value::Method(_)
        | Value::Function(_)
        | Value::Cycler(_)
        | Value::Joiner(_) => {
            return Err(TemplateError::unsupported(format_args!("to print a '{}'", value.kind())));
        }
    }
    Ok(())
}

fn sequence(
    (open, close): (&str, &str),
    items: &[Value],
    mark: Option<char>,
    depth: usize,
    out: &mut String,
) -> Outcome<()> {
    out.push_str(open);
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        write(item, mark, depth, out)?;
    }
    out.push_str(close);
    Ok(())
}

fn pairs(dict: &Dict, mark: Option<char>, depth: usize, out: &mut String) -> Outcome<()> {
    out.push('{');
    for (at, (key, value)) in dict.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        write(key, mark, depth, out)?;
        out.push_str(": ");
        write(value, mark, depth, out)?;
    }
    out.push('}');
    Ok(())
}

/// Single quotes, or double ones around a text that holds single ones alone.
fn quoted(text: &str, mark: Option<char>, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) || Some(c) == mark => out.push(c),
            c => match u32::from(c) {
                number @ 0..=0xff => out.push_str(&format!("\\x{number:02x}")),
                number @ 0x100..=0xffff => out.push_str(&format!("\\u{number:04x}")),
                number => out.push_str(&format!("\\U{number:08x}")),
            },
        }
    }
    out.push(quote);
}

/// The shortest digits that give the number again, with an exponent below 1e-4 and from 1e16 on.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let text = format!("{number:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    if number != 0.0 && !(-4..16).contains(&power) {
        return format!("{digits}{}", exponent(power));
    }
    let plain = format!("{number}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// `e+05`: a sign and at least two digits.
pub(super) fn exponent(power: i32) -> String {
    format!("e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}
