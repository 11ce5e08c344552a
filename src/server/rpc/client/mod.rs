//! The client's side: a channel to one or several servers that are alike.
//!
//! A [`Channel`] is never broken: a connection that is lost is made anew, with longer waits from failure to failure; a server that fails
//! is left alone for a while; and a call goes to the quicker of two that are ready. What may be tried again is, within the call's
//! deadline and a budget for all calls.

mod attempt;
mod builder;
mod call;
mod channel;
mod conversation;
mod dial;
mod discovery;
mod endpoint;
mod halves;
pub mod layer;
mod metrics;
mod origin;
mod policies;
mod replay;
mod retriable;
mod servers;
mod target;

use std::time::Duration;

pub(super) use self::attempt::{Request, deadline_in};
pub use self::builder::Builder;
pub use self::call::{Bidi, Call, ClientStream, Reply, ServerStream, Unary};
pub use self::channel::Channel;
pub(super) use self::channel::Streaming;
pub use self::conversation::{Conversation, Receiver, Sender, Upload};
pub use self::discovery::REFRESH;
pub(super) use self::metrics::CallMeter;
pub use self::metrics::ClientMetrics;
pub use self::origin::Origin;
pub use self::policies::{CallPolicy, Codes, Policies};
pub use self::replay::Replay;
pub(super) use self::retriable::StreamRequest;
pub use self::target::BadTarget;
pub use crate::net::client::Target;

/// How long a call may take, unless it or its [`Channel`] says otherwise. gRPC has no limit, which every guide warns of.
pub const DEADLINE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
