//! WebSocket as little as it can be: the handshake, frames cut from what arrived, unmasked into a buffer for the replies.
//!
//! One `recv` and one `send` a turn, as [`crate::ws_raw`]; the distance between the two is what frames must cost. Nothing is
//! checked, and there are no fragments, no control frames and no close. In the room at `/broadcast` the messages that come in
//! one round of the loop go to everyone in one `send`, from the same bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::io::Errno;
use sha1::{Digest, Sha1};

use crate::epoll::{Conns, Serve, Unsent, read};

/// How much one `recv` takes.
const READ: usize = 256 * 1024;
/// The longest message; a peer that sends a longer one is dropped.
const MESSAGE: usize = 1024 * 1024;
/// What RFC 6455 section 1.3 appends to a key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The server's state.
pub(crate) struct Frames {
    /// What one `recv` took, behind the frame that the one before had cut.
    input: Box<[u8]>,
    /// Replies of one turn.
    output: Box<[u8]>,
    /// Messages for the room, as frames.
    said: Vec<u8>,
}

/// A connection.
#[derive(Default)]
pub(crate) struct State {
    phase: Phase,
    /// A cut frame, or a cut handshake.
    cut: Vec<u8>,
    unsent: Unsent,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Handshake,
    Echo,
    Broadcast,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            input: vec![0; MESSAGE + READ].into_boxed_slice(),
            output: vec![0; MESSAGE + READ].into_boxed_slice(),
            said: Vec::new(),
        }
    }

    /// The replies to the whole frames in front of `..end` of the input: their length, and that of the frames.
    fn reply(&mut self, end: usize) -> (usize, usize) {
        let (mut from, mut to) = (0, 0);
        while let Some((payload, length)) = head(&self.input[from..end]) {
            let Some(whole) = self.input[from..end].get(..payload + length) else { break };
            to += write_frame(whole, payload, &mut self.output[to..]);
            from += whole.len();
        }
        (to, from)
    }
}

impl Serve for Frames {
    type State = State;

    fn turn(&mut self, conns: &mut Conns<State>, at: usize, ended: bool) -> rustix::io::Result<bool> {
        let Some(conn) = &mut conns[at] else { return Ok(true) };
        let State { phase, cut, unsent } = &mut conn.state;
        if !unsent.flush(&conn.socket)? {
            return Ok(!ended);
        }
        loop {
            let held = cut.len();
            if held > MESSAGE {
                return Ok(false);
            }
            let Some(read) = read(&conn.socket, &mut self.input[held..][..READ])? else { return Ok(true) };
            if read == 0 {
                return Ok(false);
            }
            self.input[..held].copy_from_slice(cut);
            cut.clear();
            let end = held + read;
            let (reply, used) = match *phase {
                Phase::Handshake => match handshake(&self.input[..end])? {
                    Some((next, reply)) => {
                        *phase = next;
                        self.output[..reply.len()].copy_from_slice(reply.as_bytes());
                        (reply.len(), end)
                    }
                    None => (0, 0),
                },
                Phase::Echo => self.reply(end),
                Phase::Broadcast => {
                    let (reply, used) = self.reply(end);
                    self.said.extend_from_slice(&self.output[..reply]);
                    (0, used)
                }
            };
            cut.extend_from_slice(&self.input[used..end]);
            let all = reply == 0 || unsent.send(&conn.socket, &self.output[..reply])?;
            if !all || read < READ && !ended {
                return Ok(true);
            }
        }
    }

    fn after(&mut self, conns: &mut Conns<State>) {
        if self.said.is_empty() {
            return;
        }
        for conn in conns.iter_mut().flatten().filter(|conn| conn.state.phase == Phase::Broadcast) {
            // A connection that failed is closed in a turn of its own.
            let _ = conn.state.unsent.send(&conn.socket, &self.said);
        }
        self.said.clear();
    }
}

/// Where the payload of a frame begins, and its length; nothing while the head is cut.
fn head(frame: &[u8]) -> Option<(usize, usize)> {
    let length = frame.get(1)? & 0x7f;
    let (at, length) = match length {
        126 => (4, usize::from(u16::from_be_bytes(*frame.get(2..)?.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*frame.get(2..)?.first_chunk()?)).ok()?),
        short => (2, usize::from(short)),
    };
    (frame.len() >= at + 4).then_some((at + 4, length.min(MESSAGE)))
}

/// The same frame without its mask, which ends at `payload`; returns its length.
fn write_frame(masked: &[u8], payload: usize, to: &mut [u8]) -> usize {
    let (head, payload) = masked.split_at(payload);
    let (head, key) = head.split_at(head.len() - 4);
    let (start, body) = to[..head.len() + payload.len()].split_at_mut(head.len());
    start.copy_from_slice(head);
    start[1] &= 0x7f;
    let key = [key[0], key[1], key[2], key[3]];
    let word = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let (from, from_rest) = payload.as_chunks::<8>();
    let (to, to_rest) = body.as_chunks_mut::<8>();
    for (to, from) in to.iter_mut().zip(from) {
        *to = (u64::from_ne_bytes(*from) ^ word).to_ne_bytes();
    }
    for ((to, from), key) in to_rest.iter_mut().zip(from_rest).zip(key.iter().cycle()) {
        *to = from ^ key;
    }
    head.len() + payload.len()
}

/// The answer to a request, once that is whole: it ends what the client has sent so far.
fn handshake(request: &[u8]) -> rustix::io::Result<Option<(Phase, String)>> {
    if !request.ends_with(b"\r\n\r\n") {
        return Ok(None);
    }
    let text = std::str::from_utf8(request).map_err(|_| Errno::PROTO)?;
    let phase = if text.starts_with("GET /broadcast ") { Phase::Broadcast } else { Phase::Echo };
    let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).ok_or(Errno::PROTO)?;
    let accept = STANDARD.encode(Sha1::digest(format!("{key}{GUID}")));
    let reply = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Ok(Some((phase, reply)))
}
