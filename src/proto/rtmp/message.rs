//! Messages: what one end says to the other. Sections 5.4, 6 and 7.

use bytes::{BufMut, Bytes, BytesMut};

use super::amf0::{self, Amf0Error, Value};

/// A message with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Milliseconds since a moment of the sender's, wrapping at 2³².
    pub timestamp: u32,
    /// The message stream: 0 for what is about the connection.
    pub stream: u32,
    /// What is said.
    pub body: Body,
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Chunks will be of so many bytes.
    SetChunkSize(u32),
    /// The message that is being sent on this chunk stream will not be finished.
    Abort(u32),
    /// So many bytes have been received.
    Acknowledgement(u32),
    /// An event of the stream or the connection, by its number, with its data.
    UserControl(u16, Bytes),
    /// An acknowledgement is expected after so many bytes.
    WindowAcknowledgementSize(u32),
    /// No more than so many bytes are to be on their way; and how that is meant.
    SetPeerBandwidth(u32, u8),
    /// The body of an FLV audio tag.
    Audio(Bytes),
    /// The body of an FLV video tag.
    Video(Bytes),
    /// Metadata: the first value is its name.
    Data(Vec<Value>),
    /// A command: its name, its transaction, and its arguments.
    Command(Command),
    /// Several FLV tags.
    Aggregate(Bytes),
    /// A type that nobody knows.
    Unknown(u8),
}

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// By which it is answered; 0 if it is not.
    pub transaction: f64,
    /// The command object, and what follows it.
    pub arguments: Vec<Value>,
}

/// Why a message makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is too short for its type.
    #[error("a message of type {0} is too short")]
    Short(u8),
    /// Its values cannot be read.
    #[error("a message of type {kind}: {error}")]
    Values {
        /// The type.
        kind: u8,
        /// What is wrong.
        error: Amf0Error,
    },
    /// A command has no name or no transaction.
    #[error("a command has no name, or no number")]
    Command,
}

/// The event of a stream that begins (section 7.1.7).
pub const STREAM_BEGIN: u16 = 0;
/// A question whether the other end is there.
pub const PING_REQUEST: u16 = 6;
/// The answer.
pub const PING_RESPONSE: u16 = 7;

impl Body {
    /// The number of its type.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::SetChunkSize(_) => 1,
            Self::Abort(_) => 2,
            Self::Acknowledgement(_) => 3,
            Self::UserControl(..) => 4,
            Self::WindowAcknowledgementSize(_) => 5,
            Self::SetPeerBandwidth(..) => 6,
            Self::Audio(_) => 8,
            Self::Video(_) => 9,
            Self::Data(_) => 18,
            Self::Command(_) => 20,
            Self::Aggregate(_) => 22,
            Self::Unknown(kind) => *kind,
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// It makes no sense for its type.
    pub fn read(kind: u8, bytes: Bytes) -> Result<Self, MessageError> {
        let number = || {
            let first = bytes.first_chunk::<4>().ok_or(MessageError::Short(kind))?;
            Ok(u32::from_be_bytes(*first))
        };
        let values = |bytes: &[u8]| amf0::read(bytes).map_err(|error| MessageError::Values { kind, error });
        // AMF3 messages of encoders are AMF0 behind a byte that says so.
        let behind_0 = || values(bytes.strip_prefix(&[0]).unwrap_or(&bytes));
        Ok(match kind {
            1 => Self::SetChunkSize(number()?),
            2 => Self::Abort(number()?),
            3 => Self::Acknowledgement(number()?),
            4 => {
                let event = bytes.first_chunk::<2>().ok_or(MessageError::Short(kind))?;
                Self::UserControl(u16::from_be_bytes(*event), bytes.slice(2..))
            }
            5 => Self::WindowAcknowledgementSize(number()?),
            6 => Self::SetPeerBandwidth(number()?, bytes.get(4).copied().unwrap_or(0)),
            8 => Self::Audio(bytes),
            9 => Self::Video(bytes),
            15 => Self::Data(behind_0()?),
            17 => Self::Command(Command::of(behind_0()?)?),
            18 => Self::Data(values(&bytes)?),
            20 => Self::Command(Command::of(values(&bytes)?)?),
            22 => Self::Aggregate(bytes),
            kind => Self::Unknown(kind),
        })
    }

    /// Writes it.
    #[must_use]
    pub fn write(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::SetChunkSize(n)
            | Self::Abort(n)
            | Self::Acknowledgement(n)
            | Self::WindowAcknowledgementSize(n) => out.put_u32(*n),
            Self::UserControl(event, data) => {
                out.put_u16(*event);
                out.put_slice(data);
            }
            Self::SetPeerBandwidth(n, kind) => {
                out.put_u32(*n);
                out.put_u8(*kind);
            }
            Self::Audio(bytes) | Self::Video(bytes) | Self::Aggregate(bytes) => return bytes.clone(),
            Self::Data(values) => values.iter().for_each(|value| amf0::write(value, &mut out)),
            Self::Command(command) => {
                amf0::write(&Value::String(command.name.clone()), &mut out);
                amf0::write(&Value::Number(command.transaction), &mut out);
                command.arguments.iter().for_each(|value| amf0::write(value, &mut out));
            }
            Self::Unknown(_) => {}
        }
        out.freeze()
    }
}

impl Command {
    fn of(values: Vec<Value>) -> Result<Self, MessageError> {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (Some(Value::String(name)), Some(Value::Number(transaction))) => {
                Ok(Self { name, transaction, arguments: values.collect() })
            }
            _ => Err(MessageError::Command),
        }
    }

    /// An argument behind the command object: a text.
    #[must_use]
    pub fn text(&self, index: usize) -> Option<&str> {
        self.arguments.get(index + 1)?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_both_ways() {
        let command = Command {
            name: "publish".into(),
            transaction: 5.0,
            arguments: vec![Value::Null, Value::String("key".into()), Value::String("live".into())],
        };
        assert_eq!((command.text(0), command.text(1), command.text(2)), (Some("key"), Some("live"), None));
        for body in [
            Body::SetChunkSize(4096),
            Body::Abort(3),
            Body::Acknowledgement(u32::MAX),
            Body::UserControl(PING_REQUEST, Bytes::from_static(b"\0\0\0\x01")),
            Body::WindowAcknowledgementSize(1),
            Body::SetPeerBandwidth(5, 2),
            Body::Audio(Bytes::from_static(b"\xaf\x01a")),
            Body::Video(Bytes::from_static(b"\x17\x01")),
            Body::Data(vec![Value::String("onMetaData".into()), Value::Null]),
            Body::Command(command.clone()),
            Body::Aggregate(Bytes::from_static(b"x")),
        ] {
            assert_eq!(Body::read(body.kind(), body.write()).unwrap(), body);
        }
        let mut amf3 = BytesMut::from(&b"\0"[..]);
        amf3.extend_from_slice(&Body::Command(command.clone()).write());
        assert_eq!(Body::read(17, amf3.freeze()).unwrap(), Body::Command(command));
        assert_eq!(Body::read(99, Bytes::new()).unwrap(), Body::Unknown(99));
    }

    #[test]
    fn what_makes_no_sense() {
        for (kind, bytes, expected) in [
            (1, &b"\0\0"[..], MessageError::Short(1)),
            (4, b"\0", MessageError::Short(4)),
            (20, b"", MessageError::Command),
            (20, b"\x05\x05", MessageError::Command),
            (18, b"\x02\0", MessageError::Values { kind: 18, error: Amf0Error::Cut(1) }),
        ] {
            assert_eq!(Body::read(kind, Bytes::from_static(bytes)), Err(expected));
        }
    }
}
