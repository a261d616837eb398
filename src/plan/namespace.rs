//! In which namespace a run acts: what `-n` means to its runbook, to those that it calls, and to
//! the commands to type next.

use super::{Given, ParamError, context, resolve};
use crate::document::{Deferred, Param};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

/// The parameter that is a namespace by its name, also where `namespace:` is not made of it.
const BY_NAME: &str = "namespace";

/// What a runbook says of its namespace: its parameters, and its `namespace:`.
#[derive(Clone, Copy, Debug)]
pub struct Says<'a> {
    /// Its parameters.
    pub params: &'a IndexMap<String, Param>,
    /// Its namespace; none if it takes that of the context, or of its caller.
    pub namespace: Option<&'a Deferred>,
}

/// A run that acts elsewhere than its runbook would by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it would act by itself; none if that is for the context to say.
    pub from: Option<String>,
    /// Where it acts.
    pub to: String,
}

impl Says<'_> {
    /// The parameters that have to be `namespace` so that the runbook acts there: the one that its
    /// `namespace:` is, and one of that name.
    pub fn set_by(&self, namespace: &str) -> Vec<String> {
        let mut names: Vec<String> = self.parameter(namespace).into_iter().collect();
        if self.params.contains_key(BY_NAME) && !names.iter().any(|name| name == BY_NAME) {
            names.push(BY_NAME.to_owned());
        }
        names
    }

    /// The one parameter of which `namespace:` is made, if it is the namespace as it stands.
    fn parameter(&self, namespace: &str) -> Option<String> {
        let written = self.namespace?;
        let mut names = written
            .references()
            .into_iter()
            .map(|reference| reference.name.as_deref().filter(|_| reference.root == "params"));
        let first = names.next()??;
        let one = self.params.contains_key(first) && names.all(|name| name == Some(first));
        let same = || {
            written
                .render_text(&json!({"params": {first: namespace}}))
                .is_ok_and(|rendered| rendered == namespace)
        };
        (one && same()).then(|| first.to_owned())
    }

    /// Whether `namespace:` is made of one of these parameters.
    fn is_made_of(&self, with: &Map<String, Value>) -> bool {
        let references = self.namespace.map(Deferred::references).unwrap_or_default();
        references.iter().any(|reference| {
            reference.root == "params"
                && reference.name.as_ref().is_some_and(|name| with.contains_key(name))
        })
    }

    /// Parameters and namespace, with the namespace of the command line if one was given.
    ///
    /// # Errors
    /// What is wrong with the parameters; a namespace that is none; a command line that cannot win,
    /// with what to set instead.
    pub fn settle(
        &self,
        given: &[Given],
        wanted: Option<&str>,
    ) -> Result<(Map<String, Value>, Option<String>), Vec<ParamError>> {
        let mut given = given.to_vec();
        for name in wanted.map(|namespace| self.set_by(namespace)).unwrap_or_default() {
            given.push(Given { name, value: Value::from(wanted), is_text: true });
        }
        let params = resolve(self.params, &given)?;
        let Some(written) = self.namespace else { return Ok((params, wanted.map(str::to_owned))) };
        let wrong = |message: String| vec![ParamError::new("", message)];
        if self.is_left_open(written, &params) {
            return Ok((params, wanted.map(str::to_owned)));
        }
        let own = written
            .render_text(&context(&params))
            .map_err(|error| wrong(format!("`namespace` of the runbook: {error}")))?;
        let namespace = match wanted {
            // it says only this, and the command line says another
            Some(wanted) if written.references().is_empty() => wanted.to_owned(),
            Some(wanted) if own != wanted => {
                return Err(wrong(self.cannot_win(written, &own, wanted)));
            }
            _ => own,
        };
        check_namespace(&namespace)
            .map_err(|message| wrong(format!("`namespace` of the runbook: {message}")))?;
        Ok((params, Some(namespace)))
    }

    /// Whether the namespace is an optional parameter that nobody has given: it is that of the
    /// context then, as without `namespace:`.
    fn is_left_open(&self, written: &Deferred, params: &Map<String, Value>) -> bool {
        let references = written.references();
        !references.is_empty()
            && references.iter().all(|reference| {
                let value = reference.name.as_ref().and_then(|name| params.get(name));
                reference.root == "params" && value.is_some_and(Value::is_null)
            })
    }

    /// Whether nobody says in which namespace the runbook acts, so that it is that of the context.
    pub fn leaves_to_the_context(&self, given: &[Given]) -> bool {
        // what is wrong with the parameters is said later
        let Ok(params) = resolve(self.params, given) else { return false };
        let is_set = params.get(BY_NAME).is_some_and(|value| !value.is_null());
        match self.namespace {
            Some(written) => self.is_left_open(written, &params),
            None => !is_set,
        }
    }

    /// Where the runbook acts if nobody says anything; none if it does not say.
    pub fn by_default(&self) -> Option<String> {
        let defaults: Map<_, _> = self
            .params
            .iter()
            .filter_map(|(name, param)| Some((name.clone(), param.default.clone()?)))
            .collect();
        self.namespace?.render_text(&context(&defaults)).ok()
    }

    fn cannot_win(&self, written: &Deferred, own: &str, wanted: &str) -> String {
        let made: Vec<String> = written
            .references()
            .iter()
            .filter(|reference| reference.root == "params")
            .filter_map(|reference| reference.name.clone())
            .collect();
        let source = match written {
            Deferred::Template(template) => template.source(),
            Deferred::Known(_) | Deferred::List(_) | Deferred::Map(_) => "",
        };
        let mut set: Vec<String> =
            made.iter().map(|name| format!("--set {name}={}", name.to_uppercase())).collect();
        set.dedup();
        format!(
            "-n {wanted} has no effect: this runbook computes its namespace from `{source}`, \
                which is {own}; set instead: {}",
            set.join(" ")
        )
    }
}

