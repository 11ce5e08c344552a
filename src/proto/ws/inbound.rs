//! From bytes to messages: frames are unmasked where they lie, put together, decompressed and checked, each byte as it arrives.
//!
//! A message in one frame of at most [`IN_PLACE`] bytes is split off the read buffer, without a copy. Anything else is gathered in
//! one buffer a message: however many fragments a peer makes of it, they cost no memory of their own.

use bytes::{Buf, Bytes, BytesMut};

use super::close::CloseReason;
use super::codec::Role;
use super::deflate::{Deflate, Inflater};
use super::frame::{FrameHead, MASKED, MAX_CONTROL, Opcode};
use super::limits::Limits;
use super::mask::Mask;
use super::message::{Incoming, Message, Text};
use super::reject::Reject;
use super::utf8::{Utf8, is_utf8};

/// The longest payload that waits in the read buffer until it is whole, in bytes.
pub(super) const IN_PLACE: usize = 128 * 1024;

/// The first byte of a message in one frame, not compressed.
const WHOLE_TEXT: u8 = 0x80 | Opcode::Text as u8;
const WHOLE_BINARY: u8 = 0x80 | Opcode::Binary as u8;

/// What has arrived of what is not whole yet.
#[derive(Debug)]
pub(super) struct Inbound {
    role: Role,
    limits: Limits,
    /// The frame whose head has been taken off the buffer.
    frame: Option<Frame>,
    /// The message that frames are gathered for.
    gathered: Option<Box<Gathered>>,
    /// The close frame has come.
    over: bool,
}

/// A frame whose payload is not whole, or not taken yet.
#[derive(Clone, Copy, Debug)]
struct Frame {
    fin: bool,
    opcode: Opcode,
    mask: Option<Mask>,
    /// Bytes of payload that are still to be taken off the buffer.
    left: usize,
    /// Bytes at the front of the buffer that were unmasked and checked already. Not more than `left`.
    seen: usize,
    /// Of the text in this frame, when it stays in the buffer.
    utf8: Utf8,
}

/// A message in the making.
#[derive(Debug)]
struct Gathered {
    text: bool,
    content: Vec<u8>,
    /// Bytes of payload, as they came.
    wire: usize,
    utf8: Utf8,
    empty_frames: u32,
    inflater: Option<Inflater>,
}

/// What became of a frame.
enum Step {
    /// It was the last of something.
    Item(Incoming),
    /// The message goes on.
    Next,
    /// More bytes are needed.
    More(Frame),
}

impl Inbound {
    pub(super) fn new(role: Role, limits: Limits) -> Self {
        Self { role, limits, frame: None, gathered: None, over: false }
    }

    /// Whether a message has begun and not ended; and if so, how many bytes of it have come.
    pub(super) fn unfinished(&self) -> Option<usize> {
        let gathered = self.gathered.as_ref().map(|gathered| gathered.wire);
        let frame = self.frame.map(|frame| frame.seen);
        (gathered.is_some() || frame.is_some()).then(|| gathered.unwrap_or(0) + frame.unwrap_or(0))
    }

    /// Whether the close frame has come.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// One message or control frame from the front of `src`.
    pub(super) fn decode(
        &mut self,
        src: &mut BytesMut,
        deflate: &mut Option<Box<Deflate>>,
    ) -> Result<Option<Incoming>, Reject> {
        if let Some(message) = self.at_hand(src)? {
            return Ok(Some(Incoming::Message(message)));
        }
        loop {
            if self.over {
                src.clear(); // section 5.5.1: what follows a close frame is not looked at
                return Ok(None);
            }
            let frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.begin(src, deflate)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            match self.go_on(frame, src, deflate)? {
                Step::Item(item) => return Ok(Some(item)),
                Step::Next => {}
                Step::More(frame) => {
                    self.frame = Some(frame);
                    return Ok(None);
                }
            }
        }
    }

