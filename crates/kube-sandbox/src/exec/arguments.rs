//! Command lines, parsed as the tools parse them.

use std::time::Duration;

/// The options of a tool.
pub(crate) struct Specification {
    /// Those without a value, as letter and long name.
    pub(crate) flags: &'static [(char, &'static str)],
    /// Those with a value.
    pub(crate) valued: &'static [(char, &'static str)],
}

/// A command line: options by their long names, and what is left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    options: Vec<(&'static str, String)>,
    pub(crate) operands: Vec<String>,
}

impl Arguments {
    /// Takes a command line apart; the error is the first option that is not known.
    pub(crate) fn parse(specification: &Specification, words: &[&str]) -> Result<Self, String> {
        let mut arguments = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if let Some(long) = word.strip_prefix("--").filter(|long| !long.is_empty()) {
                let (name, inline) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                let find = |list: &'static [(char, &'static str)]| {
                    list.iter().find(|option| option.1 == name).map(|option| option.1)
                };
                if let Some(name) = find(specification.flags) {
                    arguments.options.push((name, String::new()));
                } else if let Some(name) = find(specification.valued) {
                    let value = inline
                        .map(str::to_owned)
                        .or_else(|| words.next().map(|word| (*word).to_owned()));
                    arguments.options.push((name, value.ok_or_else(|| (*word).to_owned())?));
                } else {
                    return Err((*word).to_owned());
                }
            } else if let Some(letters) =
                word.strip_prefix('-').filter(|letters| !letters.is_empty())
            {
                for (index, letter) in letters.char_indices() {
                    let find = |list: &'static [(char, &'static str)]| {
                        list.iter().find(|option| option.0 == letter).map(|option| option.1)
                    };
                    if let Some(name) = find(specification.flags) {
                        arguments.options.push((name, String::new()));
                    } else if let Some(name) = find(specification.valued) {
                        let rest = &letters[index + letter.len_utf8()..];
                        let value = if rest.is_empty() {
                            words.next().map(|word| (*word).to_owned())
                        } else {
                            Some(rest.to_owned())
                        };
                        arguments.options.push((name, value.ok_or_else(|| format!("-{letter}"))?));
                        break;
                    } else {
                        return Err(format!("-{letter}"));
                    }
                }
            } else {
                arguments.operands.push((*word).to_owned());
            }
        }
        Ok(arguments)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|option| option.0 == name)
    }

    /// The last value of an option.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|option| option.0 == name).map(|option| option.1.as_str())
    }

    /// A number of seconds.
    pub(crate) fn seconds(&self, name: &str) -> Option<Duration> {
        Duration::try_from_secs_f64(self.value(name)?.parse().ok()?)
            .ok()
            .filter(|duration| !duration.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_taken_apart() {
        let specification = Specification {
            flags: &[('s', "silent"), ('f', "fail")],
            valued: &[('m', "max-time"), ('w', "write-out")],
        };
        let parse = |words: &[&str]| Arguments::parse(&specification, words);
        for words in [
            vec!["-sf", "-m", "2", "u"],
            vec!["-sfm2", "u"],
            vec!["u", "--silent", "--fail", "--max-time=2"],
            vec!["--max-time", "2", "-f", "-s", "u"],
        ] {
            let arguments = parse(&words).unwrap();
            assert!(arguments.has("silent") && arguments.has("fail"), "{words:?}");
            assert_eq!(arguments.seconds("max-time"), Some(Duration::from_secs(2)), "{words:?}");
            assert_eq!(arguments.operands, ["u"], "{words:?}");
        }
        assert_eq!(parse(&["-x"]).unwrap_err(), "-x");
        assert_eq!(parse(&["--nosuch"]).unwrap_err(), "--nosuch");
        assert_eq!(parse(&["-m"]).unwrap_err(), "-m");
    }
}
