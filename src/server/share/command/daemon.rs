//! `wireworks share daemon`: many torrents, for as long as the process runs, with a page, an API and Transmission's RPC.
//!
//! Its [`Options`] can also stand in a TOML file, under the same names; [`Config`] is what they come to. What people change while it runs is kept in its folder.

mod args;
mod config;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use self::args::{Args, Options};
pub use self::config::{Config, DEFAULT_DATA, DEFAULT_LISTEN, Peers};
use crate::server::RunError;
use crate::server::credentials::{Credentials, CredentialsError, Scheme};
use crate::server::fresh::Fresh;
use crate::server::http::middleware::Stack;
use crate::server::http::middleware::auth::Auth;
use crate::server::http::middleware::security::SecurityHeaders;
use crate::server::http::server::Server;
use crate::server::process::{Outcome, Process, announce};
use crate::server::share::client::{Client, StartError};
use crate::server::share::daemon::{Daemon, StoreError, Watched, routes};
use crate::server::share::filter::{FilterError, IpFilter};

/// The name of this server in what it prints.
pub const NAME: &str = "daemon";

/// What browsers show where they ask who it is.
const REALM: &str = "wireworks share";

/// Why the command cannot do what it was asked. Each message is one line; causes are in `source`.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The client cannot begin.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its state cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A folder cannot be made, or its name is no text.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The list of addresses cannot be used.
    #[error(transparent)]
    Filter(#[from] FilterFile),
    /// Nobody can be asked who it is.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The server cannot run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Why a file of addresses is of no use.
#[derive(Debug, thiserror::Error)]
pub enum FilterFile {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of it is none.
    #[error("{}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        source: FilterError,
    },
}

/// Shares until a signal, or until somebody who may ends it. Prints a line `listening daemon ADDR` for each address of HTTP, and one
/// `listening share :PORT` for its peers.
///
/// # Errors
/// An address cannot be listened on, or a file or folder cannot be used.
pub fn run(config: &Config) -> Result<Outcome, DaemonError> {
    let common = &config.server;
    let data = whole(&config.data)?;
    let folder = config.folder.as_deref().map_or_else(|| Ok(data.join("files")), whole)?;
    let watch = config.watch.as_deref().map(whole).transpose()?;
    // What the peers do runs on threads of its own, so that no film that is watched holds it up.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("share").build();
    let runtime = runtime.map_err(RunError::from)?;
    let mut process = Process::new(common.threading, common.threads, common.drain_timeout);
    let (client, daemon) = {
        let _entered = runtime.enter();
        let client = Client::start(config.peers.settings())?;
        (client.clone(), Daemon::open(client, &data, &folder)?)
    };
    if let Some(file) = &config.ip_filter {
        follow(file, &daemon, &mut process)?;
    }
    let auth = config.basic_auth.clone().map(|typed| {
        let file = typed.file().into_iter().collect();
        Fresh::new(file, move || {
            let users = Credentials::load(Scheme::Basic, &typed)?;
            Ok::<_, CredentialsError>(
                users.iter().fold(Auth::new(REALM), |auth, (name, word)| auth.user(name, word)),
            )
        })
    });
    let auth = auth.transpose()?.map(Auth::following);
    // Where all show who they are, a name that leads here by somebody else's DNS is of no use to anybody.
    let hosts = auth.is_none().then(|| config.host.clone());
    Server::new(routes(&daemon, hosts))
        .name(NAME)
        .configured(common)
        .stack(Stack {
            catch_panics: true,
            security_headers: Some(SecurityHeaders::default()),
            auth,
            ..Stack::default()
        })
        .combined_log(common.access_log.clone())
        .prepare(&mut process)?;
    let (drain, handle) = (process.drain.clone(), process.handle());
    let running = runtime.spawn(daemon.clone().run(drain.clone()));
    if let Some(watch) = watch {
        runtime.spawn(Watched::new(watch).run(daemon.clone(), drain));
    }
    runtime.spawn(async move {
        daemon.closing().await;
        handle.stop();
    });
    let outcome = process.run(move |addresses| {
        announce(addresses);
        super::view::listening(&client);
    });
    // Torrents are stopped, and what is there of them is kept.
    let ended = runtime.block_on(running);
    runtime.shutdown_background();
    let outcome = outcome.map_err(RunError::from)?;
    ended.map_err(|error| RunError::from(std::io::Error::other(error)))?;
    Ok(outcome)
}

/// A folder by its whole name, made if it is not there. Its name has to be text: the API tells it.
fn whole(folder: &Path) -> Result<PathBuf, DaemonError> {
    let failed = |source| DaemonError::Folder { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let whole = std::fs::canonicalize(folder).map_err(failed)?;
    if whole.to_str().is_none() {
        return Err(failed(std::io::Error::other("its name is not UTF-8")));
    }
    Ok(whole)
}

/// Talks only to addresses that are not in a file, which is read again when it changes.
fn follow(file: &Path, daemon: &Daemon, process: &mut Process) -> Result<(), FilterFile> {
    let (path, daemon) = (file.to_owned(), daemon.clone());
    let fresh = Fresh::new(vec![path.clone()], move || {
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| FilterFile::Read { path: path.clone(), source })?;
        let filter = IpFilter::read(&text);
        daemon.set_filter(filter.map_err(|source| FilterFile::Line { path: path.clone(), source })?);
        Ok(())
    })?;
    fresh.follow(process);
    Ok(())
}
