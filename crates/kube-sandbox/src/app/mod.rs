//! The processes in the pods: their responses, logs and dependencies, as `applications.yaml`
//! declares them; see [mod@format].

mod answers;
mod context;
mod format;
mod functions;
mod http;
mod logs;
mod memory;
mod prometheus;
mod promql;
mod watch;

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

pub(crate) use answers::Answers;
pub(crate) use context::{AppContext, Request};
pub(crate) use format::{App, Document, Otherwise, Text};
use format::{Exits, ImageSet, LogRule, Route};
pub(crate) use http::{Response, respond, respond_inside, status};
pub(crate) use logs::{Line, former_lines, lines, moments, next_moment};
pub(crate) use memory::Memory;
pub(crate) use watch::Watch;

use crate::world::{Place, WorldFault, unreadable};
use netpol_evaluator::{Labels, Protocol};

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

/// The name that the result of an expression has in its template.
const RESULT: &str = "result";

/// The name of the template of one part of an app.
fn template(app: usize, part: &str, index: impl std::fmt::Display) -> String {
    format!("{app}/{part}/{index}")
}

fn environment() -> Environment<'static> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::None);
    templates.set_undefined_behavior(UndefinedBehavior::Chainable);
    templates.set_fuel(Some(500_000));
    functions::register(&mut templates);
    templates
}

/// Templates on their way to being compiled, with the file that they are from.
struct Compiler<'a> {
    templates: Environment<'static>,
    file: &'a str,
}

impl Compiler<'_> {
    fn template(&mut self, name: String, text: &Text) -> Result<(), WorldFault> {
        self.add(name, text.value.clone(), text)
    }

    fn expression(&mut self, name: String, text: &Text) -> Result<(), WorldFault> {
        self.add(name, format!("{{% set {RESULT} = ({}) %}}", text.value), text)
    }

    fn maybe(&mut self, name: String, text: Option<&Text>) -> Result<(), WorldFault> {
        text.map_or(Ok(()), |text| self.expression(name, text))
    }

    fn add(&mut self, name: String, source: String, text: &Text) -> Result<(), WorldFault> {
        self.templates.add_template_owned(name, source).map_err(|error| {
            let line = match error.line() {
                Some(line) if line > 1 => format!(" in line {line} of this text"),
                _ => String::new(),
            };
            let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
            Place::at(self.file, text.defined).fault(format!("{}{line}{detail}", error.kind()))
        })
    }

    /// Everything of an app that is evaluated.
    fn app(&mut self, index: usize, app: &App) -> Result<(), WorldFault> {
        let name = |part: &str, place: usize| template(index, part, place);
        self.said(index, &app.values, &app.routes, &app.logs)?;
        for (place, port) in app.ports.iter().enumerate() {
            self.maybe(name("port", place), port.when.as_ref())?;
            self.maybe(name("loopback", place), port.loopback.as_ref())?;
        }
        self.maybe(name("leads", 0), app.leads.as_ref().map(|leads| &leads.when))?;
        self.maybe(name("starts", 0), app.starts.as_ref())?;
        self.ends(index, app.exits.as_ref(), app.memory.as_ref())?;
        for (place, rule) in app.happens.iter().enumerate() {
            self.maybe(name("happens-when", place), rule.when.as_ref())?;
        }
        Ok(())
    }

    /// How an app ends, and what memory it uses.
    fn ends(
        &mut self,
        index: usize,
        exits: Option<&Exits>,
        memory: Option<&Text>,
    ) -> Result<(), WorldFault> {
        self.maybe(template(index, "memory", 0), memory)?;
        if let Some(exits) = exits {
            self.maybe(template(index, "exits-when", 0), exits.when.as_ref())?;
            self.expression(template(index, "exits-after", 0), &exits.after)?;
            self.expression(template(index, "exits-code", 0), &exits.code)?;
        }
        Ok(())
    }

    /// What an app answers and writes.
    fn said(
        &mut self,
        index: usize,
        values: &BTreeMap<String, Text>,
        routes: &[Route],
        logs: &[LogRule],
    ) -> Result<(), WorldFault> {
        let name = |part: &str, place: usize| template(index, part, place);
        for (value, text) in values {
            self.expression(template(index, "value", value), text)?;
        }
        for (place, route) in routes.iter().enumerate() {
            self.maybe(name("route-does", place), route.does.as_ref())?;
            self.maybe(name("route-when", place), route.when.as_ref())?;
            match (&route.json, &route.text) {
                (Some(json), _) => self.expression(name("route", place), json)?,
                (None, Some(text)) => self.template(name("route", place), text)?,
                (None, None) => {}
            }
        }
        for (place, rule) in logs.iter().enumerate() {
            self.maybe(name("log-when", place), rule.when.as_ref())?;
            self.template(name("log", place), &rule.text)?;
        }
        Ok(())
    }
}

