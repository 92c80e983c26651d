//! Filters on numbers.

use super::super::ast::Operator;
use super::super::bound::Given;
use super::super::eval::Run;
use super::super::letters::is_space;
use super::super::operands::{Number, number};
use super::super::value::Value;
use super::super::{Outcome, TemplateError, access, arithmetic};

pub(super) fn apply(run: &mut Run, name: &str, value: Value, given: Given) -> Outcome<Value> {
    match name {
        "abs" => {
            given.bind(name, &[], 0)?;
            match number(&value) {
                Some(Number::Float(number)) => Ok(Value::Float(number.abs())),
                Some(Number::Int(number)) if number < 0 => arithmetic::signed(&Value::Int(number), true),
                Some(Number::Int(number)) => Ok(Value::Int(number)),
                None => Err(value.wrong("abs")),
            }
        }
        "int" => {
            let mut bound = given.bind(name, &["default", "base"], 0)?;
            if bound.int(1, 10)? != 10 {
                return Err(TemplateError::unsupported("the filter int with a base other than 10"));
            }
            Ok(int(&value)?.unwrap_or_else(|| bound.take(0).unwrap_or(Value::Int(0))))
        }
        "float" => {
            let mut bound = given.bind(name, &["default"], 0)?;
            let found = match &value {
                Value::Text(text) => float(text),
                Value::Undefined(_) | Value::Safe(_) => return Err(value.wrong("float")),
                other => number(other).map(Number::float),
            };
            Ok(found.map_or_else(|| bound.take(0).unwrap_or(Value::Float(0.0)), Value::Float))
        }
        "round" => {
            let bound = given.bind(name, &["precision", "method"], 0)?;
            let method = match bound.get(1) {
                None => "common",
                Some(method) => method.as_text()?,
            };
            round(&value, bound.int(0, 0)?, method)
        }
        "sum" => {
            let mut bound = given.bind(name, &["attribute", "start"], 0)?;
            let start = bound.take(1).unwrap_or(Value::Int(0));
            let attribute = bound.some(0).cloned().unwrap_or(Value::None);
            sum(run, &value, &attribute, start)
        }
        _ => {
            let bound = given.bind(name, &["binary"], 0)?;
            let size = match &value {
                Value::Text(text) => {
                    float(text).ok_or_else(|| TemplateError::new("could not convert string to float"))?
                }
                other => number(other).map(Number::float).ok_or_else(|| other.wrong("filesizeformat"))?,
            };
            run.text(file_size(size, bound.flag(0)))
        }
    }
}

/// `int(value)`, of a text also by way of a float; none where the default stands.
fn int(value: &Value) -> Outcome<Option<Value>> {
    let whole = |number: f64| {
        if !number.is_finite() {
            return Ok(None);
        }
        if number.abs() >= 9.2e18 {
            return Err(TemplateError::unsupported("a whole number beyond 64 bits"));
        }
        Ok(Some(Value::Int(number as i64)))
    };
    match value {
        Value::Text(text) => {
            let trimmed = text.trim_matches(is_space);
            let bare = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
            if digits(bare) {
                let number = trimmed.replace('_', "").parse();
                return match number {
                    Ok(number) => Ok(Some(Value::Int(number))),
                    Err(_) => Err(TemplateError::unsupported("a whole number beyond 64 bits")),
                };
            }
            if !trimmed.is_ascii() {
                return Err(TemplateError::unsupported("digits of other scripts"));
            }
            float(text).map_or(Ok(None), whole)
        }
        Value::Undefined(_) | Value::Safe(_) => Err(value.wrong("int")),
        other => match number(other) {
            Some(Number::Int(number)) => Ok(Some(Value::Int(number))),
            Some(Number::Float(number)) => whole(number),
            None => Ok(None),
        },
    }
}

/// Digits with single underscores between them.
fn digits(text: &str) -> bool {
    !text.is_empty()
        && text.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// `float(text)`.
fn float(text: &str) -> Option<f64> {
    let trimmed = text.trim_matches(is_space);
    let lone = trimmed.split('_').all(|part| {
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        !trimmed.contains('_') || digit(part.chars().next()) && digit(part.chars().next_back())
    });
    let plain = trimmed.replace('_', "");
    let bare = plain.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let word = matches!(bare.as_str(), "inf" | "infinity" | "nan");
    let number = bare.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if lone && (word || number) { plain.parse().ok() } else { None }
}

/// Half to even, on the exact value, as Python's `round`.
fn round(value: &Value, precision: i64, method: &str) -> Outcome<Value> {
    let found = number(value).ok_or_else(|| value.wrong("round"))?;
    if !matches!(method, "common" | "ceil" | "floor") {
        return Err(TemplateError::new("method must be common, ceil or floor"));
    }
    let far = || TemplateError::unsupported("to round to such a precision");
    let places = usize::try_from(precision).ok().filter(|places| *places <= 15).ok_or_else(far)?;
    match (method, found) {
        ("common", Number::Int(number)) => Ok(Value::Int(number)),
        ("common", Number::Float(number)) => {
            if !number.is_finite() {
                return Err(far());
            }
            format!("{number:.places$}").parse().map(Value::Float).map_err(|_| far())
        }
        (_, found) => {
            let scale = 10_i64.pow(u32::try_from(places).unwrap_or(0));
            let scaled = match found {
                Number::Int(number) => {
                    number.checked_mul(scale).map(|number| number as f64).ok_or_else(far)?
                }
                Number::Float(number) => number * scale as f64,
            };
            let whole = if method == "ceil" { scaled.ceil() } else { scaled.floor() };
            if whole.is_nan() || whole.abs() > 9_007_199_254_740_992.0 {
                return Err(far());
            }
            // Python divides a whole number, which has no negative zero.
            Ok(Value::Float((whole + 0.0) / scale as f64))
        }
    }
}

/// Python 3.12 and later carry the error of a sum of floats along, those before do not.
fn sum(run: &mut Run, value: &Value, attribute: &Value, start: Value) -> Outcome<Value> {
    if matches!(start, Value::Text(_)) {
        return Err(TemplateError::new("sum() can't sum strings [use ''.join(seq) instead]"));
    }
    let mut total = start;
    let (mut floats, mut error) = (0, 0.0);
    for item in value.items()? {
        let item = access::path(&item, attribute)?;
        let next = arithmetic::binary(run, Operator::Add, &total, &item)?;
        if let (Value::Float(next), Some(a), Some(b)) = (&next, number(&total), number(&item)) {
            let (a, b) = (a.float(), b.float());
            error += if a.abs() >= b.abs() { (a - next) + b } else { (b - next) + a };
            floats += 1;
        }
        total = next;
    }
    if let Value::Float(total) = total
        && floats > 1
        && total + error != total
    {
        return Err(TemplateError::unsupported("a sum of floats that depends on the version of Python"));
    }
    Ok(total)
}

fn file_size(bytes: f64, binary: bool) -> String {
    let base: f64 = if binary { 1_024.0 } else { 1_000.0 };
    if bytes == 1.0 {
        return "1 Byte".into();
    }
    if bytes < base {
        return format!("{} Bytes", bytes.trunc());
    }
    let letters = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
    let mut unit = base;
    let mut letter = "k";
    for next in letters {
        letter = next;
        unit *= base;
        if bytes < unit {
            break;
        }
    }
    let letter = if binary { format!("{}i", letter.to_uppercase()) } else { letter.to_owned() };
    format!("{:.1} {letter}B", base * bytes / unit)
}
