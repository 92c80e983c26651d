//! What can be called.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::bound::Given;
use super::eval::Run;
use super::methods;
use super::value::{Dict, Function, Value};
use super::{Outcome, TemplateError};

/// Jinja's sandbox allows no longer ones.
const MOST_RANGE: usize = 100_000;

impl Run {
    /// Calls a value.
    pub(super) fn call(&mut self, callee: &Value, given: Given) -> Outcome<Value> {
        match callee {
            Value::Macro(held) => self.call_macro(held, given),
            Value::Method(method) => methods::call(self, &method.0, method.1, given),
            Value::Function(function) => self.call_function(*function, given),
            Value::Joiner(joiner) => {
                given.bind("joiner", &[], 0)?;
                Ok(if joiner.1.replace(true) { joiner.0.clone() } else { Value::text("") })
            }
            Value::Loop(state) => {
                let bound = given.bind("loop", &["iterable"], 1)?;
                let Some((node, scope)) = &state.again else {
                    let problem = "The loop must have the 'recursive' marker to be called recursively.";
                    return Err(TemplateError::new(problem));
                };
                let text = self.repeat(node, bound.need(0)?, scope, state.depth0 + 1)?;
                self.text(text)
            }
            Value::Undefined(why) => Err(TemplateError::new(&**why)),
            other => Err(TemplateError::new(format!("'{}' object is not callable", other.kind()))),
        }
    }

    fn call_function(&mut self, function: Function, given: Given) -> Outcome<Value> {
        match function {
            Function::Range => range(given),
            Function::Dict => dictionary(given).map(|dict| Value::Dict(Rc::new(dict))),
            Function::Namespace => {
                let held = dictionary(given)?;
                let hidden =
                    held.iter().find_map(|(key, _)| key.as_text().ok().filter(|key| key.starts_with('_')));
                match hidden {
                    Some(name) => Err(TemplateError::new(format!(
                        "a namespace cannot hold {name:?}, which begins with an underscore"
                    ))),
                    None => Ok(Value::Namespace(Rc::new(RefCell::new(held)))),
                }
            }
            Function::Cycler => {
                let items = given.unnamed("cycler")?;
                if items.is_empty() {
                    return Err(TemplateError::new("at least one item has to be provided"));
                }
                Ok(Value::Cycler(Rc::new((items, Cell::new(0)))))
            }
            Function::Joiner => {
                let mut bound = given.bind("joiner", &["sep"], 0)?;
                let separator = bound.take(0).unwrap_or_else(|| Value::text(", "));
                Ok(Value::Joiner(Rc::new((separator, Cell::new(false)))))
            }
            Function::RaiseException => {
                let bound = given.bind("raise_exception", &["message"], 1)?;
                let message = self.display(bound.need(0)?)?;
                Err(TemplateError::new(format!("the template refuses: {message}")))
            }
        }
    }
}

fn range(given: Given) -> Outcome<Value> {
    let numbers = given.unnamed("range")?;
    let numbers = numbers
        .iter()
        .map(|value| value.int().ok_or_else(|| value.wrong("range")))
        .collect::<Outcome<Vec<_>>>()?;
    let (start, stop, step) = match numbers.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [start, stop, step] if *step != 0 && *step != i64::MIN => (*start, *stop, *step),
        [_, _, _] => return Err(TemplateError::new("range() arg 3 must not be zero")),
        _ => return Err(TemplateError::new("range expected 1 to 3 arguments")),
    };
    let range = Value::Range { start, stop, step };
    if range.length()? > MOST_RANGE {
        return Err(TemplateError::new("Range too big. The sandbox blocks ranges larger than 100000."));
    }
    Ok(range)
}

/// `dict(…)`: of a dictionary or of pairs, and of names.
fn dictionary(given: Given) -> Outcome<Dict> {
    let mut dict = Dict::default();
    match given.positional.as_slice() {
        [] => {}
        [Value::Dict(held)] => dict = (**held).clone(),
        [pairs] => {
            for pair in pairs.items()? {
                match pair.items()?.as_slice() {
                    [key, value] => dict.set(key.clone(), value.clone())?,
                    _ => return Err(TemplateError::new("a dictionary is made of pairs")),
                }
            }
        }
        _ => return Err(TemplateError::new("dict expected at most 1 argument")),
    }
    for (name, value) in given.named {
        dict.set_text(&name, value);
    }
    Ok(dict)
}
