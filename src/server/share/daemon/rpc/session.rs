//! The settings of the daemon in the words of Transmission. Its limits are a number and a switch: one that is off has the number that Transmission begins with.

use crate::proto::transmission::{
    Days, Encryption, Failure, MinuteOfDay, Session, Settings, SettingsChange, TrackerTiers,
};
use crate::server::share::daemon::settings::{Clock, DaemonSettings, Day, Hours};
use crate::server::share::daemon::{Daemon, view};

/// What a limit is while it is off, in bytes a second; of ratios, minutes and queues likewise.
const RATE: u64 = 100_000;
const RATIO: f64 = 2.0;
const IDLE: u64 = 30;
const DOWNLOADS: usize = 5;
const SEEDS: usize = 10;

/// The days, in the order of their bits.
const DAYS: [Day; 7] = [Day::Sun, Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat];

impl Daemon {
    pub(super) fn session(&self, session_id: &str) -> Session {
        let settings = self.settings();
        let hours = settings.schedule.first();
        let common = &self.0.client;
        let kilo = |limit: Option<u64>| u32::try_from(limit.unwrap_or(RATE) / 1000).unwrap_or(u32::MAX);
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let or = |number: usize, off: usize| if number == 0 { off } else { number };
        let minute = |clock: Clock| MinuteOfDay(u16::try_from(clock.0).unwrap_or_default());
        let bit =
            |(bit, day): (u8, Day)| hours.is_some_and(|hours| hours.days.contains(&day)).then_some(1 << bit);
        let all = Settings {
            alt_speed_down: kilo(settings.alternative.down),
            alt_speed_enabled: settings.alternative.enabled,
            alt_speed_time_begin: hours.map_or(MinuteOfDay(540), |hours| minute(hours.from)),
            alt_speed_time_day: Days(hours.map_or(127, |_| (0..).zip(DAYS).filter_map(bit).sum())),
            alt_speed_time_enabled: hours.is_some(),
            alt_speed_time_end: hours.map_or(MinuteOfDay(1020), |hours| minute(hours.to)),
            alt_speed_up: kilo(settings.alternative.up),
            blocklist_enabled: self.state().filter > 0,
            cache_size_mb: number(common.settings().cache >> 20),
            dht_enabled: common.settings().dht.is_some(),
            download_dir: settings.folder.display().to_string(),
            download_queue_enabled: settings.downloads > 0,
            download_queue_size: number(or(settings.downloads, DOWNLOADS)),
            encryption: match common.settings().encryption {
                crate::proto::bittorrent::mse::Policy::Require => Encryption::Required,
                crate::proto::bittorrent::mse::Policy::Prefer => Encryption::Preferred,
                _ => Encryption::Tolerated,
            },
            idle_seeding_limit: u32::try_from(settings.idle.unwrap_or(IDLE)).unwrap_or(u32::MAX),
            idle_seeding_limit_enabled: settings.idle.is_some(),
            incomplete_dir: settings.folder.display().to_string(),
            lpd_enabled: true,
            peer_limit_global: number(common.settings().connections),
            peer_limit_per_torrent: number(common.settings().peers),
            peer_port: common.port().unwrap_or_default(),
            pex_enabled: true,
            seed_queue_enabled: settings.seeds > 0,
            seed_queue_size: number(or(settings.seeds, SEEDS)),
            seed_ratio_limit: settings.ratio.unwrap_or(RATIO),
            seed_ratio_limited: settings.ratio.is_some(),
            speed_limit_down: kilo(settings.down),
            speed_limit_down_enabled: settings.down.is_some(),
            speed_limit_up: kilo(settings.up),
            speed_limit_up_enabled: settings.up.is_some(),
            start_added_torrents: settings.start,
            utp_enabled: common.settings().transport != crate::server::share::settings::Transport::Tcp,
            ..Settings::default()
        };
        Session {
            settings: all,
            blocklist_size: self.state().filter as u64,
            config_dir: self.0.folder.display().to_string(),
            download_dir_free_space: view::free(&settings.folder).unwrap_or_default(),
            session_id: session_id.to_owned(),
            version: concat!("4.0.6 (wireworks ", env!("CARGO_PKG_VERSION"), ")").to_owned(),
        }
    }

