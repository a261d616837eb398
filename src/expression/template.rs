//! Text templates (minijinja): strict on undefined, and typed where the whole text is one
//! expression.

use crate::diagnostic::nearest;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use minijinja::machinery::ast::{CallArg, Expr, Stmt};
use minijinja::machinery::{
    CodeGenerator, Instruction, Span, eval, make_string_output, parse, parse_expr,
};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde_json::Value;

use super::allowance::{self, walkable, within, written};
use super::error::{CompileError, EvalError, EvalErrorKind};
use super::jq::Reference;
use super::rewrite;
use super::value::MOST_DEPTH;

/// Instructions of one rendering.
const FUEL: u64 = 100_000;
/// Nested macros and loops of one rendering.
const RECURSION: usize = 100;
/// What is said where a template is written like a program.
const NO_PROGRAM: &str = "templates only insert values: compute the value in a step with `value` (jq), and use its \
        output";
/// What a template may be called with besides its variables; also the source of suggestions.
const FILTERS: &str = "abs attr batch bool capitalize chain count d default dictsort e escape \
    first float format \
    groupby indent int items join last length lines list lower map max min pprint reject \
    rejectattr replace reverse \
    round safe select selectattr slice sort split string sum title tojson trim unique upper \
    urlencode zip";
const TESTS: &str = "boolean defined divisibleby endingwith eq equalto escaped even false filter \
    float ge \
    greaterthan gt in int integer iterable le lessthan lower lt mapping ne none number odd safe \
    sameas sequence \
    startingwith string test true undefined upper == != < <= > >=";

/// A compiled text template; clones share it.
#[derive(Clone)]
pub struct Template {
    compiled: Arc<CompiledTemplate>,
}

struct CompiledTemplate {
    source: String,
    form: Form,
    references: Vec<Reference>,
}

enum Form {
    /// No template syntax at all.
    Literal,
    /// Exactly one `{{ … }}`: its value keeps its type.
    Typed(Range<usize>),
    /// Text with expressions in it.
    Text,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.compiled.source).finish()
    }
}

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION);
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        // Only for the ranges of errors: debug information itself is never shown, it quotes
        // variables.
        environment.set_debug(true);
        environment.remove_global("debug");
        // a value that can hold itself
        environment.remove_global("namespace");
        allowance::install(&mut environment);
        // Text says `true`, `null` and `["a"]` as YAML and JSON do, not as Python does.
        environment.set_formatter(|out, state, value| {
            written(value)?;
            match value.kind() {
                ValueKind::Bool
                | ValueKind::None
                | ValueKind::Seq
                | ValueKind::Map
                | ValueKind::Iterable => {
                    let json = serde_json::to_string(value);
                    let json = json.map_err(|error| {
                        minijinja::Error::new(ErrorKind::BadSerialization, error.to_string())
                    })?;
                    out.write_str(&json).map_err(minijinja::Error::from)
                }
                _ => minijinja::escape_formatter(out, state, value),
            }
        });
        environment
    })
}

/// Compiles a text template.
///
/// # Errors
///
/// A syntax error, an unknown filter, test or function, or a reference to another template.
pub fn template(source: &str) -> Result<Template, CompileError> {
    let done = |form, references| Template {
        compiled: Arc::new(CompiledTemplate { source: source.to_owned(), form, references }),
    };
    if !["{{", "{%", "{#"].iter().any(|open| source.contains(open)) {
        return Ok(done(Form::Literal, Vec::new()));
    }
    let stmt = parsed(source).map_err(|error| syntax_error(source, &error))?;
    let mut check =
        TemplateCheck { source, assigned: BTreeSet::new(), found: Vec::new(), errors: Vec::new() };
    check.stmt(&stmt);
    if let Some(error) = check.errors.into_iter().min_by_key(|error| error.range.start) {
        return Err(error);
    }
    let TemplateCheck { assigned, mut found, .. } = check;
    found.retain(|reference| !assigned.contains(&reference.root));
    found.sort_by_key(|reference| (reference.range.start, reference.range.end));
    let form = inside(source).map_or(Form::Text, Form::Typed);
    Ok(done(form, found))
}

