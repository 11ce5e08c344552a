//! Edits of header fields of requests and responses: set, add, remove.
//!
//! `set` replaces all lines of a field by one, `add` adds a line, `remove` deletes all lines, also those of a name that is
//! spelt with underscores for dashes. Fields that frame a message or concern its connection cannot be edited: the balancer generates them.

use bytes::BytesMut;
use http::{HeaderName, HeaderValue};

use super::template::{Template, TemplateError, Variable};
use crate::proto::http::fields::Fields;
use crate::proto::http::hop::reads_as;

/// Edits of header fields. The default is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, Template)>,
    add: Vec<(HeaderName, Template)>,
}

/// Why a field cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Not a valid field name.
    #[error("{0:?} is not a valid field name")]
    Name(String),
    /// The balancer generates this field from the message and its connection.
    #[error("{0} cannot be edited: it frames the message or concerns its connection")]
    Derived(HeaderName),
    /// The host has its own key.
    #[error("the host is set by rewrite-host")]
    Host,
    /// The value is not a valid template.
    #[error(transparent)]
    Value(#[from] TemplateError),
}

/// The fields that the balancer generates.
const DERIVED: [&str; 10] = [
    "connection",
    "content-length",
    "date",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Edits {
    /// Sets a field to one line.
    ///
    /// # Errors
    /// The field cannot be edited, or the value is not a valid template.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), EditError> {
        self.set.push((name_of(name)?, Template::parse(value)?));
        Ok(())
    }

    /// Adds a line.
    ///
    /// # Errors
    /// As for [`set`](Self::set).
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), EditError> {
        self.add.push((name_of(name)?, Template::parse(value)?));
        Ok(())
    }

    /// Removes all lines of a field.
    ///
    /// # Errors
    /// The field cannot be edited.
    pub fn remove(&mut self, name: &str) -> Result<(), EditError> {
        self.remove.push(name_of(name)?);
        Ok(())
    }

    /// Whether there are no edits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Whether a value contains this variable.
    #[must_use]
    pub fn has(&self, variable: Variable) -> bool {
        self.lines().any(|(_, value)| value.has(variable))
    }

    /// Whether the field of this name is dropped from the incoming message.
    #[must_use]
    pub fn hides(&self, name: &str) -> bool {
        let set = self.set.iter().map(|(name, _)| name);
        self.remove.iter().chain(set).any(|hidden| reads_as(name, hidden.as_str()))
    }

    /// The lines to write.
    pub fn lines(&self) -> impl Iterator<Item = (&HeaderName, &Template)> {
        self.set.iter().chain(&self.add).map(|(name, value)| (name, value))
    }

    /// Edits a list of fields; `fill` appends the values of variables.
    pub fn apply(&self, fields: &mut Fields, mut fill: impl FnMut(Variable, &mut BytesMut)) {
        for name in &self.remove {
            fields.remove(name);
        }
        let mut value = |template: &Template| {
            let mut bytes = BytesMut::new();
            template.write(&mut bytes, &mut fill);
            HeaderValue::from_maybe_shared(bytes.freeze()).ok()
        };
        for (name, template) in &self.set {
            if let Some(value) = value(template) {
                fields.set(name.clone(), value);
            }
        }
        for (name, template) in &self.add {
            if let Some(value) = value(template) {
                fields.append(name.clone(), value);
            }
        }
    }
}

fn name_of(text: &str) -> Result<HeaderName, EditError> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| EditError::Name(text.into()))?;
    if reads_as(name.as_str(), "host") {
        return Err(EditError::Host);
    }
    if DERIVED.iter().any(|derived| reads_as(name.as_str(), derived)) {
        return Err(EditError::Derived(name));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        fields
    }

    #[test]
    fn fields_are_removed_set_and_added() {
        let mut edits = Edits::default();
        assert!(edits.is_empty());
        edits.remove("X-Gone").unwrap();
        edits.set("X-Set", "by $client").unwrap();
        edits.set("X-New", "1").unwrap();
        edits.add("X-More", "2").unwrap();
        edits.add("X-More", "$host").unwrap();
        let mut edited =
            fields(&[("x-gone", "a"), ("x-set", "b"), ("x-more", "c"), ("x-set", "d"), ("x-other", "e")]);
        edits.apply(&mut edited, |variable, dst| dst.extend_from_slice(format!("{variable:?}").as_bytes()));
        let expected = [
            ("x-set", "by Client"),
            ("x-more", "c"),
            ("x-other", "e"),
            ("x-new", "1"),
            ("x-more", "2"),
            ("x-more", "Host"),
        ];
        assert_eq!(edited, fields(&expected));
        assert!(edits.has(Variable::Host) && !edits.has(Variable::Backend));
        for (name, hidden) in
            [("X-Gone", true), ("x_gone", true), ("X-SET", true), ("X-More", false), ("X-Goner", false)]
        {
            assert_eq!(edits.hides(name), hidden, "{name}");
        }
    }

    #[test]
    fn a_value_that_is_no_line_is_left_out() {
        let mut edits = Edits::default();
        edits.set("x-a", "$path").unwrap();
        edits.add("x-b", "$path").unwrap();
        let mut edited = Fields::new();
        edits.apply(&mut edited, |_, dst| dst.extend_from_slice(b"a\r\nb: c"));
        assert!(edited.is_empty());
    }

    #[test]
    fn fields_that_cannot_be_edited() {
        for name in [
            "Connection",
            "content-length",
            "Content_Length",
            "transfer_encoding",
            "TE",
            "Upgrade",
            "Keep-Alive",
            "Trailer",
            "Expect",
            "Proxy-Connection",
            "Date",
        ] {
            let derived = HeaderName::from_bytes(name.as_bytes()).unwrap();
            let error = EditError::Derived(derived);
            assert_eq!(Edits::default().set(name, "a"), Err(error.clone()), "{name}");
            assert_eq!(Edits::default().add(name, "a"), Err(error.clone()), "{name}");
            assert_eq!(Edits::default().remove(name), Err(error), "{name}");
        }
        assert_eq!(Edits::default().set("Host", "a"), Err(EditError::Host));
        for name in ["", "a b", "a:", "caf\u{e9}", "a\r\nb"] {
            assert_eq!(Edits::default().remove(name), Err(EditError::Name(name.into())), "{name:?}");
        }
        let error = Edits::default().set("x-a", "$nobody");
        assert!(matches!(error, Err(EditError::Value(TemplateError::Unknown(_)))), "{error:?}");
    }
}
