//! The keys of an HTTP listener that limit slow and greedy clients.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use super::HttpService;
use super::checker::Checker;
use super::listener::ListenerTable;
use crate::net::pace::MinRate;
use crate::proto::http::limits::MAX_FIELDS;
use crate::server::http::settings::Settings;
use crate::server::units::{ByteSize, TimeSpan};

/// The allowed timeouts.
const WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 3600);

/// The allowed sizes of a head or a target. Each connection that sends one costs that much memory.
const HEAD: RangeInclusive<u64> = 512..=1 << 20;

impl Checker<'_> {
    /// The settings of the connections of a listener.
    pub(super) fn connections(&mut self, listener: &ListenerTable, at: &Range<usize>) -> Settings {
        let mut settings = HttpService::new(Vec::new()).settings;
        let waits = [
            ("head-timeout", listener.head_timeout, &mut settings.head_timeout),
            ("idle-timeout", listener.idle_timeout, &mut settings.idle_timeout),
            ("stall-timeout", listener.stall_timeout, &mut settings.stall_timeout),
        ];
        for (name, given, setting) in waits {
            self.wait(name, given, setting, at);
        }
        if let Some(ByteSize(rate)) = listener.min_rate {
            match u32::try_from(rate) {
                Ok(rate) if rate > 0 => {
                    let of = |min: MinRate| MinRate { rate, ..min };
                    settings.min_read_rate = of(settings.min_read_rate);
                    settings.min_write_rate = of(settings.min_write_rate);
                }
                _ => self.fault(at, "min-rate is from 1B to 4GiB a second"),
            }
        }
        let limits = &mut settings.limits;
        for (name, given, setting) in [
            ("max-header-size", listener.max_header_size, &mut limits.head),
            ("max-target-size", listener.max_target_size, &mut limits.target),
        ] {
            match given.map(|size| size.0) {
                None => {}
                Some(size) if HEAD.contains(&size) => *setting = usize::try_from(size).unwrap_or(*setting),
                Some(_) => self.fault(at, format!("{name} is from 512B to 1MiB")),
            }
        }
        match listener.max_headers {
            None => {}
            Some(count) if (1..=MAX_FIELDS).contains(&count) => limits.fields = count,
            Some(_) => self.fault(at, format!("max-headers is from 1 to {MAX_FIELDS}")),
        }
        if let Some(size) = listener.max_body_size {
            limits.body = size.0;
        }
        match listener.keep_alive_requests {
            None => {}
            Some(0) => self.fault(at, "keep-alive-requests is at least 1"),
            Some(count) => settings.requests_per_connection = count,
        }
        settings.abort_on_close = listener.abort_on_close.unwrap_or(settings.abort_on_close);
        settings
    }

    /// Sets a timeout of up to a day.
    pub(super) fn wait(
        &mut self,
        name: &str,
        given: Option<TimeSpan>,
        setting: &mut Duration,
        at: &Range<usize>,
    ) {
        self.time(name, given, setting, at, &WAIT);
    }

    /// Sets a time that is in this range.
    pub(super) fn time(
        &mut self,
        name: &str,
        given: Option<TimeSpan>,
        setting: &mut Duration,
        at: &Range<usize>,
        range: &RangeInclusive<Duration>,
    ) {
        match given.map(|time| time.0) {
            None => {}
            Some(time) if range.contains(&time) => *setting = time,
            Some(_) => {
                let (least, most) = (TimeSpan(*range.start()), TimeSpan(*range.end()));
                self.fault(at, format!("{name} is from {least} to {most}"));
            }
        }
    }
}
