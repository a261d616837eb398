//! Sends an HTTP request along its route.

use super::fan_out::{Item, each_pod, pods_of};
use super::http_answer::{Answer, Patience, in_doubt, judge};
use super::http_in_pod::{self, SendingPod};
use super::http_route::{RequestDestination, Route};
use super::settled::Question;
use super::{kubectl_line, port};
use crate::action::http::{Http, HttpPort, Via, service_name};
use crate::action::{Context, Failure, FailureKind, Output, Pods, Target, Verb};
use crate::cluster::{
    Error, HttpAnswer, PodsOf, ProxyTo, Selection, builtin, direct_http, label_selector,
};
use crate::diagnosis::pod;
use crate::event::Effect;
use serde_json::{Map, Value, json};
use std::future::Future;
use std::sync::atomic::AtomicUsize;
use tokio::time::Instant;

impl Http {
    /// Sends the request along its route, reading bodies up to `limit` bytes, and makes an item of
    /// each response.
    ///
    /// # Errors
    /// When there is no route, or no pod could be queried.
    pub(in crate::action) async fn ask<F>(
        &self,
        context: &Context,
        limit: usize,
        show: F,
    ) -> Result<Output, Failure>
    where
        F: Fn(Answer) -> Item + Sync,
    {
        // a request that may have changed something and got no answer is no answer either; who
        // refused the connection got none
        let show = &|answer: Answer| match answer {
            Answer::Missing { refused: false, reason, .. } if self.effect() == Effect::Opaque => {
                Err(in_doubt(self.method, &reason))
            }
            answer => show(answer),
        };
        let route = self.route().ok_or_else(|| {
            Failure::error(self.check().err().unwrap_or_else(|| "no destination".to_owned()))
        })?;
        match route {
            Route::Direct { url } => {
                let answer = self.direct(context, url, limit).await?;
                alone(show(answer)?, [("url", url)])
            }
            Route::FromPods { from, to } => {
                self.ask_from_pods(context, from, to, limit, show).await
            }
            Route::ToPods { target } => self.ask_pods(context, target, limit, show).await,
            Route::ToPodsOfService { target } => {
                self.ask_pods_of_service(context, target, limit, show).await
            }
            Route::ToService { target, name } if self.via == Via::Proxy => {
                let answer = self.proxied_service(context, target, name, limit).await?;
                alone(show(answer)?, [("service", name)])
            }
            Route::ToService { target, name } => {
                let (pod, answer) = self.forwarded_service(context, target, limit).await?;
                alone(show(answer)?, [("service", name), ("pod", &pod)])
            }
        }
    }

    /// From this machine.
    async fn direct(&self, context: &Context, url: &str, limit: usize) -> Result<Answer, Failure> {
        self.allowed(&context.hosts).map_err(Failure::error)?;
        self.say(context, url);
        let request = self.request(url).map_err(Failure::error)?;
        if let Some(outside) = &context.outside {
            return outside.request(url);
        }
        let patience = Patience::new(context, self.timeout.0);
        self.judged(patience, direct_http(request, patience.time, limit)).await
    }

    /// From inside each pod of `from`.
    async fn ask_from_pods(
        &self,
        context: &Context,
        from: &Target,
        to: RequestDestination<'_>,
        limit: usize,
        show: &(impl Fn(Answer) -> Item + Sync),
    ) -> Result<Output, Failure> {
        let (pods, url) = match to {
            RequestDestination::Url(url) => {
                (pods_of(context, from, self.pods()).await?, url.to_owned())
            }
            RequestDestination::Target(target) => tokio::try_join!(
                pods_of(context, from, self.pods()),
                self.inner_url(context, target)
            )?,
        };
        self.say(context, &format!("{url} from {} of {from}", kubectl_line::counted(pods.len())));
        let place = from.namespace(&context.namespace);
        let (first, url) = (&AtomicUsize::new(0), url.as_str());
        each_pod(self.question(context, from), &pods, |name, pod| async move {
            let containers = pod::network_containers(&pod);
            let sender = SendingPod { namespace: place, pod: &name, containers: &containers };
            show(http_in_pod::ask(context, self, url, sender, first, limit).await?)
        })
        .await
    }

