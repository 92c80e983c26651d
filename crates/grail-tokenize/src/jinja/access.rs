//! `a.b`, `a[b]` and `a[b:c]` in the sandbox: attributes before items after a point, the other way round in brackets.

use super::methods::method_of;
use super::value::{Value, View};
use super::{Outcome, TemplateError};

/// `object.name`.
pub(super) fn attribute(object: &Value, name: &str) -> Outcome<Value> {
    if let Some(value) = own(object, name)? {
        return Ok(value);
    }
    match object {
        Value::Dict(dict) => Ok(dict.by_text(name).cloned().unwrap_or_else(|| lacks(object, name))),
        _ => Ok(lacks(object, name)),
    }
}

/// `object[key]`.
pub(super) fn item(object: &Value, key: &Value) -> Outcome<Value> {
    let held = match object {
        Value::Undefined(why) => return Err(TemplateError::new(&**why)),
        Value::Dict(dict) => dict.get(key).ok().flatten().cloned(),
        Value::Text(_) | Value::List(_) | Value::Tuple(_) | Value::Group(_) | Value::Range { .. } => {
            key.int().map(|at| at_index(object, at)).transpose()?.flatten()
        }
        Value::Safe(_) => return Err(object.wrong("an item")),
        _ => None,
    };
    match (held, key) {
        (Some(value), _) => Ok(value),
        (None, Value::Text(name)) => Ok(own(object, name)?.unwrap_or_else(|| lacks(object, name))),
        (None, key) => {
            let shown = super::print::repr(key, None).unwrap_or_else(|_| key.kind().to_owned());
            Ok(Value::undefined(format!("{} object has no element {shown}", object.kind())))
        }
    }
}

fn lacks(object: &Value, name: &str) -> Value {
    Value::undefined(format!("'{} object' has no attribute '{name}'", object.kind()))
}

fn at_index(object: &Value, at: i64) -> Outcome<Option<Value>> {
    let length = object.length()?;
    let at = if at < 0 { at + length as i64 } else { at };
    let Ok(at) = usize::try_from(at) else { return Ok(None) };
    Ok(match object {
        Value::Text(text) => text.chars().nth(at).map(|c| Value::text(c.to_string())),
        Value::Range { start, step, .. } => (at < length).then(|| Value::Int(start + step * at as i64)),
        other => other.sequence().and_then(|items| items.get(at)).cloned(),
    })
}

/// What every dictionary of Python has; other names with underscores may be keys.
const OF_DICT: [&str; 35] = [
    "__class__",
    "__class_getitem__",
    "__contains__",
    "__delattr__",
    "__delitem__",
    "__dir__",
    "__doc__",
    "__eq__",
    "__format__",
    "__ge__",
    "__getattribute__",
    "__getitem__",
    "__getstate__",
    "__gt__",
    "__hash__",
    "__init__",
    "__init_subclass__",
    "__ior__",
    "__iter__",
    "__le__",
    "__len__",
    "__lt__",
    "__ne__",
    "__new__",
    "__or__",
    "__reduce__",
    "__reduce_ex__",
    "__repr__",
    "__reversed__",
    "__ror__",
    "__setattr__",
    "__setitem__",
    "__sizeof__",
    "__str__",
    "__subclasshook__",
];

/// What Python's object has under a name. Errors: what it has and this room does not.
pub(super) fn own(object: &Value, name: &str) -> Outcome<Option<Value>> {
    if let Value::Undefined(why) = object {
        return Err(TemplateError::new(&**why));
    }
    if name.starts_with('_') {
        // The sandbox answers with something undefined.
        return Ok(match object {
            Value::Dict(_) if !OF_DICT.contains(&name) => None,
            Value::Namespace(_) if name != "__class__" => None,
            _ => Some(Value::undefined(format!(
                "access to attribute '{name}' of '{}' is unsafe",
                object.kind()
            ))),
        });
    }
    Ok(match object {
        Value::Loop(state) => {
            let (index, length) = (state.index.get(), state.items.len());
            let neighbour = |at: Option<usize>, which: &str| {
                let held = at.and_then(|at| state.items.get(at)).cloned();
                held.unwrap_or_else(|| Value::undefined(format!("there is no {which} item")))
            };
            Some(match name {
                "index" => Value::count(index + 1),
                "index0" => Value::count(index),
                "revindex" => Value::count(length - index),
                "revindex0" => Value::count(length - index - 1),
                "first" => Value::Bool(index == 0),
                "last" => Value::Bool(index + 1 == length),
                "length" => Value::count(length),
                "depth" => Value::Int(state.depth0 + 1),
                "depth0" => Value::Int(state.depth0),
                "previtem" => neighbour(index.checked_sub(1), "previous"),
                "nextitem" => neighbour(Some(index + 1), "next"),
                _ => return method_of(object, name),
            })
        }
        Value::Namespace(held) => held.borrow().by_text(name).cloned(),
        Value::Group(items) if name == "grouper" => items.first().cloned(),
        Value::Group(items) if name == "list" => items.get(1).cloned(),
        Value::Cycler(cycler) if name == "current" => cycler.0.get(cycler.1.get()).cloned(),
        Value::Joiner(joiner) if name == "sep" => Some(joiner.0.clone()),
        Value::Joiner(joiner) if name == "used" => Some(Value::Bool(joiner.1.get())),
        Value::Macro(held) if name == "name" => Some(Value::text(&*held.node.name)),
        Value::Range { start, .. } if name == "start" => Some(Value::Int(*start)),
        Value::Range { stop, .. } if name == "stop" => Some(Value::Int(*stop)),
        Value::Range { step, .. } if name == "step" => Some(Value::Int(*step)),
        _ => method_of(object, name)?,
    })
}

