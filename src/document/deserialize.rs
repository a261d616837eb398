//! From the positioned tree to plain serde structs, with every fault at its place.
//!
//! A scalar with a template has no value yet. Where a number, a duration or another typed value is
//! wanted, a stand-in of that type takes its place, so that everything around it is checked before
//! the run; the real value is checked when it is rendered.

use super::node::{Entry, Fault, Node, NodeKind};
use super::quoting::{CUT, is_rest_of_program};
use crate::diagnostic::{Correction, nearest};
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Name of the newtype whose scalars are jq programs and not templates.
pub(super) const JQ: &str = "Jq";
/// Name of the newtype whose scalars are taken as they are written: neither jq nor templates.
const LITERAL: &str = "Literal";

/// Attempts at one value: each finds at least one more fault.
const MAX_FAULTS: usize = 64;

/// What was found on the way.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// Places of the scalars that are jq programs.
    pub jq: BTreeSet<(usize, usize)>,
    /// Places of the scalars that are taken as they are written.
    pub literal: BTreeSet<(usize, usize)>,
}

/// Reads a value of type `T` from a node. Reports all faults; the value is there only if it can be
/// made of the rest.
pub(super) fn from_node<'de, T: de::Deserialize<'de>>(node: &'de Node) -> (Option<T>, Found) {
    from_node_seed(node, std::marker::PhantomData::<T>)
}

/// As [`from_node`], where what is read depends on a value.
pub(super) fn from_node_seed<'de, S: DeserializeSeed<'de> + Clone>(
    node: &'de Node,
    seed: S,
) -> (Option<S::Value>, Found) {
    let mut poisoned = BTreeSet::new();
    let mut faults = Vec::<Fault>::new();
    loop {
        let recorder = RefCell::new(Found::default());
        let result =
            seed.clone().deserialize(Reader { node, recorder: &recorder, poisoned: &poisoned });
        let mut found = recorder.into_inner();
        let failure = match result {
            Ok(value) => {
                found.faults.append(&mut faults);
                return (Some(value), found);
            }
            Err(failure) => failure,
        };
        let span = failure.span.unwrap_or_else(|| node.span.clone());
        let again = poisoned.insert((span.start, span.end));
        let fault = Fault {
            correction: failure.correction,
            ..Fault::new("RB0104", span, failure.message, failure.label)
        };
        faults.push(fault.nearest(failure.near));
        if !again || faults.len() >= MAX_FAULTS || failure.fatal {
            found.faults.append(&mut faults);
            return (None, found);
        }
    }
}

/// Whether a text has a template in it.
pub(super) fn has_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Kind and name of a target with a template in it: each is what is written, or the template where
/// only the run knows it.
fn computed_target(text: &str) -> Option<(&str, &str)> {
    let whole = has_template(text).then_some(text)?;
    Some(
        whole
            .split_once('/')
            .filter(|(kind, _)| {
                !kind.is_empty() && !has_template(kind) && !kind.contains(['{', '}'])
            })
            .unwrap_or((whole, whole)),
    )
}

#[derive(Debug)]
struct DeserializeFailure {
    span: Option<Range<usize>>,
    message: String,
    label: String,
    fatal: bool,
    correction: Option<Box<Correction>>,
    /// The known word that is nearest to the one that stands there.
    near: Option<&'static str>,
}

impl DeserializeFailure {
    fn at(mut self, span: &Range<usize>) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }
}

impl std::fmt::Display for DeserializeFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DeserializeFailure {}

impl de::Error for DeserializeFailure {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self {
            span: None,
            message: message.to_string(),
            label: String::new(),
            fatal: false,
            correction: None,
            near: None,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            label: format!("requires `{field}`"),
            fatal: true,
            ..Self::custom(format_args!("missing field `{field}`"))
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let known = expected.join(", ");
        Self {
            label: format!("one of {known}"),
            near: nearest(variant, expected.iter().copied()),
            ..Self::custom(format_args!("unknown value `{variant}`: one of {known}"))
        }
    }
}

#[derive(Clone, Copy)]
struct Reader<'de, 'r> {
    node: &'de Node,
    recorder: &'r RefCell<Found>,
    poisoned: &'r BTreeSet<(usize, usize)>,
}

impl<'de, 'r> Reader<'de, 'r> {
    fn on(self, node: &'de Node) -> Self {
        Self { node, ..self }
    }

    /// Whether a stand-in is to be given: the value is a template, or it is already known to be
    /// wrong.
    fn is_open(&self) -> bool {
        self.is_poisoned() || self.node.as_str().is_some_and(has_template)
    }

