//! Where a message goes, as it is typed.

use crate::event::Verdict;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// What a channel understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// A JSON document with everything that a program needs.
    Webhook,
    /// A text as the incoming webhooks of Slack, Mattermost and Rocket.Chat take it.
    Slack,
}

/// Where a message goes: `slack=URL` or `webhook=URL`.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel {
    /// What it understands.
    pub kind: ChannelKind,
    /// Whoever knows it can write there: it is shown nowhere.
    url: String,
    host: String,
}

/// When a message is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// When a run has ended or is paused
    #[default]
    Always,
    /// When it did not pass
    NotPassed,
}

impl Occasion {
    /// Whether this verdict is an occasion.
    pub fn is_there(self, verdict: Verdict) -> bool {
        self == Self::Always || !matches!(verdict, Verdict::Passed | Verdict::Partial)
    }
}

impl ChannelKind {
    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
        }
    }
}

impl Channel {
    /// The URL, which is a secret.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Without what is secret: `slack at hooks.example.com`.
impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.kind.as_str(), self.host)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // the text is not repeated: it may be a secret
        let usage = "use slack=URL or webhook=URL";
        let (kind, url) = text.split_once('=').ok_or(usage)?;
        let kind = [ChannelKind::Webhook, ChannelKind::Slack]
            .into_iter()
            .find(|known| known.as_str() == kind)
            .ok_or(usage)?;
        let parsed: http::Uri = url.parse().map_err(|_| "the URL is not valid")?;
        let host = parsed.host().unwrap_or_default();
        if !matches!(parsed.scheme_str(), Some("http" | "https")) || host.is_empty() {
            return Err("the URL must begin with https:// or http:// and a host".to_owned());
        }
        if parsed.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("the URL must not contain a user and password".to_owned());
        }
        Ok(Self { kind, host: host.to_owned(), url: url.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_typed_and_never_shown() {
        let channel: Channel =
            "slack=https://hooks.example.com/services/T0/S3CR3T".parse().unwrap();
        assert_eq!(channel.to_string(), "slack at hooks.example.com");
        assert!(!format!("{channel:?}").contains("S3CR3T"));
        let bad = [
            "https://hooks.example.com/S3CR3T",
            "mail=https://x/S3CR3T",
            "slack=",
            "slack=S3CR3T",
            "slack=ftp://x/S3CR3T",
            "webhook=https://u:S3CR3T@x/",
            "webhook=https:///S3CR3T",
        ];
        for text in bad {
            let error = text.parse::<Channel>().unwrap_err();
            assert!(!error.contains("S3CR3T"), "{error}");
        }
    }
}
