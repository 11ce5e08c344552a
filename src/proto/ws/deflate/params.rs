//! What the two ends agree on (RFC 7692 section 7.1): parameters offered by the client, chosen among by the server, and checked
//! by the client.

use crate::proto::ws::handshake::extension::{Extension, Parameter};

/// The extension's name.
const NAME: &str = "permessage-deflate";

/// The largest window: 32 KiB, as the base-two logarithm of its bytes.
pub const MAX_WINDOW_BITS: u8 = 15;
/// The smallest window that we compress with. zlib does not make streams of 8 bits, so an offer that insists on it is declined.
pub const MIN_WINDOW_BITS: u8 = 9;

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// Where the memory of compression belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Memory {
    /// To the thread: connections borrow compressors for the time of a message, and no message leans on another
    /// (`no_context_takeover` both ways). An idle connection holds nothing.
    #[default]
    Shared,
    /// To the connection: each keeps its own once it needs them, and similar messages shrink to almost nothing.
    Dedicated,
}

/// What we want of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Where its memory belongs to.
    pub memory: Memory,
    /// The largest window that the server compresses with; between [`MIN_WINDOW_BITS`] and [`MAX_WINDOW_BITS`].
    pub server_window_bits: u8,
    /// The largest window that the client compresses with; between [`MIN_WINDOW_BITS`] and [`MAX_WINDOW_BITS`].
    pub client_window_bits: u8,
    /// How hard we try, from 0 (not at all) to 9.
    pub level: u32,
    /// Messages of fewer bytes are sent as they are.
    pub threshold: usize,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            memory: Memory::Shared,
            server_window_bits: MAX_WINDOW_BITS,
            client_window_bits: MAX_WINDOW_BITS,
            level: 3,       // twice as fast as zlib's 6, and few percent larger
            threshold: 256, // ws has 1024; below, a frame shrinks by less than its packet's headers
        }
    }
}

/// What both ends agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// The server forgets each message.
    pub server_no_context_takeover: bool,
    /// The client forgets each message.
    pub client_no_context_takeover: bool,
    /// The server's window.
    pub server_window_bits: u8,
    /// The client's window.
    pub client_window_bits: u8,
}

/// What both ends agreed on, and how we make use of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What was agreed on.
    pub params: Params,
    /// [`Terms::level`].
    pub level: u32,
    /// [`Terms::threshold`].
    pub threshold: usize,
}

impl Agreed {
    /// `params`, of which use is made as `terms` say.
    #[must_use]
    pub fn new(params: Params, terms: &Terms) -> Self {
        Self { params, level: terms.level, threshold: terms.threshold }
    }
}

/// The parameters of one `permessage-deflate`, as they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// With a value, or without.
    client_max_window_bits: Option<Option<u8>>,
}

/// Reads an extension of `Sec-WebSocket-Extensions`: `None` when it is another one.
///
/// # Errors
/// A parameter that is not known, comes twice, or has a value that it must not have: the whole offer is to be declined, or the
/// whole answer refused.
pub fn parse(extension: &Extension<'_>) -> Option<Result<Offer, BadParameter>> {
    if !extension.is(NAME) {
        return None;
    }
    let mut offer = Offer::default();
    let put = extension.parameters.iter().try_for_each(|parameter| offer.put(parameter));
    Some(put.map(|()| offer))
}

/// A parameter that makes an offer or an answer void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadParameter;

impl Offer {
    fn put(&mut self, parameter: &Parameter<'_>) -> Result<(), BadParameter> {
        let value = parameter.value.as_deref();
        let once = |before: bool| if before { Err(BadParameter) } else { Ok(()) };
        if parameter.is(SERVER_NO_CONTEXT_TAKEOVER) {
            once(self.server_no_context_takeover || value.is_some())?;
            self.server_no_context_takeover = true;
        } else if parameter.is(CLIENT_NO_CONTEXT_TAKEOVER) {
            once(self.client_no_context_takeover || value.is_some())?;
            self.client_no_context_takeover = true;
        } else if parameter.is(SERVER_MAX_WINDOW_BITS) {
            once(self.server_max_window_bits.is_some())?;
            self.server_max_window_bits = Some(window_bits(value.ok_or(BadParameter)?)?);
        } else if parameter.is(CLIENT_MAX_WINDOW_BITS) {
            once(self.client_max_window_bits.is_some())?;
            self.client_max_window_bits = Some(value.map(window_bits).transpose()?);
        } else {
            return Err(BadParameter);
        }
        Ok(())
    }
}

