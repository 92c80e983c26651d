//! Values as Python has them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::ast;
use super::scope::Scope;
use super::{Outcome, TemplateError};

/// A value of a running template.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Nothing has this name; why, in Jinja's words.
    Undefined(Rc<str>),
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    /// A text that `safe` has marked: it prints the same and computes otherwise.
    Safe(Rc<str>),
    List(Rc<[Value]>),
    Tuple(Rc<[Value]>),
    /// What `groupby` yields: a tuple of two with names.
    Group(Rc<[Value]>),
    Dict(Rc<Dict>),
    /// `keys()`, `values()` and `items()` of a dictionary.
    View(View, Rc<Dict>),
    Range {
        start: i64,
        stop: i64,
        step: i64,
    },
    /// What can be read once: a generator, an iterator.
    Iterator(Rc<RefCell<VecDeque<Value>>>),
    Namespace(Rc<RefCell<Dict>>),
    Macro(Rc<Macro>),
    Method(Rc<(Value, &'static str)>),
    Function(Function),
    Loop(Rc<LoopState>),
    Cycler(Rc<(Vec<Value>, Cell<usize>)>),
    Joiner(Rc<(Value, Cell<bool>)>),
}

/// Which part of a dictionary is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Keys,
    Values,
    Items,
}

/// What templates may call by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Range,
    Dict,
    Namespace,
    Cycler,
    Joiner,
    RaiseException,
}

/// A dictionary in the order in which it was filled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dict(Vec<(Value, Value)>);

/// A macro with the names that it sees.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(super) node: Arc<ast::Macro>,
    pub(super) scope: Rc<Scope>,
}

/// `loop`.
#[derive(Debug)]
pub(crate) struct LoopState {
    pub(super) items: Vec<Value>,
    pub(super) index: Cell<usize>,
    pub(super) depth0: i64,
    /// What runs again when a recursive loop is called, and the names around it.
    pub(super) again: Option<(Arc<ast::Loop>, Rc<Scope>)>,
    pub(super) changed: RefCell<Option<Vec<Value>>>,
}

impl Value {
    pub(crate) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn list(items: Vec<Value>) -> Self {
        Self::List(items.into())
    }

    pub(super) fn tuple(items: Vec<Value>) -> Self {
        Self::Tuple(items.into())
    }

    pub(super) fn iterator(items: impl IntoIterator<Item = Value>) -> Self {
        Self::Iterator(Rc::new(RefCell::new(items.into_iter().collect())))
    }

    pub(super) fn undefined(why: impl Into<Rc<str>>) -> Self {
        Self::Undefined(why.into())
    }

    /// `len` of a text is that of its characters.
    pub(super) fn count(length: usize) -> Self {
        Self::Int(i64::try_from(length).unwrap_or(i64::MAX))
    }

