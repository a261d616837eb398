//! `sql`: queries a database server with the client in its own container.

use super::support::database_client::{
    Password, SecretKey, ask, password_fault, secret_permission, typed,
};
use super::support::fan_out::{each_pod, item, pods_of};
use super::support::settled::Question;
use super::support::tool::exec_permissions;
use super::support::{kubectl_line, sql_rows, sql_script};
use super::{Access, Context, Failure, Literal, Output, Pods, Reach, Scalar, Target, Verb, Wrong};
use crate::diagnosis::pod;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Queries a database server with its own client, in the container of the server: nothing else is
/// installed or connected. The output is a list with one item per pod: `{pod, container, rows,
/// count}`; with `pods: one`, it is that item. `rows` are objects by column; every value is a string
/// as the client prints it, or null: `(.rows[0].n | tonumber) > 3`. The statement is one statement
/// that reads (`SELECT`, `WITH`, `SHOW`, `DESCRIBE`, `EXPLAIN`, `VALUES`, `TABLE`), and runs in a
/// read-only transaction, which is rolled back; a function that it calls may still do something
/// else, so that a dry run treats it as `exec` with `effect: read`. It is written out, without
/// templates. Values are in `params`, and written as `:name` in the statement: the server or the
/// client gets them as variables, so that no value is ever a part of the statement. The result is
/// limited to 1 MiB; a larger one, and an error of the server, is an error. Example: `sql: {target:
/// deployment/mysql, client: mysql, database: shop, statement: "SELECT count(*) AS n FROM orders
/// WHERE state = :state", params: {state: open}}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sql {
    /// Pods of the server.
    pub target: Target,
    /// Client: `mysql` (of MySQL and MariaDB) or `psql` (of PostgreSQL).
    pub client: SqlClient,
    /// The statement.
    pub statement: Literal,
    /// Values of the parameters: strings, numbers or booleans.
    #[serde(default)]
    pub params: BTreeMap<String, Scalar>,
    /// Database; defaults to that of the client.
    pub database: Option<String>,
    /// User of the server; defaults to that of the client.
    pub user: Option<String>,
    /// Host, as the container sees it; defaults to the local socket.
    pub host: Option<String>,
    /// Name of the environment variable of the container that has the password, such as
    /// `MARIADB_ROOT_PASSWORD`. The value does not leave the container.
    pub password_env: Option<String>,
    /// Key of a Secret in the namespace of the pods that has the password, instead of
    /// `password_env`: whether the server accepts what clients are given. The client gets the value
    /// on its standard input.
    pub password_secret: Option<SecretKey>,
    /// Whether an error of the server is an answer: the item then has `says`, and no result.
    #[serde(default)]
    pub errors: bool,
    /// Container; defaults to the default container of the pod.
    pub container: Option<String>,
    /// Whether to query all pods or one.
    #[serde(default)]
    pub pods: Pods,
}

/// The client of a database server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SqlClient {
    /// `mariadb` or `mysql`.
    Mysql,
    /// `psql`.
    Psql,
}

impl Verb for Sql {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn is_promised(&self) -> bool {
        true
    }

    fn judges(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), String> {
        self.target.pods().map_err(|failure| failure.message)?;
        sql_script::fault(&self.statement.0, &self.params)
            .or_else(|| password_fault(self.password_env.as_deref(), self.password_secret.as_ref()))
            .map_or(Ok(()), Err)
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let place = self.target.namespace(namespace);
        let secret = secret_permission(self.password_secret.as_ref(), place);
        exec_permissions(&self.target, namespace).into_iter().chain(secret).collect()
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        let mut client = self.clients().swap_remove(0);
        client.retain(|word| !matches!(word.as_str(), "--xml" | "--batch" | "-f" | "-"));
        if self.params.is_empty() {
            let flag = if self.client == SqlClient::Mysql { "-e" } else { "-c" };
            client.extend([flag.to_owned(), self.statement.0.trim().to_owned()]);
        }
        let typed = typed(self.password(), &client);
        let reads = !self.params.is_empty() || self.password_secret.is_some();
        let stdin = if reads { " -i" } else { "" };
        let at = (&self.target, self.pods);
        let container = self.container.as_deref();
        let mut lines = kubectl_line::exec(at, namespace, container, stdin, &typed);
        // a value may be a secret, in another form than what is masked
        if !self.params.is_empty() {
            let sign = if self.client == SqlClient::Mysql { "SET @" } else { "\\set " };
            lines.extend(self.params.keys().map(|name| format!("#   {sign}{name} …")));
            let statement = sql_script::bound(self.client, &self.statement.0, &self.params);
            lines.extend(statement.lines().map(|line| format!("#   {line}")));
        }
        lines
    }

