//! The filters that a program may call: those of jq without the ones that reach outside, and ours.

use crate::diagnostic::nearest;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use jaq_core::box_iter::box_once;
use jaq_core::load::parse::Def;
use jaq_core::native::{Filter, Fun, bome, run, v};
use jaq_core::{Error, Exn, RunPtr, ValR};
use jaq_json::{Num, Val};

use super::budget::{JqData, MOST_TEXT, fits_in_text};
use super::matches::matched;
use super::prelude;
use super::syntax::{calls, guard};
use super::value::MOST_DEPTH;

/// Filters that reach outside of the expression, or that have a meaning only in a jq process.
const REFUSED: [(&str, &str, &str); 19] = [
    ("env", "expressions cannot read the environment", "declare a parameter and use $params.NAME"),
    ("now", "expressions have no clock", "use $run.now, or `age` for the seconds since a time"),
    ("localtime", "the result would depend on the machine", "use `gmtime`"),
    ("strflocaltime", "the result would depend on the machine", "use `strftime`"),
    ("halt", "expressions cannot end the process", "use `error(…)`"),
    ("halt_error", "expressions cannot end the process", "use `error(…)`"),
    ("debug", "expressions cannot print", "remove it"),
    ("stderr", "expressions cannot print", "remove it"),
    ("debug_empty", "expressions cannot print", "remove it"),
    ("stderr_empty", "expressions cannot print", "remove it"),
    ("input", "expressions have one input", "use `.`"),
    ("inputs", "expressions have one input", "use `.[]`"),
    ("input_filename", "expressions cannot read files", "remove it"),
    ("input_line_number", "expressions cannot read files", "remove it"),
    ("get_search_list", "expressions cannot load modules", "remove it"),
    ("modulemeta", "expressions cannot load modules", "remove it"),
    ("import", "expressions cannot load modules", "write the filter inline"),
    ("include", "expressions cannot load modules", "write the filter inline"),
    ("builtins", "expressions cannot inspect themselves", "remove it"),
];

/// What people from other languages call a filter.
const SYNONYMS: [(&str, &str); 14] = [
    ("size", "length"),
    ("count", "length"),
    ("len", "length"),
    ("filter", "select"),
    ("where", "select"),
    ("exists", "has"),
    ("includes", "contains"),
    ("lower", "ascii_downcase"),
    ("tolower", "ascii_downcase"),
    ("upper", "ascii_upcase"),
    ("toupper", "ascii_upcase"),
    ("matches", "test"),
    ("every", "all"),
    ("some", "any"),
];

/// Natives that only the definitions of the standard library call.
const INTERNAL: [&str; 16] = [
    "matches",
    "split_matches",
    "split_",
    "scan_",
    "min_by_or_empty",
    "max_by_or_empty",
    "error_empty",
    "key_values",
    "path_value",
    "escape_sh",
    "escape_html",
    "unescape_html",
    "encode_uri",
    "decode_uri",
    "encode_base64",
    "decode_base64",
];

