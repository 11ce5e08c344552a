//! The command `wireworks balance ctl`: shows and changes a running balancer through its API.

mod show;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::net::client::pool::Limits;
use crate::net::client::{Connector, Target};
use crate::proto::http::client::{Finish, RequestWriter};
use crate::server::http::body::{Body, BodyError};
use crate::server::http::client::exchange::Timeouts;
use crate::server::http::client::{Client, SendError, Server};

/// The default address of the API: that of the manual's examples.
pub const DEFAULT_ADMIN: &str = "127.0.0.1:9000";

/// The time limit of a response. A reload reads files.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest response in bytes: 10,000 backends take about 1 KiB each.
const MAX_ANSWER: u64 = 64 << 20;

/// The options of `wireworks balance ctl`.
#[derive(ClapArgs, Clone, Debug)]
pub struct CtlArgs {
    /// The address of the API: that of `[admin] listen`
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_ADMIN, global = true)]
    pub admin: Target,
    /// Read the token from a file; changes need it, except over a Unix socket
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
    /// Print what the API answers, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub order: Order,
}

/// What is to be done.
#[derive(Subcommand, Clone, Debug)]
pub enum Order {
    /// Show upstreams and their backends
    List {
        /// Only this upstream
        upstream: Option<String>,
    },
    /// Show the version, the configuration, listeners and caches
    Status,
    /// Make a backend ready for requests again
    Ready {
        /// The name of the upstream
        upstream: String,
        /// The address of the backend
        backend: String,
    },
    /// Drain a backend: it completes what it has and gets nothing new
    Drain {
        /// The name of the upstream
        upstream: String,
        /// The address of the backend
        backend: String,
    },
    /// Force a backend down, whatever its checks say
    #[command(visible_alias = "maint")]
    Down {
        /// The name of the upstream
        upstream: String,
        /// The address of the backend
        backend: String,
    },
    /// Change the weight of a backend
    Weight {
        /// The name of the upstream
        upstream: String,
        /// The address of the backend
        backend: String,
        /// The weight
        weight: u32,
    },
    /// Add a backend
    Add {
        /// The name of the upstream
        upstream: String,
        /// The address of the backend
        backend: String,
        /// Its weight
        #[arg(long, default_value_t = 1)]
        weight: u32,
        /// Use it only when not enough others are available
        #[arg(long)]
        backup: bool,
    },
    /// Remove a backend
    Remove {
        /// The name of the upstream
        upstream: String,
        /// The address of the backend
        backend: String,
    },
    /// Forget what a cache has stored
    Purge {
        /// The name of the cache
        cache: String,
        /// A path with its query (/a?b=c), a path with any query (/a), or all below it (/a/*)
        target: String,
        /// Only of this host
        #[arg(long, default_value = "*")]
        host: String,
    },
    /// Reload the configuration file
    Reload,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// The token file cannot be read.
    #[error("cannot read the token in {}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The token cannot be sent.
    #[error("the token contains characters that cannot be sent")]
    TokenText,
    /// No response.
    #[error("no response from the balancer: {0}")]
    Send(#[from] SendError),
    /// An incomplete response.
    #[error("incomplete response from the balancer: {0}")]
    Body(BodyError),
    /// No response in time.
    #[error("no response from the balancer within {0:?}")]
    Slow(Duration),
    /// The balancer refused.
    #[error("{detail}")]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// What it said.
        detail: String,
    },
    /// The response is not that of a balancer.
    #[error("this address does not serve the API of a balancer")]
    NoApi,
    /// No runtime can be made.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

/// A part of a path: everything with a meaning there is escaped.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request of the API.
struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Order {
    fn call(&self) -> Call {
        let part = |text: &str| utf8_percent_encode(text, PART).to_string();
        let of = |upstream: &str| format!("/api/upstreams/{}", part(upstream));
        let backend = |upstream: &str, name: &str| format!("{}/backends/{}", of(upstream), part(name));
        let state = |upstream: &str, name: &str, state: &str| Call {
            method: Method::PATCH,
            path: backend(upstream, name),
            body: Some(json!({ "state": state })),
        };
        match self {
            Self::List { upstream: None } => {
                Call { method: Method::GET, path: "/api/upstreams".into(), body: None }
            }
            Self::List { upstream: Some(upstream) } => {
                Call { method: Method::GET, path: of(upstream), body: None }
            }
            Self::Status => Call { method: Method::GET, path: "/api/status".into(), body: None },
            Self::Purge { cache, target, host } => Call {
                method: Method::POST,
                path: format!("/api/caches/{}/purge", part(cache)),
                body: Some(json!({ "host": host, "target": target })),
            },
            Self::Ready { upstream, backend } => state(upstream, backend, "ready"),
            Self::Drain { upstream, backend } => state(upstream, backend, "drain"),
            Self::Down { upstream, backend } => state(upstream, backend, "down"),
            Self::Weight { upstream, backend: name, weight } => Call {
                method: Method::PATCH,
                path: backend(upstream, name),
                body: Some(json!({ "weight": weight })),
            },
            Self::Add { upstream, backend, weight, backup } => Call {
                method: Method::POST,
                path: format!("{}/backends", of(upstream)),
                body: Some(json!({ "address": backend, "weight": weight, "backup": backup })),
            },
            Self::Remove { upstream, backend: name } => {
                Call { method: Method::DELETE, path: backend(upstream, name), body: None }
            }
            Self::Reload => Call { method: Method::POST, path: "/api/reload".into(), body: None },
        }
    }
}

/// Runs a command; returns the text to print.
///
/// # Errors
/// The balancer could not be reached, or refused.
pub fn run(args: &CtlArgs) -> Result<String, CtlError> {
    let token = args.token_file.as_ref().map(|path| {
        std::fs::read_to_string(path).map_err(|source| CtlError::Token { path: path.clone(), source })
    });
    let token = token.transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let call = ask(&args.admin, args.order.call(), token.as_deref());
    let answer =
        runtime.block_on(async { timeout(TIMEOUT, call).await }).unwrap_or(Err(CtlError::Slow(TIMEOUT)))?;
    Ok(match &args.order {
        _ if args.json => format!("{answer:#}\n"),
        Order::List { .. } => show::upstreams(&answer),
        Order::Status => show::status(&answer),
        Order::Purge { cache, .. } => show::purged(cache, &answer),
        Order::Reload => format!("configuration {} is in use\n", answer["generation"]),
        Order::Remove { upstream, backend } => format!("{backend} is removed from {upstream}\n"),
        _ => {
            let text = |name: &str| answer[name].as_str().unwrap_or("?").to_owned();
            format!("{} is {}, weight {}\n", text("name"), text("state"), answer["weight"])
        }
    })
}

async fn ask(admin: &Target, call: Call, token: Option<&str>) -> Result<Value, CtlError> {
    let host = match admin {
        Target::Tcp { .. } => admin.to_string(),
        Target::Unix(_) => "localhost".to_owned(),
    };
    let mut writer = RequestWriter::new(&call.method, &call.path, &host).map_err(SendError::from)?;
    if let Some(token) = token {
        let value =
            HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|_| CtlError::TokenText)?;
        writer.field(&AUTHORIZATION, &value);
    }
    let body = call.body.map(|body| body.to_string()).unwrap_or_default();
    if !body.is_empty() {
        writer.field(&CONTENT_TYPE, &HeaderValue::from_static("application/json"));
    }
    let request = writer.finish(Finish { length: Some(body.len() as u64), close: true, ..Finish::default() });
    let client = Client::new(Connector::new(), Limits::DEFAULT);
    let content = || Body::from(body.clone());
    let reply = client.send(&Server::from(admin), request, content, Timeouts::default()).await?;
    let status = reply.status();
    let bytes = reply.body.collect(MAX_ANSWER).await.map_err(CtlError::Body)?;
    if status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| CtlError::NoApi)?;
    if status.is_success() {
        return Ok(value);
    }
    let detail = value["detail"].as_str().unwrap_or("the balancer refuses").to_owned();
    Err(CtlError::Refused { status, detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        let order = Order::Drain { upstream: "a/b".into(), backend: "unix:/run/a.sock".into() };
        let call = order.call();
        assert_eq!(call.path, "/api/upstreams/a%2Fb/backends/unix%3A%2Frun%2Fa.sock");
        assert_eq!(call.body, Some(json!({ "state": "drain" })));
    }
}
