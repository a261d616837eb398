//! A step that changes the cluster: planned, previewed, allowed, sent, recorded; in this order.

use super::consent::{Answer, Known as Approval, word};
use super::ended::{End, Ended, failed, not_made};
use super::scope::Scope;
use super::send::{Request, Sent};
use super::{EngineError, Run};
use crate::action::support::change::{Seen, observe};
use crate::action::{Action, Change, Context, Failure, FailureKind, Guard, Intent, Output};
use crate::api::{self, ErrorKind, Method, Write};
use crate::compare::{desired, difference};
use crate::document::Step;
use crate::event::{ChangesPlanned, Event, Outcome, PlannedChange, Reason, StepMark};
use crate::journal::Key;
use crate::state::ChangeState;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What is to be sent.
struct Prepared {
    /// In the order of sending, with their place in the record.
    changes: Vec<(usize, PlannedChange, Write)>,
    output: Map<String, Value>,
}

/// How far a step has come.
enum Stage {
    /// The changes are made, or there were none to make.
    Made(Map<String, Value>),
    /// Nothing more is to be done now.
    Over(End),
}

impl Run {
    /// A step that changes something.
    pub(super) async fn change(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        action: &Action,
        context: Context,
    ) -> Result<End, EngineError> {
        let mut context = context;
        let output =
            match self.make(step, path, action, &mut context, &self.title_of(scope, step)).await? {
                Stage::Made(output) => output,
                Stage::Over(end) => return Ok(end),
            };
        let changes: Vec<ChangeState> = self.recorder.state(|state| {
            state.changes_of(path).iter().filter(|change| change.is_made()).cloned().collect()
        });
        let made: Vec<PlannedChange> =
            changes.iter().map(|change| change.planned.clone()).collect();
        let context = Context { made: Arc::new(made.clone()), ..context };
        let rest = tokio::select! {
            rest = async {
                self.observed(&made, &context).await?;
                action.perform(&context).await
            } => rest,
            () = context.cancel.cancelled() => Err(Failure::new(FailureKind::Cancelled,
            "the change was made; stopped before its result was visible")),
            () = tokio::time::sleep_until(context.deadline + super::attempt::GRACE) => Err(Failure::error("the \
                change was made; timed out before its result was visible")),
        };
        let rest = match rest {
            Ok(rest) => rest,
            Err(failure) => {
                return Ok(End::Ended(Ended {
                    output: whole(&changes, &output, &Value::Null, false).into(),
                    ..failed(&failure, 1)
                }));
            }
        };
        // a verb that waits for the end of what it asked for tells of it
        let seen = !rest.summary.is_empty();
        let value = whole(&changes, &output, &rest.value, seen);
        let summary = match (rest.summary.is_empty(), made.as_slice()) {
            (false, _) => rest.summary,
            (true, []) => "nothing to change".to_owned(),
            (true, [one]) => one.told(false),
            (true, many) => format!("{} changes", many.len()),
        };
        Ok(self.judge(scope, step, Output::new(value, summary)).into_ended(1).into())
    }

    /// What a dry run shows of a step that changes something.
    pub(super) async fn preview(&self, path: &str, action: &Action, context: &Context) -> Ended {
        let intent = match in_time(context, action.intend(context)).await {
            Ok(intent) => intent.unwrap_or_default(),
            Err(failure) => return self.unless_behind(not_made(&failure, 1)),
        };
        if let Some(ended) = self.stopped_by(&intent.guards, &intent.output) {
            return ended;
        }
        let planned = match in_time(context, self.previewed(intent.changes)).await {
            Ok(planned) => planned,
            Err(failure) => return self.unless_behind(not_made(&failure, 1)),
        };
        let planned: Vec<PlannedChange> =
            planned.iter().map(|(planned, _)| self.recorder.as_recorded(planned.clone())).collect();
        let summary = match planned.as_slice() {
            [] => "nothing to change".to_owned(),
            [one] => format!("would change {}", one.object.short()),
            many => format!("would change {} objects", many.len()),
        };
        if !planned.is_empty() {
            self.leave_out(path);
        }
        let mut output = intent.output;
        let lines = difference(&planned);
        output.insert(
            "changes".to_owned(),
            planned.iter().map(|planned| entry(planned, "would")).collect(),
        );
        output.insert("diff".to_owned(), Value::from(lines.join("\n")));
        Ended {
            outcome: Outcome::Passed,
            summary,
            reason: Reason::default(),
            attempts: 1,
            expectations: Vec::new(),
            output: Value::Object(output).into(),
            recorded: None,
            lacks: None,
        }
    }

