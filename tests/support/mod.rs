//! What the tests share. Every wait here has a deadline, and none is a sleep, but for the line of `shaped`, which is slow on purpose.

pub(crate) mod browser;
pub(crate) mod certificate;
pub(crate) mod command;
pub(crate) mod features;
pub(crate) mod nats;
pub(crate) mod nginx;
pub(crate) mod port;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod response;
pub(crate) mod shaped;
pub(crate) mod socket;
pub(crate) mod split;
pub(crate) mod terminal;
pub(crate) mod tool;
pub(crate) mod wire;

use std::time::Duration;

/// How long a test waits for anything, unless it says otherwise: far more than a slow machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
