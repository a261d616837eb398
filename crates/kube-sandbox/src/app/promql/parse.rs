//! From text to an expression.

use jiff::SignedDuration;
use regex::Regex;

use super::{Aggregation, Expression, MatchValue, Matcher, Node, Selector, beyond};

/// A duration as Prometheus writes it: `5m`, `1h30m`.
pub(crate) fn duration(text: &str) -> Option<SignedDuration> {
    let mut total = SignedDuration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|character: char| character.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "ms" => {
                total = total.checked_add(SignedDuration::from_millis(number))?;
                0
            }
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        total = total.checked_add(SignedDuration::from_secs(number.checked_mul(seconds)?))?;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(total)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Number(f64),
    Text(String),
    Window(String),
    Sign(&'static str),
}

fn tokens(query: &str) -> Result<Vec<Token>, String> {
    const SIGNS: [&str; 20] = [
        "==", "!=", ">=", "<=", "=~", "!~", "(", ")", "{", "}", ",", "=", ">", "<", "+", "-", "*",
        "/", "%", "^",
    ];
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = if first == '"' || first == '\'' {
            let end = rest[1..].find(first).ok_or("parse error: unterminated quoted string")?;
            found.push(Token::Text(rest[1..=end].replace("\\\\", "\\")));
            end + 2
        } else if first == '[' {
            let end = rest.find(']').ok_or("parse error: unclosed left bracket")?;
            found.push(Token::Window(rest[1..end].to_owned()));
            end + 1
        } else if first.is_ascii_digit() || first == '.' {
            let end = rest
                .find(|character: char| {
                    !character.is_ascii_digit() && character != '.' && character != 'e'
                })
                .unwrap_or(rest.len());
            found.push(Token::Number(rest[..end].parse().map_err(|_| {
                format!("parse error: bad number or duration syntax: {:?}", &rest[..end])
            })?));
            end
        } else if first.is_ascii_alphabetic() || first == '_' || first == ':' {
            let end = rest
                .find(|character: char| {
                    !character.is_ascii_alphanumeric() && character != '_' && character != ':'
                })
                .unwrap_or(rest.len());
            found.push(Token::Word(rest[..end].to_owned()));
            end
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push(Token::Sign(sign));
            sign.len()
        } else {
            return Err(format!("parse error: unexpected character: {first:?}"));
        };
        rest = rest[taken..].trim_start();
    }
    Ok(found)
}

