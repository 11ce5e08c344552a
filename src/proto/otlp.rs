//! Spans for a collector of traces: the request of OTLP/HTTP in JSON.
//!
//! A span is a piece of work with a begin and an end, within a trace. The format is that of the
//! [OpenTelemetry protocol 1.x](https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): identifiers are hexadecimal, and numbers of 64
//! bits are text. What the attributes are called follows the semantic conventions for HTTP.

use std::borrow::Cow;
use std::fmt::Display;
use std::num::{NonZeroU64, NonZeroU128};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// The path at which collectors take spans.
pub const PATH: &str = "/v1/traces";

/// The flag of a span that was asked for by the sampled flag of a `traceparent`.
const SAMPLED: u32 = 1;

/// A piece of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace that it is a part of.
    pub trace: NonZeroU128,
    /// Its identifier.
    pub id: NonZeroU64,
    /// The span that it is a part of.
    pub parent: Option<NonZeroU64>,
    /// What it is.
    pub kind: Kind,
    /// Its name: one of few, whatever clients ask for.
    pub name: Cow<'static, str>,
    /// When it began, in nanoseconds since 1970.
    pub begun: u64,
    /// When it ended.
    pub ended: u64,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// Whether it failed.
    pub failed: bool,
}

/// What a span is. The numbers are those of `SpanKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A step within the program.
    Internal = 1,
    /// A request of a client.
    Server = 2,
    /// A request to another server.
    Client = 3,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
    /// Yes or no.
    Bool(bool),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// The body of a request that hands `spans` over: JSON, for the media type `application/json`. `service` is the name of the program in its
/// installation, and `version` that of the program.
#[must_use]
pub fn request(service: &str, version: &'static str, spans: &[Span]) -> Vec<u8> {
    let attributes = [("service.name", Value::from(service.to_owned())), ("service.version", version.into())];
    let body = Export {
        resource_spans: [ResourceSpans {
            resource: Resource { attributes: Attributes(&attributes) },
            scope_spans: [ScopeSpans { scope: Scope { name: "wireworks", version }, spans }],
        }],
    };
    // Writing to memory cannot fail, and no key is anything but text.
    serde_json::to_vec(&body).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Resource<'a> {
    attributes: Attributes<'a>,
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: &'a [Span],
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

/// Attributes as a list of keys and values.
struct Attributes<'a>(&'a [(&'static str, Value)]);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Attribute<'a> {
            key: &'static str,
            value: &'a Value,
        }
        serializer.collect_seq(self.0.iter().map(|(key, value)| Attribute { key, value }))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut of = serializer.serialize_struct("AnyValue", 1)?;
        match self {
            Self::Text(text) => of.serialize_field("stringValue", text)?,
            Self::Number(number) => of.serialize_field("intValue", &Text(number))?,
            Self::Bool(value) => of.serialize_field("boolValue", value)?,
        }
        of.end()
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Status {
            code: u8,
        }
        let mut span = serializer.serialize_struct("Span", 10)?;
        span.serialize_field("traceId", &Text(format_args!("{:032x}", self.trace)))?;
        span.serialize_field("spanId", &Text(format_args!("{:016x}", self.id)))?;
        if let Some(parent) = self.parent {
            span.serialize_field("parentSpanId", &Text(format_args!("{parent:016x}")))?;
        }
        span.serialize_field("flags", &SAMPLED)?;
        span.serialize_field("name", &self.name)?;
        span.serialize_field("kind", &(self.kind as u8))?;
        span.serialize_field("startTimeUnixNano", &Text(self.begun))?;
        span.serialize_field("endTimeUnixNano", &Text(self.ended.max(self.begun)))?;
        span.serialize_field("attributes", &Attributes(&self.attributes))?;
        if self.failed {
            // STATUS_CODE_ERROR.
            span.serialize_field("status", &Status { code: 2 })?;
        }
        span.end()
    }
}

/// Something that is written as text.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn span() -> Span {
        Span {
            trace: NonZeroU128::new(0xabc).unwrap(),
            id: NonZeroU64::new(0x12).unwrap(),
            parent: None,
            kind: Kind::Server,
            name: "GET".into(),
            begun: 1_700_000_000_123_456_789,
            ended: 1_700_000_000_123_456_999,
            attributes: vec![("url.path", "/a\"b".to_owned().into())],
            failed: false,
        }
    }

    fn written(spans: &[Span]) -> serde_json::Value {
        serde_json::from_slice(&request("lb", "1.2.3", spans)).unwrap()
    }

    #[test]
    fn a_request_names_the_service_and_the_scope() {
        let value = written(&[]);
        assert_eq!(
            value,
            json!({ "resourceSpans": [{
                "resource": { "attributes": [
                    { "key": "service.name", "value": { "stringValue": "lb" } },
                    { "key": "service.version", "value": { "stringValue": "1.2.3" } },
                ] },
                "scopeSpans": [{ "scope": { "name": "wireworks", "version": "1.2.3" }, "spans": [] }],
            }] })
        );
    }

    #[test]
    fn a_span_is_written_as_the_protocol_says() {
        let value = written(&[span()]);
        assert_eq!(
            value["resourceSpans"][0]["scopeSpans"][0]["spans"],
            json!([{
                "traceId": "00000000000000000000000000000abc", "spanId": "0000000000000012", "flags": 1,
                "name": "GET", "kind": 2,
                "startTimeUnixNano": "1700000000123456789", "endTimeUnixNano": "1700000000123456999",
                "attributes": [{ "key": "url.path", "value": { "stringValue": "/a\"b" } }],
            }])
        );
    }

    #[test]
    fn parents_kinds_failures_and_values() {
        let parent = NonZeroU64::new(u64::MAX).unwrap();
        for (kind, number) in [(Kind::Internal, 1), (Kind::Server, 2), (Kind::Client, 3)] {
            let attributes: Vec<(_, Value)> = vec![("n", (-5).into()), ("b", true.into()), ("t", "x".into())];
            let odd = Span { parent: Some(parent), kind, failed: true, attributes, ended: 0, ..span() };
            let value = written(&[odd]);
            let found = &value["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
            assert_eq!(found["parentSpanId"], "ffffffffffffffff");
            assert_eq!((&found["kind"], &found["status"]), (&json!(number), &json!({ "code": 2 })));
            assert_eq!(found["endTimeUnixNano"], found["startTimeUnixNano"], "never before its begin");
            assert_eq!(
                found["attributes"],
                json!([
                    { "key": "n", "value": { "intValue": "-5" } },
                    { "key": "b", "value": { "boolValue": true } },
                    { "key": "t", "value": { "stringValue": "x" } },
                ])
            );
        }
    }
}
