//! Runbooks that the program makes itself: of values, not of a text.

use super::body::{Body, Written};
use super::deferred::Deferred;
use super::referred::Referred;
use super::runbook::{OnFailure, Origin, Runbook, Step};
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
            bound: Vec::new(),
            around: Vec::new(),
            when: None,
            for_each: None,
            retry: None,
            poll: None,
            timeout: None,
            on_failure: None,
            severity: Severity::default(),
            expect: Vec::new(),
            body: Body::Verb(Written { arguments: Deferred::Known(arguments), sketch }),
            save: Vec::new(),
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
                Body::Verb(written) => written.arguments.partial(&Value::Null),
                _ => Value::Null,
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
            sandbox: None,
            hosts: None,
            params: IndexMap::new(),
            namespace: None,
            bound: Vec::new(),
            on_failure: OnFailure::default(),
            steps,
            always: Vec::new(),
            findings: Vec::new(),
            unused: Vec::new(),
            referred: Referred::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_values_is_a_verb_with_arguments_that_it_takes() {
        let target = json!({"target": "deployment/x"});
        let step = Step::built("a", "{{ no template }}", "rollout", target).unwrap();
        assert_eq!(step.verb(), "rollout");
        assert_eq!(step.title.render_text(&Value::Null).unwrap(), "{{ no template }}");
        let runbook = Runbook::built("n", "T", "", vec![step]);
        assert_eq!(
            &runbook.source[runbook.steps[0].span.clone()],
            r#"{"id":"a","rollout":{"target":"deployment/x"}}"#
        );
        for (verb, arguments) in
            [("rollout", json!({})), ("rollout", json!({"tarjet": 1})), ("fly", json!({}))]
        {
            assert!(Step::built("a", "T", verb, arguments.clone()).is_err(), "{verb} {arguments}");
        }
    }
}
