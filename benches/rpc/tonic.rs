//! tonic 0.14 with a message of bytes, written as its generator would; with its defaults, but for 1,024 streams at a time and `TCP_NODELAY`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;

use crate::end::End;
use crate::load::Echo;
use crate::support::Result;

const PATH: &str = "/bench.Echo/Echo";

#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(bytes = "bytes", tag = "1")]
    bytes: Bytes,
}

#[derive(Clone)]
struct Parrot;

impl NamedService for Parrot {
    const NAME: &'static str = "bench.Echo";
}

impl Service<http::Request<Body>> for Parrot {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, std::result::Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let codec: ProstCodec<Message, Message> = ProstCodec::default();
        async move { Ok(Grpc::new(codec).unary(Method, request).await) }.boxed()
    }
}

struct Method;

impl UnaryService<Message> for Method {
    type Response = Message;
    type Future = Ready<std::result::Result<Response<Message>, Status>>;

    fn call(&mut self, request: Request<Message>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

pub(crate) async fn serve(end: End) -> Result<()> {
    let listener = end.listen("tonic").await?;
    // Its own option for this holds for listeners that it makes itself.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let mut server = Server::builder().max_concurrent_streams(1024);
    if let Some(dir) = &end.tls {
        let identity =
            Identity::from_pem(std::fs::read(dir.join("cert.pem"))?, std::fs::read(dir.join("key.pem"))?);
        server = server.tls_config(ServerTlsConfig::new().identity(identity))?;
    }
    Ok(server.add_service(Parrot).serve_with_incoming(incoming).await?)
}

#[derive(Clone)]
pub(crate) struct Client(Channel);

pub(crate) async fn connect(addr: SocketAddr, end: End) -> Result<Client> {
    let endpoint = match &end.tls {
        None => Channel::from_shared(format!("http://{addr}"))?,
        Some(dir) => {
            let ca = Certificate::from_pem(std::fs::read(dir.join("cert.pem"))?);
            let tls = ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
            Channel::from_shared(format!("https://{addr}"))?.tls_config(tls)?
        }
    };
    Ok(Client(endpoint.tcp_nodelay(true).connect().await?))
}

impl Echo for Client {
    async fn echo(&self, bytes: Bytes) -> Result<Bytes> {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        grpc.ready().await?;
        let codec: ProstCodec<Message, Message> = ProstCodec::default();
        let answer =
            grpc.unary(Request::new(Message { bytes }), PathAndQuery::from_static(PATH), codec).await?;
        Ok(answer.into_inner().bytes)
    }
}
