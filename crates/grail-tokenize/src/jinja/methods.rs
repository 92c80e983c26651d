//! Methods of texts, dictionaries and lists.

use std::rc::Rc;

use super::access::view;
use super::bound::Given;
use super::cuts::{expanded, lines, padded, replaced, search, split, stripped};
use super::eval::Run;
use super::letters::{self, is_space};
use super::value::Value;
use super::{Outcome, TemplateError, format};

const OF_TEXT: [&str; 44] = [
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];

/// The method that an object has under a name. Errors: one that Python's object has and this room does not.
pub(super) fn method_of(object: &Value, name: &str) -> Outcome<Option<Value>> {
    let (known, missing, unsafe_ones): (&[&'static str], &[&str], &[&str]) = match object {
        Value::Text(_) => (&OF_TEXT, &["encode", "maketrans", "translate"], &[]),
        Value::Dict(_) => (
            &["copy", "get", "items", "keys", "values"],
            &["fromkeys"],
            &["clear", "pop", "popitem", "setdefault", "update"],
        ),
        Value::List(_) => (
            &["copy", "count", "index"],
            &[],
            &["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"],
        ),
        Value::Tuple(_) | Value::Group(_) => (&["count", "index"], &[], &[]),
        Value::Cycler(_) => (&["next", "reset"], &["items", "pos"], &[]),
        Value::Loop(_) => (&["changed", "cycle"], &[], &[]),
        Value::Int(_) | Value::Bool(_) | Value::Float(_) => (
            &[],
            &[
                "as_integer_ratio",
                "bit_count",
                "bit_length",
                "conjugate",
                "denominator",
                "from_bytes",
                "fromhex",
                "hex",
                "imag",
                "is_integer",
                "numerator",
                "real",
                "to_bytes",
            ],
            &[],
        ),
        Value::Range { .. } => (&[], &["count", "index"], &[]),
        Value::View(..) => (&[], &["isdisjoint", "mapping"], &[]),
        Value::Iterator(_) => (&[], &["close", "send", "throw"], &[]),
        Value::Macro(_) => {
            (&[], &["arguments", "caller", "catch_kwargs", "catch_varargs", "explicit_caller"], &[])
        }
        Value::Safe(_) => return Err(object.wrong("an attribute")),
        _ => return Ok(None),
    };
    if let Some(name) = known.iter().find(|known| **known == name) {
        return Ok(Some(Value::Method(Rc::new((object.clone(), *name)))));
    }
    if missing.contains(&name) {
        return Err(TemplateError::unsupported(format_args!("the method {}.{name}", object.kind())));
    }
    let kind = object.kind();
    Ok(unsafe_ones
        .contains(&name)
        .then(|| Value::undefined(format!("access to attribute '{name}' of '{kind}' object is unsafe."))))
}

/// Calls a method.
pub(super) fn call(run: &mut Run, object: &Value, name: &'static str, given: Given) -> Outcome<Value> {
    match object {
        Value::Text(text) => of_text(run, text, name, given),
        Value::Dict(dict) => match name {
            "get" => {
                let mut bound = given.bind("get", &["key", "default"], 1)?;
                let held = dict.get(bound.need(0)?)?.cloned();
                Ok(held.or_else(|| bound.take(1)).unwrap_or(Value::None))
            }
            _ => {
                given.bind(name, &[], 0)?;
                Ok(view(name).map_or_else(|| object.clone(), |view| Value::View(view, dict.clone())))
            }
        },
        Value::Cycler(cycler) => {
            given.bind(name, &[], 0)?;
            let (at, length) = (cycler.1.get(), cycler.0.len().max(1));
            if name == "reset" {
                cycler.1.set(0);
                return Ok(Value::None);
            }
            cycler.1.set((at + 1) % length);
            Ok(cycler.0.get(at).cloned().unwrap_or(Value::None))
        }
        Value::Loop(state) => {
            let values = given.unnamed(name)?;
            if name == "cycle" {
                let at = state.index.get().checked_rem(values.len());
                let held = at.and_then(|at| values.get(at)).cloned();
                return held.ok_or_else(|| TemplateError::new("no items for cycling given"));
            }
            let mut last = state.changed.borrow_mut();
            let same = last
                .as_ref()
                .is_some_and(|last| Value::tuple(last.clone()).equals(&Value::tuple(values.clone())));
            *last = Some(values);
            Ok(Value::Bool(!same))
        }
        _ => {
            let items = object.sequence().unwrap_or_default();
            if name == "copy" {
                given.bind(name, &[], 0)?;
                return Ok(object.clone());
            }
            let bound = given.bind(name, &["value"], 1)?;
            let wanted = bound.need(0)?;
            if name == "count" {
                return Ok(Value::count(items.iter().filter(|item| item.equals(wanted)).count()));
            }
            let at = items.iter().position(|item| item.equals(wanted));
            at.map(Value::count).ok_or_else(|| TemplateError::new("the value is not in the list"))
        }
    }
}

fn of_text(run: &mut Run, text: &Rc<str>, name: &'static str, given: Given) -> Outcome<Value> {
    match name {
        "format" => {
            let text = format::braces(run, text, &given.positional, &given.named)?;
            return run.text(text);
        }
        "format_map" => {
            let bound = given.bind(name, &["mapping"], 1)?;
            let Value::Dict(dict) = bound.need(0)? else {
                return Err(bound.need(0)?.wrong("format_map"));
            };
            let named: Vec<_> = dict
                .iter()
                .filter_map(|(key, value)| key.as_text().ok().map(|key| (key.clone(), value.clone())))
                .collect();
            let text = format::braces(run, text, &[], &named)?;
            return run.text(text);
        }
        "split" | "rsplit" => {
            let bound = given.bind(name, &["sep", "maxsplit"], 0)?;
            let most = usize::try_from(bound.int(1, -1)?).unwrap_or(usize::MAX);
            let separator = bound.some(0).map(Value::as_text).transpose()?.map(|text| &**text);
            let parts = split(text, separator, most, name == "rsplit")?;
            run.spend(parts.len())?;
            return Ok(Value::list(parts.into_iter().map(Value::text).collect()));
        }
        "splitlines" => {
            let bound = given.bind(name, &["keepends"], 0)?;
            let lines = lines(text, bound.flag(0));
            run.spend(lines.len())?;
            return Ok(Value::list(lines.into_iter().map(Value::text).collect()));
        }
        "expandtabs" => {
            let bound = given.bind(name, &["tabsize"], 0)?;
            let text = expanded(text, bound.int(0, 8)?)?;
            return run.text(text);
        }
        _ => {}
    }
    // None of the others takes its arguments by name.
    let given = Given { positional: given.unnamed(name)?, named: Vec::new() };
    match name {
        "startswith" | "endswith" | "find" | "rfind" | "index" | "rindex" | "count" => {
            search(text, name, given)
        }
        "partition" | "rpartition" => {
            let bound = given.bind(name, &["sep"], 1)?;
            let separator = bound.need(0)?.as_text()?.clone();
            if separator.is_empty() {
                return Err(TemplateError::new("empty separator"));
            }
            let cut = if name == "partition" {
                text.split_once(&*separator)
            } else {
                text.rsplit_once(&*separator)
            };
            let parts = match cut {
                Some((head, tail)) => [head, &separator, tail],
                None if name == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            Ok(Value::tuple(parts.map(Value::text).to_vec()))
        }
        "join" => {
            let bound = given.bind(name, &["iterable"], 1)?;
            let parts = bound.need(0)?.items()?;
            let parts =
                parts.iter().map(|part| part.as_text().map(|part| &**part)).collect::<Outcome<Vec<_>>>()?;
            run.text(parts.join(text))
        }
        _ if name.starts_with("is") => {
            given.bind(name, &[], 0)?;
            question(text, name).map(Value::Bool)
        }
        _ => {
            let text = changed(text, name, given)?;
            run.text(text)
        }
    }
}

/// Methods that give another text.
fn changed(text: &str, name: &'static str, given: Given) -> Outcome<String> {
    match name {
        "strip" | "lstrip" | "rstrip" => {
            let bound = given.bind(name, &["chars"], 0)?;
            return Ok(stripped(text, bound.some(0), name)?.to_owned());
        }
        "ljust" | "rjust" | "center" | "zfill" => return padded(text, name, given),
        "removeprefix" | "removesuffix" => {
            let bound = given.bind(name, &["affix"], 1)?;
            let affix = bound.need(0)?.as_text()?;
            let cut = if name == "removeprefix" {
                text.strip_prefix(&**affix)
            } else {
                text.strip_suffix(&**affix)
            };
            return Ok(cut.unwrap_or(text).to_owned());
        }
        "replace" => {
            let bound = given.bind(name, &["old", "new", "count"], 2)?;
            let (old, new) = (bound.need(0)?.as_text()?, bound.need(1)?.as_text()?);
            return replaced(text, old, new, bound.int(2, -1)?);
        }
        _ => {}
    }
    given.bind(name, &[], 0)?;
    match name {
        "upper" => Ok(text.to_uppercase()),
        "lower" => Ok(text.to_lowercase()),
        "casefold" if text.is_ascii() => Ok(text.to_lowercase()),
        "capitalize" => {
            let mut chars = text.chars();
            let Some(first) = chars.next() else { return Ok(String::new()) };
            // The rest is looked at within its word: a final sigma is one.
            let lower = text.to_lowercase();
            let skip: usize = first.to_lowercase().map(char::len_utf8).sum();
            Ok(format!("{}{}", letters::title(first)?, lower.get(skip..).unwrap_or_default()))
        }
        "title" => title(text),
        "swapcase" if !text.contains('Σ') => Ok(text
            .chars()
            .flat_map(|c| {
                let swapped: Vec<char> =
                    if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() };
                swapped
            })
            .collect()),
        other => Err(TemplateError::unsupported(format_args!("the method str.{other} of such a text"))),
    }
}

/// `str.title`: a letter behind none begins a word.
fn title(text: &str) -> Outcome<String> {
    if text.contains('Σ') {
        return Err(TemplateError::unsupported("str.title of a text with a capital sigma"));
    }
    let mut out = String::with_capacity(text.len());
    let mut within = false;
    for c in text.chars() {
        let cased = c.is_lowercase() || c.is_uppercase() || letters::is_title(c);
        if cased && !within {
            out.push(letters::title(c)?);
        } else {
            out.extend(c.to_lowercase());
        }
        within = cased;
    }
    Ok(out)
}

fn question(text: &str, name: &'static str) -> Outcome<bool> {
    let all = |holds: fn(char) -> bool| Ok(!text.is_empty() && text.chars().all(holds));
    let each = |holds: fn(char) -> Outcome<bool>| {
        let found = text.chars().map(holds).collect::<Outcome<Vec<_>>>()?;
        Ok(!text.is_empty() && found.into_iter().all(|found| found))
    };
    let lower = || text.chars().any(char::is_lowercase);
    let upper = || text.chars().any(char::is_uppercase);
    let titled = || text.chars().any(letters::is_title);
    match name {
        "isalpha" => all(letters::is_letter),
        "isalnum" => all(letters::is_alphanumeric),
        "isdecimal" => all(letters::is_decimal),
        "isspace" => all(is_space),
        "isdigit" => each(letters::is_digit),
        "isnumeric" => each(letters::is_numeric),
        "isascii" => Ok(text.is_ascii()),
        "isprintable" => Ok(text.chars().all(letters::is_printable)),
        "islower" => Ok(lower() && !upper() && !titled()),
        "isupper" => Ok(upper() && !lower() && !titled()),
        "istitle" if text.is_ascii() => {
            let (mut within, mut any) = (false, false);
            for c in text.chars() {
                if (c.is_uppercase() && within) || (c.is_lowercase() && !within) {
                    return Ok(false);
                }
                within = c.is_alphabetic();
                any |= within;
            }
            Ok(any)
        }
        "isidentifier" if text.is_ascii() => {
            let word = text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
            Ok(word && !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()))
        }
        other => Err(TemplateError::unsupported(format_args!("the method str.{other} of such a text"))),
    }
}
