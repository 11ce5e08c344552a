//! Asking whoever has the folder: the server that runs, or nobody, and then it is done here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::act::{Act, AdminError};
use super::door;
use super::request::{Line, Request};
use crate::net::workers::{Blocking, BlockingConfig};
use crate::server::chat::accounts::config::{Attempts, ConfigError};
use crate::server::chat::accounts::{Accounts, Config};
use crate::server::chat::house::House;
use crate::server::chat::house::settings::Settings;
use crate::server::chat::media::KEYS;
use crate::server::chat::server::secret;
use crate::server::chat::store::sqlite::{OpenError, Sqlite, SqliteConfig};
use crate::server::chat::store::{Store, StoreError};
use crate::server::keys::Keys;

/// The database of a chat in its folder.
const DATABASE: &str = "chat.db";

/// Rows that wait to be shown.
const ROWS: usize = 256;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no chat in the folder.
    #[error("there is no chat in {}: --data says where it is", .0.display())]
    NoChat(PathBuf),
    /// The folder is in use, and nobody answers.
    #[error("{} is in use, and its server does not answer: {source}", folder.display())]
    Silent {
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server ended before it had answered.
    #[error("the server ended before it had answered")]
    Ended,
    /// The server does not do it.
    #[error("{0}")]
    Server(String),
    /// The folder cannot be used.
    #[error("cannot use the folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What it holds cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Accounts cannot be used.
    #[error(transparent)]
    Accounts(#[from] ConfigError),
    /// It was not done.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A row could not be shown.
    #[error("cannot write what was found")]
    Output(#[source] io::Error),
}

/// Takes rows as they come.
pub trait Rows {
    /// Takes one.
    ///
    /// # Errors
    /// It cannot be shown.
    fn take(&mut self, row: Value) -> io::Result<()>;
}

/// Has a request done in a folder, and gives what is said in the end.
///
/// # Errors
/// Why it was not done.
pub async fn ask(folder: &Path, request: Request, rows: &mut impl Rows) -> Result<String, AskError> {
    let failed = |source| AskError::Folder { path: folder.to_owned(), source };
    if let Ok(stream) = connect(folder).await {
        return server(folder, stream, &request, rows).await;
    }
    let begins = matches!(request, Request::UserAdd { .. });
    // The first account may be there before the server.
    if !begins && !folder.join(DATABASE).try_exists().map_err(failed)? {
        return Err(AskError::NoChat(folder.to_owned()));
    }
    match Sqlite::open(folder, &SqliteConfig::default()) {
        // A server that is about to listen, or to end; or another command.
        Err(OpenError::InUse(_)) => {
            let silent = |source| AskError::Silent { folder: folder.to_owned(), source };
            server(folder, connect(folder).await.map_err(silent)?, &request, rows).await
        }
        store => here(folder, store?, request, rows).await,
    }
}

async fn connect(folder: &Path) -> io::Result<UnixStream> {
    let (path, _folder) = door::path(folder)?;
    UnixStream::connect(path).await
}

/// Has the server do it.
async fn server(
    folder: &Path,
    stream: UnixStream,
    request: &Request,
    rows: &mut impl Rows,
) -> Result<String, AskError> {
    let silent = |source| AskError::Silent { folder: folder.to_owned(), source };
    let (reader, mut writer) = stream.into_split();
    let mut line = serde_json::to_vec(request).map_err(|error| silent(error.into()))?;
    line.push(b'\n');
    writer.write_all(&line).await.map_err(silent)?;
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await.map_err(silent)? {
        match serde_json::from_str(&line).map_err(|error| silent(error.into()))? {
            Line::Row(row) => rows.take(row).map_err(AskError::Output)?,
            Line::Done(sentence) => return Ok(sentence),
            Line::Error(error) => return Err(AskError::Server(error)),
        }
    }
    Err(AskError::Ended)
}

/// Does it.
async fn here(
    folder: &Path,
    store: Sqlite,
    request: Request,
    rows: &mut impl Rows,
) -> Result<String, AskError> {
    let failed = |source| AskError::Folder { path: folder.to_owned(), source };
    let store: Arc<dyn Store> = Arc::new(store);
    let secret = secret(folder).map_err(failed)?;
    let (house, writing) = House::open(Arc::clone(&store), Settings::default(), &secret).await?;
    let writing = tokio::spawn(writing);
    let config = Config { attempts: Attempts::NONE, ..Config::default() };
    let clock = house.clone();
    let lane = Blocking::new(BlockingConfig { threads: 1, ..BlockingConfig::default() });
    let accounts = Accounts::new(store, lane, config, &secret, Arc::new(move || clock.now()))?;
    let keys = folder.join(KEYS);
    let rotate = move || Keys::open(&keys)?.rotate(&keys).map(drop);
    let act = Act::new(house, accounts, Arc::new(rotate));
    let (out, mut found) = mpsc::channel(ROWS);
    let acting = async {
        let done = act.act(request, &out).await;
        drop(out);
        done
    };
    let showing = async {
        while let Some(row) = found.recv().await {
            rows.take(row)?;
        }
        Ok(())
    };
    let (done, shown) = tokio::join!(acting, showing);
    drop(act);
    // It ends with the last handle of the house.
    let _ = writing.await;
    shown.map_err(AskError::Output)?;
    Ok(done?)
}

/// An absolute path: whoever opens it may be in another folder.
pub(super) fn absolute(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
    ) {
        Ok(folder) => Ok(path.file_name().map_or_else(|| folder.clone(), |name| folder.join(name))),
        Err(error) => Err(error),
    }
}
