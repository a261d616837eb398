//! A template as a person reads it: its texts, with names in the place of what is not known yet.

use super::template::parsed;
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, ForLoop, IfCond, Stmt};

/// The text of a template: a path is what `stands_for` says of it, `[A | B]` is the one or the
/// other, and `A, …` several of a kind. None where it is none or has something that has no such form.
pub fn outline(source: &str, stands_for: &dyn Fn(&str) -> String) -> Option<String> {
    let template = parsed(source).ok()?;
    Outline { stands_for }.statement(&template)
}

struct Outline<'a> {
    stands_for: &'a dyn Fn(&str) -> String,
}

impl Outline<'_> {
    fn all(&self, statements: &[Stmt<'_>]) -> Option<String> {
        statements.iter().map(|statement| self.statement(statement)).collect()
    }

    fn statement(&self, statement: &Stmt<'_>) -> Option<String> {
        match statement {
            Stmt::Template(template) => self.all(&template.children),
            Stmt::EmitRaw(text) => Some(text.raw.to_owned()),
            Stmt::EmitExpr(emitted) => self.value(&emitted.expr),
            Stmt::IfCond(condition) => self.condition(condition),
            Stmt::ForLoop(each) => self.each(each),
            Stmt::Set(_) => Some(String::new()),
            _ => None,
        }
    }

    fn condition(&self, condition: &IfCond<'_>) -> Option<String> {
        let otherwise = self.all(&condition.false_body)?;
        Some(either(&self.all(&condition.true_body)?, &otherwise))
    }

    fn each(&self, each: &ForLoop<'_>) -> Option<String> {
        // what only stands between two of them
        let is_separator = |statement: &&Stmt<'_>| match statement {
            Stmt::IfCond(condition) => of_loop(&condition.expr),
            _ => false,
        };
        let one = each.body.iter().filter(|statement| !is_separator(statement));
        let one: String = one.map(|statement| self.statement(statement)).collect::<Option<_>>()?;
        Some(format!("{}, …", one.trim_end_matches([' ', ',', ';'])))
    }

    /// What an expression comes to, as far as it can be said.
    fn value(&self, expr: &Expr<'_>) -> Option<String> {
        if let Some(path) = path(expr) {
            return Some((self.stands_for)(&path));
        }
        match expr {
            Expr::Const(constant) => Some(constant.value.to_string()),
            Expr::IfExpr(choice) => {
                let otherwise = match &choice.false_expr {
                    Some(otherwise) => self.value(otherwise)?,
                    None => String::new(),
                };
                Some(either(&self.value(&choice.true_expr)?, &otherwise))
            }
            Expr::BinOp(both) => {
                let (left, right) = (self.value(&both.left)?, self.value(&both.right)?);
                match both.op {
                    BinOpKind::Concat | BinOpKind::Add => Some(left + &right),
                    BinOpKind::ScOr => Some(either(&left, &right)),
                    // a number in another unit
                    BinOpKind::Div | BinOpKind::Mul | BinOpKind::FloorDiv => Some(left),
                    _ => None,
                }
            }
            Expr::Filter(filter) => {
                let inner = filter.expr.as_ref()?;
                match filter.name {
                    "length" | "count" => {
                        Some((self.stands_for)(&format!("number of {}", listed(inner)?)))
                    }
                    "join" => Some(format!("{}, …", self.list(inner)?)),
                    _ => self.list(expr),
                }
            }
            _ => None,
        }
    }

    /// One of a list, or what a filter makes only another form of.
    fn list(&self, expr: &Expr<'_>) -> Option<String> {
        match listed(expr) {
            Some(path) => Some((self.stands_for)(&path)),
            None => match expr {
                Expr::Filter(filter) if is_form(filter.name) => self.value(filter.expr.as_ref()?),
                _ => None,
            },
        }
    }
}

/// `[A | B]`, or `[A]` where nothing is the other.
fn either(one: &str, other: &str) -> String {
    match (one.trim().is_empty(), other.trim().is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!("[{one}]"),
        (true, false) => format!("[{other}]"),
        (false, false) => format!("[{} | {}]", one.trim(), other.trim()),
    }
}

/// Whether a filter leaves what a value is about as it is.
fn is_form(name: &str) -> bool {
    const FORMS: [&str; 22] = [
        "unique",
        "sort",
        "list",
        "round",
        "int",
        "float",
        "string",
        "trim",
        "lower",
        "upper",
        "title",
        "capitalize",
        "default",
        "d",
        "first",
        "last",
        "select",
        "reject",
        "selectattr",
        "rejectattr",
        "reverse",
        "tojson",
    ];
    FORMS.contains(&name)
}

/// The path of what a chain of filters is about; `map` adds its attribute.
fn listed(expr: &Expr<'_>) -> Option<String> {
    let Expr::Filter(filter) = expr else { return path(expr) };
    let inner = listed(filter.expr.as_ref()?)?;
    let attribute = filter.args.iter().find_map(|arg| match arg {
        CallArg::Kwarg("attribute", value) => value.as_const(),
        _ => None,
    });
    match (filter.name, attribute) {
        ("map", Some(attribute)) => Some(format!("{inner}.{attribute}")),
        (name, _) if is_form(name) => Some(inner),
        _ => None,
    }
}

/// `steps.a.output.pods[0].name`, where an expression is just that.
fn path(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::Var(var) => Some(var.id.to_owned()),
        Expr::GetAttr(get) => Some(format!("{}.{}", path(&get.expr)?, get.name)),
        Expr::GetItem(get) => {
            let key = get.subscript_expr.as_const()?;
            let inner = path(&get.expr)?;
            Some(
                key.as_str()
                    .map_or_else(|| format!("{inner}[{key}]"), |key| format!("{inner}.{key}")),
            )
        }
        _ => None,
    }
}

/// Whether a condition is about the place in a loop.
fn of_loop(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::UnaryOp(not) => of_loop(&not.expr),
        other => path(other).is_some_and(|path| path.starts_with("loop.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_read_as_its_texts_and_the_names_of_what_fills_them() {
        let table = [
            ("pod {{ params.pod }}", "pod <params.pod>"),
            ("{{ pods | map(attribute='name') | unique | join(', ') }}", "<pods.name>, …"),
            ("{{ bad | length }} pods", "<number of bad> pods"),
            ("no pod{{ ': ' ~ why if why }}", "no pod[: <why>]"),
            ("{{ 'not ready' if item.there else 'missing' }}", "[not ready | missing]"),
            ("{% if a %}one{% else %}two{% endif %} left", "[one | two] left"),
            (
                "{% for one in list if one.bad %}{{ one.name }}{% if not loop.last %}, {% endif %}{% endfor %}.",
                "<one.name>, ….",
            ),
            ("{{ (free / 1073741824) | round(1) }} GiB", "<free> GiB"),
            ("{{ a.b[0].c or a.d }}", "[<a.b[0].c> | <a.d>]"),
            ("{{ item | split('.') | first }}", ""),
            ("{{ open", ""),
        ];
        for (template, wanted) in table {
            let outlined = outline(template, &|path| format!("<{path}>")).unwrap_or_default();
            assert_eq!(outlined, wanted, "{template}");
        }
    }
}
