//! Jinja's filters: `value | name(…)`.

mod numbers;
mod sequences;
mod texts;

use std::rc::Rc;

use super::bound::Given;
use super::eval::Run;
use super::value::Value;
use super::{Outcome, TemplateError, json};

const NAMES: [&str; 46] = [
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
    "wordwrap",
    "filesizeformat",
];

/// What Jinja has and this room has not: escapes for HTML, and what depends on chance or a column width.
const UNSUPPORTED: [&str; 8] =
    ["e", "escape", "forceescape", "pprint", "random", "striptags", "urlize", "xmlattr"];

/// Whether Jinja has a filter of this name.
pub(super) fn exists(name: &str) -> bool {
    NAMES.contains(&name) || UNSUPPORTED.contains(&name)
}

/// Whether a filter can be applied. Errors: Jinja has none of this name, or it is not supported here.
pub(super) fn known(name: &str) -> Outcome<()> {
    if UNSUPPORTED.contains(&name) {
        return Err(TemplateError::unsupported(format_args!("the filter {name:?}")));
    }
    if NAMES.contains(&name) { Ok(()) } else { Err(TemplateError::new(format!("no filter named '{name}'"))) }
}

/// Applies a filter.
pub(super) fn apply(run: &mut Run, name: &str, value: Value, given: Given) -> Outcome<Value> {
    known(name)?;
    run.spend(1)?;
    match name {
        "default" | "d" => {
            let mut bound = given.bind(name, &["default_value", "boolean"], 0)?;
            let replaced = matches!(value, Value::Undefined(_)) || (bound.flag(1) && !value.truth());
            Ok(if replaced { bound.take(0).unwrap_or_else(|| Value::text("")) } else { value })
        }
        "tojson" => {
            let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
            let bound = given.bind(name, &names, 0)?;
            json::dumps(run, &value, &bound)
        }
        "safe" => {
            given.bind(name, &[], 0)?;
            let text = run.display(&value)?;
            Ok(Value::Safe(Rc::from(text)))
        }
        "attr" => {
            let bound = given.bind(name, &["name"], 1)?;
            let attribute = bound.need(0)?.as_text()?;
            let held = super::access::own(&value, attribute)?;
            Ok(held.unwrap_or_else(|| Value::undefined(format!("no attribute '{attribute}'"))))
        }
        "abs" | "int" | "float" | "round" | "sum" | "filesizeformat" => {
            numbers::apply(run, name, value, given)
        }
        "batch" | "count" | "dictsort" | "first" | "groupby" | "items" | "join" | "last" | "length"
        | "list" | "map" | "max" | "min" | "reject" | "rejectattr" | "reverse" | "select" | "selectattr"
        | "slice" | "sort" | "unique" => sequences::apply(run, name, value, given),
        _ => texts::apply(run, name, value, given),
    }
}
