//! What the server itself does in a room, by its operator's word: nobody is asked whether they may.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::House;
use super::commit::{Done, Pending, Waiting};
use super::mailbox::{Refused, Sent};
use super::room::RoomCell;
use super::user::Face;
use crate::proto::chat::event::{Change, RoomKind};
use crate::proto::chat::name::Nick;
use crate::server::chat::store::{Draft, StoreError};

impl House {
    /// Makes a change in a room; done when it is on disk and everybody there was told.
    ///
    /// # Errors
    /// It could not be written, or the room has ended.
    pub async fn decree(&self, room: &Arc<RoomCell>, change: Change) -> Result<Sent, Refused> {
        let gone = || Refused::from(StoreError::Away("the house is closing".into()));
        let nick: Nick = "server".parse().map_err(|_| gone())?;
        let face = Face {
            nick,
            user: "server".into(),
            host: self.settings().name.as_str().into(),
            real: Arc::default(),
            account: None,
            operator: true,
            bot: true,
        };
        let (sender, outcome) = oneshot::channel();
        let draft = Draft { room: room.id(), id: self.id(), by: face.author(), change, client_id: None };
        let done = Done::Task(sender);
        let pending =
            Pending { room: Arc::clone(room), draft, face, user: None, done, way: Arc::clone(&self.0.way) };
        self.0.queue.send(Waiting::Change(Box::new(pending))).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }

    /// All direct rooms.
    #[must_use]
    pub fn direct_rooms(&self) -> Vec<Arc<RoomCell>> {
        let rooms = self.0.rooms();
        let direct = rooms.by_id.values();
        direct.filter(|room| room.look(|room| room.kind() == RoomKind::Direct)).cloned().collect()
    }
}
