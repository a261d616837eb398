//! Pictures: the same bytes for the same edges, and no text that escapes.

use netpol_evaluator::{
    Decision, Destination, Edge, Graph, GraphEdge, GraphNode, Inventory, NotLookedAt, PortName,
    Protocol, Source, mermaid, page, svg, trace,
};

use crate::support::platform;

fn node(namespace: &str, name: &str) -> GraphNode {
    GraphNode { namespace: namespace.into(), name: name.into() }
}

fn edge(source: GraphNode, destination: GraphNode, verdict: Decision, reason: &str) -> GraphEdge {
    GraphEdge { source, destination, port: "TCP 8000".into(), verdict, reason: reason.into() }
}

fn sample() -> Graph {
    Graph {
        nodes: [node("apps", "idle")].into(),
        edges: vec![
            edge(
                node("apps", "ta-bot"),
                node("apps", "engine"),
                Decision::Denied,
                "no ingress rule \"matches\" <it>",
            ),
            edge(node("apps", "ta-bot"), node("data", "db"), Decision::Allowed, ""),
            edge(
                node("apps", "engine"),
                node("", "api.example.com"),
                Decision::Unknown,
                "address not known",
            ),
        ],
        not_looked_at: Vec::new(),
    }
}

#[test]
fn mermaid_text() {
    assert_eq!(
        mermaid(&sample()),
        "flowchart LR
  subgraph s0[\"outside\"]
    n0[\"api.example.com\"]
  end
  subgraph s1[\"apps\"]
    n1[\"engine\"]
    n2[\"idle\"]
    n3[\"ta-bot\"]
  end
  subgraph s2[\"data\"]
    n4[\"db\"]
  end
  n1 -.->|\"TCP 8000: address not known\"| n0
  n3 --x|\"TCP 8000: no ingress rule #quot;matches#quot; #lt;it#gt;\"| n1
  n3 -->|\"TCP 8000\"| n4
  linkStyle 0 stroke:#6e7781
  linkStyle 1 stroke:#cf222e
  linkStyle 2 stroke:#1a7f37
"
    );
    assert_eq!(mermaid(&Graph::default()), "flowchart LR\n");
}

#[test]
fn svg_is_plain_and_the_same_in_any_order() {
    let graph = sample();
    let picture = svg(&graph);
    let mut turned = graph.clone();
    turned.edges.reverse();
    assert_eq!(picture, svg(&turned));
    assert!(
        picture.contains("[1] TCP 8000")
            && picture.contains(
                "1  apps/ta-bot -&gt; apps/engine TCP \
            8000: no ingress rule &quot;matches&quot; &lt;it&gt;"
            ),
        "{picture}"
    );
    assert!(!picture.contains("<script") && !picture.contains("<it>"));
    assert_eq!(picture.matches("<rect").count(), 1 + 5);
    assert_eq!(picture.matches("marker-end").count(), 3);
    let nasty = Graph {
        edges: vec![edge(
            node("a&b", "</text><script>"),
            node("\u{1}", "\"'"),
            Decision::Denied,
            "\u{0}\u{ffff}",
        )],
        ..Graph::default()
    };
    let picture = svg(&nasty);
    assert!(
        !picture.contains("<script")
            && picture.contains("&lt;script&gt;")
            && picture.contains("a&amp;b")
    );
    assert!(picture.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(svg(&Graph::default()).ends_with("</svg>\n"));
}

#[test]
fn the_page_opens_on_what_is_closed_and_says_what_was_not_looked_at() {
    let unread = NotLookedAt {
        source: node("apps", "ta-bot"),
        variable: "MONGODB_<URI>".into(),
        reason: "in Secret keys, which is not read".into(),
    };
    let text = page("Paths & more", &Graph { not_looked_at: vec![unread], ..sample() });
    let at = |wanted: &str| text.find(wanted).unwrap_or_else(|| panic!("{wanted}: {text}"));
    assert!(at("Closed (1)") < at("no ingress rule") && at("no ingress rule") < at("<svg"));
    assert!(at("<svg") < at("Unknown (1)") && at("Unknown (1)") < at("Not looked at (1)"));
    assert!(at("MONGODB_&lt;URI&gt;") < at("Open (1)"));
    assert!(text.contains("<h1>Paths &amp; more</h1>") && !text.contains("<script"));
    let open = page("n", &Graph::default());
    assert!(open.contains("No connection that was looked at is closed."));
}

#[test]
fn edges_come_from_paths() {
    let inventory = Inventory::from_objects(&platform());
    let source = Source::Workload {
        kind: "deployment".into(),
        namespace: "apps".into(),
        name: "ta-bot".into(),
    };
    let asked = Edge {
        source,
        destination: Destination::Host("engine-service".into()),
        port: PortName::Number(80),
        protocol: Protocol::Tcp,
        addresses: Vec::new(),
    };
    let path = trace(&inventory, &asked).unwrap();
    let drawn = GraphEdge::from_path(node("apps", "ta-bot"), node("apps", "engine"), &path);
    assert_eq!((drawn.port.as_str(), drawn.verdict), ("TCP 80", Decision::Denied));
    assert!(drawn.reason.starts_with("policy apps/default-deny-all isolates"), "{}", drawn.reason);
}
