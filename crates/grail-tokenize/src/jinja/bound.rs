//! Arguments of a call, and their places in what is called.

use std::rc::Rc;

use super::value::Value;
use super::{Outcome, TemplateError};

/// Arguments as a call gives them.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    pub(super) positional: Vec<Value>,
    pub(super) named: Vec<(Rc<str>, Value)>,
}

/// Arguments by the places that what is called has for them.
#[derive(Debug)]
pub(super) struct Bound(Vec<Option<Value>>);

impl Given {
    /// The arguments in the order of these names, of which the first `needed` must be there.
    ///
    /// Errors: too many, unknown, twice, or missing.
    pub(super) fn bind(self, what: &str, names: &[&str], needed: usize) -> Outcome<Bound> {
        let fail = |problem: String| Err(TemplateError::new(format!("{what}() {problem}")));
        if self.positional.len() > names.len() {
            return fail(format!("takes {} arguments but {} were given", names.len(), self.positional.len()));
        }
        let mut places: Vec<_> = self.positional.into_iter().map(Some).collect();
        places.resize(names.len(), None);
        for (name, value) in self.named {
            let Some(at) = names.iter().position(|known| **known == *name) else {
                return fail(format!("got an unexpected keyword argument '{name}'"));
            };
            match places.get_mut(at) {
                Some(place @ None) => *place = Some(value),
                _ => return fail(format!("got multiple values for argument '{name}'")),
            }
        }
        if let Some(missing) = places.iter().take(needed).position(Option::is_none) {
            return fail(format!("missing required argument '{}'", names.get(missing).unwrap_or(&"?")));
        }
        Ok(Bound(places))
    }

    /// The arguments of what takes none by name.
    pub(super) fn unnamed(self, what: &str) -> Outcome<Vec<Value>> {
        match self.named.first() {
            Some((name, _)) => {
                Err(TemplateError::new(format!("{what}() got an unexpected keyword argument '{name}'")))
            }
            None => Ok(self.positional),
        }
    }
}

impl Bound {
    pub(super) fn get(&self, at: usize) -> Option<&Value> {
        self.0.get(at).and_then(Option::as_ref)
    }

    pub(super) fn take(&mut self, at: usize) -> Option<Value> {
        self.0.get_mut(at).and_then(Option::take)
    }

    /// An argument that is there.
    pub(super) fn need(&self, at: usize) -> Outcome<&Value> {
        self.get(at).ok_or_else(|| TemplateError::new("an argument is missing"))
    }

    /// A truth, false by default.
    pub(super) fn flag(&self, at: usize) -> bool {
        self.get(at).is_some_and(Value::truth)
    }

    /// A whole number.
    pub(super) fn int(&self, at: usize, default: i64) -> Outcome<i64> {
        match self.get(at) {
            None => Ok(default),
            Some(value) => value.int().ok_or_else(|| value.wrong("a whole number")),
        }
    }

    /// An argument that may be `none`.
    pub(super) fn some(&self, at: usize) -> Option<&Value> {
        self.get(at).filter(|value| !matches!(value, Value::None))
    }
}
