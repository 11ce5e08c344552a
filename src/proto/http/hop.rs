//! Fields that concern one connection only, and must not be forwarded: RFC 9110 section 7.6.1.
//!
//! A sender names further ones in `Connection`. A proxy that obeys that blindly lets a client remove the fields on which the next
//! server relies (`Authorization`, `X-Forwarded-For`, `Host`), so a few cannot be named away.

use super::list::{self, FieldLines};

/// The fields that are never forwarded, whether `Connection` names them or not. Framing is among them: whoever forwards a message
/// frames it anew.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "content-length",
];

/// The fields that `Connection` cannot name away.
const END_TO_END: [&str; 15] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "range",
    "set-cookie",
    "traceparent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// Which fields of one message concern its connection only.
#[derive(Debug)]
pub struct HopByHop<'a, H: FieldLines + ?Sized> {
    head: &'a H,
    /// `Connection` names something beside `close`, `keep-alive` and `upgrade`.
    nominates: bool,
}

impl<'a, H: FieldLines + ?Sized> HopByHop<'a, H> {
    /// Those of the message with this head.
    pub fn of(head: &'a H) -> Self {
        let usual = |token: &[u8]| {
            [&b"close"[..], b"keep-alive", b"upgrade", b""]
                .iter()
                .any(|usual| token.eq_ignore_ascii_case(usual))
        };
        let nominates = head
            .lines("connection")
            .any(|line| line.split(|&byte| byte == b',').any(|token| !usual(list::trim_ows(token))));
        Self { head, nominates }
    }

    /// Whether the field `name` (any case) stays on its connection.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        is_one_of(name, &HOP_BY_HOP) || self.nominates && self.names(name)
    }

    fn names(&self, name: &str) -> bool {
        !is_one_of(name, &END_TO_END) && list::contains_token(self.head.lines("connection"), name)
    }
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| other.len() == name.len() && other.eq_ignore_ascii_case(name))
}

/// Whether some server takes the field `name` for `ours`, which is lower case: CGI and its heirs read an underscore as a dash, so
/// `X_Forwarded_For` would be a client's word beside ours.
#[must_use]
pub fn reads_as(name: &str, ours: &str) -> bool {
    name.len() == ours.len() && begins_as(name, ours)
}

/// Whether `name` begins with what some server takes for `ours`, as [`reads_as`] says.
#[must_use]
pub fn begins_as(name: &str, ours: &str) -> bool {
    let alike =
        |(theirs, ours): (u8, u8)| theirs.eq_ignore_ascii_case(&ours) || (theirs, ours) == (b'_', b'-');
    name.len() >= ours.len() && name.bytes().zip(ours.bytes()).all(alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_on_the_connection() {
        let rows: [(&str, &str, bool); 12] = [
            ("", "Accept", false),
            ("", "Keep-Alive", true),
            ("", "TE", true),
            ("", "Transfer-Encoding", true),
            ("", "Content-Length", true),
            ("", "Proxy-Authorization", true),
            ("close, X-Secret", "x-secret", true),
            ("close, X-Secret", "x-secret-2", false),
            ("keep-alive", "x-secret", false),
            ("X-Forwarded-For, Host, authorization", "x-forwarded-for", false),
            ("X-Forwarded-For, Host, authorization", "Authorization", false),
            ("close", "close", false),
        ];
        for (connection, name, stays) in rows {
            let head = [("Connection", connection)];
            assert_eq!(HopByHop::of(&head[..]).has(name), stays, "{connection}: {name}");
        }
    }

    #[test]
    fn each_line_of_connection_counts() {
        let head = [("connection", "close"), ("Connection", "x-a , x-b")];
        let hop = HopByHop::of(&head[..]);
        assert!(hop.has("X-A") && hop.has("X-B") && !hop.has("x-c"));
    }

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
        assert!(begins_as("X_Forwarded-Port", "x-forwarded-") && !begins_as("X-For", "x-forwarded-"));
    }
}
