//! A look at a ClientHello, without ending the TLS: which server a client wants, and which protocols it speaks.
//!
//! A balancer that passes TLS through chooses by the name that the client asks for (SNI, RFC 6066 section 3) or by the protocols that it offers
//! (ALPN, RFC 7301 section 3.1), which stand in clear in the first message. [`peek`] takes the bytes that a connection began with, however many
//! there are, and takes nothing away: they are passed on as they came. The message may be spread over several records, and records over segments.
//! What follows is the order of RFC 8446: records (section 5.1), the message (4.1.2), the extensions (4.2). TLS 1.0 to 1.3 write all of this alike.
//!
//! Nothing is decided before the whole message is there, as the extensions may come in any order; but what cannot become a ClientHello is refused
//! at the first byte that says so. Values that exist only to be ignored (GREASE, RFC 8701) are. With Encrypted Client Hello the name is
//! the public one of the provider: the other is nobody's business here.

/// Bytes of a ClientHello at most, without its header. With post-quantum keys and a session ticket it has some 2 KiB; HAProxy and nginx
/// have 16 KiB of room for it, too.
pub const MAX_HELLO: usize = 16 * 1024;

/// Bytes that are looked at, at most: a ClientHello in very small records takes more than its own.
pub const MAX_WIRE: usize = 32 * 1024;

/// What the bytes at the beginning of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peek {
    /// The beginning of a ClientHello, of fewer than [`MAX_WIRE`] bytes. It cannot be whole with fewer than so many more, at least 1. A caller that waits
    /// for that many looks a few dozen times at a message that comes in pieces of one byte, and not once for each piece.
    NeedMore(usize),
    /// A whole ClientHello.
    Found(ClientHello),
    /// Something else, however it goes on.
    NotTls(NotTls),
}

/// What a client says of itself in clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The name of the server that the client wants, in small letters, without a dot at its end; `None` if it names none, as with an address for a host.
    pub sni: Option<String>,
    /// The protocols that it offers, in its order: `h2`, `http/1.1`. Any bytes may stand in a name.
    pub alpn: Vec<Vec<u8>>,
}

/// Why the bytes are no ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTls {
    /// The connection does not begin with a handshake record of TLS.
    #[error("the connection does not begin with TLS")]
    OtherProtocol,
    /// A record is empty, or longer than a record can be (RFC 8446 section 5.1).
    #[error("a record of TLS has a length that is not allowed")]
    RecordLength,
    /// The first message is not a ClientHello.
    #[error("TLS begins with another message than a ClientHello")]
    OtherMessage,
    /// It is longer than [`MAX_HELLO`], or than [`MAX_WIRE`] with its records.
    #[error("the ClientHello is too long")]
    TooLong,
    /// A length within it contradicts another, or a field has a value that it cannot have.
    #[error("the ClientHello is malformed")]
    Malformed,
    /// An extension that is read here stands in it twice (RFC 8446 section 4.2).
    #[error("the ClientHello has an extension twice")]
    Twice,
    /// The name of the server is none: it is empty, too long, or has characters that a name of a host has not.
    #[error("the server's name in the ClientHello is no name of a host")]
    Name,
}

/// The content type of handshake records.
const HANDSHAKE: u8 = 0x16;
/// The type of the message.
const CLIENT_HELLO: u8 = 0x01;
/// The bytes before a record's content: type, version, length.
const RECORD_HEAD: usize = 5;
/// The content of a record at most: 2^14 bytes.
const MAX_RECORD: usize = 1 << 14;
/// The bytes before a message: type, length.
const MESSAGE_HEAD: usize = 4;

/// Looks at the first bytes of a connection. It takes time in proportion to them, so it is for few calls, with all bytes that there are.
#[must_use]
pub fn peek(wire: &[u8]) -> Peek {
    match hello(&wire[..wire.len().min(MAX_WIRE)]) {
        Ok(Progress::Whole(message)) => parse(&message).map_or_else(Peek::NotTls, Peek::Found),
        Ok(Progress::Missing(_)) if wire.len() >= MAX_WIRE => Peek::NotTls(NotTls::TooLong),
        Ok(Progress::Missing(more)) => Peek::NeedMore(more.clamp(1, MAX_WIRE - wire.len())),
        Err(error) => Peek::NotTls(error),
    }
}

/// How much of the first message is there.
enum Progress {
    /// All of it: its content, out of its records.
    Whole(Vec<u8>),
    /// So many bytes are missing at least.
    Missing(usize),
}

