//! Bytes that have come: those in order, to be read, and those that came too early (BEP 29, "selective ACK").
//!
//! Payloads are kept as they came, sliced from their datagrams. Small ones are copied together, so that a peer that sends a byte a packet cannot make us hold a datagram, or
//! a reference, for each.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::limits::REORDER;

/// Payloads below this are copied.
const SMALL: usize = 1024;

/// Bytes of a mask are counted in words of four (BEP 29).
const WORD: usize = 4;

/// A packet that uses up a number.
#[derive(Clone, Debug)]
enum Piece {
    Data(Bytes),
    Fin,
}

/// What has come.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The number that is awaited.
    next: u64,
    /// What came behind it: the first element is one behind.
    early: VecDeque<Option<Piece>>,
    early_bytes: usize,
    ready: VecDeque<Bytes>,
    /// What is behind all that is ready.
    small: BytesMut,
    ready_bytes: usize,
    window: usize,
    ended: bool,
    /// Whether nobody reads any more.
    deaf: bool,
}

impl Incoming {
    /// Nothing yet; this number is awaited.
    pub(super) fn new(next: u64, window: u32) -> Self {
        Self {
            next,
            early: VecDeque::new(),
            early_bytes: 0,
            ready: VecDeque::new(),
            small: BytesMut::new(),
            ready_bytes: 0,
            window: window as usize,
            ended: false,
            deaf: false,
        }
    }

    /// The number that is awaited.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Bytes that there is room for.
    pub(super) fn room(&self) -> u32 {
        let held = self.ready_bytes + self.early_bytes;
        u32::try_from(self.window.saturating_sub(held)).unwrap_or(u32::MAX)
    }

    /// Whether all has come that will.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether something came too early.
    pub(super) fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// Bytes to be read.
    pub(super) fn readable(&self) -> usize {
        self.ready_bytes
    }

    /// A packet with a payload has come; what there is no room for is dropped.
    pub(super) fn data(&mut self, number: u64, payload: Bytes) {
        let awaited = number == self.next;
        // What is awaited has room even if all behind it is there already, or nothing would go on.
        let held = self.ready_bytes + if awaited { 0 } else { self.early_bytes };
        let fits = held + payload.len() <= self.window || (self.deaf && awaited);
        if payload.is_empty() || !fits {
            return;
        }
        self.piece(number, Piece::Data(payload));
    }

    /// The end has come.
    pub(super) fn fin(&mut self, number: u64) {
        self.piece(number, Piece::Fin);
    }

    fn piece(&mut self, number: u64, piece: Piece) {
        let Some(ahead) = number.checked_sub(self.next).filter(|ahead| *ahead <= REORDER && !self.ended)
        else {
            return;
        };
        if ahead > 0 {
            self.keep(ahead as usize - 1, piece);
            return;
        }
        self.deliver(piece);
        while let Some(Some(piece)) = self.early.pop_front() {
            if let Piece::Data(bytes) = &piece {
                self.early_bytes -= bytes.len();
            }
            self.deliver(piece);
        }
    }

    fn keep(&mut self, index: usize, piece: Piece) {
        if self.early.len() <= index {
            self.early.resize(index + 1, None);
        }
        let slot = &mut self.early[index];
        if slot.is_some() {
            return;
        }
        *slot = Some(match piece {
            Piece::Data(bytes) => {
                self.early_bytes += bytes.len();
                let small = bytes.len() < SMALL;
                Piece::Data(if small { Bytes::copy_from_slice(&bytes) } else { bytes })
            }
            Piece::Fin => Piece::Fin,
        });
    }

    fn deliver(&mut self, piece: Piece) {
        self.next += 1;
        match piece {
            Piece::Data(_) if self.deaf || self.ended => {}
            Piece::Data(bytes) if bytes.len() < SMALL => {
                self.ready_bytes += bytes.len();
                self.small.extend_from_slice(&bytes);
            }
            Piece::Data(bytes) => {
                self.ready_bytes += bytes.len();
                if !self.small.is_empty() {
                    self.ready.push_back(self.small.split().freeze());
                }
                self.ready.push_back(bytes);
            }
            Piece::Fin => {
                self.ended = true;
                self.early.clear();
                self.early_bytes = 0;
            }
        }
    }

    /// Takes the next bytes.
    pub(super) fn read(&mut self) -> Option<Bytes> {
        let bytes = match self.ready.pop_front() {
            Some(bytes) => bytes,
            None => Some(std::mem::take(&mut self.small)).filter(|small| !small.is_empty())?.freeze(),
        };
        self.ready_bytes -= bytes.len();
        Some(bytes)
    }

    /// Nobody will read any more: what comes is acknowledged, and forgotten.
    pub(super) fn stop(&mut self) {
        self.deaf = true;
        self.ready.clear();
        self.small = BytesMut::new();
        self.ready_bytes = 0;
    }

    /// Writes which packets came too early, as a mask of bits in words of four bytes.
    pub(super) fn mask<'a>(&self, bytes: &'a mut [u8; REORDER as usize / 8]) -> &'a [u8] {
        bytes.fill(0);
        for (piece, bit) in self.early.iter().zip(0..REORDER as usize) {
            bytes[bit / 8] |= u8::from(piece.is_some()) << (bit % 8);
        }
        let words = self.early.len().div_ceil(8 * WORD);
        &bytes[..(words * WORD).min(REORDER as usize / 8)]
    }
}
