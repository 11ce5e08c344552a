//! What answers: the folder or the demo application, with the layers around it that the configuration asks for.

use std::sync::Arc;

use super::config::{AccessLogFormat, Config, Deflate, FilesConfig, Replies, Site, Sockets};
use super::run::CommandError;
use crate::net::workers::Blocking;
use crate::proto::ws::deflate::{self, Memory};
use crate::server::credentials::{Credentials, CredentialsError, Scheme, Secret};
use crate::server::fresh::Fresh;
use crate::server::http::files::{Files, FilesOptions};
use crate::server::http::handler::SharedHandler;
use crate::server::http::middleware::Stack;
use crate::server::http::middleware::access_log::Format;
use crate::server::http::middleware::auth::Auth;
use crate::server::http::middleware::compression::Compression;
use crate::server::http::middleware::concurrency::Concurrency;
use crate::server::http::middleware::cors::{Cors, CorsConfig, CorsError, Origins};
use crate::server::http::middleware::rate_limit::{RateKey, RateLimit};
use crate::server::http::middleware::request_id::RequestIds;
use crate::server::http::middleware::security::SecurityHeaders;
use crate::server::http::router::Router;
use crate::server::site::{demo, sockets};
use crate::server::units::Frequency;
use crate::server::ws::metrics::SocketMetrics;
use crate::server::ws::{BadSubprotocol, Limits, Settings, Upgrade};

/// What is shown to those who are asked for a password.
const REALM: &str = "wireworks";

/// What answers, without the layers around it. Its sockets are counted if somebody wants `metrics`.
pub(super) fn handler(
    config: &Config,
    blocking: &Blocking,
    metrics: Option<&SocketMetrics>,
) -> Result<SharedHandler, CommandError> {
    let upgrade = || upgrade(&config.sockets, blocking, metrics);
    let dir = config.dir.as_ref();
    let files = dir.map(|dir| Files::new(dir, files(&config.files), blocking.clone())).transpose()?;
    Ok(match (config.site, files) {
        (Site::Http, Some(files)) => Arc::new(files),
        (Site::Http, None) => Arc::new(demo::with_sockets(&upgrade()?)),
        (Site::Sockets, files) => {
            let router = sockets::routes(Router::new(), "", &upgrade()?);
            Arc::new(match files {
                Some(files) => router.fallback(files),
                None => router.get("/", sockets::Page::new("")),
            })
        }
    })
}

/// How requests become sockets.
fn upgrade(
    config: &Sockets,
    blocking: &Blocking,
    metrics: Option<&SocketMetrics>,
) -> Result<Upgrade, BadSubprotocol> {
    let Sockets { limits, patience, max_unsent, terms, .. } = *config;
    let settings = Settings {
        limits: Limits { frame: limits.message, ..limits },
        patience,
        max_unsent,
        workers: Some(blocking.clone()),
        ..Settings::default()
    };
    let upgrade =
        Upgrade::new().origins(config.origins.clone()).max_contexts(config.max_contexts).settings(settings);
    let upgrade = metrics.cloned().into_iter().fold(upgrade, Upgrade::metrics);
    let upgrade = config.subprotocols.iter().try_fold(upgrade, |upgrade, name| upgrade.subprotocol(name))?;
    let terms = deflate::Terms { client_window_bits: terms.server_window_bits, ..terms };
    Ok(match config.deflate {
        Deflate::Off => upgrade,
        Deflate::Shared => upgrade.deflate(deflate::Terms { memory: Memory::Shared, ..terms }),
        Deflate::Dedicated => upgrade.deflate(deflate::Terms { memory: Memory::Dedicated, ..terms }),
    })
}

/// The format by its name in the configuration.
pub(super) fn log_format(format: AccessLogFormat) -> Format {
    match format {
        AccessLogFormat::Combined => Format::Combined,
        AccessLogFormat::Json => Format::Json,
    }
}

fn files(config: &FilesConfig) -> FilesOptions {
    FilesOptions {
        index: config.index.clone(),
        listing: config.listing,
        cache_control: config.cache_control.clone(),
        spa_fallback: config.spa.clone(),
        show_hidden: config.hidden,
        follow_symlinks: config.follow_symlinks,
        precompressed: config.precompressed,
        ..FilesOptions::default()
    }
}

