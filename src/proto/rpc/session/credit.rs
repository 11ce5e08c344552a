//! Who may send how much: credit that the peer gives us, and what it gets back when the application takes a message.
//!
//! A message can be longer than all credit, so the pieces of one that is not whole hold none while the application has nothing else of
//! that stream to take. So that they do not fill the memory, only one of too many such messages goes on at a time.

use super::Session;
use crate::proto::rpc::frame::Frame;
use crate::proto::rpc::reject::Reject;
use crate::proto::rpc::settings::MAX_CREDIT;

/// Bytes of messages that are not whole, as a multiple of the longest message: what a connection holds for nobody yet. Beyond it one message
/// goes on, and the others hold what the credit of their streams allows.
pub const MAX_UNFINISHED: usize = 4;

impl Session {
    pub(super) fn hear_credit(&mut self, number: u32, bytes: u32) -> Result<(), Reject> {
        if bytes == 0 || bytes > MAX_CREDIT {
            return Err(Reject::CreditAmount(bytes));
        }
        let add = |credit: &mut u32| {
            *credit += bytes; // both are below 2^31
            if *credit > MAX_CREDIT { Err(Reject::CreditOverflow) } else { Ok(()) }
        };
        if number == 0 {
            self.stuck = false;
            return add(&mut self.may_say);
        }
        let Some(stream) = self.known(number)? else { return Ok(()) };
        add(&mut stream.may_say)?;
        self.take_turn(number);
        Ok(())
    }

    /// Gives credit back for pieces of a message that is not whole, as far as a connection should hold so many of them: beyond that one
    /// of them goes on and the others wait, each with what its stream's credit allowed.
    pub(super) fn early_credit(&mut self, number: u32, credit: u32) {
        if credit == 0 {
            return;
        }
        let most = (self.ours.max_message as usize).saturating_mul(MAX_UNFINISHED);
        if self.unfinished <= most || *self.favoured.get_or_insert(number) == number {
            return self.stream_credit(number, credit);
        }
        *self.withheld.entry(number).or_default() += credit;
    }

    /// The message of a stream is whole, or its stream is closed: another one may go on.
    pub(super) fn no_longer_unfinished(&mut self, number: u32) {
        self.withheld.remove(&number);
        if self.favoured == Some(number) {
            self.favoured = None;
        }
        let most = (self.ours.max_message as usize).saturating_mul(MAX_UNFINISHED);
        while (self.unfinished <= most || self.favoured.is_none())
            && let Some((next, credit)) = self.withheld.pop_first()
        {
            if self.unfinished > most {
                self.favoured = Some(next);
            }
            self.stream_credit(next, credit);
        }
    }

    /// The application has taken a message of this call, which held so much [credit](super::Message::credit), or nobody will take it. Once for
    /// each message.
    #[inline]
    pub fn consumed(&mut self, number: u32, credit: u32) {
        let Some(stream) = self.streams.get_mut(&number) else { return self.owe(credit) };
        stream.unconsumed = stream.unconsumed.saturating_sub(1);
        let early = if stream.unconsumed == 0 { stream.take_credit() } else { 0 };
        self.owe(credit + early);
        self.stream_credit(number, credit);
        self.early_credit(number, early);
    }

    /// Gives a stream's credit back, half of it at a time.
    pub(super) fn stream_credit(&mut self, number: u32, credit: u32) {
        let share = self.ours.stream_credit / 2;
        let Some(stream) = self.streams.get_mut(&number).filter(|stream| !stream.heard_last) else { return };
        stream.owed += credit;
        if stream.owed > share {
            let bytes = std::mem::take(&mut stream.owed);
            stream.may_hear += bytes;
            self.urgent.push_back(Frame::Credit { stream: number, bytes });
        }
    }

    /// Gives the connection's credit back, half of it at a time.
    pub(super) fn owe(&mut self, credit: u32) {
        self.owed += credit; // never more than was given
        if self.owed > self.ours.connection_credit / 2 {
            let bytes = std::mem::take(&mut self.owed);
            self.may_hear += bytes;
            self.urgent.push_back(Frame::Credit { stream: 0, bytes });
        }
    }
}
