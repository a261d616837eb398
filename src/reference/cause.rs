//! The causes that `diagnose` can name.

use crate::diagnosis::{self, Weight};

/// What a cause says of the object that carries it, and how much it weighs.
pub fn cause(id: &str) -> Option<String> {
    let title = diagnosis::title(id)?;
    let weight = match diagnosis::weight(id) {
        Weight::Fault => "It is a fault: the verdict of a runbook that concludes it is `failed`.",
        Weight::Setting => {
            "It is deliberate or temporary: a warning, and a fault only for a runbook that is asked \
                about this object."
        }
        Weight::Harmless => "It is only a warning.",
    };
    Some(format!(
        "A cause that `diagnose` can name: the object {title}.\n{weight}\n\n\
            To find it: runbook run kubernetes/triage -n NAMESPACE"
    ))
}

/// The ids of all causes.
pub fn causes() -> impl Iterator<Item = &'static str> {
    diagnosis::ids()
}
