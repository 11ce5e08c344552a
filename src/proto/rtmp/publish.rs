//! The conversation with an encoder: from `connect` to a stream that it publishes. Section 7.2.
//!
//! Encoders differ in what they say before `publish` (`releaseStream`, `FCPublish`, `_checkbw`), and wait for an answer to each command that has a transaction. Who may publish
//! is decided by whoever drives this: [`Event::Publish`] asks, [`Publisher::accept`] and [`Publisher::refuse`] answer.

use bytes::{BufMut, Bytes, BytesMut};

use super::amf0::Value;
use super::message::{Body, Command, Message, PING_REQUEST, PING_RESPONSE, STREAM_BEGIN};

/// Bytes of a name of an application or a stream, at most.
pub const MAX_NAME: usize = 512;

/// The number of the one message stream that is given out.
const STREAM: u32 = 1;

/// Bytes after which each end acknowledges: what other servers say.
const WINDOW: u32 = 2_500_000;

/// What an encoder does.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It wants to publish.
    Publish {
        /// The application: the path of its URL.
        app: String,
        /// The stream key, with what follows a `?` in it.
        key: String,
    },
    /// Metadata of the stream.
    Metadata(Vec<(String, Value)>),
    /// The body of an FLV audio tag, and its time in ms.
    Audio(u32, Bytes),
    /// The body of an FLV video tag, and its time in ms.
    Video(u32, Bytes),
    /// The stream has ended as it should.
    Unpublish,
}

/// What a message leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// What is to be said.
    pub replies: Vec<Message>,
    /// What has happened.
    pub events: Vec<Event>,
}

