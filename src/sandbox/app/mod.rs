//! The processes in the pods: what they answer, write, and depend on. The data is in
//! `world/apps.yaml`, see [`format`].

mod context;
mod format;
mod functions;
mod http;
mod logs;
mod memory;
mod prometheus;
mod promql;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

pub(crate) use context::{AppContext, Request};
pub(crate) use format::{App, Document};
pub(crate) use http::{Response, respond};
pub(crate) use logs::{Line, lines, moments};
pub(crate) use memory::Memory;

use super::SandboxError;
use crate::network::{Labels, Protocol};

/// All processes, with their templates compiled.
#[derive(Debug)]
pub(crate) struct Apps {
    pub(crate) document: Document,
    templates: Environment<'static>,
}

/// The port on which a program listens that was told to by its environment: `PORT_8080` is where it
/// listens instead of 8080.
pub(crate) fn moved(env: &Labels, port: u16) -> u16 {
    env.get(&format!("PORT_{port}")).and_then(|other| other.parse().ok()).unwrap_or(port)
}

/// The name of the template of one part of an app.
fn template(app: usize, part: &str, index: impl std::fmt::Display) -> String {
    format!("{app}/{part}/{index}")
}

impl Apps {
    pub(crate) fn load(text: &str) -> Result<Self, SandboxError> {
        let wrong =
            |reason: String| SandboxError::World { file: "world/apps.yaml".to_owned(), reason };
        let document: Document =
            serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let mut templates = Environment::new();
        templates.set_auto_escape_callback(|_| AutoEscape::None);
        templates.set_undefined_behavior(UndefinedBehavior::Chainable);
        templates.set_fuel(Some(500_000));
        functions::register(&mut templates);
        let mut add = |name: String, source: String| {
            templates
                .add_template_owned(name.clone(), source)
                .map_err(|error| wrong(format!("{name}: {error}")))
        };
        let expression = |source: &str| format!("{{{{ ({source}) | tojson }}}}");
        for (name, source) in &document.templates {
            add(name.clone(), source.clone())?;
        }
        for (index, app) in document.apps.iter().enumerate() {
            for (name, source) in &app.values {
                add(template(index, "value", name), expression(source))?;
            }
            for (place, port) in app.ports.iter().enumerate() {
                if let Some(when) = &port.when {
                    add(template(index, "port", place), expression(when))?;
                }
            }
            if let Some(leads) = &app.leads {
                add(template(index, "leads", 0), expression(&leads.when))?;
            }
            if let Some(starts) = &app.starts {
                add(template(index, "starts", 0), expression(starts))?;
            }
            if let Some(exits) = &app.exits {
                add(template(index, "exits-after", 0), expression(&exits.after))?;
                add(template(index, "exits-code", 0), expression(&exits.code))?;
            }
            for (place, rule) in app.happens.iter().enumerate() {
                if let Some(when) = &rule.when {
                    add(template(index, "happens-when", place), expression(when))?;
                }
            }
            for (place, route) in app.routes.iter().enumerate() {
                if let Some(does) = &route.does {
                    add(template(index, "route-does", place), expression(does))?;
                }
                if let Some(when) = &route.when {
                    add(template(index, "route-when", place), expression(when))?;
                }
                let body = route
                    .json
                    .as_deref()
                    .map(expression)
                    .or_else(|| route.text.clone())
                    .unwrap_or_default();
                add(template(index, "route", place), body)?;
            }
            for (place, rule) in app.logs.iter().enumerate() {
                if let Some(when) = &rule.when {
                    add(template(index, "log-when", place), expression(when))?;
                }
                add(template(index, "log", place), rule.text.clone())?;
            }
        }
        Ok(Self { document, templates })
    }

    pub(crate) fn app(&self, index: usize) -> &App {
        &self.document.apps[index]
    }

    /// The commands of an image; none if it cannot be pulled.
    pub(crate) fn tools(&self, image: &str) -> Option<&[String]> {
        let set = self
            .document
            .images
            .iter()
            .find(|set| set.images.iter().any(|known| known == image))?;
        self.document.tools.get(&set.tools).map(Vec::as_slice)
    }

    /// The program that a container runs.
    pub(crate) fn program(&self, image: &str, container: &Value) -> Option<usize> {
        let words = ["command", "args"]
            .into_iter()
            .flat_map(|field| super::object::list(&container[field]))
            .filter_map(Value::as_str);
        let command: Vec<&str> =
            words.map(|word| word.rsplit('/').next().unwrap_or(word)).collect();
        self.document.apps.iter().position(|app| {
            let wanted: Vec<&str> = app.command.split(' ').collect();
            command.starts_with(&wanted)
                && app.of_image.as_ref().is_none_or(|part| image.contains(part))
        })
    }

    /// Says whether a program with this environment listens on a port.
    pub(crate) fn listens(&self, app: usize, env: &Labels, port: u16, protocol: Protocol) -> bool {
        self.app(app).ports.iter().enumerate().any(|(place, entry)| {
            moved(env, entry.port) == port
                && entry.protocol == protocol
                && (entry.when.is_none() || self.port_open(app, place, env))
        })
    }

    fn port_open(&self, app: usize, place: usize, env: &Labels) -> bool {
        let context = minijinja::context! { env => minijinja::value::Serde(env) };
        let rendered = self
            .templates
            .get_template(&template(app, "port", place))
            .and_then(|template| template.render(context));
        rendered.is_ok_and(|text| text == "true")
    }
}