    /// In a dry run: what cannot be previewed because an earlier step was not done is not known to
    /// be wrong.
    fn unless_behind(&self, ended: Ended) -> Ended {
        match self.left_out() {
            Some(path) if matches!(ended.outcome, Outcome::Failed | Outcome::Error) => Ended {
                outcome: Outcome::Unknown,
                reason: Reason::DependsOn {
                    step: path,
                    outcome: None,
                    cause: Some(Box::new(ended.reason)),
                },
                ..ended
            },
            _ => ended,
        }
    }

    async fn make(
        &self,
        step: &Step,
        path: &str,
        action: &Action,
        context: &mut Context,
        title: &str,
    ) -> Result<Stage, EngineError> {
        let mark = self.recorder.state(|state| state.marked(path).cloned());
        match mark.as_ref().map(|mark| mark.mark) {
            Some(StepMark::Skip) => {
                let reason = mark.as_ref().map(Reason::skipped).unwrap_or_default();
                return Ok(Stage::Over(Ended::without_output(Outcome::Skipped, reason).into()));
            }
            Some(StepMark::Done) => {
                let by_hand =
                    mark.map(|mark| format!("{}: {}", mark.by, mark.reason)).unwrap_or_default();
                return Ok(Stage::Made(Map::from_iter([(
                    "by_hand".to_owned(),
                    Value::from(by_hand),
                )])));
            }
            Some(StepMark::NotDone) | None => {}
        }
        if !self.settle_doubt(path, context, super::doubt::UNSEEN).await? {
            return Ok(Stage::Over(End::InDoubt));
        }
        let known: Vec<ChangeState> = self.recorder.state(|state| state.changes_of(path).to_vec());
        let made = !known.is_empty() && known.iter().all(ChangeState::is_made);
        if let Some(ended) = if made { None } else { self.permit.cleared(action, context).await? } {
            return Ok(Stage::Over(ended.into()));
        }
        let doubted = known.iter().any(ChangeState::is_unproven);
        let prepared = match self.taken_up(path, &known).await {
            Some(prepared) => prepared,
            None if made => return Ok(Stage::Made(Map::new())),
            None => match self.prepare(step, path, action, context).await? {
                Ok(prepared) => prepared,
                Err(ended) => return Ok(Stage::Over(ended.into())),
            },
        };
        if prepared.changes.is_empty() {
            // nothing is left to do: because what was in doubt has come through meanwhile?
            self.late(path).await?;
            return Ok(Stage::Made(prepared.output));
        }
        let digest =
            self.recorder.state(|state| state.changes_digest(path).unwrap_or_default().to_owned());
        let shown: Vec<PlannedChange> =
            prepared.changes.iter().map(|(_, planned, _)| planned.clone()).collect();
        let asked = tokio::time::Instant::now();
        match self.consent(step, path, title, &shown, &digest).await? {
            Answer::Yes => {}
            Answer::No => {
                let ended = Ended::without_output(Outcome::Cancelled, Reason::Refused);
                return Ok(Stage::Over(ended.into()));
            }
            Answer::Nobody(waits) => return Ok(Stage::Over(End::Waits(waits))),
        }
        // a person may think as long as they like
        context.deadline += asked.elapsed();
        for (index, planned, write) in &prepared.changes {
            if context.cancel.is_cancelled() {
                let reason = "stopped before all changes were made";
                return Ok(Stage::Over(Ended::without_output(Outcome::Cancelled, reason).into()));
            }
            match self
                .send(&Request { path, index: *index, planned, write, context, doubted })
                .await?
            {
                Sent::Made => {}
                Sent::NotMade(ended) => return Ok(Stage::Over((*ended).into())),
                Sent::InDoubt => return Ok(Stage::Over(End::InDoubt)),
            }
        }
        Ok(Stage::Made(prepared.output))
    }

