//! Worlds as their authors write them, and as somebody hostile does.

use super::*;
use crate::HEALTHY;

const HEADER: (&str, &str) = ("world.yaml", "world: v1\ntitle: A shop\nnamespace: shop\n");
const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: 'shop/web:1.0', command: [web], ports: [{containerPort: 80}]}]
";
const APPS: &str = "
images: [{images: ['shop/web:1.0'], tools: none}]
apps:
- app: web
  command: web
  ports: [{port: 80}]
  routes: [{route: GET /, json: \"{'pod': pod.name, 'from': price(3)}\"}]
  values: {}
templates: {}
";

fn shop(more: &[(&str, &str)]) -> Result<World, String> {
    let apps = APPS.replace("price(3)", "1 + 2");
    let usual = [HEADER, ("manifests/shop.yaml", SHOP), ("applications.yaml", &apps)];
    let kept = usual.iter().filter(|file| more.iter().all(|other| other.0 != file.0));
    World::from_files(kept.chain(more).copied())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn a_small_world_answers() {
    let world = shop(&[]).unwrap();
    assert_eq!((world.title(), world.namespace()), ("A shop", "shop"));
    assert!(world.has(HEALTHY));
    let sandbox = start(&world, Options::default()).await.unwrap();
    let cluster = connected(sandbox).await;
    let pods = cluster.names("app=web").await;
    assert_eq!(pods.len(), 2);
    let path = format!("/api/v1/namespaces/shop/pods/{}:80/proxy/", pods[0]);
    assert_eq!(cluster.get(&path).await.unwrap(), json!({"pod": pods[0], "from": 3}));
}

#[test]
fn faults_name_the_file_and_the_line() {
    let long = format!("{SHOP}---\n{}", "[".repeat(100_000));
    let scenario = |changes: &str| format!("title: t\ndescription: d\nchanges:\n{changes}");
    let half = scenario("- patch: {kind: Deployment, namespace: shop, name: web}\n");
    let apply = scenario("- delete: {kind: Pod, name: x}\n- apply: {kind: Gadget, metadata: {}}\n");
    let many = SHOP.replace("replicas: 2", "replicas: 1000000000");
    let shapeless = SHOP.replace("template:\n    metadata: {labels: {app: web}}", "template:");
    let typed = SHOP.replace("replicas: 2", "replicas: two");
    for (file, text, wanted) in [
        ("world.yaml", "world: v2\ntitle: x\n", "world.yaml:1:8: unknown"),
        ("world.yaml", "world: v1\n", "world.yaml:"),
        ("nosuch.yaml", "", "nosuch.yaml: no file of a world"),
        ("scenario/x.yaml", "", "scenario/x.yaml: no file of a world"),
        ("manifests/shop.yaml", "{", "manifests/shop.yaml:"),
        ("manifests/shop.yaml", &long, "manifests/shop.yaml:"),
        ("manifests/shop.yaml", "a: &a [1]\nb: *c\n", "manifests/shop.yaml:2:"),
        ("manifests/shop.yaml", "5", "manifests/shop.yaml:1:1: a manifest is a mapping"),
        ("manifests/shop.yaml", "kind: Pod\n", "manifests/shop.yaml:1:1: a manifest has metadata"),
        ("manifests/shop.yaml", &many, "manifests/shop.yaml:6:1: spec.replicas is 1000000000"),
        ("manifests/shop.yaml", &shapeless, "manifests/shop.yaml:6:1: Deployment"),
        ("manifests/shop.yaml", &typed, "manifests/shop.yaml:6:1: Deployment in version"),
        (
            "manifests/more.yaml",
            "kind: Pod\napiVersion: v1\nmetadata: {name: x, namespace: nowhere}\n\
                spec: {containers: [{name: x, image: x}]}",
            "no manifest declares its namespace nowhere",
        ),
        ("manifests/twice.yaml", SHOP, "declared already, at manifests/shop.yaml:2:1"),
        ("applications.yaml", APPS, ""),
        ("applications.yaml", "apps:\n- app: x\n  comand: y\n", "applications.yaml:3:3: unknown"),
        (
            "applications.yaml",
            "apps:\n- app: x\n  command: y\n  starts: 1 +\n",
            "applications.yaml:4:11: syntax error",
        ),
        (
            "applications.yaml",
            "apps:\n- app: x\n  command: y\n  logs: [{after: .nan, text: x}]\n",
            "is no number of seconds",
        ),
        (
            "applications.yaml",
            "apps:\n- {app: x, command: y, log_prefix: '%!'}\n",
            "not as strftime takes it",
        ),
        ("scenarios/x.yaml", "title: t\n", "scenarios/x.yaml:"),
        ("scenarios/x.yaml", &half, "scenarios/x.yaml:4:3: a change is one of"),
        ("scenarios/x.yaml", &apply, "scenarios/x.yaml:5:3: kind Gadget is not simulated"),
    ] {
        match shop(&[(file, text)]) {
            Ok(_) => assert_eq!(wanted, "", "{file}: {text}"),
            Err(said) => assert!(!wanted.is_empty() && said.contains(wanted), "{said}\n{text}"),
        }
    }
    let without = World::from_files([("manifests/shop.yaml", SHOP)]).unwrap_err();
    assert!(without[0].to_string().contains("world.yaml: there is none"), "{without:?}");
}

#[tokio::test]
async fn a_scenario_that_does_not_fit_its_world_is_refused_where_it_is_written() {
    for (change, wanted) in [
        ("delete: {kind: Pod, name: nosuch}", "there is no Pod /nosuch"),
        ("delete: {kind: Gadget, name: nosuch}", "there is no Gadget /nosuch"),
        ("pod: {of: web, namespace: shop, index: 7}\n  with: {}", "there is no pod 7 of shop/web"),
        ("pod: {of: web, namespace: shop, index: 0}\n  with: {spec: 5}", "Pod"),
        ("patch: {kind: Deployment, namespace: shop, name: web}\n  with: 5", "a mapping"),
        ("patch: {kind: Deployment, namespace: shop, name: web}\n  with: {spec: 5}", "Deployment"),
        (
            "patch: {kind: Deployment, namespace: shop, name: web}\n  \
                with: {spec: {replicas: 999999}}",
            "spec.replicas is 999999",
        ),
    ] {
        for when in ["changes", "later"] {
            let text = format!("title: t\ndescription: d\n{when}:\n- {change}\n");
            let world = shop(&[("scenarios/x.yaml", &text)]).unwrap();
            let options = Options { scenario: "x".to_owned(), ..Options::default() };
            let error = start(&world, options).await.unwrap_err().to_string();
            assert!(
                error.starts_with("scenarios/x.yaml:4:3: ") && error.contains(wanted),
                "{when} {change}: {error}"
            );
        }
    }
}

const GADGETS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: gadgets, kind: Gadget}
  versions: [{name: v1, served: true, storage: true, subresources: {status: {}}}]
";

#[tokio::test]
async fn a_world_defines_kinds_of_its_own() {
    // the object comes before what defines its kind
    let gadget = "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: one}\n\
        spec: {size: 3}\n";
    let files = [("manifests/a.yaml", gadget), ("manifests/b.yaml", GADGETS)];
    let world = shop(&files).unwrap();
    let cluster = connected(start(&world, Options::default()).await.unwrap()).await;
    let path = "/apis/example.com/v1/namespaces/shop/gadgets/one";
    let found = cluster.get(path).await.unwrap();
    assert_eq!(
        (&found["spec"], &found["metadata"]["generation"]),
        (&json!({"size": 3}), &json!(1))
    );
    let kinds = cluster.get("/apis/example.com/v1").await.unwrap();
    assert_eq!(kinds["resources"][0]["kind"], "Gadget");
    assert_eq!(kinds["resources"][1]["name"], "gadgets/status");
    let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.example.com";
    let conditions = cluster.get(definition).await.unwrap()["status"]["conditions"].clone();
    assert!(conditions.as_array().unwrap().iter().any(|one| one["type"] == "Established"));

    // a kind that is no longer defined is gone with its objects
    let gone = http::Request::delete(definition).body(Vec::new()).unwrap();
    cluster.client.request_text(gone).await.unwrap();
    assert!(cluster.get(path).await.is_err());
    assert!(cluster.get("/apis/example.com/v1").await.is_err());

    // the kinds of a world are no other world's, whichever was read first
    let alone = shop(&[("manifests/a.yaml", gadget)]).unwrap_err();
    assert!(alone.contains("CustomResourceDefinition"), "{alone}");
}
