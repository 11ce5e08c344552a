//! The head of a part: its fields, and what `Content-Disposition` says (RFC 7578 section 4.2).

use std::collections::HashSet;

use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::MultipartError;

/// What is known of a part before its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartHead {
    /// The name of the form's field. Names may repeat.
    pub name: String,
    /// The name that the client gives its file. It is a label and nothing else: see [`base_name`](PartHead::base_name).
    pub file_name: Option<String>,
    /// The media type, as sent.
    pub content_type: Option<String>,
    /// All fields of the head.
    pub fields: HeaderMap,
}

impl PartHead {
    /// The last part of the client's file name, without any folder, or `None` when nothing usable is left.
    ///
    /// Clients may send whole paths of either kind (`C:\dir\a.txt`, `../../etc/passwd`). What this gives names no folder
    /// and has no control characters; even so it may be hidden, reserved or taken, so that a file is better stored under a
    /// name of the server's own.
    #[must_use]
    pub fn base_name(&self) -> Option<&str> {
        let base = self.file_name.as_deref()?.rsplit(['/', '\\']).next()?;
        let usable = !matches!(base, "" | "." | "..") && !base.chars().any(char::is_control);
        usable.then_some(base)
    }
}

/// Reads the lines of a head, without its empty line.
pub(super) fn parse(head: &[u8], part: usize, max_fields: usize) -> Result<PartHead, MultipartError> {
    let wrong = |what| MultipartError::Head { part, what };
    let fields = fields(head, part, max_fields)?;
    if fields.get_all(CONTENT_DISPOSITION).iter().count() > 1 {
        return Err(wrong("two Content-Disposition fields"));
    }
    let disposition = fields.get(CONTENT_DISPOSITION).ok_or(wrong("no Content-Disposition field"))?;
    let Disposition { name, file_name, file_name_star } =
        disposition_of(disposition.as_bytes()).map_err(wrong)?;
    let name = name.ok_or(wrong("no name"))?;
    let name = String::from_utf8(name).map_err(|_| wrong("a name that is not UTF-8"))?;
    let file_name =
        file_name_star.or_else(|| file_name.map(|name| String::from_utf8_lossy(&name).into_owned()));
    let content_type =
        fields.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    Ok(PartHead { name, file_name, content_type, fields })
}

/// The lines as fields, by the rules of RFC 9112 section 5: a token, a colon, a value; nothing folded.
fn fields(head: &[u8], part: usize, max_fields: usize) -> Result<HeaderMap, MultipartError> {
    let wrong = |what| MultipartError::Head { part, what };
    let mut fields = HeaderMap::new();
    let mut rest = head;
    while let Some(end) = memchr::memmem::find(rest, b"\r\n") {
        let line = &rest[..end];
        rest = &rest[end + 2..];
        if fields.len() >= max_fields {
            return Err(MultipartError::TooManyFields { part, limit: max_fields });
        }
        let colon = memchr::memchr(b':', line).ok_or(wrong("a line without a colon"))?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| wrong("a malformed field name"))?;
        let value = Bytes::copy_from_slice(line[colon + 1..].trim_ascii());
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| wrong("a malformed field value"))?;
        fields.append(name, value);
    }
    Ok(fields)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Disposition {
    name: Option<Vec<u8>>,
    file_name: Option<Vec<u8>>,
    file_name_star: Option<String>,
}

/// Reads `form-data; name="..."; filename="..."`. Unknown parameters are ignored; none may come twice.
fn disposition_of(value: &[u8]) -> Result<Disposition, &'static str> {
    let kind_end = memchr::memchr(b';', value).unwrap_or(value.len());
    if !value[..kind_end].trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return Err("a Content-Disposition other than form-data");
    }
    let mut disposition = Disposition::default();
    let mut seen = HashSet::new();
    let mut rest = &value[kind_end..];
    while let Some((key, value)) = parameter(&mut rest)? {
        let key = key.to_ascii_lowercase();
        match &key[..] {
            b"name" => disposition.name = Some(value),
            b"filename" => disposition.file_name = Some(value),
            b"filename*" => disposition.file_name_star = extended(&value),
            _ => {}
        }
        if !seen.insert(key) {
            return Err("a parameter that comes twice");
        }
    }
    Ok(disposition)
}

