//! The table: what other tools call it, what it is here, and the line as it should be.
//!
//! In a line, `<value>` is the value as it is written, `<text>` the same in quotes, `<jq>` as a
//! program, `<words>` as a list of words, `<item>` as a list of one. The rest is explained in
//! `fill.rs`.

use super::Place::{
    self, App, Case, CaseExpect, Expectation, Finding, Head, Param, Scenario, Step, Suite, Verb,
    WorldHead,
};
use Write::{Key, Line, Nothing, Program};

/// A word of another tool, or a value of another shape.
pub(super) struct Word {
    /// Where it is written.
    pub at: Place,
    /// The key, in all of its spellings.
    pub keys: &'static [&'static str],
    /// The values of which this is said.
    pub shape: Shape,
    /// What it is here.
    pub says: &'static str,
    /// The line as it should be.
    pub write: Write,
}

/// Which values are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// All: the key is unknown.
    Any,
    /// A text.
    Text,
    /// A text of several words.
    Sentence,
    /// A number with a unit of time.
    Duration,
    /// A text that begins like this.
    Begins(&'static str),
    /// A text with this in it.
    Contains(&'static str),
    /// A word like an id.
    Id,
    /// One of these texts.
    Is(&'static [&'static str]),
    /// A number.
    Number,
    /// `true`.
    True,
    /// `false`.
    False,
    /// A name alone, without a kind.
    Bare,
    /// A number that is larger.
    Above(u64),
    /// A list.
    List,
    /// A mapping.
    Map,
}

