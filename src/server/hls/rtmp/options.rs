//! The options of the RTMP door, as typed.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Settings;
use crate::net::addr::ListenAddr;
use crate::server::credentials::Secret;
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
    /// Who may publish a stream: NAME:KEY, or a file of such lines; repeatable. Without it anybody may.
    #[arg(long, value_name = "NAME:KEY|FILE", help_heading = HEADING)]
    pub stream_key: Option<Vec<Secret>>,
    /// An encoder that sends no media for so long is gone.
    #[arg(long, value_name = "TIME", help_heading = HEADING)]
    pub rtmp_idle: Option<TimeSpan>,
}

impl RtmpOptions {
    /// What they say of the door.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let settings = Settings::default();
        Settings { idle: self.rtmp_idle.map_or(settings.idle, |span| span.0), ..settings }
    }
}
