//! Texts with variables, such as `https://$host$path$query`: parsed once, when the configuration is read, and expanded for each request.
//!
//! A variable is `$name` or `${name}`, and `$$` is a dollar sign. A text contains no control characters and nothing beyond ASCII, so the expansion
//! is a valid field value whenever the values of the variables are.

use bytes::BytesMut;

/// The variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The client's address, taken from trusted proxies where they apply.
    Client,
    /// The requested host, without its port.
    Host,
    /// The requested host, with the port if there is one.
    Authority,
    /// `http` or `https`.
    Scheme,
    /// The method.
    Method,
    /// The normalised path, after rewriting.
    Path,
    /// The query with its `?`; empty without a query.
    Query,
    /// The request id.
    RequestId,
    /// The trace id; empty when requests are not traced.
    TraceId,
    /// The name of the upstream.
    Upstream,
    /// The address of the backend; empty when there is none.
    Backend,
}

/// The names of the variables.
pub const VARIABLES: [(&str, Variable); 11] = [
    ("client", Variable::Client),
    ("host", Variable::Host),
    ("authority", Variable::Authority),
    ("scheme", Variable::Scheme),
    ("method", Variable::Method),
    ("path", Variable::Path),
    ("query", Variable::Query),
    ("request_id", Variable::RequestId),
    ("trace_id", Variable::TraceId),
    ("upstream", Variable::Upstream),
    ("backend", Variable::Backend),
];

/// A text with variables. The default is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Variable(Variable),
}

/// Why a text is not a valid template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no such variable.
    #[error("unknown variable ${0}; known are {names}", names = names())]
    Unknown(String),
    /// A dollar sign that does not start a variable.
    #[error("a dollar sign starts a variable; write $$ for the sign itself")]
    Dollar,
    /// `${` without `}`.
    #[error("${{ is never closed")]
    Open,
    /// A character that a field cannot hold.
    #[error("{0:?} is not allowed in a header field")]
    Character(char),
}

fn names() -> String {
    VARIABLES.map(|(name, _)| format!("${name}")).join(", ")
}

impl Template {
    /// Parses a text.
    ///
    /// # Errors
    /// A variable is unknown, or a character is not allowed in a field.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if let Some(character) = text.chars().find(|c| !matches!(c, ' '..='~' | '\t')) {
            return Err(TemplateError::Character(character));
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                plain.push('$');
                rest = after;
                continue;
            }
            let name;
            (name, rest) = name_of(after)?;
            let known = VARIABLES.iter().find(|(known, _)| *known == name);
            let (_, variable) = known.ok_or_else(|| TemplateError::Unknown(name.into()))?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
            }
            pieces.push(Piece::Variable(*variable));
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        Ok(Self { pieces })
    }

    /// The text, if it has no variable.
    #[must_use]
    pub fn as_plain(&self) -> Option<&str> {
        match &self.pieces[..] {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it contains this variable.
    #[must_use]
    pub fn has(&self, variable: Variable) -> bool {
        self.pieces.contains(&Piece::Variable(variable))
    }

    /// Appends the text; `fill` appends the value of each variable.
    pub fn write(&self, dst: &mut BytesMut, mut fill: impl FnMut(Variable, &mut BytesMut)) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => dst.extend_from_slice(text.as_bytes()),
                Piece::Variable(variable) => fill(*variable, dst),
            }
        }
    }
}

/// The name behind a dollar sign, and what follows it.
fn name_of(text: &str) -> Result<(&str, &str), TemplateError> {
    if let Some(text) = text.strip_prefix('{') {
        return text.split_once('}').ok_or(TemplateError::Open);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if end == 0 { Err(TemplateError::Dollar) } else { Ok(text.split_at(end)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let mut out = BytesMut::new();
        let fill = |variable: Variable, out: &mut BytesMut| {
            let (name, _) = VARIABLES.iter().find(|(_, other)| *other == variable).expect("all have names");
            out.extend_from_slice(format!("<{name}>").as_bytes());
        };
        Template::parse(text).expect("a template").write(&mut out, fill);
        String::from_utf8(out.to_vec()).expect("ASCII")
    }

    #[test]
    fn variables_are_filled_in() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("https://$host$path$query", "https://<host><path><query>"),
            ("${host}s", "<host>s"),
            ("$$host $$", "$host $"),
            ("a $client, b $request_id.", "a <client>, b <request_id>."),
            ("$authority/$scheme/$method/$trace_id", "<authority>/<scheme>/<method>/<trace_id>"),
            ("$upstream=$backend", "<upstream>=<backend>"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_template_tells_of_itself() {
        let template = |text| Template::parse(text).expect("a template");
        for (text, plain) in [("", Some("")), ("a$$b", Some("a$b")), ("$host", None), ("a$host", None)] {
            assert_eq!(template(text).as_plain(), plain, "{text}");
        }
        assert!(template("a $backend").has(Variable::Backend));
        assert!(!template("a $backend").has(Variable::Client));
    }

    #[test]
    fn texts_that_are_none() {
        for (text, error) in [
            ("$nobody", TemplateError::Unknown("nobody".into())),
            ("$Host", TemplateError::Unknown("Host".into())),
            ("$hosts", TemplateError::Unknown("hosts".into())),
            ("${}", TemplateError::Unknown(String::new())),
            ("5 $", TemplateError::Dollar),
            ("$-", TemplateError::Dollar),
            ("${host", TemplateError::Open),
            ("a\r\nb: c", TemplateError::Character('\r')),
            ("a\0", TemplateError::Character('\0')),
            ("caf\u{e9}", TemplateError::Character('\u{e9}')),
        ] {
            assert_eq!(Template::parse(text), Err(error), "{text:?}");
        }
        let text = TemplateError::Unknown("x".into()).to_string();
        assert!(text.starts_with("unknown variable $x; known are $client, $host, "), "{text}");
    }
}
