//! Templates whose every operation that can make something large goes through a guard.
//!
//! The engine counts instructions, not bytes: `x ~ x` is one instruction whatever `x` is. So the
//! syntax tree is rebuilt with `a ~ b` as a call of a filter that looks first, and the same for
//! filters, literals, calls and text.

use minijinja::Value;
use minijinja::machinery::Span;
use minijinja::machinery::ast::{
    BinOp, BinOpKind, Call, CallArg, Compare, CompareOp, Const, EmitExpr, Expr, Filter, ForLoop,
    GetAttr, GetItem, IfCond, IfExpr, List, Map, Set, Slice, Spanned, Stmt, Template, Test, Tuple,
    UnaryOp, UnaryOpKind, Var, WithBlock,
};

/// The filter that runs a filter, named by its first argument.
pub(super) const GUARD: &str = "_guard";
/// The filter that does an operation, named by its first argument.
pub(super) const OPERATE: &str = "_operate";
/// The filter that accounts for what is held by a new value.
pub(super) const HOLD: &str = "_hold";

/// A constant expression.
fn constant<'s>(value: Value, span: Span) -> Expr<'s> {
    Expr::Const(Spanned::new(Const { value }, span))
}

fn filter<'s>(
    name: &'s str,
    input: Option<Expr<'s>>,
    args: Vec<CallArg<'s>>,
    span: Span,
) -> Expr<'s> {
    Expr::Filter(Spanned::new(Filter { name, expr: input, args }, span))
}

fn held<'s>(inner: Expr<'s>, span: Span) -> Expr<'s> {
    filter(HOLD, Some(inner), Vec::new(), span)
}

/// The statements that templates may have, rebuilt; others were refused before.
pub(super) fn stmts<'s>(body: &[Stmt<'s>]) -> Vec<Stmt<'s>> {
    body.iter().filter_map(stmt).collect()
}

pub(super) fn stmt<'s>(stmt: &Stmt<'s>) -> Option<Stmt<'s>> {
    Some(match stmt {
        Stmt::Template(whole) => Stmt::Template(Spanned::new(
            Template { children: stmts(&whole.children) },
            whole.span(),
        )),
        Stmt::EmitExpr(emit) => {
            Stmt::EmitExpr(Spanned::new(EmitExpr { expr: expr(&emit.expr) }, emit.span()))
        }
        Stmt::EmitRaw(raw) => Stmt::EmitExpr(Spanned::new(
            EmitExpr { expr: constant(Value::from(raw.raw), raw.span()) },
            raw.span(),
        )),
        Stmt::ForLoop(each) => {
            let rebuilt = ForLoop {
                target: target(&each.target),
                iter: expr(&each.iter),
                filter_expr: each.filter_expr.as_ref().map(expr),
                recursive: false,
                body: stmts(&each.body),
                else_body: stmts(&each.else_body),
            };
            Stmt::ForLoop(Spanned::new(rebuilt, each.span()))
        }
        Stmt::IfCond(cond) => {
            let rebuilt = IfCond {
                expr: expr(&cond.expr),
                true_body: stmts(&cond.true_body),
                false_body: stmts(&cond.false_body),
            };
            Stmt::IfCond(Spanned::new(rebuilt, cond.span()))
        }
        Stmt::WithBlock(with) => {
            let assignments =
                with.assignments.iter().map(|(name, value)| (target(name), expr(value))).collect();
            Stmt::WithBlock(Spanned::new(
                WithBlock { assignments, body: stmts(&with.body) },
                with.span(),
            ))
        }
        Stmt::Set(set) => Stmt::Set(Spanned::new(
            Set { target: target(&set.target), expr: expr(&set.expr) },
            set.span(),
        )),
        Stmt::Continue(at) => {
            Stmt::Continue(Spanned::new(minijinja::machinery::ast::Continue, at.span()))
        }
        Stmt::Break(at) => Stmt::Break(Spanned::new(minijinja::machinery::ast::Break, at.span())),
        _ => return None,
    })
}

/// What is assigned to: names, and lists of names.
fn target<'s>(to: &Expr<'s>) -> Expr<'s> {
    match to {
        Expr::Var(var) => Expr::Var(Spanned::new(Var { id: var.id }, var.span())),
        Expr::List(list) => Expr::List(Spanned::new(
            List { items: list.items.iter().map(target).collect() },
            list.span(),
        )),
        Expr::Tuple(tuple) => Expr::Tuple(Spanned::new(
            Tuple { items: tuple.items.iter().map(target).collect() },
            tuple.span(),
        )),
        Expr::GetAttr(attr) => Expr::GetAttr(Spanned::new(
            GetAttr { expr: target(&attr.expr), name: attr.name },
            attr.span(),
        )),
        other => expr(other),
    }
}

