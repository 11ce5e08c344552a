//! What the ends of all connections have in common: a runtime of one thread, TLS, and a listener that says where it is.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::Result;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Ours.
    Wireworks,
    /// Length, number and bytes; what is there leaves in one write.
    Raw,
    /// tarpc over bincode.
    Tarpc,
    /// tonic.
    Tonic,
}

/// tokio's two runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// The multi-thread one, with one thread.
    Multi,
    /// The current-thread one.
    Current,
}

/// How an end is made.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct End {
    #[arg(long, default_value = "multi")]
    pub(crate) runtime: Runtime,
    /// A directory with `cert.pem` and `key.pem`: speak TLS.
    #[arg(long)]
    pub(crate) tls: Option<PathBuf>,
}

/// A connection.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl End {
    /// Runs this end on its runtime.
    pub(crate) fn block_on<F: Future<Output: Send + 'static> + Send + 'static>(
        &self,
        future: F,
    ) -> F::Output {
        let mut builder = match self.runtime {
            Runtime::Multi => Builder::new_multi_thread(),
            Runtime::Current => Builder::new_current_thread(),
        };
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        // On the multi-thread runtime the first future would run beside the workers.
        runtime.block_on(async { tokio::spawn(future).await.expect("no panic") })
    }

    /// A listener on a free port; says where it is.
    pub(crate) async fn listen(&self, name: &str) -> Result<TcpListener> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("listening {name} {}", listener.local_addr()?);
        Ok(listener)
    }

    /// Gives each connection that comes to `serve`, in a task of its own.
    pub(crate) async fn accept<F, Fut>(&self, name: &str, serve: F) -> Result<()>
    where
        F: Fn(Box<dyn Io>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let (listener, tls) = (self.listen(name).await?, self.acceptor()?);
        loop {
            let (tcp, _) = listener.accept().await?;
            tcp.set_nodelay(true)?;
            let (tls, serve) = (tls.clone(), serve.clone());
            tokio::spawn(async move {
                match tls {
                    None => serve(Box::new(tcp)).await,
                    Some(tls) => match tls.accept(tcp).await {
                        Ok(stream) => serve(Box::new(stream)).await,
                        Err(error) => eprintln!("TLS: {error}"),
                    },
                }
            });
        }
    }

    /// A connection to `addr`.
    pub(crate) async fn connect(&self, addr: SocketAddr) -> Result<Box<dyn Io>> {
        let tcp = TcpStream::connect(addr).await?;
        tcp.set_nodelay(true)?;
        let Some(dir) = &self.tls else { return Ok(Box::new(tcp)) };
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(dir.join("cert.pem"))?)?;
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost")?;
        Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, tcp).await?))
    }

    fn acceptor(&self) -> Result<Option<TlsAcceptor>> {
        let Some(dir) = &self.tls else { return Ok(None) };
        let cert = CertificateDer::from_pem_file(dir.join("cert.pem"))?;
        let key = PrivateKeyDer::from_pem_file(dir.join("key.pem"))?;
        let config =
            rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert], key)?;
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }
}
