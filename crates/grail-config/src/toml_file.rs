//! `grail.toml`, and the older file of training settings, read with the line of every value.

use crate::{
    error::{ConfigError, ValuePlace},
    kind::ValueKind,
    nearness::nearest,
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

/// Everything that a file says.
#[derive(Default)]
pub(super) struct Parsed {
    /// Values, in the order of their lines.
    pub(super) entries: Vec<Entry>,
    /// What is wrong.
    pub(super) errors: Vec<ConfigError>,
    /// What was read under an old name, in words.
    pub(super) warnings: Vec<String>,
}

/// Reads every value. Unknown tables and keys are errors, as are dates and other kinds that no setting has.
///
/// `root` is the section of names that stand in no table; without one there are none.
pub(super) fn parse(path: &Path, text: &str, root: Option<Section>) -> Parsed {
    let mut reader = Reader { path, text, parsed: Parsed::default() };
    match DeTable::parse(text) {
        Ok(document) => {
            for (name, value) in &document.into_inner() {
                // What is no table stands in the table that the file leaves unsaid.
                let section = root.filter(|_| value.get_ref().as_table().is_none());
                reader.name(name.get_ref(), name.span().start, value.get_ref(), section);
            }
        }
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            reader.wrong(at, error.message().to_owned());
        }
    }
    let mut parsed = reader.parsed;
    parsed.entries.sort_by_key(|entry| entry.line);
    parsed
}

fn of_section(section: Section) -> impl Iterator<Item = &'static Setting> {
    table::ALL.iter().copied().filter(move |setting| setting.section == section)
}

/// The section of that name.
fn section_of(name: &str) -> Option<Section> {
    Section::ALL.iter().copied().find(|section| section.name() == name)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    parsed: Parsed,
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn place(&self, at: usize) -> ValuePlace {
        ValuePlace::Line { path: self.path.to_owned(), line: self.line(at) }
    }

    fn wrong(&mut self, at: usize, reason: String) {
        let place = self.place(at);
        self.parsed.errors.push(ConfigError::Syntax { place, reason });
    }

    /// A name in the table of `section`, or at the top: a setting, or a table of settings.
    fn name(&mut self, key: &str, at: usize, value: &DeValue<'_>, section: Option<Section>) {
        let full = section.map_or_else(|| key.to_owned(), |section| format!("{}.{key}", section.name()));
        if let Some(setting) = table::ALL.iter().copied().find(|setting| setting.toml_name() == full) {
            return self.value(setting, at, value);
        }
        if let Some((_, setting)) = table::OLD_NAMES.iter().find(|(old, _)| *old == full) {
            let place = self.place(at);
            self.parsed.warnings.push(format!("{place}: {full} is called {} now", setting.toml_name()));
            return self.value(setting, at, value);
        }
        match (section_of(&full), value.as_table()) {
            (Some(section), Some(keys)) => {
                if keys.is_empty() && section == Section::Lora {
                    self.take(&table::LORA_USE, at, "true".to_owned());
                }
                for (key, value) in keys {
                    self.name(key.get_ref(), key.span().start, value.get_ref(), Some(section));
                }
            }
            (Some(_), None) => {
                self.wrong(at, format!("{full} is a table; write [{full}] and its settings below it"));
            }
            (None, _) => {
                let place = self.place(at);
                let (name, nearest) = match section {
                    None => (
                        format!("[{full}]"),
                        nearest(key, Section::ALL.iter().map(|section| (section.name(), section.title()))),
                    ),
                    Some(section) => {
                        (full, nearest(key, of_section(section).map(|one| (one.key, one.meaning))))
                    }
                };
                self.parsed.errors.push(ConfigError::Unknown { place, name, nearest });
            }
        }
    }

    fn value(&mut self, setting: &'static Setting, at: usize, value: &DeValue<'_>) {
        match plain(setting.kind, value) {
            Some(text) => self.take(setting, at, text),
            None => self.parsed.errors.push(ConfigError::Value {
                place: self.place(at),
                name: setting.variable,
                value: format!("of the kind {}", value.type_str()),
                reason: format!("expected {}", setting.kind),
            }),
        }
    }

    fn take(&mut self, setting: &'static Setting, at: usize, text: String) {
        let line = self.line(at);
        self.parsed.entries.push(Entry { line, setting, value: Zeroizing::new(text) });
    }
}

/// The text that a variable would hold for the same value.
fn plain(kind: ValueKind, value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) if kind == ValueKind::Number => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        // Lists of addresses and words; a comma inside one would change the count, and none of them has one.
        DeValue::Array(list) => {
            let items: Option<Vec<&str>> = list.iter().map(|item| item.get_ref().as_str()).collect();
            Some(items?.join(","))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// A value as TOML has it. The text was checked against the setting's kind.
pub(crate) fn typed(setting: &Setting, value: &str) -> toml::Value {
    let text = || toml::Value::String(value.to_owned());
    match setting.kind {
        ValueKind::Integer { .. } | ValueKind::Whole => {
            value.parse().map_or_else(|_| text(), toml::Value::Integer)
        }
        ValueKind::Number => value.parse().map_or_else(|_| text(), toml::Value::Float),
        ValueKind::Flag => toml::Value::Boolean(value == "true"),
        ValueKind::Words(_) => {
            toml::Value::Array(value.split(',').map(|word| toml::Value::String(word.to_owned())).collect())
        }
        _ => text(),
    }
}

/// A value as it stands in `grail.toml`.
pub fn quoted(setting: &Setting, value: &str) -> String {
    typed(setting, value).to_string()
}
