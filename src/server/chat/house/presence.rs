//! How present somebody is: each device for itself, and the user as the most present of them.
//!
//! A device is a connection. One that is busy tells the most of its user, who is not to be disturbed anywhere; then come those at which the user sits, those where it does
//! not, and those that are not to be seen. Other nodes tell of the devices that are there, so all nodes show the same.

use std::sync::Arc;

use super::nodes::News;
use super::room::RoomCell;
use super::told::{Presence, Told};
use super::user::{Session, User};
use super::{House, Inner};
use crate::proto::chat::id::{AccountId, MessageId, Millis};

/// How a device is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its presence.
    pub presence: Presence,
    /// What its user says about that: why it is away.
    pub status: Arc<str>,
    /// When that was said; 0 if nothing was.
    pub at: Millis,
}

impl Shown {
    /// Where it stands among other devices: the larger one is shown. Of those that are equally present, the last one that has something to say.
    fn rank(&self) -> (Presence, bool, Millis) {
        (self.presence, !self.status.is_empty(), self.at)
    }

    /// What is shown of a user with these devices; `None` if it has none.
    pub(super) fn most<'a>(devices: impl Iterator<Item = &'a Self>) -> Option<&'a Self> {
        devices.max_by_key(|shown| shown.rank())
    }
}

/// A device that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The login of the account that it uses, if it came by a token.
    pub login: Option<MessageId>,
    /// How it is shown.
    pub shown: Shown,
}

impl House {
    /// How one device of a user is shown from now on, and what is said about it. Others are told if that changes how the user is shown.
    pub async fn set_presence(&self, user: &Arc<User>, session: &Session, presence: Presence, status: &str) {
        self.note_unseen(user, session, presence).await;
        let shown = Shown { presence, status: status.into(), at: self.now() };
        session.show(shown);
        self.show(user);
    }

    /// How all devices of a user are shown from now on, on whichever node they are.
    pub async fn set_presence_of_all(
        &self,
        user: &Arc<User>,
        session: &Session,
        presence: Presence,
        status: &str,
    ) {
        let Some((account, _)) = user.face().account else {
            return self.set_presence(user, session, presence, status).await;
        };
        let at = self.now();
        self.show_all(account, &Shown { presence, status: status.into(), at }).await;
        let (presence, status) = (presence.word().to_owned(), status.to_owned());
        self.0.say(|| News::Presence { account, presence, status, at });
    }

    /// How all devices of an account are shown that are on this node.
    pub(super) async fn show_all(&self, account: AccountId, shown: &Shown) {
        for user in self.users_of(account) {
            for session in user.sessions() {
                self.note_unseen(&user, &session, shown.presence).await;
                session.show(shown.clone());
            }
            if user.is_local() {
                self.show(&user);
            }
        }
    }

    /// Devices of a user on this node have come, gone, or changed.
    pub(super) fn show(&self, user: &Arc<User>) {
        if user.weigh_devices() {
            self.tell_presence(user);
        }
        self.0.changed(user);
    }

    /// Tells how a user is shown.
    pub(super) fn tell_presence(&self, user: &Arc<User>) {
        let (face, (presence, status)) = (user.face(), user.presence());
        self.tell_all(user, &face, &Told::Presence { who: &face, presence, status: &status });
    }

    /// A session has come into rooms: whoever sees its user there is told if that one is away.
    pub fn show_away(&self, user: &Arc<User>, session: &Session) {
        let (presence, status) = user.presence();
        if presence != Presence::Online {
            let face = user.face();
            let told = Told::Presence { who: &face, presence, status: &status };
            self.tell_neighbours(user, &face, &told, Some(session.id));
        }
    }

    /// Notes which login of its account a device uses: once.
    pub fn note_login(&self, user: &Arc<User>, session: &Session, login: MessageId) {
        session.logged_in(login);
        self.0.changed(user);
    }

    /// The devices of an account that are connected, on all nodes.
    #[must_use]
    pub fn devices(&self, account: AccountId) -> Vec<Device> {
        self.users_of(account).iter().flat_map(|user| user.devices()).collect()
    }
}

impl Inner {
    /// A user of another node has come into a room: whoever sees it there is told if it is away.
    pub(super) fn tell_absence(&self, user: &Arc<User>, room: &Arc<RoomCell>) {
        let (face, (presence, status)) = (user.face(), user.presence());
        if presence != Presence::Online && !user.is_local() {
            room.publish_of(&face.who(), &Told::Presence { who: &face, presence, status: &status });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(presence: Presence, status: &str, at: Millis) -> Shown {
        Shown { presence, status: status.into(), at }
    }

    #[test]
    fn the_most_present_device_is_shown() {
        use Presence::{Away, Busy, Offline, Online};
        type Row = (&'static [(Presence, &'static str, Millis)], (Presence, &'static str));
        let rows: [Row; 7] = [
            (&[(Online, "", 0), (Away, "Lunch", 5)], (Online, "")),
            (&[(Away, "Lunch", 5), (Away, "", 9)], (Away, "Lunch")),
            (&[(Away, "Lunch", 5), (Away, "Tea", 9), (Away, "", 10)], (Away, "Tea")),
            (&[(Busy, "A call", 3), (Online, "", 9)], (Busy, "A call")),
            (&[(Offline, "", 9), (Away, "", 3)], (Away, "")),
            (&[(Offline, "", 9), (Offline, "", 3)], (Offline, "")),
            (&[(Online, "", 0)], (Online, "")),
        ];
        for (devices, (presence, status)) in rows {
            for backwards in [false, true] {
                let mut devices: Vec<Shown> =
                    devices.iter().map(|(presence, status, at)| shown(*presence, status, *at)).collect();
                if backwards {
                    devices.reverse();
                }
                let most = Shown::most(devices.iter()).unwrap();
                assert_eq!((most.presence, &*most.status), (presence, status), "{devices:?}");
            }
        }
        assert_eq!(Shown::most([].iter()), None);
    }
}
