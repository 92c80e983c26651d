//! Chat templates: Jinja as transformers sets it up.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use grail_ports::model::Speaker;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value, context, escape_formatter};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use crate::TokenizeError;

/// A turn as the template gets it.
#[derive(Debug, Serialize)]
pub(crate) struct Turn<'a> {
    role: &'static str,
    content: Cow<'a, str>,
}

impl<'a> Turn<'a> {
    /// A turn with these words.
    pub(crate) fn new(role: Speaker, content: impl Into<Cow<'a, str>>) -> Self {
        Self { role: role.as_str(), content: content.into() }
    }
}

/// A compiled template with the special tokens that it may print.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    special: BTreeMap<&'static str, String>,
    source: String,
}

const NAME: &str = "chat";

impl ChatTemplate {
    /// Compiles a template. `special` are names such as `bos_token` with the token's text.
    pub(crate) fn new(
        source: String,
        special: BTreeMap<&'static str, String>,
    ) -> Result<Self, TokenizeError> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.set_formatter(format_like_python);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment
            .add_template_owned(NAME, source.clone())
            .map_err(|source| TokenizeError::TemplateSyntax { source: source.into() })?;
        Ok(Self { environment, special, source })
    }

    /// The template's text and the texts of its special tokens: everything it can print of its own.
    pub(crate) fn own_words(&self) -> impl Iterator<Item = &str> {
        self.special.values().map(String::as_str).chain([self.source.as_str()])
    }

    pub(crate) fn render(
        &self,
        turns: &[Turn<'_>],
        add_generation_prompt: bool,
    ) -> Result<String, TokenizeError> {
        let values = context! {
            messages => turns,
            add_generation_prompt => add_generation_prompt,
            // Named and empty, as in transformers: templates ask whether they are none.
            tools => (),
            documents => (),
            ..Value::from_serialize(&self.special)
        };
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(values))
            .map_err(|source| TokenizeError::Render { source: source.into() })
    }
}

/// Prints `True`, `False` and `None` as Python does.
fn format_like_python(
    out: &mut minijinja::Output<'_>,
    state: &State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    let word = match value.kind() {
        ValueKind::Bool if value.is_true() => "True",
        ValueKind::Bool => "False",
        ValueKind::None => "None",
        _ => return escape_formatter(out, state, value),
    };
    out.write_str(word).map_err(Error::from)
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)`. The filter of the same name that comes with the engine escapes
/// for HTML, which would change the prompt.
fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    options.assert_all_used()?;
    let failed = |error: serde_json::Error| {
        Error::new(ErrorKind::BadSerialization, "cannot be written as JSON").with_source(error)
    };
    let mut out = Vec::new();
    match indent {
        Some(width) => {
            let spaces = " ".repeat(width.min(64));
            let pretty = PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut out, pretty)).map_err(failed)?;
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut out, OneLine)).map_err(failed)?,
    }
    Ok(Value::from_safe_string(String::from_utf8_lossy(&out).into_owned()))
}

/// JSON on one line with a space after each comma and colon, as Python writes it.
struct OneLine;

impl Formatter for OneLine {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}