impl App {
    /// What a scenario makes of it, if it is meant.
    fn become_otherwise(&mut self, other: &Otherwise) {
        if other.app.value != self.name {
            return;
        }
        let Otherwise { app: _, values, routes, logs, exits, memory } = other.clone();
        self.values.extend(values);
        self.routes.splice(0..0, routes);
        self.logs.extend(logs);
        self.exits = exits.or(self.exits.take());
        self.memory = memory.or(self.memory.take());
    }
}

impl Apps {
    /// Reads the descriptions of some files, weakest first, with what a scenario makes of them.
    pub(crate) fn load<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
        otherwise: &[Otherwise],
    ) -> Result<Self, WorldFault> {
        let mut document = Document::default();
        let mut compiler = Compiler { templates: environment(), file: "" };
        for (file, text) in files {
            let Document { images, tools, mut apps, templates } =
                serde_saphyr::from_str(text).map_err(|error| unreadable(file, &error))?;
            compiler.file = file;
            for (name, text) in &templates {
                compiler.template(name.clone(), text)?;
            }
            for (place, app) in apps.iter_mut().enumerate() {
                for other in otherwise {
                    app.become_otherwise(other);
                }
                compiler.app(document.apps.len() + place, app)?;
            }
            document.images.extend(images);
            document.tools.extend(tools);
            document.apps.extend(apps);
        }
        Ok(Self { document, templates: compiler.templates })
    }

    /// Refuses what a scenario says of apps in texts that cannot be compiled.
    pub(crate) fn check(file: &str, otherwise: &[Otherwise]) -> Result<(), WorldFault> {
        let mut compiler = Compiler { templates: environment(), file };
        otherwise.iter().enumerate().try_for_each(|(place, other)| {
            compiler.ends(place, other.exits.as_ref(), other.memory.as_ref())?;
            compiler.said(place, &other.values, &other.routes, &other.logs)
        })
    }

    pub(crate) fn app(&self, index: usize) -> &App {
        &self.document.apps[index]
    }

    /// The commands of an image; none if it cannot be pulled.
    pub(crate) fn tools(&self, image: &str) -> Option<&[String]> {
        self.document.tools.get(&self.image(image)?.tools).map(Vec::as_slice)
    }

    /// What is known of an image; nothing if it cannot be pulled.
    pub(crate) fn image(&self, image: &str) -> Option<&ImageSet> {
        self.document.images.iter().find(|set| set.images.iter().any(|known| known == image))
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
            let wanted: Vec<&str> = app.command.split_whitespace().collect();
            // an image whose program starts by itself is recognised by its name
            command.starts_with(&wanted)
                && (!wanted.is_empty() || app.of_image.is_some())
                && app.of_image.as_ref().is_none_or(|part| image.contains(part))
        })
    }

    /// The description of what a container of a manifest runs.
    pub(crate) fn of_container(&self, container: &Value) -> Option<&App> {
        let image = container["image"].as_str().unwrap_or_default();
        self.program(image, container).map(|index| self.app(index))
    }

    /// Says whether a program with this environment listens on a port.
    pub(crate) fn listens(&self, app: usize, env: &Labels, port: u16, protocol: Protocol) -> bool {
        self.app(app).ports.iter().enumerate().any(|(place, entry)| {
            moved(env, entry.port) == port
                && entry.protocol == protocol
                && (entry.when.is_none() || self.of_port("port", app, place, env))
        })
    }

    /// Says whether what listens on a port does so on the loopback address alone.
    pub(crate) fn is_loopback(&self, app: usize, env: &Labels, port: u16) -> bool {
        self.app(app).ports.iter().enumerate().any(|(place, entry)| {
            moved(env, entry.port) == port
                && entry.loopback.is_some()
                && self.of_port("loopback", app, place, env)
        })
    }

    fn of_port(&self, part: &str, app: usize, place: usize, env: &Labels) -> bool {
        let context = minijinja::context! { env => minijinja::value::Serde(env) };
        let evaluated = self
            .templates
            .get_template(&template(app, part, place))
            .and_then(|template| template.render_captured(context));
        let result = evaluated.ok().and_then(|evaluated| evaluated.state().lookup(RESULT));
        result == Some(minijinja::Value::from(true))
    }
}