    pub(super) fn set_session(&self, change: &SettingsChange) -> Result<(), Failure> {
        if let Some(name) = not_here(change) {
            return Err(Failure::Other(format!("{name}: it cannot be changed while this daemon runs")));
        }
        self.set_settings(|settings| apply(settings, change));
        Ok(())
    }
}

/// The first setting of a change that cannot be changed here. Those that are as they are already do no harm.
fn not_here(change: &SettingsChange) -> Option<&'static str> {
    let names = [
        ("blocklist-enabled", change.blocklist_enabled.is_some()),
        ("blocklist-url", change.blocklist_url.is_some()),
        ("cache-size-mb", change.cache_size_mb.is_some()),
        (
            "default-trackers",
            change.default_trackers.as_ref().is_some_and(|TrackerTiers(tiers)| !tiers.is_empty()),
        ),
        ("dht-enabled", change.dht_enabled.is_some()),
        ("encryption", change.encryption.is_some()),
        ("incomplete-dir", change.incomplete_dir.is_some()),
        ("incomplete-dir-enabled", change.incomplete_dir_enabled == Some(true)),
        ("lpd-enabled", change.lpd_enabled == Some(false)),
        ("peer-limit-global", change.peer_limit_global.is_some()),
        ("peer-limit-per-torrent", change.peer_limit_per_torrent.is_some()),
        ("peer-port", change.peer_port.is_some()),
        ("peer-port-random-on-start", change.peer_port_random_on_start == Some(true)),
        ("pex-enabled", change.pex_enabled == Some(false)),
        ("port-forwarding-enabled", change.port_forwarding_enabled == Some(true)),
        ("queue-stalled-enabled", change.queue_stalled_enabled == Some(true)),
        ("queue-stalled-minutes", change.queue_stalled_minutes.is_some()),
        ("rename-partial-files", change.rename_partial_files == Some(true)),
        ("script-torrent-added-enabled", change.script_torrent_added_enabled == Some(true)),
        ("script-torrent-added-filename", change.script_torrent_added_filename.is_some()),
        ("script-torrent-done-enabled", change.script_torrent_done_enabled == Some(true)),
        ("script-torrent-done-filename", change.script_torrent_done_filename.is_some()),
        ("script-torrent-done-seeding-enabled", change.script_torrent_done_seeding_enabled == Some(true)),
        ("script-torrent-done-seeding-filename", change.script_torrent_done_seeding_filename.is_some()),
        ("trash-original-torrent-files", change.trash_original_torrent_files == Some(true)),
        ("utp-enabled", change.utp_enabled.is_some()),
    ];
    names.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
}

fn apply(settings: &mut DaemonSettings, change: &SettingsChange) {
    let kilo = |rate: Option<u32>| rate.map(|rate| u64::from(rate) * 1000);
    switched(&mut settings.down, change.speed_limit_down_enabled, kilo(change.speed_limit_down), RATE);
    switched(&mut settings.up, change.speed_limit_up_enabled, kilo(change.speed_limit_up), RATE);
    switched(&mut settings.ratio, change.seed_ratio_limited, change.seed_ratio_limit, RATIO);
    let idle = change.idle_seeding_limit.map(u64::from);
    switched(&mut settings.idle, change.idle_seeding_limit_enabled, idle, IDLE);
    let size = |size: Option<u32>| size.map(|size| size as usize);
    for (held, on, new, off) in [
        (&mut settings.downloads, change.download_queue_enabled, size(change.download_queue_size), DOWNLOADS),
        (&mut settings.seeds, change.seed_queue_enabled, size(change.seed_queue_size), SEEDS),
    ] {
        let mut limit = (*held > 0).then_some(*held);
        switched(&mut limit, on, new, off);
        *held = limit.unwrap_or(0);
    }
    settings.start = change.start_added_torrents.unwrap_or(settings.start);
    if let Some(folder) = &change.download_dir {
        settings.folder = folder.0.clone().into();
    }
    let alternative = &mut settings.alternative;
    alternative.down = kilo(change.alt_speed_down).or(alternative.down);
    alternative.up = kilo(change.alt_speed_up).or(alternative.up);
    alternative.enabled = change.alt_speed_enabled.unwrap_or(alternative.enabled);
    if alternative.enabled || change.alt_speed_time_enabled == Some(true) {
        // Its limits are numbers always, and hold.
        alternative.down.get_or_insert(RATE);
        alternative.up.get_or_insert(RATE);
    }
    schedule(&mut settings.schedule, change);
}

