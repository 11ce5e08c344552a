//! Ours, with its defaults but for the calls at a time: deadlines, credit, limits, keep-alive and metrics are on.

use std::net::SocketAddr;

use bytes::Bytes;
use wireworks::net::client::Connector;
use wireworks::net::shards::Threading;
use wireworks::net::tls::{ClientTls, ClientTlsConfig, Trust};
use wireworks::proto::rpc::payload::Raw;
use wireworks::server::process::announce;
use wireworks::server::rpc::observe::RpcMetrics;
use wireworks::server::rpc::{Channel, Context, Settings, Status};
use wireworks::service;

use crate::end::{End, Runtime};
use crate::load;
use crate::support::Result;

service! {
    /// What is measured.
    service Echo as EchoClient in echo {
        /// Gives back the same bytes.
        1 => unary bytes(Raw) -> Raw, idempotent;
    }
}

struct Parrot;

impl Echo for Parrot {
    async fn bytes(&self, _: Context, bytes: Raw) -> std::result::Result<Raw, Status> {
        Ok(bytes)
    }
}

pub(crate) fn serve(end: &End) -> Result<()> {
    let threading = match end.runtime {
        Runtime::Multi => Threading::Shared,
        Runtime::Current => Threading::PerCore,
    };
    let mut server = echo::serve(Parrot).server()?;
    if let Some(dir) = &end.tls {
        server = server.tls(dir.join("cert.pem"), dir.join("key.pem"));
    }
    server = server.settings(Settings { max_calls: 1024, ..Settings::default() }).count(RpcMetrics::new());
    server.listen("127.0.0.1:0").threads(1).threading(threading).on_ready(announce).run()?;
    Ok(())
}

#[derive(Clone)]
pub(crate) struct Client(EchoClient);

pub(crate) async fn connect(addr: SocketAddr, end: End) -> Result<Client> {
    let mut channel = Channel::to([format!("localhost:{}", addr.port())])?;
    if let Some(dir) = &end.tls {
        let trust = Trust::SystemAnd(dir.join("cert.pem"));
        let tls = ClientTls::new(&ClientTlsConfig { trust, certificate: None })?;
        channel = channel.tls().connector(Connector::new().trusting(tls));
    }
    Ok(Client(EchoClient::new(channel.lazy())))
}

impl load::Echo for Client {
    async fn echo(&self, bytes: Bytes) -> Result<Bytes> {
        Ok(self.0.bytes(Raw(bytes)).await?.0)
    }
}
