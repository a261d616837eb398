//! The verbs of a step, one file each.
//!
//! A file contains the verb's fields (plain serde structs, which are parser, schema and reference
//! in one), its effect, the permissions it needs, the equivalent kubectl commands, and its
//! implementation. To add a verb, add a file here and a line in `verbs!`.

pub mod annotate;
pub mod api;
pub mod apply;
pub mod archive;
pub mod backup;
pub mod backup_file;
pub mod can_i;
pub mod changes;
pub mod command;
pub mod cordon;
pub mod create_job;
pub mod delete;
pub mod describe;
pub mod diagnose;
pub mod dns;
pub mod drain;
pub mod events;
pub mod exec;
pub mod file;
pub mod get;
pub mod health;
pub mod http;
pub mod label;
pub mod listening;
pub mod logs;
pub mod manifest;
pub mod metrics;
pub mod network_audit;
pub mod network_path;
pub mod node_stats;
pub mod patch;
pub mod probe_pod;
pub mod promql;
pub mod record;
pub mod redis;
pub mod related;
pub mod restart;
pub mod restore;
pub mod rollback;
pub mod rollout;
pub mod scale;
pub mod schedule;
pub mod secret;
pub mod set_env;
pub mod set_image;
pub mod sql;
pub mod support;
pub mod tcp;
pub mod tls;
pub mod top;
pub mod traces;
pub mod triage;
pub mod uncordon;
pub mod undo;
pub mod wait;

pub use support::argument::{Duration, JqText, Literal, Pods, Scalar, Target, Which};
pub use support::change::{Change, Guard, Intent};
pub use support::connection::Connection;
pub use support::context::{
    Approval, Consented, Context, EarlierChange, EarlierRun, Failure, FailureKind, Go, Output,
    Prompt, Question, Records, Settled, Shelf, Unseen, Upcoming, WhichRun,
};
pub use support::fan_out::quote as shell_word;
pub use support::http_answer::is_declared;
pub use support::network_inventory::{Survey, everything as survey};
pub use support::outside::{Outside, OutsideResponses};
pub use support::process_group::group_is_alive;
pub use support::programs::{PrivateKubeconfig, Programs};
pub use support::prometheus::Prometheus;
pub use support::requires::Requires;
pub use support::wrong::Wrong;

pub use crate::cluster::Access;

use crate::event::Effect;
use serde::de::{Deserialize, DeserializeSeed, Deserializer};
use std::future::Future;

/// What a verb asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The API server.
    Cluster,
    /// A URL, from this machine.
    Url(String),
    /// Files of this machine.
    File,
    /// A program of this machine.
    Program,
    /// Nothing but what the run itself has kept.
    Run,
}

/// What every verb says about itself.
pub trait Verb {
    /// What it can do, with these arguments.
    fn effect(&self) -> Effect;

    /// What it asks, with these arguments.
    fn reach(&self) -> Reach;

    /// Whether only the author of the runbook says that it reads: nothing keeps a command in a pod
    /// or a POST from changing something.
    fn is_promised(&self) -> bool {
        false
    }

    /// Whether a step with it must say how long it may take.
    fn needs_deadline(&self) -> bool {
        false
    }

    /// The permissions it needs, with these arguments, in this namespace.
    fn permissions(&self, namespace: &str) -> Vec<Access>;

    /// What a person would type instead; one command a line.
    fn manual_commands(&self, namespace: &str) -> Vec<String>;

    /// Whether it leaves a file on this machine, in a place that the runbook names: a dry run leaves
    /// none.
    fn leaves_file(&self) -> bool {
        false
    }

    /// Looks for what came of it, where the process ended, or the response was lost, before that was
    /// known. `note` is what it has recorded of itself.
    fn look(
        &self,
        _context: &Context,
        _note: Option<&str>,
    ) -> impl Future<Output = Settled> + Send {
        async { Settled::CannotTell("its effect cannot be observed".to_owned()) }
    }

