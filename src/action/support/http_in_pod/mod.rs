//! HTTP requests from inside a pod, with a program of the container's image: curl, wget or python3.

mod curl;
mod python;
mod response;
mod wget;

use super::http_answer::{Answer, Patience, in_doubt};
use super::tool::is_absent;
use crate::action::http::{Http, HttpMethod};
use crate::action::{Context, Failure, FailureKind};
use crate::cluster::{CommandExit, Executed};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How much longer than the request its command may take: the program has to start.
const START: Duration = Duration::from_secs(5);
/// Room for headers beside the body.
const HEAD: usize = 64 * 1024;

/// The programs, the most exact one first. curl tells every failure by its exit code; wget hides
/// the body of an error.
const CLIENTS: [Client; 3] = [Client::Curl, Client::Wget, Client::Python];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Curl,
    Wget,
    Python,
}

/// What the end of one program means.
#[derive(Debug, PartialEq, Eq)]
enum Tried {
    /// The target answered, or did not.
    Answer(Answer),
    /// The program cannot do this, and has not sent anything; what it said.
    Unfit(String),
    /// The request was not made.
    Failed(String),
    /// It ended in a way that says nothing of the target: the request may have been sent.
    Unclear(String),
}

/// The pod that sends a request.
#[derive(Clone, Copy, Debug)]
pub(in crate::action) struct SendingPod<'a> {
    /// The namespace of the pod.
    pub(in crate::action) namespace: &'a str,
    /// The name of the pod.
    pub(in crate::action) pod: &'a str,
    /// The containers that may have a program for it, in the order in which they are tried.
    pub(in crate::action) containers: &'a [String],
}

/// Sends the request from a pod, from the first of its containers that has a program for it: they
/// share its network. `first` remembers, for the other pods of the same call, which program did it.
///
/// # Errors
/// When no program of the image can do it, or the command could not be run.
pub(in crate::action) async fn ask(
    context: &Context,
    http: &Http,
    url: &str,
    SendingPod { namespace, pod, containers }: SendingPod<'_>,
    first: &AtomicUsize,
    limit: usize,
) -> Result<Answer, Failure> {
    let cluster = context.cluster()?;
    let start = first.load(Ordering::Relaxed);
    let mut said: Vec<String> = Vec::new();
    let places = containers.iter().flat_map(|container| {
        (start..CLIENTS.len()).chain(0..start).map(move |index| (container, index))
    });
    for (container, index) in places {
        let client = CLIENTS[index];
        let patience = Patience::new(context, http.timeout.0);
        let command = client.command(http, url, patience.time, limit);
        let stdin = http.body_text().filter(|_| client != Client::Wget).map(String::into_bytes);
        let started = Instant::now();
        let allowed = (patience.time + START).min(context.remaining());
        let done = cluster
            .exec(namespace, pod, Some(container), &command, stdin, allowed, limit + HEAD)
            .await?;
        let attempt = Attempt { client, method: http.method, url, pod, patience };
        match attempt.end(&done, started.elapsed(), limit)? {
            NextStep::Answer(answer) => {
                first.store(index, Ordering::Relaxed);
                return Ok(answer);
            }
            NextStep::Program(why) => said.push(why),
        }
    }
    Err(Failure::error(format!(
        "the image of pod {pod} has no suitable HTTP client: {}",
        said.join("; ")
    )))
}

/// A request that one program was to send.
struct Attempt<'a> {
    client: Client,
    method: HttpMethod,
    url: &'a str,
    pod: &'a str,
    patience: Patience,
}

/// What follows when a program has ended.
#[derive(Debug, PartialEq, Eq)]
enum NextStep {
    /// The target answered, or did not.
    Answer(Answer),
    /// Another program may be tried; why this one gave no answer.
    Program(String),
}

impl Attempt<'_> {
    /// What follows from how the program ended: the answer, the next program, or a failure where
    /// the request may have been sent already.
    fn end(&self, done: &Executed, elapsed: Duration, limit: usize) -> Result<NextStep, Failure> {
        let (program, pod) = (self.client.program(), self.pod);
        match &done.exit {
            CommandExit::Code(126 | 127) => {
                Ok(NextStep::Program(format!("{program} is not in the image")))
            }
            CommandExit::Code(code) => {
                self.decide(self.client.read(self.method, *code, done, elapsed, limit), elapsed)
            }
            CommandExit::NotStarted(text) if is_absent(text) => {
                Ok(NextStep::Program(format!("{program} is not in the image")))
            }
            CommandExit::NotStarted(text) => {
                Err(Failure::error(format!("{program} did not start in pod {pod}: {text}")))
            }
            CommandExit::Unknown(text) => {
                let message = format!("the result of {program} in pod {pod} is unknown: {text}");
                Err(if self.method.only_reads() {
                    Failure::new(FailureKind::Transient, message)
                } else {
                    in_doubt(self.method, &message)
                })
            }
            CommandExit::TimedOut => Err(Failure::error(format!(
                "{program} in pod {pod} timed out and may still be running"
            ))),
        }
    }

    /// What follows from what the program printed.
    fn decide(&self, tried: Tried, elapsed: Duration) -> Result<NextStep, Failure> {
        let (program, pod, url) = (self.client.program(), self.pod, self.url);
        match tried {
            Tried::Answer(Answer::Missing { refused: false, .. })
                if self.patience.of_step && elapsed >= self.patience.time =>
            {
                Err(Failure::error(format!("the request to {url} from pod {pod} timed out")))
            }
            Tried::Answer(answer) => Ok(NextStep::Answer(answer)),
            Tried::Unfit(why) => Ok(NextStep::Program(format!("{program}: {why}"))),
            Tried::Unclear(why) if self.method.only_reads() => {
                Ok(NextStep::Program(format!("{program}: {why}")))
            }
            Tried::Unclear(why) => {
                Err(in_doubt(self.method, &format!("{program} in pod {pod}: {why}")))
            }
            Tried::Failed(why) => Err(Failure::error(format!(
                "{program} in pod {pod} could not request {url}: {why}"
            ))),
        }
    }
}

