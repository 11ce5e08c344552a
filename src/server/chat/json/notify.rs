//! What one is told while absent, and by which devices.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use serde_json::Map;

use super::reply::{Failure, Reply};
use super::session::Talk;
use crate::proto::chat::json::Target;
use crate::proto::chat::level::Level;
use crate::server::chat::notify::{Notifier, is_key};
use crate::server::chat::store::notices::{Device, Notices};

/// base64url, with or without the padding that some libraries of browsers add.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn bytes<const N: usize>(name: &str, text: &str) -> Result<[u8; N], Failure> {
    let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Failure::new("bad_request", format!("{name}: it is not {N} bytes in base64url")))
}

impl Talk {
    fn notifier(&self) -> Result<(&Notifier, &dyn Notices), Failure> {
        let notifier = self.door.notifier.as_ref().filter(|notifier| notifier.key().is_some());
        let kept = self.door.house.store().notices();
        notifier.zip(kept).ok_or_else(|| Failure::new("not_offered", "this server tells no devices"))
    }

    pub(super) async fn push(&mut self, endpoint: String, p256dh: &str, auth: &str) -> Reply {
        let account = self.account()?.id;
        let (notifier, kept) = self.notifier()?;
        let wrong = |name: &str, why: String| Failure::new("bad_request", format!("{name}: {why}"));
        notifier.check(&endpoint).map_err(|error| wrong("endpoint", error.to_string()))?;
        let (key, auth) = (bytes("p256dh", p256dh)?, bytes("auth", auth)?);
        if !is_key(&key) {
            return Err(wrong("p256dh", "it is no point of the curve P-256".to_owned()));
        }
        let login = self.me()?.account.as_ref().and_then(|(_, session)| session.as_ref());
        let session = login.ok_or_else(|| Failure::new("login_required", "log in"))?.id;
        let created = self.door.house.now();
        kept.add_device(Device { account, session, endpoint, key, auth, created }).await?;
        Ok(Map::new())
    }

    pub(super) async fn unpush(&mut self, endpoint: String) -> Reply {
        let account = self.account()?.id;
        let (_, kept) = self.notifier()?;
        kept.remove_device(account, endpoint).await?;
        Ok(Map::new())
    }

    pub(super) async fn notify(&mut self, target: &Target, level: Level) -> Reply {
        let account = self.account()?.id;
        let (room, _) = self.place(target).await?;
        if self.door.house.absent().is_none() {
            return Err(Failure::new("not_offered", "this server tells nobody who is absent"));
        }
        self.door.house.set_level(room.id(), account, level).await?;
        Ok(Map::new())
    }
}
