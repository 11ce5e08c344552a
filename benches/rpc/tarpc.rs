//! tarpc 0.38 over bincode, with its defaults, and `TCP_NODELAY`, which it does not set itself.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::StreamExt;
use tarpc::client::Config;
use tarpc::context::Context;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::end::End;
use crate::load::Echo;
use crate::support::Result;

#[tarpc::service]
pub(crate) trait Method {
    async fn echo(bytes: Bytes) -> Bytes;
}

#[derive(Clone)]
struct Parrot;

impl Method for Parrot {
    async fn echo(self, _: Context, bytes: Bytes) -> Bytes {
        bytes
    }
}

pub(crate) async fn serve(end: End) -> Result<()> {
    let answer = |io| async {
        let transport = tarpc::serde_transport::new(Framed::new(io, codec()), Bincode::default());
        let calls = BaseChannel::with_defaults(transport).execute(Parrot.serve());
        calls.for_each(async |call| drop(tokio::spawn(call))).await;
    };
    end.accept("tarpc", answer).await
}

pub(crate) async fn connect(addr: SocketAddr, end: End) -> Result<MethodClient> {
    let io = end.connect(addr).await?;
    let transport = tarpc::serde_transport::new(Framed::new(io, codec()), Bincode::default());
    Ok(MethodClient::new(Config::default(), transport).spawn())
}

impl Echo for MethodClient {
    async fn echo(&self, bytes: Bytes) -> Result<Bytes> {
        Ok(MethodClient::echo(self, tarpc::context::current(), bytes).await?)
    }
}

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(8 << 20).new_codec()
}