    fn wrong(&self, _output: &Value) -> Option<Wrong> {
        None
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        // what is computed was not known when the runbook was checked
        self.check().map_err(Failure::error)?;
        let pods = pods_of(context, &self.target, self.pods).await?;
        let namespace = self.target.namespace(&context.namespace);
        let asked = format!("a query in {} of {}", kubectl_line::counted(pods.len()), self.target);
        (context.progress)(&asked);
        let script = sql_script::script(self.client, &self.statement.0, &self.params);
        let clients = self.clients();
        let (script, clients) = (&script, &clients);
        let question = Question::read(context, &self.target, self.pods);
        let output = each_pod(question, &pods, |name, pod| async move {
            let container = self.container.clone().or_else(|| pod::default_container(&pod));
            let place = (namespace, name.as_str(), container.as_deref());
            let said = ask(context, place, self.password(), clients, script).await?;
            let mut fields = vec![("container", json!(container))];
            match said.printed(self.errors)? {
                Ok(text) => {
                    let rows = sql_rows::rows(self.client, &text).map_err(Failure::error)?;
                    fields.extend([("count", json!(rows.len())), ("rows", Value::Array(rows))]);
                    fields.extend(self.errors.then_some(("says", Value::Null)));
                }
                Err(says) => {
                    let nothing = [("count", json!(0)), ("rows", json!([]))];
                    fields.extend(nothing.into_iter().chain([("says", json!(says))]));
                }
            }
            Ok(item(fields))
        })
        .await?;
        let summary = summary(&output.value);
        Ok(Output::new(output.value, summary))
    }
}

impl Sql {
    fn password(&self) -> Option<Password<'_>> {
        let to = match self.client {
            SqlClient::Mysql => "MYSQL_PWD",
            SqlClient::Psql => "PGPASSWORD",
        };
        Password::of(self.password_env.as_deref(), self.password_secret.as_ref(), to)
    }

    /// The clients that the container may have.
    fn clients(&self) -> Vec<Vec<String>> {
        let (programs, fixed): (&[&str], &[&str]) = match self.client {
            SqlClient::Mysql => (
                &["mariadb", "mysql"],
                &["--xml", "--batch", "--default-character-set=utf8mb4", "--connect-timeout=5"],
            ),
            SqlClient::Psql => {
                (&["psql"], &["-X", "-q", "-w", "--csv", "-v", "ON_ERROR_STOP=1", "-f", "-"])
            }
        };
        let mut words: Vec<String> = fixed.iter().map(|word| (*word).to_owned()).collect();
        let named = [("user", &self.user), ("host", &self.host)];
        words.extend(
            named.iter().filter_map(|(flag, value)| Some(format!("--{flag}={}", value.as_ref()?))),
        );
        let database = self.database.as_ref().map(|name| match self.client {
            SqlClient::Mysql => format!("--database={name}"),
            SqlClient::Psql => format!("--dbname={name}"),
        });
        words.extend(database);
        if self.client == SqlClient::Psql {
            words.push(format!("--pset=null={}", sql_script::NULL));
        }
        let all = |program: &&str| [vec![(*program).to_owned()], words.clone()].concat();
        programs.iter().map(all).collect()
    }
}

fn summary(output: &Value) -> String {
    let counted = |item: &Value| match item["count"].as_u64() {
        Some(1) => "1 row".to_owned(),
        Some(count) => format!("{count} rows"),
        None => "unread".to_owned(),
    };
    match output.as_array() {
        None => counted(output),
        Some(items) if items.len() == 1 => counted(&items[0]),
        Some(items) => {
            let each: Vec<_> = items.iter().map(counted).collect();
            format!("{} in {} pods", each.join(", "), items.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(value: Value) -> Sql {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn lines_by_hand() {
        let plain = sql(json!({"target": "pod/db-0", "client": "psql", "database": "shop",
            "statement": "SELECT 1", "user": "shop"}));
        assert!(plain.check().is_ok());
        let line = &plain.manual_commands("n")[0];
        assert!(line.starts_with("kubectl exec -n n pod/db-0 -- psql -X -q -w --csv"), "{line}");
        assert!(line.ends_with("-c 'SELECT 1'"), "{line}");
        let bound = sql(json!({"target": "deployment/mysql", "client": "mysql", "pods": "one",
            "statement": "SELECT :a AS a", "params": {"a": "b"}, "password_env": "ROOT"}));
        let lines = bound.manual_commands("n");
        assert!(
            lines[0].starts_with("kubectl exec -i -n n deployment/mysql -- sh -c"),
            "{lines:?}"
        );
        assert!(lines[0].contains("MYSQL_PWD=\"$ROOT\" exec mariadb"), "{lines:?}");
        assert_eq!(lines[1..], ["#   SET @a …", "#   SELECT @a AS a"]);
    }

    #[test]
    fn summaries() {
        assert_eq!(summary(&json!({"count": 1})), "1 row");
        assert_eq!(summary(&json!([{"count": 2}])), "2 rows");
        assert_eq!(summary(&json!([{"count": 2}, {"error": "x"}])), "2 rows, unread in 2 pods");
    }
}
