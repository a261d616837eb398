//! What a step can be besides a verb: a value, a call of another runbook, a question, an approval,
//! a pause,
//! a time to wait for. The engine does these itself; one file each.
//!
//! To add one: a file here, its line in `constructs!`, a variant of `document::Body`.

pub mod approve;
pub mod confirm;
pub mod pause;
pub mod run;
pub mod value;
pub mod wait_for_time;

pub use approve::Approve;
pub use confirm::Confirm;
pub use pause::Pause;
pub use run::Run;
pub use value::Value;
pub use wait_for_time::WaitForTime;

use serde::de::DeserializeOwned;

/// What the arguments of every construct say about themselves.
pub trait Construct: DeserializeOwned + schemars::JsonSchema {
    /// The key in a step.
    const NAME: &'static str;

    /// A fault in the arguments that their types do not show.
    ///
    /// # Errors
    /// The fault, for the author of the runbook.
    fn check(&self) -> Result<(), String>;

    /// What a person would do instead; one command a line.
    fn manual_commands(&self) -> Vec<String>;
}

macro_rules! constructs {
    ($($type:ident,)*) => {
        /// The keys of all constructs, in the order of the reference.
        pub const NAMES: &[&str] = &[$($type::NAME),*];

        /// The JSON schema of each construct's arguments, by name.
        pub fn schemas(
            generator: &mut schemars::SchemaGenerator,
        ) -> Vec<(&'static str, schemars::Schema)> {
            vec![$(($type::NAME, generator.subschema_for::<$type>())),*]
        }
    };
}

constructs! { Value, Confirm, Approve, Pause, WaitForTime, Run, }
