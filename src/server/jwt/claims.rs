//! The claims of a token, as text.

use serde_json::{Map, Value};

/// The claims of a verified token.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(pub(super) Map<String, Value>);

impl Claims {
    /// A claim as a line of text, such as a header field value: a string unchanged, numbers and booleans as in JSON, lists of these with commas. Other claims
    /// have no such form, nor has a list with a comma in one of its members, which would be read as two.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::Array(members) => {
                let member = |value| scalar(value).filter(|text| !text.contains(','));
                let texts: Option<Vec<String>> = members.iter().map(member).collect();
                Some(texts?.join(","))
            }
            one => scalar(one),
        }
    }

    /// Whether a claim is one of these values, or a list that contains one of them.
    #[must_use]
    pub fn has_one_of(&self, name: &str, values: &[String]) -> bool {
        let one_of = |value: &Value| scalar(value).is_some_and(|text| values.contains(&text));
        match self.0.get(name) {
            None => false,
            Some(Value::Array(members)) => members.iter().any(one_of),
            // RFC 8693 section 4.2: scopes are words of one text.
            Some(Value::String(text)) if name == "scope" => {
                text.split(' ').any(|word| values.iter().any(|value| value == word))
            }
            Some(value) => one_of(value),
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_as_texts_and_as_conditions() {
        let claims = r#"{"sub":"me","n":7,"yes":true,"roles":["a","b",1],"scope":"read write","deep":{"a":1},"none":null,"mixed":["a",{}],"two":["a","b,admin"],"one":"a,b"}"#;
        let claims = Claims(serde_json::from_str(claims).unwrap());
        for (name, text) in [
            ("sub", Some("me")),
            ("n", Some("7")),
            ("yes", Some("true")),
            ("roles", Some("a,b,1")),
            ("scope", Some("read write")),
            ("deep", None),
            ("none", None),
            ("mixed", None),
            ("two", None),
            ("one", Some("a,b")),
            ("absent", None),
        ] {
            assert_eq!(claims.text(name).as_deref(), text, "{name}");
        }
        for (name, value, holds) in [
            ("sub", "me", true),
            ("sub", "m", false),
            ("n", "7", true),
            ("roles", "b", true),
            ("roles", "a,b,1", false),
            ("scope", "write", true),
            ("scope", "read write", false),
            ("absent", "", false),
            ("none", "null", false),
        ] {
            assert_eq!(claims.has_one_of(name, &["x".into(), value.into()]), holds, "{name}: {value}");
        }
    }
}