    /// Changes that an earlier process recorded and did not begin with are sent as they were
    /// recorded and allowed, if the record is still what was allowed, and nothing has happened to
    /// their objects meanwhile. Everything else is worked out again.
    async fn taken_up(&self, path: &str, known: &[ChangeState]) -> Option<Prepared> {
        let begun = known.iter().any(ChangeState::is_made);
        let (recorded, planned) = self.recorder.state(|state| {
            let planned: Vec<PlannedChange> =
                state.planned(path).iter().map(|change| change.planned.clone()).collect();
            Some((state.changes_digest(path)?.to_owned(), planned))
        })?;
        let digest = digest_of_record(&self.consent.key, self.place(path), &planned)
            .filter(|digest| *digest == recorded)?;
        let allowed = matches!(self.known(path, &digest), Approval::Valid(_));
        if known.is_empty() || !(begun || allowed) {
            return None;
        }
        let mut changes = Vec::new();
        for (index, change) in known.iter().enumerate().filter(|(_, change)| !change.is_made()) {
            let write: Write = serde_json::from_value(change.planned.request.clone()).ok()?;
            let port = self.permit.port()?;
            let current = port.look(&write.resource, &write.namespace, &write.name).await.ok()?;
            if observe(&change.planned, current.as_ref(), &self.masker) != Seen::NotDone {
                return None;
            }
            changes.push((index, change.planned.clone(), write));
        }
        (!changes.is_empty()).then(|| Prepared { changes, output: Map::new() })
    }

    /// Works out, previews and records what is to be changed.
    async fn prepare(
        &self,
        step: &Step,
        path: &str,
        action: &Action,
        context: &Context,
    ) -> Result<Result<Prepared, Ended>, EngineError> {
        let intent = match in_time(context, action.intend(context)).await {
            Ok(intent) => intent.unwrap_or_default(),
            Err(failure) => return Ok(Err(not_made(&failure, 1))),
        };
        if let Some(ended) = self.stopped_by(&intent.guards, &intent.output) {
            return Ok(Err(ended));
        }
        let overridden = intent.guards.iter().map(|guard| guard.id.to_owned()).collect();
        let Intent { changes, output, .. } = intent;
        let previewed = match in_time(context, self.previewed(changes)).await {
            Ok(previewed) => previewed,
            Err(failure) => return Ok(Err(not_made(&failure, 1))),
        };
        if previewed.is_empty() {
            return Ok(Ok(Prepared { changes: Vec::new(), output }));
        }
        // the digest is one of what stands in the record
        let planned: Vec<PlannedChange> = previewed
            .iter()
            .map(|(planned, _)| self.recorder.as_recorded(planned.clone()))
            .collect();
        let requests: Vec<Value> = previewed
            .iter()
            .map(|(_, write)| serde_json::to_value(write).unwrap_or_default())
            .collect();
        self.recorder.record(Event::ChangesPlanned(ChangesPlanned {
            path: path.to_owned(),
            digest: digest(&self.consent.key, self.place(path), &planned, &requests),
            typed: word(step, &planned),
            changes: planned.clone(),
            overridden,
        }))?;
        let first = self.recorder.state(|state| state.changes_of(path).len()) - planned.len();
        let changes = planned
            .into_iter()
            .zip(previewed)
            .enumerate()
            .map(|(index, (planned, (_, write)))| (first + index, planned, write))
            .collect();
        Ok(Ok(Prepared { changes, output }))
    }

    /// Asks the server what each change would come to. A change that would change nothing is left
    /// out.
    async fn previewed(
        &self,
        changes: Vec<Change>,
    ) -> Result<Vec<(PlannedChange, Write)>, Failure> {
        let Some(port) = self.permit.port() else {
            return Err(Failure::error("no cluster"));
        };
        let mut previewed: Vec<(PlannedChange, Write)> = Vec::new();
        changes.iter().for_each(|change| change.learn(&self.masker));
        for change in changes {
            let gone = matches!(change.write.method, Method::Delete | Method::Evict);
            let after = match port.preview(&change.write).await {
                Ok(_) if gone => None,
                // what is made by an earlier change of the same step is not there yet
                Ok(after) => Some(after),
                Err(error) if needs_earlier(&error, &previewed) => None,
                // a budget is no reason to give up before the deadline
                Err(error)
                    if error.kind == ErrorKind::Throttled
                        && change.write.method == Method::Evict =>
                {
                    None
                }
                Err(error) if error.kind == ErrorKind::NotFound && gone => continue,
                Err(error) => return Err(refused(&change, &error)),
            };
            if let (Some(before), Some(after)) = (&change.before, &after)
                && desired(before) == desired(after)
            {
                continue;
            }
            previewed.push((change.planned(after.as_ref(), &self.masker), change.write));
        }
        Ok(previewed)
    }

