//! The options of the RTMP door, and what they come to.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Settings;
use crate::net::addr::ListenAddr;
use crate::server::command::{ConfigError, HOUR, Way};
use crate::server::units::TimeSpan;

const HEADING: &str = "RTMP";

/// The options of the RTMP door.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct RtmpOptions {
    /// Where encoders publish by RTMP: rtmp://HOST/live, with the name of the stream as its key; repeatable.
    #[arg(long, value_name = "ADDR", help_heading = HEADING)]
    pub rtmp: Option<Vec<ListenAddr>>,
    /// Where they do with TLS, by the certificates of the server; repeatable.
    #[arg(long, value_name = "ADDR", help_heading = HEADING)]
    pub rtmps: Option<Vec<ListenAddr>>,
    /// An encoder that sends no media for so long is gone.
    #[arg(long, value_name = "TIME", help_heading = HEADING)]
    pub rtmp_idle: Option<TimeSpan>,
}

/// What they come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtmpConfig {
    /// Where encoders connect.
    pub listen: Vec<ListenAddr>,
    /// Where they connect with TLS.
    pub listen_tls: Vec<ListenAddr>,
    /// What is decided about connections.
    pub settings: Settings,
}

impl RtmpConfig {
    /// The options, walked one way or the other.
    ///
    /// # Errors
    /// A value out of its range.
    pub(in crate::server) fn walk(way: Way, o: &mut RtmpOptions, c: &mut Self) -> Result<(), ConfigError> {
        way.value("rtmp", &mut o.rtmp, &mut c.listen)?;
        way.value("rtmps", &mut o.rtmps, &mut c.listen_tls)?;
        way.range("rtmp-idle", &mut o.rtmp_idle, &mut c.settings.idle, Duration::from_secs(1)..=HOUR)
    }

    /// Whether encoders can connect anywhere.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.listen.is_empty() || !self.listen_tls.is_empty()
    }
}
