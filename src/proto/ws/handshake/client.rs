//! The client's side (RFC 6455 section 4.1): a request is made, and the answer held against it.
//!
//! Chance is an argument: the key. Whatever the answer says that was not asked for fails the connection, as the section demands at
//! every point. Only a subprotocol may be missing: whether one can do without is for the application to say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderValue, Method, StatusCode, Version};

use super::extension::extensions;
use super::url::Url;
use super::{KEY, UPGRADE as WEBSOCKET, VERSION, accept_key};
use crate::proto::http::client::{RequestError, RequestHead, ResponseHead};
use crate::proto::http::credentials::CredentialsError;
use crate::proto::http::fields::Fields;
use crate::proto::http::list::{FieldLines, contains_token, is_token};
use crate::proto::ws::deflate::{self, Agreed, Offer};

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Subprotocols that it speaks, the best first.
    pub subprotocols: Vec<String>,
    /// The page that it acts for. Browsers say it; other programs need not.
    pub origin: Option<HeaderValue>,
    /// Compression; `None` to do without.
    pub deflate: Option<deflate::Terms>,
    /// Further fields, such as cookies. Those of the handshake itself cannot be among them.
    pub fields: Fields,
}

/// Why a handshake cannot be begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// A field that belongs to the handshake.
    #[error("the field {0} is the handshake's own")]
    Reserved(HeaderName),
    /// A field that would be said twice, in the URL or as the origin, and as a field.
    #[error("the field {0} is given twice")]
    Twice(HeaderName),
    /// A subprotocol that is not a token, or is named twice.
    #[error("{0:?} is not the name of a subprotocol, or is named twice")]
    Subprotocol(String),
    /// Name and password that cannot be written.
    #[error("the name and password cannot be used: {0}")]
    Credentials(#[from] CredentialsError),
    /// The target or the host cannot be written.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// What was asked, for as long as the answer is awaited.
#[derive(Clone, Debug)]
pub struct Asked {
    accept: String,
    subprotocols: Vec<String>,
    deflate: Option<(Offer, deflate::Terms)>,
}

/// What both ends have agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// The subprotocol that will be spoken; `None` when the server took none.
    pub subprotocol: Option<String>,
    /// Compression.
    pub deflate: Option<Agreed>,
}

/// Why an answer is not the one of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Any status but 101.
    #[error("the server answers {0}")]
    Status(StatusCode),
    /// 101 in HTTP/1.0, which has no upgrades.
    #[error("the server switches protocols in HTTP/1.0, which cannot be")]
    Version,
    /// `Upgrade` is not `websocket`.
    #[error("the server switches to another protocol than WebSocket")]
    Upgrade,
    /// `Connection` does not name `Upgrade`.
    #[error("the server's answer has no `Connection: Upgrade`")]
    Connection,
    /// `Sec-WebSocket-Accept` does not prove that the key was read.
    #[error("the server's Sec-WebSocket-Accept does not match the key")]
    Accept,
    /// A subprotocol that was not asked for, or several.
    #[error("the server takes a subprotocol that was not asked for: {0:?}")]
    Subprotocol(String),
    /// An extension that was not offered, one that was taken twice, or a malformed field.
    #[error("the server takes an extension that was not offered: {0:?}")]
    Extension(String),
    /// Parameters of compression that go against the offer.
    #[error("the server takes permessage-deflate with other parameters than were offered: {0:?}")]
    Deflate(String),
}