/// A limit that is a number and a switch.
fn switched<T: Copy>(held: &mut Option<T>, on: Option<bool>, new: Option<T>, off: T) {
    *held = match on.unwrap_or(held.is_some()) {
        true => Some(new.or(*held).unwrap_or(off)),
        false => None,
    };
}

/// Transmission has one range of hours.
fn schedule(schedule: &mut Vec<Hours>, change: &SettingsChange) {
    match change.alt_speed_time_enabled {
        Some(false) => return schedule.clear(),
        None if schedule.is_empty() => return,
        _ => {}
    }
    let touched = change.alt_speed_time_enabled.is_some_and(|_| schedule.is_empty())
        || change.alt_speed_time_begin.is_some()
        || change.alt_speed_time_end.is_some()
        || change.alt_speed_time_day.is_some();
    if !touched {
        return;
    }
    let first = schedule.first().cloned();
    let mut hours = first.unwrap_or_else(|| Hours { days: DAYS.to_vec(), from: Clock(540), to: Clock(1020) });
    let clock = |minute: Option<MinuteOfDay>| minute.map(|minute| Clock(minute.0.into()));
    hours.from = clock(change.alt_speed_time_begin).unwrap_or(hours.from);
    hours.to = clock(change.alt_speed_time_end).unwrap_or(hours.to);
    if let Some(Days(days)) = change.alt_speed_time_day {
        hours.days = (0..).zip(DAYS).filter(|(bit, _)| days & (1 << bit) != 0).map(|(_, day)| day).collect();
    }
    *schedule = vec![hours];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_and_a_switch() {
        for (held, on, new, expected) in [
            (None, None, Some(5), None),
            (None, Some(true), None, Some(9)),
            (None, Some(true), Some(5), Some(5)),
            (Some(3), None, Some(5), Some(5)),
            (Some(3), None, None, Some(3)),
            (Some(3), Some(false), Some(5), None),
        ] {
            let mut limit = held;
            switched(&mut limit, on, new, 9);
            assert_eq!(limit, expected, "{held:?} {on:?} {new:?}");
        }
    }

    #[test]
    fn the_hours_of_transmission_are_one_range() {
        let mut settings = DaemonSettings::default();
        let set = |settings: &mut DaemonSettings, change: SettingsChange| apply(settings, &change);
        set(
            &mut settings,
            SettingsChange {
                alt_speed_time_enabled: Some(true),
                alt_speed_time_begin: Some(MinuteOfDay(60)),
                alt_speed_time_day: Some(Days(0b10)),
                ..SettingsChange::default()
            },
        );
        let expected = Hours { days: vec![Day::Mon], from: Clock(60), to: Clock(1020) };
        assert_eq!(settings.schedule, [expected]);
        assert_eq!(settings.alternative.up, Some(RATE));
        set(
            &mut settings,
            SettingsChange { alt_speed_time_enabled: Some(false), ..SettingsChange::default() },
        );
        assert!(settings.schedule.is_empty());
    }
}
