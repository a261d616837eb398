//! What a command that runs leaves behind: reports, and messages to people elsewhere.

use super::report::{ReportFile, write_all};
use super::{Global, output};
use crate::event::Mode;
use crate::notify::{Channel, Occasion, send};
use crate::secret::Masker;
use crate::state::RunState;
use clap::Args;

#[derive(Clone, Debug, Default, Args)]
pub(super) struct AfterArguments {
    /// Write a report when the run ends, such as html=run.html; can be repeated. Those of further
    /// runs get a number: run-2.html
    #[arg(long, value_name = "KIND=FILE")]
    pub(super) report: Vec<ReportFile>,
    /// Send verdict, causes and next commands when the run ends or pauses: slack=URL or
    /// webhook=URL; can be repeated
    #[arg(
        long,
        value_name = "KIND=URL",
        env = "RUNBOOK_NOTIFY",
        hide_env_values = true,
        value_delimiter = ' '
    )]
    notify: Vec<Channel>,
    /// Send no message, even if the environment or the settings name a channel
    #[arg(long)]
    no_notify: bool,
    /// When to send it; default: always
    #[arg(long, value_enum, value_name = "WHEN", env = "RUNBOOK_NOTIFY_ON")]
    notify_on: Option<Occasion>,
}

impl AfterArguments {
    /// The same for the run of this number, from 1.
    pub(super) fn numbered(&self, number: usize) -> Self {
        let report = self.report.iter().map(|report| report.numbered(number)).collect();
        Self { report, ..self.clone() }
    }

    /// Where messages go: the command line and the environment are stronger than the settings.
    fn channels<'a>(&'a self, global: &'a Global) -> Vec<&'a Channel> {
        match (self.no_notify, self.notify.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => global.settings.channels.iter().map(|given| &given.value).collect(),
            (false, false) => self.notify.iter().collect(),
        }
    }

    /// Whoever knows the URL of a channel can write there.
    pub(super) fn learn(&self, global: &Global, masker: &Masker) {
        for channel in self.channels(global) {
            masker.learn(channel.url(), "notify");
        }
    }

    /// Writes the reports of a run that was begun. Whether all could be written.
    pub(super) fn reports(&self, global: &Global, run: &str) -> bool {
        write_all(global, run, &self.report)
    }

    /// Sends the end of a run. A message that is not delivered is said, and changes nothing: a dry
    /// run, and one that has no end, sends none.
    pub(super) async fn notify(&self, global: &Global, state: &RunState) {
        let channels = self.channels(global);
        if channels.is_empty() {
            return;
        }
        let summary = state.summary();
        let is_dry = state.header().is_none_or(|header| header.mode == Mode::DryRun);
        let Some(verdict) = summary.verdict.filter(|_| !is_dry) else { return };
        let of_file = global.settings.notify_on.as_ref().map(|given| given.value);
        if !self.notify_on.or(of_file).unwrap_or_default().is_there(verdict) {
            return;
        }
        for channel in channels {
            if let Err(error) = send(channel, &summary).await {
                output::hint(&format!("Not notified: {channel}: {error}"));
            }
        }
    }
}
