//! Filters on what has items.

use std::cmp::Ordering;
use std::rc::Rc;

use super::super::bound::{Bound, Given};
use super::super::eval::Run;
use super::super::operands::sorted;
use super::super::value::{Value, hashable};
use super::super::{Outcome, TemplateError, access, predicates};

pub(super) fn apply(run: &mut Run, name: &str, value: Value, given: Given) -> Outcome<Value> {
    match name {
        "map" => return map(run, &value, given),
        "select" | "reject" | "selectattr" | "rejectattr" => return select(run, name, &value, given),
        _ => {}
    }
    let names: &[&str] = match name {
        "batch" => &["linecount", "fill_with"],
        "slice" => &["slices", "fill_with"],
        "dictsort" => &["case_sensitive", "by", "reverse"],
        "groupby" => &["attribute", "default", "case_sensitive"],
        "join" => &["d", "attribute"],
        "max" | "min" | "unique" => &["case_sensitive", "attribute"],
        "sort" => &["reverse", "case_sensitive", "attribute"],
        _ => &[],
    };
    let needed = usize::from(matches!(name, "batch" | "slice" | "groupby"));
    let bound = given.bind(name, names, needed)?;
    match name {
        "length" | "count" => value.length().map(Value::count),
        "list" => counted(run, &value).map(Value::list),
        "first" => match &value {
            Value::Iterator(items) => Ok(items
                .borrow_mut()
                .pop_front()
                .unwrap_or_else(|| Value::undefined("No first item, sequence was empty."))),
            other => Ok(other
                .items()?
                .into_iter()
                .next()
                .unwrap_or_else(|| Value::undefined("No first item, sequence was empty."))),
        },
        "last" => match &value {
            Value::Iterator(_) => Err(TemplateError::new("'generator' object is not reversible")),
            other => Ok(other
                .items()?
                .pop()
                .unwrap_or_else(|| Value::undefined("No last item, sequence was empty."))),
        },
        "reverse" => match &value {
            Value::Text(text) => run.text(text.chars().rev().collect()),
            Value::Iterator(_) => {
                let mut items = counted(run, &value)?;
                items.reverse();
                Ok(Value::list(items))
            }
            other => Ok(Value::iterator(counted(run, other)?.into_iter().rev())),
        },
        "items" => match &value {
            Value::Undefined(_) => Ok(Value::iterator([])),
            Value::Dict(dict) => Ok(Value::iterator(
                dict.iter().map(|(key, value)| Value::tuple(vec![key.clone(), value.clone()])),
            )),
            _ => Err(TemplateError::new("Can only get item pairs from a mapping.")),
        },
        "join" => join(run, &value, &bound),
        "batch" | "slice" => parts(run, name, &value, &bound),
        "dictsort" => {
            let Value::Dict(dict) = &value else { return Err(value.wrong("dictsort")) };
            let by_value = match bound.get(1).map(Value::as_text).transpose()?.map(|by| &**by) {
                None | Some("key") => false,
                Some("value") => true,
                Some(_) => {
                    return Err(TemplateError::new("You can only sort by either \"key\" or \"value\""));
                }
            };
            let keyed = dict.iter().map(|(key, value)| {
                let by = if by_value { value } else { key };
                (folded(by.clone(), bound.flag(0)), Value::tuple(vec![key.clone(), value.clone()]))
            });
            let pairs = sorted(keyed.collect(), bound.flag(2))?;
            Ok(Value::list(pairs.into_iter().map(|(_, pair)| pair).collect()))
        }
        "sort" => {
            let items = counted(run, &value)?;
            let attributes = match bound.get(2) {
                Some(Value::Text(paths)) => paths.split(',').map(Value::text).collect(),
                Some(other) => vec![other.clone()],
                None => vec![Value::None],
            };
            let keyed = items.into_iter().map(|item| {
                let keys = attributes
                    .iter()
                    .map(|path| access::path(&item, path).map(|key| folded(key, bound.flag(1))))
                    .collect::<Outcome<Vec<_>>>()?;
                Ok((Value::list(keys), item))
            });
            let items = sorted(keyed.collect::<Outcome<_>>()?, bound.flag(0))?;
            Ok(Value::list(items.into_iter().map(|(_, item)| item).collect()))
        }
        "groupby" => groups(run, &value, &bound),
        "unique" => {
            let mut seen: Vec<Value> = Vec::new();
            let mut kept = Vec::new();
            for item in counted(run, &value)? {
                let key = key_of(&item, &bound)?;
                hashable(&key)?;
                run.spend(seen.len() / 16)?;
                if !seen.iter().any(|held| held.equals(&key)) {
                    seen.push(key);
                    kept.push(item);
                }
            }
            Ok(Value::iterator(kept))
        }
        _ => extreme(run, name == "max", &value, &bound),
    }
}

fn counted(run: &mut Run, value: &Value) -> Outcome<Vec<Value>> {
    let items = value.items()?;
    run.spend(items.len())?;
    Ok(items)
}

/// Texts in lower case, unless case counts.
fn folded(value: Value, case_sensitive: bool) -> Value {
    match value {
        Value::Text(text) if !case_sensitive => Value::text(text.to_lowercase()),
        other => other,
    }
}

