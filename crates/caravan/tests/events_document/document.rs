//! The document, and values held against its schemas.

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

/// What `docs/events.yaml` says.
pub(crate) struct Document(pub(crate) Value);

impl Document {
    /// Reads it.
    pub(crate) fn read() -> Self {
        Self(serde_saphyr::from_str(include_str!("../../../../docs/events.yaml")).expect("docs/events.yaml is YAML"))
    }

    /// The same, where no object may have a member that is not described.
    pub(crate) fn strict() -> Self {
        let mut document = Self::read();
        close(&mut document.0["components"]["schemas"]);
        document
    }

    /// What stands at a JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("docs/events.yaml has nothing at {pointer}"))
    }

    /// What stands at a JSON pointer, or where that refers to.
    pub(crate) fn meant(&self, pointer: &str) -> &Value {
        let found = self.at(pointer);
        match found.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.meant(reference.strip_prefix('#').expect("references stay in the document")),
            None => found,
        }
    }

    /// The schema at a JSON pointer.
    pub(crate) fn schema(&self, pointer: &str) -> Validator {
        self.at(pointer);
        let schema =
            json!({ "allOf": [{ "$ref": format!("#{pointer}") }], "components": self.at("/components").clone() });
        let options = jsonschema::options().with_draft(Draft::Draft7).should_validate_formats(true);
        options.build(&schema).unwrap_or_else(|problem| panic!("{pointer} is no schema: {problem}"))
    }

    /// The names of the members that a schema describes, also in those it is made of.
    pub(crate) fn described(&self, schema: &Value) -> Vec<String> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.described(self.at(&reference[1..]));
        }
        let own = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|own| own.keys().cloned());
        let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        own.chain(parts.flat_map(|part| self.described(part))).collect()
    }
}

/// Lets objects have no members beside those that are described. Parts of an `allOf` describe an object together.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if name != "allOf" {
                    close(member);
                }
            }
            if members.get("properties").is_some_and(|properties| properties.get("type").is_none_or(Value::is_object)) {
                members.entry("additionalProperties").or_insert(Value::Bool(false));
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(close),
        _ => {}
    }
}

/// What is wrong with a value, each with its place.
pub(crate) fn problems(schema: &Validator, value: &Value) -> Vec<String> {
    schema.iter_errors(value).map(|problem| format!("{}: {problem}", problem.instance_path())).collect()
}
