//! `text % values` and `text.format(…)`.

use std::rc::Rc;

use super::access;
use super::eval::Run;
use super::operands::{Number, number};
use super::print::{display, repr};
use super::spec::{self, Spec};
use super::value::Value;
use super::{Outcome, TemplateError};

/// `pattern % values`: a tuple is several, a dictionary is looked into by name.
pub(super) fn percent(run: &mut Run, pattern: &str, values: &Value) -> Outcome<String> {
    let several = match values {
        Value::Tuple(items) | Value::Group(items) => items.to_vec(),
        Value::Undefined(_) | Value::Safe(_) => return Err(values.wrong("%")),
        one => vec![one.clone()],
    };
    let mut next = several.iter();
    let mut named = false;
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut held = None;
        if let Some(inside) = rest.strip_prefix('(') {
            let end = inside.find(')').ok_or_else(|| TemplateError::new("incomplete format key"))?;
            let Value::Dict(dict) = values else {
                return Err(TemplateError::new("format requires a mapping"));
            };
            let key = &inside[..end];
            if key.contains('(') {
                return Err(TemplateError::unsupported("a bracket in the key of a format"));
            }
            held = Some(
                dict.by_text(key).cloned().ok_or_else(|| TemplateError::new(format!("KeyError: '{key}'")))?,
            );
            rest = &inside[end + 1..];
            named = true;
        }
        let mut spec = Spec::default();
        while let Some(flag) = rest.chars().next().filter(|c| "-+ #0".contains(*c)) {
            match flag {
                '-' => spec.align = Some('<'),
                '+' => spec.sign = Some('+'),
                ' ' if spec.sign.is_none() => spec.sign = Some(' '),
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                _ => {}
            }
            rest = &rest[1..];
        }
        spec.width = spec::count(&mut rest)?.unwrap_or(0);
        if let Some(behind) = rest.strip_prefix('.') {
            rest = behind;
            spec.precision = Some(spec::count(&mut rest)?.unwrap_or(0));
        }
        let kind = rest.chars().next().ok_or_else(|| TemplateError::new("incomplete format"))?;
        rest = &rest[kind.len_utf8()..];
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match held {
            Some(value) => value,
            None => next
                .next()
                .cloned()
                .ok_or_else(|| TemplateError::new("not enough arguments for format string"))?,
        };
        out.push_str(&converted(run, kind, spec, &value)?);
        run.spend(1)?;
    }
    out.push_str(rest);
    let kept = matches!(values, Value::Dict(_) | Value::List(_)) || named;
    if next.next().is_some() && !kept {
        return Err(TemplateError::new("not all arguments converted during string formatting"));
    }
    Ok(out)
}

fn converted(run: &Run, kind: char, mut spec: Spec, value: &Value) -> Outcome<String> {
    let (sign, digits) = match kind {
        's' | 'r' => {
            let text = if kind == 's' { display(value, run.mark())? } else { repr(value, run.mark())? };
            spec.zero = false;
            (String::new(), text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect())
        }
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
            if spec.precision.is_some() {
                return Err(TemplateError::unsupported("a precision of a whole number"));
            }
            let whole = match number(value) {
                Some(Number::Int(number)) => number,
                Some(Number::Float(number)) if matches!(kind, 'd' | 'i' | 'u') && number.abs() < 9e18 => {
                    number as i64
                }
                _ => return Err(value.wrong("a whole number's format")),
            };
            spec.kind = Some(if matches!(kind, 'i' | 'u') { 'd' } else { kind });
            spec::digits(Number::Int(whole), &spec)?
        }
        'f' | 'F' | 'e' | 'E' => {
            let found = number(value).ok_or_else(|| value.wrong("a number's format"))?;
            spec.kind = Some(kind);
            spec::digits(found, &spec)?
        }
        other => return Err(TemplateError::unsupported(format_args!("the format %{other}"))),
    };
    let missing = spec.width.saturating_sub(sign.chars().count() + digits.chars().count());
    match spec.align {
        Some(_) => super::cuts::filled(&(sign + &digits), 0, missing, ' '),
        None if spec.zero && spec.alternate => {
            Err(TemplateError::unsupported("zeros before a number with a prefix"))
        }
        None if spec.zero => Ok(sign + &super::cuts::filled(&digits, missing, 0, '0')?),
        None => super::cuts::filled(&(sign + &digits), missing, 0, ' '),
    }
}

