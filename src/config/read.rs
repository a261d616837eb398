//! One file, with everything that is wrong with it.

use super::file::ConfigFile;
use crate::action::Prometheus;
use crate::diagnostic::{Diagnostic, nearest};
use crate::document::{Catalogue, FileKind, Toml, is_or_has, read};
use crate::notify::Channel;
use crate::plan::check_namespace;
use std::path::Path;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Of whatever lies in the working directory.
    Project,
    /// Of the person who starts the program.
    User,
}

/// What only the user may set, and what a project could do with it.
const OF_USER: [(&str, &str); 6] = [
    ("state_dir", "the records of your runs, and which runbooks you trust, are yours"),
    ("pager", "it would start a program"),
    ("notify", "it would send what your runs find elsewhere"),
    ("retention", "the records of your runs are yours"),
    ("defaults.prometheus", "it would decide whom to believe"),
    ("defaults.prometheus_namespace", "it would decide whom to believe"),
];

/// Reads a file; `user` is that of the user.
pub(super) fn read_file(
    path: &Path,
    whose: Whose,
    user: Option<&Path>,
) -> Result<Toml<ConfigFile>, Vec<Diagnostic>> {
    let text = read(path, FileKind::SETTINGS).map_err(|message| {
        vec![Diagnostic::error("RB0001", message, Some(path.to_owned()), "".into())]
    })?;
    checked(&path.display().to_string(), &text, whose, user)
}

/// Reads a text.
fn checked(
    file: &str,
    text: &str,
    whose: Whose,
    user: Option<&Path>,
) -> Result<Toml<ConfigFile>, Vec<Diagnostic>> {
    let toml = Toml::<ConfigFile>::read(file, text, &without_secrets(text))?;
    let mut wrong = Vec::new();
    if whose == Whose::Project {
        for (key, why) in OF_USER.iter().filter(|(key, _)| toml.has(key)) {
            let message = format!("`{key}` cannot be set in the file of a project: {why}");
            let error = toml.error((key, None), "RB0901", message, "only in the file of the user");
            let to_user = user.map(|file| format!("set it in {}", file.display()));
            wrong.push(Diagnostic { help: to_user, ..error });
        }
    }
    values(&toml, &mut wrong);
    if wrong.is_empty() { Ok(toml) } else { Err(wrong) }
}

