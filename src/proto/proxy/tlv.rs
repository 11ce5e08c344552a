//! The extensions of version 2: type, length, value (`proxy-protocol.txt` section 2.2.2 and on).

use bytes::{BufMut, BytesMut};

use super::EncodeError;

/// Extensions of one header at most. HAProxy sends up to seven.
pub const MAX_TLVS: usize = 64;

/// Bytes of a unique identifier at most: the specification's number.
pub const MAX_UNIQUE_ID: usize = 128;

const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const NOOP: u8 = 0x04;
const UNIQUE_ID: u8 = 0x05;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_CN: u8 = 0x22;
const SSL_CIPHER: u8 = 0x23;
const NETNS: u8 = 0x30;

/// Bytes before a value: type and length.
const PREFIX: usize = 3;

/// One extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tlv {
    /// The protocol that TLS agreed on, for example `h2`.
    Alpn(Vec<u8>),
    /// The host name that the client asked for (SNI).
    Authority(String),
    /// The proxy's identifier of this connection, at most [`MAX_UNIQUE_ID`] bytes.
    UniqueId(Vec<u8>),
    /// The client reached the proxy over TLS.
    Ssl(Ssl),
    /// The network namespace.
    Netns(Vec<u8>),
    /// Any other type, for example those of cloud providers (0xe0 to 0xef).
    Other(u8, Vec<u8>),
}

/// What the proxy knows of the client's TLS connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssl {
    /// Bit 0x01: over TLS; 0x02: a certificate in this connection; 0x04: a certificate in this session.
    pub client: u8,
    /// Zero when the client's certificate was verified, or none was asked for.
    pub verify: u32,
    /// Details by type (0x21 to 0x28), in the proxy's order.
    pub fields: Vec<(u8, Vec<u8>)>,
}

impl Ssl {
    /// Whether the client showed a certificate, in this connection or when the session began, and it was verified.
    #[must_use]
    pub fn verified(&self) -> bool {
        self.client & 0x06 != 0 && self.verify == 0
    }

    /// The TLS version, for example `TLSv1.3`.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.text(SSL_VERSION)
    }

    /// The common name of the client's certificate.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.text(SSL_CN)
    }

    /// The cipher suite.
    #[must_use]
    pub fn cipher(&self) -> Option<&str> {
        self.text(SSL_CIPHER)
    }

    fn text(&self, wanted: u8) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(kind, _)| *kind == wanted)?;
        str::from_utf8(value).ok()
    }
}

/// What is wrong with an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlvError {
    /// An extension reaches beyond the header, or its parts beyond itself.
    #[error("extension {0:#04x} is torn")]
    Torn(u8),
    /// A value of the wrong length.
    #[error("extension {0:#04x} has {1} bytes")]
    Length(u8, usize),
    /// A type that may occur once occurs twice.
    #[error("extension {0:#04x} occurs twice")]
    Twice(u8),
    /// A host name or a TLS detail that is no text.
    #[error("extension {0:#04x} is not UTF-8")]
    Text(u8),
    /// The checksum does not fit.
    #[error("the checksum does not fit")]
    Checksum,
    /// More than [`MAX_TLVS`].
    #[error("more than 64 extensions")]
    TooMany,
}

/// Reads the extensions of a whole header, from `start` to its end, and verifies the checksum if there is one.
pub(super) fn parse(whole: &[u8], start: usize) -> Result<Vec<Tlv>, TlvError> {
    let mut seen = Vec::new();
    let mut tlvs = Vec::new();
    let mut rest = &whole[start..];
    while !rest.is_empty() {
        let position = whole.len() - rest.len();
        let (kind, value) = next(&mut rest).map_err(TlvError::Torn)?;
        if seen.len() == MAX_TLVS {
            return Err(TlvError::TooMany);
        }
        if matches!(kind, ALPN | AUTHORITY | CRC32C | UNIQUE_ID | SSL | NETNS) && seen.contains(&kind) {
            return Err(TlvError::Twice(kind));
        }
        seen.push(kind);
        match kind {
            CRC32C => verify(whole, position + PREFIX, value)?,
            NOOP => {}
            _ => tlvs.push(tlv(kind, value)?),
        }
    }
    Ok(tlvs)
}

