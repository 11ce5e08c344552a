//! The chat's own clients: what the commands `chat bench` and `chat connect` know of a server before they talk to it.

mod remote;

pub use self::remote::{Door, Remote, RemoteError};
