//! Taking notices from the store, delivering them, and noting what came of it.
//!
//! One task has all deliveries that are under way. It sleeps until the house rings or the next notice is due. What became of a notice is written before its place is
//! free for another; a process that ends meanwhile finds the notice again.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use futures_util::stream::{FuturesUnordered, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, StatusCode};

use super::guard::Endpoint;
use super::keys::{self, KeyError};
use super::payload::Words;
use super::post::{Answer, PostError, post};
use super::{Notifier, WORTH};
use crate::net::resilience::backoff::Backoff;
use crate::proto::chat::event::Change;
use crate::proto::chat::id::Millis;
use crate::proto::chat::name::Nick;
use crate::proto::http::retry_after;
use crate::proto::push::encrypt::Reader;
use crate::proto::push::webhook;
use crate::server::chat::accounts::{Accounts, Refusal};
use crate::server::chat::house::House;
use crate::server::chat::store::StoreError;
use crate::server::chat::store::history::Entry;
use crate::server::chat::store::notices::{Kind, Notice, Notices, Settled};
use crate::server::http::client::SendError;

/// Deliveries under way, all hosts together.
const AT_ONCE: usize = 128;

/// How long a notice is held by whoever delivers it: longer than that takes.
const LEASE: Duration = Duration::from_secs(600);

/// How long it rests when the store cannot be asked.
const REST: Duration = Duration::from_secs(5);

/// No host is left alone for longer, whatever it asks for.
const LONGEST_PAUSE: Duration = WORTH;

/// What this server calls itself.
const AGENT: &str = concat!("wireworks/", env!("CARGO_PKG_VERSION"));

