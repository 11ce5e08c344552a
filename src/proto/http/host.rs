//! `Host`, RFC 9110 section 7.2 and RFC 9112 section 3.2: `uri-host [ ":" port ]`, once, and nothing else.

use super::target::table;

/// Whether `value` is a host with an optional port: a registered name, an IPv4 address, or an IP literal in brackets.
///
/// User information, a path, a list, an empty host and a port that is not a number up to 65535 are not,
/// nor is a percent sign that encodes nothing, or NUL.
#[must_use]
pub fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => {
            let Some(end) = memchr::memchr(b']', rest) else {
                return false;
            };
            let (literal, after) = (&rest[..end], &rest[end + 1..]);
            if !is_ip_literal(literal) {
                return false;
            }
            (literal, after)
        }
        _ => {
            let end = value.iter().position(|&byte| !is_name_byte(byte));
            let (name, after) = value.split_at(end.unwrap_or(value.len()));
            match after {
                // Few have it: they are looked at once more.
                [b'%', ..] => split_encoded(value),
                _ => (name, after),
            }
        }
    };
    !host.is_empty() && is_port(port)
}

/// `after` is what follows the host: empty, or `:` and a port, which may be empty (RFC 3986 section 3.2.3).
fn is_port(after: &[u8]) -> bool {
    match after {
        [] | [b':'] => true,
        [b':', digits @ ..] => digits
            .iter()
            .try_fold(0_u16, |n, &digit| {
                let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
                n.checked_mul(10)?.checked_add(digit.into())
            })
            .is_some(),
        _ => false,
    }
}

/// RFC 3986 section 3.2.2: an IPv6 address, or `v` and a future version.
fn is_ip_literal(literal: &[u8]) -> bool {
    match literal {
        [b'v' | b'V', rest @ ..] => {
            let Some(dot) = memchr::memchr(b'.', rest) else {
                return false;
            };
            let (version, address) = (&rest[..dot], &rest[dot + 1..]);
            !version.is_empty()
                && version.iter().all(u8::is_ascii_hexdigit)
                && !address.is_empty()
                && address.iter().all(|&byte| is_name_byte(byte) || byte == b':')
        }
        _ => std::str::from_utf8(literal).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok()),
    }
}

/// reg-name: unreserved, and sub-delims without the comma (a list of hosts is a fault, not a name).
fn is_name_byte(byte: u8) -> bool {
    NAME[usize::from(byte)]
}

const NAME: [bool; 256] = table(b"-._~!$&'()*+;=");

/// The name, percent signs and all, and what follows; without a name when a percent sign is not as it has to be.
fn split_encoded(value: &[u8]) -> (&[u8], &[u8]) {
    let end = value.iter().position(|&byte| !is_name_byte(byte) && byte != b'%');
    let (name, after) = value.split_at(end.unwrap_or(value.len()));
    if is_encoded(name) { (name, after) } else { (b"", after) }
}

/// Whether every percent sign encodes a byte (RFC 3986 section 2.1), and none of them NUL, which ends names in C.
fn is_encoded(name: &[u8]) -> bool {
    memchr::memchr_iter(b'%', name).all(|at| match name.get(at + 1..at + 3) {
        Some(digits) => digits != b"00" && digits.iter().all(u8::is_ascii_hexdigit),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in [
            "a",
            "example.com",
            "example.com:80",
            "example.com:",
            "127.0.0.1:65535",
            "[::1]",
            "[::1]:8080",
            "[v1.a:b]",
            "xn--a.b",
            "a_b",
            "%41",
            "a%c3%A9.test:80",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
    }

    #[test]
    fn not_hosts() {
        for bad in [
            "",
            ":",
            ":80",
            "a:b",
            "a:65536",
            "a:99999999999",
            "a:+1",
            "u@h",
            "a/b",
            "a,b",
            "a b",
            "a b:1",
            "[::1",
            "::1",
            "[]",
            "[::1]x",
            "[1.2.3.4]",
            "[v.a]",
            "a?",
            "a#",
            "\u{e9}",
            "a\t",
            "a%00b",
            "%",
            "a%4",
            "a%4:1",
            "a%zz",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad:?}");
        }
    }
}
