//! What the client of a database server reads from its standard input: one statement, in a
//! transaction that cannot write. Values are variables of the server or the client; they are never
//! part of the text of the statement.

use crate::action::Scalar;
use crate::action::sql::SqlClient;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// First words of statements that read.
const READS: &[&str] =
    &["select", "with", "show", "describe", "desc", "explain", "values", "table"];
/// Parts of statements that read from the server and write to its disk, or hide a statement.
const WRITES: &[&str] = &["outfile", "dumpfile", "/*!", "/*m!"];
/// What psql prints for null: a text that no column contains.
pub(in crate::action) const NULL: &str = "runbook:null:5e0b1c9f";

/// A fault in a statement with these parameters.
pub(in crate::action) fn fault(
    statement: &str,
    params: &BTreeMap<String, Scalar>,
) -> Option<String> {
    let lower = statement.to_lowercase();
    let first = lower.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| !word.is_empty());
    let begins = lower.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    if !first.is_some_and(|word| READS.contains(&word) && begins.starts_with(word)) {
        return Some(format!(
            "the statement must begin with one of {}: the verb only reads",
            READS.join(", ").to_uppercase()
        ));
    }
    if let Some(word) = WRITES.iter().find(|word| lower.contains(**word)) {
        return Some(format!("`{word}` is not allowed in the statement: the verb only reads"));
    }
    if lower.contains("{{") {
        return Some(
            "a template is not allowed in the statement: pass the value in `params`, and write \
            `:NAME` in its place"
                .to_owned(),
        );
    }
    let text = body(statement);
    if let Some(sign) = [';', '\\', '\0'].into_iter().find(|sign| text.contains(*sign)) {
        return Some(format!(
            "`{}` is not allowed in the statement: it is one statement; pass a text that contains \
            this in `params`",
            sign.escape_default()
        ));
    }
    let used = used(statement);
    params.keys().find_map(|name| match well_formed(name) {
        false => Some(format!("`{name}` is not a name: use letters, digits and `_`")),
        true if used.contains(name) => None,
        true => Some(format!("the statement does not use the parameter `{name}`: write `:{name}`")),
    })
}

/// What the client reads: the parameters, and the statement in a transaction that cannot write.
pub(in crate::action) fn script(
    client: SqlClient,
    statement: &str,
    params: &BTreeMap<String, Scalar>,
) -> String {
    let mut text = String::new();
    for (name, value) in params {
        let _ = match client {
            SqlClient::Mysql => writeln!(text, "SET @{name} = {};", mysql(value)),
            SqlClient::Psql => writeln!(text, "\\set {name} '{}'", psql(&value.to_string())),
        };
    }
    let statement = bound(client, statement, params);
    let _ = match client {
        // a prepared statement is one statement, and the client looks for no commands in it
        SqlClient::Mysql => writeln!(
            text,
            "SET SESSION TRANSACTION READ ONLY;\nSET @runbook = {};\nPREPARE runbook FROM \
            @runbook;\nSTART TRANSACTION READ ONLY;\nEXECUTE runbook;\nROLLBACK;",
            hex(&statement)
        ),
        SqlClient::Psql => writeln!(
            text,
            "SET default_transaction_read_only = on;\nBEGIN TRANSACTION READ ONLY;\n{statement}\n\
            ;\nROLLBACK;"
        ),
    };
    text
}

/// The statement without the semicolon at its end.
fn body(statement: &str) -> &str {
    statement.trim().trim_end_matches(';').trim_end()
}

