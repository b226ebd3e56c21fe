//! A record's value as a person can read and repair it, and what of that is to be sent.

use std::fmt::Write;

use serde::de::IgnoredAny;

/// Columns a level of JSON is indented by.
const INDENT: usize = 2;
/// Levels that are told apart by that: white space alone must not make a small value a large page.
const INDENTS_MAX: usize = 16;
/// Bytes in a line of hexadecimal.
const HEX_LINE: usize = 16;

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// There is none.
    Nothing,
    /// JSON, laid out.
    Json,
    /// Text as it is.
    Text,
    /// Bytes that are no text, in hexadecimal.
    Hex,
}

/// A value as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) form: Form,
    pub(super) text: String,
}

impl Shown {
    /// The value, laid out so that nothing but white space differs.
    pub(super) fn of(value: Option<&[u8]>) -> Self {
        let Some(bytes) = value else { return Self { form: Form::Nothing, text: String::new() } };
        match std::str::from_utf8(bytes).ok().filter(|text| text.chars().all(is_shown)) {
            Some(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                Self { form: Form::Json, text: laid_out(text) }
            }
            Some(text) => Self { form: Form::Text, text: text.to_owned() },
            None => Self { form: Form::Hex, text: hex(bytes) },
        }
    }

    /// What is to be sent in place of the value; nothing if it reads as it was shown.
    pub(super) fn repaired(&self, text: &str) -> Option<String> {
        // Browsers end lines in their own way.
        let text = with_plain_lines(text);
        (text != with_plain_lines(&self.text)).then_some(text)
    }
}

/// Whether a browser shows a character as it is, and hands it back so.
fn is_shown(letter: char) -> bool {
    !letter.is_control() || matches!(letter, '\n' | '\r' | '\t')
}

fn with_plain_lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// JSON with a line for each member. Texts and numbers stay as they are written: read and written anew, large numbers and
/// members that come twice would change.
fn laid_out(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    let mut letters = json.chars().peekable();
    while let Some(letter) = letters.next() {
        if in_text {
            out.push(letter);
            in_text = is_escaped || letter != '"';
            is_escaped = !is_escaped && letter == '\\';
            continue;
        }
        match letter {
            letter if letter.is_ascii_whitespace() => {}
            '{' | '[' => {
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                out.push(letter);
                match letters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        new_line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                in_text = letter == '"';
                out.push(letter);
            }
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', depth.min(INDENTS_MAX) * INDENT));
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (place, byte) in bytes.iter().enumerate() {
        let before = match place {
            0 => "",
            place if place % HEX_LINE == 0 => "\n",
            _ => " ",
        };
        // Writing to a text has no way to fail.
        let _ = write!(text, "{before}{byte:02x}");
    }
    text
}

/// Text that fits a line, anything else in hexadecimal.
pub(super) fn in_a_line(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => hex(bytes).replace('\n', " "),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn shown(value: &[u8]) -> (Form, String) {
        let Shown { form, text } = Shown::of(Some(value));
        (form, text)
    }

    #[test]
    fn json_is_laid_out_and_its_texts_and_numbers_stay_as_they_are_written() {
        let json = br#"{"a":[1,{}, [ ]],"b":"x: {\"y\", \\" , "n":12345678901234567890.10,"a":null}"#;
        let expected = "{\n  \"a\": [\n    1,\n    {},\n    []\n  ],\n  \"b\": \"x: {\\\"y\\\", \\\\\",\n  \
                        \"n\": 12345678901234567890.10,\n  \"a\": null\n}";
        assert_eq!(shown(json), (Form::Json, expected.to_owned()));
    }

    #[test]
    fn what_is_no_json_is_shown_as_text_and_what_is_no_text_in_hexadecimal() {
        assert_eq!(shown(b"{\"a\":"), (Form::Text, "{\"a\":".to_owned()));
        assert_eq!(shown(b"\xff\x00a"), (Form::Hex, "ff 00 61".to_owned()));
        assert_eq!(shown(b"a\0b"), (Form::Hex, "61 00 62".to_owned()));
        assert_eq!(shown(&[7; 17]).1.lines().count(), 2);
        assert_eq!(Shown::of(None), Shown { form: Form::Nothing, text: String::new() });
    }

    #[test]
    fn a_value_that_nobody_has_edited_is_sent_as_it_was() {
        for value in [&b"{\"a\":1}"[..], b"one\r\ntwo\rthree\n", b"\xff\xfe", b"", b"\n{\n}"] {
            let shown = Shown::of(Some(value));
            // As a browser hands it back.
            let sent = with_plain_lines(&shown.text).replace('\n', "\r\n");
            assert_eq!(shown.repaired(&sent), None, "{value:?}");
        }
        assert_eq!(Shown::of(None).repaired(""), None);
    }

    #[test]
    fn what_was_edited_is_sent_with_plain_ends_of_lines() {
        let shown = Shown::of(Some(b"{\"a\":1}"));
        assert_eq!(shown.repaired("{\r\n  \"a\": 2\r\n}").as_deref(), Some("{\n  \"a\": 2\n}"));
        assert_eq!(Shown::of(None).repaired("{}").as_deref(), Some("{}"));
    }

    #[test]
    fn a_small_value_is_no_large_page_however_deep_it_is() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let shown = Shown::of(Some(deep.as_bytes()));
        assert!(shown.form == Form::Json && shown.text.len() < deep.len() * 40, "{}", shown.text.len());
    }

    #[test]
    fn a_header_is_a_line() {
        assert_eq!(in_a_line(b"invalid-field"), "invalid-field");
        assert_eq!(in_a_line(b"a\nb"), "61 0a 62");
        assert_eq!(in_a_line(&[1; 20]).lines().count(), 1);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), ".*".prop_map(Value::from)];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn however_json_is_laid_out_it_says_the_same(value in json()) {
            let out = laid_out(&value.to_string());
            prop_assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), value);
            prop_assert_eq!(laid_out(&out), out);
        }

        #[test]
        fn whatever_came_can_be_shown(value: Vec<u8>) {
            let shown = Shown::of(Some(&value));
            prop_assert_eq!(shown.repaired(&shown.text), None);
        }
    }
}