    /// What most frames are: a short message that is all there. Everything else goes the long way.
    #[inline]
    fn at_hand(&mut self, src: &mut BytesMut) -> Result<Option<Message>, Reject> {
        let &[first @ (WHOLE_TEXT | WHOLE_BINARY), second, ..] = &src[..] else { return Ok(None) };
        let masked = second & MASKED != 0;
        let length = usize::from(second & !MASKED);
        let head = if masked { 6 } else { 2 };
        let here = length <= MAX_CONTROL && src.len() >= head + length;
        let expected =
            masked == (self.role == Role::Server) && length <= self.limits.message.min(self.limits.frame);
        if !here || !expected || self.frame.is_some() || self.gathered.is_some() || self.over {
            return Ok(None);
        }
        if let (true, &[_, _, a, b, c, d, ..]) = (masked, &src[..]) {
            Mask::new([a, b, c, d]).apply(&mut src[head..head + length]);
        }
        src.advance(head);
        let payload = src.split_to(length).freeze();
        if first == WHOLE_BINARY {
            return Ok(Some(Message::Binary(payload)));
        }
        if !is_utf8(&payload) {
            return Err(Reject::TextNotUtf8);
        }
        Ok(Some(Message::Text(Text::checked(payload))))
    }

    /// Takes the head of a frame, and checks what it says against where we are.
    fn begin(
        &mut self,
        src: &mut BytesMut,
        deflate: &mut Option<Box<Deflate>>,
    ) -> Result<Option<Frame>, Reject> {
        let Some((head, size)) = FrameHead::parse(src)? else { return Ok(None) };
        match (self.role, head.mask) {
            (Role::Server, None) => return Err(Reject::NotMasked),
            (Role::Client, Some(_)) => return Err(Reject::Masked),
            _ => {}
        }
        let too_long = Reject::FrameTooLong { length: head.length, limit: self.limits.frame };
        let left =
            usize::try_from(head.length).ok().filter(|left| *left <= self.limits.frame).ok_or(too_long)?;
        if !head.opcode.is_control() {
            self.admit(&head, left, deflate)?;
        }
        src.advance(size);
        let mask = head.mask.map(Mask::new);
        Ok(Some(Frame { fin: head.fin, opcode: head.opcode, mask, left, seen: 0, utf8: Utf8::default() }))
    }

    /// Whether a data frame may come now, and makes a place for its payload if it cannot stay where it is.
    fn admit(
        &mut self,
        head: &FrameHead,
        length: usize,
        deflate: &mut Option<Box<Deflate>>,
    ) -> Result<(), Reject> {
        let too_long = Reject::MessageTooLong { limit: self.limits.message };
        if length > self.limits.message {
            return Err(too_long);
        }
        if head.opcode == Opcode::Continuation {
            let gathered = self.gathered.as_mut().ok_or(Reject::StrayContinuation)?;
            if head.rsv1 {
                return Err(Reject::ReservedBits); // RFC 7692 section 6.1: the first frame alone says it
            }
            if gathered.wire.saturating_add(length) > self.limits.message {
                return Err(too_long);
            }
        } else {
            if self.gathered.is_some() {
                return Err(Reject::Interrupted);
            }
            let deflate = deflate.as_mut().filter(|_| head.rsv1);
            if head.rsv1 && deflate.is_none() {
                return Err(Reject::ReservedBits);
            }
            if deflate.is_some() || !head.fin || length > IN_PLACE {
                self.gathered = Some(Box::new(Gathered {
                    text: head.opcode == Opcode::Text,
                    content: Vec::new(),
                    wire: 0,
                    utf8: Utf8::default(),
                    empty_frames: 0,
                    inflater: deflate.map(|deflate| deflate.inflater()),
                }));
            }
        }
        match &mut self.gathered {
            Some(gathered) if length == 0 && !head.fin => gathered.empty_frame(self.limits.empty_frames),
            _ => Ok(()),
        }
    }

    fn go_on(
        &mut self,
        frame: Frame,
        src: &mut BytesMut,
        deflate: &mut Option<Box<Deflate>>,
    ) -> Result<Step, Reject> {
        match frame.opcode {
            Opcode::Text | Opcode::Binary if self.gathered.is_none() => in_place(frame, src),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => self.gather(frame, src, deflate),
            Opcode::Close | Opcode::Ping | Opcode::Pong => self.control(frame, src),
        }
    }