    /// What speaks against the step and was not overridden.
    fn stopped_by(&self, guards: &[Guard], output: &Map<String, Value>) -> Option<Ended> {
        let guard =
            guards.iter().find(|guard| !self.consent.overrides.iter().any(|id| id == guard.id))?;
        let mut output = output.clone();
        output.insert("guard".to_owned(), Value::from(guard.id));
        let Guard { id, reason, way } = guard.clone();
        let reason = Reason::Guard { guard: id.to_owned(), text: reason, instead: way };
        Some(Ended {
            output: Value::Object(output).into(),
            summary: "refused".to_owned(),
            attempts: 1,
            ..Ended::without_output(Outcome::Error, reason)
        })
    }
}

/// What is asked before a change, in the time that the step has.
async fn in_time<T>(
    context: &Context,
    asked: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout_at(context.deadline, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::error(
            "the API server did not respond before the timeout of the step; nothing was changed; \
                increase the timeout, or check the API server",
        )),
    }
}

/// A request that needs what an earlier change of the same step makes, such as a namespace.
fn needs_earlier(error: &api::Error, earlier: &[(PlannedChange, Write)]) -> bool {
    let makes = |kind: &str| {
        earlier.iter().any(|(planned, _)| planned.before.is_null() && planned.object.kind == kind)
    };
    matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unsupported)
        && (makes("Namespace") || makes("CustomResourceDefinition"))
}

/// A change that the server refuses. Fields of others are named with their owners.
fn refused(change: &Change, error: &api::Error) -> Failure {
    let causes = error
        .status
        .as_ref()
        .and_then(|status| status["details"]["causes"].as_array().cloned())
        .unwrap_or_default();
    let conflicts: Vec<String> = causes
        .iter()
        .filter(|cause| cause["reason"] == "FieldManagerConflict")
        .map(|cause| {
            format!(
                "{} ({})",
                cause["field"].as_str().unwrap_or_default(),
                cause["message"].as_str().unwrap_or_default()
            )
        })
        .collect();
    if conflicts.is_empty() {
        let kind =
            if error.kind == ErrorKind::Invalid { FailureKind::Failed } else { FailureKind::Error };
        return Failure::new(
            kind,
            format!("{} would be rejected: {error}", change.object().short()),
        );
    }
    let object = change.object().short();
    Failure::new(
        FailureKind::Failed,
        format!(
            "{object} has fields that other managers own: {}; remove them from the manifest, or \
                take them over with `force: true`",
            conflicts.join(", ")
        ),
    )
}

/// One entry of the output's `changes`.
fn entry(planned: &PlannedChange, result: &str) -> Value {
    json!({"verb": planned.verb, "object": planned.object.to_string(), "summary": planned.summary,
        "result": result})
}

/// The output of a step that made changes.
fn whole(changes: &[ChangeState], output: &Map<String, Value>, rest: &Value, seen: bool) -> Value {
    let entries = changes.iter().map(|change| match (seen, change.planned.is_request()) {
        (true, _) => entry(&change.planned, "done"),
        (false, true) => entry(&change.planned, "requested"),
        (false, false) => entry(&change.planned, "made"),
    });
    let mut whole = output.clone();
    whole.insert("changes".to_owned(), entries.collect());
    if let Value::Object(fields) = rest {
        whole.extend(fields.clone());
    }
    Value::Object(whole)
}

/// Digest of planned changes and of the requests that make them, as they are sent: what an approval
/// is bound to. It is keyed, so that what is secret in a request cannot be found by trying.
pub(super) fn digest(
    key: &Key,
    place: [&str; 3],
    changes: &[PlannedChange],
    requests: &[Value],
) -> String {
    let texts = changes.iter().zip(requests).map(|(change, request)| {
        let PlannedChange { object, verb, summary, before, after, request: _, masked: _ } = change;
        json!([object, verb, summary, before, after, request]).to_string()
    });
    let texts: Vec<String> = texts.collect();
    key.digest(
        &[&["changes"], &place[..], &texts.iter().map(String::as_str).collect::<Vec<_>>()].concat(),
    )
}

/// The digest of changes as they are recorded; none where the record does not have their requests.
pub fn digest_of_record(key: &Key, place: [&str; 3], changes: &[PlannedChange]) -> Option<String> {
    if changes.iter().any(|change| change.masked || change.request.is_null()) {
        return None;
    }
    let requests: Vec<Value> = changes.iter().map(|change| change.request.clone()).collect();
    Some(digest(key, place, changes, &requests))
}