/// The first message, as far as it is there.
fn hello(mut wire: &[u8]) -> Result<Progress, NotTls> {
    let mut message = Vec::new();
    let mut missing = 1;
    loop {
        // A part of a head is judged too: a client of another protocol may wait for us with less.
        let [kind, major, ..] = *wire else {
            return if wire.first().is_none_or(|kind| *kind == HANDSHAKE) {
                Ok(Progress::Missing(missing))
            } else {
                Err(NotTls::OtherProtocol)
            };
        };
        if kind != HANDSHAKE || major != 0x03 {
            return Err(NotTls::OtherProtocol);
        }
        let [_, _, _, high, low, content @ ..] = wire else {
            return Ok(Progress::Missing(missing));
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length == 0 || length > MAX_RECORD {
            return Err(NotTls::RecordLength);
        }
        let content = &content[..content.len().min(length)];
        message.extend_from_slice(content);
        match whole(&message)? {
            Some(whole) if message.len() >= whole => {
                message.drain(whole..);
                message.drain(..MESSAGE_HEAD);
                return Ok(Progress::Whole(message));
            }
            Some(whole) => missing = whole - message.len(),
            None => {}
        }
        if content.len() < length {
            return Ok(Progress::Missing(missing));
        }
        wire = &wire[RECORD_HEAD + length..];
    }
}

/// The length of the message with its head, if it has said so.
fn whole(message: &[u8]) -> Result<Option<usize>, NotTls> {
    if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Err(NotTls::OtherMessage);
    }
    let [_, high, middle, low, ..] = *message else { return Ok(None) };
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    if length > MAX_HELLO {
        return Err(NotTls::TooLong);
    }
    Ok(Some(MESSAGE_HEAD + length))
}

/// Reads the fields of the message, in the order of RFC 8446 section 4.1.2.
fn parse(message: &[u8]) -> Result<ClientHello, NotTls> {
    let mut fields = Fields(message);
    // legacy_version, random: a server has to put up with any version (RFC 5246 appendix E.1).
    fields.take(2 + 32)?;
    // legacy_session_id, cipher_suites, legacy_compression_methods
    let session = fields.short()?;
    let suites = fields.long()?;
    let compressions = fields.short()?;
    if session.len() > 32 || suites.is_empty() || suites.len() % 2 == 1 || compressions.is_empty() {
        return Err(NotTls::Malformed);
    }
    // A client of TLS 1.2 may have no extensions at all (RFC 5246 section 7.4.1.2).
    if fields.0.is_empty() {
        return Ok(ClientHello::default());
    }
    let mut extensions = Fields(fields.long()?);
    if !fields.0.is_empty() {
        return Err(NotTls::Malformed);
    }
    let (mut sni, mut alpn) = (None, None);
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let value = extensions.long()?;
        match kind {
            0 if sni.is_some() => return Err(NotTls::Twice),
            16 if alpn.is_some() => return Err(NotTls::Twice),
            0 => sni = Some(server_name(value)?),
            16 => alpn = Some(protocols(value)?),
            _ => {}
        }
    }
    Ok(ClientHello { sni, alpn: alpn.unwrap_or_default() })
}

/// RFC 6066 section 3: a list of names, of which there is one kind and at most one of a kind.
fn server_name(value: &[u8]) -> Result<String, NotTls> {
    let mut value = Fields(value);
    let mut list = Fields(value.long()?);
    let [0] = *list.take(1)? else { return Err(NotTls::Malformed) };
    let name = list.long()?;
    if !list.0.is_empty() || !value.0.is_empty() {
        return Err(NotTls::Malformed);
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    // RFC 1035 section 2.3.4: 255 bytes on the wire are 253 characters.
    if name.is_empty()
        || name.len() > 253
        || !name.iter().all(fits)
        || name.split(|byte| *byte == b'.').any(<[u8]>::is_empty)
    {
        return Err(NotTls::Name);
    }
    Ok(name.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect())
}

/// RFC 7301 section 3.1: a list of names, none of which is empty, nor is the list.
fn protocols(value: &[u8]) -> Result<Vec<Vec<u8>>, NotTls> {
    let mut value = Fields(value);
    let mut list = Fields(value.long()?);
    if list.0.is_empty() || !value.0.is_empty() {
        return Err(NotTls::Malformed);
    }
    let mut names = Vec::new();
    while !list.0.is_empty() {
        let name = list.short()?;
        if name.is_empty() {
            return Err(NotTls::Malformed);
        }
        if !is_grease(name) {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

/// RFC 8701 section 2: two equal bytes that end in a.
fn is_grease(name: &[u8]) -> bool {
    matches!(name, [first, second] if first == second && first & 0x0f == 0x0a)
}

/// Fields that begin with their length, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], NotTls> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(NotTls::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u16, NotTls> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// With a length of one byte.
    fn short(&mut self) -> Result<&'a [u8], NotTls> {
        let length = usize::from(self.take(1)?[0]);
        self.take(length)
    }

    /// With a length of two bytes.
    fn long(&mut self) -> Result<&'a [u8], NotTls> {
        let length = usize::from(self.number()?);
        self.take(length)
    }
}

#[cfg(test)]
mod tests;
