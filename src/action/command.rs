//! `command`: runs a program on this machine, without a shell.

use super::exec::ExecEffect;
use super::set_env::check_names;
use super::support::process_group::{GRACE, Group};
use super::support::requires::Requires;
use super::support::stream::{Format, Said};
use super::support::{kubectl_line, manifest};
use super::{Access, Context, Failure, Output, Reach, Scalar, Verb, Wrong};
use crate::event::Effect;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command as Process};

/// The most bytes of each stream in the output.
const STREAM: usize = 1024 * 1024;
/// How long what the program started may hold its streams after the program has ended.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// Runs a program on this machine, such as kubectl, helm, istioctl or gh. The output is `{exit_code,
/// stdout, stderr, truncated}`, and with `output` also `parsed`: stdout in that format. If stdout has
/// another format, or if the program fails without printing anything of that format, `parsed` is an
/// unread item: the step cannot be determined, and neither passes nor fails, unless an expectation
/// accepts the `.exit_code`. `expect` may accept an exit code other than 0. stdout and stderr are
/// limited to 1 MiB each. Standard input is empty.
///
/// KUBECONFIG is a private file of the run whose only context is that of the run, with the namespace
/// of the step and the user of `--as`: a program acts on the same cluster, in the same namespace
/// and as the same user as the other steps (in the sandbox, on the sandbox). In a pod, it refers to
/// the service account of the pod. A credential plugin is started by the program: what the plugin
/// needs of the environment, such as AWS_PROFILE, is passed in `env`. The file has mode 0600 and is
/// removed at the end of the run; what a killed run leaves behind, the next run removes. If there is
/// no kubeconfig, the program gets none.
///
/// Besides, the environment contains only variables that cannot hold a secret of the operator: PATH,
/// HOME, USER, LOGNAME, TMPDIR, TERM, TZ, LANG, LC_*, XDG_*_HOME, the proxy variables, SSL_CERT_FILE
/// and SSL_CERT_DIR, KUBERNETES_SERVICE_HOST and _PORT. Pass everything else in `env`; a token is a
/// parameter with `secret: true`.
///
/// The program runs in its own process group, which ends with the program: what it leaves running in
/// the background may print for one second more, and `truncated` is true if it would print longer.
/// When the program ends, when the step times out, at the second signal, and when the run is killed,
/// the group receives SIGTERM, and SIGKILL 5 seconds later. `runbook status` lists process groups that may still be running.
/// A program with a time limit of its own needs more of the step: `helm upgrade --atomic` waits once more for its
/// rollback, and leaves the release pending if it is ended before.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Program and arguments. They are not interpreted by a shell.
    pub argv: Vec<Scalar>,
    /// Effect of the program: `read` if it changes nothing.
    #[serde(default)]
    pub effect: ExecEffect,
    /// Additional environment variables.
    #[serde(default)]
    pub env: IndexMap<String, Scalar>,
    /// Format of stdout, which is parsed into `parsed`.
    pub output: Option<Format>,
    /// The program that must be installed. Where it is missing, the step is unknown and says how to
    /// install it; a run in which an unconditional step makes a change with it does not begin.
    requires: Option<Requires>,
}

impl Verb for Command {
    fn effect(&self) -> Effect {
        self.effect.effect()
    }

    fn reach(&self) -> Reach {
        Reach::Program
    }

    fn is_promised(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        check_names(self.env.keys())?;
        self.requires().map_or(Ok(()), |requires| requires.check())?;
        let words = self.words();
        match words.first() {
            None => Err("`argv` is empty: list the program and its arguments".to_owned()),
            Some(program) if program.is_empty() => {
                Err("the program, the first word of `argv`, is empty".to_owned())
            }
            Some(program) if words.len() == 1 && program.contains(' ') => Err(format!(
                "`{program}` is not a program name: use a list, [program, argument], or [sh, -c, \
                    \"…\"]"
            )),
            Some(_) if words.iter().any(|word| word.contains('\0')) => {
                Err("an argument contains a NUL character".to_owned())
            }
            Some(_) => Ok(()),
        }
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        let env = self
            .env
            .iter()
            .map(|(name, value)| format!("{name}={} ", super::shell_word(&value.to_string())));
        vec![format!("{}{}", env.collect::<String>(), kubectl_line::line(self.words()))]
    }

    fn requires(&self) -> Option<Requires> {
        let mut requires = self.requires.clone()?;
        if requires.tool.is_empty() {
            requires.tool = self.words().into_iter().next().unwrap_or_default();
        }
        Some(requires)
    }

