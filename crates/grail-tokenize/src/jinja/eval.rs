//! Statements, run.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::ast::{Kind, Loop, Stmt, Target};
use super::bound::Given;
use super::print::display;
use super::scope::Scope;
use super::value::{LoopState, Macro, Value};
use super::{MOST_DEPTH, MOST_STEPS, MOST_TEXT, Outcome, TemplateError};

/// One rendering.
pub(super) struct Run {
    mark: Option<char>,
    steps: u64,
    depth: usize,
    /// Places that hold macros, and are held by them.
    closed_over: Vec<Rc<Scope>>,
}

/// How statements ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    Break,
    Continue,
}

impl Run {
    pub(super) fn new(mark: Option<char>) -> Self {
        Self { mark, steps: 0, depth: 0, closed_over: Vec::new() }
    }

    /// Frees what holds itself.
    pub(super) fn close(self) {
        for scope in self.closed_over {
            scope.clear();
        }
    }

    pub(super) fn mark(&self) -> Option<char> {
        self.mark
    }

    /// Books so many steps. Errors: too many.
    pub(super) fn spend(&mut self, steps: usize) -> Outcome<()> {
        self.steps = self.steps.saturating_add(steps as u64);
        if self.steps > MOST_STEPS {
            Err(TemplateError::new("the template takes too many steps"))
        } else {
            Ok(())
        }
    }

    /// A new text. Errors: it is too large, or all together are.
    pub(super) fn text(&mut self, text: String) -> Outcome<Value> {
        self.spend(text.len() / 16 + 1)?;
        if text.len() > MOST_TEXT {
            return Err(TemplateError::new("a text is too large"));
        }
        Ok(Value::text(text))
    }

    /// `str(value)`.
    pub(super) fn display(&mut self, value: &Value) -> Outcome<String> {
        let text = display(value, self.mark)?;
        self.spend(text.len() / 16 + 1)?;
        Ok(text)
    }

