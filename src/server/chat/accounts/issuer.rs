//! Accounts of an issuer elsewhere: its JSON Web Tokens name them.

use std::sync::Arc;

use jsonwebtoken::Algorithm;

use super::Refusal;
use super::config::{ConfigError, IssuerConfig};
use crate::proto::chat::name::Nick;
use crate::server::jwt::{Keys, Rules, check};
use crate::server::watched::Watched;

/// An issuer whose keys are known.
#[derive(Debug)]
pub(super) struct Issuer {
    keys: Arc<Watched<Keys>>,
    rules: Rules,
    claim: String,
    create: bool,
}

impl Issuer {
    pub(super) fn open(config: IssuerConfig) -> Result<Self, ConfigError> {
        let IssuerConfig { keys, algorithms, rules, claim, create } = config;
        if rules.issuers.is_empty() && rules.audiences.is_empty() {
            return Err(ConfigError::AnyToken);
        }
        let known =
            |name: &String| name.parse::<Algorithm>().map_err(|_| ConfigError::Algorithm(name.clone()));
        let algorithms = algorithms.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        if algorithms.is_empty() {
            return Err(ConfigError::Algorithm(String::new()));
        }
        let keys = Watched::open(&keys, move |text| Keys::parse(text, &algorithms))?;
        Ok(Self { keys, rules, claim, create })
    }

    /// Whose token this is.
    pub(super) async fn name(&self, token: &str) -> Result<Nick, Refusal> {
        let keys = self.keys.current().await;
        let claims = check(token, &keys, &self.rules)?;
        let name = claims.text(&self.claim).ok_or(Refusal::Nobody)?;
        name.parse().map_err(|_| Refusal::Nobody)
    }

    /// Whether accounts are made at their first login.
    pub(super) fn creates(&self) -> bool {
        self.create
    }
}
