use super::{NOW, Play};
use crate::document::{Catalogue, Root, Suite};
use crate::session::Workspace;

fn workspace() -> Workspace {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks").into();
    let roots = vec![Root { folder, named: true }];
    Workspace { roots, ..Workspace::new("unused") }
}

fn suite(workspace: &Workspace, runbook: &str) -> Suite {
    Catalogue::new(&workspace.roots).suite(runbook).unwrap().unwrap()
}

/// The events of the first case, a line each.
fn events(play: &Play, suite: &Suite) -> Vec<String> {
    let played = play.play(&suite.runbook, &suite.cases[0], &[]).unwrap();
    let records = played.stages.iter().flat_map(|stage| &stage.records);
    records.map(|record| serde_json::to_string(record).unwrap()).collect()
}

#[test]
fn a_case_happens_in_the_same_way_every_time() {
    // as much stack as the main thread of the program has
    let played = std::thread::Builder::new().stack_size(super::pool::STACK).spawn(plays_the_same);
    played.unwrap().join().unwrap();
}

fn plays_the_same() {
    let workspace = workspace();
    let play = Play::new(&workspace);
    for runbook in ["ta-bot/restart", "ta-bot/leader-election", "tradeengine/network-connectivity"]
    {
        let suite = suite(&workspace, runbook);
        let first = events(&play, &suite);
        assert!(first[0].contains(&NOW[..10]), "{}", first[0]);
        for _ in 0..3 {
            let again = events(&play, &suite);
            for (one, other) in first.iter().zip(&again) {
                assert_eq!(one, other, "{runbook}");
            }
            assert_eq!(first.len(), again.len(), "{runbook}");
        }
    }
}