fn well_formed(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name != "runbook"
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The statement with a variable in the place of each parameter.
pub(in crate::action) fn bound(
    client: SqlClient,
    statement: &str,
    params: &BTreeMap<String, Scalar>,
) -> String {
    let mut text = String::new();
    for (part, is_name) in parts(body(statement)) {
        match client {
            _ if !is_name => text.push_str(part),
            _ if !params.contains_key(&part[1..]) => text.push_str(part),
            SqlClient::Mysql => text.extend(["@", &part[1..]]),
            SqlClient::Psql => text.extend([":'", &part[1..], "'"]),
        }
    }
    text
}

/// The names that the statement uses.
fn used(statement: &str) -> Vec<String> {
    let names = parts(body(statement)).into_iter().filter(|(_, is_name)| *is_name);
    names.map(|(part, _)| part[1..].to_owned()).collect()
}

/// The parts of a statement: `:name` outside of quotes, and what is between.
fn parts(statement: &str) -> Vec<(&str, bool)> {
    let mut parts = Vec::new();
    let (mut from, mut quote, mut before) = (0, None, ' ');
    let mut at = statement.char_indices().peekable();
    while let Some((start, char)) = at.next() {
        match quote {
            Some(open) if char == open => quote = None,
            Some(_) => {}
            None if matches!(char, '\'' | '"' | '`') => quote = Some(char),
            None if char == ':' && before != ':' && !before.is_alphanumeric() => {
                let rest = &statement[start + 1..];
                let length = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                if length > 0 && well_formed(&rest[..length]) {
                    parts.push((&statement[from..start], false));
                    parts.push((&statement[start..=start + length], true));
                    from = start + 1 + length;
                    while at.next_if(|(next, _)| *next < from).is_some() {}
                }
            }
            None => {}
        }
        before = char;
    }
    parts.push((&statement[from..], false));
    parts
}

/// A value as a literal of MySQL: a text in hexadecimal digits, which need no quotes.
fn mysql(value: &Scalar) -> String {
    match value {
        Scalar::Text(text) => hex(text),
        Scalar::Boolean(_) | Scalar::Number(_) => value.to_string(),
    }
}

fn hex(text: &str) -> String {
    format!("CONVERT(X'{}' USING utf8mb4)", crate::encoding::hex(text.as_bytes()))
}

/// A text between the quotes of `\set`.
fn psql(text: &str) -> String {
    let mut quoted = String::new();
    for char in text.chars() {
        match char {
            '\\' => quoted.push_str("\\\\"),
            '\'' => quoted.push_str("''"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn params(value: serde_json::Value) -> BTreeMap<String, Scalar> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn only_one_statement_that_reads() {
        let none = BTreeMap::new();
        for good in [
            "SELECT 1",
            " select 1 ; ",
            "(SELECT 1) UNION (SELECT 2)",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "SHOW TABLES",
            "SELECT a::int FROM t WHERE b = '{1}'",
        ] {
            assert_eq!(fault(good, &none), None, "{good}");
        }
        for (bad, says) in [
            ("", "must begin"),
            ("DELETE FROM t", "must begin"),
            ("-- x\nDELETE FROM t", "must begin"),
            ("selectx", "must begin"),
            ("SELECT 1; DROP TABLE t", "one statement"),
            ("SELECT 1 \\! sh", "one statement"),
            ("SELECT * FROM t INTO OUTFILE '/tmp/x'", "`outfile`"),
            ("SELECT 1 /*!99999 INTO DUMPFILE 'x' */", "`dumpfile`"),
            ("SELECT /*! 1 */", "`/*!`"),
            ("SELECT '{{ params.x }}'", "`params`"),
        ] {
            assert!(fault(bad, &none).is_some_and(|fault| fault.contains(says)), "{bad}");
        }
        let given = params(json!({"a": 1}));
        assert_eq!(fault("SELECT :a", &given), None);
        assert!(fault("SELECT ':a', a::text", &given).is_some_and(|fault| fault.contains(":a")));
        assert!(fault("SELECT :a", &params(json!({"a-b": 1}))).is_some());
    }

    #[test]
    fn values_are_no_part_of_the_statement() {
        let given = params(json!({"name": "o'b\\;\n--", "count": 3, "on": true}));
        let text = "SELECT ':name', b::text FROM t WHERE a = :name AND n < :count AND x = :on;";
        let mysql = script(SqlClient::Mysql, text, &given);
        assert!(mysql.contains("SET @name = CONVERT(X'6f27625c3b0a2d2d' USING utf8mb4);\n"));
        assert!(mysql.contains("SET @count = 3;\nSET @name"), "{mysql}");
        assert!(mysql.contains("SET @on = true;\n"));
        let sent = "SELECT ':name', b::text FROM t WHERE a = @name AND n < @count AND x = @on";
        assert!(mysql.contains(&hex(sent)), "{mysql}");
        assert!(!mysql.contains("SELECT"));
        let psql = script(SqlClient::Psql, text, &given);
        assert!(
            psql.starts_with("\\set count '3'\n\\set name 'o''b\\\\;\\n--'\n\\set on 'true'\n")
        );
        assert!(psql.contains(
            "BEGIN TRANSACTION READ ONLY;\nSELECT ':name', b::text FROM t WHERE a = :'name' AND n \
            < :'count' AND x = :'on'\n;\nROLLBACK;\n"
        ));
    }
}