/// The standard library, parsed and guarded once.
pub(super) struct Library {
    defs: Vec<Def<&'static str>>,
    /// What each definition calls, in the order of `defs`.
    needs: Vec<Vec<(&'static str, usize)>>,
    /// Where a filter is defined; a later definition may use an earlier one of the same name.
    places: BTreeMap<(&'static str, usize), Vec<usize>>,
    /// What a program may call.
    public: BTreeSet<(&'static str, usize)>,
}

impl Library {
    pub(super) fn get() -> &'static Self {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        LIBRARY.get_or_init(Self::load)
    }

    fn load() -> Self {
        let ours = |text| jaq_core::load::parse(text, |parser| parser.defs()).unwrap_or_default();
        let mut defs = ours(include_str!("defs.jq"));
        defs.extend(jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()));
        defs.extend(ours(include_str!("compat.jq")));
        defs.extend(ours(include_str!("strict.jq")));
        defs.retain(|def| !is_refused(def.name));
        for def in &mut defs {
            guard(&mut def.body);
        }
        let needs = defs.iter().map(|def| calls(&def.body)).collect();
        let mut places = BTreeMap::<_, Vec<_>>::new();
        for (place, def) in defs.iter().enumerate() {
            places.entry((def.name, def.args.len())).or_default().push(place);
        }
        let natives = natives().map(|(name, args, _)| (name, args.len()));
        let public = places
            .keys()
            .copied()
            .chain(natives)
            .chain([("age", 0)])
            .filter(|(name, _)| !name.starts_with('_') && !INTERNAL.contains(name))
            .collect();
        Self { defs, needs, places, public }
    }

    /// The definitions that `calls` need, in order, and the natives among them and below.
    pub(super) fn select(
        &self,
        calls: &[(&str, usize)],
    ) -> (Vec<Def<&'static str>>, Vec<Fun<JqData>>) {
        let mut chosen = BTreeSet::new();
        let mut names = BTreeSet::new();
        let mut open: Vec<(&str, usize)> = calls.to_vec();
        while let Some(call) = open.pop() {
            if !names.insert(call) {
                continue;
            }
            for place in self.places.get(&call).into_iter().flatten() {
                if chosen.insert(*place) {
                    open.extend(&self.needs[*place]);
                }
            }
        }
        let defs = chosen.into_iter().map(|place| self.defs[place].clone()).collect();
        let natives = natives().filter(|(name, args, _)| names.contains(&(*name, args.len())));
        (defs, natives.collect())
    }

    /// Why a program may not call this filter, and what to call instead.
    pub(super) fn refuse(&self, name: &str, arity: usize) -> Option<(String, Option<String>)> {
        if self.public.contains(&(name, arity)) {
            return None;
        }
        if let Some((_, why, help)) = REFUSED.iter().find(|(refused, ..)| *refused == name) {
            return Some((format!("`{name}` is not available: {why}"), Some((*help).to_owned())));
        }
        let arities: Vec<String> = (0..10)
            .filter(|arity| self.public.contains(&(name, *arity)))
            .map(|arity| arity.to_string())
            .collect();
        if !arities.is_empty() {
            let message = format!("`{name}` takes {} arguments, not {arity}", arities.join(" or "));
            return Some((message, Some("arguments are separated by `;`".to_owned())));
        }
        let synonym = SYNONYMS.iter().find(|(foreign, _)| *foreign == name);
        let names = || self.public.iter().map(|(name, _)| *name);
        let near = synonym.map(|(_, ours)| *ours).or_else(|| nearest(name, names()));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        Some((format!("there is no filter `{name}`"), help))
    }
}

/// Natives that could make much more at once than they are given, or that run a filter uncounted:
/// `defs.jq` wraps them.
const GUARDED: [(&str, &str); 20] = [
    ("range", "_range"),
    ("tojson", "_tojson"),
    ("fromjson", "_fromjson"),
    ("tobytes", "_tobytes"),
    ("explode", "_explode"),
    ("indices", "_indices"),
    ("matches", "_matches"),
    ("split_matches", "_split_matches"),
    ("split_", "_split_"),
    ("sort_by", "_sort_by"),
    ("group_by", "_group_by"),
    ("min_by_or_empty", "_min_by_or_empty"),
    ("max_by_or_empty", "_max_by_or_empty"),
    ("escape_sh", "_escape_sh"),
    ("escape_html", "_escape_html"),
    ("unescape_html", "_unescape_html"),
    ("encode_uri", "_encode_uri"),
    ("decode_uri", "_decode_uri"),
    ("encode_base64", "_encode_base64"),
    ("strftime", "_strftime"),
];

fn is_refused(name: &str) -> bool {
    REFUSED.iter().any(|(refused, ..)| *refused == name)
}

/// All native filters. Those that need a guard are renamed: `compat.jq` wraps them.
fn natives() -> impl Iterator<Item = Fun<JqData>> {
    let jq = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let jq = jq.filter(|(name, ..)| !is_refused(name)).map(|(name, args, native)| {
        let guarded = GUARDED.iter().find(|(plain, _)| *plain == name);
        let name = guarded.map_or(name, |(_, guarded)| guarded);
        (name, args, native)
    });
    jq.chain(ours().into_iter().chain(super::strict::natives()).map(run::<JqData>))
}

fn ours() -> [Filter<RunPtr<JqData>>; 17] {
    [
        ("_tick", v(0), |cv| {
            let ok = cv.0.data().meter.tick(&cv.1);
            over(ok, Val::Null)
        }),
        ("_pulse", v(0), |cv| {
            let ok = cv.0.data().meter.pulse(&cv.1);
            over(ok, cv.1)
        }),
        ("_fits", v(0), |cv| fitting(cv, MOST_TEXT / 2)),
        ("_fits_16", v(0), |cv| fitting(cv, MOST_TEXT / 16)),
        ("_fits_512", v(0), |cv| fitting(cv, MOST_TEXT / 512)),
        ("_room", v(1), |mut cv| {
            let factor = match cv.0.pop_var() {
                Val::Num(Num::Int(factor)) => factor.unsigned_abs(),
                _ => 1,
            };
            let size = match &cv.1 {
                Val::TStr(text) | Val::BStr(text) => text.len(),
                Val::Arr(items) => items.len(),
                Val::Obj(_) | Val::Null | Val::Bool(_) | Val::Num(_) => 0,
            };
            roomy(size.saturating_mul(factor), cv.1)
        }),
        ("_shallow", v(0), |cv| {
            let Val::TStr(text) = &cv.1 else { return box_once(Ok(cv.1)) };
            let (depth, bytes) = weigh(text);
            if depth > MOST_DEPTH {
                return bome(Err(Error::str("the JSON text is nested too deeply")));
            }
            roomy(bytes, cv.1)
        }),
        ("_matched", v(2), |mut cv| {
            let (flags, regex) = (cv.0.pop_var(), cv.0.pop_var());
            let bytes = matched(&cv.1, &regex, &flags, MATCH, cv.0.data().meter);
            roomy(bytes, cv.1)
        }),
        ("_parted", v(2), |mut cv| {
            let (flags, regex) = (cv.0.pop_var(), cv.0.pop_var());
            let bytes = matched(&cv.1, &regex, &flags, PART, cv.0.data().meter);
            roomy(bytes, cv.1)
        }),
        ("_mul", v(2), |mut cv| {
            let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
            if product_is_huge(&left, &right) {
                return bome(Err(Error::str("the product would be too large")));
            }
            bome(left * right)
        }),
        ("_div", v(2), |mut cv| {
            let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
            if parts(&left, &right).saturating_mul(PART) > MOST_MADE {
                return bome(Err(Error::str(TOO_MUCH)));
            }
            bome(left / right)
        }),
        ("semver", v(0), |cv| bome(on_text(&cv.1, prelude::semver))),
        ("semver_cmp", v(2), |mut cv| {
            let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
            bome(prelude::semver_cmp(&left, &right))
        }),
        ("quantity", v(0), |cv| bome(prelude::quantity(&cv.1))),
        ("duration", v(0), |cv| bome(prelude::duration(&cv.1))),
        ("_age", v(1), |mut cv| {
            let now = cv.0.pop_var();
            bome(prelude::age(&cv.1, &now))
        }),
        ("near", v(2), |mut cv| {
            let (tolerance, other) = (cv.0.pop_var(), cv.0.pop_var());
            bome(prelude::near(&cv.1, &other, &tolerance))
        }),
    ]
}

fn over<'a>(ok: bool, val: Val) -> jaq_core::ValXs<'a, Val> {
    // The message is not seen: the meter knows why.
    box_once(if ok { Ok(val) } else { Err(Exn::from(Error::str("the evaluation has ended"))) })
}

fn on_text(val: &Val, parse: fn(&str) -> Result<Val, String>) -> ValR<Val> {
    prelude::text(val).and_then(parse).map_err(Error::str)
}

/// The most that one native may make at once, in bytes.
pub(super) const MOST_MADE: usize = 64 << 20;
/// About what a short text takes, in bytes.
const PART: usize = 96;
/// About what a match or a group of one takes: an object of offset, length and text.
const MATCH: usize = 600;
const TOO_MUCH: &str = "the result would be too large";

fn roomy<'a>(bytes: usize, val: Val) -> jaq_core::ValXs<'a, Val> {
    if bytes > MOST_MADE { bome(Err(Error::str(TOO_MUCH))) } else { box_once(Ok(val)) }
}

fn fitting<'a>(cv: jaq_core::Cv<'a, JqData>, bytes: usize) -> jaq_core::ValXs<'a, Val> {
    let ok = match &cv.1 {
        Val::Null | Val::Bool(_) => true,
        other => fits_in_text(other, bytes),
    };
    if !ok {
        cv.0.data().meter.too_large();
    }
    over(ok, cv.1)
}

