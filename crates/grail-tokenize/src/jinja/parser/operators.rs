//! Expressions, by precedence.

use super::super::ast::{Arguments, Comparison, Expr, Operator};
use super::super::lexer::Token;
use super::super::{Outcome, TemplateError, filters, predicates};
use super::Parser;

impl Parser {
    pub(super) fn expression(&mut self) -> Outcome<Expr> {
        self.deeper(8, Self::conditional)
    }

    /// An expression, or several with commas between them.
    pub(super) fn tuple(&mut self, conditional: bool, ends: &[&str]) -> Outcome<Expr> {
        self.tuple_in(conditional, ends, false)
    }

    fn tuple_in(&mut self, conditional: bool, ends: &[&str], in_brackets: bool) -> Outcome<Expr> {
        let mut all = Vec::new();
        let mut several = false;
        loop {
            let ended = matches!(self.peek(), Token::VariableEnd | Token::BlockEnd) || self.is_op(")");
            if ended || ends.iter().any(|end| self.is_word(end)) {
                break;
            }
            all.push(if conditional { self.expression()? } else { self.deeper(8, Self::or)? });
            if !self.skip_op(",") {
                break;
            }
            several = true;
        }
        match all.len() {
            0 if !in_brackets => self.unexpected("an expression"),
            1 if !several => Ok(all.remove(0)),
            _ => Ok(Expr::Tuple(all)),
        }
    }

    fn conditional(&mut self) -> Outcome<Expr> {
        let known = self.unknown.len();
        let mut value = self.or()?;
        while self.skip_word("if") {
            let test = self.or()?;
            let other = if self.skip_word("else") { Some(Box::new(self.expression()?)) } else { None };
            value = Expr::Cond { test: Box::new(test), then: Box::new(value), other };
            self.unknown.truncate(known);
        }
        Ok(value)
    }

    fn chain(
        &mut self,
        part: fn(&mut Self) -> Outcome<Expr>,
        step: impl Fn(&mut Self) -> Option<fn(Box<Expr>, Box<Expr>) -> Expr>,
    ) -> Outcome<Expr> {
        let mut left = part(self)?;
        let before = self.nesting;
        while let Some(make) = step(self) {
            self.nesting += 1;
            let right = self.deeper(0, part)?;
            left = make(Box::new(left), Box::new(right));
        }
        self.nesting = before;
        Ok(left)
    }

    fn or(&mut self) -> Outcome<Expr> {
        self.chain(Self::and, |parser| parser.skip_word("or").then_some(Expr::Or as _))
    }

    fn and(&mut self) -> Outcome<Expr> {
        self.chain(Self::not, |parser| parser.skip_word("and").then_some(Expr::And as _))
    }

