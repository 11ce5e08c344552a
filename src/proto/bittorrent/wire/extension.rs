//! The handshake of extensions: which of them a peer knows, by which number it wants to hear of each, and what else it tells of itself (BEP 10).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::proto::bittorrent::bencode::{Document, Fault, Limits, Tree, Value};

/// The number of the handshake itself.
pub const HANDSHAKE: u8 = 0;

/// Bytes of a program's name at most; the rest is cut off.
const MAX_CLIENT: usize = 64;

/// How many requests are let wait at most, whatever a peer says that it takes.
const MAX_REQUESTS: u64 = 10_000;

/// The extensions that are spoken here. Their values are our numbers for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Extension {
    /// The `info` dictionary, in pieces (BEP 9).
    Metadata = 1,
    /// Other peers (BEP 11).
    Exchange = 2,
    /// A way through routers that let nobody in (BEP 55).
    Holepunch = 3,
    /// Whether it only uploads (BEP 21).
    UploadOnly = 4,
    /// A piece that it does not have any more (BEP 54).
    DontHave = 5,
}

impl Extension {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Metadata, Self::Exchange, Self::Holepunch, Self::UploadOnly, Self::DontHave];

    /// Its name in handshakes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Metadata => "ut_metadata",
            Self::Exchange => "ut_pex",
            Self::Holepunch => "ut_holepunch",
            Self::UploadOnly => "upload_only",
            Self::DontHave => "lt_donthave",
        }
    }

    /// The one that peers call by this number of ours.
    #[must_use]
    pub fn of(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|extension| *extension as u8 == id)
    }
}

/// What a peer tells of itself. Everything may be missing; of several handshakes each changes only what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// Its numbers for extensions; 0 is one that it does not know any more.
    pub numbers: Vec<(Extension, u8)>,
    /// The port at which it takes connections.
    pub port: Option<u16>,
    /// Its program and version.
    pub client: Option<String>,
    /// Bytes of the `info` dictionary.
    pub metadata_size: Option<u32>,
    /// How many requests it lets wait.
    pub requests: Option<u32>,
    /// Our address, as it sees it.
    pub your_ip: Option<IpAddr>,
    /// Whether it only uploads (BEP 21).
    pub upload_only: Option<bool>,
}

impl Handshake {
    /// The number by which a peer wants to hear of an extension, if this handshake tells.
    #[must_use]
    pub fn number(&self, extension: Extension) -> Option<u8> {
        self.numbers.iter().find(|(known, _)| *known == extension).map(|(_, number)| *number)
    }

    /// Reads one. What makes no sense is left out.
    ///
    /// # Errors
    /// It is no bencode.
    pub fn read(payload: &[u8]) -> Result<Self, Fault> {
        let document = Document::read(payload, Limits::MESSAGE)?;
        let root = document.root();
        let numbers = root.get("m");
        let numbers = Extension::ALL.into_iter().filter_map(|extension| {
            let number = numbers?.get(extension.name())?.integer()?;
            Some((extension, u8::try_from(number).ok()?))
        });
        let integer = |key| root.get(key).and_then(Value::size);
        Ok(Self {
            numbers: numbers.collect(),
            port: integer("p").and_then(|port| port.try_into().ok()).filter(|port| *port != 0),
            client: root.get("v").and_then(Value::bytes).map(client).filter(|client| !client.is_empty()),
            metadata_size: integer("metadata_size")
                .and_then(|size| size.try_into().ok())
                .filter(|size| *size != 0),
            // Below the limit there are 32 bits.
            requests: integer("reqq").map(|requests| requests.clamp(1, MAX_REQUESTS) as u32),
            your_ip: root.get("yourip").and_then(Value::bytes).and_then(address),
            upload_only: integer("upload_only").map(|only| only != 0),
        })
    }

    /// The payload.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers = self.numbers.iter().map(|(extension, number)| (extension.name(), i64::from(*number)));
        let ip = self.your_ip.map(|ip| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        });
        Tree::dictionary([("m", Tree::dictionary(numbers))])
            .with_some("p", self.port)
            .with_some("v", self.client.clone())
            .with_some("metadata_size", self.metadata_size)
            .with_some("reqq", self.requests)
            .with_some("yourip", ip)
            .with_some("upload_only", self.upload_only.map(i64::from))
            .to_bytes()
    }
}

/// A name that can be shown.
fn client(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(MAX_CLIENT).collect()
}

/// An address in the order of the network.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_are_written_and_read() {
        let handshake = Handshake {
            numbers: Extension::ALL.into_iter().map(|extension| (extension, extension as u8)).collect(),
            port: Some(6881),
            client: Some("wireworks 0.1".to_owned()),
            metadata_size: Some(1000),
            requests: Some(500),
            your_ip: Some([10, 0, 0, 1].into()),
            upload_only: Some(true),
        };
        assert_eq!(Handshake::read(&handshake.to_bytes()), Ok(handshake.clone()));
        assert_eq!(handshake.number(Extension::Exchange), Some(2));
        assert!(
            Extension::ALL.into_iter().all(|extension| Extension::of(extension as u8) == Some(extension))
        );
        assert_eq!(Extension::of(HANDSHAKE), None);
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let text = b"d1:md11:LT_metadatai1e11:ut_metadatai0e6:ut_pexi300ee13:metadata_sizei-5e1:pi0e4:reqqi99999999e1:v5:a\nb\xffc6:yourip3:abce";
        let read = Handshake::read(text).unwrap();
        let expected = Handshake {
            numbers: vec![(Extension::Metadata, 0)],
            client: Some("ab\u{fffd}c".to_owned()),
            requests: Some(10_000),
            ..Handshake::default()
        };
        assert_eq!(read, expected);
        assert_eq!(Handshake::read(b"de"), Ok(Handshake::default()));
        assert_eq!(Handshake::read(b"le"), Ok(Handshake::default()));
        assert_eq!(Handshake::read(b"d"), Err(Fault::Cut));
    }
}