/// `object[from:to:by]`.
pub(super) fn slice(object: &Value, bounds: [Option<Value>; 3]) -> Outcome<Value> {
    let number = |value: &Option<Value>| match value {
        None | Some(Value::None) => Ok(None),
        Some(value) => value.int().map(Some).ok_or_else(|| value.wrong("a slice's bound")),
    };
    let [from, to, by] = &bounds;
    let (from, to, by) = (number(from)?, number(to)?, number(by)?.unwrap_or(1));
    let length = match object {
        Value::Text(_) | Value::List(_) | Value::Tuple(_) | Value::Group(_) => object.length()? as i64,
        Value::Undefined(_) | Value::Safe(_) => return Err(object.wrong("a slice")),
        Value::Range { .. } => return Err(TemplateError::unsupported("a slice of a range")),
        // A slice does not go through the sandbox, which would turn the error into something undefined.
        other => return Err(TemplateError::new(format!("'{}' object is not subscriptable", other.kind()))),
    };
    if by == 0 {
        return Err(TemplateError::new("slice step cannot be zero"));
    }
    let places = places(from, to, by, length);
    Ok(match object {
        Value::Text(text) => {
            let chars: Vec<char> = text.chars().collect();
            Value::text(places.filter_map(|at| chars.get(at)).collect::<String>())
        }
        other => {
            let items = other.sequence().unwrap_or_default();
            let picked: Vec<_> = places.filter_map(|at| items.get(at)).cloned().collect();
            if matches!(other, Value::List(_)) { Value::list(picked) } else { Value::tuple(picked) }
        }
    })
}

/// Python's `slice.indices`, walked.
fn places(from: Option<i64>, to: Option<i64>, by: i64, length: i64) -> impl Iterator<Item = usize> {
    let (lowest, highest) = if by < 0 { (-1, length - 1) } else { (0, length) };
    let within = |bound: i64| {
        let bound = if bound < 0 { bound.saturating_add(length) } else { bound };
        bound.clamp(lowest, highest)
    };
    let from = from.map_or(if by < 0 { highest } else { lowest }, within);
    let to = to.map_or(if by < 0 { lowest } else { highest }, within);
    std::iter::successors(Some(from), move |at| at.checked_add(by))
        .take_while(move |at| if by < 0 { *at > to } else { *at < to })
        .filter_map(|at| usize::try_from(at).ok())
}

/// `a.b.0`, as filters name an attribute.
pub(super) fn path(object: &Value, attribute: &Value) -> Outcome<Value> {
    match attribute {
        Value::None => Ok(object.clone()),
        Value::Text(path) => path.split('.').try_fold(object.clone(), |held, part| part_of(&held, part)),
        other => item(object, other),
    }
}

/// The same, where what is undefined on the way becomes `default`.
pub(super) fn path_or(object: &Value, attribute: &Value, default: Option<&Value>) -> Outcome<Value> {
    let Some(default) = default.filter(|default| !matches!(default, Value::None)) else {
        return path(object, attribute);
    };
    let or = |value: Value| if matches!(value, Value::Undefined(_)) { default.clone() } else { value };
    match attribute {
        Value::Text(path) => {
            path.split('.').try_fold(object.clone(), |held, part| part_of(&held, part).map(or))
        }
        other => path_or_item(object, other).map(or),
    }
}

fn path_or_item(object: &Value, key: &Value) -> Outcome<Value> {
    if matches!(key, Value::None) { Ok(object.clone()) } else { item(object, key) }
}

fn part_of(object: &Value, part: &str) -> Outcome<Value> {
    let number = part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit()));
    item(object, &number.map_or_else(|| Value::text(part), Value::Int))
}

/// What a view of a dictionary looks at.
pub(super) fn view(name: &str) -> Option<View> {
    match name {
        "keys" => Some(View::Keys),
        "values" => Some(View::Values),
        "items" => Some(View::Items),
        _ => None,
    }
}
