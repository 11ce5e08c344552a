//! The server's side (RFC 6455 section 4.2): a request is judged, and what was agreed on goes into the answer.

use http::header::{
    HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL,
};
use http::{HeaderValue, Method, StatusCode, Version};

use super::extension::extensions;
use super::{UPGRADE, VERSION, accept_key, is_key};
use crate::proto::http::fields::Fields;
use crate::proto::http::head::Head;
use crate::proto::http::list::{FieldLines, contains_token, is_token, members};
use crate::proto::ws::deflate::{self, Agreed};

/// What a server is willing to agree on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Subprotocols that it speaks, the best first. Without any, what the client asks for is passed over.
    pub subprotocols: Vec<HeaderValue>,
    /// From which pages a browser may come.
    pub origins: Origins,
    /// Compression; `None` to do without.
    pub deflate: Option<deflate::Terms>,
}

/// From which pages a browser may open a connection (section 10.2). Other programs send no `Origin`, and are let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// From pages of the same host and port: a page elsewhere must not speak with the user's cookies.
    #[default]
    Same,
    /// From anywhere.
    Any,
    /// From pages of these origins, such as `https://example.org`.
    These(Vec<String>),
}

impl Origins {
    fn admit(&self, head: &Head) -> bool {
        let mut origins = head.lines(ORIGIN.as_str());
        let Some(origin) = origins.next() else { return true };
        match self {
            Self::Any => true,
            Self::Same => {
                let host =
                    origin.splitn(2, |byte| *byte == b':').nth(1).and_then(|rest| rest.strip_prefix(b"//"));
                host.is_some_and(|host| host.eq_ignore_ascii_case(head.authority().as_bytes()))
            }
            Self::These(all) => all.iter().any(|one| origin.eq_ignore_ascii_case(one.as_bytes())),
        }
    }
}

/// A handshake that succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    accept: String,
    /// The subprotocol that will be spoken; `None` when the client asks for none that the server has.
    pub subprotocol: Option<HeaderValue>,
    /// Compression, and the words that agree to it.
    deflate: Option<(Agreed, String)>,
}

/// Why a handshake fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The request is no GET.
    #[error("a WebSocket begins with GET")]
    Method,
    /// The request does not ask for a WebSocket, or asks in HTTP/1.0.
    #[error("this is a WebSocket: ask for `Upgrade: websocket` over HTTP/1.1")]
    NotWebSocket,
    /// Another version of the protocol than 13, or none.
    #[error("the only version of WebSocket here is {VERSION}")]
    Version,
    /// No key, several, or one that is not 16 bytes in base64.
    #[error("Sec-WebSocket-Key has to be 16 bytes in base64")]
    Key,
    /// A page of another origin.
    #[error("pages of this origin may not connect")]
    Origin,
    /// Extensions or subprotocols that do not follow the grammar.
    #[error("{0} does not follow its grammar")]
    Field(&'static str),
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotWebSocket | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key | Self::Field(_) => StatusCode::BAD_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
        }
    }

    /// The fields of the answer, by which a client learns what would do.
    #[must_use]
    pub fn fields(self) -> &'static [(HeaderName, HeaderValue)] {
        static GET: [(HeaderName, HeaderValue); 1] = [(http::header::ALLOW, HeaderValue::from_static("GET"))];
        static WEBSOCKET: [(HeaderName, HeaderValue); 2] = [
            (http::header::UPGRADE, HeaderValue::from_static(UPGRADE)),
            (http::header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION)),
        ];
        match self {
            Self::Method => &GET,
            Self::NotWebSocket | Self::Version => &WEBSOCKET,
            Self::Key | Self::Origin | Self::Field(_) => &[],
        }
    }
}

/// Judges a request, in the order of section 4.2.1.
///
/// # Errors
/// Why it cannot become a WebSocket.
pub fn judge(head: &Head, terms: &Terms) -> Result<Accepted, Refusal> {
    if *head.method() != Method::GET {
        return Err(Refusal::Method);
    }
    let asks = |name: &str, token: &str| contains_token(head.lines(name), token);
    if head.version() < Version::HTTP_11 || !asks("upgrade", UPGRADE) || !asks("connection", "upgrade") {
        return Err(Refusal::NotWebSocket);
    }
    if only(head, "sec-websocket-version") != Some(VERSION.as_bytes()) {
        return Err(Refusal::Version);
    }
    let key = only(head, "sec-websocket-key").filter(|key| is_key(key)).ok_or(Refusal::Key)?;
    if !terms.origins.admit(head) {
        return Err(Refusal::Origin);
    }
    Ok(Accepted {
        accept: accept_key(key),
        subprotocol: subprotocol(head, &terms.subprotocols)?,
        deflate: terms.deflate.as_ref().map(|terms| agree(head, terms)).transpose()?.flatten(),
    })
}

/// The value of a field that comes once.
fn only<'a>(head: &'a Head, name: &str) -> Option<&'a [u8]> {
    let mut lines = head.lines(name);
    lines.next().filter(|_| lines.next().is_none())
}

/// The best of ours that the client asks for.
fn subprotocol(head: &Head, ours: &[HeaderValue]) -> Result<Option<HeaderValue>, Refusal> {
    let bad = Refusal::Field("Sec-WebSocket-Protocol");
    let asked: Vec<&[u8]> =
        members(head.lines(SEC_WEBSOCKET_PROTOCOL.as_str())).collect::<Result<_, _>>().map_err(|_| bad)?;
    if !asked.iter().all(|name| is_token(name)) {
        return Err(bad);
    }
    Ok(ours.iter().find(|ours| asked.contains(&ours.as_bytes())).cloned())
}

/// The first offer of compression that can be met (RFC 7692 section 5.1). One that cannot is passed over.
fn agree(head: &Head, terms: &deflate::Terms) -> Result<Option<(Agreed, String)>, Refusal> {
    let offered = extensions(head).map_err(|_| Refusal::Field("Sec-WebSocket-Extensions"))?;
    let mut offers = offered.iter().filter_map(deflate::parse).filter_map(Result::ok);
    Ok(offers.find_map(|offer| {
        let params = deflate::answer(&offer, terms)?;
        Some((Agreed::new(params, terms), params.to_answer(&offer)))
    }))
}

impl Accepted {
    /// What was agreed on about compression.
    #[must_use]
    pub fn deflate(&self) -> Option<Agreed> {
        self.deflate.as_ref().map(|(agreed, _)| *agreed)
    }

    /// Puts what was agreed on into the fields of `101 Switching Protocols`. `Upgrade` and `Connection` are the HTTP server's.
    pub fn fill(&self, fields: &mut Fields) {
        let mut set = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::try_from(text) {
                fields.set(name, value);
            }
        };
        set(SEC_WEBSOCKET_ACCEPT, &self.accept);
        if let Some((_, words)) = &self.deflate {
            set(SEC_WEBSOCKET_EXTENSIONS, words);
        }
        if let Some(name) = &self.subprotocol {
            fields.set(SEC_WEBSOCKET_PROTOCOL, name.clone());
        }
    }
}

#[cfg(test)]
mod tests;
