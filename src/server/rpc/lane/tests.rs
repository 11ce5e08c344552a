//! Long compressed messages of every kind of call, while the workers are held up.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use futures_util::StreamExt;

use super::*;
use crate::net::resilience::retry;
use crate::net::workers::BlockingConfig;
use crate::server::process::Running;
use crate::server::rpc::client::Policies;
use crate::server::rpc::link::mailbox::{Compressing, Mailbox};
use crate::server::rpc::{Channel, Context, Requests, ResponseStream, Settings};
use crate::service;

service! {
    /// Texts.
    service Texts as TextsClient in texts {
        /// The same text.
        1 => unary echo(String) -> String;
        /// A text of so many bytes.
        2 => unary make(u32) -> String;
        /// Two of them.
        3 => server_stream twice(u32) -> String;
        /// The bytes of all texts.
        4 => client_stream count(String) -> u64;
        /// The bytes of a text.
        5 => unary length(String) -> u64;
        /// So many bytes that do not become smaller.
        6 => unary noise(u32) -> Vec<u8>;
    }
}

/// A text that becomes much smaller.
fn text(size: usize) -> String {
    "again and ".repeat(size / 10 + 1)[..size].to_owned()
}

struct Writer;

impl Texts for Writer {
    async fn echo(&self, _: Context, text: String) -> Result<String, Status> {
        Ok(text)
    }

    async fn make(&self, _: Context, size: u32) -> Result<String, Status> {
        Ok(text(size as usize))
    }

    async fn twice(&self, _: Context, size: u32) -> Result<ResponseStream<String>, Status> {
        Ok(futures_util::stream::iter([Ok(text(size as usize)), Ok(text(size as usize))]).boxed())
    }

    async fn count(&self, _: Context, mut texts: Requests<String>) -> Result<u64, Status> {
        let mut sum = 0;
        while let Some(text) = texts.next().await {
            sum += text?.len() as u64;
        }
        Ok(sum)
    }

    async fn noise(&self, _: Context, size: u32) -> Result<Vec<u8>, Status> {
        Ok(std::iter::repeat_with(|| fastrand::u8(..)).take(size as usize).collect())
    }

    async fn length(&self, _: Context, text: String) -> Result<u64, Status> {
        Ok(text.len() as u64)
    }
}

/// What either side compresses.
fn compressing(compress: bool) -> Settings {
    Settings { compress_from: compress.then_some(1000), ..Settings::default() }
}

/// A server with one worker, and a client on one connection to it, which knows what the server reads.
async fn serve(client: bool, server: bool, queue: usize) -> (Running, TextsClient, Blocking) {
    let workers = Blocking::new(BlockingConfig { threads: 1, queue });
    let services = texts::serve(Writer).server().unwrap().listen("127.0.0.1:0").threads(1);
    let running = services.settings(compressing(server)).workers(workers.clone()).start().unwrap();
    let retry = retry::Policy { attempts: 1, ..retry::Policy::DEFAULT };
    let channel = Channel::to([running.tcp().unwrap().to_string()]).unwrap();
    let channel = channel.settings(compressing(client)).policies(Policies { retry, ..Policies::default() });
    let client = TextsClient::new(channel.lazy());
    assert_eq!(client.length(String::new()).await.unwrap(), 0);
    (running, client, workers)
}

/// Holds up the only worker until the sender is dropped.
async fn hold_up(workers: &Blocking) -> Sender<()> {
    let (release, gate) = channel::<()>();
    let job = workers.submit(Priority::High, move || gate.recv().is_ok()).unwrap();
    tokio::spawn(job);
    until(|| workers.stats().running == 1).await;
    release
}

async fn until(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

const LONG: usize = 300_000;

/// The jobs that were done, when there are none any more: a job's result is there a moment before it counts.
async fn settled(workers: &Blocking) -> u64 {
    until(|| (workers.stats().depth, workers.stats().running) == (0, 0)).await;
    workers.stats().done
}

/// Which call is made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Request,
    Answer,
    Requests,
    Answers,
}

async fn long(client: TextsClient, kind: Kind) -> usize {
    match kind {
        Kind::Request => client.length(text(LONG)).await.unwrap() as usize,
        Kind::Answer => client.make(LONG as u32).await.unwrap().len(),
        Kind::Requests => {
            let mut upload = client.count().await.unwrap();
            upload.send(&text(LONG / 2)).await.unwrap();
            upload.send(&text(LONG / 2)).await.unwrap();
            upload.finish().await.unwrap() as usize
        }
        Kind::Answers => {
            let mut answers = client.twice(LONG as u32 / 2).await.unwrap();
            let mut sum = 0;
            while let Some(answer) = answers.next().await {
                let answer = answer.unwrap();
                assert_eq!(answer, text(LONG / 2));
                sum += answer.len();
            }
            sum
        }
    }
}

