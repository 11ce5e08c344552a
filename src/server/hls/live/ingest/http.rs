//! Feeds over HTTP: `PUT` or `POST` of `/live/NAME` or `/live/NAME/RENDITION`, with a body that goes on as long as the stream does.

use http::StatusCode;

use super::container::{Container, Malformed};
use super::{Failed, feed, finish};
use crate::proto::hls::live::segmenter::Unusable;
use crate::server::hls::access::StreamKeys;
use crate::server::hls::live::stream::Ended;
use crate::server::hls::live::streams::{About, Refused, Streams};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// The name of the stream that the path of a request names, which its publisher may publish.
///
/// # Errors
/// 401 when it may not.
pub fn admit(keys: &StreamKeys, request: &Request) -> Result<String, Problem> {
    let name = name(request)?;
    keys.admit_request(&name, request)?;
    Ok(name)
}

/// Takes the body of a request as a feed of the stream `name`. 204 at its end.
///
/// # Errors
/// 400 when the name or the bytes are no good, 409 when the stream is taken, 410 when it has ended, 415 for another container, 422 when it cannot be served, 503 when there is no room
/// for it, 507 when there is no memory.
pub async fn take(streams: &Streams, name: &str, mut request: Request) -> Result<Response, Problem> {
    let about = About { by: "http", peer: Some(request.peer().addr) };
    let mut publisher = streams.publish(name, about).map_err(|refused| refusal(&refused))?;
    let mut container = Container::default();
    let mut over = std::pin::pin!(publisher.over());
    let fed = async {
        loop {
            let bytes = tokio::select! {
                biased;
                // The server that goes down may end the connection, too: this is said first.
                () = streams.stopping() => return Err(problem(Ended::Stream.into())),
                () = &mut over => return Err(problem(Ended::Stream.into())),
                bytes = request.body_mut().data() => bytes,
            };
            match bytes {
                None => break,
                Some(Ok(bytes)) => feed(&mut container, &mut publisher, &bytes).await.map_err(problem)?,
                // The connection is lost: what is there is all that there is.
                Some(Err(error)) => {
                    let _ = finish(&mut container, &mut publisher).await;
                    return Err(error.into());
                }
            }
        }
        finish(&mut container, &mut publisher).await.map_err(problem)
    };
    let fed: Result<(), Problem> = fed.await;
    if let Err(problem) = &fed {
        tracing::warn!(stream = name, reason = %problem, "the feed has ended");
    }
    fed.map(|()| Response::empty(StatusCode::NO_CONTENT))
}

/// Ends a stream, whoever publishes it.
///
/// # Errors
/// 404 when there is none of that name.
pub fn end(streams: &Streams, name: &str) -> Result<Response, Problem> {
    if streams.end(name) {
        return Ok(Response::empty(StatusCode::NO_CONTENT));
    }
    Err(Problem::new(StatusCode::NOT_FOUND, "no such stream goes on"))
}

/// The name of the stream that a path names; encoders like to have a file's name, so that its end may be one of a file.
fn name(request: &Request) -> Result<String, Problem> {
    let name: String = request.param("name")?;
    let full = match request.raw_param("rendition") {
        Some(_) => format!("{name}/{}", request.param::<String>("rendition")?),
        None => name,
    };
    let bare = [".ts", ".mp4", ".cmfv", ".cmfa", ".m4s"].iter().find_map(|end| full.strip_suffix(end));
    Ok(bare.map(str::to_owned).unwrap_or(full))
}

fn refusal(refused: &Refused) -> Problem {
    let status = match refused {
        Refused::Name(_) => StatusCode::BAD_REQUEST,
        Refused::Taken(_) => StatusCode::CONFLICT,
        Refused::Full | Refused::Leaving => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::new(status, refused.to_string())
}

fn problem(failed: Failed) -> Problem {
    let status = match &failed {
        Failed::Malformed(Malformed::Unknown) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Failed::Malformed(Malformed::Mp4(_) | Malformed::Empty | Malformed::Ts(_)) => StatusCode::BAD_REQUEST,
        Failed::Ended(Ended::Stream) => StatusCode::GONE,
        Failed::Ended(Ended::Unusable(
            Unusable::TooMuch(_) | Unusable::TooMany(_) | Unusable::Init(_) | Unusable::TooLong,
        )) => StatusCode::PAYLOAD_TOO_LARGE,
        Failed::Ended(Ended::Unusable(Unusable::NoTracks | Unusable::NoKey(_))) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Failed::Ended(Ended::Memory(_)) => StatusCode::INSUFFICIENT_STORAGE,
    };
    Problem::new(status, failed.to_string())
}