    fn wrong(&self, output: &serde_json::Value) -> Option<Wrong> {
        // without an answer, nothing is known
        if output["parsed"]["unread"] == true {
            return None;
        }
        super::support::wrong::command(output)
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let words = self.words();
        let (program, arguments) =
            words.split_first().ok_or_else(|| Failure::error("`argv` is empty"))?;
        if let Some(requires) = self.requires() {
            context.programs.require(&requires, context.outside.as_deref()).await?;
        }
        if let Some(outside) = &context.outside {
            return outside.says(&words).map(|said| self.ended(said, context));
        }
        let mut process = Process::new(program);
        process.args(arguments).env_clear();
        process.envs(context.programs.environment(&context.namespace)?);
        process
            .envs(self.env.iter().map(|(name, value)| (name, value.to_string())))
            .process_group(0);
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = process.spawn().map_err(|error| Failure {
            not_executed: true,
            ..Failure::error(format!("cannot start `{program}`: {error}"))
        })?;
        let leader = child.id().unwrap_or_default();
        let group = Group::watch(leader).await;
        (context.started)(program, leader);
        (context.progress)(&format!("{program} runs"));
        let Ok(ended) = tokio::time::timeout_at(context.deadline, end(child, group)).await else {
            let text =
                format!("`{program}` timed out: it was terminated, and is killed after {GRACE} s");
            return Err(Failure::error(text));
        };
        let (status, stdout, stderr) = ended.map_err(|error| {
            Failure::error(format!("the result of `{program}` is unknown: {error}"))
        })?;
        // ended by a signal: what it has done until then nobody knows
        let code = status
            .code()
            .ok_or_else(|| Failure::error(format!("`{program}` was terminated: {status}")))?;
        let said = Said {
            exit_code: code,
            truncated: stdout.cut || stderr.cut,
            stdout: String::from_utf8_lossy(&stdout.bytes).into_owned(),
            stderr: String::from_utf8_lossy(&stderr.bytes).into_owned(),
        };
        Ok(self.ended(said, context))
    }
}

impl Command {
    fn words(&self) -> Vec<String> {
        self.argv.iter().map(ToString::to_string).collect()
    }

    fn ended(&self, said: Said, context: &Context) -> Output {
        // kubectl prints Secrets like other objects
        if said.stdout.contains("Secret") {
            let documents = manifest::parse(&said.stdout).unwrap_or_default();
            documents.iter().for_each(|document| context.masker.learn_object(document));
        }
        let summary = format!("exit code {}", said.exit_code);
        Output::new(said.output(self.output), summary)
    }
}

/// What a stream has said, up to the cap.
#[derive(Debug, Default)]
struct Stream {
    bytes: Vec<u8>,
    cut: bool,
}

/// Waits for the end of a program and reads what it says meanwhile. What it has started in its group
/// and not waited for may say something for a moment; then it is terminated, and the streams are cut.
async fn end(
    mut child: Child,
    group: Option<Group>,
) -> std::io::Result<(ExitStatus, Stream, Stream)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Stream::default(), Stream::default());
    let (status, closed) = {
        let reading = async { tokio::join!(read(stdout, &mut out), read(stderr, &mut err)) };
        tokio::pin!(reading);
        let mut open = true;
        let status = loop {
            tokio::select! {
                _ = &mut reading, if open => open = false,
                status = child.wait() => break status?,
            }
        };
        (status, !open || tokio::time::timeout(AFTERWARDS, reading).await.is_ok())
    };
    if let Some(group) = group {
        group.ended().await;
    }
    out.cut |= !closed;
    Ok((status, out, err))
}