/// The expression of a text that is exactly one `{{ … }}`.
fn inside(source: &str) -> Option<Range<usize>> {
    let lead = source.len() - source.trim_start().len();
    let trimmed = source.trim();
    let inner = trimmed.strip_prefix("{{")?.strip_suffix("}}")?;
    let mut range = lead + 2..lead + 2 + inner.len();
    if inner.starts_with(['-', '+']) {
        range.start += 1;
    }
    if inner.len() > 1 && inner.ends_with(['-', '+']) {
        range.end -= 1;
    }
    // `{{ a }}{{ b }}` also starts and ends like one expression.
    let expression = source.get(range.clone())?;
    parse_expr(expression).is_ok().then_some(range)
}

fn syntax_error(source: &str, error: &minijinja::Error) -> CompileError {
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let whole = 0..source.len();
    let range = error.range().filter(|range| source.get(range.clone()).is_some());
    let range = range.or_else(|| line(source, error.line()?)).unwrap_or(whole);
    CompileError::new(message, range)
}

/// The bytes of a line, counted from one.
fn line(source: &str, number: usize) -> Option<Range<usize>> {
    let mut start = 0;
    for (index, line) in source.split_inclusive('\n').enumerate() {
        if index + 1 == number {
            return Some(start..start + line.trim_end().len());
        }
        start += line.len();
    }
    None
}

fn bytes(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

/// A walk over a template that finds unknown names and uses of variables.
struct TemplateCheck<'s> {
    source: &'s str,
    /// Names that the template itself defines.
    assigned: BTreeSet<String>,
    found: Vec<Reference>,
    errors: Vec<CompileError>,
}

impl<'s> TemplateCheck<'s> {
    fn refuse(&mut self, message: String, range: Range<usize>, help: Option<String>) {
        let range =
            if self.source.get(range.clone()).is_some() { range } else { 0..self.source.len() };
        let error = CompileError::new(message, range);
        self.errors.push(match help {
            Some(help) => error.help(help),
            None => error,
        });
    }

    /// Refuses a name that is not in the list.
    fn known(&mut self, what: &str, name: &str, list: &str, range: Range<usize>) {
        if !list.split_whitespace().any(|known| known == name) {
            let help = nearest(name, list.split_whitespace())
                .map(|near| format!("did you mean `{near}`?"));
            self.refuse(format!("templates have no {what} `{name}`"), range, help);
        }
    }

