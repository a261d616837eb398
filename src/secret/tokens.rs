//! Tokens whose first characters say who gave them out.

use std::ops::Range;

use super::CUT;
use super::shapes::{Hit, ahead};

/// A kind of token.
pub(super) struct TokenKind {
    /// How it begins; compared without case first, and exactly where it is looked at.
    pub(super) prefix: &'static str,
    /// What may follow.
    charset: TokenCharset,
    /// How many of these follow at least.
    least: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenCharset {
    /// Letters and digits.
    Word,
    /// These, `_` and `-`.
    Dashed,
    /// These, `.`, `/`, `+`, `=`, `~` as well.
    Any,
    /// Upper-case letters and digits.
    Upper,
}

impl TokenCharset {
    fn has(self, c: char) -> bool {
        match self {
            Self::Word => c.is_ascii_alphanumeric(),
            Self::Dashed => c.is_ascii_alphanumeric() || "_-".contains(c),
            Self::Any => c.is_ascii_alphanumeric() || "_-./+=~".contains(c),
            Self::Upper => c.is_ascii_uppercase() || c.is_ascii_digit(),
        }
    }
}

const fn kind(prefix: &'static str, charset: TokenCharset, least: usize) -> TokenKind {
    TokenKind { prefix, charset, least }
}

/// The kinds, as their providers document them.
pub(super) const KINDS: &[TokenKind] = &[
    // AWS
    kind("AKIA", TokenCharset::Upper, 16),
    kind("ASIA", TokenCharset::Upper, 16),
    // GitHub, GitLab
    kind("ghp_", TokenCharset::Word, 30),
    kind("gho_", TokenCharset::Word, 30),
    kind("ghu_", TokenCharset::Word, 30),
    kind("ghs_", TokenCharset::Word, 30),
    kind("ghr_", TokenCharset::Word, 30),
    kind("github_pat_", TokenCharset::Dashed, 22),
    kind("glpat-", TokenCharset::Dashed, 20),
    kind("gldt-", TokenCharset::Dashed, 20),
    kind("glrt-", TokenCharset::Dashed, 20),
    kind("glcbt-", TokenCharset::Dashed, 20),
    kind("glptt-", TokenCharset::Dashed, 20),
    // Slack, Discord, Teams, Telegram
    kind("xoxb-", TokenCharset::Dashed, 10),
    kind("xoxp-", TokenCharset::Dashed, 10),
    kind("xoxa-", TokenCharset::Dashed, 10),
    kind("xoxr-", TokenCharset::Dashed, 10),
    kind("xoxs-", TokenCharset::Dashed, 10),
    kind("xoxe-", TokenCharset::Dashed, 10),
    kind("xapp-", TokenCharset::Dashed, 10),
    kind("hooks.slack.com/services/", TokenCharset::Any, 10),
    kind("hooks.slack.com/workflows/", TokenCharset::Any, 10),
    kind("discord.com/api/webhooks/", TokenCharset::Any, 10),
    kind("discordapp.com/api/webhooks/", TokenCharset::Any, 10),
    kind("webhook.office.com/webhookb2/", TokenCharset::Any, 10),
    kind("api.telegram.org/bot", TokenCharset::Any, 20),
    // payment
    kind("sk_live_", TokenCharset::Word, 10),
    kind("rk_live_", TokenCharset::Word, 10),
    kind("sk_test_", TokenCharset::Word, 10),
    kind("rk_test_", TokenCharset::Word, 10),
    kind("whsec_", TokenCharset::Any, 16),
    kind("shpat_", TokenCharset::Word, 32),
    // registries of packages and images
    kind("npm_", TokenCharset::Word, 30),
    kind("pypi-", TokenCharset::Dashed, 50),
    kind("rubygems_", TokenCharset::Word, 40),
    kind("dckr_pat_", TokenCharset::Dashed, 20),
    // clouds and platforms
    kind("dop_v1_", TokenCharset::Word, 40),
    kind("doo_v1_", TokenCharset::Word, 40),
    kind("dor_v1_", TokenCharset::Word, 40),
    kind("AIza", TokenCharset::Dashed, 35),
    kind("ya29.", TokenCharset::Dashed, 20),
    kind("GOCSPX-", TokenCharset::Dashed, 20),
    kind("hvs.", TokenCharset::Dashed, 20),
    kind("hvb.", TokenCharset::Dashed, 20),
    kind("dapi", TokenCharset::Word, 32),
    kind("tskey-", TokenCharset::Dashed, 20),
    kind("glsa_", TokenCharset::Dashed, 30),
    kind("SG.", TokenCharset::Any, 40),
    kind("AGE-SECRET-KEY-1", TokenCharset::Upper, 50),
    kind("ATATT3", TokenCharset::Any, 40),
    kind("lin_api_", TokenCharset::Word, 30),
    kind("hf_", TokenCharset::Word, 30),
    // models
    kind("sk-ant-", TokenCharset::Dashed, 20),
    kind("sk-proj-", TokenCharset::Dashed, 20),
    kind("sk-", TokenCharset::Word, 20),
];

/// A token of this kind, whole.
pub(super) fn token(text: &str, hit: Range<usize>, kind: &TokenKind) -> Option<Hit> {
    let is_host = kind.prefix.contains('/');
    if !is_host && (text[hit.clone()] != *kind.prefix || continues(text, hit.start)) {
        return None;
    }
    let rest = ahead(text, hit.end);
    let run = rest.find(|c| !kind.charset.has(c)).unwrap_or(rest.len());
    let is_cut = rest[run..].starts_with(CUT) && run >= 6;
    let value = &rest[..run];
    // words and names have no digits between their letters
    if !is_cut
        && (run < kind.least
            || !(is_host || kind.charset == TokenCharset::Upper || is_random(value)))
    {
        return None;
    }
    // of a hook the address stays
    let start = if is_host { hit.end } else { hit.start };
    Some((start..hit.end + run, if is_host { "webhook" } else { "token" }))
}

/// Whether what begins here is the rest of a longer word.
fn continues(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

/// Whether a text looks drawn by lot: letters with digits among them.
pub(super) fn is_random(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    (digits >= 2 && letters >= 2)
        || (text.len() >= 16
            && letters >= 16
            && text.bytes().any(|byte| byte.is_ascii_uppercase())
            && text.bytes().any(|byte| byte.is_ascii_lowercase())
            && !text.contains(['-', '_']))
}

/// JSON in base64: with dots a JWT, and the logins of a container runtime.
pub(super) fn jwt(text: &str, hit: Range<usize>) -> Option<Hit> {
    let start = hit.start;
    if text[hit] != *"eyJ"
        || text[..start]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    {
        return None;
    }
    let mut end = start;
    let mut parts = 0;
    loop {
        let rest = &text[end..];
        let run = rest.find(|c: char| !TokenCharset::Dashed.has(c)).unwrap_or(rest.len());
        if run == 0 && parts < 2 {
            break;
        }
        parts += 1;
        end += run;
        if parts == 5
            || !text[end..].starts_with('.')
            || (parts >= 2
                && text[end + 1..].chars().next().is_none_or(|c| !TokenCharset::Dashed.has(c)))
        {
            break;
        }
        end += 1;
    }
    let first = &text[start..end];
    let is_cut = text[end..].starts_with(CUT) && first.len() >= 10;
    // {"auths": …}, {"k": …}
    let is_login = ["eyJhdXRocyI6", "eyAiYXV0aHMi", "ewogICJhdXRocyI", "eyJrIjoi"]
        .iter()
        .any(|begin| first.starts_with(begin));
    if is_login {
        let rest = text[end..].find(|c| !TokenCharset::Any.has(c)).unwrap_or(text.len() - end);
        return Some((start..end + rest, "token"));
    }
    (parts >= 2 && first.len() >= 20 || is_cut).then_some((start..end, "token"))
}
