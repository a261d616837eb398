//! `runbook alert NAME [LABEL=VALUE…]`, `runbook alert -`

mod words;

use super::after::AfterArguments;
use super::arguments::{ConductArguments, PrometheusArguments, run_id, workspace};
use super::conduct::conducted;
use super::exit::{CommandError, Exit, worst};
use super::{Format, Global, output};
use crate::alert::{MAX_BYTES, Payload, parse, typed};
use crate::event::{Alert, Summary};
use crate::secret::Masker;
use crate::session::{
    Alarm, AnswerRun, Answers, ClusterChoice, Start, Workspace, alert_rules, answers, load, start,
    workloads,
};
use clap::Args;
use indicatif::MultiProgress;
use serde_json::{Value, json};
use std::io::{self, Read};
use words::{Unrun, heading, no_answer};

#[derive(Debug, Args)]
pub(super) struct AlertArguments {
    /// Name of the alert; - reads what Alertmanager sends to a webhook, or a list of alerts as its
    /// API prints it, from stdin
    name: String,
    /// Labels of the alert
    #[arg(value_name = "LABEL=VALUE")]
    labels: Vec<String>,
    /// Answer with this runbook, whatever alerts it names
    #[arg(long, value_name = "NAME")]
    runbook: Option<String>,
    /// Answer alerts that are resolved as well
    #[arg(long)]
    resolved: bool,
    /// Start at most this many runs; the other alerts are listed
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_runs: usize,
    #[command(flatten)]
    prometheus: PrometheusArguments,
    /// Read the cluster and preview the changes, but change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    conduct: ConductArguments,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    after: AfterArguments,
}

pub(super) fn alert(global: &Global, arguments: AlertArguments) -> Result<Exit, CommandError> {
    let machine = workspace(global)?;
    let workspace = Workspace { read: Some(machine.catalogue()), ..machine };
    let Payload { alerts, left_out } = arguments.alerts()?;
    let prometheus = arguments.prometheus.chosen(global)?;
    let mut alarm = arguments.alarm(&workspace, alerts)?;
    let mut found = answers(&workspace, &alarm)?;
    if !found.pods.is_empty() {
        let choice = choice(&workspace, &alarm, &found)?;
        alarm.workloads = waited(workloads(&workspace, &choice, &found.pods))?;
        found = answers(&workspace, &alarm)?;
    }
    if let Some(prometheus) = prometheus.filter(|_| !found.runs.is_empty()) {
        let choice = choice(&workspace, &alarm, &found)?;
        let alerts: Vec<Alert> = found.runs.iter().flat_map(|run| run.alerts.clone()).collect();
        let rules = waited(alert_rules(&workspace, &choice, &prometheus, Some(&alerts)))?;
        found = found.informed(&rules);
    }
    let answers = found;
    let mut told = Told { left_out, ..Told::default() };
    told.of_answers(global, &arguments, &answers)?;
    for (index, answer) in answers.runs.iter().enumerate() {
        if index >= arguments.max_runs {
            told.not_run(answer, Unrun::TooMany { most: arguments.max_runs });
        } else if told.is_stopped() {
            told.not_run(answer, Unrun::Stopped);
        } else {
            let place = (index + 1, answers.runs.len());
            told.run(global, &workspace, &arguments, answer, place)?;
        }
    }
    told.conclude(&arguments, &answers)
}

/// The cluster of the runs, where something is asked before them.
fn choice(
    workspace: &Workspace,
    alarm: &Alarm,
    answers: &Answers,
) -> Result<ClusterChoice, CommandError> {
    let mut choice: ClusterChoice = alarm.conduct.cluster.clone();
    if let Some(first) = answers.runs.first() {
        let (own, loaded) = load(&workspace.catalogue(), &first.start.runbook)?;
        let declared = loaded.get(&own).and_then(|runbook| runbook.sandbox.as_ref());
        choice.choose(workspace, declared)?;
    }
    Ok(choice)
}

/// Waits for something outside of a run.
pub(super) fn waited<T>(doing: impl Future<Output = T>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CommandError::Output)?;
    let result = runtime.block_on(doing);
    runtime.shutdown_background();
    Ok(result)
}

impl AlertArguments {
    /// The alerts that were typed or piped.
    fn alerts(&self) -> Result<Payload, CommandError> {
        if self.name != "-" {
            let alert = typed(&self.name, &self.labels).map_err(CommandError::Usage)?;
            return Ok(Payload { alerts: vec![alert], left_out: 0 });
        }
        if let Some(label) = self.labels.first() {
            return Err(CommandError::Usage(format!(
                "{label}: with -, the labels come from stdin; set parameters with --set"
            )));
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| CommandError::Usage("the payload is not UTF-8".to_owned()))?;
        parse(&text).map_err(|error| CommandError::Usage(error.to_string()))
    }

