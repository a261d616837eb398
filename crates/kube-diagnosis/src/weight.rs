//! How much a cause weighs, by what kind it is.

/// Whether a cause is a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Something is wrong.
    Fault,
    /// Somebody has set it so, it is at work, or there is time left: a fault only where one asks
    /// about this object.
    Setting,
    /// It is over, waits for its turn, or is a guess: never a fault.
    Harmless,
}

const HARMLESS: &[&str] =
    &["ingress-denied", "kept-open", "policy-allows-service-port", "recovered", "standby"];
const SETTINGS: &[&str] = &[
    "certificate-expiring",
    "cronjob-suspended",
    "custom-resource-unhealthy",
    "disruption-budget-unused",
    "disruption-budgets-overlap",
    "disruption-never-allowed",
    "hpa-disabled",
    "hpa-maxed-out",
    "ingress-unclassed",
    "init-container-runs",
    "no-endpoints",
    "node-cordoned",
    "quota-exhausted",
    "resize-infeasible",
    "rollout-in-progress",
    "scaled-to-zero",
    "schedule-never-due",
    "scheduling-gated",
    "still-starting",
    "suspended",
];

/// How much the causes of this id weigh.
pub fn weight(id: &str) -> Weight {
    match id {
        id if HARMLESS.contains(&id) => Weight::Harmless,
        id if SETTINGS.contains(&id) => Weight::Setting,
        _ => Weight::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fault_is_the_id_of_a_cause() {
        let unknown: Vec<&&str> = HARMLESS
            .iter()
            .chain(SETTINGS)
            .filter(|id| !crate::ids().any(|own| own == **id))
            .collect();
        assert_eq!(unknown, Vec::<&&str>::new());
    }
}
