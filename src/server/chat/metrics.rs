//! The Prometheus metrics of a chat.

use super::accounts::Accounts;
use super::house::House;
use super::house::stats::Stats;
use super::notify::Notifier;
use crate::server::metrics::Metrics;

/// A metric of the house: its name, its help, and its value.
type Row = (&'static str, &'static str, fn(Stats) -> u64);

/// Shows what the house, the accounts and the notices count.
pub(super) fn register(house: &House, accounts: &Accounts, notifier: Option<&Notifier>, metrics: &Metrics) {
    let gauges: [Row; 2] = [
        ("chat_users", "Users that are here, of both doors", |stats| stats.users),
        ("chat_rooms", "Rooms, direct ones among them", |stats| stats.rooms),
    ];
    for (name, help, value) in gauges {
        let house = house.clone();
        metrics.register_gauge(name, help, move || value(house.stats()));
    }
    let counters: [Row; 3] = [
        ("chat_changes", "Changes that were written: messages, edits, joins and all others", |stats| {
            stats.changes
        }),
        ("chat_commits", "Transactions in which changes were written", |stats| stats.commits),
        ("chat_changes_failed", "Changes that the store did not write", |stats| stats.failures),
    ];
    for (name, help, value) in counters {
        let house = house.clone();
        metrics.register_counter(name, help, move || value(house.stats()));
    }
    let (succeeded, failed) = (accounts.clone(), accounts.clone());
    metrics.register_counter("chat_logins", "Logins that succeeded", move || succeeded.logins());
    metrics.register_counter("chat_logins_refused", "Logins with a wrong secret", move || failed.failures());
    let Some(notifier) = notifier else { return };
    let counters = [
        ("chat_notices", "Notices for absent members that were delivered"),
        ("chat_notices_failed", "Attempts to deliver a notice that failed"),
        ("chat_notices_dead", "Notices that were given up"),
    ];
    for (at, (name, help)) in counters.into_iter().enumerate() {
        let notifier = notifier.clone();
        metrics.register_counter(name, help, move || notifier.counts()[at]);
    }
}
