//! `runbook network graph NAMESPACE`

use super::arguments::{ClusterArguments, clock, workspace};
use super::exit::{CommandError, Exit};
use super::{Global, output};
use crate::action::network_audit::{Needed, edge};
use crate::action::survey;
use crate::network::{
    Decision, Graph, Protocol, all_pairs, declared, edges_of, grouped, intended, mermaid,
    not_looked_at, page, picture, svg,
};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct NetworkArguments {
    #[command(subcommand)]
    command: NetworkCommand,
}

#[derive(Debug, Subcommand)]
enum NetworkCommand {
    /// Draw the workloads of a namespace and the connections that their environment or a policy
    /// declares: green if allowed, red with the reason if denied, gray if unknown
    Graph(GraphArguments),
}

#[derive(Debug, Args)]
struct GraphArguments {
    /// Namespace; defaults to --namespace or the namespace of the context
    #[arg(value_name = "NAMESPACE")]
    place: Option<String>,
    /// Format of the graph
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Drawing,
    /// File to write instead of stdout
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Additional connection: deployment/NAME=HOST:PORT; can be repeated
    #[arg(long, value_name = "FROM=TO")]
    edge: Vec<String>,
    /// Draw the connections of every workload to every Service of the namespace
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Drawing {
    /// A Mermaid flowchart, for Markdown
    #[default]
    Mermaid,
    /// An SVG image
    Svg,
    /// An HTML page with the image and a table
    Html,
    /// Nodes and edges as JSON
    Json,
}

pub(super) fn network(global: &Global, arguments: &NetworkArguments) -> Result<Exit, CommandError> {
    let NetworkCommand::Graph(arguments) = &arguments.command;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CommandError::Output)?;
    let result = runtime.block_on(graph(global, arguments));
    runtime.shutdown_background();
    result
}

async fn graph(global: &Global, arguments: &GraphArguments) -> Result<Exit, CommandError> {
    let now = clock()?.of_simulation();
    let workspace = workspace(global)?;
    let mut place = arguments.cluster.choice();
    place.choose(&workspace, None)?;
    let usual = workspace.namespace.clone().filter(|_| place.sandbox.is_none());
    let named = arguments.place.clone().or_else(|| place.namespace.clone()).or(usual);
    let connected = place.connect(&workspace.worlds(), now).await?;
    let cluster = connected.cluster?;
    let namespace = named.unwrap_or_else(|| cluster.target().namespace.clone());
    let survey =
        survey(&cluster).await.map_err(|failure| CommandError::NotJudged(failure.message))?;
    if !survey.objects.iter().any(|object| {
        object["kind"] == "Namespace" && object["metadata"]["name"] == namespace.as_str()
    }) {
        return Err(CommandError::Usage(format!(
            "namespace {namespace} does not exist on {}",
            cluster.target().server
        )));
    }
    let mut unread = Vec::new();
    let mut edges = if arguments.all {
        all_pairs(&survey.inventory, &namespace)
    } else {
        unread = not_looked_at(&survey.inventory, &survey.objects, &namespace);
        let environment = edges_of(declared(&survey.inventory, &survey.objects, Some(&namespace)));
        environment.into_iter().chain(intended(&survey.inventory, &namespace)).collect()
    };
    for text in &arguments.edge {
        edges.push(edge(&namespace, &needed(text)?).map_err(CommandError::Usage)?);
    }
    for gap in &survey.gaps {
        output::hint(gap);
    }
    let graph = Graph { not_looked_at: unread, ..picture(&survey.inventory, &namespace, &edges) };
    let text = match arguments.output {
        Drawing::Mermaid => mermaid(&grouped(&graph)),
        Drawing::Svg => svg(&grouped(&graph)),
        Drawing::Html => page(&format!("Network paths of {namespace}"), &graph),
        Drawing::Json => format!(
            "{:#}\n",
            serde_json::json!({"schema": "runbook.network_graph/v1", "namespace": namespace,
                "graph": graph})
        ),
    };
    match &arguments.file {
        Some(file) => {
            std::fs::write(file, text).map_err(|error| {
                CommandError::Usage(format!("cannot write {}: {error}", file.display()))
            })?;
            output::write(&format!("{}: {}\n", file.display(), told(&graph)))?;
        }
        None => output::write(&text)?,
    }
    Ok(Exit::Passed)
}

fn needed(text: &str) -> Result<Needed, CommandError> {
    let (from, to) = text.split_once('=').ok_or_else(|| {
        CommandError::Usage(format!("`{text}` is not a connection: use deployment/NAME=HOST:PORT"))
    })?;
    Ok(Needed { from: from.to_owned(), to: to.to_owned(), port: None, protocol: Protocol::Tcp })
}

/// `12 workloads, 15 edges: 13 open, 1 closed, 1 unknown; 2 addresses were not looked at`
fn told(graph: &Graph) -> String {
    let count = |verdict| graph.edges.iter().filter(|edge| edge.verdict == verdict).count();
    let unread = match graph.not_looked_at.len() {
        0 => String::new(),
        1 => "; 1 address was not looked at".to_owned(),
        many => format!("; {many} addresses were not looked at"),
    };
    format!(
        "{} workloads, {} edges: {} open, {} closed, {} unknown{unread}",
        graph.nodes.len(),
        graph.edges.len(),
        count(Decision::Allowed),
        count(Decision::Denied),
        count(Decision::Unknown)
    )
}