    /// Python's name of the type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::Safe(_) => "Markup",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Group(_) => "_GroupTuple",
            Self::Dict(_) => "dict",
            Self::View(View::Keys, _) => "dict_keys",
            Self::View(View::Values, _) => "dict_values",
            Self::View(View::Items, _) => "dict_items",
            Self::Range { .. } => "range",
            Self::Iterator(_) => "generator",
            Self::Namespace(_) => "Namespace",
            Self::Macro(_) => "Macro",
            Self::Method(_) => "method",
            Self::Function(_) => "function",
            Self::Loop(_) => "LoopContext",
            Self::Cycler(_) => "Cycler",
            Self::Joiner(_) => "Joiner",
        }
    }

    /// A list, tuple or group.
    pub(super) fn sequence(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) | Self::Tuple(items) | Self::Group(items) => Some(items),
            _ => None,
        }
    }

    /// A boolean is a whole number too.
    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bool(truth) => Some(i64::from(*truth)),
            _ => None,
        }
    }

    /// `bool(value)`.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) | Self::Safe(text) => !text.is_empty(),
            Self::List(items) | Self::Tuple(items) | Self::Group(items) => !items.is_empty(),
            Self::Dict(dict) | Self::View(_, dict) => !dict.is_empty(),
            Self::Range { .. } => self.length().is_ok_and(|length| length > 0),
            Self::Loop(state) => !state.items.is_empty(),
            _ => true,
        }
    }

    /// `len(value)`.
    pub(super) fn length(&self) -> Outcome<usize> {
        Ok(match self {
            Self::Undefined(_) => 0,
            Self::Text(text) | Self::Safe(text) => text.chars().count(),
            Self::List(items) | Self::Tuple(items) | Self::Group(items) => items.len(),
            Self::Dict(dict) | Self::View(_, dict) => dict.len(),
            Self::Range { start, stop, step } => range_length(*start, *stop, *step),
            Self::Loop(state) => state.items.len(),
            other => {
                return Err(TemplateError::new(format!("object of type '{}' has no len()", other.kind())));
            }
        })
    }

    /// `list(value)`; what can be read once is read.
    pub(super) fn items(&self) -> Outcome<Vec<Value>> {
        Ok(match self {
            Self::Undefined(_) => Vec::new(),
            Self::Text(text) => text.chars().map(|c| Self::text(c.to_string())).collect(),
            Self::List(items) | Self::Tuple(items) | Self::Group(items) => items.to_vec(),
            Self::Dict(dict) | Self::View(View::Keys, dict) => {
                dict.iter().map(|(key, _)| key.clone()).collect()
            }
            Self::View(View::Values, dict) => dict.iter().map(|(_, value)| value.clone()).collect(),
            Self::View(View::Items, dict) => {
                dict.iter().map(|(key, value)| Self::tuple(vec![key.clone(), value.clone()])).collect()
            }
            Self::Range { start, step, .. } => {
                (0..self.length()?).map(|at| Self::Int(start + step * at as i64)).collect()
            }
            Self::Iterator(items) => items.borrow_mut().drain(..).collect(),
            Self::Safe(_) | Self::Loop(_) => {
                return Err(TemplateError::unsupported(format_args!("to go through a '{}'", self.kind())));
            }
            other => {
                return Err(TemplateError::new(format!("'{}' object is not iterable", other.kind())));
            }
        })
    }

    /// The text of a `str`, which an operation needs.
    pub(super) fn as_text(&self) -> Outcome<&Rc<str>> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Undefined(why) => Err(TemplateError::new(&**why)),
            Self::Safe(_) => {
                Err(TemplateError::unsupported("to compute with a text that the filter `safe` has marked"))
            }
            other => Err(TemplateError::new(format!("a text is needed, not a '{}'", other.kind()))),
        }
    }

    /// The error of whoever computes with what has no value, or of the wrong type.
    pub(super) fn wrong(&self, doing: &str) -> TemplateError {
        match self {
            Self::Undefined(why) => TemplateError::new(&**why),
            Self::Safe(_) => TemplateError::unsupported(format_args!(
                "{doing} on a text that the filter `safe` has marked"
            )),
            other => TemplateError::new(format!("{doing} is not possible with a '{}'", other.kind())),
        }
    }
}

fn range_length(start: i64, stop: i64, step: i64) -> usize {
    let (span, step) =
        if step > 0 { (stop.saturating_sub(start), step) } else { (start.saturating_sub(stop), -step) };
    if span <= 0 { 0 } else { usize::try_from((span - 1) / step + 1).unwrap_or(usize::MAX) }
}

impl Dict {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &(Value, Value)> {
        self.0.iter()
    }

    /// The value under a text.
    pub(super) fn by_text(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(held, _)| matches!(held, Value::Text(held) if **held == *key))
            .map(|(_, value)| value)
    }

    /// The value under a key. Errors: a key that cannot be one.
    pub(super) fn get(&self, key: &Value) -> Outcome<Option<&Value>> {
        hashable(key)?;
        Ok(self.0.iter().find(|(held, _)| held.equals(key)).map(|(_, value)| value))
    }

    /// Sets a value; a key that is there keeps its place. Errors: a key that cannot be one.
    pub(super) fn set(&mut self, key: Value, value: Value) -> Outcome<()> {
        hashable(&key)?;
        match self.0.iter_mut().find(|(held, _)| held.equals(&key)) {
            Some((_, held)) => *held = value,
            None => self.0.push((key, value)),
        }
        Ok(())
    }

    /// Sets the value under a text.
    pub(crate) fn set_text(&mut self, key: &str, value: Value) {
        match self.0.iter_mut().find(|(held, _)| matches!(held, Value::Text(held) if **held == *key)) {
            Some((_, held)) => *held = value,
            None => self.0.push((Value::text(key), value)),
        }
    }
}

/// Python's hash exists for what cannot change.
pub(super) fn hashable(key: &Value) -> Outcome<()> {
    match key {
        Value::List(_) | Value::Dict(_) => {
            Err(TemplateError::new(format!("unhashable type: '{}'", key.kind())))
        }
        Value::Tuple(items) | Value::Group(items) => items.iter().try_for_each(hashable),
        _ => Ok(()),
    }
}
