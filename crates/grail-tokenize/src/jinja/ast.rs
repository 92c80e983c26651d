//! What a template consists of.

use std::sync::Arc;

#[derive(Debug, Clone)]
pub(super) enum Expr {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Name(Arc<str>),
    Tuple(Vec<Expr>),
    List(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    /// `then if test else other`.
    Cond {
        test: Box<Expr>,
        then: Box<Expr>,
        other: Option<Box<Expr>>,
    },
    Or(Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Neg(Box<Expr>),
    Pos(Box<Expr>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `a ~ b ~ c`.
    Concat(Vec<Expr>),
    /// `a.b`.
    Attr(Box<Expr>, Arc<str>),
    /// `a[b]`.
    Item(Box<Expr>, Box<Expr>),
    /// `from:to:by`, in an item alone.
    Slice(Box<[Option<Expr>; 3]>),
    Call(Box<Expr>, Arguments),
    /// `subject | name(…)`; without a subject, what a block printed.
    Filter {
        subject: Option<Box<Expr>>,
        name: Arc<str>,
        arguments: Arguments,
    },
    /// `subject is name …`.
    Test {
        subject: Box<Expr>,
        name: Arc<str>,
        arguments: Arguments,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
}

/// `(a, b, name=c, *d, **e)`.
#[derive(Debug, Clone, Default)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Expr>,
    pub(super) named: Vec<(Arc<str>, Expr)>,
    pub(super) rest: Option<Box<Expr>>,
    pub(super) rest_named: Option<Box<Expr>>,
}

/// A statement with its line.
#[derive(Debug, Clone)]
pub(super) struct Stmt {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Data(Arc<str>),
    Print(Vec<Expr>),
    If {
        arms: Vec<(Expr, Vec<Stmt>)>,
        other: Vec<Stmt>,
    },
    For(Arc<Loop>),
    Set(Target, Expr),
    SetBlock {
        target: Target,
        filter: Option<Expr>,
        body: Vec<Stmt>,
    },
    With {
        targets: Vec<(Target, Expr)>,
        body: Vec<Stmt>,
    },
    Macro(Arc<Macro>),
    /// `{% call(…) f(…) %}`: the body becomes the macro `caller`.
    Call {
        caller: Arc<Macro>,
        callee: Expr,
        arguments: Arguments,
    },
    Filter {
        filter: Expr,
        body: Vec<Stmt>,
    },
    /// `{% generation %}` of transformers: prints its body.
    Generation(Vec<Stmt>),
    Break,
    Continue,
}

/// What can be assigned to.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Name(Arc<str>),
    Tuple(Vec<Target>),
    /// `namespace.attribute`.
    Attr(Arc<str>, Arc<str>),
}

#[derive(Debug)]
pub(super) struct Loop {
    pub(super) target: Target,
    pub(super) over: Expr,
    pub(super) only_if: Option<Expr>,
    pub(super) recursive: bool,
    pub(super) body: Vec<Stmt>,
    pub(super) otherwise: Vec<Stmt>,
}

#[derive(Debug)]
pub(super) struct Macro {
    pub(super) name: Arc<str>,
    /// Arguments; the last ones may have defaults.
    pub(super) arguments: Vec<(Arc<str>, Option<Expr>)>,
    pub(super) body: Vec<Stmt>,
    /// Whether the body asks for arguments beyond those named, and for who called it.
    pub(super) takes_varargs: bool,
    pub(super) takes_kwargs: bool,
    pub(super) takes_caller: bool,
}
