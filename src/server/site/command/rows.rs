//! The rows of the options that a site has beside those of every server.

use std::time::Duration;

use http::HeaderValue;

use super::args::Options;
use super::config::Config;
use crate::net::clock::TICK;
use crate::net::conn::HIGH_WATER;
use crate::proto::http::limits::MAX_FIELDS;
use crate::proto::http::list::is_token;
use crate::proto::ws::deflate::{MAX_WINDOW_BITS, MIN_WINDOW_BITS};
use crate::proto::ws::handshake::server::Origins as SocketOrigins;
use crate::server::command::{self, ConfigError, DAY, HOUR, Typed, Unfit, Way};

/// All rows.
pub(super) fn walk(way: Way, options: &mut Options, config: &mut Config) -> Result<(), ConfigError> {
    way.maybe("dir", &mut options.dir, &mut config.dir)?;
    command::listening(way, &mut options.listening, &mut config.server)?;
    files(way, options, config)?;
    replies(way, options, config)?;
    sockets(way, options, config)?;
    timeouts(way, options, config)?;
    limits(way, options, config)?;
    way.value("access-log-format", &mut options.access_log_format, &mut config.access_log_format)?;
    command::logs(way, &mut options.logs, &mut config.server)
}

fn files(way: Way, o: &mut Options, c: &mut Config) -> Result<(), ConfigError> {
    let files = &mut c.files;
    way.value("no-listing", &mut o.listing, &mut files.listing)?;
    let mut index = IndexNames(std::mem::take(&mut files.index));
    way.value("index", &mut o.index, &mut index)?;
    files.index = index.0;
    way.maybe("spa", &mut o.spa, &mut files.spa)?;
    way.value("hidden", &mut o.hidden, &mut files.hidden)?;
    way.value("follow-symlinks", &mut o.follow_symlinks, &mut files.follow_symlinks)?;
    way.maybe("cache-control", &mut o.cache_control, &mut files.cache_control)?;
    way.value("no-precompressed", &mut o.precompressed, &mut files.precompressed)
}

fn replies(way: Way, o: &mut Options, c: &mut Config) -> Result<(), ConfigError> {
    let replies = &mut c.replies;
    way.value("no-compress", &mut o.compress, &mut replies.compress)?;
    let mut cors = Origins(std::mem::take(&mut replies.cors));
    way.value("cors", &mut o.cors, &mut cors)?;
    replies.cors = cors.0;
    way.maybe("basic-auth", &mut o.basic_auth, &mut replies.basic_auth)?;
    way.maybe("bearer-auth", &mut o.bearer_auth, &mut replies.bearer_auth)?;
    way.maybe("rate-limit", &mut o.rate_limit, &mut replies.rate_limit)?;
    way.range("max-concurrent", &mut o.max_concurrent, &mut replies.max_concurrent, 0..=1_000_000)?;
    way.value("security-headers", &mut o.security_headers, &mut replies.security_headers)?;
    way.value("request-id", &mut o.request_id, &mut replies.request_id)?;
    way.maybe("server-header", &mut o.server_header, &mut c.settings.server_name)
}

fn sockets(way: Way, o: &mut Options, c: &mut Config) -> Result<(), ConfigError> {
    let s = &mut c.sockets;
    let mut names = Subprotocols(std::mem::take(&mut s.subprotocols));
    way.value("subprotocol", &mut o.subprotocol, &mut names)?;
    s.subprotocols = names.0;
    way.value("origin", &mut o.origin, &mut s.origins)?;
    way.value("deflate", &mut o.deflate, &mut s.deflate)?;
    way.range("deflate-level", &mut o.deflate_level, &mut s.terms.level, 0..=9)?;
    way.range(
        "deflate-window",
        &mut o.deflate_window,
        &mut s.terms.server_window_bits,
        MIN_WINDOW_BITS..=MAX_WINDOW_BITS,
    )?;
    way.range("deflate-threshold", &mut o.deflate_threshold, &mut s.terms.threshold, 0..=1 << 30)?;
    way.range("max-deflate-contexts", &mut o.max_deflate_contexts, &mut s.max_contexts, 0..=10_000_000)?;
    way.range("max-message", &mut o.max_message, &mut s.limits.message, 125..=1 << 32)?;
    way.range("max-unsent", &mut o.max_unsent, &mut s.max_unsent, HIGH_WATER..=1 << 32)?;
    let patience = &mut s.patience;
    let mut interval = patience.ping_interval.unwrap_or_default();
    way.range("ping-interval", &mut o.ping_interval, &mut interval, Duration::ZERO..=DAY)?;
    patience.ping_interval = Some(interval).filter(|interval| !interval.is_zero());
    way.range("pong-timeout", &mut o.pong_timeout, &mut patience.pong_timeout, TICK..=HOUR)?;
    way.range("close-timeout", &mut o.close_timeout, &mut patience.close_timeout, TICK..=HOUR)
}