    /// To each pod of a workload or selector, or to one pod, through the API server.
    async fn ask_pods(
        &self,
        context: &Context,
        target: &Target,
        limit: usize,
        show: &(impl Fn(Answer) -> Item + Sync),
    ) -> Result<Output, Failure> {
        let pods = pods_of(context, target, self.pods()).await?;
        self.say(context, &format!("{} of {target}", kubectl_line::counted(pods.len())));
        let namespace = target.namespace(&context.namespace);
        let services = &self.services_for(context, namespace, &pods).await;
        each_pod(self.question(context, target), &pods, |name, pod| async move {
            let port = port::of_pod(&pod, self.port.as_ref(), self.container.as_deref());
            let port = port
                .or_else(|reason| port::by_services(&pod, services).ok_or(reason))
                .map_err(Failure::error)?;
            show(self.one_pod(context, namespace, name, port, limit).await?)
        })
        .await
    }

    /// To each ready pod of a Service, through the API server.
    async fn ask_pods_of_service(
        &self,
        context: &Context,
        target: &Target,
        limit: usize,
        show: &(impl Fn(Answer) -> Item + Sync),
    ) -> Result<Output, Failure> {
        let namespace = target.namespace(&context.namespace);
        let (entry, pods) = self.behind_service(context, target).await?;
        self.say(context, &format!("{} behind {target}", kubectl_line::counted(pods.len())));
        let entry = &entry;
        let question = Question { one: false, ..self.question(context, target) };
        each_pod(question, &pods, |name, pod| async move {
            let port = port::behind(entry, &pod).map_err(Failure::error)?;
            show(self.one_pod(context, namespace, name, port, limit).await?)
        })
        .await
    }

    /// To a Service by the API server's proxy, which chooses the endpoint.
    async fn proxied_service(
        &self,
        context: &Context,
        target: &Target,
        name: &str,
        limit: usize,
    ) -> Result<Answer, Failure> {
        let port = match &self.port {
            Some(port) => port.to_string(),
            None => service_port(&service(context, target).await?, None)?.to_string(),
        };
        self.say(context, &format!("{target}:{port}"));
        let to = ProxyTo::Service { name: name.to_owned(), port };
        self.proxied(context, target.namespace(&context.namespace), &to, limit).await
    }