impl Moved {
    /// How a run that acts in `namespace` has moved.
    pub(super) fn of(
        says: &Says<'_>,
        namespace: Option<&str>,
        wanted: Option<&str>,
    ) -> Option<Self> {
        let to = namespace?.to_owned();
        match says.by_default() {
            Some(from) if from == to => None,
            Some(from) => Some(Self { from: Some(from), to }),
            None => wanted.map(|_| Self { from: None, to }),
        }
    }

    /// Whether a called runbook goes along: it would act where its caller would have acted, by its
    /// own text and not by that of its caller.
    fn takes_along(
        &self,
        called: &Says<'_>,
        with: &Map<String, Value>,
        alone: Option<&str>,
    ) -> bool {
        let there =
            |namespace: Option<&str>| self.from.is_some() && namespace == self.from.as_deref();
        match called.namespace {
            Some(_) => there(alone) && !called.is_made_of(with),
            None => {
                !with.contains_key(BY_NAME)
                    && called
                        .params
                        .get(BY_NAME)
                        .is_some_and(|param| there(param.default.as_ref().and_then(Value::as_str)))
            }
        }
    }
}

/// Parameters and namespace of a called runbook; none: that of its caller.
///
/// # Errors
/// What is wrong with its parameters; that it cannot go along.
pub fn called(
    says: &Says<'_>,
    with: &Map<String, Value>,
    moved: Option<&Moved>,
) -> Result<(Map<String, Value>, Option<String>), Vec<ParamError>> {
    let given: Vec<Given> = with
        .iter()
        .map(|(name, value)| Given { name: name.clone(), value: value.clone(), is_text: false })
        .collect();
    let alone = says.settle(&given, None)?;
    match moved {
        Some(Moved { from: None, to }) if !says.is_made_of(with) => match &alone.1 {
            // where its caller would act without -n is for the context to say: whether it should go
            // along nobody knows
            Some(own) if own != to => {
                let hand = says
                    .set_by(to)
                    .first()
                    .map_or_else(String::new, |name| format!(", with {name} in its `with`"));
                let message = format!(
                    "-n {to} does not apply to it: it runs in {own}; pass a namespace{hand}, or \
                        run it separately"
                );
                Err(vec![ParamError::new("", message)])
            }
            _ => Ok(alone),
        },
        Some(moved) if moved.takes_along(says, with, alone.1.as_deref()) => {
            let (params, namespace) = says.settle(&given, Some(&moved.to))?;
            Ok((params, namespace.filter(|_| says.namespace.is_some())))
        }
        _ => Ok(alone),
    }
}