fn timeouts(way: Way, o: &mut Options, c: &mut Config) -> Result<(), ConfigError> {
    let s = &mut c.settings;
    way.range("head-timeout", &mut o.head_timeout, &mut s.head_timeout, TICK..=DAY)?;
    way.range("idle-timeout", &mut o.idle_timeout, &mut s.idle_timeout, TICK..=DAY)?;
    way.range("stall-timeout", &mut o.stall_timeout, &mut s.stall_timeout, TICK..=DAY)?;
    way.range("handler-timeout", &mut o.handler_timeout, &mut s.handler_timeout, Duration::ZERO..=DAY)?;
    way.range("linger-timeout", &mut o.linger_timeout, &mut s.linger_timeout, Duration::ZERO..=HOUR)?;
    way.range("min-read-rate", &mut o.min_read_rate, &mut s.min_read_rate.rate, 1..=1 << 30)?;
    way.range("min-write-rate", &mut o.min_write_rate, &mut s.min_write_rate.rate, 1..=1 << 30)?;
    way.range("min-read-grace", &mut o.min_read_grace, &mut s.min_read_rate.grace, Duration::ZERO..=HOUR)?;
    way.range("min-write-grace", &mut o.min_write_grace, &mut s.min_write_rate.grace, Duration::ZERO..=HOUR)
}

fn limits(way: Way, o: &mut Options, c: &mut Config) -> Result<(), ConfigError> {
    let limits = &mut c.settings.limits;
    way.range("max-head", &mut o.max_head, &mut limits.head, 1024..=16 << 20)?;
    way.range("max-uri", &mut o.max_uri, &mut limits.target, 256..=1 << 20)?;
    way.range("max-fields", &mut o.max_fields, &mut limits.fields, 8..=MAX_FIELDS)?;
    way.range("max-body", &mut o.max_body, &mut limits.body, 0..=1 << 50)?;
    let extensions = &mut limits.chunk_extensions;
    way.range("max-chunk-extensions", &mut o.max_chunk_extensions, extensions, 0..=16 << 20)?;
    way.range("max-trailers", &mut o.max_trailers, &mut limits.trailers, 2..=16 << 20)?;
    let settings = &mut c.settings;
    way.range(
        "max-requests-per-connection",
        &mut o.max_requests_per_connection,
        &mut settings.requests_per_connection,
        1..=i64::MAX.unsigned_abs(), // TOML has no larger number
    )?;
    way.range("max-drain", &mut o.max_drain, &mut settings.drain_limit, 0..=1 << 40)?;
    way.range("max-linger", &mut o.max_linger, &mut settings.linger_limit, 0..=1 << 30)
}

impl Typed<HeaderValue> for String {
    fn hold(&self) -> Result<HeaderValue, Unfit> {
        let plain = self.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && !self.is_empty();
        let value = HeaderValue::try_from(self).ok().filter(|_| plain);
        value.ok_or_else(|| Unfit::new(self.as_str(), "it must be plain ASCII text"))
    }

    fn show(held: &HeaderValue) -> Self {
        String::from_utf8_lossy(held.as_bytes()).into_owned()
    }
}

/// Names of index files, each of one segment.
struct IndexNames(Vec<String>);

impl Typed<IndexNames> for Vec<String> {
    fn hold(&self) -> Result<IndexNames, Unfit> {
        let bad =
            |name: &&String| name.is_empty() || name.contains(['/', '\0']) || *name == "." || *name == "..";
        match self.iter().find(bad) {
            Some(name) => Err(Unfit::new(name.as_str(), "it must be the name of a file, without a folder")),
            None => Ok(IndexNames(self.clone())),
        }
    }

    fn show(held: &IndexNames) -> Self {
        held.0.clone()
    }
}

/// Names of subprotocols, each a token.
struct Subprotocols(Vec<String>);

impl Typed<Subprotocols> for Vec<String> {
    fn hold(&self) -> Result<Subprotocols, Unfit> {
        match self.iter().find(|name| !is_token(name.as_bytes())) {
            Some(name) => Err(Unfit::new(name.as_str(), "it must be one word of letters, digits and -._")),
            None => Ok(Subprotocols(self.clone())),
        }
    }

    fn show(held: &Subprotocols) -> Self {
        held.0.clone()
    }
}

/// `same` and `*` stand alone.
impl Typed<SocketOrigins> for Vec<String> {
    fn hold(&self) -> Result<SocketOrigins, Unfit> {
        match &self[..] {
            [one] if one == "same" => Ok(SocketOrigins::Same),
            [one] if one == "*" => Ok(SocketOrigins::Any),
            all => match all.iter().find(|origin| *origin == "*" || !is_origin(origin)) {
                Some(origin) => Err(Unfit::new(
                    origin.as_str(),
                    "write same, * or origins in lower case without a path, as in https://example.com",
                )),
                None => Ok(SocketOrigins::These(all.to_vec())),
            },
        }
    }

    fn show(held: &SocketOrigins) -> Self {
        match held {
            SocketOrigins::Same => vec!["same".into()],
            SocketOrigins::Any => vec!["*".into()],
            SocketOrigins::These(all) => all.clone(),
        }
    }
}

/// Origins as browsers send them (RFC 6454 section 6.2), or `*`.
struct Origins(Vec<String>);

impl Typed<Origins> for Vec<String> {
    fn hold(&self) -> Result<Origins, Unfit> {
        match self.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => Err(Unfit::new(
                origin.as_str(),
                "write * or an origin in lower case without a path, as in https://example.com",
            )),
            None => Ok(Origins(self.clone())),
        }
    }

    fn show(held: &Origins) -> Self {
        held.0.clone()
    }
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return text == "*";
    };
    let scheme_fits =
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let in_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]_".contains(&byte);
    scheme_fits && !host.is_empty() && host.bytes().all(in_host)
}
