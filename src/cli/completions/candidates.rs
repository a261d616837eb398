//! What can be typed at a place of the command line: names that only the catalogue, the records,
//! the worlds and the kubeconfig know.

use super::typed::Typed;
use crate::cli::arguments::{catalogue, state_dir, workspace};
use crate::cli::config::settings;
use crate::cli::{Color, Global};
use crate::cluster;
use crate::document::{Param, ParamType};
use crate::event::short_id;
use crate::journal;
use crate::reference;
use clap::builder::StyledStr;
use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;

/// The sources of candidates, for what is typed.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    typed: Typed,
}

/// Runs that are offered: nobody looks for an older one by its id.
const RUNS: usize = 50;

impl Candidates {
    pub(super) fn of(typed: Typed) -> Self {
        Self { typed }
    }

    /// The command with candidates at every argument that has some.
    pub(super) fn added(&self, command: Command) -> Command {
        let name = command.get_name().to_owned();
        let command = command.mut_args(|argument| self.at(&name, argument));
        command.mut_subcommands(|inner| self.added(inner))
    }

    fn at(&self, command: &str, argument: Arg) -> Arg {
        let this = self.clone();
        let id = argument.get_id().as_str().to_owned();
        let listed = |list: fn(&Self) -> Vec<CompletionCandidate>| {
            ArgValueCandidates::new(move || list(&this))
        };
        let completed = |list: fn(&Self, &str) -> Vec<CompletionCandidate>| {
            let this = self.clone();
            ArgValueCompleter::new(move |current: &OsStr| {
                let current = current.to_string_lossy();
                let begins = |one: &CompletionCandidate| {
                    one.get_value().to_string_lossy().starts_with(current.as_ref())
                };
                list(&this, &current).into_iter().filter(begins).collect::<Vec<_>>()
            })
        };
        match (command, id.as_str()) {
            ("run" | "plan" | "describe", "name")
            | ("docs" | "test", "names")
            | ("history", "name" | "runbook") => argument.add(listed(Self::runbooks)),
            ("alert", "name") | ("list" | "history", "alert") => argument.add(listed(Self::alerts)),
            ("diff", "later") | (_, "run") => argument.add(completed(Self::runs)),
            ("serve", "scenario") | (_, "sandbox") => argument.add(completed(Self::scenarios)),
            (_, "context") => argument.add(listed(Self::contexts)),
            ("explain", "word") => argument.add(listed(Self::words)),
            (_, "set") => argument.add(completed(Self::params)),
            _ => argument,
        }
    }

    /// The options that say where to look, as far as they are typed.
    fn global(&self) -> Global {
        Global {
            catalogue: self.typed.paths("--catalogue"),
            color: Color::Never,
            quiet: false,
            verbose: 0,
            no_pager: true,
            state_dir: self
                .typed
                .path("--state-dir")
                .or_else(|| std::env::var_os("RUNBOOK_STATE_DIR").map(Into::into)),
            // what is wrong with them is said where something is done
            settings: settings().unwrap_or_default(),
        }
    }

    fn runbooks(&self) -> Vec<CompletionCandidate> {
        let catalogue = catalogue(&self.global());
        let heads = catalogue.heads().into_iter();
        heads
            .map(|(entry, head)| {
                candidate(&entry.name, head.map(|head| head.title).ok().as_deref())
            })
            .collect()
    }

    fn alerts(&self) -> Vec<CompletionCandidate> {
        let catalogue = catalogue(&self.global());
        let heads = catalogue.heads();
        let mut alerts: Vec<&String> = heads
            .iter()
            .filter_map(|(_, head)| head.as_ref().ok())
            .flat_map(|head| &head.alerts)
            .collect();
        alerts.sort();
        alerts.dedup();
        alerts.into_iter().map(|alert| candidate(alert, None)).collect()
    }

