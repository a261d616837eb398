//! CronJobs whose schedule a scenario carries out, and those of which it says nothing.

use super::petrosa;
use crate::object;
use crate::simulation::{Clock, Simulation};
use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const NOW: &str = "2026-03-10T09:30:00Z";
const M15: &str = "binance-klines-m15-data-manager";

/// The world with this scenario, after so many minutes.
fn after(world: &World, scenario: &Value, minutes: i64) -> Simulation {
    let world = world.with_scenario("here", &scenario.to_string()).unwrap();
    let now: Timestamp = NOW.parse().unwrap();
    let clock = Clock::starting_at(now);
    let found = world.scenario("here").unwrap();
    let mut simulation = Simulation::build(&world, found, clock, "", &[]).unwrap();
    for quarter in 0..minutes * 4 {
        simulation.settle(now + SignedDuration::from_secs(quarter * 15));
    }
    simulation
}

/// The Jobs of the CronJob: the minute that each stands for, and its last condition.
fn jobs(simulation: &Simulation) -> Vec<(String, String)> {
    let time = "batch.kubernetes.io/cronjob-scheduled-timestamp";
    let all = simulation.store.list("jobs", Some("petrosa-apps"));
    all.filter(|job| job["metadata"]["ownerReferences"][0]["name"] == M15)
        .map(|job| {
            let due = job["metadata"]["annotations"][time].as_str().unwrap_or_default();
            let last = object::list(&job["status"]["conditions"]).last();
            let last = last.and_then(|last| last["type"].as_str()).unwrap_or_default();
            (due.get(11..16).unwrap_or_default().to_owned(), last.to_owned())
        })
        .collect()
}

#[test]
fn a_schedule_is_carried_out_by_the_rules_of_its_controller() {
    let cronjob = json!({"kind": "CronJob", "namespace": "petrosa-apps", "name": M15});
    let works = |seconds: &str| {
        json!({"jobTemplate": {"spec": {"template": {"spec": {"containers": [
            {"name": "extractor", "env": [{"name": "WORK_SECONDS", "value": seconds}]}]}}}}})
    };
    for (spec, wanted) in [
        (json!({}), &["09:45 Complete", "10:00 Complete"][..]),
        (json!({"successfulJobsHistoryLimit": 1}), &["10:00 Complete"]),
        (json!({"suspend": true}), &[]),
        (works("1200"), &["09:45 Failed", "10:00 "]),
        (
            json!({"concurrencyPolicy": "Forbid", "jobTemplate": {"spec":
            {"activeDeadlineSeconds": 3600, "template": works("1200")["jobTemplate"]["spec"]
                ["template"]}}}),
            &["09:45 "],
        ),
        (
            json!({"concurrencyPolicy": "Replace", "jobTemplate": {"spec":
            {"activeDeadlineSeconds": 3600, "template": works("1200")["jobTemplate"]["spec"]
                ["template"]}}}),
            &["10:00 "],
        ),
        // half past in India is not half past in UTC
        (json!({"schedule": "15 * * * *", "timeZone": "Asia/Kolkata"}), &["09:45 Complete"]),
    ] {
        let scenario = json!({"title": "T", "description": "D", "schedules": [cronjob],
            "changes": [{"patch": cronjob, "with": {"spec": spec}}]});
        let found = jobs(&after(&petrosa(), &scenario, 32));
        let found: Vec<String> = found.iter().map(|(due, end)| format!("{due} {end}")).collect();
        assert_eq!(found, wanted, "{spec}");
    }
}

#[test]
fn a_scenario_goes_on_from_another_and_owners_need_no_uid() {
    let owner = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": M15,
        "uid": "auto", "controller": true}]);
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "mine",
        "namespace": "petrosa-apps", "ownerReferences": owner}, "spec": {"template": {"spec":
        {"restartPolicy": "Never", "containers": [{"name": "main", "image": "mariadb:10.11",
        "command": ["true"]}]}}}});
    let scenario = json!({"title": "T", "description": "D", "based_on": "tabot-nats-down",
        "later": [{"apply": job}]});
    let world = after(&petrosa(), &scenario, 0);
    let found = world.store.get("jobs", "petrosa-apps", "mine").unwrap();
    let cronjob = world.store.get("cronjobs", "petrosa-apps", M15).unwrap();
    assert_eq!(found["metadata"]["ownerReferences"][0]["uid"], cronjob["metadata"]["uid"]);
    let nats = world.store.list("deployments", None).find(|one| object::name(one).contains("nats"));
    assert_eq!(nats.map(|nats| nats["spec"]["replicas"].clone()), Some(json!(0)));

    let unknown = json!({"title": "T", "description": "D", "based_on": "nothing"});
    let fault = petrosa().with_scenario("here", &unknown.to_string()).unwrap_err();
    assert!(fault.to_string().contains("the world has no scenario `nothing`"), "{fault}");
}

#[test]
fn a_cronjob_of_which_a_world_says_nothing_has_run_when_it_was_due() {
    let here = |with: Value| {
        json!({"title": "T", "description": "D", "changes": [{"patch":
            {"kind": "CronJob", "namespace": "petrosa-apps", "name": M15}, "with": with}]})
    };
    let status = |world: &Simulation| {
        world.store.get("cronjobs", "petrosa-apps", M15).unwrap()["status"].clone()
    };
    let said = json!({"lastScheduleTime": "2026-03-10T01:00:00Z"});
    for (with, minutes, wanted) in [
        (json!({}), 0, json!(["2026-03-10T09:30:00Z", "2026-03-10T09:30:00Z"])),
        (json!({}), 40, json!(["2026-03-10T10:00:00Z", "2026-03-10T10:00:00Z"])),
        (json!({"spec": {"suspend": true}}), 40, json!([null, null])),
        (json!({"spec": {"schedule": "0 2 * * *"}}), 40, json!([null, null])),
        (json!({"status": said}), 40, json!(["2026-03-10T01:00:00Z", null])),
    ] {
        let world = after(&petrosa(), &here(with.clone()), minutes);
        let status = status(&world);
        let found = json!([status["lastScheduleTime"], status["lastSuccessfulTime"]]);
        assert_eq!(found, wanted, "{with} after {minutes} min");
        assert_eq!(jobs(&world), [], "{with}");
    }
}
