//! From the request of a client to that for a backend, and from the backend's response to the reply.
//!
//! Nothing of a message's framing is passed on: the body's length is what was read of it, and both codecs write their own fields. So what the
//! next server understands is what was understood here, whatever the client wrote.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};

use crate::proto::balance::normal::{PathError, normalise};
use crate::proto::http::client::{Finish, RequestError, RequestWriter, ResponseHead, WireRequest};
use crate::proto::http::fields::Fields;
use crate::proto::http::forwarded::{self, Forwarding};
use crate::proto::http::head::Head;
use crate::proto::http::hop::HopByHop;
use crate::proto::http::list::FieldLines;
use crate::proto::http::target::Form;
use crate::server::http::request::Request;

/// The path of a request in its normal form.
///
/// # Errors
/// It has none.
pub(super) fn path(head: &Head) -> Result<Cow<'_, str>, PathError> {
    if head.form() == Form::Asterisk { Ok("*".into()) } else { normalise(head.path()) }
}

/// The request for the backend, for `path` and with the query as it is, whose body follows.
///
/// # Errors
/// It cannot be written.
pub(super) fn request(request: &Request, path: &str, trusted: bool) -> Result<WireRequest, RequestError> {
    let head = request.head();
    let peer = request.peer();
    let host = head.authority();
    let mut target = Cow::Borrowed(path);
    if let Some(query) = head.query() {
        let target = target.to_mut();
        target.push('?');
        target.push_str(query);
    }
    let mut writer = RequestWriter::new(head.method(), &target, host)?;
    writer.forward(head, |name| forwarded::FIELDS.iter().chain(&FRAMING).any(|ours| reads_as(name, ours)));
    let forwarding = Forwarding { peer: peer.addr.ip(), trusted, tls: peer.tls, host };
    let told = forwarding.told(head);
    for (name, value) in [(FOR, told.for_), (PROTO, told.proto), (HOST, told.host)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            writer.field(&name, &value);
        }
    }
    let upgrade = upgrade(head);
    Ok(writer.finish(Finish { length: request.body().len(), upgrade: upgrade.as_ref(), close: false }))
}

/// The fields that say where a message ends and whom it is for; the client's own are never forwarded, however they are spelt.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "host"];

/// Whether some server takes the field `name` for `ours`, which is lower case: CGI and its heirs read an underscore as a dash, so
/// `X_Forwarded_For` would be a client's word beside ours.
fn reads_as(name: &str, ours: &str) -> bool {
    let alike =
        |(theirs, ours): (u8, u8)| theirs.eq_ignore_ascii_case(&ours) || (theirs, ours) == (b'_', b'-');
    name.len() == ours.len() && name.bytes().zip(ours.bytes()).all(alike)
}

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The protocols to which a request asks to upgrade (RFC 9110 section 7.8).
fn upgrade(head: &Head) -> Option<HeaderValue> {
    let asks = crate::proto::http::list::contains_token(head.lines("connection"), "upgrade");
    head.field("upgrade").filter(|_| asks).and_then(|value| HeaderValue::from_bytes(value).ok())
}

/// The fields of a response that are the client's business.
#[must_use]
pub(super) fn fields(head: &ResponseHead) -> Fields {
    let hop = HopByHop::of(head);
    let mut fields = Fields::new();
    for (name, value) in head.fields().filter(|(name, _)| !hop.has(name)) {
        let value = head.bytes().slice_ref(value);
        // Both were checked when the head was parsed, and are checked once more.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_maybe_shared(value))
        {
            fields.append(name, value);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_read_alike() {
        for (name, alike) in [
            ("X-Forwarded-For", true),
            ("x_forwarded_for", true),
            ("X_Forwarded-For", true),
            ("X-Forwarded-Far", false),
            ("X-Forwarded-For-", false),
            ("X.Forwarded.For", false),
        ] {
            assert_eq!(reads_as(name, "x-forwarded-for"), alike, "{name}");
        }
    }
}
