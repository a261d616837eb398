//! Name lookups: getent, nslookup, dig.

use std::fmt::Write;

use super::{Outcome, Session};
use crate::snapshot::Resolution;

const SERVER: &str = "10.96.0.10";

pub(crate) fn getent(session: &Session, words: &[&str]) -> Outcome {
    let (database, name) = match words {
        [database @ ("hosts" | "ahosts" | "ahostsv4"), name] => (*database, *name),
        _ => return super::not_simulated("getent", words),
    };
    match session.snapshot.resolve(session.pod, name) {
        Resolution::Addresses(addresses) => {
            let mut text = String::new();
            for (index, address) in addresses.iter().enumerate() {
                if database == "hosts" {
                    let _ =
                        writeln!(text, "{:<15} {}", address.to_string(), full_name(session, name));
                } else {
                    let name = if index == 0 { name } else { "" };
                    for kind in ["STREAM", "DGRAM", "RAW"] {
                        let shown = if kind == "STREAM" { name } else { "" };
                        let _ = writeln!(text, "{:<15} {kind:<6} {shown}", address.to_string());
                    }
                }
            }
            Outcome::printed(text)
        }
        Resolution::NoSuchHost => Outcome { code: 2, ..Outcome::default() },
        Resolution::NoAnswer => Outcome { code: 2, ..Outcome::default() }.timed_out(None),
    }
}

/// The name under which an answer was found: with its search domain.
fn full_name(session: &Session, name: &str) -> String {
    let own = format!("{name}.{}.svc.cluster.local", session.pod().network.namespace);
    let candidates = [own, format!("{name}.svc.cluster.local"), format!("{name}.cluster.local")];
    candidates
        .into_iter()
        .find(|candidate| !session.snapshot.record(candidate).is_empty())
        .unwrap_or_else(|| name.to_owned())
}

pub(crate) fn nslookup(session: &Session, words: &[&str]) -> Outcome {
    let names: Vec<&&str> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let [name] = names.as_slice() else {
        return super::not_simulated("nslookup", words);
    };
    let head = format!("Server:\t\t{SERVER}\nAddress:\t{SERVER}#53\n\n");
    match session.snapshot.resolve(session.pod, name) {
        Resolution::Addresses(addresses) => {
            let full = full_name(session, name);
            let lines: String = addresses
                .iter()
                .map(|address| format!("Name:\t{full}\nAddress: {address}\n"))
                .collect();
            Outcome::printed(format!("{head}{lines}\n"))
        }
        Resolution::NoSuchHost => Outcome {
            code: 1,
            ..Outcome::printed(format!("{head}** server can't find {name}: NXDOMAIN\n\n"))
        },
        Resolution::NoAnswer => {
            let line = format!(";; communications error to {SERVER}#53: timed out\n");
            Outcome {
                code: 1,
                ..Outcome::printed(format!("{};; no servers could be reached\n\n", line.repeat(3)))
            }
            .timed_out(None)
        }
    }
}

pub(crate) fn dig(session: &Session, words: &[&str]) -> Outcome {
    let names: Vec<&&str> =
        words.iter().filter(|word| !word.starts_with(['+', '-', '@']) && **word != "A").collect();
    let short = words.contains(&"+short");
    let [name] = names.as_slice() else {
        return super::not_simulated("dig", words);
    };
    if !short {
        return super::not_simulated("dig", words);
    }
    // dig takes a name as it is, unless told to search
    let absolute = if words.contains(&"+search") {
        (**name).to_owned()
    } else {
        format!("{}.", name.trim_end_matches('.'))
    };
    match session.snapshot.resolve(session.pod, &absolute) {
        Resolution::Addresses(addresses) => Outcome::printed(
            addresses.iter().map(|address| format!("{address}\n")).collect::<String>(),
        ),
        Resolution::NoSuchHost => Outcome::default(),
        Resolution::NoAnswer => {
            let line = format!(";; communications error to {SERVER}#53: timed out\n");
            Outcome {
                code: 9,
                ..Outcome::printed(format!("{};; no servers could be reached\n", line.repeat(3)))
            }
            .timed_out(None)
        }
    }
}