/// `pattern.format(*positional, **named)`.
pub(super) fn braces(
    run: &mut Run,
    pattern: &str,
    positional: &[Value],
    named: &[(Rc<str>, Value)],
) -> Outcome<String> {
    let mut next = Some(0);
    fields(run, pattern, positional, named, &mut next, 2)
}

/// `next` is the number of the next field without one; none once a field had one.
fn fields(
    run: &mut Run,
    pattern: &str,
    positional: &[Value],
    named: &[(Rc<str>, Value)],
    next: &mut Option<usize>,
    depth: usize,
) -> Outcome<String> {
    let fail = |problem: &str| Err(TemplateError::new(format!("{problem} in format string")));
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        if depth == 0 {
            return fail("Max string recursion exceeded");
        }
        out.push_str(&rest[..at]);
        let brace = if rest[at..].starts_with('{') { '{' } else { '}' };
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix(brace) {
            out.push(brace);
            rest = behind;
            continue;
        }
        if brace == '}' {
            return fail("Single '}' encountered");
        }
        let Some(end) = field_end(rest) else { return fail("expected '}' before end of string") };
        let (field, behind) = (&rest[..end], &rest[end + 1..]);
        rest = behind;
        // A bracketed key may hold what ends a name elsewhere.
        let name_end = name_end(field);
        let (name, options) = field.split_at(name_end);
        let (conversion, spec) = match options.strip_prefix('!') {
            Some(behind) => match behind.split_once(':') {
                Some((conversion, spec)) => (Some(conversion), spec),
                None => (Some(behind), ""),
            },
            None => (None, options.strip_prefix(':').unwrap_or_default()),
        };
        let value = looked_up(name, positional, named, next)?;
        let value = match conversion {
            None => value,
            Some("s") => Value::text(display(&value, run.mark())?),
            Some("r") => Value::text(repr(&value, run.mark())?),
            Some(_) => return Err(TemplateError::unsupported("such a conversion in a format")),
        };
        let spec = fields(run, spec, positional, named, next, depth.saturating_sub(1))?;
        let text = spec::formatted(&value, &spec, run.mark())?;
        run.spend(1 + text.len() / 16)?;
        out.push_str(&text);
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the field that begins here ends; fields may lie in its specifier.
fn field_end(text: &str) -> Option<usize> {
    let mut open = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

fn name_end(field: &str) -> usize {
    let mut within = false;
    for (at, c) in field.char_indices() {
        match c {
            '[' => within = true,
            ']' => within = false,
            '!' | ':' if !within => return at,
            _ => {}
        }
    }
    field.len()
}

fn looked_up(
    name: &str,
    positional: &[Value],
    named: &[(Rc<str>, Value)],
    next: &mut Option<usize>,
) -> Outcome<Value> {
    let end = name.find(['.', '[']).unwrap_or(name.len());
    let (first, mut rest) = name.split_at(end);
    let at = if first.is_empty() {
        let at = next.ok_or_else(|| {
            TemplateError::new("cannot switch from manual field specification to automatic field numbering")
        })?;
        *next = Some(at + 1);
        Some(at)
    } else {
        let number = first.bytes().all(|b| b.is_ascii_digit()).then(|| first.parse().ok()).flatten();
        if number.is_some() {
            if next.is_some_and(|next| next > 0) {
                let problem = "cannot switch from automatic field numbering to manual field specification";
                return Err(TemplateError::new(problem));
            }
            *next = None;
        }
        number
    };
    let missing = || TemplateError::new(format!("the format's field {name:?} has no value"));
    let mut value = match at {
        Some(at) => positional.get(at).cloned().ok_or_else(missing)?,
        None => named
            .iter()
            .find(|(key, _)| **key == *first)
            .map(|(_, value)| value.clone())
            .ok_or_else(missing)?,
    };
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix('.') {
            let end = behind.find(['.', '[']).unwrap_or(behind.len());
            value = access::attribute(&value, &behind[..end])?;
            rest = &behind[end..];
        } else {
            let inside = rest.strip_prefix('[').ok_or_else(missing)?;
            let end = inside.find(']').ok_or_else(missing)?;
            let key = &inside[..end];
            let number = key.parse().ok().filter(|_| key.bytes().all(|b| b.is_ascii_digit()));
            value = access::item(&value, &number.map_or_else(|| Value::text(key), Value::Int))?;
            rest = &inside[end + 1..];
        }
    }
    Ok(value)
}