    fn is_poisoned(&self) -> bool {
        self.poisoned.contains(&(self.node.span.start, self.node.span.end))
    }

    fn mismatch(&self, wanted: &str) -> DeserializeFailure {
        let found = match &self.node.kind {
            NodeKind::Scalar { text, value } if !value.is_null() && text.len() < 40 => {
                format!("{} `{text}`", self.node.describe())
            }
            _ => self.node.describe().to_owned(),
        };
        DeserializeFailure {
            label: format!("expected {wanted}"),
            ..de::Error::custom(format_args!("expected {wanted}, found {found}"))
        }
        .at(&self.node.span)
    }

    /// Something else where a string is wanted: a number or a word of YAML is quoted.
    fn no_string(&self) -> DeserializeFailure {
        let correction = match &self.node.kind {
            NodeKind::Scalar { text, value } if !value.is_null() => Some(Box::new(Correction {
                range: self.node.span.clone(),
                text: Value::from(text.as_str()).to_string(),
            })),
            _ => None,
        };
        DeserializeFailure { correction, ..self.mismatch("a string") }
    }

    fn entries(&self, wanted: &str) -> Result<&'de [Entry], DeserializeFailure> {
        match &self.node.kind {
            NodeKind::Map(entries) => Ok(entries),
            NodeKind::List(_) | NodeKind::Scalar { .. } => Err(self.mismatch(wanted)),
        }
    }
}