/// How many parts a text is divided into.
fn parts(left: &Val, right: &Val) -> usize {
    match (left, right) {
        (Val::TStr(text), Val::TStr(separator)) | (Val::BStr(text), Val::BStr(separator)) => {
            match separator.first() {
                None => text.len(),
                Some(first) => {
                    text.iter().filter(|byte| *byte == first).count() / separator.len() + 1
                }
            }
        }
        _ => 0,
    }
}

/// More digits than any quantity has; beyond them the time of a product grows faster than the steps
/// that are counted.
const MOST_BITS: u64 = 1 << 20;

fn product_is_huge(left: &Val, right: &Val) -> bool {
    if let (Val::Num(Num::BigInt(left)), Val::Num(Num::BigInt(right))) = (left, right) {
        return left.bits() + right.bits() > MOST_BITS;
    }
    let (text, times) = match (left, right) {
        (Val::TStr(text) | Val::BStr(text), Val::Num(n)) => (text, n),
        (Val::Num(n), Val::TStr(text) | Val::BStr(text)) => (text, n),
        _ => return false,
    };
    let times = match times {
        Num::Int(times) => usize::try_from(*times).unwrap_or(0),
        Num::BigInt(_) => usize::MAX,
        Num::Float(_) | Num::Dec(_) => return false,
    };
    text.len().saturating_mul(times) > MOST_TEXT
}

/// Upper bounds of the nesting of a JSON text, and of what its values take in bytes.
fn weigh(text: &[u8]) -> (usize, usize) {
    let (mut depth, mut most, mut bytes) = (0_usize, 0, text.len());
    for byte in text {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                bytes += if *byte == b'{' { 4 * PART } else { PART };
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' | b' ' | b'\n' => bytes += size_of::<Val>(),
            b':' | b'"' => bytes += PART / 2,
            _ => {}
        }
        most = most.max(depth);
    }
    (most, bytes)
}