/// The layers around it; the access log and the metrics are the server's.
pub(super) fn stack(replies: &Replies, blocking: &Blocking) -> Result<Stack, CommandError> {
    Ok(Stack {
        request_id: replies.request_id.then_some(RequestIds),
        catch_panics: true,
        security_headers: replies.security_headers.then(SecurityHeaders::default),
        cors: cors(&replies.cors)?,
        auth: auth(replies)?,
        rate_limit: replies.rate_limit.and_then(rate_limit),
        concurrency: (replies.max_concurrent > 0).then(|| Concurrency::new(replies.max_concurrent, 0)),
        compression: replies.compress.then(|| Compression::default().workers(blocking.clone())),
        ..Stack::default()
    })
}

fn cors(origins: &[String]) -> Result<Option<Cors>, CorsError> {
    if origins.is_empty() {
        return Ok(None);
    }
    let origins = if origins.iter().any(|origin| origin == "*") {
        Origins::Any
    } else {
        Origins::These(origins.to_vec())
    };
    Cors::new(CorsConfig { origins, ..CorsConfig::default() }).map(Some)
}

/// Whoever is in one of the lists comes in.
fn auth(replies: &Replies) -> Result<Option<Auth>, CredentialsError> {
    let lists = [(Scheme::Basic, replies.basic_auth.clone()), (Scheme::Bearer, replies.bearer_auth.clone())];
    let lists = lists.into_iter().filter_map(|(scheme, typed)| Some((scheme, typed?)));
    let lists: Vec<(Scheme, Secret)> = lists.collect();
    if lists.is_empty() {
        return Ok(None);
    }
    let files = lists.iter().filter_map(|(_, typed)| typed.file()).collect();
    let current = Fresh::new(files, move || {
        let mut auth = Auth::new(REALM);
        for (scheme, typed) in &lists {
            for (name, secret) in Credentials::load(*scheme, typed)?.iter() {
                auth = match scheme {
                    Scheme::Basic => auth.user(name, secret),
                    _ => auth.token(name, secret),
                };
            }
        }
        Ok::<_, CredentialsError>(auth)
    })?;
    Ok(Some(Auth::following(current)))
}

/// The limit for each address.
fn rate_limit(frequency: Frequency) -> Option<RateLimit> {
    Some(RateLimit::new(frequency.rate()?, RateKey::Peer, RateLimit::MAX_KEYS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::workers::BlockingConfig;

    fn stack_of(change: impl FnOnce(&mut Replies)) -> Result<Stack, CommandError> {
        let mut replies = Config::default().replies;
        change(&mut replies);
        stack(&replies, &Blocking::new(BlockingConfig::default()))
    }

    #[test]
    fn by_default_panics_slow_handlers_and_size_are_looked_after() {
        let stack = stack_of(|_| {}).unwrap();
        assert!(stack.catch_panics && stack.timeout.is_none() && stack.compression.is_some());
        assert!(stack.auth.is_none() && stack.cors.is_none() && stack.security_headers.is_none());
        assert!(stack.rate_limit.is_none() && stack.concurrency.is_none() && stack.request_id.is_none());
    }

    #[test]
    fn each_part_is_there_when_it_is_asked_for() {
        let stack = stack_of(|replies| {
            replies.compress = false;
            replies.cors = vec!["https://a.test".into(), "*".into()];
            replies.basic_auth = Some("me:secret".to_owned().into());
            replies.rate_limit = "30/m".parse().ok();
            replies.max_concurrent = 1;
            replies.security_headers = true;
            replies.request_id = true;
        })
        .unwrap();
        assert!(stack.compression.is_none());
        assert!(stack.auth.is_some() && stack.cors.is_some() && stack.security_headers.is_some());
        assert!(stack.rate_limit.is_some() && stack.concurrency.is_some() && stack.request_id.is_some());
    }

    #[test]
    fn what_is_wrong_comes_out() {
        let bad = stack_of(|replies| replies.cors = vec!["nowhere".into()]);
        assert!(matches!(bad, Err(CommandError::Cors(_))));
        let bad = stack_of(|replies| replies.bearer_auth = Some("/nonexistent".to_owned().into()));
        assert!(matches!(bad, Err(CommandError::Credentials(_))));
    }
}