    /// `latest`, also of a runbook, and the last runs by the end of their ids; by the whole of them
    /// once their beginning is typed.
    fn runs(&self, current: &str) -> Vec<CompletionCandidate> {
        let folder = state_dir(&self.global()).ok();
        let runs = folder.and_then(|folder| journal::list(&folder).ok()).unwrap_or_default();
        let run = |run: &journal::RunInfo| {
            let about = run.header.as_ref().map(|header| {
                format!("{} {}", header.runbook, header.started.strftime("%Y-%m-%d %H:%M"))
            });
            let short = short_id(&run.run);
            let by_beginning = !current.is_empty() && !short.starts_with(current);
            candidate(if by_beginning { &run.run } else { short }, about.as_deref())
        };
        let latest = (!runs.is_empty()).then(|| candidate("latest", Some("The last run")));
        let names = runs.iter().filter_map(|run| Some(run.header.as_ref()?.runbook.as_str()));
        let names: BTreeSet<&str> = names.filter(|_| current.starts_with("latest:")).collect();
        let latest_of = names.iter().map(|name| candidate(&format!("latest:{name}"), None));
        latest.into_iter().chain(latest_of).chain(runs.iter().take(RUNS).map(run)).collect()
    }

    /// Scenarios with their worlds; without them once something is typed that is no world.
    fn scenarios(&self, current: &str) -> Vec<CompletionCandidate> {
        let Ok(workspace) = workspace(&self.global()) else { return Vec::new() };
        let (mut all, mut bare) = (Vec::new(), BTreeSet::new());
        for listed in workspace.worlds().list() {
            let Ok(loaded) = listed.load() else { continue };
            for one in loaded.scenarios() {
                all.push(candidate(&format!("{}/{}", listed.name, one.name), Some(&one.title)));
                // the first world that has it is meant
                if !current.is_empty() && !current.contains('/') && bare.insert(one.name.clone()) {
                    all.push(candidate(&one.name, Some(&one.title)));
                }
            }
        }
        all
    }

    fn contexts(&self) -> Vec<CompletionCandidate> {
        let file = self.typed.path("--kubeconfig");
        let contexts = cluster::contexts(file.as_deref()).into_iter();
        contexts.map(|context| candidate(&context, None)).collect()
    }

    fn words(&self) -> Vec<CompletionCandidate> {
        let verbs = reference::verbs();
        let verbs = verbs.iter().map(|verb| candidate(verb.name, Some(&verb.about)));
        verbs.chain(reference::codes().map(|(code, _)| candidate(code, None))).collect()
    }

    /// Parameters of the runbook that is typed, or the values of the one that is typed.
    fn params(&self, current: &str) -> Vec<CompletionCandidate> {
        let catalogue = catalogue(&self.global());
        let words = self.typed.words().iter();
        let Some(runbook) = words.skip(2).find_map(|word| catalogue.interface(word)) else {
            return Vec::new();
        };
        let params = runbook.params.iter();
        match current.split_once('=') {
            None => params
                .map(|(name, param)| candidate(&format!("{name}="), Some(&param.description)))
                .collect(),
            Some((wanted, _)) => params
                .filter(|(name, _)| *name == wanted)
                .flat_map(|(name, param)| {
                    values(param).into_iter().map(move |value| format!("{name}={value}"))
                })
                .map(|pair| candidate(&pair, None))
                .collect(),
        }
    }
}

/// The values that a parameter can have, as far as they can be listed; its default is among them.
fn values(param: &Param) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match param.kind {
        ParamType::Enum => param.values.iter().map(text).collect(),
        ParamType::Bool => vec!["true".to_owned(), "false".to_owned()],
        _ if param.secret => Vec::new(),
        _ => param.default.iter().filter(|value| !value.is_array()).map(text).collect(),
    }
}

fn candidate(value: &str, about: Option<&str>) -> CompletionCandidate {
    let about = about.and_then(|about| about.lines().next()).filter(|about| !about.is_empty());
    CompletionCandidate::new(value).help(about.map(|about| StyledStr::from(about.to_owned())))
}
