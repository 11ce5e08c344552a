//! The connections that read, on threads of their own, beside the writer.
//!
//! Each question is answered from one snapshot of the database: what is written meanwhile is not seen, and waits for nobody.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::super::{Answer, StoreError};
use super::open;
use crate::net::workers::{Blocking, BlockingConfig, Priority};

/// A pool of connections, as many as there are threads.
#[derive(Debug)]
pub(super) struct Readers {
    lane: Blocking,
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    folder: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// A pool without connections: they are opened when they are needed.
    pub(super) fn new(folder: PathBuf, config: BlockingConfig) -> Self {
        Self { lane: Blocking::new(config), pool: Arc::new(Pool { folder, idle: Mutex::default() }) }
    }

    /// Asks a question on one of the threads. A question whose future is dropped before it has begun is not asked.
    pub(super) fn ask<T, F>(&self, question: F) -> Answer<'static, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let pool = Arc::clone(&self.pool);
        let job = self.lane.submit(Priority::Normal, move || pool.ask(question));
        Box::pin(async move {
            let job = job.map_err(|_| StoreError::Away("too much waits to be read".to_owned()))?;
            job.await.unwrap_or_else(|error| Err(StoreError::Away(error.to_string())))
        })
    }
}

impl Pool {
    fn ask<T>(&self, question: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| open::reader(&self.folder), Ok)?;
        let snapshot = connection.unchecked_transaction()?;
        let answer = question(&connection);
        let ended = snapshot.commit();
        // One that cannot end a transaction is of no use to others.
        if ended.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        answer
    }
}