impl Client {
    fn program(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Wget => "wget",
            Self::Python => "python3",
        }
    }

    fn command(self, http: &Http, url: &str, timeout: Duration, limit: usize) -> Vec<String> {
        match self {
            Self::Curl => curl::command(http, url, timeout),
            Self::Wget => wget::command(http, url, timeout),
            Self::Python => python::command(http, url, timeout, limit),
        }
    }

    fn read(
        self,
        method: HttpMethod,
        code: i32,
        done: &Executed,
        elapsed: Duration,
        limit: usize,
    ) -> Tried {
        match self {
            Self::Curl => curl::read(code, done, elapsed, limit),
            Self::Wget => wget::read(method, code, done, elapsed, limit),
            Self::Python => python::read(code, done, limit),
        }
    }
}

/// The first line that says anything; what `curl -v` and wget tell of their progress does not.
fn first_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = lines.clone().find(|line| !line.starts_with(['*', '<', '>', '{', '}']));
    said.or_else(|| lines.next()).unwrap_or("it printed nothing").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn done(stdout: &str, stderr: &str) -> Executed {
        Executed {
            stdout: stdout.into(),
            stderr: stderr.into(),
            truncated: false,
            exit: CommandExit::Code(0),
        }
    }

    /// Status and body, or refused and reason; None when the program cannot be used or failed.
    pub(super) fn short(tried: Tried) -> Option<(Option<u16>, bool, String)> {
        match tried {
            Tried::Answer(Answer::Given { status, body, .. }) => {
                Some((Some(status), false, String::from_utf8_lossy(&body).into_owned()))
            }
            Tried::Answer(Answer::Missing { refused, reason, .. }) => Some((None, refused, reason)),
            Tried::Unfit(_) | Tried::Failed(_) | Tried::Unclear(_) => None,
        }
    }

    /// Which of the three a program's end is, where there is no answer.
    #[test]
    fn what_may_have_been_sent_is_not_tried_again_with_another_program() {
        let kind = |tried| match tried {
            Tried::Unfit(_) => "unfit",
            Tried::Failed(_) => "failed",
            Tried::Unclear(_) => "unclear",
            Tried::Answer(_) => "answer",
        };
        for (code, wanted) in [
            (2, "unfit"),
            (4, "unfit"),
            (77, "unfit"),
            (3, "failed"),
            (26, "failed"),
            (99, "unclear"),
            (137, "unclear"),
            (7, "answer"),
            (52, "answer"),
        ] {
            assert_eq!(
                kind(curl::read(code, &done("\n0", "curl: (x) y"), Duration::ZERO, 10)),
                wanted,
                "{code}"
            );
        }
        assert_eq!(
            kind(wget::read(HttpMethod::Get, 1, &done("", "Killed"), Duration::ZERO, 10)),
            "unclear"
        );
        assert_eq!(
            curl::read(99, &done("", "* Trying\nsomething new\n"), Duration::ZERO, 10),
            Tried::Unclear("it ended with exit code 99: something new".to_owned())
        );
    }

    #[test]
    fn programs_that_are_not_there() {
        assert!(is_absent(r#"exec: "curl": executable file not found in $PATH: unknown"#));
        assert!(!is_absent("container not found"));
    }

    #[test]
    fn a_request_that_may_have_been_sent_is_repeated_only_if_it_reads() {
        let attempt = |method, seconds, of_step| Attempt {
            client: Client::Curl,
            method,
            url: "http://x/",
            pod: "p",
            patience: Patience { time: Duration::from_secs(seconds), of_step },
        };
        let ended = |exit| Executed { exit, ..done("\n0", "curl: (28) timed out") };
        let short = |attempt: &Attempt<'_>, exit| {
            let elapsed = Duration::from_secs(5);
            match attempt.end(&ended(exit), elapsed, 10) {
                Ok(NextStep::Answer(_)) => "answer".to_owned(),
                Ok(NextStep::Program(why)) => format!("next: {why}"),
                Err(failure) => failure.message,
            }
        };
        let (get, post) = (attempt(HttpMethod::Get, 9, false), attempt(HttpMethod::Post, 9, false));
        let lost = || CommandExit::Unknown("cut".to_owned());
        for (attempt, exit, wanted) in [
            (&get, CommandExit::Code(127), "next: curl is not in the image"),
            (&get, CommandExit::Code(28), "answer"),
            // the step ran out of time, and not the target
            (
                &attempt(HttpMethod::Get, 5, true),
                CommandExit::Code(28),
                "the request to http://x/ from pod p timed out",
            ),
            (
                &get,
                CommandExit::Code(99),
                "next: curl: it ended with exit code 99: curl: (28) timed out",
            ),
            (
                &post,
                CommandExit::Code(99),
                "it is unknown whether the POST took effect: curl in pod p: it ended with exit code \
                    99: curl: (28) timed out",
            ),
            (&get, lost(), "the result of curl in pod p is unknown: cut"),
            (
                &post,
                lost(),
                "it is unknown whether the POST took effect: the result of curl in pod p is \
                    unknown: cut",
            ),
            (&get, CommandExit::TimedOut, "curl in pod p timed out and may still be running"),
        ] {
            assert_eq!(short(attempt, exit), wanted);
        }
    }
}