/// The key of an item for filters whose first arguments are `case_sensitive` and `attribute`.
fn key_of(item: &Value, bound: &Bound) -> Outcome<Value> {
    access::path(item, bound.get(1).unwrap_or(&Value::None)).map(|key| folded(key, bound.flag(0)))
}

fn extreme(run: &mut Run, greatest: bool, value: &Value, bound: &Bound) -> Outcome<Value> {
    let mut best: Option<(Value, Value)> = None;
    for item in counted(run, value)? {
        let key = key_of(&item, bound)?;
        let better = match &best {
            None => true,
            Some((held, _)) => {
                key.order(held)? == Some(if greatest { Ordering::Greater } else { Ordering::Less })
            }
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or_else(|| Value::undefined("No aggregated item, sequence was empty."), |(_, item)| item))
}

fn join(run: &mut Run, value: &Value, bound: &Bound) -> Outcome<Value> {
    let between = match bound.get(0) {
        None => String::new(),
        Some(between) => run.display(between)?,
    };
    let mut out = String::new();
    for (at, item) in counted(run, value)?.into_iter().enumerate() {
        let item = match bound.some(1) {
            Some(attribute) => access::path(&item, attribute)?,
            None => item,
        };
        if at > 0 {
            out.push_str(&between);
            run.spend(between.len() / 16)?;
        }
        out.push_str(&run.display(&item)?);
    }
    run.text(out)
}

fn parts(run: &mut Run, name: &str, value: &Value, bound: &Bound) -> Outcome<Value> {
    let items = counted(run, value)?;
    let size = usize::try_from(bound.int(0, 0)?).unwrap_or(0);
    if size == 0 {
        return Err(TemplateError::new(format!("{name} needs a positive number")));
    }
    run.spend(size)?;
    let fill = bound.some(1);
    let mut out = Vec::new();
    if name == "batch" {
        for chunk in items.chunks(size) {
            let mut chunk = chunk.to_vec();
            if let Some(fill) = fill {
                chunk.resize(size, fill.clone());
            }
            out.push(Value::list(chunk));
        }
        return Ok(Value::iterator(out));
    }
    let (each, longer) = (items.len() / size, items.len() % size);
    let mut rest = items.as_slice();
    for at in 0..size {
        let (part, behind) = rest.split_at(each + usize::from(at < longer));
        rest = behind;
        let filler = fill.filter(|_| at >= longer).cloned();
        out.push(Value::list(part.iter().cloned().chain(filler).collect()));
    }
    Ok(Value::iterator(out))
}

fn groups(run: &mut Run, value: &Value, bound: &Bound) -> Outcome<Value> {
    let (attribute, default, exact) = (bound.need(0)?, bound.get(1), bound.flag(2));
    let keyed = counted(run, value)?
        .into_iter()
        .map(|item| Ok((folded(access::path_or(&item, attribute, default)?, exact), item)))
        .collect::<Outcome<_>>()?;
    let mut out: Vec<(Value, Vec<Value>)> = Vec::new();
    for (key, item) in sorted(keyed, false)? {
        match out.last_mut() {
            Some((held, items)) if held.equals(&key) => items.push(item),
            _ => out.push((key, vec![item])),
        }
    }
    let groups = out.into_iter().map(|(key, items)| {
        // The name of a group keeps the case of its first item.
        let name = items.first().map_or(Ok(key), |first| access::path_or(first, attribute, default))?;
        Ok(Value::Group(Rc::from([name, Value::list(items)])))
    });
    groups.collect::<Outcome<Vec<_>>>().map(Value::list)
}

fn map(run: &mut Run, value: &Value, mut given: Given) -> Outcome<Value> {
    if !value.truth() {
        return Ok(Value::iterator([]));
    }
    let items = counted(run, value)?;
    let by_attribute = given.named.iter().any(|(name, _)| **name == *"attribute");
    if given.positional.is_empty() && by_attribute {
        let bound = given.bind("map", &["attribute", "default"], 0)?;
        let mapped = items.iter().map(|item| access::path_or(item, bound.need(0)?, bound.get(1)));
        return Ok(Value::iterator(mapped.collect::<Outcome<Vec<_>>>()?));
    }
    if given.positional.is_empty() {
        return Err(TemplateError::new("map requires a filter argument"));
    }
    let name = given.positional.remove(0);
    let name = name.as_text()?;
    let mut mapped = Vec::with_capacity(items.len());
    for item in items {
        mapped.push(run.deeper(|run| super::apply(run, name, item, given.clone()))?);
    }
    Ok(Value::iterator(mapped))
}

fn select(run: &mut Run, filter: &str, value: &Value, mut given: Given) -> Outcome<Value> {
    if !value.truth() {
        return Ok(Value::iterator([]));
    }
    let items = counted(run, value)?;
    let attribute = if filter.ends_with("attr") {
        if given.positional.is_empty() {
            return Err(TemplateError::new("Missing parameter for attribute name"));
        }
        given.positional.remove(0)
    } else {
        Value::None
    };
    let test = (!given.positional.is_empty()).then(|| given.positional.remove(0));
    let mut kept = Vec::new();
    for item in items {
        let looked_at = access::path(&item, &attribute)?;
        let holds = match &test {
            Some(test) => predicates::apply(test.as_text()?, &looked_at, given.clone())?,
            None => looked_at.truth(),
        };
        if holds != filter.starts_with("reject") {
            kept.push(item);
        }
    }
    Ok(Value::iterator(kept))
}