type Parameter<'a> = (&'a [u8], Vec<u8>);

/// Takes `; key=value` from the front. `None` at the end.
fn parameter<'a>(rest: &mut &'a [u8]) -> Result<Option<Parameter<'a>>, &'static str> {
    let mut input = rest.trim_ascii_start();
    while let Some(after) = input.strip_prefix(b";") {
        input = after.trim_ascii_start();
    }
    if input.is_empty() {
        return Ok(None);
    }
    let equals = memchr::memchr(b'=', input).ok_or("a parameter without a value")?;
    let (key, after) = (&input[..equals], &input[equals + 1..]);
    if key.is_empty() || !key.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_*.".contains(byte)) {
        return Err("a malformed parameter");
    }
    let (value, after) = match after.strip_prefix(b"\"") {
        Some(quoted) => unquote(quoted).ok_or("a quoted value without its end")?,
        None => {
            let end = after.iter().position(|byte| b"; \t\"".contains(byte)).unwrap_or(after.len());
            (after[..end].to_vec(), &after[end..])
        }
    };
    *rest = after.trim_ascii_start();
    if !rest.is_empty() && !rest.starts_with(b";") {
        return Err("something between its parameters");
    }
    Ok(Some((key, value)))
}

/// The content of a quoted string and what follows it. A backslash hides a quote or a backslash; before anything else it
/// stands for itself, because browsers do not escape the backslashes of a path.
fn unquote(input: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = input;
    loop {
        match rest {
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', hidden @ (b'"' | b'\\'), after @ ..] => {
                value.push(*hidden);
                rest = after;
            }
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

/// `CHARSET'LANGUAGE'PERCENT-ENCODED` (RFC 8187, formerly RFC 5987). `None` when it is malformed, which leaves the plain one.
fn extended(value: &[u8]) -> Option<String> {
    let text = str::from_utf8(value).ok()?;
    let mut parts = text.splitn(3, '\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let decoded: Vec<u8> = percent_decode_str(encoded).collect();
    if charset.eq_ignore_ascii_case("utf-8") {
        String::from_utf8(decoded).ok()
    } else if charset.eq_ignore_ascii_case("iso-8859-1") {
        Some(decoded.into_iter().map(char::from).collect())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(disposition: &str) -> Result<PartHead, MultipartError> {
        parse(format!("Content-Disposition: {disposition}\r\n").as_bytes(), 1, 4)
    }

    #[test]
    fn names_and_file_names_as_clients_send_them() {
        let rows: [(&str, &str, Option<&str>); 14] = [
            (r#"form-data; name="a""#, "a", None),
            (r#"form-data; name=a"#, "a", None),
            (r#"Form-Data;NAME="a";FileName="f.txt""#, "a", Some("f.txt")),
            (r#"form-data ; name="a" ; filename="f.txt" ;"#, "a", Some("f.txt")),
            (r#"form-data; filename="f;name=x.txt"; name="a""#, "a", Some("f;name=x.txt")),
            (r#"form-data; name="say \"a\""; filename="b\\c""#, "say \"a\"", Some("b\\c")),
            (r#"form-data; name="a"; filename="C:\dir\f.txt""#, "a", Some(r"C:\dir\f.txt")),
            (r#"form-data; name="a%22b"; filename="""#, "a%22b", Some("")),
            ("form-data; name=\"é\"; filename=\"日本.txt\"", "é", Some("日本.txt")),
            (r#"form-data; name="a"; filename="e.txt"; filename*=UTF-8''%e2%82%ac.txt"#, "a", Some("€.txt")),
            (r#"form-data; name="a"; filename*=iso-8859-1'en'%a3"#, "a", Some("£")),
            (r#"form-data; name="a"; filename="f"; filename*=UTF-8''%ff"#, "a", Some("f")),
            (r#"form-data; name="a"; filename="f"; filename*=koi8-r''x"#, "a", Some("f")),
            (r#"form-data; name="""#, "", None),
        ];
        for (disposition, name, file_name) in rows {
            let head = head(disposition).unwrap_or_else(|error| panic!("{disposition}: {error}"));
            assert_eq!((&head.name[..], head.file_name.as_deref()), (name, file_name), "{disposition}");
        }
    }

    #[test]
    fn dispositions_that_are_refused() {
        let rows = [
            (r#"form-data"#, "no name"),
            (r#"form-data; filename="a""#, "no name"),
            (r#"form-data; name*=UTF-8''a"#, "no name"),
            (r#"attachment; name="a""#, "a Content-Disposition other than form-data"),
            (r#""#, "a Content-Disposition other than form-data"),
            (r#"form-data; name="a"; name="b""#, "a parameter that comes twice"),
            (r#"form-data; name="a"; NAME="b""#, "a parameter that comes twice"),
            (r#"form-data; name="a"; filename="b"; filename="c""#, "a parameter that comes twice"),
            (r#"form-data; name="a"#, "a quoted value without its end"),
            (r#"form-data; name="a\""#, "a quoted value without its end"),
            (r#"form-data; name="a" filename="b""#, "something between its parameters"),
            (r#"form-data; name=a"b""#, "something between its parameters"),
            (r#"form-data; name"#, "a parameter without a value"),
            (r#"form-data; ="a""#, "a malformed parameter"),
            (r#"form-data; na me="a""#, "a malformed parameter"),
        ];
        for (disposition, what) in rows {
            assert_eq!(head(disposition), Err(MultipartError::Head { part: 1, what }), "{disposition}");
        }
        let latin1 = parse(b"Content-Disposition: form-data; name=\"\xe9\"\r\n", 1, 4);
        assert_eq!(latin1, Err(MultipartError::Head { part: 1, what: "a name that is not UTF-8" }));
    }

    #[test]
    fn fields_by_the_rules_of_http() {
        let disposition = "Content-Disposition: form-data; name=a\r\n";
        let head = format!("{disposition}CONTENT-TYPE:\t text/plain \r\nX-Any:\r\n");
        let head = parse(head.as_bytes(), 1, 4).unwrap();
        assert_eq!(head.content_type.as_deref(), Some("text/plain"));
        assert_eq!(head.fields["x-any"], "");
        let rows = [
            ("folded\r\n", "a line without a colon"),
            (" folded: x\r\n", "a malformed field name"),
            ("X : x\r\n", "a malformed field name"),
            (": x\r\n", "a malformed field name"),
            ("X: a\0b\r\n", "a malformed field value"),
            ("X: a\nb\r\n", "a malformed field value"),
            (disposition, "two Content-Disposition fields"),
        ];
        for (line, what) in rows {
            let head = parse(format!("{disposition}{line}").as_bytes(), 7, 4);
            assert_eq!(head, Err(MultipartError::Head { part: 7, what }), "{line:?}");
        }
        let none = parse(b"X: y\r\n", 7, 4);
        assert_eq!(none, Err(MultipartError::Head { part: 7, what: "no Content-Disposition field" }));
        let many = parse("X: y\r\n".repeat(5).as_bytes(), 7, 4);
        assert_eq!(many, Err(MultipartError::TooManyFields { part: 7, limit: 4 }));
    }

    #[test]
    fn a_file_name_is_never_a_path() {
        let rows = [
            ("a.txt", Some("a.txt")),
            ("/etc/passwd", Some("passwd")),
            ("../../etc/passwd", Some("passwd")),
            (r"C:\dir\a.txt", Some("a.txt")),
            (r"..\a/b\c", Some("c")),
            ("..", None),
            (".", None),
            ("", None),
            ("dir/", None),
            ("a/..", None),
            ("a\0b", None),
            ("a\nb", None),
            (".hidden", Some(".hidden")),
        ];
        for (file_name, base) in rows {
            let head = PartHead { file_name: Some(file_name.into()), ..PartHead::default() };
            assert_eq!(head.base_name(), base, "{file_name:?}");
        }
        assert_eq!(PartHead::default().base_name(), None);
    }
}