fn args<'s>(args: &[CallArg<'s>]) -> Vec<CallArg<'s>> {
    let arg = |arg: &CallArg<'s>| match arg {
        CallArg::Pos(value) => CallArg::Pos(expr(value)),
        CallArg::Kwarg(name, value) => CallArg::Kwarg(name, expr(value)),
        CallArg::PosSplat(value) => CallArg::PosSplat(expr(value)),
        CallArg::KwargSplat(value) => CallArg::KwargSplat(expr(value)),
    };
    args.iter().map(arg).collect()
}

fn all<'s>(items: &[Expr<'s>]) -> Vec<Expr<'s>> {
    items.iter().map(expr).collect()
}

/// An expression, rebuilt.
pub(super) fn expr<'s>(whole: &Expr<'s>) -> Expr<'s> {
    let span = whole.span();
    match whole {
        Expr::Var(var) => Expr::Var(Spanned::new(Var { id: var.id }, span)),
        Expr::Const(value) => constant(value.value.clone(), span),
        Expr::Slice(slice) => {
            let bound = |bound: &Option<Expr<'s>>| bound.as_ref().map(expr);
            let rebuilt = Slice {
                expr: expr(&slice.expr),
                start: bound(&slice.start),
                stop: bound(&slice.stop),
                step: bound(&slice.step),
            };
            held(Expr::Slice(Spanned::new(rebuilt, span)), span)
        }
        Expr::UnaryOp(unary) => {
            #[expect(clippy::needless_match, reason = "the kind is neither Copy nor Clone")]
            let op = match unary.op {
                UnaryOpKind::Not => UnaryOpKind::Not,
                UnaryOpKind::Neg => UnaryOpKind::Neg,
            };
            Expr::UnaryOp(Spanned::new(UnaryOp { op, expr: expr(&unary.expr) }, span))
        }
        Expr::BinOp(binary) => operation(binary, span),
        Expr::Compare(compare) => {
            let ops = compare
                .ops
                .iter()
                .map(|op| CompareOp { op: op.op, expr: expr(&op.expr) })
                .collect();
            Expr::Compare(Spanned::new(Compare { expr: expr(&compare.expr), ops }, span))
        }
        Expr::IfExpr(cond) => {
            let rebuilt = IfExpr {
                test_expr: expr(&cond.test_expr),
                true_expr: expr(&cond.true_expr),
                false_expr: cond.false_expr.as_ref().map(expr),
            };
            Expr::IfExpr(Spanned::new(rebuilt, span))
        }
        Expr::Filter(inner) => {
            let mut given = vec![CallArg::Pos(constant(Value::from(inner.name), span))];
            given.extend(args(&inner.args));
            filter(GUARD, inner.expr.as_ref().map(expr), given, span)
        }
        Expr::Test(test) => Expr::Test(Spanned::new(
            Test { name: test.name, expr: expr(&test.expr), args: args(&test.args) },
            span,
        )),
        Expr::GetAttr(attr) => {
            Expr::GetAttr(Spanned::new(GetAttr { expr: expr(&attr.expr), name: attr.name }, span))
        }
        Expr::GetItem(item) => {
            let rebuilt =
                GetItem { expr: expr(&item.expr), subscript_expr: expr(&item.subscript_expr) };
            Expr::GetItem(Spanned::new(rebuilt, span))
        }
        Expr::Call(call) => held(
            Expr::Call(Spanned::new(Call { expr: expr(&call.expr), args: args(&call.args) }, span)),
            span,
        ),
        Expr::List(list) => {
            held(Expr::List(Spanned::new(List { items: all(&list.items) }, span)), span)
        }
        Expr::Tuple(tuple) => {
            held(Expr::Tuple(Spanned::new(Tuple { items: all(&tuple.items) }, span)), span)
        }
        Expr::Map(map) => held(
            Expr::Map(Spanned::new(Map { keys: all(&map.keys), values: all(&map.values) }, span)),
            span,
        ),
    }
}

fn operation<'s>(binary: &BinOp<'s>, span: Span) -> Expr<'s> {
    let (left, right) = (expr(&binary.left), expr(&binary.right));
    let name = match binary.op {
        BinOpKind::Add => "+",
        BinOpKind::Mul => "*",
        BinOpKind::Concat => "~",
        op => return Expr::BinOp(Spanned::new(BinOp { op, left, right }, span)),
    };
    filter(
        OPERATE,
        Some(left),
        vec![CallArg::Pos(constant(Value::from(name), span)), CallArg::Pos(right)],
        span,
    )
}