    /// A fault in the arguments that their types do not show.
    ///
    /// # Errors
    /// The fault, for the author of the runbook.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// The objects that it changes, as far as its arguments say: `namespace/kind/name`. Runs that
    /// change the same wait for each other.
    fn targets(&self, _namespace: &str) -> Vec<String> {
        Vec::new()
    }

    /// How long it may take, if its arguments say; a step's own `timeout` is stronger.
    fn timeout(&self) -> Option<std::time::Duration> {
        None
    }

    /// The program of this machine that it requires.
    fn requires(&self) -> Option<Requires> {
        None
    }

    /// What it would change, from what is there now; nothing is sent. None for a verb that changes
    /// nothing that can be previewed.
    ///
    /// # Errors
    /// When it cannot be worked out: nothing may be changed then.
    fn intend(
        &self,
        _context: &Context,
    ) -> impl Future<Output = Result<Option<Intent>, Failure>> + Send {
        async { Ok(None) }
    }

    /// What its output says is wrong by itself: a command that ended with another exit code than 0,
    /// a request that was refused. It makes a step fail of which no expectation looks at the field
    /// that says so.
    fn wrong(&self, _output: &serde_json::Value) -> Option<Wrong> {
        None
    }

    /// Whether a step without an expectation fails where something is wrong: by [`Self::wrong`], or
    /// because the verb then has no output. A verb that only shows what is there does not.
    fn judges(&self) -> bool {
        true
    }

    /// Does it. For a verb with an [`Intent`]: what is left to do after its changes were made, such
    /// as waiting for their end.
    ///
    /// # Errors
    /// When there is no output to judge.
    ///
    /// # Cancellation
    /// Dropping the future stops it; a read leaves nothing behind.
    fn perform(&self, context: &Context) -> impl Future<Output = Result<Output, Failure>> + Send;
}

macro_rules! verbs {
    ($($name:literal => $module:ident :: $type:ident,)*) => {
        /// One action with its arguments.
        #[derive(Clone, Debug)]
        pub enum Action {
            $(#[doc = concat!("`", $name, "`")] $type(Box<$module::$type>),)*
        }

        impl Action {
            /// All verbs, in the order of the reference.
            pub const VERBS: &'static [&'static str] = &[$($name),*];

            /// The verb.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$type(_) => $name,)* }
            }

            /// What it can do.
            pub fn effect(&self) -> Effect {
                match self { $(Self::$type(action) => action.effect(),)* }
            }

            /// What it asks.
            pub fn reach(&self) -> Reach {
                match self { $(Self::$type(action) => action.reach(),)* }
            }

            /// Whether only the author of the runbook says that it reads.
            pub fn is_promised(&self) -> bool {
                match self { $(Self::$type(action) => action.is_promised(),)* }
            }

            /// Whether a step with it must say how long it may take.
            pub fn needs_deadline(&self) -> bool {
                match self { $(Self::$type(action) => action.needs_deadline(),)* }
            }

            /// Whether it leaves a file on this machine.
            pub fn leaves_file(&self) -> bool {
                match self { $(Self::$type(action) => action.leaves_file(),)* }
            }

            /// Looks for what came of it, where that is not known.
            pub async fn look(&self, context: &Context, note: Option<&str>) -> Settled {
                match self { $(Self::$type(action) => action.look(context, note).await,)* }
            }

            /// The permissions it needs in this namespace.
            pub fn permissions(&self, namespace: &str) -> Vec<Access> {
                match self { $(Self::$type(action) => action.permissions(namespace),)* }
            }

            /// What a person would type instead.
            pub fn manual_commands(&self, namespace: &str) -> Vec<String> {
                match self { $(Self::$type(action) => action.manual_commands(namespace),)* }
            }

            /// A fault in the arguments that their types do not show.
            ///
            /// # Errors
            /// The fault, for the author of the runbook.
            pub fn check(&self) -> Result<(), String> {
                match self { $(Self::$type(action) => action.check(),)* }
            }

            /// The objects that it changes, as far as its arguments say.
            pub fn targets(&self, namespace: &str) -> Vec<String> {
                match self { $(Self::$type(action) => action.targets(namespace),)* }
            }

            /// How long it may take, if its arguments say.
            pub fn timeout(&self) -> Option<std::time::Duration> {
                match self { $(Self::$type(action) => action.timeout(),)* }
            }

            /// The program of this machine that it requires.
            pub fn requires(&self) -> Option<Requires> {
                match self { $(Self::$type(action) => action.requires(),)* }
            }

            /// What its output says is wrong by itself.
            pub fn wrong(&self, output: &serde_json::Value) -> Option<Wrong> {
                match self { $(Self::$type(action) => action.wrong(output),)* }
            }

            /// Whether a step without an expectation fails where something is wrong.
            pub fn judges(&self) -> bool {
                match self { $(Self::$type(action) => action.judges(),)* }
            }

            /// What it would change, from what is there now.
            ///
            /// # Errors
            /// When it cannot be worked out.
            pub async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
                match self { $(Self::$type(action) => action.intend(context).await,)* }
            }

            /// Does it.
            ///
            /// # Errors
            /// When there is no output to judge.
            pub async fn perform(&self, context: &Context) -> Result<Output, Failure> {
                match self { $(Self::$type(action) => Box::pin(action.perform(context)).await,)* }
            }
        }

        impl<'de> DeserializeSeed<'de> for VerbName<'_> {
            type Value = Action;

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Action,
                D::Error> {
                match self.0 {
                    $($name => $module::$type::deserialize(deserializer).map(|action| Action::$type(Box::new(action))),)*
                    other => Err(serde::de::Error::custom(format!("unknown verb `{other}`"))),
                }
            }
        }

        /// The JSON schema of each verb's arguments, by name.
        pub fn schemas(generator: &mut schemars::SchemaGenerator) -> Vec<(&'static str,
            schemars::Schema)> {
            vec![$(($name, generator.subschema_for::<$module::$type>())),*]
        }
    };
}

