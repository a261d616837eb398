//! Runs without the command line: the library as a second caller sees it.

use runbook::event::Verdict;
use runbook::sandbox;
use runbook::session::{ClusterChoice, NotApproved, Refusal};
use runbook::{
    Approval, Attended, Resume, SessionError, Start, Undo, Workspace, channel, pending, rehearse,
    resume, start, status, undo,
};
use std::time::Duration;

#[path = "../../examples/embed.rs"]
#[expect(dead_code, reason = "its `main` is for a person")]
mod example;

const TYPED: &str = "runbook: v1\ntitle: T\nnamespace: petrosa-apps\nsteps:\n  - id: down\n    \
    title: Scale down\n    confirm: typed\n    scale: {target: deployment/petrosa-ta-bot, \
    replicas: 1}\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_example_finds_what_is_wrong_in_forty_lines() {
    let folder = tempfile::tempdir().unwrap();
    let found = example::diagnose(folder.path(), "ta-bot/no-signals", "tabot-no-leader").await;
    let lines = found.unwrap();
    assert!(lines[0].starts_with("Leader election is stuck"), "{lines:?}");
    assert!(lines.last().unwrap().starts_with("Failed after "), "{lines:?}");
    assert!(include_str!("../../examples/embed.rs").lines().count() < 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_paused_approved_gone_on_with_and_undone_by_a_caller_without_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.yaml");
    std::fs::write(&file, TYPED).unwrap();
    let options = sandbox::Options { scenario: "healthy".to_owned(), ..Default::default() };
    let cluster = sandbox::start(options).await.unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, cluster.kubeconfig()).unwrap();
    let place = ClusterChoice { kubeconfig: Some(kubeconfig), ..ClusterChoice::default() };
    let workspace = Workspace::new(folder.path().join("state"));
    let mut options = Start::of(file.display().to_string());
    options.conduct.cluster = place.clone();

    let paused = start(&workspace, options.clone()).unwrap().run(Attended::default()).await;
    let paused = paused.unwrap();
    assert_eq!((paused.verdict(), paused.exit_code()), (Verdict::Paused, 4));
    let known = status(&workspace, &paused.run).unwrap();
    assert_eq!((known.waiting.as_slice(), known.resumable), (&["down".to_owned()][..], true));

    let waits = pending(&workspace, &paused.run, "down").unwrap();
    let word = waits.word().unwrap().to_owned();
    let user = waits.user(&place).await.unwrap();
    let approval = Approval { user, expires: Duration::from_secs(60), ..Approval::default() };
    let refused = waits.approve(approval.clone());
    assert!(
        matches!(&refused, Err(SessionError::Refused(Refusal::Approval(NotApproved::Word {
            step, word: wanted })))
            if step == "down" && *wanted == word),
        "{:?}",
        refused.err()
    );
    let waits = pending(&workspace, &paused.run, "down").unwrap();
    waits.approve(Approval { typed: Some(word), ..approval }).unwrap();

    let options = Resume { run: paused.run.clone(), conduct: options.conduct, ..Resume::default() };
    let ended = resume(&workspace, options.clone()).unwrap().run(Attended::default()).await;
    assert_eq!(ended.unwrap().verdict(), Verdict::Passed);
    let again = resume(&workspace, options.clone()).map(|session| session.id().to_owned());
    assert!(
        matches!(
            &again,
            Err(SessionError::Refused(Refusal::Ended { verdict: Verdict::Passed, .. }))
        ),
        "{again:?}"
    );

    let mut taken_back = Undo { run: paused.run.clone(), ..Undo::default() };
    taken_back.conduct.cluster = place;
    taken_back.conduct.yes = true;
    let session = undo(&workspace, taken_back).unwrap();
    let steps: Vec<_> = session.plan().steps().into_iter().map(|step| step.path).collect();
    assert_eq!(steps, ["down-0", "rollout-0"]);
    let undone = session.run(Attended::default()).await.unwrap();
    assert_eq!(undone.verdict(), Verdict::Passed);
    let nothing = undo(&workspace, Undo { run: undone.run, ..Undo::default() });
    assert!(nothing.is_ok(), "an undo has changes of its own");
}

#[test]
fn a_rehearsal_never_acts_on_a_real_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Start::of("ta-bot/no-signals");
    options.conduct.cluster.context = Some("production".to_owned());
    let refused = rehearse(&Workspace::new(folder.path()), options).err();
    assert!(matches!(refused, Some(SessionError::Refused(Refusal::RealCluster))), "{refused:?}");
    assert!(!folder.path().join("runs").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_does_not_disturb_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let session = rehearse(&Workspace::new(folder.path()), Start::of("ta-bot/no-signals")).unwrap();
    let (sink, events) = channel();
    drop(events);
    let end = session.run(Attended::by(sink)).await.unwrap();
    assert_eq!(status(&Workspace::new(folder.path()), &end.run).unwrap().verdict(), {
        Some(end.verdict())
    });
}
