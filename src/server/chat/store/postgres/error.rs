//! What PostgreSQL's errors mean: to a user of the store, and to the transaction that has failed.

use tokio_postgres::error::SqlState;

use super::super::StoreError;
use crate::net::client::ConnectError;
use crate::net::tls::TlsError;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be reached, or lets nobody in.
    #[error("cannot open {url}: {why}")]
    Connect {
        /// Where, without the password.
        url: String,
        /// Why not.
        why: String,
    },
    /// The schema was made by a newer version of this program.
    #[error(
        "{url} has version {found} of the schema, and this program knows {known} at most: use the newer program"
    )]
    Newer {
        /// Where.
        url: String,
        /// Its version.
        found: i32,
        /// The newest one that is known here.
        known: i32,
    },
    /// There is no thread for it.
    #[error("cannot start a thread for the store: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why a transaction has failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// As its caller is told.
    Store(StoreError),
    /// It has met another transaction, and can be done again.
    Again,
    /// The connection is of no use any longer.
    Lost(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ConnectError> for Fault {
    fn from(error: ConnectError) -> Self {
        Self::Lost(in_words(&error))
    }
}

impl From<TlsError> for Fault {
    fn from(error: TlsError) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        let words = in_words(&error);
        let Some(state) = error.code() else { return Self::Lost(words) };
        match state {
            &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::T_R_SERIALIZATION_FAILURE => Self::Again,
            // Only the names of indexes that hold a race of two nodes: what is taken is looked up before.
            &SqlState::UNIQUE_VIOLATION => Self::Again,
            &SqlState::DISK_FULL => Self::Store(StoreError::Full(words)),
            &SqlState::QUERY_CANCELED
            | &SqlState::LOCK_NOT_AVAILABLE
            | &SqlState::OUT_OF_MEMORY
            | &SqlState::READ_ONLY_SQL_TRANSACTION => Self::Store(StoreError::Away(words)),
            // 08: connections; 57P: shutdown, crash, start; 53: resources; 28 and 3D: it lets us in no longer.
            state if ["08", "57P", "53", "28", "3D"].iter().any(|class| state.code().starts_with(class)) => {
                Self::Lost(words)
            }
            _ => Self::Store(StoreError::Broken(words)),
        }
    }
}

/// An error with its causes, in one line.
fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let database = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::as_db_error);
    if let Some(error) = database {
        return format!("{} (SQLSTATE {})", error.message(), error.code().code());
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}

impl Fault {
    /// Why, in words.
    pub(super) fn why(self) -> String {
        match self {
            Self::Lost(why) => why,
            fault => fault.told().to_string(),
        }
    }

    /// What a caller is told who does not try again.
    pub(super) fn told(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Again => StoreError::Away("other nodes change the same things all the time".to_owned()),
            Self::Lost(why) => StoreError::Away(why),
        }
    }
}
