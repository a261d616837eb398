//! The programs in containers: by what the sandbox recognises them, and where they listen.

use super::{items, kind, text};
use serde_json::Value;

/// The commands that are looked for in images.
pub const TOOLS: [&str; 17] = [
    "sh", "bash", "curl", "wget", "nc", "python3", "getent", "nslookup", "dig", "printenv", "env",
    "cat", "hostname", "date", "echo", "ls", "true",
];

/// By what a program is recognised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Program {
    /// The first words of its command and arguments; empty when the image has its own.
    pub(super) command: String,
    /// The name of its image, without tag.
    pub(super) image: String,
}

impl Program {
    /// The program of a container.
    pub(super) fn of(container: &Value) -> Self {
        let words = ["/command", "/args"].into_iter().flat_map(|field| items(container, field));
        let words =
            words.filter_map(Value::as_str).map(|word| word.rsplit('/').next().unwrap_or(word));
        // what follows an option may be a secret, and says nothing about the program
        let plain = words.enumerate().take_while(|(place, word)| {
            !word.is_empty()
                && !word.contains(char::is_whitespace)
                && (*place == 0 || !word.starts_with('-'))
        });
        let plain = plain.map(|(_, word)| word).take(4).collect::<Vec<_>>();
        let alone = plain.first().is_some_and(|word| word.starts_with('-'));
        let command = plain[..if alone { 1 } else { plain.len() }].join(" ");
        Self { command, image: repository(text(container, "/image")).to_owned() }
    }
}

/// The name of an image without its tag and digest.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

/// The containers of a pod, or of the template of what makes pods.
pub(super) fn containers(object: &Value) -> impl Iterator<Item = &Value> {
    let spec = match kind(object) {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    };
    items(object, &format!("{spec}/containers")).iter()
}

/// The ports that a container declares or is probed on, with their protocols.
pub(super) fn ports(container: &Value) -> Vec<(u16, String)> {
    let mut found: Vec<(u16, String)> = items(container, "/ports")
        .iter()
        .filter_map(|port| {
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            Some((u16::try_from(port["containerPort"].as_u64()?).ok()?, protocol.to_owned()))
        })
        .collect();
    found.extend(probed(container).into_iter().map(|(port, _)| (port, "TCP".to_owned())));
    found.sort();
    found.dedup();
    found
}

/// The HTTP probes of a container: port and path.
pub fn probes(container: &Value) -> Vec<(u16, String)> {
    let mut found: Vec<(u16, String)> =
        probed(container).into_iter().filter_map(|(port, path)| Some((port, path?))).collect();
    found.sort();
    found.dedup();
    found
}

/// The ports of all probes, with the path of those that ask by HTTP.
fn probed(container: &Value) -> Vec<(u16, Option<String>)> {
    let named = |name: &str| {
        let port = items(container, "/ports").iter().find(|port| port["name"] == name)?;
        port["containerPort"].as_u64()
    };
    let number = |port: &Value| {
        let number = port.as_str().map_or_else(|| port.as_u64(), named)?;
        u16::try_from(number).ok()
    };
    let probes = ["readinessProbe", "livenessProbe", "startupProbe"];
    let asked = probes.into_iter().filter_map(|probe| {
        let (get, socket) = (&container[probe]["httpGet"], &container[probe]["tcpSocket"]);
        if get.is_object() {
            let path = get["path"].as_str().unwrap_or("/").to_owned();
            return Some((number(&get["port"])?, Some(path)));
        }
        Some((number(&socket["port"])?, None))
    });
    asked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn programs_are_known_by_command_and_image() {
        for (container, command, image) in [
            (json!({"image": "a/b:1", "command": ["/bin/web", "serve"]}), "web serve", "a/b"),
            (
                json!({"image": "reg:5000/a/b", "args": ["-conf", "/etc/x"]}),
                "-conf",
                "reg:5000/a/b",
            ),
            (json!({"image": "a@sha256:00", "command": ["sh", "-c", "sleep 1"]}), "sh", "a"),
            (json!({"image": "nats:2.9"}), "", "nats"),
        ] {
            let program = Program::of(&container);
            assert_eq!((program.command.as_str(), program.image.as_str()), (command, image));
        }
    }

    #[test]
    fn probes_are_found_by_port_name() {
        let container = json!({"ports": [{"name": "web", "containerPort": 80}],
            "readinessProbe": {"httpGet": {"port": "web", "path": "/ready"}},
            "livenessProbe": {"tcpSocket": {"port": 81}}});
        assert_eq!(probes(&container), [(80, "/ready".to_owned())]);
        let tcp = |port| (port, "TCP".to_owned());
        assert_eq!(ports(&container), [tcp(80), tcp(81)]);
    }
}