/// What takes the place of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// The same value under this key.
    Key(&'static str),
    /// This line.
    Line(&'static str),
    /// The step that runs this line of a shell.
    Program,
    /// Nothing: what it says is said elsewhere, or not at all.
    Nothing,
}

/// Verbs whose text can only be what they act on.
const OF_TARGETS: &[&str] = &[
    "restart", "rollout", "rollback", "describe", "logs", "triage", "diagnose", "related",
    "events", "delete", "health",
];
const CRITICAL: &[&str] = &["high", "error", "fatal", "major", "page", "emergency"];
const WARNING: &[&str] = &["medium", "warn", "minor", "moderate"];
const INFO: &[&str] = &["low", "information", "notice", "none", "debug"];
const IF: &[&str] = &["if", "only_if", "condition", "conditions", "expr", "match"];
const NAMED: &[&str] = &["name", "summary", "display_name", "displayName"];

/// Rows: where, the keys, the values, what is said, what is written instead.
macro_rules! words {
    ($($at:expr, $keys:expr, $shape:ident $(($argument:expr))?, $says:expr, $write:expr;)*) => {
        /// Every word.
        pub(super) static WORDS: &[Word] = &[$(Word {
            at: $at,
            keys: $keys,
            shape: Shape::$shape $(($argument))?,
            says: $says,
            write: $write,
        }),*];
    };
}

words! {
    // steps: loops and conditions
    Step, &["with_items", "with_list", "with_dict", "loop", "items", "foreach", "forEach",
        "withItems", "withParam"], Any, "a loop is `for_each`: the step runs once per `$item`",
        Line("for_each: <jq>");
    Step, &["for_each"], Map, "a loop takes a list; for keys and values, a list of mappings",
        Line("for_each: <entries>");
    Step, &["matrix", "strategy"], Any, "a loop is `for_each`: the step runs once per `$item`",
        Nothing;
    Step, IF, Is(&["always()", "success()", "${{ always() }}", "${{ success() }}"]), "a step runs \
        unless one before it did not pass; what is done in any case is `always`", Nothing;
    Step, IF, Any, "a condition is `when`, a jq program", Line("when: <jq>");
    Step, &["unless"], Any, "a condition is `when`, a jq program", Line("when: <not>");
    Step, &["when"], List, "the `when` of a step is one condition", Line("when: <and>");
    Step, &["depends_on", "dependsOn", "depends", "needs", "requires", "after", "dependencies",
        "runAfter"], Any, "steps run in the order of the file; what depends on a result is a \
        condition", Line("when: <passed>");
    // steps: what is done
    Step, &["shell", "script", "cmd", "bash", "sh", "commands", "powershell", "kubectl"], Any, "a \
        program of this machine is `command`, one in a pod is `exec`; what kubectl does is a \
        verb", Program;
    Step, &["run"], Sentence, "`run` calls a runbook by its name; a program of this machine is \
        `command`", Program;
    Step, &["command"], Text, "the words of a command are a list: no shell splits them", Program;
    Step, &["command"], List, "the words of a command are in `argv`", Line("command: {argv: \
        <value>}");
    Step, &["exec"], Text, "`exec` says in which pods it runs", Line("exec: {target: \
        deployment/NAME, command: <words>, effect: read}");
    Step, &["uses"], Contains("@"), "what a pipeline does stays in the pipeline; here a step has a \
        verb", Nothing;
    Step, &["uses", "include", "include_tasks", "import_tasks", "import_playbook", "role",
        "call", "taskRef", "templateRef"], Text, "another runbook is called by its name with \
        `run`; its parameters are in `with`", Key("run");
    Step, &["with"], Any, "parameters of a called runbook are in its `run`", Nothing;
    Step, &["sleep", "wait_seconds", "delay_seconds"], Any, "a pause has a unit", Line("pause: \
        <duration>");
    Step, &["pause"], Number, "a duration has a unit", Line("pause: <duration>");
    Step, &["pause"], Map, "a duration is a text with a unit", Line("pause: <duration>");
    Step, &["debug", "print", "echo", "log"], Any, "a text for people is the `title` of a step, \
        or the `message` of an expectation", Nothing;
    Step, &["set_fact", "set", "vars", "variables"], Map, "names for values are `let`, each a jq \
        program", Line("let: <let>");
    Step, &["get"], Text, "`get` has fields: `kind`, and `name` or `selector`", Line("get: \
        {<object>}");
    Step, &["wait"], Duration, "a time that passes is `pause`; `wait` is for a condition",
        Key("pause");
    Step, &["wait"], Text, "`wait` has fields: `kind`, `name` and `until`", Line("wait: \
        {<object>, until: .status.phase == \"Running\"}");
    Step, OF_TARGETS, Text, "what it acts on is `target`", Line("<key>: {target: <value>}");
    Step, &["cordon", "uncordon", "drain"], Text, "what it acts on is `node`", Line("<key>: \
        {node: <value>}");
    Step, &["apply"], Text, "a file of manifests is `file`", Line("apply: {file: <value>}");
    Step, &["file"], Text, "the file is `path`", Line("file: {path: <value>}");
    Step, &["manifest"], Text, "the files are `paths`", Line("manifest: {paths: <item>}");
    Step, &["promql"], Text, "the query is `query`; `target` is the Prometheus", Line("promql: \
        {query: <text>, target: service/prometheus}");
    Step, &["http"], Begins("http"), "`http` has fields: `url` with `via: direct`, or `target` \
        and `path`", Line("http: {url: <value>, via: direct}");
    Step, &["http"], Begins("/"), "`http` has fields: `target` and `path`", Line("http: {target: \
        deployment/NAME, path: <value>}");
    // steps: what must hold
    Step, &["assert", "check", "verify", "validate", "assertions", "expected", "expects",
        "should", "success_when", "success_criteria"], Any, "what must hold is `expect`",
        Line("expect: <jq>");
    Step, &["failed_when", "fail_when"], Any, "what must hold is `expect`, the opposite",
        Line("expect: <not>");
    Step, &["changed_when", "check_mode"], Any, "that nothing changes is `effect: read` of `exec` \
        and `command`", Nothing;
    Step, &["ignore_errors", "ignore-errors", "continue-on-error", "continue_on_error",
        "continueOnError", "continueOnFail", "allow_failure"], Any, "to go on after a failure is \
        `on_failure: continue`; a failure that does not count is `severity: info`",
        Line("on_failure: continue");
    Step, &["on_failure"], Is(&["ignore", "skip", "proceed", "next"]), "one of stop, continue",
        Line("on_failure: continue");
    Step, &["on_failure"], Is(&["abort", "fail", "exit", "end"]), "one of stop, continue",
        Line("on_failure: stop");
    Step, &["on_failure"], List, "what is done after a failure is the `rescue` of a group", Nothing;
    Step, &["severity", "level", "priority"], Is(CRITICAL), "one of critical, warning, info",
        Line("severity: critical");
    Step, &["severity", "level", "priority"], Is(WARNING), "one of critical, warning, info",
        Line("severity: warning");
    Step, &["severity", "level", "priority"], Is(INFO), "one of critical, warning, info",
        Line("severity: info");
    // steps: repetition and time
    Step, &["retries", "retry_count", "max_retries", "attempts"], Any, "reads are tried three \
        times; more is `retry`", Line("retry: {attempts: <value>}");
    Step, &["retry"], Number, "`retry` has fields: `attempts`, `delay`, `backoff`", Line("retry: \
        {attempts: <value>}");
    Step, &["delay", "interval", "period", "poll"], Any, "the time between two looks is `every`",
        Line("every: <duration>");
    Step, &["timeout-minutes", "timeout_minutes", "timeoutMinutes"], Any, "a duration has a \
        unit", Line("timeout: <value>m");
    Step, &["timeout_seconds", "timeoutSeconds", "activeDeadlineSeconds", "deadline"], Any, "a \
        duration has a unit", Line("timeout: <duration>");
    Step, &["timeout"], Number, "a duration has a unit", Line("timeout: <duration>");
    Step, &["every"], Number, "a duration has a unit", Line("every: <duration>");
    Step, &["for"], Number, "a duration has a unit", Line("for: <duration>");
    // steps: structure
    Step, &["block", "tasks", "try", "do", "group"], List, "steps within a step are `steps`",
        Key("steps");
    Step, &["catch", "on_error", "onFailure", "except", "fallback"], Any, "what is done when a \
        step of a group did not pass is `rescue`", Key("rescue");
    Step, &["finally", "ensure", "cleanup", "teardown"], Any, "what is done in any case is \
        `always`", Key("always");
    Step, &["parallel"], List, "parallel steps are `steps` with `parallel: true`", Key("steps");
    // steps: words
    Step, &["name"], Id, "the name of a step is its `id`", Key("id");
    Step, NAMED, Any, "the text for people is `title`", Key("title");
    Step, &["description"], Any, "the text for people is `title`", Key("title");
    Step, &["register", "output", "outputs", "save_as", "as"], Any, "the output of a step is \
        `$steps.ID.output`: it needs no other name than the `id`", Nothing;
    Step, &["tags"], Any, "steps have no tags: make a parameter, and ask for it in `when`", Nothing;
    Step, &["notify", "handlers", "listen"], Any, "what follows a change is its `then`: `then: \
        {rollout: {target: deployment/NAME}}`", Nothing;
    Step, &["become", "become_user", "delegate_to", "connection", "runs-on", "container",
        "image"], Any, "steps run on this machine, as the user of the kubeconfig (`--as USER`)",
        Nothing;
    Step, &["no_log"], Any, "parameters with `secret: true` are masked everywhere", Nothing;
    Step, &["env", "environment"], Any, "the environment of a program is a field of its verb: \
        `command: {argv: […], env: {…}}`", Nothing;
    Step, &["working-directory", "working_dir", "workdir", "cwd", "chdir"], Any, "programs run in \
        the directory in which `runbook` was started", Nothing;
    // fields of verbs
    Verb("*"), &["target"], Bare, "what it acts on is KIND/NAME", Line("target: deployment/<value>");
    Verb("*"), &["port"], Above(65535), "a port is a number from 1 to 65535, or a name",
        Line("port: <port>");
    Verb("get"), &["resource", "resources", "type", "object"], Any, "the kind is `kind`",
        Key("kind");
    Verb("get"), &["labels", "label", "labelSelector", "label_selector", "l"], Any, "the selector \
        of labels is `selector`", Key("selector");
    Verb("get"), &["fieldSelector", "field_selector"], Any, "the selector of fields is `fields`",
        Key("fields");
    Verb("wait"), &["target", "resource", "object"], Text, "the object is `kind` and `name`",
        Line("<fields>");
    Verb("wait"), &["for"], Is(&["delete", "deletion", "deleted"]), "that there is no such object is \
        `absent`", Line("absent: true");
    Verb("wait"), &["for", "condition", "jsonpath"], Any, "what is waited for is `until`, a jq \
        program over the object", Line("until: <condition>");
    Verb("wait"), &["timeout"], Any, "the time limit is `timeout` of the step", Nothing;
    Verb("exec"), &["command", "argv"], Text, "the words of a command are a list: no shell splits \
        them", Line("command: <words>");
    Verb("exec"), &["argv", "cmd", "args"], List, "the words are in `command`", Key("command");
    Verb("exec"), &["pod"], Text, "where it runs is `target`", Line("target: pod/<value>");
    Verb("command"), &["argv", "command", "cmd", "run"], Text, "the words of a command are a \
        list: no shell splits them", Line("argv: <words>");
    Verb("command"), &["command", "cmd", "args", "run"], List, "the words are in `argv`",
        Key("argv");
    Verb("http"), &["uri", "address"], Any, "the address is `url`", Key("url");
    Verb("http"), &["status", "status_code", "expected_status"], Any, "what must hold is `expect` \
        of the step: `expect: .status == 200`", Nothing;
    Verb("logs"), &["pod"], Text, "where it looks is `target`", Line("target: pod/<value>");
    Verb("logs"), &["grep", "pattern", "regex", "contains"], Any, "the regular expression is \
        `match`", Key("match");
    Verb("logs"), &["lines", "limit"], Any, "the number of lines is `tail`", Key("tail");
    Verb("scale"), &["count", "size", "to"], Any, "the number is `replicas`", Key("replicas");
    Verb("sql"), &["query", "sql"], Any, "the statement is `statement`", Key("statement");
    // the head of a runbook
    Head, &["apiVersion", "version", "schema", "schema_version"], Any, "a runbook begins with its \
        version", Line("runbook: v1");
    Head, &["runbook"], Number, "the version is a text", Line("runbook: v<value>");
    Head, &["kind", "metadata", "spec"], Any, "a runbook is no object of Kubernetes: its fields \
        are at the top", Nothing;
    Head, NAMED, Any, "the text for people is `title`; the name is that of the file", Key("title");
    Head, &["title"], List, "a text that begins with `[` is quoted", Line("title: <quoted>");
    Head, &["title"], Map, "a text that begins with `{` is quoted", Line("title: <quoted>");
    Head, &["tasks", "jobs", "stages", "playbook", "workflow", "procedure", "actions"], Any,
        "what is done is `steps`", Key("steps");
    Head, &["vars", "variables", "inputs", "parameters", "arguments", "args"], Any, "inputs are \
        `params`", Key("params");
    Head, &["on"], Is(&["push", "pull_request", "workflow_dispatch", "schedule", "release"]), "nothing \
        starts by itself: a pipeline starts a runbook with `runbook run`", Nothing;
    Head, &["on", "alert", "trigger", "triggers", "when"], Text, "the alerts that a runbook \
        answers are `alerts`", Line("alerts: <item>");
    Head, &["on", "alert", "trigger", "triggers", "when"], List, "the alerts that a runbook \
        answers are `alerts`", Key("alerts");
    Head, &["on", "schedule", "cron"], Map, "nothing starts by itself: alerts start a runbook \
        with `runbook alert`, times with cron", Nothing;
    Head, &["alerts", "contexts", "hosts", "covers"], Text, "a list", Line("<key>: <item>");
    Head, &["finally", "cleanup", "teardown", "post"], Any, "what is done in any case is \
        `always`", Key("always");
    Head, &["causes", "diagnosis", "conclusions", "results"], Any, "causes are `findings`",
        Key("findings");
    Head, &["env", "environment"], Any, "inputs are `params`; the environment of a program is a \
        field of its verb", Nothing;
    Head, &["tags", "labels", "owner", "author", "maintainers"], Any, "what people should know is \
        in `description`", Nothing;
    Head, &["timeout"], Any, "the time limit of a run is `--timeout`, that of a step its \
        `timeout`", Nothing;
    Head, &["continue-on-error", "ignore_errors", "fail_fast"], Any, "to go on after a failure is \
        `on_failure: continue`", Line("on_failure: continue");
    // parameters
    Param, &["required"], True, "a parameter without `default` is required", Nothing;
    Param, &["required"], False, "a parameter that may be left out is `optional`",
        Line("optional: true");
    Param, &["choices", "options", "enum", "allowed", "allowed_values", "allowedValues"], Any,
        "the allowed values are `values`, of the type `enum`", Key("values");
    Param, &["regex", "regexp", "validation", "format"], Any, "the regular expression is \
        `pattern`", Key("pattern");
    Param, &["help", "prompt", "label", "title", "summary", "doc"], Any, "the text for people is \
        `description`", Key("description");
    Param, &["minimum"], Any, "the smallest number is `min`", Key("min");
    Param, &["maximum"], Any, "the largest number is `max`", Key("max");
    Param, &["sensitive", "password", "masked", "no_log", "private"], Any, "a value that is never \
        shown is `secret`", Key("secret");
    Param, &["value"], Any, "the value if none is given is `default`", Key("default");
    Param, &["type"], Is(&["boolean", "Boolean"]), "the type is `bool`", Line("type: bool");
    Param, &["type"], Is(&["integer", "Integer", "long"]), "the type is `int`", Line("type: int");
    Param, &["type"], Is(&["float", "double"]), "the type is `number`", Line("type: number");
    Param, &["type"], Is(&["str", "text", "String"]), "the type is `string`", Line("type: string");
    Param, &["type"], Is(&["choice", "select"]), "the type is `enum`", Line("type: enum");
    Param, &["type"], Is(&["array", "sequence"]), "the type is `list`", Line("type: list");
    Param, &["type"], Is(&["version"]), "the type is `semver`", Line("type: semver");
    Param, &["type"], Is(&["time", "interval", "timeout"]), "the type is `duration`", Line("type: \
        duration");
    Place::ParamOf("duration"), &["default"], Number, "a duration has a unit", Line("default: \
        <duration>");
    Place::ParamOf("semver"), &["default"], Number, "a version is a text", Line("default: <text>");
    Place::ParamOf("string"), &["default"], Number, "a text of digits is quoted", Line("default: \
        <text>");
    // findings
    Finding, IF, Any, "the condition is `when`", Line("when: <jq>");
    Finding, &["unless"], Any, "what rules a cause out is `not_when`", Key("not_when");
    Finding, &["message", "summary", "description", "title", "reason", "text", "name"], Any, "the \
        text for people is `cause`", Key("cause");
    Finding, &["fix", "action", "solution", "resolution", "runbook", "runbook_url", "suggestion",
        "next"], Any, "what to do is `remedy`", Line("remedy: <remedy>");
    Finding, &["remedy"], Sentence, "a remedy is the name of a runbook; words are `text`",
        Line("remedy: {text: <text>}");
    Finding, &["with_items", "loop", "items"], Any, "a list of causes is `for_each`",
        Line("for_each: <jq>");
    Finding, &["severity", "level", "priority"], Is(CRITICAL), "one of critical, warning, info",
        Line("severity: critical");
    Finding, &["severity", "level", "priority"], Is(WARNING), "one of critical, warning, info",
        Line("severity: warning");
    Finding, &["severity", "level", "priority"], Is(INFO), "one of critical, warning, info",
        Line("severity: info");
    // expectations
    Expectation, &["condition", "expr", "assert", "check", "if"], Any, "the condition is `that`",
        Line("that: <jq>");
    Expectation, &["msg", "description", "title", "name", "reason"], Any, "the text for people is \
        `message`", Key("message");
    Expectation, &["every"], Any, "what holds for every item is `all`", Key("all");
    Expectation, &["some"], Any, "what holds for an item is `any`", Key("any");
    Expectation, &["of_items", "in", "items", "for_each"], Any, "the items are `over`",
        Line("over: <jq>");
    // rehearsals
    Suite, &["tests", "scenarios", "rehearsals", "specs"], Any, "the cases are `cases`",
        Key("cases");
    Suite, &["version", "apiVersion"], Any, "a rehearsal file begins with its version",
        Line("rehearsal: v1");
    Suite, &["runbook"], Any, "it is the rehearsal of the runbook beside it: NAME.test.yaml of \
        NAME.yaml", Nothing;
    Case, &["name", "title", "test", "it", "describe", "description"], Any, "the name of a case \
        is `case`", Key("case");
    Case, &["given", "setup", "state", "fixture", "when"], Any, "the state of the world is \
        `scenario`", Key("scenario");
    Case, &["inputs", "vars", "parameters", "args", "with", "set"], Any, "parameters are \
        `params`", Key("params");
    Case, &["expected", "then", "assert", "expects", "want", "should"], Any, "the result is \
        `expect`", Key("expect");
    Case, &["mocks", "stubs", "responses", "fakes"], Any, "what programs and hosts respond is \
        `outside`", Key("outside");
    Case, &["dry-run", "dryRun"], Any, "it is written `dry_run`", Key("dry_run");
    CaseExpect, &["result", "status", "outcome", "conclusion"], Any, "the result of a run is \
        `verdict`", Key("verdict");
    CaseExpect, &["verdict"], Is(&["success", "succeeded", "pass", "ok", "green"]), "one of \
        passed, failed, error, unknown, paused, in_doubt, cancelled", Line("verdict: passed");
    CaseExpect, &["verdict"], Is(&["failure", "fail", "red"]), "one of passed, failed, error, \
        unknown, paused, in_doubt, cancelled", Line("verdict: failed");
    CaseExpect, &["finding", "causes", "cause"], Any, "the causes are `findings`", Key("findings");
    CaseExpect, &["findings", "changes", "saved"], Text, "a list", Line("<key>: <item>");
    CaseExpect, &["steps"], List, "the outcome of each step: `{ID: OUTCOME}`", Line("steps: \
        <passing>");
    CaseExpect, &["objects", "cluster"], Any, "conditions on objects are `state`", Key("state");
    // worlds
    WorldHead, NAMED, Any, "the text for people is `title`", Key("title");
    WorldHead, &["apiVersion", "version"], Any, "a world begins with its version", Line("world: \
        v1");
    Scenario, NAMED, Any, "the text for people is `title`; the name is that of the file",
        Key("title");
    Scenario, &["patches", "patch", "resources", "mutations"], List, "what is different is \
        `changes`", Key("changes");
    App, &["name"], Any, "the name is `app`", Key("app");
    App, &["image"], Any, "a process is selected by its `command`, and `of_image`", Key("of_image");
    App, &["port"], Any, "what listens is `ports`", Line("ports: [{port: <value>}]");
    App, &["env", "environment", "vars"], Any, "the environment is that of the container in the \
        manifest; named expressions are `values`", Nothing;
    App, &["endpoints", "paths", "handlers"], Any, "what responds is `routes`", Key("routes");
}

/// What kubectl does, and the line that does it. `<1>`, `<2>` are the words after these.
pub(super) static KUBECTL: &[(&str, &str)] = &[
    ("get", "get: {<object>}"),
    ("logs", "logs: {target: <target>}"),
    ("describe", "describe: {target: <target>}"),
    ("rollout restart", "restart: {target: <target>}"),
    ("rollout status", "rollout: {target: <target>}"),
    ("rollout undo", "rollback: {target: <target>}"),
    ("delete", "delete: {target: <target>}"),
    ("cordon", "cordon: {node: <1>}"),
    ("uncordon", "uncordon: {node: <1>}"),
    ("drain", "drain: {node: <1>}"),
];
