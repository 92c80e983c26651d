//! The language of chat templates, as transformers runs it: Jinja 3.1 in its immutable sandbox, over values of Python.
//!
//! A prompt is part of what miner and validator must agree on with everybody else's tools, so every value prints as Python
//! prints it: dictionaries keep their order, tuples their brackets, floats their exponents, and `%`, `format` and the
//! methods of texts do what Python's do. What this room does not compute as Python does is refused by its name. No engine
//! made for other values can promise that: minijinja, which stood here before, has no tuples, sorts dictionaries and
//! prints lists in its own way, without a word.
//!
//! Sources: `jinja2/{lexer,parser,compiler,runtime,filters,tests,sandbox}.py` of 3.1.6, and
//! `transformers/utils/chat_template_utils.py` of 5.24.
//!
//! A template comes with a checkpoint, from outside: its nesting, its steps and the size of what it makes are bounded.

mod access;
mod arithmetic;
mod ast;
mod bound;
mod calls;
mod cuts;
mod eval;
mod expressions;
mod filters;
mod format;
mod json;
mod letters;
mod lexer;
mod methods;
mod operands;
mod parser;
mod predicates;
mod print;
mod scope;
mod spec;
#[cfg(test)]
mod tests;
mod value;
mod wrap;

use std::fmt;
use std::rc::Rc;

use self::ast::Stmt;
use self::eval::Run;
use self::scope::Scope;
pub(crate) use self::value::{Dict, Value};

/// How deep statements and expressions may lie in each other; a bracket counts eight.
const MOST_NESTING: usize = 512;
/// Steps of one rendering: an expression is one, and so are sixteen bytes of a text that is made.
const MOST_STEPS: u64 = 10_000_000;
/// Bytes of one text, the prompt among them.
const MOST_TEXT: usize = 16 << 20;
/// Expressions, loops and macros that may be running inside each other.
const MOST_DEPTH: usize = 256;

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Template {
    body: Vec<Stmt>,
    words: String,
}

impl Template {
    /// Compiles a template.
    ///
    /// Errors: with the line, what Jinja does not understand either, and tags, filters and tests that are not known here.
    pub(crate) fn compile(source: &str) -> Result<Self, TemplateError> {
        let source = lexer::normalised(source);
        let (tokens, words) = lexer::tokens(&source)?;
        Ok(Self { body: parser::parse(tokens)?, words })
    }

    /// What the template's own texts say once their escapes are read.
    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    /// Renders the template over these variables. `mark` is a character that prints as itself wherever Python would print
    /// an escape for it.
    ///
    /// Errors: with the line, what Python would raise, and what is not computed here as Python computes it.
    pub(crate) fn render<'a>(
        &self,
        variables: impl IntoIterator<Item = (&'a str, Value)>,
        mark: Option<char>,
    ) -> Result<String, TemplateError> {
        let scope = Scope::outermost();
        for (name, value) in variables {
            scope.set(name, value);
        }
        let mut run = Run::new(mark);
        let mut out = String::new();
        let ended = run.block(&self.body, &Rc::new(scope), &mut out);
        run.close();
        ended.map(|_| out)
    }
}

/// Why a template does not compile or render.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateError {
    line: Option<usize>,
    message: String,
}

impl TemplateError {
    fn new(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }

    /// Something that Jinja and Python know and this room does not.
    fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(format!(
            "{what} is not supported here, and would print otherwise than in transformers; write the template without it"
        ))
    }

    /// The same, at a line where none is known yet.
    fn at(mut self, line: usize) -> Self {
        self.line.get_or_insert(line);
        self
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for TemplateError {}

type Outcome<T> = Result<T, TemplateError>;