macro_rules! numbers {
    ($($method:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
            if self.is_open() {
                return visitor.visit_u64(1);
            }
            match &self.node.kind {
                NodeKind::Scalar { value: Value::Number(number), .. } => {
                    let result = match (number.as_u64(), number.as_i64(), number.as_f64()) {
                        (Some(number), _, _) => visitor.visit_u64(number),
                        (_, Some(number), _) => visitor.visit_i64(number),
                        (_, _, Some(number)) => visitor.visit_f64(number),
                        (None, None, None) => return Err(self.mismatch("a number")),
                    };
                    result.map_err(|failure: DeserializeFailure| failure.at(&self.node.span))
                }
                NodeKind::Scalar { .. } | NodeKind::List(_) | NodeKind::Map(_) => Err(self.mismatch("a \
                    number")),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'de, '_> {
    type Error = DeserializeFailure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
        if self.is_poisoned() {
            return visitor.visit_u64(1);
        }
        let result = match &self.node.kind {
            NodeKind::Scalar { text, value } => match value {
                Value::Null => visitor.visit_unit(),
                Value::Bool(value) => visitor.visit_bool(*value),
                Value::Number(number) => {
                    match (number.as_u64(), number.as_i64(), number.as_f64()) {
                        (Some(number), _, _) => visitor.visit_u64(number),
                        (_, Some(number), _) => visitor.visit_i64(number),
                        (_, _, number) => visitor.visit_f64(number.unwrap_or_default()),
                    }
                }
                _ => visitor.visit_borrowed_str(text),
            },
            NodeKind::List(items) => {
                visitor.visit_seq(SequenceItems { reader: self, items: items.iter() })
            }
            NodeKind::Map(entries) => visitor.visit_map(Fields {
                reader: self,
                entries: entries.iter(),
                known: None,
                value: None,
            }),
        };
        result.map_err(|failure: DeserializeFailure| failure.at(&self.node.span))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
        match &self.node.kind {
            _ if self.is_open() => visitor.visit_bool(false),
            NodeKind::Scalar { value: Value::Bool(value), .. } => visitor.visit_bool(*value),
            NodeKind::Scalar { .. } | NodeKind::List(_) | NodeKind::Map(_) => {
                Err(self.mismatch("true or false"))
            }
        }
    }

    numbers!(
        deserialize_u8,
        deserialize_u16,
        deserialize_u32,
        deserialize_u64,
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_i64,
        deserialize_f32,
        deserialize_f64
    );

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
        match &self.node.kind {
            _ if self.is_poisoned() => visitor.visit_borrowed_str(""),
            NodeKind::Scalar { text, value: Value::String(_) } => visitor
                .visit_borrowed_str(text)
                .map_err(|failure: DeserializeFailure| failure.at(&self.node.span)),
            NodeKind::Scalar { .. } | NodeKind::List(_) | NodeKind::Map(_) => Err(self.no_string()),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        match &self.node.kind {
            NodeKind::Scalar { value: Value::Null, .. } => visitor.visit_none(),
            NodeKind::Scalar { .. } | NodeKind::List(_) | NodeKind::Map(_) => {
                visitor.visit_some(self)
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        let place = (self.node.span.start, self.node.span.end);
        if name == LITERAL {
            self.recorder.borrow_mut().literal.insert(place);
        }
        if name == JQ {
            self.recorder.borrow_mut().jq.insert(place);
            // a bare `true` or `1` in a condition is a program, too
            if let NodeKind::Scalar { text, value: Value::Bool(_) | Value::Number(_) } =
                &self.node.kind
            {
                return visitor.visit_newtype_struct(de::value::BorrowedStrDeserializer::<
                    DeserializeFailure,
                >::new(text));
            }
        }
        if let Some((kind, name)) = self
            .node
            .as_str()
            .filter(|_| name == "Target" && !self.is_poisoned())
            .and_then(computed_target)
        {
            let fields = [("kind", OptionalText(kind)), ("name", OptionalText(name))].into_iter();
            return visitor.visit_newtype_struct(
                de::value::MapDeserializer::<_, DeserializeFailure>::new(fields),
            );
        }
        let stand_in = match name {
            "Duration" => Some("1s"),
            // of what is wrong anyway
            "Target" => Some("pod/name"),
            _ => None,
        };
        match stand_in {
            Some(text) if self.is_open() => visitor.visit_newtype_struct(
                de::value::BorrowedStrDeserializer::<DeserializeFailure>::new(text),
            ),
            _ => visitor
                .visit_newtype_struct(self)
                .map_err(|failure: DeserializeFailure| failure.at(&self.node.span)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
        match &self.node.kind {
            NodeKind::List(items) => visitor
                .visit_seq(SequenceItems { reader: self, items: items.iter() })
                .map_err(|failure| failure.at(&self.node.span)),
            _ if self.is_open() => {
                visitor.visit_seq(SequenceItems { reader: self, items: [].iter() })
            }
            NodeKind::Scalar { .. } | NodeKind::Map(_) => Err(self.mismatch("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
        if self.is_open() {
            return visitor.visit_map(Fields {
                reader: self,
                entries: [].iter(),
                known: None,
                value: None,
            });
        }
        let entries = self.entries("a mapping")?;
        visitor
            .visit_map(Fields { reader: self, entries: entries.iter(), known: None, value: None })
            .map_err(|failure| failure.at(&self.node.span))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        let name = as_typed(name);
        let entries = self
            .entries(&format!("a mapping with the fields of `{name}` ({})", fields.join(", ")))?;
        let (own, others): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().partition(|entry| fields.contains(&entry.key.as_str()));
        let written = own.iter().filter_map(|own| fields.iter().find(|field| **field == own.key));
        let mut known = Known { fields, meant: written.map(|field| (*field, None)).collect() };
        for entry in others {
            let near = nearest(&entry.key, fields.iter().copied());
            known.add(&entry.key, near);
            let mut fault = Fault::new(
                "RB0102",
                entry.key_span.clone(),
                format!("unknown field `{}` of `{name}`", entry.key),
                "not a field",
            )
            .nearest(near);
            if is_rest_of_program(&entry.key) {
                fault.label = CUT.to_owned();
            }
            fault.notes.push(format!("fields of `{name}`: {}", fields.join(", ")));
            self.recorder.borrow_mut().faults.push(fault);
        }
        visitor
            .visit_map(Fields {
                reader: self,
                entries: entries.iter(),
                known: Some(known),
                value: None,
            })
            .map_err(|failure| failure.at(&self.node.span))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        let text = match &self.node.kind {
            _ if self.is_open() => variants.first().copied().unwrap_or_default(),
            NodeKind::Scalar { text, value: Value::String(_) } => text,
            NodeKind::Scalar { .. } | NodeKind::List(_) | NodeKind::Map(_) => {
                return Err(self.mismatch(&format!("one of {}", variants.join(", "))));
            }
        };
        visitor
            .visit_enum(IntoDeserializer::<DeserializeFailure>::into_deserializer(text))
            .map_err(|failure| failure.at(&self.node.span))
    }

    fn deserialize_identifier<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { i128 u128 char bytes byte_buf unit_struct tuple tuple_struct }
}

/// A text for a field that need not be there.
struct OptionalText<'a>(&'a str);

impl<'de> IntoDeserializer<'de, DeserializeFailure> for OptionalText<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> de::Deserializer<'de> for OptionalText<'_> {
    type Error = DeserializeFailure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeFailure> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, DeserializeFailure> {
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

struct SequenceItems<'de, 'r> {
    reader: Reader<'de, 'r>,
    items: std::slice::Iter<'de, Node>,
}

impl<'de> de::SeqAccess<'de> for SequenceItems<'de, '_> {
    type Error = DeserializeFailure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeserializeFailure> {
        self.items
            .next()
            .map(|node| {
                seed.deserialize(self.reader.on(node)).map_err(|failure| failure.at(&node.span))
            })
            .transpose()
    }
}

/// The fields of a struct, and what is written in the place of some of them.
struct Known<'de> {
    fields: &'static [&'static str],
    /// The field that is meant by a key that is none; none if several keys would be it.
    meant: BTreeMap<&'static str, Option<&'de str>>,
}

impl<'de> Known<'de> {
    /// Adds a key that is no field, and the field that is nearest to it.
    fn add(&mut self, key: &'de str, near: Option<&'static str>) {
        let Some(near) = near else { return };
        let is_new = !self.meant.contains_key(near);
        self.meant.insert(near, Some(key).filter(|_| is_new));
    }

    /// The field that is meant by a key.
    fn field(&self, key: &'de str) -> Option<&'de str> {
        if self.fields.contains(&key) {
            return Some(key);
        }
        self.meant.iter().find(|(_, own)| **own == Some(key)).map(|(field, _)| *field)
    }
}

struct Fields<'de, 'r> {
    reader: Reader<'de, 'r>,
    entries: std::slice::Iter<'de, Entry>,
    /// Of a struct, its fields; others are passed over, because they have been reported.
    known: Option<Known<'de>>,
    value: Option<&'de Node>,
}

impl<'de> de::MapAccess<'de> for Fields<'de, '_> {
    type Error = DeserializeFailure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeserializeFailure> {
        let known = self.known.as_ref();
        let meant = |entry: &'de Entry| {
            let key = known.map_or(Some(entry.key.as_str()), |known| known.field(&entry.key))?;
            Some((entry, key))
        };
        let Some((entry, key)) = self.entries.find_map(meant) else { return Ok(None) };
        self.value = Some(&entry.node);
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key))
            .map(Some)
            .map_err(|failure: DeserializeFailure| failure.at(&entry.key_span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DeserializeFailure> {
        let node = self.value.take().unwrap_or(self.reader.node);
        seed.deserialize(self.reader.on(node)).map_err(|failure| failure.at(&node.span))
    }
}

/// The name of a verb, as it is typed, from that of its type: `SetImage` is `set_image`.
fn as_typed(name: &str) -> String {
    let mut typed = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            typed.push('_');
        }
        typed.push(letter.to_ascii_lowercase());
    }
    typed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::node::parse;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Probe {
        port: u16,
        path: Option<String>,
        #[serde(default)]
        quick: bool,
        #[serde(default)]
        list: Vec<String>,
    }

    fn faults(text: &str) -> Vec<String> {
        let node = parse(text).unwrap();
        let (_, found) = from_node::<Probe>(&node);
        found
            .faults
            .iter()
            .map(|fault| {
                format!("{} | {} | {}", &text[fault.span.clone()], fault.message, fault.label)
            })
            .collect()
    }

    #[test]
    fn a_template_stands_for_any_scalar() {
        let node =
            parse("port: '{{ params.port }}'\nquick: '{{ params.quick }}'\nlist: ['{{ a }}', b]\n")
                .unwrap();
        let (value, found) = from_node::<Probe>(&node);
        assert_eq!(found.faults, []);
        assert_eq!(
            value.unwrap(),
            Probe { port: 1, path: None, quick: false, list: vec!["{{ a }}".into(), "b".into()] }
        );
    }

    #[test]
    fn all_wrong_values_are_reported_at_once() {
        let found = faults("port: high\npath: 5\nquikc: true\nlist: [a, 7]\n");
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(
            found.iter().any(|fault| fault
                == "high | expected a number, found a string `high` | expected a number"),
            "{found:#?}"
        );
        assert!(
            found.iter().any(|fault| fault
                .starts_with("quikc | unknown field `quikc` of `probe` | did you mean `quick`?")),
            "{found:#?}"
        );
        assert!(found.iter().any(|fault| fault.starts_with("5 | expected a string")), "{found:#?}");
        assert!(found.iter().any(|fault| fault.starts_with("7 | expected a string")), "{found:#?}");
    }

    #[test]
    fn a_number_out_of_range_and_a_missing_field_are_faults() {
        assert!(faults("port: 70000")[0].contains("70000"), "{:?}", faults("port: 70000"));
        assert!(faults("path: x")[0].contains("missing field `port`"));
        let found = faults("prot: high\n");
        assert!(found.len() == 2 && !found.join("").contains("missing"), "{found:?}");
    }
}