#[tokio::test]
async fn the_workers_have_long_messages_while_short_calls_go_on() {
    for (kind, jobs) in [(Kind::Request, 1), (Kind::Answer, 1), (Kind::Requests, 2), (Kind::Answers, 2)] {
        let requests = matches!(kind, Kind::Request | Kind::Requests);
        let (_running, client, workers) = serve(requests, !requests, 8).await;
        let gate = hold_up(&workers).await;
        let call = tokio::spawn(long(client.clone(), kind));
        until(|| workers.stats().depth == 1).await;
        for _ in 0..3 {
            // Short ones are compressed where they are, and wait for nobody.
            assert_eq!(client.echo(text(2000)).await.unwrap(), text(2000), "{kind:?}");
        }
        assert!(!call.is_finished() && workers.stats().depth == 1, "{kind:?}");
        drop(gate);
        assert_eq!(call.await.unwrap(), LONG, "{kind:?}");
        assert_eq!(settled(&workers).await, 1 + jobs, "{kind:?}");
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_let_go() {
    for kind in [Kind::Request, Kind::Answer, Kind::Requests, Kind::Answers] {
        let requests = matches!(kind, Kind::Request | Kind::Requests);
        let (_running, client, workers) = serve(requests, !requests, 8).await;
        let gate = hold_up(&workers).await;
        let call = tokio::spawn(long(client.clone(), kind));
        until(|| workers.stats().depth == 1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        // The cancellation goes before this on the same connection.
        assert_eq!(client.length(String::new()).await.unwrap(), 0);
        drop(gate);
        until(|| workers.stats().cancelled == 1).await;
        assert_eq!(settled(&workers).await, 1, "{kind:?}");
    }
}

#[tokio::test]
async fn when_the_workers_are_busy_requests_are_refused_and_answers_go_as_they_are() {
    let (_running, client, workers) = serve(true, true, 1).await;
    let gate = hold_up(&workers).await;
    let waits = workers.submit(Priority::Normal, || ()).unwrap();
    let failed = client.length(text(LONG)).await.unwrap_err();
    assert_eq!(failed.to_string(), "resource_exhausted: all workers are busy");
    assert!(matches!(failed.status.advice, Advice::Later(_)), "no handler has seen it: {failed:?}");
    let mut upload = client.count().await.unwrap();
    upload.send(&text(LONG)).await.unwrap();
    let failed = upload.finish().await.unwrap_err();
    assert_eq!(failed.to_string(), "resource_exhausted: all workers are busy");
    assert!(matches!(failed.status.advice, Advice::Again(_)), "a handler has: {failed:?}");
    assert_eq!(client.make(LONG as u32).await.unwrap(), text(LONG));
    drop(gate);
    waits.await.unwrap();
    assert_eq!(settled(&workers).await, 2);
    // Both ways, once there is a worker for it.
    assert_eq!(client.echo(text(LONG)).await.unwrap(), text(LONG));
    assert_eq!(settled(&workers).await, 4);
}

#[tokio::test]
async fn a_long_message_that_cannot_be_read_is_told_as_a_short_one_is() {
    let lane = Arc::new(Lane::new(Blocking::new(BlockingConfig { threads: 1, queue: 8 })));
    let message = |bytes: Vec<u8>| Message { bytes: bytes.into(), compressed: true, credit: 7 };
    let frame = compress::compress(text(LONG).as_bytes()).unwrap();
    let plain = lane.decompress(message(frame.to_vec()), LONG).await.unwrap();
    assert_eq!((plain.bytes.len(), plain.compressed, plain.credit), (LONG, false, 7));
    for (bytes, limit, told) in [
        (frame.to_vec(), LONG - 1, "a message cannot be read: "),
        (frame[..frame.len() - 1].to_vec(), LONG, "a message cannot be read: it is not zstd"),
    ] {
        let status = lane.decompress(message(bytes), limit).await.unwrap_err();
        assert_eq!((status.code, status.advice), (Code::InvalidArgument, Advice::Never));
        assert!(status.text.starts_with(told), "{status}");
    }
}

#[tokio::test]
async fn what_the_workers_cannot_make_smaller_is_sent_as_it_is_and_they_are_asked_once() {
    let (_running, client, workers) = serve(false, true, 8).await;
    assert_eq!(client.noise(LONG as u32).await.unwrap().len(), LONG);
    assert_eq!(settled(&workers).await, 1);
}

#[test]
fn without_workers_it_is_done_at_once() {
    let mailbox = Mailbox::default();
    let message = || Message { bytes: text(LONG).into(), ..Message::default() };
    let sent = |compressing| match compressing {
        Compressing::Done(message) => message.compressed,
        Compressing::Elsewhere(_) => panic!("there is nobody else"),
    };
    assert!(!sent(mailbox.compress(message())), "the peer has not said what it reads");
    mailbox.set_compression(compressing(true).compression(&Settings::default().hello()));
    assert!(sent(mailbox.compress(message())));
}