    /// To a Service by a port-forward to its first ready pod, which is named beside the answer.
    async fn forwarded_service(
        &self,
        context: &Context,
        target: &Target,
        limit: usize,
    ) -> Result<(String, Answer), Failure> {
        let namespace = target.namespace(&context.namespace);
        let (entry, pods) = self.behind_service(context, target).await?;
        let ready = pods.first().unwrap_or(&Value::Null);
        let port = port::behind(&entry, ready).map_err(Failure::error)?;
        let pod = ready["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.say(context, &format!("{target} at pod {pod}:{port}"));
        let answer = self.forwarded(context, namespace, &pod, port, limit).await?;
        Ok((pod, answer))
    }

    /// The request as a question to these pods.
    fn question<'a>(&self, context: &'a Context, whom: &'a Target) -> Question<'a> {
        Question::read(context, whom, self.pods()).with(self.effect())
    }

    fn say(&self, context: &Context, whom: &str) {
        (context.progress)(&format!(
            "{} {} of {whom}",
            self.method.text(),
            if self.url.is_some() { "" } else { &self.path }
        ));
    }

    /// The Services of the namespace, where pods themselves do not say which port is meant.
    async fn services_for(&self, context: &Context, namespace: &str, pods: &[Value]) -> Vec<Value> {
        let known =
            |pod: &Value| port::of_pod(pod, self.port.as_ref(), self.container.as_deref()).is_ok();
        let (Ok(cluster), Some(kind)) = (context.cluster(), builtin("Service")) else {
            return Vec::new();
        };
        if self.port.is_some() || pods.iter().all(known) {
            return Vec::new();
        }
        // who may not read them is told what the pods lack
        cluster.list(&kind, Some(namespace), &Selection::default()).await.unwrap_or_default()
    }

    /// Asks one pod over the API server, as `via` says.
    async fn one_pod(
        &self,
        context: &Context,
        namespace: &str,
        name: String,
        port: u16,
        limit: usize,
    ) -> Result<Answer, Failure> {
        match self.via {
            Via::Proxy => {
                self.proxied(context, namespace, &ProxyTo::Pod { name, port }, limit).await
            }
            Via::Forward | Via::Pod | Via::Direct => {
                self.forwarded(context, namespace, &name, port, limit).await
            }
        }
    }

    async fn forwarded(
        &self,
        context: &Context,
        namespace: &str,
        pod: &str,
        port: u16,
        limit: usize,
    ) -> Result<Answer, Failure> {
        let request = self.request(&self.path).map_err(Failure::error)?;
        let patience = Patience::new(context, self.timeout.0);
        let cluster = context.cluster()?;
        self.judged(
            patience,
            cluster.forward_http(namespace, pod, port, request, patience.time, limit),
        )
        .await
    }

    async fn proxied(
        &self,
        context: &Context,
        namespace: &str,
        to: &ProxyTo,
        limit: usize,
    ) -> Result<Answer, Failure> {
        let request = self.request(&self.path).map_err(Failure::error)?;
        let patience = Patience::new(context, self.timeout.0);
        let cluster = context.cluster()?;
        self.judged(patience, cluster.proxy_http(namespace, to, request, patience.time, limit))
            .await
    }

    async fn judged<E>(&self, patience: Patience, exchange: E) -> Result<Answer, Failure>
    where
        E: Future<Output = Result<HttpAnswer, Error>> + Send,
    {
        let started = Instant::now();
        let result = exchange.await;
        judge(result, self.method, self.via, patience, started.elapsed())
    }

    /// The ready pods behind a service, at least one, and the entry of its port.
    async fn behind_service(
        &self,
        context: &Context,
        target: &Target,
    ) -> Result<(Value, Vec<Value>), Failure> {
        let namespace = target.namespace(&context.namespace);
        let service = service(context, target).await?;
        let entry = port::of_service(&service, self.port.as_ref()).map_err(Failure::error)?;
        let selector = label_selector(&json!({"matchLabels": service["spec"]["selector"]}));
        if selector.is_empty() {
            return Err(Failure::error(format!(
                "{target} in namespace {namespace} has no selector, so its pods are unknown; use \
                    `via: proxy`"
            )));
        }
        let mut pods = context.cluster()?.pods(&PodsOf::Selector(selector), namespace).await?;
        let all = pods.len();
        pods.retain(pod::is_ready);
        if pods.is_empty() {
            return Err(Failure::error(format!(
                "{target} in namespace {namespace} has no ready pod ({all} not ready)"
            )));
        }
        Ok((entry.clone(), pods))
    }

    /// The URL of a service or of one pod as other pods see it.
    async fn inner_url(&self, context: &Context, target: &Target) -> Result<String, Failure> {
        let namespace = target.namespace(&context.namespace);
        let (host, port) = match service_name(target) {
            Some(name) => {
                let port = match &self.port {
                    Some(HttpPort::Number(port)) => *port,
                    other => service_port(&service(context, target).await?, other.as_ref())?,
                };
                (format!("{name}.{namespace}.svc"), port)
            }
            None => {
                let pods = pods_of(context, target, Pods::One).await?;
                let pod = pods.first().unwrap_or(&Value::Null);
                let Some(ip) = pod["status"]["podIP"].as_str() else {
                    return Err(Failure::new(
                        FailureKind::Failed,
                        format!("{target} in namespace {namespace} has no address yet"),
                    ));
                };
                let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
                (
                    host,
                    port::of_pod(pod, self.port.as_ref(), self.container.as_deref())
                        .map_err(Failure::error)?,
                )
            }
        };
        Ok(format!("http://{host}:{port}{}", self.path))
    }
}

async fn service(context: &Context, target: &Target) -> Result<Value, Failure> {
    let resource = builtin("Service").ok_or_else(|| Failure::error("no built-in kind Service"))?;
    let name = service_name(target).unwrap_or_default();
    Ok(context.cluster()?.get(&resource, Some(target.namespace(&context.namespace)), name).await?)
}

fn service_port(service: &Value, wanted: Option<&HttpPort>) -> Result<u16, Failure> {
    let entry = port::of_service(service, wanted).map_err(Failure::error)?;
    port::number(&entry["port"])
        .ok_or_else(|| Failure::error("the service has a port without a number"))
}

/// One item as the whole output, with what it is of.
fn alone<const N: usize>(
    fields: Map<String, Value>,
    of: [(&str, &str); N],
) -> Result<Output, Failure> {
    let mut item: Map<String, Value> =
        of.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
    item.extend(fields);
    Ok(Output::new(Value::Object(item), ""))
}
