//! The least that can be called a call: `length u32 | number u64 | bytes`, answered with the same; what is there leaves in one write.
//!
//! A reader and a writer task an end, so neither waits for the other. The writer goes to the back of the queue of tasks before it looks what there is to
//! write; short frames are gathered, long ones are written from where they are.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, oneshot};

use crate::end::{End, Io};
use crate::load::Echo;
use crate::support::Result;

/// From so many bytes on a frame is not copied to the others.
const LONG: usize = 16 << 10;

type Frame = (u64, Bytes);

pub(crate) async fn serve(end: End) -> Result<()> {
    let answer = |io| async move {
        let (reader, writer) = split(io);
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(write(writer, receiver));
        read(reader, |frame| drop(sender.send(frame))).await;
    };
    end.accept("raw", answer).await
}

#[derive(Clone)]
pub(crate) struct Client {
    sender: mpsc::UnboundedSender<Frame>,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Bytes>>>>,
    next: Arc<AtomicU64>,
}

pub(crate) async fn connect(addr: SocketAddr, end: End) -> Result<Client> {
    let (reader, writer) = split(end.connect(addr).await?);
    let (sender, receiver) = mpsc::unbounded_channel();
    let client = Client { sender, waiting: Arc::default(), next: Arc::default() };
    let waiting = Arc::clone(&client.waiting);
    tokio::spawn(write(writer, receiver));
    tokio::spawn(read(reader, move |(number, bytes)| {
        let sender = waiting.lock().expect("no panic").remove(&number);
        sender.map(|sender| sender.send(bytes));
    }));
    Ok(client)
}

impl Echo for Client {
    async fn echo(&self, bytes: Bytes) -> Result<Bytes> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().expect("no panic").insert(number, sender);
        self.sender.send((number, bytes))?;
        Ok(receiver.await?)
    }
}

/// Cuts frames to the end of the stream.
async fn read(mut reader: ReadHalf<Box<dyn Io>>, mut take: impl FnMut(Frame)) {
    let mut buffer = BytesMut::with_capacity(64 << 10);
    loop {
        while let Some((mut head, length)) = buffer.get(..12).map(|head| (head, head.len())) {
            let (size, number) = (head.get_u32() as usize, head.get_u64());
            if buffer.len() < length + size {
                buffer.reserve(length + size - buffer.len());
                break;
            }
            buffer.advance(length);
            take((number, buffer.split_to(size).freeze()));
        }
        buffer.reserve(16 << 10);
        match reader.read_buf(&mut buffer).await {
            Ok(1..) => {}
            _ => return,
        }
    }
}

async fn write(mut writer: WriteHalf<Box<dyn Io>>, mut frames: mpsc::UnboundedReceiver<Frame>) {
    let mut buffer = BytesMut::with_capacity(64 << 10);
    while let Some(first) = frames.recv().await {
        tokio::task::yield_now().await;
        let mut next = Some(first);
        while let Some((number, bytes)) = next {
            buffer.put_u32(u32::try_from(bytes.len()).expect("less than 4 GiB"));
            buffer.put_u64(number);
            if bytes.len() < LONG {
                buffer.put(bytes);
            } else {
                let written = async {
                    writer.write_all(&buffer).await?;
                    buffer.clear();
                    writer.write_all(&bytes).await
                };
                if written.await.is_err() {
                    return;
                }
            }
            next = frames.try_recv().ok();
        }
        if writer.write_all(&buffer).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        buffer.clear();
    }
}