    /// A control frame is short, and waits until it is whole.
    fn control(&mut self, mut frame: Frame, src: &mut BytesMut) -> Result<Step, Reject> {
        if src.len() < frame.left {
            return Ok(Step::More(frame));
        }
        frame.unmask(&mut src[..frame.left]);
        let payload = Bytes::copy_from_slice(&src[..frame.left]);
        src.advance(frame.left);
        Ok(Step::Item(match frame.opcode {
            Opcode::Ping => Incoming::Ping(payload),
            Opcode::Pong => Incoming::Pong(payload),
            _ => {
                let reason = CloseReason::parse(&payload)?;
                self.over = true;
                Incoming::Close(reason)
            }
        }))
    }

    /// A frame that is gathered: takes what there is.
    fn gather(
        &mut self,
        mut frame: Frame,
        src: &mut BytesMut,
        deflate: &mut Option<Box<Deflate>>,
    ) -> Result<Step, Reject> {
        let Some(gathered) = &mut self.gathered else { return Err(Reject::StrayContinuation) };
        let n = frame.left.min(src.len());
        frame.unmask(&mut src[..n]);
        gathered.push(&src[..n], self.limits.message)?;
        src.advance(n);
        frame.left -= n;
        if frame.left > 0 {
            return Ok(Step::More(frame));
        }
        if !frame.fin {
            return Ok(Step::Next);
        }
        match self.gathered.take() {
            Some(gathered) => gathered.finish(self.limits.message, deflate).map(Step::Item),
            None => Err(Reject::StrayContinuation),
        }
    }
}

/// A message in one frame: what is there is unmasked and checked, and leaves the buffer when it is whole.
fn in_place(mut frame: Frame, src: &mut BytesMut) -> Result<Step, Reject> {
    let text = frame.opcode == Opcode::Text;
    let whole = src.len() >= frame.left;
    let seen = frame.seen;
    let end = frame.left.min(src.len());
    let fresh = src.get_mut(seen..end).unwrap_or_default();
    frame.unmask(fresh);
    if text {
        // Most often all of it is here at once, and there is nothing to remember.
        let good = if whole && seen == 0 {
            is_utf8(fresh)
        } else {
            frame.utf8.push(fresh).is_ok() && (!whole || frame.utf8.is_complete())
        };
        if !good {
            return Err(Reject::TextNotUtf8);
        }
    }
    if !whole {
        frame.seen = src.len();
        return Ok(Step::More(frame));
    }
    let payload = src.split_to(frame.left).freeze();
    let message = if text { Message::Text(Text::checked(payload)) } else { Message::Binary(payload) };
    Ok(Step::Item(Incoming::Message(message)))
}

impl Frame {
    fn unmask(&mut self, bytes: &mut [u8]) {
        if let Some(mask) = &mut self.mask {
            mask.apply(bytes);
        }
    }
}

impl Gathered {
    /// Counts a frame that brings nothing.
    fn empty_frame(&mut self, limit: u32) -> Result<(), Reject> {
        self.empty_frames += 1;
        if self.empty_frames > limit { Err(Reject::EmptyFrames { limit }) } else { Ok(()) }
    }

    /// The next bytes of payload, unmasked.
    fn push(&mut self, payload: &[u8], limit: usize) -> Result<(), Reject> {
        self.wire += payload.len();
        let before = self.content.len();
        match &mut self.inflater {
            Some(inflater) => inflater.push(payload, &mut self.content, limit)?,
            None => self.content.extend_from_slice(payload),
        }
        self.check(before)
    }

    /// Checks the content from `before` on.
    fn check(&mut self, before: usize) -> Result<(), Reject> {
        match self.text {
            true => self.utf8.push(&self.content[before..]).map_err(|_| Reject::TextNotUtf8),
            false => Ok(()),
        }
    }

    /// The message, after its last byte.
    fn finish(mut self, limit: usize, deflate: &mut Option<Box<Deflate>>) -> Result<Incoming, Reject> {
        if let Some(mut inflater) = self.inflater.take() {
            let before = self.content.len();
            inflater.finish(&mut self.content, limit)?;
            self.check(before)?;
            if let Some(deflate) = deflate {
                deflate.put_inflater(inflater);
            }
        }
        if self.text && !self.utf8.is_complete() {
            return Err(Reject::TextNotUtf8);
        }
        let content = Bytes::from(self.content);
        Ok(Incoming::Message(if self.text {
            Message::Text(Text::checked(content))
        } else {
            Message::Binary(content)
        }))
    }
}
