//! What goes on beside the doors: writing what is said, ending connections whose login has ended, and putting things in order now and then.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::accounts::{Accounts, Ending};
use super::command::Retention;
use super::house::House;
use crate::proto::chat::id::Millis;

/// How often files are looked for that no message names any longer.
pub(super) const SWEEP: Duration = Duration::from_secs(3600);

/// How often messages are forgotten that are too old or too many.
const RETAIN: Duration = Duration::from_secs(3600);

/// Ends the connections of logins that have ended elsewhere: on another device, by another password, or by an operator.
pub(super) async fn end_logins(house: House, accounts: Accounts) {
    const OVER: &str = "Logged out";
    let mut endings = accounts.endings();
    loop {
        match endings.recv().await {
            Ok(Ending::One(account, login)) => {
                house.end_sessions(account, OVER, |session| session.login() == Some(login));
            }
            Ok(Ending::All(account, except)) => {
                house.end_sessions(account, OVER, |session| except.is_none() || session.login() != except);
            }
            Err(RecvError::Lagged(_)) => {
                // Whose login has ended is not known any longer: those that go on come back by their tokens.
                for user in house.users() {
                    if let Some((account, _)) = user.face().account {
                        house.end_sessions(account, OVER, |_| true);
                    }
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Forgets messages that are too old or too many, now and then.
pub(super) async fn retain(house: House, retention: Retention) {
    let mut turns = tokio::time::interval(RETAIN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let age = retention.age.map(|age| Millis::try_from(age.as_millis()).unwrap_or(Millis::MAX));
        let before = age.map(|age| house.now().saturating_sub(age));
        match house.store().retain(before, retention.bytes).await {
            Ok(0) => {}
            Ok(messages) => tracing::info!(messages, "messages were forgotten"),
            Err(error) => tracing::warn!(%error, "messages cannot be forgotten"),
        }
    }
}
