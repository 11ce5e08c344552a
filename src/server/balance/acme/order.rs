//! One order, from the account to the certificate (RFC 8555 section 7.1): the authority is asked, each name is proven, and the certificate
//! is fetched.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::Settings;
use super::files::{self, FileError};
use super::web::Web;
use crate::net::tls::{Challenges, TlsError};

/// How long an order may take, validation and all.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often the authority is asked how far it is, and for how long.
const POLLS: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).timeout(Duration::from_secs(120));

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("it took longer than {PATIENCE:?}")]
    Late,
    #[error("the authority: {0}")]
    Authority(#[from] instant_acme::Error),
    #[error("the authority does not prove {0} by TLS-ALPN-01")]
    NoChallenge(String),
    #[error("{0} is not proven: {1}")]
    NotProven(String, String),
    #[error("the order is {0:?}")]
    Order(OrderStatus),
    #[error("the request for the certificate: {0}")]
    Request(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("interrupted")]
    Interrupted,
}

/// Orders a certificate: its key and its chain, in PEM.
pub(super) async fn order(settings: &Arc<Settings>, challenges: &Challenges) -> Result<String, OrderError> {
    tokio::time::timeout(PATIENCE, ordered(settings, challenges)).await.map_err(|_| OrderError::Late)?
}

async fn ordered(settings: &Arc<Settings>, challenges: &Challenges) -> Result<String, OrderError> {
    let account = account(settings).await?;
    let identifiers: Vec<_> = settings.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let proven = prove(&mut order, challenges).await;
    if let Err(OrderError::Authority(_) | OrderError::Order(_)) = &proven {
        // What went wrong with a name says more than what became of the order.
        if let Some(error) = refusal(&mut order).await {
            return Err(error);
        }
    }
    proven?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(settings.domains.clone())?;
    params.distinguished_name = DistinguishedName::new();
    order.finalize_csr(params.serialize_request(&key)?.der()).await?;
    let chain = order.poll_certificate(&POLLS).await?;
    Ok(key.serialize_pem() + &chain)
}

/// The account: the one that is kept, or a new one.
async fn account(settings: &Arc<Settings>) -> Result<Account, OrderError> {
    let (web, kept) = blocking(settings, |settings| {
        let web = settings.connector().map(Web::new);
        (web, files::account(settings))
    })
    .await?;
    let builder = Account::builder_with_http(Box::new(web?));
    if let Some(kept) = kept {
        return Ok(builder.from_credentials(kept).await?);
    }
    let contact = settings.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<_> = contact.iter().map(String::as_str).collect();
    let wish = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, made): (_, AccountCredentials) =
        builder.create(&wish, settings.directory.clone(), None).await?;
    blocking(settings, move |settings| files::keep_account(settings, &made)).await??;
    Ok(account)
}

/// Shows the authority that the names lead here.
async fn prove(order: &mut Order, challenges: &Challenges) -> Result<(), OrderError> {
    // They are answered until the authority has seen them all.
    let mut answers = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            return Err(OrderError::NoChallenge(name));
        };
        answers.push(challenges.answer(&name, challenge.key_authorization().digest().as_ref())?);
        challenge.set_ready().await?;
    }
    match order.poll_ready(&POLLS).await? {
        OrderStatus::Ready => Ok(()),
        other => Err(OrderError::Order(other)),
    }
}

/// What the authority says of the first name that it does not believe.
async fn refusal(order: &mut Order) -> Option<OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let state = authorization.refresh().await.ok()?;
        let name = state.identifier().to_string();
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return Some(OrderError::NotProven(name, problem.to_string()));
        }
    }
    None
}

/// Does something with files where it disturbs no connection.
async fn blocking<T: Send + 'static>(
    settings: &Arc<Settings>,
    work: impl FnOnce(&Settings) -> T + Send + 'static,
) -> Result<T, OrderError> {
    let settings = Arc::clone(settings);
    tokio::task::spawn_blocking(move || work(&settings)).await.map_err(|_| OrderError::Interrupted)
}
