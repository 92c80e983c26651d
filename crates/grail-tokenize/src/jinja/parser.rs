//! From tokens to statements; expressions are in `operators` below.

mod operators;

use std::sync::Arc;

use super::ast::{Expr, Kind, Loop, Macro, Stmt, Target};
use super::lexer::Token;
use super::{MOST_NESTING, Outcome, TemplateError};

/// Statements of a whole template.
pub(super) fn parse(tokens: Vec<(usize, Token)>) -> Outcome<Vec<Stmt>> {
    let mut parser =
        Parser { tokens, at: 0, nesting: 0, loops: 0, unknown: Vec::new(), asked: Asked::default() };
    let (body, _) = parser.statements(&[]).map_err(|error| error.at(parser.line()))?;
    match parser.unknown.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(body),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    nesting: usize,
    /// Loops around this place that `break` can leave.
    loops: usize,
    /// Filters and tests that nobody knows. Under a condition, Jinja looks for them only when it gets there.
    unknown: Vec<TemplateError>,
    asked: Asked,
}

/// What the body of a macro asks for beyond its arguments.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    varargs: bool,
    kwargs: bool,
    caller: bool,
}

impl Parser {
    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(line, _)| *line)
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }

    fn look(&self) -> &Token {
        self.tokens.get(self.at + 1).map_or(&Token::End, |(_, token)| token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn fail<T>(&self, message: impl Into<String>) -> Outcome<T> {
        Err(TemplateError::new(message).at(self.line()))
    }

    fn unexpected<T>(&self, wanted: &str) -> Outcome<T> {
        let found = match self.peek() {
            Token::End => "the end of the template".to_owned(),
            Token::Name(name) => format!("'{name}'"),
            Token::Op(op) => format!("'{op}'"),
            other => format!("{other:?}"),
        };
        self.fail(format!("syntax error: expected {wanted}, found {found}"))
    }

    fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(held) if *held == op)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Name(held) if held == word)
    }

    fn skip_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn expect_op(&mut self, op: &str) -> Outcome<()> {
        if self.skip_op(op) { Ok(()) } else { self.unexpected(&format!("'{op}'")) }
    }

    fn expect_word(&mut self, word: &str) -> Outcome<()> {
        if self.skip_word(word) { Ok(()) } else { self.unexpected(&format!("'{word}'")) }
    }

    fn expect_name(&mut self) -> Outcome<Arc<str>> {
        match self.peek() {
            Token::Name(name) => {
                let name = name.as_str().into();
                self.at += 1;
                Ok(name)
            }
            _ => self.unexpected("a name"),
        }
    }

    fn expect(&mut self, token: &Token, what: &str) -> Outcome<()> {
        if self.peek() == token {
            self.at += 1;
            return Ok(());
        }
        self.unexpected(what)
    }

    /// Runs a part of the parser that lies `weight` deeper.
    fn deeper<T>(&mut self, weight: usize, part: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        self.nesting += weight;
        if self.nesting > MOST_NESTING {
            return self.fail("the template is nested too deeply");
        }
        let done = part(self);
        self.nesting -= weight;
        done
    }

    /// Statements up to a tag of one of these names, which is returned and whose name is consumed; without names, up to the
    /// end.
    fn statements(&mut self, ends: &[&str]) -> Outcome<(Vec<Stmt>, String)> {
        self.deeper(8, |parser| parser.run_of_statements(ends))
    }

    fn run_of_statements(&mut self, ends: &[&str]) -> Outcome<(Vec<Stmt>, String)> {
        let mut body = Vec::new();
        loop {
            let line = self.line();
            let kind = match self.next() {
                Token::Data(text) => Kind::Data(text.into()),
                Token::VariableBegin => {
                    let value = self.tuple(true, &[])?;
                    self.expect(&Token::VariableEnd, "'}}'")?;
                    Kind::Print(vec![value])
                }
                Token::BlockBegin => {
                    let Token::Name(word) = self.peek().clone() else {
                        return self.unexpected("the name of a tag");
                    };
                    if ends.contains(&word.as_str()) {
                        self.at += 1;
                        return Ok((body, word));
                    }
                    let kind = self.statement(&word).map_err(|error| error.at(line))?;
                    self.expect(&Token::BlockEnd, "'%}'")?;
                    kind
                }
                Token::End if ends.is_empty() => return Ok((body, String::new())),
                _ => {
                    self.at -= 1;
                    return self.unexpected(&ends.join(" or "));
                }
            };
            body.push(Stmt { line, kind });
        }
    }

    /// The body of a tag up to its own end.
    fn body(&mut self, end: &str) -> Outcome<Vec<Stmt>> {
        self.opened()?;
        self.statements(&[end]).map(|(body, _)| body)
    }

    /// The end of a tag that has a body; a colon may stand before it.
    fn opened(&mut self) -> Outcome<()> {
        self.skip_op(":");
        self.expect(&Token::BlockEnd, "'%}'")
    }

    /// A body that runs as a function of its own, from which no `break` leads out.
    fn separate_body(&mut self, end: &str) -> Outcome<Vec<Stmt>> {
        let loops = std::mem::take(&mut self.loops);
        let body = self.body(end)?;
        self.loops = loops;
        Ok(body)
    }

    fn statement(&mut self, word: &str) -> Outcome<Kind> {
        self.at += 1;
        match word {
            "if" => self.condition(),
            "for" => self.repetition(),
            "set" => self.assignment(),
            "with" => self.with(),
            "macro" => {
                let name = self.expect_name()?;
                let arguments = self.signature()?;
                Ok(Kind::Macro(Arc::new(self.macro_of(name, arguments, "endmacro")?)))
            }
            "call" => {
                let arguments = if self.is_op("(") { self.signature()? } else { Vec::new() };
                let Expr::Call(callee, given) = self.expression()? else { return self.fail("expected call") };
                let caller = Arc::new(self.macro_of("caller".into(), arguments, "endcall")?);
                Ok(Kind::Call { caller, callee: *callee, arguments: given })
            }
            "filter" => {
                let filter = self.filters(None, true)?;
                Ok(Kind::Filter { filter, body: self.body("endfilter")? })
            }
            "generation" => Ok(Kind::Generation(self.separate_body("endgeneration")?)),
            "print" => {
                let mut values = Vec::new();
                while *self.peek() != Token::BlockEnd {
                    if !values.is_empty() {
                        self.expect_op(",")?;
                    }
                    values.push(self.expression()?);
                }
                Ok(Kind::Print(values))
            }
            "break" | "continue" if self.loops == 0 => self.fail(format!("'{word}' outside loop")),
            "break" => Ok(Kind::Break),
            "continue" => Ok(Kind::Continue),
            "autoescape" | "block" | "extends" | "include" | "import" | "from" => {
                Err(TemplateError::unsupported(format_args!("the tag {word:?}")))
            }
            other => self.fail(format!("syntax error: unknown tag {other:?}")),
        }
    }

    fn macro_of(
        &mut self,
        name: Arc<str>,
        arguments: Vec<(Arc<str>, Option<Expr>)>,
        end: &str,
    ) -> Outcome<Macro> {
        let around = std::mem::take(&mut self.asked);
        let body = self.separate_body(end)?;
        let asked = self.asked;
        self.asked = Asked {
            varargs: around.varargs || asked.varargs,
            kwargs: around.kwargs || asked.kwargs,
            caller: around.caller || asked.caller,
        };
        let own = |word: &str| arguments.iter().any(|(name, _)| **name == *word);
        let (takes_varargs, takes_kwargs) =
            (asked.varargs && !own("varargs"), asked.kwargs && !own("kwargs"));
        let takes_caller = asked.caller && !own("caller");
        Ok(Macro { name, arguments, body, takes_varargs, takes_kwargs, takes_caller })
    }

    fn condition(&mut self) -> Outcome<Kind> {
        let known = self.unknown.len();
        let mut arms = Vec::new();
        let mut other = Vec::new();
        loop {
            let test = self.tuple(false, &[])?;
            self.opened()?;
            let (body, end) = self.statements(&["elif", "else", "endif"])?;
            arms.push((test, body));
            match end.as_str() {
                "elif" => {}
                "else" => {
                    other = self.body("endif")?;
                    break;
                }
                _ => break,
            }
        }
        self.unknown.truncate(known);
        Ok(Kind::If { arms, other })
    }

    fn repetition(&mut self) -> Outcome<Kind> {
        let target = self.target(&["in"], false)?;
        self.expect_word("in")?;
        let over = self.tuple(false, &["recursive"])?;
        let only_if = if self.skip_word("if") { Some(self.expression()?) } else { None };
        let recursive = self.skip_word("recursive");
        self.opened()?;
        self.loops += 1;
        let (body, end) = self.statements(&["endfor", "else"])?;
        self.loops -= 1;
        let otherwise = if end == "else" { self.body("endfor")? } else { Vec::new() };
        Ok(Kind::For(Arc::new(Loop { target, over, only_if, recursive, body, otherwise })))
    }

    fn assignment(&mut self) -> Outcome<Kind> {
        let target = self.target(&[], true)?;
        if self.skip_op("=") {
            return Ok(Kind::Set(target, self.tuple(true, &[])?));
        }
        let filter = if self.is_op("|") { Some(self.filters(None, false)?) } else { None };
        Ok(Kind::SetBlock { target, filter, body: self.body("endset")? })
    }

    fn with(&mut self) -> Outcome<Kind> {
        let mut targets = Vec::new();
        while *self.peek() != Token::BlockEnd {
            if !targets.is_empty() {
                self.expect_op(",")?;
            }
            let target = self.target(&[], false)?;
            self.expect_op("=")?;
            targets.push((target, self.expression()?));
        }
        Ok(Kind::With { targets, body: self.body("endwith")? })
    }

    fn signature(&mut self) -> Outcome<Vec<(Arc<str>, Option<Expr>)>> {
        self.expect_op("(")?;
        let mut arguments: Vec<(Arc<str>, Option<Expr>)> = Vec::new();
        while !self.is_op(")") {
            if !arguments.is_empty() {
                self.expect_op(",")?;
            }
            let name = self.expect_name()?;
            let default = if self.skip_op("=") { Some(self.expression()?) } else { None };
            if default.is_none() && arguments.iter().any(|(_, default)| default.is_some()) {
                return self.fail("non-default argument follows default argument");
            }
            arguments.push((name, default));
        }
        self.expect_op(")")?;
        Ok(arguments)
    }

    /// What is assigned to: names, with commas between them, up to one of these words.
    fn target(&mut self, ends: &[&str], attributes: bool) -> Outcome<Target> {
        let mut all = Vec::new();
        let mut several = false;
        loop {
            let ended = matches!(self.peek(), Token::VariableEnd | Token::BlockEnd) || self.is_op(")");
            if ended || ends.iter().any(|end| self.is_word(end)) {
                break;
            }
            all.push(if self.skip_op("(") {
                let inner = self.deeper(8, |parser| parser.target(&[], attributes))?;
                self.expect_op(")")?;
                inner
            } else {
                let name = self.expect_name()?;
                if matches!(&*name, "true" | "false" | "none" | "True" | "False" | "None") {
                    return self.fail(format!("can't assign to '{name}'"));
                }
                if attributes && self.skip_op(".") {
                    Target::Attr(name, self.expect_name()?)
                } else {
                    Target::Name(name)
                }
            });
            if !self.skip_op(",") {
                break;
            }
            several = true;
        }
        match all.len() {
            0 if !several => self.unexpected("a name"),
            1 if !several => Ok(all.remove(0)),
            _ => Ok(Target::Tuple(all)),
        }
    }
}