/// A decimal integer from 8 to 15, without leading zeros (section 7.1.2).
fn window_bits(value: &[u8]) -> Result<u8, BadParameter> {
    match value {
        [digit @ (b'8' | b'9')] => Ok(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Ok(10 + digit - b'0'),
        _ => Err(BadParameter),
    }
}

/// What the server answers to an offer: the parameters that both keep from then on; `None` when it declines.
#[must_use]
pub fn answer(offer: &Offer, terms: &Terms) -> Option<Params> {
    let forget = terms.memory == Memory::Shared;
    let server_window_bits =
        offer.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS).min(terms.server_window_bits);
    if server_window_bits < MIN_WINDOW_BITS {
        return None;
    }
    // A client that does not mention its window must not be told to make it smaller (section 7.1.2.2).
    let client_window_bits = match offer.client_max_window_bits {
        Some(hint) => hint.unwrap_or(MAX_WINDOW_BITS).min(terms.client_window_bits),
        None => MAX_WINDOW_BITS,
    };
    Some(Params {
        server_no_context_takeover: forget || offer.server_no_context_takeover,
        client_no_context_takeover: forget || offer.client_no_context_takeover,
        server_window_bits,
        client_window_bits,
    })
}

/// What a client offers, as the value of `Sec-WebSocket-Extensions`, and as it has to remember it.
#[must_use]
pub fn offer(terms: &Terms) -> (String, Offer) {
    let forget = terms.memory == Memory::Shared;
    let smaller = |bits: u8| (bits < MAX_WINDOW_BITS).then_some(bits);
    let offer = Offer {
        server_no_context_takeover: forget,
        client_no_context_takeover: forget,
        server_max_window_bits: smaller(terms.server_window_bits),
        client_max_window_bits: Some(smaller(terms.client_window_bits)),
    };
    (offer.to_string(), offer)
}

/// What the client makes of the server's answer (section 7.1.2): `None` when the answer goes against the offer.
#[must_use]
pub fn accept(answer: &Offer, offer: &Offer, terms: &Terms) -> Option<Params> {
    if offer.server_no_context_takeover && !answer.server_no_context_takeover {
        return None;
    }
    let server_window_bits = match (answer.server_max_window_bits, offer.server_max_window_bits) {
        (Some(bits), Some(most)) if bits > most => return None,
        (None, Some(_)) => return None,
        (bits, _) => bits.unwrap_or(MAX_WINDOW_BITS),
    };
    let client_window_bits = match (answer.client_max_window_bits, offer.client_max_window_bits) {
        (Some(_), None) | (Some(None), _) => return None,
        (Some(Some(bits)), Some(_)) if bits < MIN_WINDOW_BITS => return None,
        (Some(Some(bits)), Some(_)) => bits.min(terms.client_window_bits),
        (None, _) => terms.client_window_bits,
    };
    Some(Params {
        server_no_context_takeover: answer.server_no_context_takeover,
        // What it may do, it need not do: it can forget its messages though the server would not mind.
        client_no_context_takeover: answer.client_no_context_takeover || offer.client_no_context_takeover,
        server_window_bits,
        client_window_bits,
    })
}

impl Params {
    /// The answer to `offer`, as the value of `Sec-WebSocket-Extensions`.
    #[must_use]
    pub fn to_answer(&self, offer: &Offer) -> String {
        let told = offer.client_max_window_bits.is_some() && self.client_window_bits < MAX_WINDOW_BITS;
        let server_told = offer.server_max_window_bits.is_some() || self.server_window_bits < MAX_WINDOW_BITS;
        Offer {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: server_told.then_some(self.server_window_bits),
            client_max_window_bits: told.then_some(Some(self.client_window_bits)),
        }
        .to_string()
    }
}

impl std::fmt::Display for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(NAME)?;
        let mut flag = |on: bool, name: &str| if on { write!(f, "; {name}") } else { Ok(()) };
        flag(self.server_no_context_takeover, SERVER_NO_CONTEXT_TAKEOVER)?;
        flag(self.client_no_context_takeover, CLIENT_NO_CONTEXT_TAKEOVER)?;
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; {SERVER_MAX_WINDOW_BITS}={bits}")?;
        }
        match self.client_max_window_bits {
            Some(Some(bits)) => write!(f, "; {CLIENT_MAX_WINDOW_BITS}={bits}"),
            Some(None) => write!(f, "; {CLIENT_MAX_WINDOW_BITS}"),
            None => Ok(()),
        }
    }
}
