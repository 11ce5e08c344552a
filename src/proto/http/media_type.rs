//! Media types: RFC 9110 section 8.3.1, and which of them are worth compressing.
//!
//! A [`MediaType`] borrows from the `Content-Type` value it was read from. Reading checks the whole value, so that
//! asking for a parameter later cannot fail.

use std::borrow::Cow;

use super::list::{Parameters, is_token, split_parameters};

/// Why a value is no media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeError {
    /// There is no slash, or what is on a side of it is no token.
    #[error("a media type is not type/subtype")]
    NotTwoTokens,
    /// What follows the type and subtype cannot be read.
    #[error("a parameter of a media type is malformed")]
    Parameter(#[from] super::list::ListError),
}

/// A media type with its parameters. Nothing is changed: names keep the case in which they came.
#[derive(Clone, Debug)]
pub struct MediaType<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// Known to be well-formed.
    parameters: Parameters<'a>,
}

impl<'a> MediaType<'a> {
    /// Reads the value of a `Content-Type` field.
    ///
    /// # Errors
    /// The value is not `type/subtype`, or one of its parameters is malformed.
    pub fn parse(value: &'a [u8]) -> Result<Self, MediaTypeError> {
        let (essence, parameters) = split_parameters(value);
        let (kind, subtype) = two_tokens(essence).ok_or(MediaTypeError::NotTwoTokens)?;
        for parameter in parameters.clone() {
            parameter?;
        }
        Ok(Self { kind, subtype, parameters })
    }

    /// What stands before the slash.
    #[must_use]
    pub fn kind(&self) -> &'a str {
        self.kind
    }

    /// What stands after the slash.
    #[must_use]
    pub fn subtype(&self) -> &'a str {
        self.subtype
    }

    /// Whether this is `kind/subtype`, in any case, whatever the parameters.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether the content is JSON: `application/json`, or any type with the suffix `+json` (RFC 6839).
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.is("application", "json") || has_suffix(self.subtype, "+json")
    }

    /// The value of the first parameter called `name`, in any case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.parameters
            .clone()
            .filter_map(Result::ok)
            .find(|parameter| parameter.is(name))
            .map(|found| found.value)
    }

    /// The `charset` parameter.
    #[must_use]
    pub fn charset(&self) -> Option<Cow<'a, [u8]>> {
        self.parameter("charset")
    }

    /// The `boundary` parameter of a multipart type.
    #[must_use]
    pub fn boundary(&self) -> Option<Cow<'a, [u8]>> {
        self.parameter("boundary")
    }
}

/// The two tokens around the slash. Both are ASCII, as all tokens.
fn two_tokens(essence: &[u8]) -> Option<(&str, &str)> {
    let (kind, subtype) = std::str::from_utf8(essence).ok()?.split_once('/')?;
    (is_token(kind.as_bytes()) && is_token(subtype.as_bytes())).then_some((kind, subtype))
}