/// Splits one extension from the front; the error is the type of one that is torn.
fn next<'a>(rest: &mut &'a [u8]) -> Result<(u8, &'a [u8]), u8> {
    let (&kind, after) = rest.split_first().ok_or(0_u8)?;
    let (len, after) = after.split_first_chunk().ok_or(kind)?;
    let (value, after) = after.split_at_checked(u16::from_be_bytes(*len).into()).ok_or(kind)?;
    *rest = after;
    Ok((kind, value))
}

fn tlv(kind: u8, value: &[u8]) -> Result<Tlv, TlvError> {
    Ok(match kind {
        ALPN => Tlv::Alpn(value.to_vec()),
        AUTHORITY => Tlv::Authority(str::from_utf8(value).map_err(|_| TlvError::Text(kind))?.into()),
        UNIQUE_ID if value.len() > MAX_UNIQUE_ID => return Err(TlvError::Length(kind, value.len())),
        UNIQUE_ID => Tlv::UniqueId(value.to_vec()),
        SSL => Tlv::Ssl(ssl(value)?),
        NETNS => Tlv::Netns(value.to_vec()),
        other => Tlv::Other(other, value.to_vec()),
    })
}

fn ssl(value: &[u8]) -> Result<Ssl, TlvError> {
    let Some((&[client, a, b, c, d], mut rest)) = value.split_first_chunk() else {
        return Err(TlvError::Length(SSL, value.len()));
    };
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (kind, value) = next(&mut rest).map_err(|_| TlvError::Torn(SSL))?;
        if fields.len() == MAX_TLVS {
            return Err(TlvError::TooMany);
        }
        if matches!(kind, SSL_VERSION | SSL_CN | SSL_CIPHER) && str::from_utf8(value).is_err() {
            return Err(TlvError::Text(kind));
        }
        fields.push((kind, value.to_vec()));
    }
    Ok(Ssl { client, verify: u32::from_be_bytes([a, b, c, d]), fields })
}

/// Compares the checksum at `position` with that of the header in which it counts as zero.
fn verify(whole: &[u8], position: usize, value: &[u8]) -> Result<(), TlvError> {
    let given: [u8; 4] = value.try_into().map_err(|_| TlvError::Length(CRC32C, value.len()))?;
    let state = crc32c(!0, &whole[..position]);
    let state = crc32c(state, &[0; 4]);
    let state = crc32c(state, &whole[position + 4..]);
    (!state == u32::from_be_bytes(given)).then_some(()).ok_or(TlvError::Checksum)
}

/// Appends extensions, and room for a checksum before them.
pub(super) fn encode(tlvs: &[Tlv], checksum: bool, wire: &mut BytesMut) -> Result<(), EncodeError> {
    if checksum {
        put(CRC32C, &[0; 4], wire)?;
    }
    for tlv in tlvs {
        match tlv {
            Tlv::Alpn(value) => put(ALPN, value, wire)?,
            Tlv::Authority(value) => put(AUTHORITY, value.as_bytes(), wire)?,
            Tlv::UniqueId(value) if value.len() > MAX_UNIQUE_ID => {
                return Err(EncodeError::Field(value.len(), MAX_UNIQUE_ID));
            }
            Tlv::UniqueId(value) => put(UNIQUE_ID, value, wire)?,
            Tlv::Ssl(ssl) => {
                let mut value = BytesMut::new();
                value.put_u8(ssl.client);
                value.put_u32(ssl.verify);
                for (kind, field) in &ssl.fields {
                    put(*kind, field, &mut value)?;
                }
                put(SSL, &value, wire)?;
            }
            Tlv::Netns(value) => put(NETNS, value, wire)?,
            Tlv::Other(kind, value) => put(*kind, value, wire)?,
        }
    }
    Ok(())
}

fn put(kind: u8, value: &[u8], wire: &mut BytesMut) -> Result<(), EncodeError> {
    let most = usize::from(u16::MAX);
    let len = u16::try_from(value.len()).map_err(|_| EncodeError::Field(value.len(), most))?;
    wire.put_u8(kind);
    wire.put_u16(len);
    wire.put_slice(value);
    Ok(())
}

/// Fills in the checksum, for which [`encode`] has left room as the first extension of a finished header.
pub(super) fn seal(wire: &mut BytesMut) {
    let checksum = !crc32c(!0, wire);
    let addresses = match wire[13] {
        0x11 => 12,
        0x21 => 36,
        _ => 216,
    };
    let position = 16 + addresses + PREFIX;
    wire[position..position + 4].copy_from_slice(&checksum.to_be_bytes());
}

