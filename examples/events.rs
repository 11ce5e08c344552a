//! Server-sent events: what one client says, all that listen hear.
//!
//! ```sh
//! cargo run --release --example events
//! curl -N http://127.0.0.1:8080/events
//! curl -d 'Hello, all' http://127.0.0.1:8080/say
//! ```

use futures_util::stream::{self, Stream};
use http::StatusCode;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};
use wireworks::server::http::RunError;
use wireworks::server::http::problem::Problem;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;
use wireworks::server::http::router::Router;
use wireworks::server::http::sse::{Event, EventError, Events};

const PAGE: &str = "<!doctype html><title>Events</title>
<form><input name=text autofocus> <button>Say</button></form><ul></ul>
<script>
const [form, list] = document.querySelectorAll('form, ul');
form.onsubmit = () => { fetch('/say', { method: 'POST', body: form.text.value }); form.reset(); return false; };
new EventSource('/events').addEventListener('said', event => {
  list.append(Object.assign(document.createElement('li'), { textContent: event.data }));
});
</script>";

/// Words that wait for a slow listener; beyond them it misses some, and is told so.
const WAITING: usize = 64;

fn heard(words: Receiver<String>) -> impl Stream<Item = Result<Event, EventError>> + Send {
    stream::unfold(words, |mut words| async move {
        let event = match words.recv().await {
            Ok(text) => Event::new(text).named("said"),
            Err(RecvError::Lagged(missed)) => Ok(Event::comment(format!("you missed {missed}"))),
            Err(RecvError::Closed) => return None,
        };
        Some((event, words))
    })
}

async fn say(words: Sender<String>, mut request: Request) -> Result<StatusCode, Problem> {
    request.gather_limit(4096);
    let text = String::from_utf8(request.bytes().await?.into())
        .map_err(|_| Problem::bad_request("what is said must be UTF-8"))?;
    // Nobody may be listening.
    let _ = words.send(text);
    Ok(StatusCode::NO_CONTENT)
}

fn main() -> Result<(), RunError> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let words = Sender::new(WAITING);
    let listeners = words.clone();
    let router = Router::new()
        .get("/", async |_: Request| Response::html(PAGE))
        .get("/events", move |_: Request| {
            let words = listeners.subscribe();
            async { Events::new(heard(words)) }
        })
        .post("/say", move |request| say(words.clone(), request));
    wireworks::server::http::run(&address, router)
}
