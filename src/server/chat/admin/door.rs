//! The socket in the folder of a server that runs, by which the commands ask it.
//!
//! Only the user that the server runs as, and root, may connect: by the mode of the file, and by what the system says of whoever connects. A connection is for one request: a line
//! of JSON, answered by lines.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use super::act::Act;
use super::request::{Line, Request};

/// The name of the socket.
const FILE: &str = "admin.sock";

/// Bytes of a request at most.
const LONGEST: u64 = 64 * 1024;

/// Requests at once, at most.
const AT_ONCE: usize = 8;

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Rows that wait to be written.
const ROWS: usize = 256;

/// How long it rests after the system had no room for a connection.
const REST: Duration = Duration::from_millis(100);

/// A path of a socket in this folder that the system takes: longer ones than 107 bytes it does not, so the folder is named by a number then.
pub(super) fn path(folder: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = folder.join(FILE);
    if path.as_os_str().len() < 100 {
        return Ok((path, None));
    }
    let folder = File::open(folder)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}/{FILE}", folder.as_raw_fd()));
    Ok((short, Some(folder)))
}

/// The socket, which is removed with this.
#[derive(Debug)]
pub(in crate::server::chat) struct Door {
    listener: StdListener,
    file: Remove,
    act: Act,
}

impl Door {
    /// Listens in a folder that nobody else uses.
    pub(in crate::server::chat) fn open(folder: &Path, act: Act) -> io::Result<Self> {
        let file = folder.join(FILE);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // One that a server has left which was killed.
            _ => {}
        }
        let (short, _folder) = path(folder)?;
        let listener = StdListener::bind(short)?;
        let remove = Remove(file.clone());
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, file: remove, act })
    }

    /// Answers as long as the process runs.
    pub(in crate::server::chat) async fn serve(self) {
        let Self { listener, file, act } = self;
        let listener = match UnixListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the socket for administration cannot be used"),
        };
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "no connection for administration");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            let act = act.clone();
            tokio::spawn(async move {
                if let Err(error) = answer(&act, stream).await {
                    tracing::debug!(%error, "administration");
                }
                drop(place);
            });
        }
        drop(file);
    }
}

/// The file of the socket, until it is removed.
#[derive(Debug)]
struct Remove(PathBuf);

impl Drop for Remove {
    fn drop(&mut self) {
        // The next server removes what is left.
        let _ = fs::remove_file(&self.0);
    }
}

async fn answer(act: &Act, stream: UnixStream) -> io::Result<()> {
    let (peer, own) = (stream.peer_cred()?.uid(), rustix::process::geteuid().as_raw());
    let (reader, writer) = stream.into_split();
    let mut writer = BufWriter::new(writer);
    if peer != own && peer != 0 {
        return say(&mut writer, &Line::Error("only the user of the server, and root, may do that".into()))
            .await;
    }
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LONGEST));
    let read = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await;
    read.map_err(|_| io::ErrorKind::TimedOut)??;
    let request: Request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => {
            return say(&mut writer, &Line::Error(format!("the server does not know this: {error}"))).await;
        }
    };
    tracing::info!(?request, "administration");
    let (out, mut rows) = mpsc::channel::<Value>(ROWS);
    let acting = async {
        let done = act.act(request, &out).await;
        drop(out);
        done
    };
    let writing = async {
        while let Some(row) = rows.recv().await {
            say(&mut writer, &Line::Row(row)).await?;
        }
        Ok::<_, io::Error>(writer)
    };
    let (done, writer) = tokio::join!(acting, writing);
    let last = match done {
        Ok(sentence) => Line::Done(sentence),
        Err(error) => Line::Error(error.to_string()),
    };
    let mut writer = writer?;
    say(&mut writer, &last).await?;
    writer.flush().await
}

async fn say<W: tokio::io::AsyncWrite + Unpin>(writer: &mut W, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    writer.write_all(&text).await?;
    if matches!(line, Line::Error(_)) { writer.flush().await } else { Ok(()) }
}