/// Reads a query.
pub(crate) fn parse(query: &str) -> Result<Expression, String> {
    let mut parser = Parser { tokens: tokens(query)?, position: 0, depth: 0 };
    let node = parser.alternatives()?;
    match parser.peek() {
        None => Ok(Expression(node)),
        Some(token) => Err(beyond(&format!("{token:?}"))),
    }
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
    depth: u8,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.position)
    }

    fn next(&mut self) -> Option<Token> {
        self.position += 1;
        self.tokens.get(self.position - 1).cloned()
    }

    fn take(&mut self, sign: &'static str) -> bool {
        let there = self.peek() == Some(&Token::Sign(sign));
        self.position += usize::from(there);
        there
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), String> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(format!("parse error: expected {sign:?}, found {:?}", self.peek()))
        }
    }

    fn alternatives(&mut self) -> Result<Node, String> {
        let mut node = self.comparison()?;
        while self.peek() == Some(&Token::Word("or".to_owned())) {
            self.position += 1;
            node = Node::Or(Box::new(node), Box::new(self.comparison()?));
        }
        Ok(node)
    }

    fn binary(
        &mut self,
        operators: &[&'static str],
        operand: fn(&mut Self) -> Result<Node, String>,
    ) -> Result<Node, String> {
        let mut left = operand(self)?;
        while let Some(operator) =
            operators.iter().find(|operator| self.peek() == Some(&Token::Sign(operator)))
        {
            self.position += 1;
            left = Node::Binary { operator, left: Box::new(left), right: Box::new(operand(self)?) };
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Node, String> {
        self.binary(&["==", "!=", ">=", "<=", ">", "<"], Self::sum)
    }

    fn sum(&mut self) -> Result<Node, String> {
        self.binary(&["+", "-"], Self::product)
    }

    fn product(&mut self) -> Result<Node, String> {
        self.binary(&["*", "/"], Self::primary)
    }

    fn primary(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err(beyond("so many levels"));
        }
        let node = match self.next() {
            Some(Token::Number(number)) => Node::Number(number),
            Some(Token::Sign("-")) => match self.next() {
                Some(Token::Number(number)) => Node::Number(-number),
                _ => return Err(beyond("a negated expression")),
            },
            Some(Token::Sign("(")) => {
                let node = self.alternatives()?;
                self.expect(")")?;
                node
            }
            Some(Token::Sign("{")) => Node::Selector(self.selector(None)?),
            Some(Token::Word(word)) => self.named(&word)?,
            other => return Err(format!("parse error: unexpected {other:?}")),
        };
        self.depth -= 1;
        Ok(node)
    }

    fn named(&mut self, word: &str) -> Result<Node, String> {
        let aggregation = match word {
            "sum" => Some(Aggregation::Sum),
            "count" => Some(Aggregation::Count),
            "min" => Some(Aggregation::Min),
            "max" => Some(Aggregation::Max),
            "avg" => Some(Aggregation::Avg),
            _ => None,
        };
        if let Some(how) = aggregation {
            let mut grouping = self.grouping()?;
            self.expect("(")?;
            let of = Box::new(self.alternatives()?);
            self.expect(")")?;
            if grouping.is_none() {
                grouping = self.grouping()?;
            }
            let (by, without) = grouping.unwrap_or_default();
            return Ok(Node::Aggregate { how, by, without, of });
        }
        if self.peek() != Some(&Token::Sign("(")) {
            if matches!(self.tokens.get(self.position), Some(Token::Window(_))) {
                return Err(beyond("a range selector outside rate and increase"));
            }
            return Ok(Node::Selector(self.selector(Some(word))?));
        }
        self.expect("(")?;
        let node = match word {
            "time" => Node::Time,
            "timestamp" => Node::Timestamp(self.instant()?),
            "absent" => Node::Absent(Box::new(self.alternatives()?)),
            "vector" => Node::Vector(Box::new(self.alternatives()?)),
            "histogram_quantile" => {
                let Some(Token::Number(quantile)) = self.next() else {
                    return Err("parse error: expected a number".to_owned());
                };
                self.expect(",")?;
                Node::Quantile(quantile, Box::new(self.alternatives()?))
            }
            "increase" | "rate" => {
                let of = self.instant()?;
                let window = match self.next() {
                    Some(Token::Window(text)) => {
                        duration(&text).filter(|window| window.is_positive()).ok_or_else(|| {
                            format!("parse error: not a valid duration string: {text:?}")
                        })?
                    }
                    _ => {
                        return Err(format!(
                            "parse error: expected type range vector in call to \
                                function \"{word}\", got instant vector"
                        ));
                    }
                };
                Node::Increase { of, window, per_second: word == "rate" }
            }
            _ => return Err(beyond(&format!("the function {word}"))),
        };
        self.expect(")")?;
        Ok(node)
    }

    fn grouping(&mut self) -> Result<Option<(Vec<String>, bool)>, String> {
        let without = match self.peek() {
            Some(Token::Word(word)) if word == "by" => false,
            Some(Token::Word(word)) if word == "without" => true,
            _ => return Ok(None),
        };
        self.position += 1;
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.take(")") {
            match self.next() {
                Some(Token::Word(label)) => labels.push(label),
                other => return Err(format!("parse error: unexpected {other:?} in grouping")),
            }
            self.take(",");
        }
        Ok(Some((labels, without)))
    }

    fn instant(&mut self) -> Result<Selector, String> {
        match self.next() {
            Some(Token::Word(name)) => self.selector(Some(&name)),
            Some(Token::Sign("{")) => self.selector(None),
            _ => Err(beyond("anything but a selector here")),
        }
    }

    /// The rest of a selector: of a name, or of what follows a brace.
    fn selector(&mut self, name: Option<&str>) -> Result<Selector, String> {
        let exactly = |label: &str, value: &str| Matcher {
            label: label.to_owned(),
            value: MatchValue::Exactly(value.to_owned()),
            negated: false,
        };
        let mut matchers: Vec<Matcher> =
            name.map(|name| exactly("__name__", name)).into_iter().collect();
        if name.is_some() && !self.take("{") {
            return Ok(Selector(matchers));
        }
        while !self.take("}") {
            let (Some(Token::Word(label)), Some(Token::Sign(sign)), Some(Token::Text(value))) =
                (self.next(), self.next(), self.next())
            else {
                return Err("parse error: unexpected token in label matching".to_owned());
            };
            let pattern = || {
                Regex::new(&format!("^(?:{value})$"))
                    .map(MatchValue::Pattern)
                    .map_err(|error| format!("parse error: {error}"))
            };
            let (value, negated) = match sign {
                "=" => (MatchValue::Exactly(value.clone()), false),
                "!=" => (MatchValue::Exactly(value.clone()), true),
                "=~" => (pattern()?, false),
                "!~" => (pattern()?, true),
                _ => {
                    return Err(format!("parse error: unexpected {sign:?} in label matching"));
                }
            };
            matchers.push(Matcher { label, value, negated });
            self.take(",");
        }
        if matchers.is_empty() {
            return Err("parse error: vector selector must contain at least one non-empty matcher"
                .to_owned());
        }
        Ok(Selector(matchers))
    }
}
