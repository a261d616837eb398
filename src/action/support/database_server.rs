//! What a PostgreSQL server says became of a transaction.

use super::one_pod::{last_line, no_answer, one_pod};
use super::psql_transaction::{Fate, Transaction};
use crate::action::{Context, Target};
use crate::cluster::CommandExit;
use std::time::Duration;
use tokio::time::Instant;

/// The most bytes of an answer.
const ANSWER: usize = 64 * 1024;
/// How long one question may take.
const ASKING: Duration = Duration::from_secs(20);
/// How long is waited for the end of a transaction that is still in progress, and how often the
/// server is asked.
const ENDING: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(1);

/// The server, as the client of a restore reaches it.
pub(in crate::action) struct DatabaseServer<'a> {
    pub(in crate::action) context: &'a Context,
    /// Pod of the client.
    pub(in crate::action) target: &'a Target,
    pub(in crate::action) container: Option<&'a str>,
    /// The client, which reads statements from its standard input.
    pub(in crate::action) command: &'a [String],
}

impl DatabaseServer<'_> {
    /// What became of a transaction, when it has ended.
    pub(in crate::action) async fn fate(&self, transaction: Transaction) -> Fate {
        let until = Instant::now() + ENDING;
        loop {
            let fate = self.fate_now(transaction).await;
            let over = Instant::now() + PAUSE >= until || self.context.cancel.is_cancelled();
            if over || fate.is_end() {
                return fate;
            }
            let what = match &fate {
                Fate::Unknown(why) => why.as_str(),
                _ => "the transaction is still in progress",
            };
            (self.context.progress)(what);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What became of a transaction so far.
    pub(in crate::action) async fn fate_now(&self, transaction: Transaction) -> Fate {
        let cluster = match self.context.cluster() {
            Ok(cluster) => cluster,
            Err(failure) => return Fate::Unknown(failure.message),
        };
        // the server may have come back in another pod
        let place = match one_pod(self.context, self.target, self.container).await {
            Ok(place) => place,
            Err(failure) => return Fate::Unknown(failure.message),
        };
        let question = transaction.question().into_bytes();
        let (pod, container) = (place.pod.as_str(), place.container.as_deref());
        let (namespace, command) = (place.namespace.as_str(), self.command);
        let done =
            cluster.exec(namespace, pod, container, command, Some(question), ASKING, ANSWER).await;
        match done {
            Ok(done) if done.exit == CommandExit::Code(0) => {
                Fate::read(&String::from_utf8_lossy(&done.stdout))
            }
            Ok(done) => {
                let said = last_line(&done.stderr).map(|line| format!(": {line}"));
                let program = command.first().map(String::as_str).unwrap_or_default();
                let why = no_answer(program, &place, done.exit);
                Fate::Unknown(format!("{why}{}", said.unwrap_or_default()))
            }
            Err(error) => Fate::Unknown(error.to_string()),
        }
    }
}
