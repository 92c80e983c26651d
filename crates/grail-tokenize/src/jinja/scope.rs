//! The names that a place of a template sees.

use std::cell::RefCell;
use std::rc::Rc;

use super::value::Value;

/// Names with their values, inside those of the place around.
#[derive(Debug)]
pub(crate) struct Scope {
    names: RefCell<Vec<(Rc<str>, Value)>>,
    around: Option<Rc<Scope>>,
}

impl Scope {
    pub(super) fn outermost() -> Self {
        Self { names: RefCell::default(), around: None }
    }

    /// A place inside this one: what is set there ends there.
    pub(super) fn inside(self: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self { names: RefCell::default(), around: Some(self.clone()) })
    }

    pub(super) fn set(&self, name: &str, value: Value) {
        let mut names = self.names.borrow_mut();
        match names.iter_mut().find(|(held, _)| **held == *name) {
            Some((_, held)) => *held = value,
            None => names.push((name.into(), value)),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let mut scope = self;
        loop {
            if let Some((_, value)) = scope.names.borrow().iter().find(|(held, _)| **held == *name) {
                return Some(value.clone());
            }
            scope = scope.around.as_deref()?;
        }
    }

    /// Forgets every name. A macro holds the place that holds it: without this, neither would ever be freed.
    pub(super) fn clear(&self) {
        let names = std::mem::take(&mut *self.names.borrow_mut());
        drop(names);
    }
}