    /// Runs something one level deeper.
    pub(super) fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        self.spend(1)?;
        if self.depth == MOST_DEPTH {
            return Err(TemplateError::new("the template runs too deep into itself"));
        }
        self.depth += 1;
        let done = part(self);
        self.depth -= 1;
        done
    }

    /// Runs statements that print into `out`.
    pub(super) fn block(&mut self, body: &[Stmt], scope: &Rc<Scope>, out: &mut String) -> Outcome<Flow> {
        self.deeper(|run| {
            for statement in body {
                let flow =
                    run.statement(&statement.kind, scope, out).map_err(|error| error.at(statement.line))?;
                if flow != Flow::On {
                    return Ok(flow);
                }
            }
            Ok(Flow::On)
        })
    }

    /// What statements print, in a place of their own.
    pub(super) fn captured(&mut self, body: &[Stmt], scope: &Rc<Scope>) -> Outcome<String> {
        let mut out = String::new();
        self.block(body, &scope.inside(), &mut out)?;
        Ok(out)
    }

    fn print(&mut self, text: &str, out: &mut String) -> Outcome<()> {
        out.push_str(text);
        if out.len() > MOST_TEXT { Err(TemplateError::new("the prompt is too large")) } else { Ok(()) }
    }

    fn statement(&mut self, kind: &Kind, scope: &Rc<Scope>, out: &mut String) -> Outcome<Flow> {
        match kind {
            Kind::Data(text) => self.print(text, out)?,
            Kind::Print(values) => {
                for value in values {
                    let value = self.value(value, scope)?;
                    let text = self.display(&value)?;
                    self.print(&text, out)?;
                }
            }
            Kind::If { arms, other } => {
                for (test, body) in arms {
                    if self.value(test, scope)?.truth() {
                        return self.block(body, scope, out);
                    }
                }
                return self.block(other, scope, out);
            }
            Kind::For(node) => {
                let over = self.value(&node.over, scope)?;
                let text = self.repeat(node, &over, scope, 0)?;
                self.print(&text, out)?;
            }
            Kind::Set(target, value) => {
                let value = self.value(value, scope)?;
                self.assign(target, value, scope)?;
            }
            Kind::SetBlock { target, filter, body } => {
                let inner = scope.inside();
                let mut text = String::new();
                self.block(body, &inner, &mut text)?;
                let value = self.text(text)?;
                let value = match filter {
                    Some(filter) => self.filter_block(filter, value, &inner)?,
                    None => value,
                };
                self.assign(target, value, scope)?;
            }
            Kind::With { targets, body } => {
                let inner = scope.inside();
                for (target, value) in targets {
                    let value = self.value(value, scope)?;
                    self.assign(target, value, &inner)?;
                }
                return self.block(body, &inner, out);
            }
            Kind::Macro(node) => {
                self.closed_over.push(scope.clone());
                let held = Macro { node: node.clone(), scope: scope.clone() };
                scope.set(&node.name, Value::Macro(Rc::new(held)));
            }
            Kind::Call { caller, callee, arguments } => {
                let callee = self.value(callee, scope)?;
                let mut given = self.arguments(arguments, scope)?;
                let held = Macro { node: caller.clone(), scope: scope.clone() };
                given.named.push(("caller".into(), Value::Macro(Rc::new(held))));
                let value = self.call(&callee, given)?;
                let text = self.display(&value)?;
                self.print(&text, out)?;
            }
            Kind::Filter { filter, body } => {
                let inner = scope.inside();
                let mut text = String::new();
                self.block(body, &inner, &mut text)?;
                let value = self.text(text)?;
                let value = self.filter_block(filter, value, &inner)?;
                let text = self.display(&value)?;
                self.print(&text, out)?;
            }
            Kind::Generation(body) => {
                let text = self.captured(body, scope)?;
                self.print(&text, out)?;
            }
            Kind::Break => return Ok(Flow::Break),
            Kind::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn assign(&mut self, target: &Target, value: Value, scope: &Rc<Scope>) -> Outcome<()> {
        match target {
            Target::Name(name) => scope.set(name, value),
            Target::Tuple(targets) => {
                let values = value.items()?;
                if values.len() != targets.len() {
                    let (found, wanted) = (values.len(), targets.len());
                    return Err(TemplateError::new(format!(
                        "{found} values cannot be unpacked to {wanted} names"
                    )));
                }
                for (target, value) in targets.iter().zip(values) {
                    self.assign(target, value, scope)?;
                }
            }
            Target::Attr(name, attribute) => match scope.get(name) {
                Some(Value::Namespace(held)) if !attribute.starts_with('_') => {
                    held.borrow_mut().set_text(attribute, value);
                }
                Some(Value::Namespace(_)) => {
                    return Err(TemplateError::new(format!(
                        "a namespace cannot hold {attribute:?}, which begins with an underscore"
                    )));
                }
                _ => return Err(TemplateError::new("cannot assign attribute on non-namespace object")),
            },
        }
        Ok(())
    }

    /// A loop over values, and what it prints.
    pub(super) fn repeat(
        &mut self,
        node: &Arc<Loop>,
        over: &Value,
        scope: &Rc<Scope>,
        depth0: i64,
    ) -> Outcome<String> {
        let mut items = over.items()?;
        self.spend(items.len())?;
        if let Some(test) = &node.only_if {
            let mut kept = Vec::new();
            for item in items {
                let inner = scope.inside();
                self.assign(&node.target, item.clone(), &inner)?;
                if self.value(test, &inner)?.truth() {
                    kept.push(item);
                }
            }
            items = kept;
        }
        let mut out = String::new();
        if items.is_empty() {
            self.block(&node.otherwise, &scope.inside(), &mut out)?;
            return Ok(out);
        }
        let again = node.recursive.then(|| (node.clone(), scope.clone()));
        let length = items.len();
        let state =
            Rc::new(LoopState { items, index: Cell::new(0), depth0, again, changed: RefCell::new(None) });
        for at in 0..length {
            let inner = scope.inside();
            state.index.set(at);
            inner.set("loop", Value::Loop(state.clone()));
            let item = state.items.get(at).cloned().unwrap_or(Value::None);
            self.assign(&node.target, item, &inner)?;
            if self.block(&node.body, &inner, &mut out)? == Flow::Break {
                break;
            }
        }
        Ok(out)
    }

    /// Calls a macro.
    pub(super) fn call_macro(&mut self, held: &Macro, mut given: Given) -> Outcome<Value> {
        let Macro { node, scope } = held;
        let inner = scope.inside();
        let fail = |problem: String| Err(TemplateError::new(format!("macro '{}' {problem}", node.name)));
        let take = |given: &mut Given, name: &str| {
            let at = given.named.iter().position(|(held, _)| **held == *name)?;
            Some(given.named.remove(at).1)
        };
        let mut positional = std::mem::take(&mut given.positional).into_iter();
        let mut missing = Vec::new();
        for (name, default) in &node.arguments {
            let value = positional.next().or_else(|| take(&mut given, name));
            match value {
                Some(value) => inner.set(name, value),
                None => missing.push((name, default)),
            }
        }
        if node.takes_caller {
            let value = take(&mut given, "caller");
            inner.set("caller", value.unwrap_or_else(|| Value::undefined("No caller defined")));
        }
        if node.takes_kwargs {
            let mut kwargs = super::value::Dict::default();
            for (name, value) in given.named {
                kwargs.set_text(&name, value);
            }
            inner.set("kwargs", Value::Dict(Rc::new(kwargs)));
        } else if let Some((name, _)) = given.named.first() {
            return fail(format!("takes no keyword argument '{name}'"));
        }
        let rest: Vec<_> = positional.collect();
        if node.takes_varargs {
            inner.set("varargs", Value::tuple(rest));
        } else if !rest.is_empty() {
            return fail(format!("takes not more than {} argument(s)", node.arguments.len()));
        }
        // A default sees the arguments before it.
        for (name, default) in missing {
            let value = match default {
                Some(default) => self.value(default, &inner)?,
                None => Value::undefined(format!("parameter '{name}' was not provided")),
            };
            inner.set(name, value);
        }
        let mut out = String::new();
        self.block(&node.body, &inner, &mut out)?;
        self.text(out)
    }
}
