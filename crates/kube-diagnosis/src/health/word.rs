//! What a word says: a phase, a state, a reason.

use super::Sign;
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Words for what is broken. `stall` is also in "install", and `fault` in "default".
const FAILING: &str = r"fail|error|(^|_)err|degraded|missing|unhealthy|unavailable|unreachable|lost|invalid|reject|abort|broken|offline|crash|oom_?kill|\bstall|\bfault|denied|refused|expired|corrupt|time(d ?)?out|back-?off|exceeded|cannot|\bunable|not ?enough|insufficient|not_?found|unschedulable|evicted|pressure|no_quorum|abnormal|already[ _-]?(claimed|taken|in[ _-]?use)|^(red|critical)$";
/// Words for what a controller does.
const WORKING: &str = r"progress|reconciling|creating|provisioning|starting|initializing|deploying|updating|upgrading|scaling|rolling|installing|issuing|resolving|relocating|moving|importing|cloning|uploading|transferring|restoring|recovering|promoting|migrating|resizing|rebalancing|bootstrapping|synchronizing|switching|switch-?over|setting[ _-]?up|applying|deleting|terminating|uninstalling|stopping|resuming|being (created|deployed|started|restarted|applied|upgraded)";

fn pattern(text: &str) -> Regex {
    #[expect(
        clippy::expect_used,
        reason = "the patterns are constants, and each is used by a test"
    )]
    Regex::new(text).expect("a valid pattern")
}

static IS_FAILING: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("(?i){FAILING}")));
static IS_NOT_READY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^not.*(ready|healthy|available)$| not (ready|healthy|available)")
});
/// Words for what is not there, as it is not if somebody has stopped the object.
static ABSENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(^|[a-z ])not?[ _-]?(found|exists?|ready|available|running)$|(missing|unavailable|offline)$",
    )
});
static OUT_OF_SYNC: LazyLock<Regex> = LazyLock::new(|| pattern("(?i)^out ?of ?sync$"));
/// What a message says that tells of a failure.
static TELLS_FAILURE: LazyLock<Regex> = LazyLock::new(|| {
    pattern("(?i)fail|error|denied|refused|forbidden|exceeded|invalid|crash|back-?off|timed out")
});
/// The opposite: "0 errors", `NoErrors`, "Degraded mode disabled"; `FailedOver` is where a failover ends
/// (Ramen).
static NEGATED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?i)\b(no|not|non|0|zero|without)[ _-]?({FAILING})[a-z]*|\b({FAILING})[a-z]*( mode)?( is)? disabled|failed[ -]?over"
    ))
});
static FAILOVER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)failing[ -]?over|failover"));
static WELL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(active|at ?latest ?known|attached|available|bound|completed?|connected|deployed|enabled|established|green|happy|health_ok|healthy|in ?sync|initialized|normal|ok|online|operational|ready|reconciled|relocated|running|stable|succeed(ed)?|success(ful)?|synced|up[ -]?to[ -]?date|valid|)$|in healthy state",
    )
});
static WARNING: LazyLock<Regex> =
    LazyLock::new(|| pattern("(?i)^(yellow|health_warn|warning|rolled[ _-]?back|out ?of ?sync)$"));
static UNDER_WAY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!("(?i){WORKING}|pending|^wait|waiting|initializ|outofdate|transfer"))
});
static IS_WORKING: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("(?i){WORKING}")));
/// `NotScalingUp`, "not progressing".
static IS_IDLE: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"(?i)(^|[^a-z])(no|not|non|0)[ _-]?({WORKING})")));
static PAUSED: LazyLock<Regex> = LazyLock::new(|| pattern("(?i)paused$"));
static STOPPED: LazyLock<Regex> = LazyLock::new(|| {
    pattern("(?i)suspended$|^(stopped|halted|hibernated|hibernating|hibernation)$")
});
/// What is not paused, though `RunPaused` is; and who is suspended has not asked for it.
static NOT_PAUSED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        "(?i)(not|non|^un|[^r]un)[ _-]?(paused|suspended)$|(account|user|tenant|subscription|billing|payment|customer)[a-z]*[ _-]?suspended$",
    )
});
static CANCELLED: LazyLock<Regex> =
    LazyLock::new(|| pattern("(?i)^[a-z]*cancell?ed(runfinally)?$|^StoppedRunFinally$"));
