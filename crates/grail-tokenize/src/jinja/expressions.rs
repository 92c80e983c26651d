//! Expressions, computed.

use std::rc::Rc;

use super::access;
use super::arithmetic;
use super::ast::{Arguments, Expr};
use super::bound::Given;
use super::eval::Run;
use super::filters;
use super::predicates;
use super::scope::Scope;
use super::value::{Dict, Function, Value};
use super::{Outcome, TemplateError};

impl Run {
    /// The value of an expression.
    pub(super) fn value(&mut self, expr: &Expr, scope: &Rc<Scope>) -> Outcome<Value> {
        self.deeper(|run| match expr {
            Expr::None => Ok(Value::None),
            Expr::Bool(truth) => Ok(Value::Bool(*truth)),
            Expr::Int(number) => Ok(Value::Int(*number)),
            Expr::Float(number) => Ok(Value::Float(*number)),
            Expr::Text(text) => Ok(Value::text(&**text)),
            Expr::Name(name) => Ok(run.name(name, scope)),
            Expr::Tuple(items) => run.values(items, scope).map(Value::tuple),
            Expr::List(items) => run.values(items, scope).map(Value::list),
            Expr::Dict(items) => run.dict(items, scope),
            Expr::Cond { test, then, other } => match (run.value(test, scope)?.truth(), other) {
                (true, _) => run.value(then, scope),
                (false, Some(other)) => run.value(other, scope),
                (false, None) => Ok(Value::undefined(
                    "the inline if-expression evaluated to false and no else section was defined.",
                )),
            },
            Expr::Or(a, b) => {
                let a = run.value(a, scope)?;
                if a.truth() { Ok(a) } else { run.value(b, scope) }
            }
            Expr::And(a, b) => {
                let a = run.value(a, scope)?;
                if a.truth() { run.value(b, scope) } else { Ok(a) }
            }
            Expr::Not(a) => run.value(a, scope).map(|value| Value::Bool(!value.truth())),
            Expr::Neg(a) => run.value(a, scope).and_then(|value| arithmetic::signed(&value, true)),
            Expr::Pos(a) => run.value(a, scope).and_then(|value| arithmetic::signed(&value, false)),
            Expr::Compare(first, rest) => {
                let mut left = run.value(first, scope)?;
                for (how, right) in rest {
                    let right = run.value(right, scope)?;
                    if !left.compare(*how, &right)? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Ok(Value::Bool(true))
            }
            Expr::Binary(operator, a, b) => {
                let (a, b) = (run.value(a, scope)?, run.value(b, scope)?);
                arithmetic::binary(run, *operator, &a, &b)
            }
            Expr::Concat(parts) => run.concat(parts, scope),
            Expr::Attr(object, name) => {
                run.value(object, scope).and_then(|object| access::attribute(&object, name))
            }
            Expr::Item(object, key) => run.item(object, key, scope),
            Expr::Slice(_) => Err(TemplateError::unsupported("several slices at once")),
            Expr::Call(callee, arguments) => {
                let callee = run.value(callee, scope)?;
                let given = run.arguments(arguments, scope)?;
                run.call(&callee, given)
            }
            Expr::Filter { subject, name, arguments } => {
                let subject =
                    subject.as_ref().ok_or_else(|| TemplateError::new("a filter has nothing to filter"))?;
                let subject = run.value(subject, scope)?;
                let given = run.arguments(arguments, scope)?;
                filters::apply(run, name, subject, given)
            }
            Expr::Test { subject, name, arguments } => {
                let subject = run.value(subject, scope)?;
                let given = run.arguments(arguments, scope)?;
                predicates::apply(name, &subject, given).map(Value::Bool)
            }
        })
    }

    /// Filters on what a block printed: the innermost has no subject of its own.
    pub(super) fn filter_block(
        &mut self,
        filter: &Expr,
        printed: Value,
        scope: &Rc<Scope>,
    ) -> Outcome<Value> {
        let Expr::Filter { subject, name, arguments } = filter else {
            return Err(TemplateError::new("a filter is missing"));
        };
        let subject = match subject {
            Some(inner) => self.filter_block(inner, printed, scope)?,
            None => printed,
        };
        let given = self.arguments(arguments, scope)?;
        filters::apply(self, name, subject, given)
    }

    fn name(&mut self, name: &str, scope: &Rc<Scope>) -> Value {
        if let Some(value) = scope.get(name) {
            return value;
        }
        match name {
            "range" => Value::Function(Function::Range),
            "dict" => Value::Function(Function::Dict),
            "namespace" => Value::Function(Function::Namespace),
            "cycler" => Value::Function(Function::Cycler),
            "joiner" => Value::Function(Function::Joiner),
            "raise_exception" => Value::Function(Function::RaiseException),
            _ => Value::undefined(format!("'{name}' is undefined")),
        }
    }

    fn values(&mut self, items: &[Expr], scope: &Rc<Scope>) -> Outcome<Vec<Value>> {
        items.iter().map(|item| self.value(item, scope)).collect()
    }

    fn dict(&mut self, items: &[(Expr, Expr)], scope: &Rc<Scope>) -> Outcome<Value> {
        let mut dict = Dict::default();
        for (key, value) in items {
            let key = self.value(key, scope)?;
            let value = self.value(value, scope)?;
            dict.set(key, value)?;
        }
        Ok(Value::Dict(Rc::new(dict)))
    }

    fn concat(&mut self, parts: &[Expr], scope: &Rc<Scope>) -> Outcome<Value> {
        let mut out = String::new();
        for part in parts {
            let value = self.value(part, scope)?;
            out.push_str(&self.display(&value)?);
        }
        self.text(out)
    }

    fn item(&mut self, object: &Expr, key: &Expr, scope: &Rc<Scope>) -> Outcome<Value> {
        let object = self.value(object, scope)?;
        if let Expr::Slice(bounds) = key {
            let mut values = [None, None, None];
            for (value, bound) in values.iter_mut().zip(bounds.iter()) {
                *value = bound.as_ref().map(|bound| self.value(bound, scope)).transpose()?;
            }
            let part = access::slice(&object, values)?;
            self.spend(part.length().unwrap_or(0) / 16)?;
            return Ok(part);
        }
        let key = self.value(key, scope)?;
        access::item(&object, &key)
    }

    /// Arguments of a call.
    pub(super) fn arguments(&mut self, arguments: &Arguments, scope: &Rc<Scope>) -> Outcome<Given> {
        let mut given = Given { positional: self.values(&arguments.positional, scope)?, named: Vec::new() };
        for (name, value) in &arguments.named {
            let value = self.value(value, scope)?;
            add_named(&mut given, (&**name).into(), value)?;
        }
        if let Some(rest) = &arguments.rest {
            given.positional.extend(self.value(rest, scope)?.items()?);
        }
        if let Some(rest) = &arguments.rest_named {
            let rest = self.value(rest, scope)?;
            let Value::Dict(dict) = &rest else { return Err(rest.wrong("**")) };
            for (key, value) in dict.iter() {
                add_named(&mut given, key.as_text()?.clone(), value.clone())?;
            }
        }
        Ok(given)
    }
}

fn add_named(given: &mut Given, name: Rc<str>, value: Value) -> Outcome<()> {
    if given.named.iter().any(|(held, _)| *held == name) {
        return Err(TemplateError::new(format!("got multiple values for keyword argument '{name}'")));
    }
    given.named.push((name, value));
    Ok(())
}