/// Reads the arguments of the verb of this name.
#[derive(Clone, Copy, Debug)]
pub struct VerbName<'a>(pub &'a str);

verbs! {
    "get" => get::Get,
    "health" => health::Health,
    "wait" => wait::Wait,
    "logs" => logs::Logs,
    "exec" => exec::Exec,
    "sql" => sql::Sql,
    "redis" => redis::Redis,
    "http" => http::Http,
    "tcp" => tcp::Tcp,
    "tls" => tls::Tls,
    "dns" => dns::Dns,
    "listening" => listening::Listening,
    "network_path" => network_path::NetworkPath,
    "network_audit" => network_audit::NetworkAudit,
    "events" => events::Events,
    "triage" => triage::Triage,
    "diagnose" => diagnose::Diagnose,
    "describe" => describe::Describe,
    "changes" => changes::Changes,
    "related" => related::Related,
    "schedule" => schedule::Schedule,
    "node_stats" => node_stats::NodeStats,
    "top" => top::Top,
    "api" => api::Api,
    "metrics" => metrics::Metrics,
    "promql" => promql::Promql,
    "traces" => traces::Traces,
    "secret" => secret::Secret,
    "can_i" => can_i::CanI,
    "rollout" => rollout::Rollout,
    "apply" => apply::Apply,
    "scale" => scale::Scale,
    "restart" => restart::Restart,
    "rollback" => rollback::Rollback,
    "set_image" => set_image::SetImage,
    "set_env" => set_env::SetEnv,
    "label" => label::Label,
    "annotate" => annotate::Annotate,
    "patch" => patch::Patch,
    "delete" => delete::Delete,
    "create_job" => create_job::CreateJob,
    "probe_pod" => probe_pod::ProbePod,
    "cordon" => cordon::Cordon,
    "uncordon" => uncordon::Uncordon,
    "drain" => drain::Drain,
    "backup" => backup::Backup,
    "backup_file" => backup_file::BackupFile,
    "restore" => restore::Restore,
    "command" => command::Command,
    "file" => file::File,
    "manifest" => manifest::Manifest,
    "undo" => undo::Undo,
    "record" => record::Record,
    "archive" => archive::Archive,
}
