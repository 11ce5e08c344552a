//! A server of a channel, and the name by which TLS knows it.

use std::sync::Arc;

use crate::net::client::Target;

/// A text that does not say where servers are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a server: it is written HOST:PORT, dns:HOST:PORT, unix:PATH or file:PATH")]
pub struct BadTarget(pub String);

/// A server, and the name by which TLS knows it if that is not the host's: an address that a name has led to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) target: Target,
    pub(super) name: Option<Arc<str>>,
}

impl From<Target> for Place {
    fn from(target: Target) -> Self {
        Self { target, name: None }
    }
}
