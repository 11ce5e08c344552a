//! Fields that concern one connection only, and must not be forwarded: RFC 9110 section 7.6.1.
//!
//! A sender names further ones in `Connection`. A proxy that obeys that blindly lets a client remove the fields on which the next
//! server relies (`Authorization`, `X-Forwarded-For`, `Host`), so a few cannot be named away.

use super::list::{self, FieldLines, contains_token, members};

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
        is_hop_by_hop(name) || self.nominates && self.names(name)
    }

    fn names(&self, name: &str) -> bool {
        !is_one_of(name, &END_TO_END) && list::contains_token(self.head.lines("connection"), name)
    }
}

/// Whether the field is never forwarded, whether `Connection` names it or not. Framing is among them: whoever forwards a message frames it
/// anew. Every field of every message is asked for, hence the look at the length first.
fn is_hop_by_hop(name: &str) -> bool {
    let names: &[&str] = match name.len() {
        2 => &["te"],
        7 => &["upgrade"],
        10 => &["connection", "keep-alive"],
        14 => &["content-length", "http2-settings"],
        16 => &["proxy-connection"],
        17 => &["transfer-encoding"],
        18 => &["proxy-authenticate"],
        19 => &["proxy-authorization"],
        _ => return false,
    };
    is_one_of(name, names)
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| other.len() == name.len() && other.eq_ignore_ascii_case(name))
}

/// Protocols that a gateway does not pass on: another version of HTTP or TLS within the connection would carry requests that nobody in between sees, past
/// every rule about hosts and paths ("h2c smuggling").
const OPAQUE: [&[u8]; 5] = [b"h2c", b"h2", b"h3", b"http", b"tls"];

/// The protocols to which a request asks to upgrade (RFC 9110 section 7.8), as far as a gateway passes them on: the value of its `Upgrade`, without other
/// versions of HTTP and TLS. `None` when it asks for none.
#[must_use]
pub fn upgrade<H: FieldLines + ?Sized>(head: &H) -> Option<Vec<u8>> {
    if !contains_token(head.lines("connection"), "upgrade") {
        return None;
    }
    let name = |protocol: &[u8]| protocol.split(|&byte| byte == b'/').next().map(<[u8]>::to_ascii_lowercase);
    let passes = |protocol: &&[u8]| name(protocol).is_some_and(|name| !OPAQUE.contains(&&*name));
    let asked: Vec<&[u8]> = members(head.lines("upgrade")).map_while(Result::ok).filter(passes).collect();
    (!asked.is_empty()).then(|| asked.join(&b", "[..]))
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
    fn upgrades_that_go_on() {
        for (connection, asked, goes_on) in [
            ("Upgrade", "websocket", Some("websocket")),
            ("keep-alive, upgrade", "a/1, b", Some("a/1, b")),
            ("keep-alive", "websocket", None),
            ("upgrade", "", None),
            // Another HTTP or TLS would go past all rules.
            ("Upgrade, HTTP2-Settings", "h2c", None),
            ("upgrade", "H2C", None),
            ("upgrade", "h2c, websocket", Some("websocket")),
            ("upgrade", "websocket,TLS/1.0 , HTTP/2.0", Some("websocket")),
            ("upgrade", "h2cx", Some("h2cx")),
        ] {
            let head = [("Connection", connection), ("Upgrade", asked), ("HTTP2-Settings", "AAMAAABk")];
            let got = upgrade(&head[..]);
            assert_eq!(got.as_deref(), goes_on.map(str::as_bytes), "{connection}: {asked}");
            assert!(HopByHop::of(&head[..]).has("http2-settings"));
        }
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
