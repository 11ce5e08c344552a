//! A small HTTP/1.1 response parser of our own, independent of the code under test, and strict: what it does not
//! expect is a failed test.

/// A response as a client understands it.
#[derive(Debug, PartialEq)]
pub(crate) struct Response {
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub(crate) version: String,
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// Names as written, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// Without the chunks' frames.
    pub(crate) body: Vec<u8>,
    /// Fields after the last chunk.
    pub(crate) trailers: Vec<(String, String)>,
}

/// How far a response has come.
#[derive(Debug, PartialEq)]
pub(crate) enum Progress {
    /// More bytes are needed.
    Partial,
    /// The whole response, and how many bytes it took.
    Whole(Box<Response>, usize),
}

/// Where a body ends: RFC 9112 section 6.3, the client's side.
enum Length {
    Exactly(usize),
    Chunked,
    UntilClose,
}

impl Response {
    /// The only value of a header, or none.
    ///
    /// # Panics
    /// The header is there more than once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers_named(name);
        assert!(values.len() < 2, "{name} is there {} times: {values:?}", values.len());
        values.first().copied()
    }

    /// All values of a header, in order.
    pub(crate) fn headers_named(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }
}

/// Reads the response to a request of method `method` from the start of `bytes`; `ended`: no byte will follow.
///
/// # Errors
/// What a client could not understand, in words.
pub(crate) fn parse(bytes: &[u8], method: &str, ended: bool) -> Result<Progress, String> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return Ok(Progress::Partial);
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "a head that is not text")?;
    let mut lines = head.split("\r\n");
    let mut response = status_line(lines.next().unwrap_or_default())?;
    response.headers = lines.map(field).collect::<Result<_, _>>()?;
    let rest = &bytes[end + 4..];
    let Some((used, body, trailers)) = body(rest, length(&response, method)?, ended)? else {
        return Ok(Progress::Partial);
    };
    (response.body, response.trailers) = (body, trailers);
    Ok(Progress::Whole(Box::new(response), end + 4 + used))
}

fn status_line(line: &str) -> Result<Response, String> {
    let wrong = || format!("a strange status line: {line:?}");
    let (version, rest) = line.split_once(' ').ok_or_else(wrong)?;
    let (code, reason) = rest.split_once(' ').ok_or_else(wrong)?;
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") || code.len() != 3 {
        return Err(wrong());
    }
    Ok(Response {
        version: version.to_owned(),
        status: code.parse().map_err(|_| wrong())?,
        reason: reason.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        trailers: Vec::new(),
    })
}

fn field(line: &str) -> Result<(String, String), String> {
    let wrong = || format!("a strange header line: {line:?}");
    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n', '\0']) {
        return Err(wrong());
    }
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

fn length(response: &Response, method: &str) -> Result<Length, String> {
    let status = response.status;
    let tunnel = method == "CONNECT" && (200..300).contains(&status);
    let lengths = response.headers_named("content-length");
    let codings = response.headers_named("transfer-encoding");
    if !codings.is_empty() && !lengths.is_empty() {
        return Err("both Content-Length and Transfer-Encoding".to_owned());
    }
    if (status < 200 || status == 204) && !(codings.is_empty() && lengths.is_empty()) {
        return Err(format!("a {status} with Content-Length or Transfer-Encoding"));
    }
    if method == "HEAD" || status < 200 || matches!(status, 204 | 304) || tunnel {
        return Ok(Length::Exactly(0));
    }
    match (&codings[..], &lengths[..]) {
        ([coding], _) if coding.eq_ignore_ascii_case("chunked") => Ok(Length::Chunked),
        ([], [length]) => number(length, 10).map(Length::Exactly),
        ([], []) => Ok(Length::UntilClose),
        _ => Err(format!("an unclear length: {codings:?} {lengths:?}")),
    }
}

type Body = (usize, Vec<u8>, Vec<(String, String)>);

fn body(rest: &[u8], length: Length, ended: bool) -> Result<Option<Body>, String> {
    match length {
        Length::Exactly(count) => Ok(rest.get(..count).map(|body| (count, body.to_vec(), Vec::new()))),
        Length::UntilClose => Ok(ended.then(|| (rest.len(), rest.to_vec(), Vec::new()))),
        Length::Chunked => chunks(rest),
    }
}