fn has_suffix(subtype: &str, suffix: &str) -> bool {
    let start = subtype.len().checked_sub(suffix.len());
    start.and_then(|start| subtype.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// Whether compression is worth its time for content of this type, which may have parameters.
///
/// Text and what is written like text, programs, and fonts and tables without compression of their own. Images (but
/// SVG), sound, video, archives and unknown types are not; neither are event streams, whose events a compressor would
/// hold back.
#[must_use]
pub fn is_compressible(content_type: &str) -> bool {
    let (essence, _) = split_parameters(content_type.as_bytes());
    let Some((kind, subtype)) = two_tokens(essence) else {
        return false;
    };
    let one_of = |names: &[&str]| names.iter().any(|name| subtype.eq_ignore_ascii_case(name));
    if COMPRESSIBLE_SUFFIXES.iter().any(|suffix| has_suffix(subtype, suffix)) {
        return true;
    }
    match kind.to_ascii_lowercase().as_str() {
        "text" => !one_of(&["event-stream"]),
        "application" => one_of(COMPRESSIBLE_APPLICATIONS),
        "font" => one_of(&["ttf", "otf", "sfnt", "collection"]),
        _ => false,
    }
}

/// Structured syntaxes that are text: RFC 6839 and RFC 9512.
const COMPRESSIBLE_SUFFIXES: &[&str] = &["+json", "+xml", "+yaml"];

/// Subtypes of `application` that compress well.
const COMPRESSIBLE_APPLICATIONS: &[&str] = &[
    "json",
    "xml",
    "xml-dtd",
    "javascript",
    "x-javascript",
    "ecmascript",
    "wasm",
    "yaml",
    "x-yaml",
    "toml",
    "sql",
    "graphql",
    "rtf",
    "postscript",
    "x-sh",
    "x-www-form-urlencoded",
    "vnd.apple.mpegurl",
    "x-mpegurl",
    "vnd.ms-fontobject",
    "font-sfnt",
    "x-font-ttf",
    "x-font-otf",
    "x-font-truetype",
    "x-font-opentype",
];

#[cfg(test)]
mod tests {
    use super::super::list::ListError;
    use super::*;

    #[test]
    fn a_media_type_is_two_tokens() -> Result<(), MediaTypeError> {
        let cases = [
            ("text/html", "text", "html"),
            ("Text/HTML;charset=utf-8", "Text", "HTML"),
            ("application/vnd.api+json ; a=b", "application", "vnd.api+json"),
            ("x/y;", "x", "y"),
            ("*/*", "*", "*"),
        ];
        for (value, kind, subtype) in cases {
            let media_type = MediaType::parse(value.as_bytes())?;
            assert_eq!((media_type.kind(), media_type.subtype()), (kind, subtype), "{value}");
            assert!(media_type.is(&kind.to_uppercase(), &subtype.to_lowercase()), "{value}");
            assert!(!media_type.is(kind, "other"), "{value}");
            assert!(!media_type.is("other", subtype), "{value}");
        }
        Ok(())
    }

    #[test]
    fn what_is_no_media_type_is_refused() {
        let cases: [(&[u8], MediaTypeError); 14] = [
            (b"", MediaTypeError::NotTwoTokens),
            (b"text", MediaTypeError::NotTwoTokens),
            (b"text/", MediaTypeError::NotTwoTokens),
            (b"/html", MediaTypeError::NotTwoTokens),
            (b"/", MediaTypeError::NotTwoTokens),
            (b"text / html", MediaTypeError::NotTwoTokens),
            (b"text/html/x", MediaTypeError::NotTwoTokens),
            (b"text/html, text/plain", MediaTypeError::NotTwoTokens),
            (b"text/\xff", MediaTypeError::NotTwoTokens),
            (b";charset=utf-8", MediaTypeError::NotTwoTokens),
            (b"text/html;charset", MediaTypeError::Parameter(ListError::BadParameter)),
            (b"text/html;charset =utf-8", MediaTypeError::Parameter(ListError::BadParameter)),
            (b"text/html;a=b;charset=\"utf-8", MediaTypeError::Parameter(ListError::OpenQuote)),
            (b"text/html;;;;;;;;;;;;;;;;;;a=b", MediaTypeError::Parameter(ListError::TooManyEmpty)),
        ];
        for (value, error) in cases {
            assert_eq!(MediaType::parse(value).err(), Some(error), "{value:?}");
        }
    }

    #[test]
    fn parameters_are_found_in_any_case_and_unquoted() -> Result<(), MediaTypeError> {
        // The first four are the examples of section 8.3.1: one type, written four ways.
        let cases: [(&str, &str, Option<&str>); 11] = [
            ("text/html;charset=utf-8", "charset", Some("utf-8")),
            ("Text/HTML;Charset=\"utf-8\"", "charset", Some("utf-8")),
            ("text/html; charset=\"utf-8\"", "charset", Some("utf-8")),
            ("text/html;charset=UTF-8", "charset", Some("UTF-8")),
            ("text/html;a=b ; charset=x", "charset", Some("x")),
            ("text/html;charset=x;charset=y", "charset", Some("x")),
            ("text/html", "charset", None),
            ("text/html;xcharset=x", "charset", None),
            ("multipart/form-data; boundary=----W3b", "boundary", Some("----W3b")),
            ("multipart/form-data; boundary=\"a b;c,\\\"d\"", "boundary", Some("a b;c,\"d")),
            ("multipart/form-data; boundary=\"\"", "boundary", Some("")),
        ];
        for (value, name, expected) in cases {
            let media_type = MediaType::parse(value.as_bytes())?;
            let expected = expected.map(str::as_bytes);
            assert_eq!(media_type.parameter(name).as_deref(), expected, "{value}");
            let named = if name == "charset" { media_type.charset() } else { media_type.boundary() };
            assert_eq!(named.as_deref(), expected, "{value}");
        }
        Ok(())
    }

    #[test]
    fn json_is_known_by_name_and_by_suffix() -> Result<(), MediaTypeError> {
        let cases = [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("image/x+JSON", true),
            ("text/json", false),
            ("application/jsonp", false),
            ("application/json-seq", false),
            ("application/xml", false),
        ];
        for (value, expected) in cases {
            assert_eq!(MediaType::parse(value.as_bytes())?.is_json(), expected, "{value}");
        }
        Ok(())
    }

    #[test]
    fn text_and_its_like_are_worth_compressing() {
        for content_type in [
            "text/plain",
            "text/html; charset=utf-8",
            "TEXT/CSS",
            "text/x-anything",
            "application/json",
            "application/problem+json",
            "application/xml",
            "application/xhtml+xml",
            "application/rss+xml;charset=utf-8",
            "application/javascript",
            "text/javascript",
            "application/wasm",
            "application/manifest+json",
            "application/vnd.apple.mpegurl",
            "application/openapi+yaml",
            "image/svg+xml",
            "model/gltf+json",
            "font/ttf",
            "font/otf",
            "application/vnd.ms-fontobject",
        ] {
            assert!(is_compressible(content_type), "{content_type}");
        }
    }

    #[test]
    fn streams_of_events_and_compressed_content_are_left_alone() {
        for content_type in [
            "text/event-stream",
            "Text/Event-Stream; charset=utf-8",
            "image/png",
            "image/jpeg",
            "image/webp",
            "image/avif",
            "audio/mpeg",
            "video/mp4",
            "video/mp2t",
            "font/woff",
            "font/woff2",
            "application/zip",
            "application/epub+zip",
            "application/gzip",
            "application/zstd",
            "application/x-7z-compressed",
            "application/pdf",
            "application/octet-stream",
            "multipart/byteranges; boundary=x",
            "application/jsonx",
            "json",
            "text",
            "text/",
            "",
            "text/html\u{e9}",
        ] {
            assert!(!is_compressible(content_type), "{content_type}");
        }
    }

    #[test]
    fn our_own_list_is_made_of_lower_case_tokens() {
        for name in COMPRESSIBLE_APPLICATIONS.iter().chain(COMPRESSIBLE_SUFFIXES) {
            assert!(is_token(name.as_bytes()) && name.to_ascii_lowercase() == *name, "{name}");
        }
    }
}
