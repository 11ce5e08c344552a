//! Where links in torrents may lead: not to services inside that were never meant for strangers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::proto::bittorrent::tracker::Url;
use crate::proto::bittorrent::tracker::allowed::{self, Author, Purpose};

/// Lets those addresses pass that a link in a torrent may lead to. The first is kept: where redirects may lead depends on it.
pub(in crate::server::share) fn screen(
    purpose: Purpose,
    url: Url,
    first: Arc<Mutex<Option<IpAddr>>>,
) -> impl Fn(&str, SocketAddr) -> io::Result<()> + Send + Sync + 'static {
    move |host, addr| {
        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
        let ip = addr.ip().to_canonical();
        let is_own = addr.port() == url.port() && url.host().to_string() == host.trim_matches(['[', ']']);
        let author = match *first {
            Some(from) if !is_own => Author::Redirect(from),
            _ => Author::Stranger,
        };
        allowed::link(purpose, author, &url, ip).map_err(io::Error::other)?;
        first.get_or_insert(ip);
        Ok(())
    }
}
