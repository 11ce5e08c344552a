//! Says what it hears.

use futures_util::StreamExt;

use crate::proto::rpc::payload::Raw;
use crate::server::rpc::{Context, Requests, ResponseStream, Status};
use crate::{service, wire_types};

wire_types! {
    /// Something to be said.
    pub struct Words {
        /// What it is.
        pub text: String,
    }
}

service! {
    /// Says what it hears.
    pub service Echo as EchoClient in echo {
        /// Says it back.
        1 => unary say(Words) -> Words, idempotent;
        /// Gives the same bytes back; for measuring.
        2 => unary bytes(Raw) -> Raw, idempotent;
        /// Says each thing back when it comes.
        3 => bidi chat(Words) -> Words;
        /// Gives the same bytes back, each when they come; for measuring.
        4 => bidi pour(Raw) -> Raw;
    }
}

pub(super) struct Parrot;

impl Echo for Parrot {
    async fn say(&self, _: Context, words: Words) -> Result<Words, Status> {
        Ok(words)
    }

    async fn bytes(&self, _: Context, bytes: Raw) -> Result<Raw, Status> {
        Ok(bytes)
    }

    async fn chat(&self, _: Context, words: Requests<Words>) -> Result<ResponseStream<Words>, Status> {
        Ok(words.boxed())
    }

    async fn pour(&self, _: Context, bytes: Requests<Raw>) -> Result<ResponseStream<Raw>, Status> {
        Ok(bytes.boxed())
    }
}
