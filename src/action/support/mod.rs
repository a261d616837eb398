//! What several verbs share: arguments, fan-out over pods, HTTP requests, changes and their
//! guards.

pub(in crate::action) mod argument;
pub(in crate::action) mod behind;
pub(in crate::action) mod certificate;
pub mod change;
pub(in crate::action) mod connection;
pub(in crate::action) mod context;
pub(in crate::action) mod counter;
pub(in crate::action) mod fan_out;
pub(in crate::action) mod guard;
pub(in crate::action) mod http_answer;
pub(in crate::action) mod http_in_pod;
pub(in crate::action) mod http_manual;
pub(in crate::action) mod http_route;
pub(in crate::action) mod http_send;
pub(in crate::action) mod kubectl_line;
pub(in crate::action) mod log_text;
pub(in crate::action) mod managed_by;
pub(in crate::action) mod manifest;
pub(in crate::action) mod metadata_map;
pub(in crate::action) mod network_answer;
pub(in crate::action) mod network_destination;
pub(in crate::action) mod network_inventory;
pub(in crate::action) mod node_summary;
pub(in crate::action) mod outside;
pub(in crate::action) mod past;
pub(in crate::action) mod port;
pub(in crate::action) mod process_group;
pub(in crate::action) mod programs;
pub(in crate::action) mod prometheus;
pub(in crate::action) mod promql_range;
#[cfg(test)]
pub(in crate::action) mod real_pods;
pub(in crate::action) mod relation;
pub(in crate::action) mod requires;
pub(in crate::action) mod secret_shape;
pub(in crate::action) mod settled;
pub(in crate::action) mod snapshot;
pub(in crate::action) mod stream;
pub(in crate::action) mod tool;
pub(in crate::action) mod tool_connect;
pub(in crate::action) mod tool_lookup;
pub(in crate::action) mod trace_span;
pub(in crate::action) mod unique_name;
pub(in crate::action) mod workload;
pub(in crate::action) mod written;
pub(in crate::action) mod wrong;
