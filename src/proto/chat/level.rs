//! What somebody wants to hear of a room while absent.

use serde::{Deserialize, Serialize};

/// What somebody wants to hear of a room while absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every message.
    All,
    /// Messages that mention them, invitations, and direct messages.
    #[default]
    Mentions,
    /// Nothing.
    None,
}
