//! The few files that a simulated container has.

use std::collections::BTreeMap;

use super::{Outcome, Session};

fn files(session: &Session) -> BTreeMap<String, String> {
    let pod = &session.pod().network;
    let ip = pod.ip.map(|ip| ip.to_string()).unwrap_or_default();
    let mut files: BTreeMap<String, String> = [
        (
            "/etc/resolv.conf".to_owned(),
            format!(
                "search {}.svc.cluster.local svc.cluster.local cluster.local\nnameserver \
                10.96.0.10\noptions ndots:5\n",
                pod.namespace
            ),
        ),
        (
            "/etc/hosts".to_owned(),
            format!(
                "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost \
                ip6-localhost ip6-loopback\n{ip}\t{}\n",
                pod.name
            ),
        ),
        ("/etc/hostname".to_owned(), format!("{}\n", pod.name)),
        (
            "/var/run/secrets/kubernetes.io/serviceaccount/namespace".to_owned(),
            pod.namespace.clone(),
        ),
    ]
    .into();
    // mounted ConfigMaps are all under one directory in this world
    for mount in &session.pod().mounts {
        for (key, text) in session
            .snapshot
            .config
            .get(&(pod.namespace.clone(), mount.clone()))
            .into_iter()
            .flatten()
        {
            let directory = if mount == "coredns" { "/etc/coredns" } else { "/etc/config" };
            files.insert(format!("{directory}/{key}"), text.clone());
        }
    }
    files
}

pub(crate) fn cat(session: &Session, words: &[&str]) -> Outcome {
    let files = files(session);
    let mut outcome = Outcome::default();
    for path in words {
        if let Some(text) = files.get(*path) {
            outcome.stdout.extend_from_slice(text.as_bytes());
        } else if path.starts_with('-') {
            return super::not_simulated("cat", words);
        } else {
            outcome
                .stderr
                .extend_from_slice(format!("cat: {path}: No such file or directory\n").as_bytes());
            outcome.code = 1;
        }
    }
    outcome
}

/// Whether a file exists.
pub(crate) fn test(session: &Session, words: &[&str]) -> Outcome {
    match words {
        ["-e" | "-f" | "-r", path] => {
            Outcome { code: u8::from(!files(session).contains_key(*path)), ..Outcome::default() }
        }
        _ => super::not_simulated("test", words),
    }
}

pub(crate) fn ls(session: &Session, words: &[&str]) -> Outcome {
    let files = files(session);
    let [path] = words else {
        return super::not_simulated("ls", words);
    };
    if files.contains_key(*path) {
        return Outcome::printed(format!("{path}\n"));
    }
    let prefix = format!("{}/", path.trim_end_matches('/'));
    let mut names: Vec<&str> = files
        .keys()
        .filter_map(|file| file.strip_prefix(&prefix))
        .filter_map(|rest| rest.split('/').next())
        .collect();
    names.dedup();
    match (names.is_empty(), path.starts_with('/')) {
        // what else a directory of the image holds is not known
        (false, _) if prefix.starts_with("/etc/config") || prefix.starts_with("/etc/coredns") => {
            Outcome::printed(names.iter().map(|name| format!("{name}\n")).collect::<String>())
        }
        _ => super::not_simulated("ls", words),
    }
}
