//! `tojson`: `json.dumps` with the arguments that transformers passes on.

use super::bound::Bound;
use super::eval::Run;
use super::operands::sorted;
use super::print::float;
use super::value::{Dict, Value};
use super::{Outcome, TemplateError};

const MOST_DEPTH: usize = 64;
const MOST_INDENT: usize = 1_024;

struct Writer {
    ascii: bool,
    sort: bool,
    indent: Option<String>,
    item: String,
    key: String,
    mark: Option<char>,
    out: String,
}

/// `value | tojson(ensure_ascii=false, indent=none, separators=none, sort_keys=false)`.
pub(super) fn dumps(run: &mut Run, value: &Value, bound: &Bound) -> Outcome<Value> {
    let indent = match bound.get(1) {
        None | Some(Value::None) => None,
        Some(Value::Text(text)) => Some(text.to_string()),
        Some(other) => {
            let width = other.int().ok_or_else(|| other.wrong("an indent"))?.max(0);
            let width = usize::try_from(width).ok().filter(|width| *width <= MOST_INDENT);
            Some(" ".repeat(width.ok_or_else(|| TemplateError::new("an indent of tojson is too wide"))?))
        }
    };
    let (item, key) = match bound.get(2) {
        None | Some(Value::None) => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
        Some(given) => match given.items()?.as_slice() {
            [item, key] => (item.as_text()?.to_string(), key.as_text()?.to_string()),
            _ => return Err(TemplateError::new("separators of tojson are two texts")),
        },
    };
    let flag = |at| bound.get(at).is_some_and(Value::truth);
    let mut writer =
        Writer { ascii: flag(0), sort: flag(3), indent, item, key, mark: run.mark(), out: String::new() };
    writer.value(value, 0)?;
    run.text(writer.out)
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Outcome<()> {
        if depth > MOST_DEPTH || self.out.len() > super::MOST_TEXT {
            return Err(TemplateError::new("a value is nested too deeply or too large for tojson"));
        }
        match value {
            Value::None => self.out.push_str("null"),
            Value::Bool(truth) => self.out.push_str(if *truth { "true" } else { "false" }),
            Value::Int(number) => self.out.push_str(&number.to_string()),
            Value::Float(number) => self.out.push_str(&json_float(*number)),
            Value::Text(text) | Value::Safe(text) => self.text(text),
            Value::List(items) | Value::Tuple(items) | Value::Group(items) => {
                let write = |writer: &mut Self, item: &Value| writer.value(item, depth + 1);
                self.list(('[', ']'), items, depth, write)?;
            }
            Value::Dict(dict) => self.dict(dict, depth)?,
            other => {
                let message = format!("Object of type {} is not JSON serializable", other.kind());
                return Err(TemplateError::new(message));
            }
        }
        Ok(())
    }

    fn dict(&mut self, dict: &Dict, depth: usize) -> Outcome<()> {
        let mut pairs: Vec<_> = dict.iter().cloned().collect();
        if self.sort {
            pairs = sorted(pairs, false)?;
        }
        self.list(('{', '}'), &pairs, depth, |writer, (key, value)| {
            match key {
                Value::Text(text) => writer.text(text),
                Value::None => writer.text("null"),
                Value::Bool(truth) => writer.text(if *truth { "true" } else { "false" }),
                Value::Int(number) => writer.text(&number.to_string()),
                Value::Float(number) => writer.text(&json_float(*number)),
                other => {
                    let message = format!("keys must be str, int, float, bool or None, not {}", other.kind());
                    return Err(TemplateError::new(message));
                }
            }
            let key = writer.key.clone();
            writer.out.push_str(&key);
            writer.value(value, depth + 1)
        })
    }

    fn list<T>(
        &mut self,
        (open, close): (char, char),
        items: &[T],
        depth: usize,
        mut write: impl FnMut(&mut Self, &T) -> Outcome<()>,
    ) -> Outcome<()> {
        self.out.push(open);
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                let separator = self.item.clone();
                self.out.push_str(&separator);
            }
            self.line(depth + 1);
            write(self, item)?;
        }
        if !items.is_empty() {
            self.line(depth);
        }
        self.out.push(close);
        Ok(())
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.indent {
            let indent = indent.repeat(depth);
            self.out.push('\n');
            self.out.push_str(&indent);
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                ' '..='\u{7f}' => {
                    if c == '\u{7f}' && self.ascii {
                        // Python's pattern for ASCII stops at the tilde.
                        self.out.push_str("\\u007f");
                    } else {
                        self.out.push(c);
                    }
                }
                c if c >= ' ' && (!self.ascii || Some(c) == self.mark) => self.out.push(c),
                c => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        self.out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        self.out.push('"');
    }
}

fn json_float(number: f64) -> String {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        float(number)
    }
}