fn chunks(rest: &[u8]) -> Result<Option<Body>, String> {
    let (mut at, mut body, mut trailers) = (0, Vec::new(), Vec::new());
    loop {
        let Some(line) = line(rest, &mut at)? else {
            return Ok(None);
        };
        let size = number(line.split(';').next().unwrap_or_default(), 16)?;
        if size == 0 {
            break;
        }
        let Some(chunk) = rest.get(at..at + size + 2) else {
            return Ok(None);
        };
        if !chunk.ends_with(b"\r\n") {
            return Err(format!("a chunk of {size} bytes that does not end there"));
        }
        body.extend_from_slice(&chunk[..size]);
        at += size + 2;
    }
    loop {
        match line(rest, &mut at)? {
            None => return Ok(None),
            Some("") => return Ok(Some((at, body, trailers))),
            Some(text) => trailers.push(field(text)?),
        }
    }
}

/// The next line, without its end.
fn line<'a>(rest: &'a [u8], at: &mut usize) -> Result<Option<&'a str>, String> {
    let Some(end) = find(&rest[*at..], b"\r\n") else {
        return Ok(None);
    };
    let line = &rest[*at..*at + end];
    *at += end + 2;
    std::str::from_utf8(line).map(Some).map_err(|_| "a line of a chunked body that is not text".to_owned())
}

fn number(digits: &str, radix: u32) -> Result<usize, String> {
    let plain = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    let number = plain.then(|| usize::from_str_radix(digits, radix).ok()).flatten();
    number.filter(|number| *number < 1 << 40).ok_or_else(|| format!("a strange length: {digits:?}"))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body, the bytes used and the number of trailers.
    fn read(wire: &str, method: &str, ended: bool) -> Option<(String, usize, usize)> {
        match parse(wire.as_bytes(), method, ended).unwrap() {
            Progress::Partial => None,
            Progress::Whole(response, used) => {
                Some((response.text().to_owned(), used, response.trailers.len()))
            }
        }
    }

    #[test]
    fn a_body_ends_where_its_frame_says() {
        for (wire, method, rest, trailers) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "GET", "HTTP/1.1", 0),
            (
                "HTTP/1.1 200 \r\ntransfer-encoding: Chunked\r\n\r\n2\r\nbo\r\n2;x=y\r\ndy\r\n0\r\n\r\n",
                "GET",
                "x",
                0,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nA: 1\r\nB: 2\r\n\r\n",
                "GET",
                "x",
                2,
            ),
            ("HTTP/1.0 200 OK\r\n\r\nbody", "GET", "", 0),
        ] {
            let all = format!("{wire}{rest}");
            assert_eq!(read(&all, method, true), Some(("body".into(), wire.len(), trailers)), "{wire}");
            for at in 0..wire.len() {
                assert_eq!(read(&wire[..at], method, false), None, "{at} bytes of {wire}");
            }
        }
    }

    #[test]
    fn some_responses_have_no_body() {
        for (head, method) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "HEAD"),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", "GET"),
            ("HTTP/1.1 204 No Content\r\n\r\n", "GET"),
            ("HTTP/1.1 100 Continue\r\n\r\n", "POST"),
            ("HTTP/1.1 200 OK\r\n\r\n", "CONNECT"),
        ] {
            assert_eq!(
                read(&format!("{head}next"), method, false),
                Some((String::new(), head.len(), 0)),
                "{head}"
            );
        }
    }

    #[test]
    fn headers_are_found_by_any_spelling() {
        let wire = b"HTTP/1.1 200 Fine by me\r\nA:  1 \r\nB: 2\r\na: 3\r\nContent-Length: 0\r\n\r\n";
        let Ok(Progress::Whole(response, _)) = parse(wire, "GET", false) else {
            panic!("no response");
        };
        assert_eq!((response.status, response.reason.as_str()), (200, "Fine by me"));
        assert_eq!((response.header("b"), response.header("c")), (Some("2"), None));
        assert_eq!(response.headers_named("A"), ["1", "3"]);
    }

    #[test]
    fn what_a_client_could_misread_is_an_error() {
        for head in [
            "HTTP/2 200 OK",
            "HTTP/1.1 200",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 200 OK\r\nA : b",
            "HTTP/1.1 200 OK\r\nA: b\nC: d",
            "HTTP/1.1 200 OK\r\n: b",
            "HTTP/1.1 200 OK\r\nContent-Length: +1",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
            "HTTP/1.1 204 No Content\r\nContent-Length: 0",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbody",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nbody",
        ] {
            let wire = format!("{head}\r\n\r\n");
            assert!(parse(wire.as_bytes(), "GET", true).is_err(), "{head}");
        }
    }
}
