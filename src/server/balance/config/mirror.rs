//! `mirror` of a route: copies of its requests for another upstream.

use serde::Deserialize;
use toml::Spanned;

use super::Mirror;
use super::checker::Checker;
use crate::server::balance::gateway::Copies;
use crate::server::units::ByteSize;

/// Where copies go.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MirrorTable {
    pub(super) to: Spanned<String>,
    pub(super) percent: Option<Spanned<f64>>,
    pub(super) max_body: Option<ByteSize>,
    pub(super) max_in_flight: Option<usize>,
}

/// The default limit of a copied body: as much as is kept for retries.
const MAX_BODY: u64 = 64 * 1024;

/// The default number of copies in progress.
const MAX_IN_FLIGHT: usize = 100;

impl Checker<'_> {
    pub(super) fn mirror(&mut self, mirror: &MirrorTable) -> Mirror {
        let percent = mirror.percent.as_ref().map_or(100.0, |percent| *percent.get_ref());
        if let Some(at) = mirror.percent.as_ref().filter(|_| !(0.0..=100.0).contains(&percent)) {
            self.fault(&at.span(), "a percentage is 0 to 100");
        }
        Mirror {
            to: self.named(&mirror.to),
            share: percent / 100.0,
            max_body: mirror.max_body.map_or(MAX_BODY, |bytes| bytes.0),
            copies: Copies::new(mirror.max_in_flight.unwrap_or(MAX_IN_FLIGHT)),
        }
    }
}
