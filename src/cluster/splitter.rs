//! Splits the text of a list into its objects while it arrives, so that neither the whole text nor
//! all objects are in memory at once. Pure.
//!
//! Only the ends of objects are detected here. Whether each object, and the text around them, is
//! valid JSON is left to a parser: the rest of the list (its envelope) has a placeholder for each
//! object, so that the parser checks everything between them, too.

/// What is held at once (one object, and what stands around the objects) may be this large: no
/// object of etcd is nearly so.
const LIMIT: usize = 64 << 20;
/// Stands in the envelope for an object.
const PLACEHOLDER: u8 = b'0';

/// A list whose text arrives in parts.
#[derive(Default)]
pub(super) struct Splitter {
    /// Everything but the objects.
    envelope: Vec<u8>,
    /// The object that is being read.
    object: Vec<u8>,
    /// Brackets that are open in the envelope.
    depth: usize,
    /// Brackets that are open in the object; 0 outside of one.
    inner: usize,
    /// Within a string, and behind a backslash in it.
    text: bool,
    escaped: bool,
    /// Where the last string of the envelope began.
    began: usize,
    /// The key before a `:` of the list itself is `items`.
    key: bool,
    last: bool,
    /// Within the brackets of `items`.
    items: bool,
    count: usize,
}

/// More is to be held than may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Splitter {
    /// Takes the next part of the text and gives every object that ends in it.
    pub(super) fn feed<E: From<TooLarge>>(
        &mut self,
        part: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut start = 0;
        for (index, byte) in part.iter().copied().enumerate() {
            if self.inner == 0 {
                start = index;
                self.outside(byte);
            } else if self.inside(byte) {
                self.object.extend_from_slice(&part[start..=index]);
                each(&self.object)?;
                self.object.clear();
                self.envelope.push(PLACEHOLDER);
                self.count += 1;
            }
        }
        if self.inner > 0 {
            self.object.extend_from_slice(&part[start..]);
        }
        if self.object.len() + self.envelope.len() > LIMIT { Err(TooLarge.into()) } else { Ok(()) }
    }

    /// What stood around the objects, with a number in the place of each, and how many there were.
    pub(super) fn finish(self) -> (Vec<u8>, usize) {
        (self.envelope, self.count)
    }

    /// Whether the byte is within a string, its closing quote included.
    fn quoted(&mut self, byte: u8) -> bool {
        match (self.text, self.escaped, byte) {
            (false, _, _) => return false,
            (true, true, _) => self.escaped = false,
            (true, false, b'\\') => self.escaped = true,
            (true, false, b'"') => self.text = false,
            (true, false, _) => {}
        }
        true
    }

    /// A byte of the object. Whether it is its last.
    fn inside(&mut self, byte: u8) -> bool {
        if self.quoted(byte) {
            return false;
        }
        match byte {
            b'"' => self.text = true,
            b'{' | b'[' => self.inner += 1,
            b'}' | b']' => self.inner -= 1,
            _ => {}
        }
        self.inner == 0
    }

    fn outside(&mut self, byte: u8) {
        if self.items && self.depth == 2 && !self.text && byte == b'{' {
            self.inner = 1;
            return;
        }
        self.envelope.push(byte);
        if self.quoted(byte) {
            if !self.text {
                self.last = self.depth == 1 && &self.envelope[self.began..] == b"\"items\"";
            }
            return;
        }
        match byte {
            b'"' => (self.text, self.began) = (true, self.envelope.len() - 1),
            b':' if self.depth == 1 => self.key = self.last,
            b',' if self.depth == 1 => self.key = false,
            b'{' | b'[' => {
                self.items |= byte == b'[' && self.depth == 1 && self.key;
                self.depth += 1;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.items &= self.depth > 1;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[derive(Debug, PartialEq)]
    enum Fault {
        Large,
        NotJson,
    }

    impl From<TooLarge> for Fault {
        fn from(_: TooLarge) -> Self {
            Self::Large
        }
    }

    /// The envelope and the objects of a text that arrives in parts of this length.
    fn split(text: &[u8], length: usize) -> Result<(Value, Vec<Value>), Fault> {
        let (mut splitter, mut objects) = (Splitter::default(), Vec::new());
        for part in text.chunks(length) {
            splitter.feed::<Fault>(part, |object| {
                objects.push(serde_json::from_slice(object).map_err(|_| Fault::NotJson)?);
                Ok(())
            })?;
        }
        let (envelope, count) = splitter.finish();
        let envelope: Value = serde_json::from_slice(&envelope).map_err(|_| Fault::NotJson)?;
        assert!(
            envelope["items"].as_array().is_none_or(|items| items.len() >= count),
            "{envelope}"
        );
        Ok((envelope, objects))
    }

    #[test]
    fn objects_are_cut_out_wherever_the_text_is_torn() {
        let object = json!({"metadata": {"name": "a\"]}{[\\", "labels": {"items": "[{"}},
            "items": [{"x": [1]}], "n": [[], {}]});
        let list = json!({"kind": "PodList", "not": {"items": [{"a": 1}]}, "x": "items",
            "items": [object, {}, {"b": null}], "metadata": {"continue": "]}"}});
        let text = serde_json::to_vec_pretty(&list).unwrap();
        for length in 1..text.len() {
            let (envelope, objects) = split(&text, length).unwrap();
            assert_eq!(json!(objects), list["items"], "parts of {length}");
            assert_eq!(envelope["items"], json!([0, 0, 0]));
            assert_eq!(
                (&envelope["metadata"], &envelope["not"]),
                (&list["metadata"], &list["not"])
            );
        }
    }

    #[test]
    fn what_is_no_list_of_objects_stays_in_the_envelope() {
        for text in [
            "[]",
            "null",
            "{}",
            r#"{"items":null}"#,
            r#"{"items":{"a":{}}}"#,
            r#"["items",[{"a":1}]]"#,
            r#"{"items":[1,[{"a":1}],"{"]}"#,
            r#"{"a":"items","b":[{}]}"#,
        ] {
            let (envelope, objects) = split(text.as_bytes(), 3).unwrap();
            assert_eq!(
                (envelope, objects),
                (serde_json::from_str(text).unwrap(), Vec::new()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_json_is_left_for_the_parser_to_refuse() {
        for text in [
            "",
            "{",
            r#"{"items":[{"a":1}"#,
            r#"{"items":[{"a":1} {"b":2}]}"#,
            r#"{"items":[{"a":1]]}"#,
            r#"{"items":[{"a":1}]}}"#,
            r#"{"items":[{]}]}"#,
            "]]]{{{",
        ] {
            assert_eq!(split(text.as_bytes(), 4), Err(Fault::NotJson), "{text}");
        }
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut splitter = Splitter::default();
        splitter.feed::<Fault>(br#"{"items":[{"a":""#, |_| Ok(())).unwrap();
        let part = vec![b'x'; 1 << 20];
        let fed = (0..100).find_map(|index| {
            splitter.feed::<Fault>(&part, |_| Ok(())).err().map(|fault| (index, fault))
        });
        assert_eq!(fed, Some((63, Fault::Large)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_without_panic(bytes in prop::collection::vec(prop::sample::select(&b"{}[]\",:\\items 01"[..]), 0..60), length in 1_usize..9) {
            let _ = split(&bytes, length);
        }
    }
}