/// Why a notice is not delivered.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Accounts(#[from] Refusal),
    #[error(transparent)]
    Endpoint(#[from] super::guard::BadEndpoint),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error("it cannot be put into a field")]
    Field(#[from] http::header::InvalidHeaderValue),
}

impl Undelivered {
    /// Whether another attempt may succeed.
    fn is_temporary(&self) -> bool {
        match self {
            Self::Store(_) | Self::Accounts(_) => true,
            Self::Post(error) => !matches!(error, PostError::Send(SendError::Request(_))),
            Self::Endpoint(_) | Self::Key(_) | Self::Field(_) => false,
        }
    }
}

/// Delivers what waits, as long as the process runs. The house has to keep notices.
pub async fn deliver(notifier: Notifier, house: House, accounts: Accounts) {
    let (Some(absent), Some(kept)) = (house.absent().cloned(), house.store().notices()) else { return };
    let work = Work { notifier, house: house.clone(), accounts };
    let mut underway = FuturesUnordered::new();
    loop {
        let now = house.now();
        let room = AT_ONCE.saturating_sub(underway.len());
        let mut wait = None;
        if room > 0 {
            match claim(kept, now, room).await {
                Ok((claimed, next)) => {
                    underway.extend(claimed.into_iter().map(|notice| work.settle(kept, notice)));
                    wait = next.map(|due| Duration::from_millis(due.saturating_sub(house.now())));
                }
                Err(error) => {
                    tracing::warn!(%error, "notices cannot be read");
                    wait = Some(REST);
                }
            }
        }
        let room = underway.len() < AT_ONCE;
        tokio::select! {
            Some(()) = underway.next(), if !underway.is_empty() => {}
            () = absent.rung(), if room => {}
            () = tokio::time::sleep(wait.unwrap_or_default()), if room && wait.is_some() => {}
        }
    }
}

/// Notices to be delivered now, and when others are due.
async fn claim(
    kept: &dyn Notices,
    now: Millis,
    most: usize,
) -> Result<(Vec<Notice>, Option<Millis>), StoreError> {
    // Most of the time nothing is due: that is found out without a transaction.
    match kept.next_due().await? {
        None => return Ok((Vec::new(), None)),
        Some(due) if due > now => return Ok((Vec::new(), Some(due))),
        Some(_) => {}
    }
    let lease = now.saturating_add(millis(LEASE));
    let claimed = kept.claim(now, lease, most).await?;
    Ok((claimed, kept.next_due().await?))
}

/// What deliveries need.
struct Work {
    notifier: Notifier,
    house: House,
    accounts: Accounts,
}

/// What an attempt came to.
#[derive(Debug)]
enum Outcome {
    /// There is nothing to be told.
    Nothing,
    /// Its host wants nothing before this time.
    Busy(Millis),
    /// It was answered so.
    Answered(Answer),
}

impl Work {
    /// Delivers a notice, and notes what became of it.
    async fn settle(&self, kept: &dyn Notices, notice: Notice) {
        let settled = match self.attempt(&notice).await {
            Ok(Outcome::Nothing) => Settled::Done,
            Ok(Outcome::Busy(until)) => Settled::Later(until),
            Ok(Outcome::Answered(answer)) => self.judge(&notice, &answer),
            Err(error) if error.is_temporary() => self.failed(&notice, error.to_string(), None),
            Err(error) => self.dead(&notice, error.to_string()),
        };
        // What was delivered and is not noted would be delivered again when the lease is over.
        while let Err(error) = kept.settle(notice.n, settled.clone()).await {
            tracing::warn!(%error, "it is not noted yet what became of a notice");
            tokio::time::sleep(REST).await;
        }
    }

    async fn attempt(&self, notice: &Notice) -> Result<Outcome, Undelivered> {
        let is_message = notice.kind != Kind::Invite;
        let gone = !notice.webhook && notice.device.is_none();
        if gone || is_message && notice.read >= notice.seq {
            return Ok(Outcome::Nothing);
        }
        let Some(account) = self.accounts.account(notice.account).await? else { return Ok(Outcome::Nothing) };
        let entry = self.house.store().event(notice.room, notice.id).await?;
        let Some(entry) = entry.filter(|entry| entry.deleted.is_none()) else { return Ok(Outcome::Nothing) };
        let blocked = entry.event.by.account.is_some_and(|by| account.profile.blocked.contains(&by));
        if blocked || account.suspended.is_some() || is_message != is_said(&entry) {
            return Ok(Outcome::Nothing);
        }
        let endpoint = Endpoint::parse(&notice.target, self.notifier.0.config.allow_private)?;
        let now = self.house.now();
        let _place = match self.notifier.0.hosts.enter(&endpoint.authority, now) {
            Ok(place) => place,
            Err(until) => return Ok(Outcome::Busy(until)),
        };
        let room = self.house.room_by_id(notice.room);
        let room = room.as_ref().and_then(|room| room.name()).map(crate::proto::chat::name::RoomName::as_str);
        let words = Words { notice, entry: &entry, room };
        let (fields, body) = match &notice.device {
            Some(device) => {
                let reader = Reader { key: device.key, auth: device.auth };
                self.push(notice, &endpoint, &reader, &words.push(), now)?
            }
            None => self.webhook(notice, &account.name, &words, now)?,
        };
        let answer = post(&self.notifier.0.client, &endpoint, &fields, body).await?;
        if let Some(wait) = wait(&answer) {
            self.notifier.0.hosts.pause(&endpoint.authority, now.saturating_add(millis(wait)));
        }
        Ok(Outcome::Answered(answer))
    }

    /// RFC 8030, section 5, and RFC 8292, section 2.
    fn push(
        &self,
        notice: &Notice,
        endpoint: &Endpoint,
        reader: &Reader,
        text: &[u8],
        now: Millis,
    ) -> Result<(Fields, Vec<u8>), Undelivered> {
        let Some((identity, contact)) =
            self.notifier.0.identity.as_ref().zip(self.notifier.0.config.contact.as_ref())
        else {
            return Err(KeyError::Device.into());
        };
        let left = millis(WORTH).saturating_sub(now.saturating_sub(notice.id.time())) / 1000;
        let urgency = if notice.kind == Kind::All { "normal" } else { "high" };
        let authorization = identity.authorization(&endpoint.origin(), now / 1000, contact)?;
        let fields = vec![
            (AUTHORIZATION, HeaderValue::try_from(authorization)?),
            (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
            (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (USER_AGENT, HeaderValue::from_static(AGENT)),
            (HeaderName::from_static("ttl"), HeaderValue::from(left)),
            (HeaderName::from_static("urgency"), HeaderValue::from_static(urgency)),
            // A message that is sent twice takes its own place at the push service.
            (HeaderName::from_static("topic"), HeaderValue::try_from(notice.id.to_string())?),
        ];
        Ok((fields, keys::encrypt(text, reader)?))
    }

    fn webhook(
        &self,
        notice: &Notice,
        account: &Nick,
        words: &Words<'_>,
        now: Millis,
    ) -> Result<(Fields, Vec<u8>), Undelivered> {
        let body = words.webhook(account, notice.id.time());
        let id = format!("{}-{}", notice.id, notice.account.0);
        let signed = webhook::signature(&self.notifier.0.secrets, &id, now / 1000, &body);
        let mut fields = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (USER_AGENT, HeaderValue::from_static(AGENT)),
            (HeaderName::from_static(webhook::ID), HeaderValue::try_from(id)?),
            (HeaderName::from_static(webhook::TIMESTAMP), HeaderValue::from(now / 1000)),
        ];
        if !signed.is_empty() {
            fields.push((HeaderName::from_static(webhook::SIGNATURE), HeaderValue::try_from(signed)?));
        }
        Ok((fields, body))
    }

    /// What an answer means.
    fn judge(&self, notice: &Notice, answer: &Answer) -> Settled {
        let error = format!("the answer was {}", answer.status);
        match answer.status {
            status if status.is_success() => {
                self.notifier.0.counters.delivered.fetch_add(1, Ordering::Relaxed);
                Settled::Done
            }
            // RFC 8030, section 7.3: the subscription has ended.
            StatusCode::NOT_FOUND | StatusCode::GONE if !notice.webhook => Settled::Gone,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                self.failed(notice, error, wait(answer))
            }
            status if status.is_server_error() => self.failed(notice, error, wait(answer)),
            // Redirects are not followed, and what is wrong with a request is wrong with the next one.
            _ => self.dead(notice, error),
        }
    }

    fn failed(&self, notice: &Notice, error: String, wait: Option<Duration>) -> Settled {
        let now = self.house.now();
        let mut backoff = Backoff::new(self.notifier.policy(), fastrand::u64(..));
        let waits = (0..=notice.attempts.min(64)).map(|_| backoff.wait()).last();
        let due = now.saturating_add(millis(waits.unwrap_or_default().max(wait.unwrap_or_default())));
        let worthless = due > notice.id.time().saturating_add(millis(WORTH));
        if notice.attempts.saturating_add(1) >= self.notifier.0.config.attempts || worthless {
            return self.dead(notice, error);
        }
        self.notifier.0.counters.failed.fetch_add(1, Ordering::Relaxed);
        Settled::Again(due, error)
    }

    fn dead(&self, notice: &Notice, error: String) -> Settled {
        self.notifier.0.counters.failed.fetch_add(1, Ordering::Relaxed);
        self.notifier.0.counters.dead.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(notice = notice.n, kind = notice.kind.word(), %error, "a notice is given up");
        Settled::Dead(self.house.now(), error)
    }
}

type Fields = Vec<(HeaderName, HeaderValue)>;

fn is_said(entry: &Entry) -> bool {
    matches!(entry.event.change, Change::Message(_))
}

/// How long the server wants to be left alone, in seconds or until a date: RFC 9110, section 10.2.3.
fn wait(answer: &Answer) -> Option<Duration> {
    if answer.status != StatusCode::TOO_MANY_REQUESTS && answer.status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let wait = retry_after::wait(answer.retry_after.as_deref()?.as_bytes(), SystemTime::now())?;
    Some(wait.min(LONGEST_PAUSE))
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::proto::http::date;

    #[test]
    fn a_server_says_how_long_it_wants_to_be_left_alone() {
        let in_a_minute = SystemTime::now() + Duration::from_secs(60);
        let since = in_a_minute.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let rows = [
            (429, Some("5"), Some(5)),
            (503, Some(" 7 "), Some(7)),
            (429, Some("999999999"), Some(WORTH.as_secs())),
            (429, Some("-1"), None),
            (429, Some("soon"), None),
            (429, None, None),
            (500, Some("5"), None),
            (201, Some("5"), None),
        ];
        for (status, field, expected) in rows {
            let answer = Answer {
                status: StatusCode::from_u16(status).unwrap(),
                retry_after: field.map(str::to_owned),
            };
            assert_eq!(wait(&answer).map(|wait| wait.as_secs()), expected, "{status} {field:?}");
        }
        let date = date::format(UNIX_EPOCH + Duration::from_secs(since));
        let field = String::from_utf8_lossy(date.as_ref()).into_owned();
        let answer = Answer { status: StatusCode::SERVICE_UNAVAILABLE, retry_after: Some(field) };
        assert!((50..=60).contains(&wait(&answer).unwrap().as_secs()));
    }
}
