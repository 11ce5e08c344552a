//! One announce to one tracker.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::net::client::Connector;
use crate::proto::bittorrent::tracker::allowed::{self, Author, Purpose};
use crate::proto::bittorrent::tracker::udp::{Answer, Question};
use crate::proto::bittorrent::tracker::{Announce, MAX_REPLY, Reply, Scheme, TrackerError, Url};
use crate::server::http::client::fetch::{Ask, FetchError, Fetcher, Retry};
use crate::server::one_line;

use super::screen::screen;
use crate::server::share::common::Common;
use crate::server::share::datagrams::Datagrams;

/// How long a tracker may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a tracker says, and where it was.
pub(super) struct Answered {
    pub(super) reply: Reply,
    pub(super) from: IpAddr,
}

/// Announces to a tracker.
pub(super) async fn announce(
    common: &Common,
    url: &Url,
    announce: Announce,
) -> Result<Answered, TrackerError> {
    match url.scheme() {
        Scheme::Udp => by_udp(&common.datagrams, url, announce).await,
        Scheme::Http | Scheme::Https => by_http(common.settings.from(), url, &announce).await,
    }
}

async fn by_http(from: Option<IpAddr>, url: &Url, announce: &Announce) -> Result<Answered, TrackerError> {
    let unreachable = |error: &dyn std::error::Error| TrackerError::Unreachable(one_line(error));
    let target = format!("{}://{}{}", url.scheme().name(), url.authority(), url.announce(announce));
    let uri = target.parse().map_err(|error: http::uri::InvalidUri| unreachable(&error))?;
    let first = Arc::new(Mutex::new(None));
    let connector = Connector::new().deadline(PATIENCE).from_address(from);
    let connector = connector.screened(screen(Purpose::Tracker, url.clone(), Arc::clone(&first)));
    let fetcher = Fetcher::new(connector, Retry::never()).redirects(5);
    let fetched = fetcher.whole(&Ask::of(uri).within(PATIENCE), MAX_REPLY as u64).await;
    let (body, _) = fetched.map_err(|error| match error {
        FetchError::Status(status) | FetchError::Later { status, .. } => {
            TrackerError::Status(status.as_u16())
        }
        error => unreachable(&error),
    })?;
    let from = first.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(IpAddr::from([0; 4]));
    Ok(Answered { reply: Reply::read(&body)?, from })
}

async fn by_udp(datagrams: &Datagrams, url: &Url, announce: Announce) -> Result<Answered, TrackerError> {
    let unreachable = |error: &dyn std::error::Error| TrackerError::Unreachable(one_line(error));
    let host = url.host().to_string();
    let found = Connector::new().deadline(PATIENCE).resolve(&host, url.port()).await;
    let found = found.map_err(|error| unreachable(&error))?;
    let mut refused = TrackerError::Silent;
    for addr in found.into_iter().filter(|addr| datagrams.reaches(*addr)) {
        if let Err(error) = allowed::link(Purpose::Tracker, Author::Stranger, url, addr.ip()) {
            refused = error.into();
            continue;
        }
        let question = Question::Announce { announce: announce.clone(), url: url.target().to_owned() };
        return match datagrams.ask(addr, question).await? {
            Answer::Announce(reply) => Ok(Answered { reply, from: addr.ip() }),
            Answer::Scrape(_) => Err(TrackerError::NotDictionary),
        };
    }
    Err(refused)
}
