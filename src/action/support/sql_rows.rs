//! The rows that the client of a database server prints.

use super::sql_script::NULL;
use super::stream;
use crate::action::sql::SqlClient;
use serde_json::{Map, Value};

/// The rows, each as an object by column: texts, and null.
///
/// # Errors
/// What is not as the client prints it.
pub(in crate::action) fn rows(client: SqlClient, text: &str) -> Result<Vec<Value>, String> {
    // also a result without rows has a first line: of column names, or of XML
    if text.trim().is_empty() {
        return Err("the client printed no result".to_owned());
    }
    match client {
        SqlClient::Mysql => xml(text),
        SqlClient::Psql => csv(text),
    }
}

fn csv(text: &str) -> Result<Vec<Value>, String> {
    let Value::Array(mut rows) = stream::csv(text)? else { return Ok(Vec::new()) };
    for row in &mut rows {
        for value in row.as_object_mut().into_iter().flat_map(|row| row.values_mut()) {
            if value == NULL {
                *value = Value::Null;
            }
        }
    }
    Ok(rows)
}

/// The rows of the last result set in what `mysql --xml` prints: `<row>`, in it `<field
/// name="a">text</field>` or `<field name="a" xsi:nil="true" />`.
fn xml(text: &str) -> Result<Vec<Value>, String> {
    let Some(at) = text.rfind("<resultset ") else {
        return Err(not_xml(text));
    };
    let mut rows = Vec::new();
    let mut rest = &text[at..];
    while let Some((_, after)) = rest.split_once("<row>") {
        let (row, after) =
            after.split_once("</row>").ok_or_else(|| "a row has no end".to_owned())?;
        rows.push(Value::Object(fields(row)?));
        rest = after;
    }
    match rest.contains("</resultset>") {
        true => Ok(rows),
        false => Err("the result has no end".to_owned()),
    }
}

fn fields(mut row: &str) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    while let Some((_, after)) = row.split_once("<field name=\"") {
        let (name, after) = after.split_once('"').ok_or_else(|| not_xml(row))?;
        let (value, after) = if let Some(after) = after.strip_prefix(" xsi:nil=\"true\" />") {
            (Value::Null, after)
        } else {
            let after = after.strip_prefix('>').ok_or_else(|| not_xml(row))?;
            let (text, after) = after.split_once("</field>").ok_or_else(|| not_xml(row))?;
            (Value::String(plain(text)), after)
        };
        let name = plain(name);
        if fields.contains_key(&name) {
            return Err(format!("two columns are named {name}: use AS"));
        }
        fields.insert(name, value);
        row = after;
    }
    Ok(fields)
}

/// A text without its entities.
fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

fn not_xml(text: &str) -> String {
    let start: String = text.trim().chars().take(60).collect();
    format!("the client printed no rows: {start}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_mysql_prints() {
        let text = "<?xml version=\"1.0\"?>\n\n<resultset statement=\"EXECUTE runbook\" \
            xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n  <row>\n\t<field \
            name=\"a\">1</field>\n\t<field name=\"b\" xsi:nil=\"true\" />\n\t<field \
            name=\"c &lt; d\">x\ty\nz &amp;lt; &lt;row&gt;</field>\n\t<field name=\"e\"></field>\n  \
            </row>\n\n  <row>\n\t<field name=\"a\">NULL</field>\n  </row>\n</resultset>\n";
        let wanted = json!([
            {"a": "1", "b": null, "c < d": "x\ty\nz &lt; <row>", "e": ""}, {"a": "NULL"}
        ]);
        assert_eq!(rows(SqlClient::Mysql, text), Ok(wanted.as_array().unwrap().clone()));
        assert!(rows(SqlClient::Mysql, "\n").is_err());
        let empty = "<?xml version=\"1.0\"?>\n\n<resultset statement=\"\"></resultset>\n";
        assert_eq!(rows(SqlClient::Mysql, empty), Ok(vec![]));
        for broken in ["welcome", &text[..text.len() - 14], &text[..300]] {
            assert!(rows(SqlClient::Mysql, broken).is_err(), "{broken}");
        }
        let twice = text.replace("name=\"b\"", "name=\"a\"");
        assert!(rows(SqlClient::Mysql, &twice).is_err_and(|why| why.contains("AS")));
    }

    #[test]
    fn what_psql_prints() {
        let text = format!("a,b,c\n1,{NULL},\"x,\n\"\"y\"\"\"\n,\"\",z\n");
        let wanted = json!([{"a": "1", "b": null, "c": "x,\n\"y\""}, {"a": "", "b": "", "c": "z"}]);
        assert_eq!(rows(SqlClient::Psql, &text), Ok(wanted.as_array().unwrap().clone()));
        assert_eq!(rows(SqlClient::Psql, "a,b\n"), Ok(vec![]));
        assert!(rows(SqlClient::Psql, "a,a\n1,2\n").is_err());
        assert!(rows(SqlClient::Psql, "").is_err());
    }
}
