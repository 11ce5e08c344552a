//! The door of HTTP: `/announce` and `/scrape` for peers, `/stats` for programs, the page at `/` for people.
//!
//! A refusal has status 200 and its reason in the body, which is what clients read (BEP 3).

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderValue;
use http::header::CACHE_CONTROL;

use super::{Tracker, page};
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::http::router::Router;

/// What trackers say of bencode, which has no type of its own.
const BENCODE: HeaderValue = HeaderValue::from_static("text/plain");

/// Nobody keeps what changes with each peer.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// All that a tracker answers over HTTP.
pub(in crate::server::share) fn routes(tracker: &Tracker) -> Router {
    let (announced, scraped, watched) = (tracker.clone(), tracker.clone(), tracker.clone());
    let router = Router::new()
        .get("/announce", move |request: Request| {
            let body = announced.announce(client(&request), query(&request));
            async move { Response::of(BENCODE, body) }
        })
        .get("/scrape", move |request: Request| {
            let body = scraped.scrape(client(&request), query(&request));
            async move { Response::of(BENCODE, body) }
        })
        .get("/stats", move |_: Request| {
            let numbers = watched.numbers();
            async move { Response::json(&numbers).with(CACHE_CONTROL, NO_STORE) }
        });
    page::routes(router)
}

/// Where a request comes from: as its proxy says, if it came by one that is trusted. Who came by a Unix socket is of this machine.
fn client(request: &Request) -> IpAddr {
    request.peer().addr.ip().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn query(request: &Request) -> &[u8] {
    request.head().query().unwrap_or_default().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{query, tracker};
    use super::*;
    use crate::proto::bittorrent::tracker::server::Limits;
    use crate::server::http::testing::{field, get, read};

    #[tokio::test]
    async fn peers_and_programs_are_answered() {
        let router = routes(&tracker(Limits { full_scrape: 1, ..Limits::default() }));
        let ask = |target: String| {
            let router = router.clone();
            async move { get(&router, &target).await }
        };
        let reply = ask(format!("/announce?{}&compact=0", query("&port=7000"))).await;
        assert_eq!(field(&reply, "content-type"), "text/plain");
        // The address of the one that asks is in bytes of its own, which are no text here but for 127.0.0.1.
        let (status, body) = read(reply).await;
        assert!(status == 200 && body.ends_with("12:min intervali60e5:peerslee"), "{body}");
        let (_, body) = read(ask(format!("/announce?{}&compact=0", query("&port=7001"))).await).await;
        assert!(body.ends_with("5:peersld2:ip9:127.0.0.14:porti7000eeee"), "{body}");

        let (status, body) = read(ask("/announce".to_owned()).await).await;
        let expected = "d14:failure reason41:info_hash is missing, or has not 20 bytes8:retry in5:nevere";
        assert_eq!((status, body.as_str()), (200, expected));

        let file = "d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei0e10:downloadedi0e11:downloadersi2e10:incompletei2eeee";
        for target in ["/scrape", "/scrape?info_hash=xxxxxxxxxxxxxxxxxxxx"] {
            assert_eq!(read(ask(target.to_owned()).await).await, (200, file.to_owned()), "{target}");
        }
        let reply = ask("/stats".to_owned()).await;
        assert_eq!(field(&reply, "cache-control"), "no-store");
        let (_, body) = read(reply).await;
        assert!(body.contains("\"leechers\":2"), "{body}");
        assert_eq!(read(ask("/other".to_owned()).await).await.0, 404);
    }
}
