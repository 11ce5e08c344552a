//! A connection: made by our own client, with our own TLS, and with the statements that it has prepared.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::error::Fault;
use super::url::PostgresUrl;
use crate::net::client::{ConnectError, Connector, Target};
use crate::net::io::Io;

/// How long a connection may take until it stands, with TLS and login.
const CONNECT: Duration = Duration::from_secs(5);

/// What is set in each connection: no statement takes longer, and what is acknowledged is on disk.
const SETTINGS: &str = "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'; \
                        SET synchronous_commit = on; SET timezone = 'UTC'; SET client_min_messages = warning";

/// A connection. Clones are the same one.
#[derive(Clone)]
pub(super) struct Db(Rc<Inner>);

struct Inner {
    client: Client,
    /// Those of this program's statements that were used: there are about a hundred.
    prepared: Mutex<HashMap<String, Statement>>,
}

/// Parameters of a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Db {
    /// Connects to the first place that lets us in. Its driver is a task of this thread.
    pub(super) async fn connect(url: &PostgresUrl, connector: &Connector) -> Result<Self, Fault> {
        let mut last = Fault::Lost("no host is said".to_owned());
        for target in url.targets() {
            match tokio::time::timeout(CONNECT, open(url, connector, &target)).await {
                Ok(Ok(db)) => return Ok(db),
                Ok(Err(fault)) => last = fault,
                Err(_) => last = Fault::Lost(format!("{target} has not answered in {} s", CONNECT.as_secs())),
            }
        }
        Err(last)
    }

    /// Whether it has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.0.client.is_closed()
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, Fault> {
        let lock = || self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statement) = lock().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.0.client.prepare(sql).await?;
        lock().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// The rows of a question.
    pub(super) async fn rows(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let statement = self.prepared(sql).await?;
        Ok(self.0.client.query(&statement, values).await?)
    }

    /// Its row, if there is one.
    pub(super) async fn row(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Fault> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Does something. Says how many rows it concerned.
    pub(super) async fn run(&self, sql: &str, values: Values<'_>) -> Result<u64, Fault> {
        let statement = self.prepared(sql).await?;
        Ok(self.0.client.execute(&statement, values).await?)
    }

    /// Statements without parameters and answers.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Fault> {
        Ok(self.0.client.batch_execute(sql).await?)
    }
}

async fn open(url: &PostgresUrl, connector: &Connector, target: &Target) -> Result<Db, Fault> {
    let (io, host) = match target {
        Target::Tcp { host, port } => (Io::Tcp(connector.tcp(host, *port).await?), host.clone()),
        Target::Unix(path) => (connector.unix(path).await?, String::new()),
    };
    let tls = Handshake { connector: connector.clone(), host };
    let (client, driver) = url.config.connect_raw(io, tls).await?;
    tokio::task::spawn_local(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "a connection to PostgreSQL has ended");
        }
    });
    let db = Db(Rc::new(Inner { client, prepared: Mutex::default() }));
    db.batch(SETTINGS).await?;
    Ok(db)
}

/// The TLS handshake, after PostgreSQL has agreed to it.
struct Handshake {
    connector: Connector,
    host: String,
}

impl TlsConnect<Io> for Handshake {
    type Stream = Secured;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Secured, ConnectError>> + Send>>;

    fn connect(self, io: Io) -> Self::Future {
        Box::pin(async move {
            let standing = std::future::ready(Ok(io));
            self.connector.by(&self.host, standing, Some((&self.host, &[]))).await.map(Secured)
        })
    }
}

/// A stream within TLS.
struct Secured(Io);

impl TlsStream for Secured {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, to)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
