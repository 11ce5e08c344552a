//! The client that the Autobahn suite talks to when it tests clients: echoes every message of every case, and asks for the report.
//!
//!     autobahn_client ws://127.0.0.1:9001 [--agent NAME] [--ca FILE] [--cases A..B]
//!
//! Run by `scripts/conformance`. How a case ends is judged by the suite, so no end is an error here.

use std::error::Error;
use std::ops::RangeInclusive;

use clap::Parser;
use wireworks::net::client::Connector;
use wireworks::net::tls::{ClientTls, ClientTlsConfig, Trust};
use wireworks::proto::ws::deflate::{Memory, Terms};
use wireworks::server::ws::client::Connect;
use wireworks::server::ws::{Settings, SocketError};

#[derive(Parser)]
struct Args {
    /// The suite's address.
    url: String,
    /// The name in its reports.
    #[arg(long, default_value = "wireworks")]
    agent: String,
    /// Further certificates to trust.
    #[arg(long)]
    ca: Option<std::path::PathBuf>,
    /// Only these cases, as A..B, both included.
    #[arg(long, value_parser = range)]
    cases: Option<RangeInclusive<u32>>,
}

fn range(text: &str) -> Result<RangeInclusive<u32>, String> {
    let parsed = text.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..=b.parse().ok()?));
    parsed.ok_or_else(|| "write A..B".to_owned())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut connector = Connector::new();
    if let Some(ca) = args.ca.clone() {
        let trust = Trust::SystemAnd(ca);
        connector =
            connector.trusting(ClientTls::new(&ClientTlsConfig { trust, ..ClientTlsConfig::default() })?);
    }
    let at = |path: &str| {
        Ok::<_, Box<dyn Error>>(Connect::to(&format!("{}{path}", args.url))?.connector(connector.clone()))
    };

    let mut asked = at("/getCaseCount")?.connect().await?.0;
    let count = asked.recv().await?.ok_or("no count of cases")?;
    let count: u32 = count.as_text().ok_or("the count is no text")?.parse()?;
    for case in args.cases.clone().unwrap_or(1..=count) {
        let terms = Terms { memory: Memory::Dedicated, threshold: 0, ..Terms::default() };
        let path = format!("/runCase?case={case}&agent={}", args.agent);
        let (socket, _) = at(&path)?.deflate(terms).settings(Settings::default()).connect().await?;
        let _ = echo(socket).await;
    }
    let (mut report, _) = at(&format!("/updateReports?agent={}", args.agent))?.connect().await?;
    while report.recv().await?.is_some() {}
    Ok(())
}

async fn echo(mut socket: wireworks::server::ws::Socket) -> Result<(), SocketError> {
    while let Some(message) = socket.recv().await? {
        socket.send(message).await?;
    }
    Ok(())
}
