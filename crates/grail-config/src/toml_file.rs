//! `grail.toml`, read with the line of every value.

use crate::{
    error::{ConfigError, Place},
    table::{self, Section, Setting},
};
use std::path::Path;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

/// A value, and the line it stands in.
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) setting: &'static Setting,
    pub(super) value: Zeroizing<String>,
}

/// Reads every value. Unknown tables and keys are errors, as are lists, dates and other kinds that no setting has.
pub(super) fn parse(path: &Path, text: &str) -> (Vec<Entry>, Vec<ConfigError>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    let line_of = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let place = |at: usize| Place::Line { path: path.to_owned(), line: line_of(at) };
    let document = match DeTable::parse(text) {
        Ok(document) => document.into_inner(),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            errors.push(ConfigError::Syntax { place: place(at), reason: error.message().to_owned() });
            return (found, errors);
        }
    };
    for (name, value) in &document {
        let at = name.span().start;
        let section = |section: &Section| *name.get_ref() == *section.name();
        let Some(section) = table::ALL.iter().map(|setting| setting.section).find(section) else {
            let names = table::ALL.iter().map(|setting| setting.section.name());
            let nearest = table::nearest(name.get_ref(), names);
            errors.push(ConfigError::Unknown {
                place: place(at),
                name: format!("[{}]", name.get_ref()),
                nearest,
            });
            continue;
        };
        let Some(keys) = value.get_ref().as_table() else {
            let reason = format!(
                "{} is a table; write [{}] and its settings below it",
                section.name(),
                section.name()
            );
            errors.push(ConfigError::Syntax { place: place(at), reason });
            continue;
        };
        for (key, value) in keys {
            let at = key.span().start;
            let of_section = || table::ALL.iter().copied().filter(|setting| setting.section == section);
            let Some(setting) = of_section().find(|setting| *key.get_ref() == *setting.key) else {
                let nearest = table::nearest(key.get_ref(), of_section().map(|setting| setting.key));
                let name = format!("{}.{}", section.name(), key.get_ref());
                errors.push(ConfigError::Unknown { place: place(at), name, nearest });
                continue;
            };
            match plain(value.get_ref()) {
                Some(text) => found.push(Entry { line: line_of(at), setting, value: Zeroizing::new(text) }),
                None => errors.push(ConfigError::Value {
                    place: place(at),
                    name: setting.variable,
                    value: format!("of the kind {}", value.get_ref().type_str()),
                    reason: format!("expected {}", setting.kind),
                }),
            }
        }
    }
    found.sort_by_key(|entry| entry.line);
    (found, errors)
}

/// The text that a variable would hold for the same value.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        // Lists of addresses; a comma inside one would change the count, and none of the addresses has one.
        DeValue::Array(list) => {
            let items: Option<Vec<&str>> = list.iter().map(|item| item.get_ref().as_str()).collect();
            Some(items?.join(","))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// A value as it stands in `grail.toml`.
pub fn quoted(setting: &Setting, value: &str) -> String {
    use super::kind::Kind;
    match setting.kind {
        Kind::Integer { .. } | Kind::Flag => value.to_owned(),
        _ => toml::Value::String(value.to_owned()).to_string(),
    }
}