/// Reads a stream to its end. What is above the cap is read as well, so that the program is not
/// held up, and forgotten.
async fn read(stream: Option<impl AsyncRead + Unpin>, into: &mut Stream) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let room = STREAM - into.bytes.len();
        into.bytes.extend_from_slice(&buffer[..count.min(room)]);
        into.cut |= count > room;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::FailureKind;
    use crate::action::support::real_pods::context;
    use serde_json::{Value, json};

    fn command(value: Value) -> Command {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn faults_and_the_line_by_hand() {
        for (argv, good) in [
            (json!([]), false),
            (json!([""]), false),
            (json!(["ls -l"]), false),
            (json!(["ls", "-l"]), true),
            (json!(["a\0"]), false),
        ] {
            assert_eq!(command(json!({"argv": argv})).check().is_ok(), good, "{argv}");
        }
        let command = command(json!({"argv": ["helm", "history", "a b", 3], "env": {"X": "1 2"}}));
        assert_eq!(
            (command.effect(), command.manual_commands("n")),
            (Effect::Opaque, vec!["X='1 2' helm history 'a b' 3".to_owned()])
        );
    }

    #[tokio::test]
    async fn another_exit_code_is_an_output() {
        let context = context(None, "n");
        let run = |value: Value| {
            let context = context.clone();
            async move { command(value).perform(&context).await }
        };
        let output = run(json!({"argv": ["sh", "-c",
            "echo \"{\\\"a\\\": $X}\"; echo no >&2; exit 3"], "env": {"X": 7}, "output": "json"}))
        .await
        .unwrap();
        assert_eq!(
            output.value,
            json!({"exit_code": 3, "parsed": {"a": 7}, "stdout": "{\"a\": 7}\n", "stderr": "no\n",
                "truncated": false})
        );
        let long =
            run(json!({"argv": ["head", "-c", 3_000_000, "/dev/zero"]})).await.unwrap().value;
        assert_eq!(
            (long["stdout"].as_str().map(str::len), &long["truncated"]),
            (Some(STREAM), &json!(true))
        );
        let missing = run(json!({"argv": ["no-such-program-anywhere"]})).await.unwrap_err();
        assert!(missing.not_executed && missing.message.contains("cannot start"), "{missing:?}");
        let killed = run(json!({"argv": ["sh", "-c", "kill -9 $$"]})).await.unwrap_err();
        assert!(!killed.not_executed && killed.message.contains("signal"), "{killed:?}");
        // what it leaves behind holds the streams: nobody waits for it, and it does not stay
        let left = "sleep 60 & echo $!";
        let left = run(json!({"argv": ["sh", "-c", left]})).await.unwrap().value;
        let process = left["stdout"].as_str().unwrap().trim().to_owned();
        assert_eq!(left["truncated"], true);
        let stat = std::path::Path::new("/proc").join(process).join("stat");
        // a zombie has ended: its state stands behind the name
        let runs = || std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z "));
        for _ in 0..100 {
            if !runs() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(!runs(), "what the program has put in the background still runs");
    }

    /// Whether a file that a program writes again and again stands still.
    async fn rests(path: &std::path::Path) -> bool {
        let read = || std::fs::read_to_string(path).unwrap_or_default();
        let before = read();
        tokio::time::sleep(Duration::from_millis(600)).await;
        before == read()
    }

    #[tokio::test]
    async fn what_a_program_has_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("beats");
        // the grandchild beats; both have SIGTERM for an end
        let script = format!("(while :; do echo . >> {0}; sleep 0.1; done) & wait", file.display());
        let group = std::sync::Arc::new(std::sync::Mutex::new(0));
        let told = group.clone();
        let started: std::sync::Arc<dyn Fn(&str, u32) + Send + Sync> =
            std::sync::Arc::new(move |_, leader| *told.lock().unwrap() = leader);
        let hurried = Context {
            deadline: tokio::time::Instant::now() + Duration::from_millis(500),
            started,
            ..context(None, "n")
        };
        let failure =
            command(json!({"argv": ["sh", "-c", script]})).perform(&hurried).await.unwrap_err();
        assert!(failure.message.contains("was terminated"), "{failure:?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(file.exists() && rests(&file).await);
        let group = *group.lock().unwrap();
        assert!(group > 0 && !crate::action::group_is_alive(group));
    }

    #[tokio::test]
    async fn a_program_that_does_not_listen_is_killed_after_the_grace() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("beats");
        let script =
            format!("trap '' TERM; while :; do echo . >> {0}; sleep 0.1; done", file.display());
        let hurried = Context {
            deadline: tokio::time::Instant::now() + Duration::from_millis(300),
            ..context(None, "n")
        };
        command(json!({"argv": ["sh", "-c", script]})).perform(&hurried).await.unwrap_err();
        assert!(!rests(&file).await, "it has its grace");
        tokio::time::sleep(Duration::from_secs(u64::from(GRACE) + 2)).await;
        assert!(rests(&file).await);
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_killed_at_the_deadline() {
        let hurried = Context {
            deadline: tokio::time::Instant::now() + Duration::from_millis(200),
            ..context(None, "n")
        };
        let failure =
            command(json!({"argv": ["sleep", "30"]})).perform(&hurried).await.unwrap_err();
        assert_eq!((failure.kind, failure.not_executed), (FailureKind::Error, false));
    }
}