/// Values that are of the right type and mean nothing.
fn values(toml: &Toml<ConfigFile>, wrong: &mut Vec<Diagnostic>) {
    let ConfigFile { catalogues, builtin, defaults, contexts, notify, .. } = &toml.value;
    let mut bad = |key: &str, item: Option<usize>, message: String, label: &str| {
        wrong.push(toml.error((key, item), "RB0104", message, label));
    };
    for (key, list) in [("catalogues", catalogues), ("contexts.protected", &contexts.protected)] {
        for (at, _) in list.iter().enumerate().filter(|(_, text)| text.is_empty()) {
            bad(key, Some(at), format!("an empty text in `{key}`"), "empty");
        }
    }
    for key in ["namespace", "prometheus_namespace"] {
        let value =
            if key == "namespace" { &defaults.namespace } else { &defaults.prometheus_namespace };
        if let Some(Err(message)) = value.as_deref().map(check_namespace) {
            bad(&format!("defaults.{key}"), None, message, "not a namespace");
        }
    }
    if let Some(Err(message)) =
        defaults.prometheus.as_deref().map(|text| Prometheus::parse(text, None))
    {
        bad("defaults.prometheus", None, message, "not a Prometheus");
    }
    for (at, channel) in notify.channels.iter().enumerate() {
        // the text is not repeated: it is a secret
        if let Err(message) = channel.parse::<Channel>() {
            bad("notify.channels", Some(at), format!("not a channel: {message}"), "not a channel");
        }
    }
    let Some(builtin) = builtin else { return };
    let own = Catalogue::new(&[]);
    let names: Vec<&str> = own.list().map(|entry| entry.name.as_str()).collect();
    for (at, name) in builtin.iter().enumerate() {
        if !names.iter().any(|known| is_or_has(name, known)) {
            let folders = names.iter().filter_map(|name| {
                name.split_once('/').map(|(folder, _)| &name[..folder.len() + 1])
            });
            let near = nearest(name, names.iter().copied().chain(folders));
            let label = near.map_or_else(
                || "see `runbook list`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            bad("builtin", Some(at), format!("no built-in runbook is `{name}`"), &label);
        }
    }
}

/// The text with stars in the place of what may be secret in the URLs of channels, character by
/// character: what is said of a mistake shows its line. Any URL counts, because the mistake may be in
/// the name of its kind; its host is shown, unless a user or password stands before it.
fn without_secrets(text: &str) -> String {
    let line = |line: &str| -> String {
        let kinds =
            || ["slack=", "webhook="].iter().filter_map(|kind| Some(line.find(kind)? + kind.len()));
        let Some(begin) = line.find("://").map(|at| at + 3).or_else(|| kinds().min()) else {
            return line.to_owned();
        };
        let (shown, rest) = line.split_at(begin);
        shown.to_owned()
            + &rest
                .split_inclusive(['\'', '"', ',', ' ', ']', '\n'])
                .map(|piece| starred(piece, line.contains("://")))
                .collect::<String>()
    };
    text.split_inclusive('\n').map(line).collect()
}

/// A piece of a line with its delimiter: of a URL the host at most, of anything else nothing.
fn starred(piece: &str, is_url: bool) -> String {
    let body = piece.trim_end_matches(['\'', '"', ',', ' ', ']', '\n']);
    let start = body.find("://").map_or(0, |at| at + 3);
    let host = body[start..].find('/').map_or(body.len(), |at| start + at + 1);
    let shown = if !is_url || body[start..host].contains('@') { start } else { host };
    let stars = "*".repeat(body.len() - shown);
    format!("{}{stars}{}", &body[..shown], &piece[body.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str, whose: Whose) -> Vec<String> {
        let said =
            |one: Diagnostic| format!("{:?} {} {}", one.place().unwrap(), one.code, one.message);
        checked("runbook.toml", text, whose, None).unwrap_err().into_iter().map(said).collect()
    }

    #[test]
    fn a_project_may_not_decide_what_protects_the_user() {
        let text = "state_dir = '/tmp/x'\npager = 'sh -c id'\n[notify]\nchannels = \
            ['webhook=https://x.example/a']\n[retention]\nkeep = 0\n[defaults]\nprometheus = \
            'http://x.example'\n";
        let found = wrong(text, Whose::Project);
        let wanted = [
            "(1, 1) RB0901 `state_dir`",
            "(2, 1) RB0901 `pager`",
            "(3, 2) RB0901 `notify`",
            "(5, 2) RB0901 `retention`",
            "(8, 1) RB0901 `defaults.prometheus`",
        ];
        assert_eq!(found.len(), wanted.len(), "{found:#?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.starts_with(wanted), "{found} {wanted}");
        }
        checked("runbook.toml", text, Whose::User, None).unwrap();
    }

    #[test]
    fn values_that_mean_nothing_are_mistakes() {
        for (text, wanted) in [
            ("catalogues = ['']", "(1, 15) RB0104 an empty text"),
            ("contexts.protected = ['a', '']", "(1, 28) RB0104 an empty text"),
            ("defaults.namespace = 'Shop'", "(1, 10) RB0104 `Shop` is not a valid namespace"),
            ("defaults.timeout = 'soon'", "(1, 20) RB0104"),
            ("defaults.prometheus = 'prometheus'", "(1, 10) RB0104"),
            ("notify.channels = ['mail=x']", "(1, 20) RB0104 not a channel: use slack=URL"),
            ("notify.on = 'never'", "(1, 13) RB0104 unknown value `never`"),
            ("builtin = ['kubernets/']", "(1, 12) RB0104 no built-in runbook is `kubernets/`"),
            ("retention.keep = -1", "(1, 18) RB0104"),
            ("contexts = ['prod']", "(1, 12) RB0104 expected a mapping"),
        ] {
            let found = wrong(text, Whose::User);
            assert!(found[0].starts_with(wanted), "{text}: {found:?}");
        }
        let builtin = "builtin = ['kubernetes/', 'ta-bot/smoke']";
        assert!(checked("runbook.toml", builtin, Whose::Project, None).is_ok());
    }

    #[test]
    fn a_mistake_near_a_channel_does_not_show_it() {
        for text in [
            "notify.channels = ['slack=https://h.example/a/S3CR3T', 'webhook=https://h/S3CR3T', 'x']",
            "notify.channels = ['slack=https://h.example/S3CR3T]",
            "notify.channels = 'slack=https://h/S3CR3T'",
            "notify.channels = [\"slack=ftp://h.example/S3CR3T\"]",
            "notfy.channels = ['slack=https://h/S3CR3T']",
            "notify.channels = ['slck=https://h.example/S3CR3T']",
            "notify.channels = ['webhook=gopher://u:S3CR3T@h/x']",
            "notify.channels = ['slack=S3CR3T']",
        ] {
            let found = checked("runbook.toml", text, Whose::User, None).unwrap_err();
            let shown = crate::diagnostic::render(&found, false, 80);
            assert!(
                !shown.contains("S3CR3T") && !format!("{found:?}").contains("S3CR3T"),
                "{shown}"
            );
        }
        let text = "a\n  'slack=https://hé/é' # ü\n";
        assert_eq!(without_secrets(text).len(), text.len());
    }
}
