//! The commands of `wireworks rpc`: a server to try things on, and what asks, calls and measures any server.

pub mod bench;
pub mod call;
pub mod list;
pub mod ping;
pub mod remote;
pub mod serve;

use std::io;

use super::Failure;
use super::client::BadTarget;
use super::services::ServicesError;
use crate::net::tls::TlsError;
use crate::server::RunError;

/// Why a command of a client did not do what it was asked. Each message is one line.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The address.
    #[error(transparent)]
    Target(#[from] BadTarget),
    /// Options that make no sense together, or a name that there is not.
    #[error("{0}")]
    Usage(String),
    /// Certificates or keys.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A call.
    #[error(transparent)]
    Call(#[from] Failure),
    /// There is no such service or method.
    #[error("{0}")]
    Unknown(String),
    /// The system.
    #[error(transparent)]
    System(#[from] io::Error),
    /// It was reached, and takes no calls.
    #[error("it takes no calls: {0}")]
    Unhealthy(&'static str),
    /// A second signal, before there was a report.
    #[error("interrupted")]
    Interrupted,
    /// The report has them.
    #[error("{0} calls failed, by the report")]
    Failed(u64),
}

impl RpcError {
    /// Whether whoever reads our output has left, and does not want to know.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        matches!(self, Self::System(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit status: 64 for a command line that makes no sense, 1 for anything else that did not work, and for a call that was answered with an
    /// error 16 and the number of its code, as grpcurl has it with 64. 130 when it was interrupted twice.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Target(_) | Self::Usage(_) => 64,
            Self::Interrupted => 130,
            Self::Call(failure) => 16 + u8::try_from(failure.status.code.number()).unwrap_or(0),
            _ => 1,
        }
    }
}

/// Why a server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The services.
    #[error(transparent)]
    Services(#[from] ServicesError),
    /// The server.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Writes to stdout.
fn print(text: &str) -> Result<(), RpcError> {
    Ok(io::Write::write_all(&mut io::stdout(), text.as_bytes())?)
}

/// Runs what has to wait on a runtime of its own.
fn block_on<T>(future: impl Future<Output = Result<T, RpcError>>) -> Result<T, RpcError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};
    use toml::Table;

    use super::*;
    use crate::server::command::names_every_option;

    #[test]
    fn the_manual_names_every_option_of_a_client_and_its_default() {
        for command in [
            list::ListArgs::augment_args(Command::new("ls")),
            list::DescribeArgs::augment_args(Command::new("describe")),
            call::Args::augment_args(Command::new("call")),
            ping::Args::augment_args(Command::new("ping")),
            bench::Args::augment_args(Command::new("bench")),
        ] {
            names_every_option(&command, &Table::new(), &["rpc.md#Options of a client"]);
        }
    }
}