    fn alarm(&self, workspace: &Workspace, alerts: Vec<Alert>) -> Result<Alarm, CommandError> {
        Ok(Alarm {
            alerts,
            runbook: self.runbook.clone(),
            resolved: self.resolved,
            params: self.conduct.params(workspace)?,
            dry_run: self.dry_run,
            conduct: self.conduct.conduct(),
            ..Alarm::default()
        })
    }
}

/// What was told so far.
#[derive(Default)]
struct Told {
    exits: Vec<u8>,
    runs: Vec<Summary>,
    not_run: Vec<Value>,
    left_out: u64,
}

impl Told {
    /// What is known before the first run: alerts about which nothing is done, and why.
    fn of_answers(
        &mut self,
        global: &Global,
        arguments: &AlertArguments,
        answers: &Answers,
    ) -> Result<(), CommandError> {
        if arguments.output == Format::Text && !global.quiet {
            output::write(&words::resolved(&answers.resolved))?;
            if answers.runs.is_empty()
                && answers.resolved.is_empty()
                && answers.unanswered.is_empty()
            {
                output::write("no alerts\n")?;
            }
        }
        for unanswered in &answers.unanswered {
            let (error, hint) = no_answer(unanswered);
            output::error(&Masker::new().clean(&error));
            output::hint(&Masker::new().clean(&hint));
            self.exits.push(Exit::Usage.code());
        }
        if self.left_out > 0 {
            output::error(&format!(
                "Alertmanager left {} alerts out of the payload: raise `max_alerts` of the webhook",
                self.left_out
            ));
            self.exits.push(Exit::NotJudged.code());
        }
        Ok(())
    }

    /// Whether somebody has stopped a run.
    fn is_stopped(&self) -> bool {
        self.exits.iter().any(|code| *code > 128)
    }

    fn not_run(&mut self, answer: &AnswerRun, why: Unrun) {
        let names: Vec<&str> = answer.alerts.iter().map(|alert| alert.name.as_str()).collect();
        output::error(&Masker::new().clean(&format!(
            "{} was not run for {}: {why}",
            answer.start.runbook,
            names.join(", ")
        )));
        self.not_run.push(json!({"runbook": answer.start.runbook, "alerts": answer.alerts,
            "reason": why.to_string()}));
        self.exits.push(Exit::NotJudged.code());
    }

    /// Carries out one run; `place` is its number and that of all.
    fn run(
        &mut self,
        global: &Global,
        workspace: &Workspace,
        arguments: &AlertArguments,
        answer: &AnswerRun,
        place: (usize, usize),
    ) -> Result<(), CommandError> {
        let format = arguments.output;
        if format == Format::Text && !global.quiet {
            output::write(&heading(answer, place, workspace.clock.now()))?;
        }
        let after = arguments.after.numbered(place.0);
        let shown = |bars: &MultiProgress| match format {
            Format::Json => output::quiet_reporters(global, bars),
            Format::Text | Format::Jsonl => output::reporters(global, format, bars),
        };
        let begin = Start { run: run_id().filter(|_| place.0 == 1), ..answer.start.clone() };
        let ended = start(workspace, begin)
            .map_err(CommandError::from)
            .and_then(|session| conducted(global, session, shown, &after));
        match ended {
            Ok((exit, state)) => {
                self.exits.push(exit.code());
                self.runs.extend(state.map(|state| state.summary()));
            }
            Err(error) => {
                self.exits.push(error.report(global, false).code());
                self.not_run.push(json!({"runbook": answer.start.runbook,
                    "alerts": answer.alerts, "reason": error.to_string()}));
            }
        }
        Ok(())
    }

    /// The end of everything.
    fn conclude(self, arguments: &AlertArguments, answers: &Answers) -> Result<Exit, CommandError> {
        let code = worst(&self.exits);
        if arguments.output == Format::Json {
            let unanswered: Vec<Value> = answers
                .unanswered
                .iter()
                .map(|one| json!({"alert": one.alert, "reason": no_answer(one).0}))
                .collect();
            let document = json!({"schema": "runbook.alert/v1", "exit_code": code,
                "runs": [], "resolved": answers.resolved, "unanswered": unanswered,
                "not_run": self.not_run, "left_out": self.left_out});
            let mut document = Masker::new().clean_value(&document);
            // these have passed the border already
            document["runs"] = json!(self.runs);
            output::write(&format!("{document:#}\n"))?;
        }
        Ok(Exit::Run(code))
    }
}