    fn not(&mut self) -> Outcome<Expr> {
        if self.skip_word("not") {
            let inner = self.deeper(8, Self::not)?;
            return Ok(Expr::Not(Box::new(inner)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Outcome<Expr> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let how = match self.peek() {
                Token::Op("==") => Comparison::Eq,
                Token::Op("!=") => Comparison::Ne,
                Token::Op("<") => Comparison::Lt,
                Token::Op("<=") => Comparison::Le,
                Token::Op(">") => Comparison::Gt,
                Token::Op(">=") => Comparison::Ge,
                Token::Name(word) if word == "in" => Comparison::In,
                Token::Name(word)
                    if word == "not" && matches!(self.look(), Token::Name(next) if next == "in") =>
                {
                    self.at += 1;
                    Comparison::NotIn
                }
                _ => break,
            };
            self.at += 1;
            rest.push((how, self.sum()?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Compare(Box::new(first), rest) })
    }

    fn sum(&mut self) -> Outcome<Expr> {
        self.chain(Self::concatenation, |parser| {
            if parser.skip_op("+") {
                Some(|a, b| Expr::Binary(Operator::Add, a, b))
            } else {
                parser.skip_op("-").then_some(|a, b| Expr::Binary(Operator::Sub, a, b))
            }
        })
    }

    fn concatenation(&mut self) -> Outcome<Expr> {
        let mut parts = vec![self.product()?];
        while self.skip_op("~") {
            parts.push(self.product()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Concat(parts) })
    }

    fn product(&mut self) -> Outcome<Expr> {
        self.chain(Self::power, |parser| {
            if parser.skip_op("*") {
                Some(|a, b| Expr::Binary(Operator::Mul, a, b))
            } else if parser.skip_op("/") {
                Some(|a, b| Expr::Binary(Operator::Div, a, b))
            } else if parser.skip_op("//") {
                Some(|a, b| Expr::Binary(Operator::FloorDiv, a, b))
            } else {
                parser.skip_op("%").then_some(|a, b| Expr::Binary(Operator::Mod, a, b))
            }
        })
    }

    fn power(&mut self) -> Outcome<Expr> {
        self.chain(
            |parser| parser.unary(true),
            |parser| parser.skip_op("**").then_some(|a, b| Expr::Binary(Operator::Pow, a, b)),
        )
    }

    fn unary(&mut self, filtered: bool) -> Outcome<Expr> {
        let minus = self.is_op("-");
        let node = if minus || self.is_op("+") {
            self.at += 1;
            let inner = Box::new(self.deeper(8, |parser| parser.unary(false))?);
            if minus { Expr::Neg(inner) } else { Expr::Pos(inner) }
        } else {
            self.primary()?
        };
        let before = self.nesting;
        let node = self.postfix(node)?;
        let node = if filtered { self.filtered(node)? } else { node };
        self.nesting = before;
        Ok(node)
    }

    fn primary(&mut self) -> Outcome<Expr> {
        let line = self.at;
        match self.next() {
            Token::Name(name) => Ok(match name.as_str() {
                "true" | "True" => Expr::Bool(true),
                "false" | "False" => Expr::Bool(false),
                "none" | "None" => Expr::None,
                word => {
                    self.asked.varargs |= word == "varargs";
                    self.asked.kwargs |= word == "kwargs";
                    self.asked.caller |= word == "caller";
                    Expr::Name(name.into())
                }
            }),
            Token::Text(mut text) => {
                while let Token::Text(more) = self.peek() {
                    text.push_str(more);
                    self.at += 1;
                }
                Ok(Expr::Text(text.into()))
            }
            Token::Int(number) => Ok(Expr::Int(number)),
            Token::Float(number) => Ok(Expr::Float(number)),
            Token::Op("(") => {
                let inner = self.deeper(8, |parser| parser.tuple_in(true, &[], true))?;
                self.expect_op(")")?;
                Ok(inner)
            }
            Token::Op("[") => {
                let mut items = Vec::new();
                while !self.is_op("]") {
                    items.push(self.expression()?);
                    if !self.skip_op(",") {
                        break;
                    }
                }
                self.expect_op("]")?;
                Ok(Expr::List(items))
            }
            Token::Op("{") => {
                let mut items = Vec::new();
                while !self.is_op("}") {
                    let key = self.expression()?;
                    self.expect_op(":")?;
                    items.push((key, self.expression()?));
                    if !self.skip_op(",") {
                        break;
                    }
                }
                self.expect_op("}")?;
                Ok(Expr::Dict(items))
            }
            _ => {
                self.at = line;
                self.unexpected("an expression")
            }
        }
    }

    fn postfix(&mut self, mut node: Expr) -> Outcome<Expr> {
        loop {
            node = if self.skip_op(".") {
                match self.next() {
                    Token::Name(name) => Expr::Attr(Box::new(node), name.into()),
                    Token::Int(at) => Expr::Item(Box::new(node), Box::new(Expr::Int(at))),
                    _ => {
                        self.at -= 1;
                        return self.unexpected("a name or number");
                    }
                }
            } else if self.is_op("[") {
                self.subscript(node)?
            } else if self.is_op("(") {
                Expr::Call(Box::new(node), self.arguments()?)
            } else {
                return Ok(node);
            };
            self.one_more()?;
        }
    }

    fn one_more(&mut self) -> Outcome<()> {
        self.nesting += 1;
        self.deeper(0, |_| Ok(()))
    }

    fn subscript(&mut self, node: Expr) -> Outcome<Expr> {
        self.expect_op("[")?;
        let mut keys = Vec::new();
        while !self.is_op("]") {
            if !keys.is_empty() {
                self.expect_op(",")?;
            }
            let first = if self.is_op(":") { None } else { Some(self.expression()?) };
            if !self.skip_op(":") {
                keys.extend(first);
                continue;
            }
            let mut bounds = [first, None, None];
            if !self.is_op(":") && !self.is_op("]") && !self.is_op(",") {
                bounds[1] = Some(self.expression()?);
            }
            if self.skip_op(":") && !self.is_op("]") && !self.is_op(",") {
                bounds[2] = Some(self.expression()?);
            }
            keys.push(Expr::Slice(Box::new(bounds)));
        }
        self.expect_op("]")?;
        let key = if keys.len() == 1 { keys.remove(0) } else { Expr::Tuple(keys) };
        Ok(Expr::Item(Box::new(node), Box::new(key)))
    }

    fn arguments(&mut self) -> Outcome<Arguments> {
        self.expect_op("(")?;
        let mut out = Arguments::default();
        let misplaced = "invalid syntax for function call expression";
        while !self.is_op(")") {
            if self.skip_op("*") {
                if out.rest.is_some() || out.rest_named.is_some() {
                    return self.fail(misplaced);
                }
                out.rest = Some(Box::new(self.expression()?));
            } else if self.skip_op("**") {
                if out.rest_named.is_some() {
                    return self.fail(misplaced);
                }
                out.rest_named = Some(Box::new(self.expression()?));
            } else if matches!((self.peek(), self.look()), (Token::Name(_), Token::Op("="))) {
                if out.rest_named.is_some() {
                    return self.fail(misplaced);
                }
                let name = self.expect_name()?;
                self.at += 1;
                out.named.push((name, self.expression()?));
            } else {
                if out.rest.is_some() || out.rest_named.is_some() || !out.named.is_empty() {
                    return self.fail(misplaced);
                }
                out.positional.push(self.expression()?);
            }
            if !self.skip_op(",") {
                break;
            }
        }
        self.expect_op(")")?;
        Ok(out)
    }

    fn filtered(&mut self, mut node: Expr) -> Outcome<Expr> {
        loop {
            node = if self.is_op("|") {
                self.filters(Some(node), false)?
            } else if self.is_word("is") {
                self.test(node)?
            } else if self.is_op("(") {
                Expr::Call(Box::new(node), self.arguments()?)
            } else {
                return Ok(node);
            };
            self.one_more()?;
        }
    }

    fn note(&mut self, known: Outcome<()>) {
        let line = self.line();
        self.unknown.extend(known.err().map(|error| error.at(line)));
    }

    fn dotted(&mut self) -> Outcome<String> {
        let mut name = self.expect_name()?.to_string();
        while self.skip_op(".") {
            name = name + "." + &self.expect_name()?;
        }
        Ok(name)
    }

    /// `| a | b(…)`; in a tag, the first one without its bar.
    pub(super) fn filters(&mut self, subject: Option<Expr>, mut bare: bool) -> Outcome<Expr> {
        let mut node = subject;
        while bare || self.skip_op("|") {
            bare = false;
            let name = self.dotted()?;
            self.note(filters::known(&name));
            let arguments = if self.is_op("(") { self.arguments()? } else { Arguments::default() };
            node = Some(Expr::Filter { subject: node.map(Box::new), name: name.into(), arguments });
            self.one_more()?;
        }
        node.ok_or_else(|| TemplateError::new("a filter is missing"))
    }

    fn test(&mut self, subject: Expr) -> Outcome<Expr> {
        self.expect_word("is")?;
        let negated = self.skip_word("not");
        let name = self.dotted()?;
        self.note(predicates::known(&name));
        let mut arguments = Arguments::default();
        if self.is_op("(") {
            arguments = self.arguments()?;
        } else {
            let begins = match self.peek() {
                Token::Name(word) => !matches!(word.as_str(), "else" | "or" | "and"),
                Token::Text(_) | Token::Int(_) | Token::Float(_) | Token::Op("[" | "{") => true,
                _ => false,
            };
            if begins {
                if self.is_word("is") {
                    return self.fail("You cannot chain multiple tests with is");
                }
                let primary = self.primary()?;
                arguments.positional.push(self.postfix(primary)?);
            }
        }
        let test = Expr::Test { subject: Box::new(subject), name: name.into(), arguments };
        Ok(if negated { Expr::Not(Box::new(test)) } else { test })
    }
}
