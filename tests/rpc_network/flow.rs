//! Calls with streams, of every kind, as a caller makes them.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wireworks::proto::rpc::metadata::Metadata;
use wireworks::server::rpc::Failure;

use super::world::{Ended, ID, LedgerClient, PIECES, Work};

/// Which side says more than one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The server.
    List,
    /// The caller.
    Sum,
    /// Both, in turns.
    Chat,
}

pub(super) const KINDS: [Kind; 3] = [Kind::List, Kind::Sum, Kind::Chat];

/// A call with a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub(super) kind: Kind,
    /// It must not be done twice.
    pub(super) once: bool,
    pub(super) id: u64,
    /// The pause before each message; the server's, or the caller's where only the caller has some.
    pub(super) millis: u64,
    pub(super) timeout: Duration,
}

/// How it ended, and how many messages of the answer had come by then.
pub(super) async fn flow(client: &LedgerClient, flow: Flow) -> (Ended, u64) {
    let (begun, heard) = (Instant::now(), Cell::new(0));
    let outcome = match flow.kind {
        Kind::List => list(client, flow, &heard).await,
        Kind::Sum => sum(client, flow, &heard).await,
        Kind::Chat => chat(client, flow, &heard).await,
    };
    let outcome = outcome.map(|()| flow.id);
    (Ended { id: flow.id, outcome, took: begun.elapsed() }, heard.get())
}

/// Counts a message of the answer, which has to be the next one.
fn hear(heard: &Cell<u64>, number: u64) {
    assert_eq!(number, heard.get());
    heard.set(number + 1);
}

async fn list(client: &LedgerClient, flow: Flow, heard: &Cell<u64>) -> Result<(), Failure> {
    let Flow { once, id, millis, timeout, .. } = flow;
    let work = Work { id, millis };
    let mut answers = match once {
        true => client.write_list(work).timeout(timeout).await?,
        false => client.read_list(work).timeout(timeout).await?,
    };
    while let Some(number) = answers.next().await {
        hear(heard, number?);
    }
    assert_eq!(heard.get(), PIECES, "the end came too early");
    Ok(())
}

async fn sum(client: &LedgerClient, flow: Flow, heard: &Cell<u64>) -> Result<(), Failure> {
    let Flow { once, id, millis, timeout, .. } = flow;
    let deadline = Instant::now() + timeout;
    let metadata = metadata(id);
    let mut upload = match once {
        true => client.write_sum().metadata(metadata).timeout(timeout).await?,
        false => client.read_sum().metadata(metadata).timeout(timeout).await?,
    };
    for number in 0..PIECES {
        let next = Instant::now() + Duration::from_millis(millis);
        sleep_until(next.min(deadline)).await;
        upload.send(&Work { id: number, millis }).await?;
    }
    assert_eq!(upload.finish().await?, PIECES);
    hear(heard, 0);
    Ok(())
}

async fn chat(client: &LedgerClient, flow: Flow, heard: &Cell<u64>) -> Result<(), Failure> {
    let Flow { once, id, millis, timeout, .. } = flow;
    let metadata = metadata(id);
    let mut chat = match once {
        true => client.write_chat().metadata(metadata).timeout(timeout).await?,
        false => client.read_chat().metadata(metadata).timeout(timeout).await?,
    };
    for number in 0..PIECES {
        chat.send(&Work { id: number, millis }).await?;
        let answer = chat.next().await.expect("the end came too early");
        hear(heard, answer?);
    }
    chat.finish();
    match chat.next().await {
        None => Ok(()),
        Some(more) => more.map(|number| panic!("{number} was not asked for")),
    }
}

fn metadata(id: u64) -> Metadata {
    Metadata::new().with(ID, id.to_string()).unwrap()
}