static NOT_CANCELLED: LazyLock<Regex> = LazyLock::new(|| pattern("(?i)not[ _-]?cancell?ed"));

/// A text without what it denies: "0 errors" is no error.
pub(super) fn affirmed(text: &str) -> Cow<'_, str> {
    match NEGATED.replace_all(text, "") {
        Cow::Owned(rest) => Cow::Owned(rest),
        Cow::Borrowed(_) => Cow::Borrowed(text),
    }
}

/// The reason of a condition, or a word, without what it denies; a failover moves.
fn plain(word: &str) -> String {
    affirmed(&FAILOVER.replace_all(word, "moving")).into_owned()
}

/// What the reason of a condition says.
#[expect(clippy::struct_excessive_bools, reason = "a reason may say several of these")]
pub(super) struct Reason {
    pub(super) is_failing: bool,
    pub(super) is_not_ready: bool,
    /// What it is about is not there.
    pub(super) is_absent: bool,
    pub(super) is_under_way: bool,
    pub(super) is_paused: bool,
    pub(super) is_cancelled: bool,
    /// The object has done what it is for.
    pub(super) is_done: bool,
}

impl Reason {
    pub(super) fn of(reason: &str) -> Self {
        let plain = plain(reason);
        Self {
            is_failing: IS_FAILING.is_match(&plain),
            is_not_ready: IS_NOT_READY.is_match(&plain),
            is_absent: is_absent(reason),
            is_under_way: UNDER_WAY.is_match(&plain),
            is_paused: is_paused(reason),
            is_cancelled: is_cancelled(reason),
            // the last is of Deployments, which are Progressing for ever
            is_done: ["Completed", "PodCompleted", "NewReplicaSetAvailable"].contains(&reason),
        }
    }
}

pub(super) fn is_failing(word: &str) -> bool {
    IS_FAILING.is_match(&plain(word))
}

/// Whether a word says that something is not there.
pub(super) fn is_absent(word: &str) -> bool {
    ABSENT.is_match(word)
}

/// Whether a message tells of a failure.
pub(super) fn tells_failure(message: &str) -> bool {
    TELLS_FAILURE.is_match(&affirmed(message))
}

/// Whether a type of condition, or its reason, says that a controller is at work.
pub(super) fn is_working(word: &str) -> bool {
    IS_WORKING.is_match(&plain(word)) && !IS_IDLE.is_match(word)
}

/// Whether a word says that a controller is at work, or waits for something.
pub(super) fn is_under_way(word: &str) -> bool {
    UNDER_WAY.is_match(&plain(word)) && !IS_IDLE.is_match(word)
}

/// Whether a word says that something is not yet as its source has it (Argo CD).
pub(super) fn is_out_of_sync(word: &str) -> bool {
    OUT_OF_SYNC.is_match(word)
}

/// Whether a type of condition, or a word, says that somebody has paused or stopped the object.
pub(super) fn is_paused(word: &str) -> bool {
    (PAUSED.is_match(word) || STOPPED.is_match(word)) && !NOT_PAUSED.is_match(word)
}

/// Whether it says that somebody has stopped the object, so that what it runs is gone.
pub(super) fn is_stopped(word: &str) -> bool {
    STOPPED.is_match(word) && !NOT_PAUSED.is_match(word)
}

/// Whether it says that somebody has cancelled what the object was to do.
pub(super) fn is_cancelled(word: &str) -> bool {
    CANCELLED.is_match(word) && !NOT_CANCELLED.is_match(word)
}

/// What a phase, a state or a health says.
pub(super) fn sign(word: &str) -> Sign {
    let is_denied = NEGATED.is_match(word);
    let plain = plain(word);
    let plain = plain.trim_matches([' ', ',', '.', ';']);
    if IS_FAILING.is_match(plain) || IS_NOT_READY.is_match(plain) {
        Sign::Bad
    } else if WARNING.is_match(plain) {
        Sign::Warning
    } else if is_paused(plain) || is_cancelled(plain) {
        Sign::Paused
    } else if WELL.is_match(plain) || is_denied && !UNDER_WAY.is_match(plain) {
        Sign::Good
    } else {
        Sign::Open
    }
}