/// One step per byte of the Castagnoli checksum (RFC 9260 appendix A), reflected.
fn crc32c(state: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(state, |state, &byte| TABLE[usize::from(state as u8 ^ byte)] ^ (state >> 8))
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut value = i as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0x82f6_3b78 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[i] = value;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    type Part<'a> = (u8, &'a [u8]);

    /// What the extensions in `parts` mean, as if they were a whole header.
    fn tlvs(parts: &[Part<'_>]) -> Result<Vec<Tlv>, TlvError> {
        parse(&wire(parts), 0)
    }

    fn wire(parts: &[Part<'_>]) -> Vec<u8> {
        let mut wire = BytesMut::new();
        for (kind, value) in parts {
            put(*kind, value, &mut wire).unwrap();
        }
        wire.to_vec()
    }

    #[test]
    fn crc32c_of_the_known_samples() {
        // RFC 3720 appendix B.4.
        assert_eq!(!crc32c(!0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(!crc32c(!0, &[0xff; 32]), 0x62a8_ab43);
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn known_types_are_named_and_others_kept() {
        let read = tlvs(&[(0x04, b"\0\0\0"), (0x30, b"ns"), (0xea, b"aws"), (0x04, b""), (0xea, b"two")]);
        let expected = [
            Tlv::Netns(b"ns".to_vec()),
            Tlv::Other(0xea, b"aws".to_vec()),
            Tlv::Other(0xea, b"two".to_vec()),
        ];
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn what_breaks_an_extension() {
        let long = [b'i'; MAX_UNIQUE_ID + 1];
        let rows: [(&[Part<'_>], TlvError); 10] = [
            (&[(0x05, &long)], TlvError::Length(0x05, 129)),
            (&[(0x03, b"abc")], TlvError::Length(0x03, 3)),
            (&[(0x03, b"abcde")], TlvError::Length(0x03, 5)),
            (&[(0x03, b"abcd")], TlvError::Checksum),
            (&[(0x02, b"\xff")], TlvError::Text(0x02)),
            (&[(0x02, b"a"), (0x02, b"a")], TlvError::Twice(0x02)),
            (&[(0x20, b"\x01\0\0\0")], TlvError::Length(0x20, 4)),
            (&[(0x20, b"\x01\0\0\0\0\x21\0\x07TLSv1")], TlvError::Torn(0x20)),
            (&[(0x20, b"\x01\0\0\0\0\x22\0\x01\xff")], TlvError::Text(0x22)),
            (&[(0x04, &b""[..]); MAX_TLVS + 1], TlvError::TooMany),
        ];
        for (parts, error) in rows {
            assert_eq!(tlvs(parts), Err(error));
        }
        assert_eq!(tlvs(&[(0x05, &long[1..])]).unwrap(), [Tlv::UniqueId(long[1..].to_vec())]);
        assert_eq!(tlvs(&[(0x04, &b""[..]); MAX_TLVS]), Ok(vec![]));
    }

    #[test]
    fn a_torn_extension_is_named_wherever_it_is_cut() {
        let whole = wire(&[(0x01, b"h2"), (0xee, b"value")]);
        for end in 1..whole.len() {
            let expected = match end {
                5 => Ok(vec![Tlv::Alpn(b"h2".to_vec())]),
                1..5 => Err(TlvError::Torn(0x01)),
                _ => Err(TlvError::Torn(0xee)),
            };
            assert_eq!(parse(&whole[..end], 0), expected, "at {end}");
        }
    }

    #[test]
    fn details_of_tls() {
        let fields = vec![(SSL_VERSION, b"TLSv1.2".to_vec()), (SSL_CN, "Zoë".as_bytes().to_vec())];
        let ssl = Ssl { client: 0x05, verify: 0, fields };
        let mut wire = BytesMut::new();
        encode(&[Tlv::Ssl(ssl.clone())], false, &mut wire).unwrap();
        assert_eq!(parse(&wire, 0).unwrap(), [Tlv::Ssl(ssl.clone())]);
        assert_eq!((ssl.version(), ssl.common_name(), ssl.cipher()), (Some("TLSv1.2"), Some("Zoë"), None));
        assert!(ssl.verified());
        assert!(!Ssl { verify: 1, ..ssl.clone() }.verified(), "a certificate that did not verify");
        assert!(!Ssl { client: 0x01, ..ssl }.verified(), "TLS without a certificate");
    }
}
