//! python3, with an embedded program.

use super::Tried;
use super::response::{given, headers_of};
use crate::action::http::Http;
use crate::action::support::http_answer::Answer;
use crate::cluster::Executed;
use serde_json::{Value, json};
use std::time::Duration;

/// Its failures are one line of JSON; its answer is one line of JSON and then the body.
const PROGRAM: &str = r#"import sys,json,time,http.client as h,urllib.parse as p
q=json.loads(sys.argv[1]);t=time.time()
def say(**k):
 k["elapsed"]=time.time()-t;print(json.dumps(k),flush=True)
try:
 u=p.urlsplit(q["url"])
 c=(h.HTTPSConnection if u.scheme=="https" else h.HTTPConnection)(u.hostname,u.port,timeout=q["timeout"])
 c.request(q["method"],(u.path or "/")+("?"+u.query if u.query else ""),sys.stdin.buffer.read() if q["body"] else None,q["headers"])
 r=c.getresponse();b=r.read(q["limit"])
 say(status=r.status,headers=r.getheaders());sys.stdout.buffer.write(b)
except (OSError,h.HTTPException) as e:
 say(reason=type(e).__name__+": "+str(e),refused=isinstance(e,ConnectionRefusedError))
"#;

/// The command; the body goes to the program's standard input.
pub(super) fn command(http: &Http, url: &str, timeout: Duration, limit: usize) -> Vec<String> {
    let request = json!({
        "method": http.method.text(), "url": url, "headers": http.all_headers(),
        "body": http.body.is_some(),
        "timeout": timeout.as_secs_f32(), "limit": limit.saturating_add(1),
    });
    ["python3", "-c", PROGRAM, &request.to_string()].map(str::to_owned).to_vec()
}

/// Reads the output of the program.
pub(super) fn read(code: i32, done: &Executed, limit: usize) -> Tried {
    let (head, body) = match done.stdout.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&done.stdout[..end], &done.stdout[end + 1..]),
        None => (&done.stdout[..], &[][..]),
    };
    let Ok(said) = serde_json::from_slice::<Value>(head) else {
        let stderr = String::from_utf8_lossy(&done.stderr);
        let last = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        return Tried::Unclear(format!("it ended with exit code {code}: {last}"));
    };
    let elapsed = Duration::try_from_secs_f64(said["elapsed"].as_f64().unwrap_or_default())
        .unwrap_or_default();
    match said["status"].as_u64().and_then(|status| u16::try_from(status).ok()) {
        Some(status) => {
            let pairs = said["headers"].as_array().into_iter().flatten();
            let lines: Vec<String> = pairs
                .map(|pair| {
                    format!(
                        "{}: {}",
                        pair[0].as_str().unwrap_or_default(),
                        pair[1].as_str().unwrap_or_default()
                    )
                })
                .collect();
            given(
                status,
                headers_of(lines.iter().map(String::as_str)),
                body,
                done.truncated,
                elapsed,
                limit,
            )
        }
        None => Tried::Answer(Answer::Missing {
            refused: said["refused"] == true,
            reason: said["reason"].as_str().unwrap_or("python3 gave no reason").to_owned(),
            elapsed,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{done, short};
    use super::*;

    #[test]
    fn reads_python() {
        let cases = [
            (
                "{\"status\": 200, \"headers\": [[\"A\", \"b\"]], \"elapsed\": 0.1}\nup\nup",
                Some((Some(200), false, "up\nup")),
            ),
            (
                "{\"reason\": \"ConnectionRefusedError: no\", \"refused\": true, \"elapsed\": \
                    0.1}\n",
                Some((None, true, "ConnectionRefusedError: no")),
            ),
            ("Traceback", None),
        ];
        for (stdout, wanted) in cases {
            let found = short(read(0, &done(stdout, ""), 1000));
            assert_eq!(
                found,
                wanted.map(|(status, refused, text)| (status, refused, text.to_owned())),
                "{stdout}"
            );
        }
    }
}
