//! A client of the JSON door, with a WebSocket of its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::pair::InStep;
use crate::support::wire::Wire;

/// A password for every account.
pub(super) const PASSWORD: &str = "correct horse battery";

/// A client. What it hears beside the replies waits until it is asked for.
pub(crate) struct Client {
    wire: Wire,
    asked: u64,
    heard: VecDeque<Value>,
    /// Of its login.
    pub(super) token: String,
    /// If it is one of a pair's.
    step: Option<InStep>,
}

impl Client {
    /// Opens the WebSocket, and hears the greeting.
    #[track_caller]
    pub(super) fn connect(addr: SocketAddr) -> Self {
        let mut client = Self::open(addr, "");
        assert_eq!(client.hears()["t"], "hello");
        client
    }

    /// Opens the WebSocket with further fields.
    #[track_caller]
    pub(super) fn open(addr: SocketAddr, fields: &str) -> Self {
        let mut wire = Wire::connect(addr);
        wire.send(handshake(fields));
        let response = wire.read_response();
        assert_eq!(response.status, 101, "{}", response.text());
        assert_eq!(response.header("sec-websocket-protocol"), Some("chat.v1.json"));
        Self { wire, asked: 0, heard: VecDeque::new(), token: String::new(), step: None }
    }

    /// Asks nothing before its node knows what was done on the other one.
    pub(super) fn in_step(self, step: InStep) -> Self {
        Self { step: Some(step), ..self }
    }

    #[track_caller]
    pub(super) fn registers(&mut self, name: &str) {
        let reply = self.asks(json!({"t": "register", "account": name, "password": PASSWORD}));
        self.token = reply["token"].as_str().unwrap().to_owned();
    }

    /// Sends text as it is.
    #[track_caller]
    pub(super) fn sends(&mut self, text: &str) {
        self.frame(0x81, text.as_bytes());
    }

    /// Sends a frame, masked.
    #[track_caller]
    pub(super) fn frame(&mut self, first: u8, payload: &[u8]) {
        self.wire.send(masked(first, payload));
    }

    /// Sends the same text so many times, and reads nothing, until the server has no ear for more of it. Says how many were sent.
    pub(super) fn floods(mut self, text: &str, times: usize) -> usize {
        let frame = masked(0x81, text.as_bytes());
        self.wire = self.wire.within(Duration::from_secs(3));
        (0..times).take_while(|_| self.wire.try_send(&frame).is_ok()).count()
    }

    /// Sends a request under a number of its own.
    #[track_caller]
    pub(super) fn begins(&mut self, mut request: Value) -> u64 {
        if let Some(step) = &self.step {
            step.asks();
        }
        self.asked += 1;
        request["id"] = self.asked.into();
        self.sends(&request.to_string());
        self.asked
    }

    /// The reply to a request; what else is heard waits.
    #[track_caller]
    pub(super) fn reply(&mut self, number: u64) -> Value {
        loop {
            let value = self.next();
            if value["re"] == number {
                return value;
            }
            assert_ne!(value["t"], "bye", "before the reply: {value}");
            self.heard.push_back(value);
        }
    }

    /// What is answered, done or not.
    #[track_caller]
    pub(super) fn tries(&mut self, request: Value) -> Value {
        let number = self.begins(request);
        self.reply(number)
    }

    /// What is answered when it is done.
    #[track_caller]
    pub(super) fn asks(&mut self, request: Value) -> Value {
        let text = request.to_string();
        let reply = self.tries(request);
        assert_eq!(reply["t"], "ok", "{text}: {reply}");
        reply
    }

    /// The code of a refusal.
    #[track_caller]
    pub(super) fn is_refused(&mut self, request: Value) -> String {
        let text = request.to_string();
        let reply = self.tries(request);
        assert_eq!(reply["t"], "error", "{text}: {reply}");
        reply["code"].as_str().unwrap().to_owned()
    }

    /// What it hears next, replies apart.
    #[track_caller]
    pub(super) fn hears(&mut self) -> Value {
        self.heard.pop_front().unwrap_or_else(|| self.next())
    }

    /// The next thing of this kind that it hears; what comes before it is dropped.
    #[track_caller]
    pub(super) fn hears_a(&mut self, t: &str) -> Value {
        loop {
            let value = self.hears();
            if value["t"] == t {
                return value;
            }
        }
    }

    /// All that it was told so far: it asks for an answer, before which all of it comes.
    #[track_caller]
    pub(super) fn has_heard(&mut self) -> Vec<Value> {
        self.asks(json!({"t": "ping"}));
        self.heard.drain(..).collect()
    }

    #[track_caller]
    fn next(&mut self) -> Value {
        loop {
            let (first, payload) = self.hears_frame();
            // A server asks whether somebody who is silent for long is there.
            if first == 0x89 {
                self.frame(0x8a, &payload);
                continue;
            }
            assert_eq!(first, 0x81, "{}", String::from_utf8_lossy(&payload));
            return serde_json::from_slice(&payload).unwrap();
        }
    }

    /// The next frame: its first byte, and its payload.
    #[track_caller]
    pub(super) fn hears_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.wire.read_exact(2);
        let length = match head[1] {
            126 => usize::from(u16::from_be_bytes(self.wire.read_exact(2).try_into().unwrap())),
            127 => usize::try_from(u64::from_be_bytes(self.wire.read_exact(8).try_into().unwrap())).unwrap(),
            short => usize::from(short),
        };
        (head[0], self.wire.read_exact(length))
    }

    /// The code with which the server closes; what it says before is dropped.
    #[track_caller]
    pub(super) fn is_closed(&mut self) -> u16 {
        loop {
            let (first, payload) = self.hears_frame();
            if first == 0x88 {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }
}

/// A frame of a client.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..=125) => frame.push(0x80 | length.to_be_bytes()[1]),
        Ok(length) => {
            frame.push(0xfe);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0xff);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A request for a WebSocket.
pub(super) fn handshake(fields: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat.v1.json\r\n{fields}\r\n"
    )
}

/// The texts of the messages among these events.
pub(super) fn texts(events: &[Value]) -> Vec<String> {
    let messages = events.iter().filter(|event| event["t"] == "message");
    messages.map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}
