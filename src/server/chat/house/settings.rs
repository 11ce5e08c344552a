//! What the house allows.

use crate::net::bucket::Rate;

/// Limits of the house, and what it allows. Every door tells its clients of those that concern them.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The server's name, as IRC shows it: a host's name, or one word with a dot in it.
    pub name: String,
    /// The network's name.
    pub network: String,
    /// Whether people without an account are let in.
    pub guests: bool,
    /// Whether guests open rooms. Such a room ends when the last one leaves, unless an account is among its members.
    pub guests_open_rooms: bool,
    /// Bytes of a message's text at most. Discord 2,000 characters, Matrix 64 KiB; a line of IRC has 512 bytes.
    pub max_text: usize,
    /// Bytes of a topic at most. Ergo 390.
    pub max_topic: usize,
    /// Bytes of a reason at most.
    pub max_reason: usize,
    /// Rooms of a user at most. Ergo 100.
    pub max_rooms: usize,
    /// Sessions of a user at most.
    pub max_sessions: usize,
    /// How fast an account may say something, by all its connections together; without it as fast as they may.
    pub account_rate: Option<Rate>,
    /// How fast the guests of one address may, together: an IPv4 address, or the /64 of an IPv6 one.
    pub guest_rate: Option<Rate>,
    /// Changes that wait to be written, all sessions together; those who send more wait.
    pub max_pending: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "chat.local".into(),
            network: "wireworks".into(),
            guests: true,
            guests_open_rooms: true,
            max_text: 16 * 1024,
            max_topic: 390,
            max_reason: 390,
            max_rooms: 200,
            max_sessions: 32,
            account_rate: None,
            guest_rate: None,
            max_pending: 16 * 1024,
        }
    }
}