/// What an encoder can do wrong in this conversation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Something comes before what it needs.
    #[error("{0} came too early")]
    Early(String),
    /// Something that is said once is said again.
    #[error("{0} came a second time")]
    Again(&'static str),
    /// A name is missing or too long.
    #[error("{0} has no name, or one of more than {MAX_NAME} bytes")]
    Name(&'static str),
    /// An aggregate message is torn.
    #[error("an aggregate message is torn")]
    Aggregate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Connected,
    /// `publish` was asked, with this transaction.
    Asked,
    Publishing,
    Over,
}

/// The server's side of the conversation.
#[derive(Debug)]
pub struct Publisher {
    phase: Phase,
    app: String,
    key: String,
}

impl Default for Publisher {
    fn default() -> Self {
        Self { phase: Phase::New, app: String::new(), key: String::new() }
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn object(entries: &[(&str, Value)]) -> Value {
    Value::Object(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn about(body: Body) -> Message {
    Message { timestamp: 0, stream: 0, body }
}

fn result(transaction: f64, arguments: Vec<Value>) -> Message {
    about(Body::Command(Command { name: "_result".to_owned(), transaction, arguments }))
}

fn status(level: &str, code: &str, description: &str) -> Message {
    let info = object(&[("level", text(level)), ("code", text(code)), ("description", text(description))]);
    let command =
        Command { name: "onStatus".to_owned(), transaction: 0.0, arguments: vec![Value::Null, info] };
    Message { timestamp: 0, stream: STREAM, body: Body::Command(command) }
}

impl Publisher {
    /// Takes a message.
    ///
    /// # Errors
    /// It does not belong here.
    pub fn take(&mut self, message: Message) -> Result<Step, PublishError> {
        let Message { timestamp, body, .. } = message;
        let mut step = Step::default();
        match body {
            Body::Command(command) => self.command(&command, &mut step)?,
            Body::Data(values) => step.events.extend(self.metadata(values)),
            Body::Audio(bytes) => step.events.extend(self.media(Event::Audio(timestamp, bytes))),
            Body::Video(bytes) => step.events.extend(self.media(Event::Video(timestamp, bytes))),
            Body::Aggregate(bytes) => self.aggregate(timestamp, &bytes, &mut step)?,
            Body::UserControl(PING_REQUEST, data) => {
                step.replies.push(about(Body::UserControl(PING_RESPONSE, data)));
            }
            // The codec has taken what is about chunks; the rest asks nothing of a server.
            _ => {}
        }
        Ok(step)
    }

    /// Media that come before the answer to `publish` are not kept.
    fn media(&self, event: Event) -> Option<Event> {
        (self.phase == Phase::Publishing).then_some(event)
    }

    fn metadata(&self, values: Vec<Value>) -> Option<Event> {
        // `@setDataFrame` is a wish to the server to keep it; what is kept follows.
        let mut values = values.into_iter().skip_while(|value| value.as_str() == Some("@setDataFrame"));
        let name = values.next()?;
        if name.as_str() != Some("onMetaData") {
            return None;
        }
        match values.next()? {
            Value::Object(entries) | Value::EcmaArray(entries) => self.media(Event::Metadata(entries)),
            _ => None,
        }
    }

    /// FLV tags behind each other; their times are relative to that of the message (section 7.1.6).
    fn aggregate(&self, timestamp: u32, bytes: &Bytes, step: &mut Step) -> Result<(), PublishError> {
        let (mut at, mut first) = (0, None);
        while at < bytes.len() {
            let head = bytes.get(at..at + 11).ok_or(PublishError::Aggregate)?;
            let number =
                |from: usize| head[from..from + 3].iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
            let (length, time) = (number(1) as usize, number(4) | u32::from(head[7]) << 24);
            let from = at + 11;
            // Behind each tag stands its size.
            if bytes.len() < from + length {
                return Err(PublishError::Aggregate);
            }
            let body = bytes.slice(from..from + length);
            let time = timestamp.wrapping_add(time.wrapping_sub(*first.get_or_insert(time)));
            match head[0] & 0x1f {
                8 => step.events.extend(self.media(Event::Audio(time, body))),
                9 => step.events.extend(self.media(Event::Video(time, body))),
                _ => {}
            }
            at = from + length + 4;
        }
        Ok(())
    }

    fn command(&mut self, command: &Command, step: &mut Step) -> Result<(), PublishError> {
        let early = || PublishError::Early(command.name.chars().take(40).collect());
        let transaction = command.transaction;
        match command.name.as_str() {
            "connect" => self.connect(command, step)?,
            _ if self.phase == Phase::New => return Err(early()),
            "createStream" => {
                step.replies.push(result(transaction, vec![Value::Null, Value::Number(f64::from(STREAM))]));
            }
            "publish" => {
                if self.phase != Phase::Connected {
                    return Err(PublishError::Again("publish"));
                }
                let key = command.text(0).filter(|key| !key.is_empty() && key.len() <= MAX_NAME);
                key.ok_or(PublishError::Name("publish"))?.clone_into(&mut self.key);
                self.phase = Phase::Asked;
                step.events.push(Event::Publish { app: self.app.clone(), key: self.key.clone() });
            }
            "play" | "play2" => {
                let why = "this server takes streams in; they are watched by HLS";
                step.replies.push(status("error", "NetStream.Play.StreamNotFound", why));
            }
            "FCUnpublish" | "deleteStream" | "closeStream" => {
                if self.phase == Phase::Publishing {
                    step.events.push(Event::Unpublish);
                    step.replies.push(status(
                        "status",
                        "NetStream.Unpublish.Success",
                        "the stream has ended",
                    ));
                    self.phase = Phase::Over;
                }
                if command.name == "FCUnpublish" && transaction != 0.0 {
                    step.replies.push(result(transaction, vec![Value::Null]));
                }
            }
            // releaseStream, FCPublish, _checkbw, and what others may say: whoever waits for an answer gets one.
            _ if transaction != 0.0 => step.replies.push(result(transaction, vec![Value::Null])),
            _ => {}
        }
        Ok(())
    }

    fn connect(&mut self, command: &Command, step: &mut Step) -> Result<(), PublishError> {
        if self.phase != Phase::New {
            return Err(PublishError::Again("connect"));
        }
        let info = command.arguments.first();
        let app = info.and_then(|info| info.entry("app")).and_then(Value::as_str);
        let app = app.filter(|app| app.len() <= MAX_NAME).ok_or(PublishError::Name("connect"))?;
        app.trim_matches('/').clone_into(&mut self.app);
        self.phase = Phase::Connected;
        let properties = object(&[("fmsVer", text("FMS/3,0,1,123")), ("capabilities", Value::Number(31.0))]);
        let mut information = vec![
            ("level", text("status")),
            ("code", text("NetConnection.Connect.Success")),
            ("description", text("connected")),
            ("objectEncoding", Value::Number(0.0)),
        ];
        // Enhanced RTMP: whoever says which codecs it has is told which are taken.
        if info.is_some_and(|info| info.entry("fourCcList").is_some()) {
            let list = ["avc1", "hvc1", "av01", "mp4a", "Opus", "ac-3", "ec-3"].map(text).to_vec();
            information.push(("fourCcList", Value::StrictArray(list)));
        }
        step.replies.extend([
            about(Body::WindowAcknowledgementSize(WINDOW)),
            about(Body::SetPeerBandwidth(WINDOW, 2)),
            result(command.transaction, vec![properties, object(&information)]),
        ]);
        Ok(())
    }

    /// It may publish. Says what it is told; nothing, if it does not wait for that.
    #[must_use]
    pub fn accept(&mut self) -> Vec<Message> {
        if self.phase != Phase::Asked {
            return Vec::new();
        }
        self.phase = Phase::Publishing;
        let mut stream = BytesMut::new();
        stream.put_u32(STREAM);
        let begin = about(Body::UserControl(STREAM_BEGIN, stream.freeze()));
        vec![begin, status("status", "NetStream.Publish.Start", "publishing")]
    }

    /// The connection is to be closed, for this reason. Says what it is told, if it has asked for anything.
    #[must_use]
    pub fn end(&mut self, reason: &str) -> Vec<Message> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Asked | Phase::Publishing => vec![status("error", "NetStream.Failed", reason)],
            Phase::Connected => {
                let info = object(&[
                    ("level", text("status")),
                    ("code", text("NetConnection.Connect.Closed")),
                    ("description", text(reason)),
                ]);
                let name = "onStatus".to_owned();
                let command = Command { name, transaction: 0.0, arguments: vec![Value::Null, info] };
                vec![about(Body::Command(command))]
            }
            Phase::New | Phase::Over => Vec::new(),
        }
    }

    /// It may not publish, for this reason. Says what it is told; the connection is to be closed behind it.
    #[must_use]
    pub fn refuse(&mut self, reason: &str) -> Vec<Message> {
        self.phase = Phase::Over;
        vec![status("error", "NetStream.Publish.BadName", reason)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(name: &str, transaction: f64, arguments: Vec<Value>) -> Message {
        about(Body::Command(Command { name: name.to_owned(), transaction, arguments }))
    }

    fn connect(app: &str) -> Message {
        command("connect", 1.0, vec![object(&[("app", text(app)), ("type", text("nonprivate"))])])
    }

    /// Names of commands and codes of what is replied.
    fn said(step: &[Message]) -> Vec<String> {
        let name = |message: &Message| match &message.body {
            Body::Command(command) => {
                let code =
                    command.arguments.last().and_then(|info| info.entry("code")).and_then(Value::as_str);
                format!("{} {}", command.name, code.unwrap_or("-"))
            }
            other => format!("type {}", other.kind()),
        };
        step.iter().map(name).collect()
    }

    /// What OBS and ffmpeg say, and what they wait for.
    fn asked() -> Publisher {
        let mut publisher = Publisher::default();
        let step = publisher.take(connect("live/")).unwrap();
        assert_eq!(said(&step.replies), ["type 5", "type 6", "_result NetConnection.Connect.Success"]);
        for (name, transaction, expected) in [
            ("releaseStream", 2.0, &["_result -"][..]),
            ("FCPublish", 3.0, &["_result -"]),
            ("createStream", 4.0, &["_result -"]),
            ("_checkbw", 0.0, &[]),
        ] {
            let step = publisher.take(command(name, transaction, vec![Value::Null, text("key")])).unwrap();
            assert_eq!(said(&step.replies), expected, "{name}");
        }
        let step = publisher
            .take(command("publish", 5.0, vec![Value::Null, text("key?a=b"), text("live")]))
            .unwrap();
        assert_eq!(step.events, [Event::Publish { app: "live".into(), key: "key?a=b".into() }]);
        publisher
    }

    #[test]
    fn an_encoder_publishes() {
        let mut publisher = asked();
        let video =
            |time| Message { timestamp: time, stream: 1, body: Body::Video(Bytes::from_static(b"\x17")) };
        assert_eq!(publisher.take(video(0)).unwrap(), Step::default());
        assert_eq!(said(&publisher.accept()), ["type 4", "onStatus NetStream.Publish.Start"]);
        assert_eq!(publisher.accept(), []);
        let entries = vec![("width".to_owned(), Value::Number(640.0))];
        let data = vec![text("@setDataFrame"), text("onMetaData"), Value::EcmaArray(entries.clone())];
        assert_eq!(publisher.take(about(Body::Data(data))).unwrap().events, [Event::Metadata(entries)]);
        assert_eq!(
            publisher.take(video(40)).unwrap().events,
            [Event::Video(40, Bytes::from_static(b"\x17"))]
        );
        let ping = about(Body::UserControl(PING_REQUEST, Bytes::from_static(b"\0\0\0\x05")));
        assert_eq!(said(&publisher.take(ping).unwrap().replies), ["type 4"]);
        let step =
            publisher.take(command("deleteStream", 0.0, vec![Value::Null, Value::Number(1.0)])).unwrap();
        assert_eq!(step.events, [Event::Unpublish]);
        assert_eq!(publisher.take(video(80)).unwrap(), Step::default());
    }

    #[test]
    fn one_that_may_not_is_told_why() {
        let mut publisher = asked();
        assert_eq!(said(&publisher.refuse("no")), ["onStatus NetStream.Publish.BadName"]);
        assert_eq!(publisher.accept(), []);
        assert_eq!(publisher.end("no"), []);
        assert_eq!(said(&asked().end("no")), ["onStatus NetStream.Failed"]);
        assert_eq!(Publisher::default().end("no"), []);
        let mut connected = Publisher::default();
        connected.take(connect("live")).unwrap();
        assert_eq!(said(&connected.end("no")), ["onStatus NetConnection.Connect.Closed"]);
        let step = asked().take(command("play", 0.0, vec![Value::Null, text("key")])).unwrap();
        assert_eq!(said(&step.replies), ["onStatus NetStream.Play.StreamNotFound"]);
    }

    #[test]
    fn enhanced_encoders_are_told_what_is_taken() {
        let info = object(&[("app", text("live")), ("fourCcList", Value::StrictArray(vec![text("hvc1")]))]);
        let step = Publisher::default().take(command("connect", 1.0, vec![info])).unwrap();
        let Body::Command(command) = &step.replies[2].body else { panic!() };
        assert!(command.arguments[1].entry("fourCcList").is_some());
    }

    #[test]
    fn tags_in_one_message() {
        let mut publisher = asked();
        let _ = publisher.accept();
        let tag = |kind: u8, time: u8, body: &[u8]| {
            let head = [kind, 0, 0, body.len() as u8, 0, 0, time, 0, 0, 0, 0];
            [&head[..], body, &[0; 4]].concat()
        };
        let bytes: Bytes = [tag(8, 10, b"a"), tag(9, 15, b"bc")].concat().into();
        let message = Message { timestamp: 100, stream: 1, body: Body::Aggregate(bytes.clone()) };
        let expected =
            [Event::Audio(100, Bytes::from_static(b"a")), Event::Video(105, Bytes::from_static(b"bc"))];
        assert_eq!(publisher.take(message).unwrap().events, expected);
        for end in [5, 20, 30] {
            let torn = Message { timestamp: 0, stream: 1, body: Body::Aggregate(bytes.slice(..end)) };
            let outcome = publisher.take(torn);
            assert!(outcome == Err(PublishError::Aggregate) || end == 30 && outcome.is_ok(), "{end}");
        }
    }

    #[test]
    fn what_does_not_belong_here() {
        let mut publisher = Publisher::default();
        let publish = || command("publish", 5.0, vec![Value::Null, text("key")]);
        assert_eq!(publisher.take(publish()), Err(PublishError::Early("publish".into())));
        assert_eq!(publisher.take(command("connect", 1.0, vec![])), Err(PublishError::Name("connect")));
        publisher.take(connect("live")).unwrap();
        assert_eq!(publisher.take(connect("live")), Err(PublishError::Again("connect")));
        for key in [Value::Null, text(""), text(&"x".repeat(MAX_NAME + 1))] {
            let publish = command("publish", 5.0, vec![Value::Null, key]);
            assert_eq!(publisher.take(publish), Err(PublishError::Name("publish")));
        }
        publisher.take(publish()).unwrap();
        assert_eq!(publisher.take(publish()), Err(PublishError::Again("publish")));
    }
}