/// The namespace that the command of a remedy has to name, so that it acts where the run acted.
pub(super) fn of_command(
    says: Option<&Says<'_>>,
    with: &Map<String, Value>,
    namespace: Option<&str>,
    moved: Option<&Moved>,
) -> Option<String> {
    let Some(says) = says else { return moved.map(|moved| moved.to.clone()) };
    if says.namespace.is_none() {
        return namespace.map(str::to_owned);
    }
    let given: Vec<Given> = with
        .iter()
        .map(|(name, value)| Given { name: name.clone(), value: value.clone(), is_text: false })
        .collect();
    let alone = match says.settle(&given, None) {
        // by itself it acts in the namespace of the context, which need not be that of the run
        Ok((_, None)) => return namespace.map(str::to_owned),
        Ok((_, alone)) => alone,
        Err(_) => None,
    };
    moved
        .filter(|moved| moved.takes_along(says, with, alone.as_deref()))
        .map(|moved| moved.to.clone())
}

/// Whether a namespace can have this name.
///
/// # Errors
/// Why not.
pub fn check_namespace(name: &str) -> Result<(), String> {
    let plain =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if plain && (1..=63).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(());
    }
    Err(format!(
        "`{name}` is not a valid namespace name: use up to 63 lower-case letters, digits \
        and `-`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Catalogue;
    use crate::document::Runbook;
    use std::sync::Arc;

    fn runbook(head: &str) -> Arc<Runbook> {
        let text = format!("runbook: v1\ntitle: T\n{head}\nsteps:\n  - {{id: a, pause: 1s}}\n");
        Catalogue::new(&[]).load_text("t", text).unwrap().remove("t").unwrap()
    }

    fn says(runbook: &Runbook) -> Says<'_> {
        Says { params: &runbook.params, namespace: runbook.namespace.as_ref() }
    }

    fn text(name: &str, value: &str) -> Given {
        Given { name: name.into(), value: value.into(), is_text: true }
    }

    const PARAM: &str =
        "params: {ns: {type: string, default: prod}}\nnamespace: \"{{ params.ns }}\"";

    #[test]
    fn the_command_line_wins_over_the_runbook_and_its_parameter() {
        let settled =
            |head: &str, given: &[Given], wanted| says(&runbook(head)).settle(given, wanted);
        for head in ["description: none", "namespace: prod", PARAM] {
            assert_eq!(
                settled(head, &[], Some("staging")).unwrap().1.as_deref(),
                Some("staging"),
                "{head}"
            );
        }
        let (params, _) =
            settled(PARAM, &[text("ns", "from-the-environment")], Some("staging")).unwrap();
        assert_eq!(params["ns"], "staging");
        assert_eq!(settled("namespace: prod", &[], None).unwrap().1.as_deref(), Some("prod"));
        assert_eq!(settled("description: none", &[], None).unwrap().1, None);
        let named = "params: {namespace: {type: string, default: prod}}\nnamespace: other";
        let (params, namespace) = settled(named, &[], Some("staging")).unwrap();
        assert_eq!(
            (params["namespace"].as_str(), namespace.as_deref()),
            (Some("staging"), Some("staging"))
        );
    }

    #[test]
    fn an_optional_parameter_that_nobody_gives_leaves_it_to_the_context() {
        let runbook = runbook(
            "params: {namespace: {type: string, optional: true}}\nnamespace: '{{ params.namespace }}'\n",
        );
        let (params, namespace) = says(&runbook).settle(&[], None).unwrap();
        assert_eq!((&params["namespace"], namespace), (&Value::Null, None));
        let (params, namespace) = says(&runbook).settle(&[], Some("shop")).unwrap();
        assert_eq!((&params["namespace"], namespace.as_deref()), (&json!("shop"), Some("shop")));
        let given = [text("namespace", "apps")];
        let (_, namespace) = says(&runbook).settle(&given, None).unwrap();
        assert_eq!(namespace.as_deref(), Some("apps"));
    }

    #[test]
    fn where_it_cannot_win_it_is_said_what_to_set() {
        let head =
            "params: {env: {type: string, default: prod}}\nnamespace: \"{{ params.env }}-apps\"";
        let runbook = runbook(head);
        let error = says(&runbook).settle(&[], Some("staging-apps")).unwrap_err();
        assert_eq!(
            error[0].to_string(),
            "-n staging-apps has no effect: this runbook computes its namespace from `{{ \
                params.env }}-apps`, which is prod-apps; set instead: --set env=ENV"
        );
        let agreed =
            says(&runbook).settle(&[text("env", "staging")], Some("staging-apps")).unwrap();
        assert_eq!(agreed.1.as_deref(), Some("staging-apps"));
    }

    #[test]
    fn a_namespace_that_is_none_is_refused() {
        let error = says(&runbook(PARAM)).settle(&[text("ns", "")], None).unwrap_err();
        assert!(error[0].to_string().contains("is not a valid namespace name"), "{}", error[0]);
        for (name, good) in [
            ("a", true),
            ("a-1", true),
            ("", false),
            ("A", false),
            ("a/b", false),
            ("-a", false),
            (&"x".repeat(64), false),
        ] {
            assert_eq!(check_namespace(name).is_ok(), good, "{name}");
        }
    }

    #[test]
    fn a_called_runbook_goes_along_unless_its_caller_or_its_text_places_it_elsewhere() {
        let moved = Moved { from: Some("prod".into()), to: "staging".into() };
        let of = |head: &str, with: Value| {
            called(&says(&runbook(head)), with.as_object().unwrap(), Some(&moved)).unwrap()
        };
        for (head, with, namespace) in [
            ("description: none", json!({}), None),
            ("namespace: prod", json!({}), Some("staging")),
            ("namespace: monitoring", json!({}), Some("monitoring")),
            (PARAM, json!({}), Some("staging")),
            (PARAM, json!({"ns": "prod"}), Some("prod")),
            (PARAM, json!({"ns": "staging"}), Some("staging")),
            (
                "params: {ns: {type: string, default: monitoring}}\nnamespace: \"{{ params.ns }}\"",
                json!({}),
                Some("monitoring"),
            ),
        ] {
            assert_eq!(of(head, with.clone()).1.as_deref(), namespace, "{head} {with}");
        }
        let (params, namespace) =
            of("params: {namespace: {type: string, default: prod}}", json!({}));
        assert_eq!(
            (params["namespace"].as_str(), namespace),
            (Some("staging"), None),
            "where its caller acts"
        );
        let error = called(
            &says(&runbook(
                "params: {e: {type: string, default: pr}}\nnamespace: \"{{ params.e }}od\"",
            )),
            &Map::new(),
            Some(&moved),
        );
        assert!(error.unwrap_err()[0].to_string().contains("--set e=E"));
    }

    #[test]
    fn the_next_command_acts_where_the_run_acted() {
        let moved = Moved { from: Some("prod".into()), to: "staging".into() };
        let of = |head: &str, with: Value| {
            of_command(
                Some(&says(&runbook(head))),
                with.as_object().unwrap(),
                Some("staging"),
                Some(&moved),
            )
        };
        assert_eq!(of(PARAM, json!({})).as_deref(), Some("staging"));
        assert_eq!(of(PARAM, json!({"ns": "staging"})), None, "the parameter says it");
        assert_eq!(of("namespace: monitoring", json!({})), None);
        assert_eq!(of("description: none", json!({})).as_deref(), Some("staging"));
        let optional =
            "params: {ns: {type: string, optional: true}}\nnamespace: \"{{ params.ns }}\"";
        assert_eq!(of(optional, json!({})).as_deref(), Some("staging"), "not in the context's");
        assert_eq!(of(optional, json!({"ns": "shop"})), None);
    }
}
