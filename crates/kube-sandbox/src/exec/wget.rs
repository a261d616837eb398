//! wget: the options that operators use.

use super::arguments::{Arguments, Specification};
use super::target::{Dialled, Url, dial};
use super::{Outcome, Session};
use crate::app::{Request, respond};
use netpol_evaluator::Protocol;

const OPTIONS: Specification = Specification {
    flags: &[('q', "quiet"), ('S', "server-response"), ('\0', "spider")],
    valued: &[('O', "output-document"), ('T', "timeout"), ('t', "tries"), ('\0', "header")],
};

pub(crate) fn run(session: &Session, words: &[&str]) -> Outcome {
    let arguments = match Arguments::parse(&OPTIONS, words) {
        Ok(arguments) => arguments,
        Err(_) => return super::not_simulated("wget", words),
    };
    let [text] = arguments.operands.as_slice() else {
        return Outcome::failed(1, "wget: missing URL\n");
    };
    let Some(url) = Url::parse(text).filter(|url| url.scheme == "http") else {
        return super::not_simulated("wget", words);
    };
    let message = |text: String| {
        if arguments.has("quiet") { String::new() } else { text }
    };
    let Url { host, port, .. } = &url;
    let waited = arguments.seconds("timeout");
    match dial(session, host, *port, Protocol::Tcp) {
        Dialled::Pod { pod, port, .. } => match respond(
            &session.snapshot,
            pod,
            port,
            &Request::get(url.target.clone()),
            &session.watch,
            0,
        ) {
            Some(response) if response.status >= 400 => {
                let reason = http::StatusCode::from_u16(response.status)
                    .ok()
                    .and_then(|status| status.canonical_reason())
                    .unwrap_or_default();
                Outcome::failed(8, message(format!("ERROR {}: {reason}.\n", response.status)))
            }
            Some(response)
                if arguments.value("output-document") == Some("-") && !arguments.has("spider") =>
            {
                Outcome::printed(response.body.clone())
            }
            Some(_) => Outcome::default(),
            None => Outcome::failed(4, message("No data received.\n".to_owned())),
        },
        Dialled::ApiServer { .. } => super::not_simulated("wget", words),
        Dialled::Refused { address } => Outcome::failed(
            4,
            message(format!(
                "Connecting to {host} ({host})|{address}|:{port}... failed: Connection refused.\n"
            )),
        ),
        Dialled::TimedOut { address } => Outcome::failed(
            4,
            message(format!(
                "Connecting to {host} ({host})|{address}|:{port}... failed: Connection timed out.\n"
            )),
        )
        .timed_out(waited),
        Dialled::NoSuchHost => {
            Outcome::failed(4, message(format!("wget: unable to resolve host address '{host}'\n")))
        }
        Dialled::NoAnswer => {
            Outcome::failed(4, message(format!("wget: unable to resolve host address '{host}'\n")))
                .timed_out(waited)
        }
    }
}