    fn body(&mut self, body: &[Stmt<'s>]) {
        body.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn assign(&mut self, target: &Expr<'s>) {
        match target {
            Expr::Var(var) => {
                self.assigned.insert(var.id.to_owned());
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.assign(item)),
            other => self.expr(other),
        }
    }

    fn stmt(&mut self, stmt: &Stmt<'s>) {
        match stmt {
            Stmt::Template(template) => self.body(&template.children),
            Stmt::EmitExpr(emit) => self.expr(&emit.expr),
            Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => {}
            Stmt::ForLoop(each) => {
                if each.recursive {
                    self.refuse(
                        "a recursive loop is not available in templates".to_owned(),
                        bytes(each.span()),
                        Some(NO_PROGRAM.to_owned()),
                    );
                }
                self.assigned.insert("loop".to_owned());
                self.assign(&each.target);
                self.expr(&each.iter);
                each.filter_expr.iter().for_each(|filter| self.expr(filter));
                self.body(&each.body);
                self.body(&each.else_body);
            }
            Stmt::IfCond(cond) => {
                self.expr(&cond.expr);
                self.body(&cond.true_body);
                self.body(&cond.false_body);
            }
            Stmt::WithBlock(block) => {
                for (target, value) in &block.assignments {
                    self.assign(target);
                    self.expr(value);
                }
                self.body(&block.body);
            }
            Stmt::Set(set) => {
                self.assign(&set.target);
                self.expr(&set.expr);
            }
            Stmt::SetBlock(set) => self.no_program("a block of `set`", bytes(set.span())),
            Stmt::AutoEscape(block) => self.no_program("`autoescape`", bytes(block.span())),
            Stmt::FilterBlock(block) => self.no_program("a block of `filter`", bytes(block.span())),
            Stmt::Macro(declared) => self.no_program("`macro`", bytes(declared.span())),
            Stmt::CallBlock(block) => self.no_program("`call`", bytes(block.span())),
            Stmt::Do(call) => self.no_program("`do`", bytes(call.span())),
            Stmt::Block(block) => self.other_template("block", bytes(block.span())),
            Stmt::Import(import) => self.other_template("import", bytes(import.span())),
            Stmt::FromImport(import) => self.other_template("import", bytes(import.span())),
            Stmt::Extends(extends) => self.other_template("extends", bytes(extends.span())),
            Stmt::Include(include) => self.other_template("include", bytes(include.span())),
        }
    }

    fn other_template(&mut self, tag: &str, range: Range<usize>) {
        let message = format!("`{tag}` is not available: there are no other templates");
        self.refuse(message, range, None);
    }

    fn no_program(&mut self, what: &str, range: Range<usize>) {
        self.refuse(
            format!("{what} is not available in templates"),
            range,
            Some(NO_PROGRAM.to_owned()),
        );
    }

    fn args(&mut self, args: &[CallArg<'s>]) {
        for arg in args {
            match arg {
                CallArg::Pos(expr)
                | CallArg::Kwarg(_, expr)
                | CallArg::PosSplat(expr)
                | CallArg::KwargSplat(expr) => self.expr(expr),
            }
        }
    }

    fn call(&mut self, callee: &Expr<'s>, args: &[CallArg<'s>], range: Range<usize>) {
        match callee {
            Expr::Var(var) => {
                let globals = || environment().globals().map(|(name, _)| name);
                let known = globals().any(|name| name == var.id) || self.assigned.contains(var.id);
                if !known {
                    let help = nearest(var.id, globals().chain(FILTERS.split_whitespace()));
                    let help = help.map(|near| {
                        format!("did you mean `{near}`? filters are written `value | {near}`")
                    });
                    self.refuse(
                        format!("templates have no function `{}`", var.id),
                        bytes(var.span()),
                        help,
                    );
                }
            }
            Expr::GetAttr(attr) => {
                self.expr(&attr.expr);
                let on_loop = matches!(&attr.expr, Expr::Var(var) if var.id == "loop");
                if !on_loop {
                    let message = format!("values in templates have no method `{}`", attr.name);
                    let filter = FILTERS.split_whitespace().any(|known| known == attr.name);
                    let help = filter.then(|| format!("use the filter: `value | {}`", attr.name));
                    self.refuse(message, range, help);
                }
            }
            other => self.expr(other),
        }
        self.args(args);
    }

    fn reference(&mut self, root: &str, name: Option<&str>, range: Range<usize>) {
        if let Some(rest) = self.source.get(range.end..).filter(|_| range.start <= range.end) {
            let asks = super::syntax::asks(rest);
            self.found.push(Reference {
                root: root.to_owned(),
                name: name.map(str::to_owned),
                range,
                asks,
            });
        }
    }

    fn expr(&mut self, expr: &Expr<'s>) {
        match expr {
            Expr::Var(var) => self.reference(var.id, None, bytes(var.span())),
            Expr::Const(_) => {}
            Expr::GetAttr(attr) => match &attr.expr {
                Expr::Var(var) => {
                    let range = bytes(var.span()).start..bytes(attr.span()).end;
                    self.reference(var.id, Some(attr.name), range);
                }
                inner => self.expr(inner),
            },
            Expr::GetItem(item) => {
                let key = match &item.subscript_expr {
                    Expr::Const(constant) => constant.value.as_str().map(str::to_owned),
                    _ => None,
                };
                match (&item.expr, key) {
                    (Expr::Var(var), Some(key)) => {
                        let range = bytes(var.span()).start..bytes(item.span()).end;
                        self.reference(var.id, Some(&key), range);
                    }
                    (inner, _) => self.expr(inner),
                }
                self.expr(&item.subscript_expr);
            }
            Expr::Slice(slice) => {
                self.expr(&slice.expr);
                let bounds = [&slice.start, &slice.stop, &slice.step];
                bounds.into_iter().flatten().for_each(|bound| self.expr(bound));
            }
            Expr::UnaryOp(unary) => self.expr(&unary.expr),
            Expr::BinOp(binary) => {
                self.expr(&binary.left);
                self.expr(&binary.right);
            }
            Expr::Compare(compare) => {
                self.expr(&compare.expr);
                compare.ops.iter().for_each(|op| self.expr(&op.expr));
            }
            Expr::IfExpr(cond) => {
                self.expr(&cond.test_expr);
                self.expr(&cond.true_expr);
                cond.false_expr.iter().for_each(|otherwise| self.expr(otherwise));
            }
            Expr::Filter(filter) => {
                filter.expr.iter().for_each(|inner| self.expr(inner));
                self.known("filter", filter.name, FILTERS, bytes(filter.span()));
                self.args(&filter.args);
            }
            Expr::Test(test) => {
                self.expr(&test.expr);
                self.known("test", test.name, TESTS, bytes(test.span()));
                self.args(&test.args);
            }
            Expr::Call(call) => self.call(&call.expr, &call.args, bytes(call.span())),
            Expr::List(list) => list.items.iter().for_each(|item| self.expr(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expr(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|item| self.expr(item)),
        }
    }
}

impl Template {
    /// The template as written.
    pub fn source(&self) -> &str {
        &self.compiled.source
    }

    /// Whether the text contains no `{{`, `{%` or `{#`: it renders to itself.
    pub fn is_literal(&self) -> bool {
        matches!(self.compiled.form, Form::Literal)
    }

    /// Every use of a variable that the template does not define itself, in the order of the
    /// source.
    pub fn references(&self) -> &[Reference] {
        &self.compiled.references
    }

    /// Renders the template; `context` is an object of variables.
    ///
    /// The result is a string, except that a text that is exactly one `{{ … }}` gives the value
    /// itself. Values are inserted as they are: template syntax within them is text.
    ///
    /// # Errors
    ///
    /// An undefined variable, a failing filter, or the end of the budget.
    pub fn render(&self, context: &Value) -> Result<Value, EvalError> {
        let source = &self.compiled.source;
        match &self.compiled.form {
            Form::Literal => Ok(Value::String(source.clone())),
            Form::Typed(range) => {
                let text = &source[range.clone()];
                let context = self.context(context)?;
                let value =
                    within(|| walkable(evaluate(text, context)?), |error| failure(text, error))?;
                if value.is_undefined() {
                    return Err(undefined(text.trim()));
                }
                serde_json::to_value(&value).map_err(|_| {
                    let message = format!("`{}` is not a value that JSON can express", text.trim());
                    EvalError::new(EvalErrorKind::Runtime, message)
                })
            }
            Form::Text => {
                let context = self.context(context)?;
                within(|| fill_in(source, context), |error| failure(source, error))
                    .map(Value::String)
            }
        }
    }

    /// The part of the context that the template can see: converting all results of a run would be
    /// slow.
    fn context(&self, context: &Value) -> Result<minijinja::Value, EvalError> {
        let mut seen = serde_json::Map::new();
        let used = &self.compiled.references;
        for reference in used {
            let Some(value) = context.get(&reference.root) else { continue };
            let whole =
                used.iter().any(|other| other.root == reference.root && other.name.is_none());
            match (&reference.name, value) {
                (Some(name), Value::Object(fields)) if !whole => {
                    let part = seen
                        .entry(reference.root.clone())
                        .or_insert_with(|| Value::Object(Default::default()));
                    if let (Value::Object(part), Some(field)) = (part, fields.get(name)) {
                        part.insert(name.clone(), shallow(field)?.clone());
                    }
                }
                _ => {
                    seen.insert(reference.root.clone(), shallow(value)?.clone());
                }
            }
        }
        Ok(minijinja::Value::from(Serde(Value::Object(seen))))
    }
}

/// The value of an expression, rebuilt so that what it makes is bounded.
fn evaluate(text: &str, context: minijinja::Value) -> Result<minijinja::Value, minijinja::Error> {
    let expression = rewrite::expr(&parse_expr(text)?);
    let mut generator = CodeGenerator::new("<expression>", text);
    generator.compile_expr(&expression);
    generator.add(Instruction::Return);
    let (instructions, blocks) = generator.finish();
    let mut nothing = String::new();
    let (value, _) = eval(
        environment(),
        &instructions,
        context,
        &blocks,
        &mut make_string_output(&mut nothing),
        AutoEscape::None,
    )?;
    Ok(value.unwrap_or_default())
}

/// The tree of a template.
pub(super) fn parsed(source: &str) -> Result<Stmt<'_>, minijinja::Error> {
    parse(source, "<text>", environment().syntax().clone())
}

/// The text of a template, rebuilt so that what it makes is bounded.
fn fill_in(source: &str, context: minijinja::Value) -> Result<String, minijinja::Error> {
    let parsed = parsed(source)?;
    let mut generator = CodeGenerator::new("<text>", source);
    if let Some(rebuilt) = rewrite::stmt(&parsed) {
        generator.compile_stmt(&rebuilt);
    }
    let (instructions, blocks) = generator.finish();
    let mut text = String::new();
    eval(
        environment(),
        &instructions,
        context,
        &blocks,
        &mut make_string_output(&mut text),
        AutoEscape::None,
    )?;
    Ok(text)
}

/// The value, if it is not nested so deeply that converting it endangers the stack.
fn shallow(value: &Value) -> Result<&Value, EvalError> {
    fn fits(value: &Value, left: usize) -> bool {
        match value {
            Value::Array(items) => left > 0 && items.iter().all(|item| fits(item, left - 1)),
            Value::Object(fields) => left > 0 && fields.values().all(|item| fits(item, left - 1)),
            _ => true,
        }
    }
    if fits(value, MOST_DEPTH) {
        return Ok(value);
    }
    let message = format!("a value is nested more than {MOST_DEPTH} levels deep");
    Err(EvalError::new(EvalErrorKind::TooLarge, message))
}

fn undefined(what: &str) -> EvalError {
    EvalError::new(EvalErrorKind::Undefined, format!("`{what}` is undefined"))
}

/// The message of a rendering error, without the engine's debug information.
fn failure(source: &str, error: &minijinja::Error) -> EvalError {
    let place = error.range().and_then(|range| source.get(range));
    match error.kind() {
        ErrorKind::UndefinedError => match (error.detail(), place) {
            (Some(detail), _) => EvalError::new(EvalErrorKind::Undefined, detail.to_owned()),
            (None, Some(place)) => undefined(place.trim()),
            (None, None) => undefined(source.trim()),
        },
        ErrorKind::OutOfFuel => {
            let message = format!("stopped after {FUEL} instructions: possible endless loop");
            EvalError::new(EvalErrorKind::OutOfFuel, message)
        }
        kind => {
            let detail = error.detail().map_or_else(|| kind.to_string(), str::to_owned);
            let message = match place {
                Some(place) => format!("`{}`: {detail}", place.trim()),
                None => detail,
            };
            EvalError::new(EvalErrorKind::Runtime, message)
        }
    }
}