/// The request for a WebSocket at `url`, and what its answer will be held against. The key is to be random, and new for each
/// connection.
///
/// # Errors
/// What was wished for cannot be said.
pub fn ask(url: &Url, wishes: &Wishes, key: [u8; KEY]) -> Result<(RequestHead, Asked), WishError> {
    let mut request = RequestHead::new(Method::GET, &url.target, &url.place.host_field())?;
    let key = STANDARD.encode(key);
    let accept = accept_key(key.as_bytes());
    let fields = &mut request.fields;
    fields.append(UPGRADE, HeaderValue::from_static(WEBSOCKET));
    fields.append(CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.append(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    fields.append(SEC_WEBSOCKET_KEY, text(key));
    if let Some(origin) = &wishes.origin {
        fields.append(ORIGIN, origin.clone());
    }
    if !wishes.subprotocols.is_empty() {
        check_subprotocols(&wishes.subprotocols)?;
        fields.append(SEC_WEBSOCKET_PROTOCOL, text(wishes.subprotocols.join(", ")));
    }
    let deflate = wishes.deflate.map(|terms| {
        let (words, offer) = deflate::offer(&terms);
        fields.append(SEC_WEBSOCKET_EXTENSIONS, text(words));
        (offer, terms)
    });
    if let Some(credentials) = &url.credentials {
        fields.append(AUTHORIZATION, credentials.field_value()?);
    }
    for (name, value) in wishes.fields.iter() {
        let own = [HOST, UPGRADE, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name);
        if own || name.as_str().starts_with("sec-websocket-") {
            return Err(WishError::Reserved(name.clone()));
        }
        if [ORIGIN, AUTHORIZATION].contains(name) && fields.contains(name) {
            return Err(WishError::Twice(name.clone()));
        }
        fields.append(name.clone(), value.clone());
    }
    Ok((request, Asked { accept, subprotocols: wishes.subprotocols.clone(), deflate }))
}

/// A value that is made of tokens and base64.
fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(""))
}

/// Section 4.1, point 10 of the request: tokens, and each once.
fn check_subprotocols(names: &[String]) -> Result<(), WishError> {
    for (index, name) in names.iter().enumerate() {
        if !is_token(name.as_bytes()) || names[..index].contains(name) {
            return Err(WishError::Subprotocol(name.clone()));
        }
    }
    Ok(())
}

impl Asked {
    /// Holds the answer against what was asked, in the order of section 4.1.
    ///
    /// # Errors
    /// The first point at which it is not what it has to be.
    pub fn judge(&self, response: &ResponseHead) -> Result<Agreement, Mismatch> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Mismatch::Status(response.status()));
        }
        if response.version() < Version::HTTP_11 {
            return Err(Mismatch::Version);
        }
        let upgrade = only(response, UPGRADE.as_str());
        if !upgrade.is_some_and(|value| value.eq_ignore_ascii_case(WEBSOCKET.as_bytes())) {
            return Err(Mismatch::Upgrade);
        }
        if !contains_token(response.lines(CONNECTION.as_str()), "upgrade") {
            return Err(Mismatch::Connection);
        }
        if only(response, "sec-websocket-accept") != Some(self.accept.as_bytes()) {
            return Err(Mismatch::Accept);
        }
        Ok(Agreement { deflate: self.extensions(response)?, subprotocol: self.subprotocol(response)? })
    }

    fn extensions(&self, response: &ResponseHead) -> Result<Option<Agreed>, Mismatch> {
        let field = SEC_WEBSOCKET_EXTENSIONS.as_str();
        let shown = || shown(response, field);
        // Section 11.3.2: in an answer the field comes once.
        let taken = extensions(response).map_err(|_| Mismatch::Extension(shown()))?;
        if taken.is_empty() {
            return Ok(None);
        }
        let ([extension], Some((offer, terms)), 1) =
            (&taken[..], &self.deflate, response.lines(field).count())
        else {
            return Err(Mismatch::Extension(shown()));
        };
        let answer = deflate::parse(extension).ok_or_else(|| Mismatch::Extension(shown()))?;
        let params = answer.ok().and_then(|answer| deflate::accept(&answer, offer, terms));
        params.map(|params| Some(Agreed::new(params, terms))).ok_or_else(|| Mismatch::Deflate(shown()))
    }

    fn subprotocol(&self, response: &ResponseHead) -> Result<Option<String>, Mismatch> {
        let field = SEC_WEBSOCKET_PROTOCOL.as_str();
        if response.field(field).is_none() {
            return Ok(None);
        }
        let taken = only(response, field);
        let asked = self.subprotocols.iter().find(|name| Some(name.as_bytes()) == taken);
        asked.cloned().map(Some).ok_or_else(|| Mismatch::Subprotocol(shown(response, field)))
    }
}

/// The value of a field that comes once.
fn only<'a>(response: &'a ResponseHead, name: &str) -> Option<&'a [u8]> {
    let mut lines = response.lines(name);
    lines.next().filter(|_| lines.next().is_none())
}

/// The lines of a field, for a message.
fn shown(response: &ResponseHead, name: &str) -> String {
    let lines: Vec<_> = response.lines(name).map(String::from_utf8_lossy).collect();
    lines.join(", ")
}

#[cfg(test)]
mod tests;
