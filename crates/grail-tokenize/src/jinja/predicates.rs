//! Jinja's tests: `value is name …`.

use std::cmp::Ordering;

use super::ast::{Comparison, Operator};
use super::bound::Given;
use super::operands::number;
use super::value::{Function, Value};
use super::{Outcome, TemplateError, filters};

const NAMES: [&str; 39] = [
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// Whether Jinja has a test of this name. Errors: it has not.
pub(super) fn known(name: &str) -> Outcome<()> {
    if NAMES.contains(&name) {
        return Ok(());
    }
    Err(TemplateError::new(format!("no test named '{name}'")))
}

/// Answers a test.
pub(super) fn apply(name: &str, value: &Value, given: Given) -> Outcome<bool> {
    known(name)?;
    let comparison = match name {
        "==" | "eq" | "equalto" => Some(Comparison::Eq),
        "!=" | "ne" => Some(Comparison::Ne),
        "<" | "lt" | "lessthan" => Some(Comparison::Lt),
        "<=" | "le" => Some(Comparison::Le),
        ">" | "gt" | "greaterthan" => Some(Comparison::Gt),
        ">=" | "ge" => Some(Comparison::Ge),
        "in" => Some(Comparison::In),
        _ => None,
    };
    if let Some(how) = comparison {
        let bound = given.bind(name, &["other"], 1)?;
        return value.compare(how, bound.need(0)?);
    }
    if matches!(name, "divisibleby" | "sameas") {
        let bound = given.bind(name, &[if name == "sameas" { "other" } else { "num" }], 1)?;
        let other = bound.need(0)?;
        return if name == "sameas" { same(value, other) } else { divisible(value, other, 0) };
    }
    given.bind(name, &[], 0)?;
    Ok(match name {
        "defined" => !matches!(value, Value::Undefined(_)),
        "undefined" => matches!(value, Value::Undefined(_)),
        "none" => matches!(value, Value::None),
        "boolean" => matches!(value, Value::Bool(_)),
        "true" => matches!(value, Value::Bool(true)),
        "false" => matches!(value, Value::Bool(false)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => number(value).is_some(),
        "string" => matches!(value, Value::Text(_) | Value::Safe(_)),
        "escaped" => matches!(value, Value::Safe(_)),
        "mapping" => matches!(value, Value::Dict(_)),
        "odd" => return divisible(value, &Value::Int(2), 1),
        "even" => return divisible(value, &Value::Int(2), 0),
        "iterable" => matches!(
            value,
            Value::Undefined(_)
                | Value::Text(_)
                | Value::Safe(_)
                | Value::List(_)
                | Value::Tuple(_)
                | Value::Group(_)
                | Value::Dict(_)
                | Value::View(..)
                | Value::Range { .. }
                | Value::Iterator(_)
                | Value::Loop(_)
        ),
        "sequence" => matches!(
            value,
            Value::Undefined(_)
                | Value::Text(_)
                | Value::Safe(_)
                | Value::List(_)
                | Value::Tuple(_)
                | Value::Group(_)
                | Value::Dict(_)
                | Value::Range { .. }
        ),
        "callable" => matches!(
            value,
            Value::Undefined(_)
                | Value::Macro(_)
                | Value::Method(_)
                | Value::Function(
                    Function::Range
                        | Function::Dict
                        | Function::Namespace
                        | Function::Cycler
                        | Function::Joiner
                        | Function::RaiseException
                )
                | Value::Loop(_)
                | Value::Joiner(_)
        ),
        "lower" | "upper" => {
            let text = super::print::display(value, None)?;
            let (lower, upper) = (text.chars().any(char::is_lowercase), text.chars().any(char::is_uppercase));
            let titled = text.chars().any(super::letters::is_title);
            !titled && if name == "lower" { lower && !upper } else { upper && !lower }
        }
        "filter" => filters::exists(value.as_text()?),
        _ => known(value.as_text()?).is_ok(),
    })
}

fn divisible(value: &Value, by: &Value, rest: i64) -> Outcome<bool> {
    let (Some(_), Some(_)) = (number(value), number(by)) else { return Err(value.wrong("a remainder")) };
    let mut run = super::eval::Run::new(None);
    let found = super::arithmetic::binary(&mut run, Operator::Mod, value, by)?;
    Ok(found.order(&Value::Int(rest))? == Some(Ordering::Equal))
}

/// Identity is a matter of the interpreter for numbers and texts.
fn same(value: &Value, other: &Value) -> Outcome<bool> {
    if matches!(value, Value::Int(_) | Value::Float(_) | Value::Text(_)) && value.kind() == other.kind() {
        return Err(TemplateError::unsupported(format_args!(
            "the test sameas between two '{}'",
            value.kind()
        )));
    }
    Ok(value.same(other))
}
