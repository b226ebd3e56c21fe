//! The headers of a record, and their text form for a database column.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One header of a record, as Kafka has them: the value is bytes or null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name; more than one header may have it.
    pub name: String,
    /// The value.
    pub value: Option<Vec<u8>>,
}

/// The headers of a record, in order.
///
/// Written as JSON they are a list of pairs. A value is a text if it is UTF-8 without U+0000,
/// which neither PostgreSQL's `text` nor its `jsonb` can hold, else bytes in base64 (RFC 4648
/// section 4):
///
/// ```json
/// [["ce_id","7"],["kafka_dlt-original-partition",{"base64":"AAAAAQ=="}],["empty",null]]
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<Header>);

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a header at the end.
    pub fn push(&mut self, name: impl Into<String>, value: Option<Vec<u8>>) {
        self.0.push(Header { name: name.into(), value });
    }

    /// Adds a header with a text at the end.
    pub fn push_text(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.push(name, Some(text.into().into_bytes()));
    }

    /// The value of the last header with this name, as Kafka's `lastHeader` finds it.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().rev().find(|header| header.name == name)?.value.as_deref()
    }

    /// The value of the last header with this name, if it is UTF-8.
    pub fn get_text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The headers in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The JSON form, without white space.
    pub fn to_json_text(&self) -> String {
        // Writing texts into memory has no way to fail.
        serde_json::to_string(self).unwrap_or_else(|_| "[]".to_owned())
    }

    /// Reads the JSON form.
    pub fn from_json_text(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Headers {
    type Item = Header;
    type IntoIter = std::vec::IntoIter<Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|header| (&header.name, WrittenValue(header.value.as_deref()))))
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(String, ReadValue)>::deserialize(deserializer)?;
        Ok(pairs.into_iter().map(|(name, ReadValue(value))| Header { name, value }).collect())
    }
}

/// The member that holds a value that is not a text.
const BASE64_FIELD: &str = "base64";

struct WrittenValue<'a>(Option<&'a [u8]>);

impl Serialize for WrittenValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(bytes) = self.0 else { return serializer.serialize_none() };
        match std::str::from_utf8(bytes) {
            Ok(text) if !bytes.contains(&0) => serializer.serialize_str(text),
            _ => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(BASE64_FIELD, &BASE64.encode(bytes))?;
                map.end()
            }
        }
    }
}

struct ReadValue(Option<Vec<u8>>);

impl<'de> Deserialize<'de> for ReadValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = ReadValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text, null or an object with {BASE64_FIELD:?}")
    }

    fn visit_unit<E>(self) -> Result<ReadValue, E> {
        Ok(ReadValue(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<ReadValue, E> {
        Ok(ReadValue(Some(text.as_bytes().to_vec())))
    }

    fn visit_string<E>(self, text: String) -> Result<ReadValue, E> {
        Ok(ReadValue(Some(text.into_bytes())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReadValue, A::Error> {
        match map.next_entry::<String, String>()? {
            Some((name, encoded)) if name == BASE64_FIELD => {
                let bytes = BASE64.decode(encoded).map_err(A::Error::custom)?;
                match map.next_key::<String>()? {
                    None => Ok(ReadValue(Some(bytes))),
                    Some(more) => Err(A::Error::unknown_field(&more, &[BASE64_FIELD])),
                }
            }
            Some((name, _)) => Err(A::Error::unknown_field(&name, &[BASE64_FIELD])),
            None => Err(A::Error::missing_field(BASE64_FIELD)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_form_is_compact_and_readable() {
        let mut headers = Headers::new();
        headers.push_text("ce_id", "ü\"7");
        headers.push("i", Some(vec![0, 0, 0, 1]));
        headers.push("latin", Some(vec![0xff]));
        headers.push("none", None);
        headers.push_text("empty", "");
        let text =
            r#"[["ce_id","ü\"7"],["i",{"base64":"AAAAAQ=="}],["latin",{"base64":"/w=="}],["none",null],["empty",""]]"#;
        assert_eq!(headers.to_json_text(), text);
        assert_eq!(Headers::from_json_text(text).unwrap(), headers);
    }

    #[test]
    fn the_last_of_a_name_is_found() {
        let mut headers = Headers::new();
        headers.push_text("a", "1");
        headers.push("a", Some(vec![0xff]));
        assert_eq!((headers.get("a"), headers.get_text("a"), headers.get("A")), (Some(&[0xff][..]), None, None));
        headers.push_text("a", "2");
        assert_eq!(headers.get_text("a"), Some("2"));
        headers.push("a", None);
        assert_eq!(headers.get("a"), None);
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "{}",
            "[[\"a\"]]",
            "[[\"a\",1]]",
            "[[1,\"a\"]]",
            "[[\"a\",{}]]",
            "[[\"a\",{\"base64\":\"?\"}]]",
            "[[\"a\",{\"base64\":\"\",\"more\":\"\"}]]",
            "[[\"a\",{\"text\":\"\"}]]",
            "[[\"a\",\"b\",\"c\"]]",
        ] {
            assert!(Headers::from_json_text(text).is_err(), "{text}");
        }
        assert_eq!(Headers::from_json_text("[]").unwrap(), Headers::new());
    }

    prop_compose! {
        pub(crate) fn any_headers()(pairs: Vec<(String, Option<Vec<u8>>)>, texts: Vec<(String, String)>) -> Headers {
            let texts = texts.into_iter().map(|(name, text)| (name, Some(text.into_bytes())));
            pairs.into_iter().chain(texts).map(|(name, value)| Header { name, value }).collect()
        }
    }

    proptest! {
        #[test]
        fn what_encodes_decodes_to_the_same(headers in any_headers()) {
            prop_assert_eq!(Headers::from_json_text(&headers.to_json_text()).unwrap(), headers);
        }

        #[test]
        fn no_text_whatsoever_makes_it_panic(text: String) {
            let _ = Headers::from_json_text(&text);
        }
    }
}
