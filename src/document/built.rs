//! Runbooks that the program makes itself: of values, not of a text.

use super::deferred::Deferred;
use super::referred::Referred;
use super::runbook::{Body, OnFailure, Origin, Runbook, Step};
use crate::action::VerbName;
use crate::event::Severity;
use indexmap::IndexMap;
use serde::de::DeserializeSeed;
use serde_json::{Value, json};

impl Step {
    /// A step that does this and nothing else. Its title is taken as it is.
    ///
    /// # Errors
    /// When the verb does not take these arguments.
    pub fn built(
        id: impl Into<String>,
        title: impl Into<String>,
        verb: &str,
        arguments: Value,
    ) -> Result<Self, serde_json::Error> {
        let sketch = Box::new(VerbName(verb).deserialize(arguments.clone())?);
        Ok(Self {
            id: id.into(),
            title: Deferred::Known(Value::from(title.into())),
            namespace: None,
            when: None,
            for_each: None,
            retry: None,
            poll: None,
            timeout: None,
            on_failure: None,
            severity: Severity::default(),
            expect: Vec::new(),
            body: Body::Action {
                verb: verb.to_owned(),
                arguments: Deferred::Known(arguments),
                sketch,
                program: None,
            },
            then: Vec::new(),
            typed: false,
            span: 0..0,
        })
    }
}

impl Runbook {
    /// A procedure of such steps. What its digests are made of is what the steps do, whatever they
    /// are called: other words are no other procedure.
    pub fn built(
        name: impl Into<String>,
        title: impl Into<String>,
        description: impl Into<String>,
        mut steps: Vec<Step>,
    ) -> Self {
        let mut source = String::new();
        for step in &mut steps {
            let begin = source.len();
            let arguments = match &step.body {
                Body::Action { arguments, .. } => arguments.partial(&Value::Null),
                Body::Group(_) => Value::Null,
            };
            source += &json!({"id": step.id, step.verb(): arguments}).to_string();
            step.span = begin..source.len();
            source.push('\n');
        }
        let name = name.into();
        Self {
            file: name.clone(),
            name,
            origin: Origin::File,
            source: source.into(),
            title: title.into(),
            description: description.into(),
            alerts: Vec::new(),
            covers: Vec::new(),
            contexts: Vec::new(),
            hosts: None,
            params: IndexMap::new(),
            namespace: None,
            on_failure: OnFailure::default(),
            steps,
            always: Vec::new(),
            findings: Vec::new(),
            referred: Referred::default(),
        }
    }
}
