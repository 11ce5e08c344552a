//! A feed on the standard input.

use std::io::Read;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::container::Container;
use super::{feed, finish};
use crate::server::hls::live::name::StreamName;
use crate::server::hls::live::streams::{Streams, WhoPublishes};

/// Bytes that are read at once.
const READ: usize = 64 * 1024;
/// Reads that wait to be served.
const WAITING: usize = 4;

/// Publishes what comes on the standard input as the stream `name`, to its end, which is the end of the stream.
pub async fn take(streams: Streams, name: StreamName) {
    let name = name.to_string();
    let (sender, mut pieces) = mpsc::channel::<Bytes>(WAITING);
    // A read of the standard input cannot be cut short: the thread ends with its input, or with the process.
    let reading = std::thread::Builder::new().name("stdin".into()).spawn(move || read(&sender));
    if let Err(error) = reading {
        tracing::error!(%error, "the standard input cannot be read");
        return;
    }
    let mut publisher = match streams.publish(&name, WhoPublishes { by: "stdin", peer: None }) {
        Ok(publisher) => publisher,
        Err(refused) => {
            tracing::error!(stream = name, reason = %refused, "the standard input cannot be published");
            return;
        }
    };
    let mut container = Container::default();
    let fed = async {
        loop {
            let bytes = tokio::select! {
                bytes = pieces.recv() => bytes,
                () = streams.stopping() => None,
            };
            let Some(bytes) = bytes else { break };
            feed(&mut container, &mut publisher, &bytes).await?;
        }
        finish(&mut container, &mut publisher).await
    };
    if let Err(error) = fed.await {
        tracing::warn!(stream = name, reason = %error, "the feed has ended");
    }
    publisher.finish();
}

fn read(sender: &mpsc::Sender<Bytes>) {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = vec![0; READ];
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if sender.blocking_send(Bytes::copy_from_slice(&buffer[..count])).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::error!(%error, "the standard input cannot be read");
                return;
            }
        }
    }
}
