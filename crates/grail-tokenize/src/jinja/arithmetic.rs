//! `+ - * / // % **`, with Python's whole numbers, which never wrap, and its rules for signs.

use super::ast::Operator;
use super::eval::Run;
use super::operands::{Number, number};
use super::value::Value;
use super::{Outcome, TemplateError, format};

fn beyond() -> TemplateError {
    TemplateError::unsupported("a whole number beyond 64 bits")
}

fn by_zero() -> TemplateError {
    TemplateError::new("division by zero")
}

/// One operation.
pub(super) fn binary(run: &mut Run, operator: Operator, left: &Value, right: &Value) -> Outcome<Value> {
    if let (Some(a), Some(b)) = (number(left), number(right)) {
        return numbers(operator, a, b);
    }
    if operator == Operator::Mod
        && let Value::Text(pattern) = left
    {
        let text = format::percent(run, pattern, right)?;
        return run.text(text);
    }
    match (operator, left, right) {
        (_, Value::Undefined(why), _) | (_, _, Value::Undefined(why)) => Err(TemplateError::new(&**why)),
        (_, Value::Safe(_), _) | (_, _, Value::Safe(_)) => {
            Err(TemplateError::unsupported("to compute with a text that the filter `safe` has marked"))
        }
        (Operator::Add, Value::Text(a), Value::Text(b)) => {
            let text = [&**a, &**b].concat();
            run.text(text)
        }
        (Operator::Add, Value::List(a), Value::List(b)) => joined(run, a, b).map(Value::list),
        (Operator::Add, Value::Tuple(a) | Value::Group(a), Value::Tuple(b) | Value::Group(b)) => {
            joined(run, a, b).map(Value::tuple)
        }
        (Operator::Mul, held, times) | (Operator::Mul, times, held)
            if times.int().is_some() && (held.sequence().is_some() || matches!(held, Value::Text(_))) =>
        {
            repeated(run, held, times.int().unwrap_or(0))
        }
        _ => Err(TemplateError::new(format!(
            "unsupported operand types for {}: '{}' and '{}'",
            sign(operator),
            left.kind(),
            right.kind()
        ))),
    }
}

fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Add => "+",
        Operator::Sub => "-",
        Operator::Mul => "*",
        Operator::Div => "/",
        Operator::FloorDiv => "//",
        Operator::Mod => "%",
        Operator::Pow => "**",
    }
}

fn joined(run: &mut Run, a: &[Value], b: &[Value]) -> Outcome<Vec<Value>> {
    run.spend(a.len() + b.len())?;
    Ok(a.iter().chain(b).cloned().collect())
}

fn repeated(run: &mut Run, held: &Value, times: i64) -> Outcome<Value> {
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    match held {
        Value::Text(text) => {
            if text.len().saturating_mul(times) > super::MOST_TEXT {
                return Err(TemplateError::new("a repeated text is too large"));
            }
            run.text(text.repeat(times))
        }
        _ => {
            let items = held.sequence().unwrap_or_default();
            run.spend(items.len().saturating_mul(times))?;
            let all = items.iter().cycle().take(items.len() * times).cloned().collect();
            Ok(if matches!(held, Value::List(_)) { Value::list(all) } else { Value::tuple(all) })
        }
    }
}

fn numbers(operator: Operator, a: Number, b: Number) -> Outcome<Value> {
    let (Number::Int(a), Number::Int(b)) = (a, b) else {
        return floats(operator, a.float(), b.float()).map(Value::Float);
    };
    let exact = |number: Option<i64>| number.map(Value::Int).ok_or_else(beyond);
    match operator {
        Operator::Add => exact(a.checked_add(b)),
        Operator::Sub => exact(a.checked_sub(b)),
        Operator::Mul => exact(a.checked_mul(b)),
        Operator::Div => {
            // Above this a quotient of the nearest floats may not be the float nearest to the quotient.
            if a.unsigned_abs().max(b.unsigned_abs()) > 1 << 53 {
                return Err(beyond());
            }
            floats(operator, a as f64, b as f64).map(Value::Float)
        }
        Operator::FloorDiv | Operator::Mod if b == 0 => Err(by_zero()),
        Operator::FloorDiv => {
            let quotient = a.checked_div(b).ok_or_else(beyond)?;
            Ok(Value::Int(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }))
        }
        Operator::Mod => {
            let rest = a.checked_rem(b).unwrap_or(0);
            Ok(Value::Int(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }))
        }
        Operator::Pow => match u32::try_from(b) {
            Ok(power) => exact(a.checked_pow(power)),
            Err(_) if b > 0 && (-1..=1).contains(&a) => Ok(Value::Int(if b % 2 == 0 { a * a } else { a })),
            Err(_) if b > 0 => Err(beyond()),
            Err(_) => floats(operator, a as f64, b as f64).map(Value::Float),
        },
    }
}

fn floats(operator: Operator, a: f64, b: f64) -> Outcome<f64> {
    Ok(match operator {
        Operator::Add => a + b,
        Operator::Sub => a - b,
        Operator::Mul => a * b,
        Operator::Div | Operator::FloorDiv | Operator::Mod if b == 0.0 => return Err(by_zero()),
        Operator::Div => a / b,
        Operator::FloorDiv => divided(a, b).0,
        Operator::Mod => divided(a, b).1,
        Operator::Pow if a < 0.0 && b.fract() != 0.0 => {
            return Err(TemplateError::unsupported("a complex number"));
        }
        Operator::Pow if a == 0.0 && b < 0.0 => return Err(by_zero()),
        Operator::Pow => {
            let power = a.powf(b);
            if power.is_infinite() && a.is_finite() && b.is_finite() {
                return Err(TemplateError::new("numerical result out of range"));
            }
            power
        }
    })
}

/// Quotient and rest as CPython's `float_divmod` has them.
fn divided(a: f64, b: f64) -> (f64, f64) {
    let mut rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != 0.0 {
        if (b < 0.0) != (rest < 0.0) {
            rest += b;
            quotient -= 1.0;
        }
    } else {
        rest = 0.0_f64.copysign(b);
    }
    let floor = if quotient != 0.0 {
        let floor = quotient.floor();
        if quotient - floor > 0.5 { floor + 1.0 } else { floor }
    } else {
        0.0_f64.copysign(a / b)
    };
    (floor, rest)
}

/// `-value` or `+value`.
pub(super) fn signed(value: &Value, minus: bool) -> Outcome<Value> {
    match number(value) {
        Some(Number::Int(number)) if minus => number.checked_neg().map(Value::Int).ok_or_else(beyond),
        Some(Number::Int(number)) => Ok(Value::Int(number)),
        Some(Number::Float(number)) => Ok(Value::Float(if minus { -number } else { number })),
        None => Err(value.wrong("a sign")),
    }
}
