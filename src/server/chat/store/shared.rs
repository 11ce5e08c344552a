//! What several nodes share in one store, beside what lasts: who of them lives, and who is called how.
//!
//! A node has a lease, which it renews; what it holds is free when the lease has ended. The clock of the leases is that of the store.

use std::time::Duration;

use super::Answer;
use crate::proto::chat::id::{AccountId, MessageId, RoomId, Seq};
use crate::proto::chat::name::Nick;

/// A node, as long as its process runs: by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u64);

/// A lease was renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Whether it had not ended. If it had, the node holds no nicks any longer.
    pub kept: bool,
    /// The nodes that live.
    pub alive: Vec<NodeId>,
    /// What nodes have held whose leases have ended: nicks in lower case, with their accounts. Of all nodes one is told.
    pub freed: Vec<(String, Option<AccountId>)>,
}

/// What nodes share.
pub trait Shared: Send + Sync {
    /// The secret of all nodes: the one that is offered, if there is none yet.
    fn secret(&self, offered: Vec<u8>) -> Answer<'_, Vec<u8>>;

    /// Renews the lease of a node, for so long, and ends those of others that are over.
    fn renew(&self, node: NodeId, lease: Duration) -> Answer<'_, Renewed>;

    /// Takes a nick for somebody on a node. Says whether nobody else is called so: an account may be called so on several nodes, a guest on one.
    fn claim(&self, node: NodeId, nick: Nick, account: Option<AccountId>) -> Answer<'_, bool>;

    /// Gives a nick back.
    fn release(&self, node: NodeId, nick: Nick) -> Answer<'_, ()>;

    /// The guests that living nodes have, by their nicks in lower case.
    fn guests(&self) -> Answer<'_, Vec<String>>;

    /// Rooms whose last event has this id or a larger one, with its number; closed ones are among them.
    fn changed_since(&self, since: MessageId) -> Answer<'_, Vec<(RoomId, Seq)>>;
}
