//! Chat templates: Jinja as transformers sets it up.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use grail_ports::model::Speaker;

use crate::TokenizeError;
use crate::jinja::{Dict, Template, Value};

/// A turn as the template gets it.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    role: &'static str,
    content: Cow<'a, str>,
}

impl<'a> Turn<'a> {
    /// A turn with these words.
    pub(crate) fn new(role: Speaker, content: impl Into<Cow<'a, str>>) -> Self {
        Self { role: role.as_str(), content: content.into() }
    }

    fn value(&self) -> Value {
        let mut turn = Dict::default();
        turn.set_text("role", Value::text(self.role));
        turn.set_text("content", Value::text(&*self.content));
        Value::Dict(Rc::new(turn))
    }
}

/// A compiled template with the special tokens that it may print.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    template: Template,
    special: BTreeMap<String, String>,
    source: String,
}

impl ChatTemplate {
    /// Compiles a template. `special` are names such as `bos_token` with the token's text.
    pub(crate) fn new(source: String, special: BTreeMap<String, String>) -> Result<Self, TokenizeError> {
        let template = Template::compile(&source)
            .map_err(|source| TokenizeError::TemplateSyntax { source: source.into() })?;
        Ok(Self { template, special, source })
    }

    /// The template's text, what its escapes say, and the texts of its special tokens: everything it can print of its own.
    pub(crate) fn own_words(&self) -> impl Iterator<Item = &str> {
        self.special.values().map(String::as_str).chain([self.source.as_str(), self.template.words()])
    }

    /// Renders turns. `mark` is a character that stands in them and must come out as it is.
    pub(crate) fn render(
        &self,
        turns: &[Turn<'_>],
        add_generation_prompt: bool,
        mark: Option<char>,
    ) -> Result<String, TokenizeError> {
        let turns: Vec<_> = turns.iter().map(Turn::value).collect();
        let special = self.special.iter().map(|(name, text)| (name.as_str(), Value::text(text.as_str())));
        let variables = [
            ("messages", Value::List(turns.into())),
            ("add_generation_prompt", Value::Bool(add_generation_prompt)),
            // Named and empty, as in transformers: templates ask whether they are none.
            ("tools", Value::None),
            ("documents", Value::None),
        ];
        self.template
            .render(variables.into_iter().chain(special), mark)
            .map_err(|source| TokenizeError::Render { source: source.into() })
    }
}
