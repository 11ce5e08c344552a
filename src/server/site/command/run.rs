//! From a configuration to a server that runs, and down again.

use super::application;
use super::config::Config;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::server::RunError;
use crate::server::command::ConfigError;
use crate::server::credentials::CredentialsError;
use crate::server::http::files::FilesError;
use crate::server::http::middleware::Stack;
use crate::server::http::middleware::cors::CorsError;
use crate::server::http::server::Server;
use crate::server::process::{Outcome, Process, announce};
use crate::server::ws::BadSubprotocol;
use crate::server::ws::metrics::SocketMetrics;

/// Why the command cannot do what it was asked. Each message is one line; causes are in `source`.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder or how to serve it is wrong.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The origins are wrong.
    #[error(transparent)]
    Cors(#[from] CorsError),
    /// Names, passwords and tokens are wrong.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A subprotocol cannot have such a name.
    #[error(transparent)]
    Subprotocol(#[from] BadSubprotocol),
    /// The server cannot run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Runs a server until a signal ends it. Prints a line `listening http ADDR` for each listener when it is ready.
///
/// # Errors
/// The configuration is wrong, a file cannot be read, or an address cannot be listened on.
pub fn run(config: &Config) -> Result<Outcome, CommandError> {
    let common = &config.server;
    let mut process = Process::new(common.threading, common.threads, common.drain_timeout);
    prepare(config, &mut process)?;
    Ok(process.run(announce).map_err(RunError::from)?)
}

/// Reads what the configuration names, binds its sockets, and puts the server into `process`, whose threads and drain it
/// uses.
///
/// # Errors
/// As for [`run`].
pub fn prepare(config: &Config, process: &mut Process) -> Result<(), CommandError> {
    let blocking = Blocking::new(BlockingConfig::default());
    let stack = application::stack(&config.replies, &blocking)?;
    let users = stack.auth.as_ref().and_then(|auth| auth.followed().cloned());
    server(config, stack, blocking)?.prepare(process)?;
    users.iter().for_each(|users| users.follow(process));
    Ok(())
}

/// The server of a configuration.
fn server(config: &Config, stack: Stack, blocking: Blocking) -> Result<Server, CommandError> {
    let sockets = config.server.metrics.is_some().then(SocketMetrics::new);
    let mut server = Server::new(application::handler(config, &blocking, sockets.as_ref())?)
        .name(config.site.name())
        .stack(stack)
        .settings(config.settings.clone())
        .configured(&config.server)
        .workers(blocking);
    if let Some(target) = config.server.access_log.clone() {
        server = server.access_log(application::log_format(config.access_log_format), target);
    }
    if let Some(sockets) = sockets {
        server = server.show(move |metrics| sockets.register(metrics));
    }
    Ok(server)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::server::command::ServerConfig;
    use crate::server::http::middleware::access_log::Target;

    #[test]
    fn what_cannot_be_read_is_an_error_before_anything_runs() {
        let good = || Config {
            server: ServerConfig::listening("127.0.0.1:0".parse().unwrap()),
            ..Config::default()
        };
        let missing = || PathBuf::from("/nonexistent/file");
        let mut tls = good();
        tls.server.tls.certs.push(missing());
        tls.server.tls.keys.push(missing());
        let auth = Config {
            replies: super::super::Replies {
                basic_auth: Some("/nonexistent/file".to_owned().into()),
                ..good().replies
            },
            ..good()
        };
        let mut log = good();
        log.server.access_log = Some(Target::File(missing()));
        let dir = Config { dir: Some(missing()), ..good() };
        for config in [tls, auth, log, dir] {
            let error = run(&config).map(drop).unwrap_err().to_string();
            assert!(error.contains("/nonexistent/file"), "{error}");
        }
    }
}
