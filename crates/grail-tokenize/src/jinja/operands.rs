//! Equality, order and membership.

use std::cmp::Ordering;
use std::rc::Rc;

use super::ast::Comparison;
use super::value::{Value, View};
use super::{Outcome, TemplateError};

impl Value {
    /// `==`.
    pub(super) fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::Undefined(_), Self::Undefined(_)) | (Self::None, Self::None) => true,
            (Self::Text(a) | Self::Safe(a), Self::Text(b) | Self::Safe(b)) => a == b,
            (Self::List(a), Self::List(b))
            | (Self::Tuple(a) | Self::Group(a), Self::Tuple(b) | Self::Group(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(b))
            }
            (Self::Dict(a), Self::Dict(b)) => {
                let held = |(key, value): &(Value, Value)| {
                    b.get(key).is_ok_and(|b| b.is_some_and(|b| b.equals(value)))
                };
                a.len() == b.len() && a.iter().all(held)
            }
            (Self::Range { .. }, Self::Range { .. }) => match (self.items(), other.items()) {
                (Ok(a), Ok(b)) => a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.equals(b)),
                _ => false,
            },
            (Self::Function(a), Self::Function(b)) => a == b,
            _ => match (number(self), number(other)) {
                (Some(a), Some(b)) => a.compare(b) == Some(Ordering::Equal),
                _ => self.same(other),
            },
        }
    }

    /// `is`, where it can be told: one and the same object.
    pub(super) fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => Rc::ptr_eq(a, b),
            (Self::Dict(a), Self::Dict(b)) => Rc::ptr_eq(a, b),
            (Self::Namespace(a), Self::Namespace(b)) => Rc::ptr_eq(a, b),
            (Self::Macro(a), Self::Macro(b)) => Rc::ptr_eq(a, b),
            (Self::Iterator(a), Self::Iterator(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// How two values are ordered; none for numbers that are not one. Errors: values without an order.
    pub(super) fn order(&self, other: &Value) -> Outcome<Option<Ordering>> {
        if let (Some(a), Some(b)) = (number(self), number(other)) {
            return Ok(a.compare(b));
        }
        match (self, other) {
            (Self::Text(a) | Self::Safe(a), Self::Text(b) | Self::Safe(b)) => Ok(Some(a.cmp(b))),
            (Self::List(a), Self::List(b))
            | (Self::Tuple(a) | Self::Group(a), Self::Tuple(b) | Self::Group(b)) => {
                match a.iter().zip(b.iter()).find(|(a, b)| !a.equals(b)) {
                    Some((a, b)) => a.order(b),
                    None => Ok(Some(a.len().cmp(&b.len()))),
                }
            }
            (Self::Undefined(why), _) | (_, Self::Undefined(why)) => Err(TemplateError::new(&**why)),
            _ => Err(TemplateError::new(format!(
                "values of '{}' and '{}' have no order",
                self.kind(),
                other.kind()
            ))),
        }
    }

    /// `value in self`.
    pub(super) fn contains(&self, value: &Value) -> Outcome<bool> {
        match self {
            Self::Text(text) => match value {
                Self::Text(part) => Ok(text.contains(&**part)),
                other => Err(TemplateError::new(format!(
                    "'in <string>' requires string as left operand, not {}",
                    other.kind()
                ))),
            },
            Self::Dict(dict) | Self::View(View::Keys, dict) => Ok(dict.get(value)?.is_some()),
            Self::Undefined(_)
            | Self::List(_)
            | Self::Tuple(_)
            | Self::Group(_)
            | Self::View(..)
            | Self::Range { .. }
            | Self::Iterator(_) => {
                // A list has what is equal or the very same.
                Ok(self.items()?.iter().any(|held| held.equals(value)))
            }
            other => Err(TemplateError::new(format!("argument of type '{}' is not iterable", other.kind()))),
        }
    }

    /// One comparison.
    pub(super) fn compare(&self, how: Comparison, other: &Value) -> Outcome<bool> {
        let ordered = |accepts: fn(Ordering) -> bool| Ok(self.order(other)?.is_some_and(accepts));
        match how {
            Comparison::Eq => Ok(self.equals(other)),
            Comparison::Ne => Ok(!self.equals(other)),
            Comparison::Lt => ordered(Ordering::is_lt),
            Comparison::Le => ordered(Ordering::is_le),
            Comparison::Gt => ordered(Ordering::is_gt),
            Comparison::Ge => ordered(Ordering::is_ge),
            Comparison::In => other.contains(self),
            Comparison::NotIn => other.contains(self).map(|held| !held),
        }
    }
}

/// A number of either kind.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

/// The number that a value is.
pub(super) fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Float(number) => Some(Number::Float(*number)),
        other => other.int().map(Number::Int),
    }
}

impl Number {
    pub(super) fn float(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Int(a), Self::Float(b)) => int_and_float(a, b),
            (Self::Float(a), Self::Int(b)) => int_and_float(b, a).map(Ordering::reverse),
        }
    }
}

/// Exact, also where a float cannot hold the whole number.
fn int_and_float(int: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    let whole = float.trunc();
    let limit = 9_223_372_036_854_775_808.0;
    if whole >= limit {
        return Some(Ordering::Less);
    }
    if whole < -limit {
        return Some(Ordering::Greater);
    }
    let rest = if float > whole {
        Ordering::Less
    } else if float < whole {
        Ordering::Greater
    } else {
        Ordering::Equal
    };
    Some(int.cmp(&(whole as i64)).then(rest))
}

/// Sorts by keys as Python's `sorted`: equal ones keep their order, `reverse` or not.
pub(super) fn sorted(mut keyed: Vec<(Value, Value)>, reverse: bool) -> Outcome<Vec<(Value, Value)>> {
    let mut failed = None;
    keyed.sort_by(|(a, _), (b, _)| {
        let order = a.order(b).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            None
        });
        let order = order.unwrap_or(Ordering::Equal);
        if reverse { order.reverse() } else { order }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(keyed),
    }
}
