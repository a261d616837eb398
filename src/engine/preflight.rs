//! Before the first step of a run that changes something: may it do all that it is going to do?

use crate::action::Access;
use crate::cluster::Cluster;
use crate::plan::{PlannedAction, role};
use futures::{StreamExt, stream};
use std::collections::BTreeSet;

/// Reviews asked for at the same time.
const CONCURRENCY: usize = 16;

/// The permissions that the steps need which are done in any case. What depends on a condition is found out when it is met: a
/// diagnosis must not be stopped by the permissions of a remedy that is not needed.
pub(super) fn needed(actions: &[PlannedAction]) -> BTreeSet<Access> {
    actions.iter().filter(|action| !action.conditional).flat_map(|action| action.permissions.iter().cloned()).collect()
}

/// The permissions that are missing, with the answer of the server. What cannot be asked is not missing: the step will tell.
pub(super) async fn missing(cluster: &Cluster, needed: BTreeSet<Access>) -> Vec<Access> {
    let reviews = needed.into_iter().map(|access| async move {
        let answer = cluster.can_i(&access).await;
        (access, answer)
    });
    let answers: Vec<_> = stream::iter(reviews).buffered(CONCURRENCY).collect().await;
    answers.into_iter().filter(|(_, answer)| answer.as_ref().is_ok_and(|answer| !answer.allowed)).map(|(access, _)| access).collect()
}

/// What is missing, for a person; and the role that would give it.
pub(super) fn report(missing: &[Access], runbook: &str, user: Option<&str>) -> (String, String) {
    let listed: Vec<String> = missing.iter().map(Access::to_string).collect();
    let reason = format!("{} may not {}", user.unwrap_or("the current user"), listed.join("; may not "));
    (reason, role(runbook, missing, user))
}
