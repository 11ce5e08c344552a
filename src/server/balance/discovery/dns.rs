//! Backends by DNS: the addresses of a name (A, AAAA), or the servers of a service (SRV, RFC 2782).
//!
//! The priority of an SRV record becomes the pool, its weight the weight; a weight of 0 is a small one. The targets of SRV records are resolved by the same resolver.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Refused, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::net::client::Target;
use crate::proto::balance::discovery::{Heard, Policy, ranks};
use crate::server::balance::backend::Setup;

/// The time limit of a query with all its repetitions, so that an unreachable resolver does not delay the next one.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How often a query is sent before it counts as unanswered.
const ATTEMPTS: usize = 2;

/// The most backends of one answer; the rest is ignored.
const MAX_FOUND: usize = 1000;

/// Discovery by DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The name to resolve.
    pub name: String,
    /// The record type.
    pub kind: Kind,
    /// The port of the backends; SRV records contain their own.
    pub port: u16,
    /// The DNS server; the system's if it is `None`.
    pub resolver: Option<SocketAddr>,
    /// For how long answers are used.
    pub policy: Policy,
}

/// The record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Servers with their ports, priorities and weights.
    Srv,
}

/// A discovered backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its address.
    pub address: SocketAddr,
    /// The number of its pool, from 0.
    pub priority: u32,
    /// Its weight.
    pub weight: u32,
}

impl Found {
    pub(super) fn setup(&self, template: &Setup) -> Setup {
        let target = Target::Tcp { host: self.address.ip().to_string(), port: self.address.port() };
        Setup { target, weight: self.weight, priority: self.priority, ..template.clone() }
    }
}

/// Why no backends were discovered.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The name does not exist, or has no such records.
    #[error("the name does not exist, or has no such records")]
    Gone,
    /// The query was not answered.
    #[error("{0}")]
    Failed(NetError),
}

impl From<NetError> for DnsError {
    fn from(error: NetError) -> Self {
        match &error {
            NetError::Dns(Refused::NoRecordsFound(NoRecords {
                response_code: ResponseCode::NXDomain | ResponseCode::NoError,
                ..
            })) => Self::Gone,
            _ => Self::Failed(error),
        }
    }
}

impl Dns {
    /// The resolver. It caches nothing: the time to live of answers is handled here.
    pub(super) fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut builder = match self.resolver {
            None => TokioResolver::builder_tokio()?,
            Some(server) => {
                let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
                connections.iter_mut().for_each(|connection| connection.port = server.port());
                let server = NameServerConfig::new(server.ip(), true, connections);
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        (options.cache_size, options.timeout, options.attempts) = (0, TIMEOUT, ATTEMPTS);
        builder.build()
    }

    /// Queries once: the outcome, and the error if there is one.
    pub(super) async fn ask(&self, resolver: &TokioResolver) -> (Heard<Found>, Option<DnsError>) {
        match self.find(resolver).await {
            Ok((found, ttl)) => (Heard::Members(found, ttl), None),
            Err(error @ DnsError::Gone) => (Heard::Gone, Some(error)),
            Err(error) => (Heard::Failed, Some(error)),
        }
    }

    async fn find(&self, resolver: &TokioResolver) -> Result<(Vec<Found>, Duration), DnsError> {
        match self.kind {
            Kind::A => self.addresses(resolver, RecordType::A).await,
            Kind::Aaaa => self.addresses(resolver, RecordType::AAAA).await,
            Kind::Srv => self.servers(resolver).await,
        }
    }

    async fn addresses(
        &self,
        resolver: &TokioResolver,
        kind: RecordType,
    ) -> Result<(Vec<Found>, Duration), DnsError> {
        let lookup = resolver.lookup(&*self.name, kind).await?;
        let found = addresses(&lookup).map(|ip| Found {
            address: SocketAddr::new(ip, self.port),
            priority: 0,
            weight: 1,
        });
        Ok((found.take(MAX_FOUND).collect(), left(&lookup)))
    }

    async fn servers(&self, resolver: &TokioResolver) -> Result<(Vec<Found>, Duration), DnsError> {
        let lookup = resolver.lookup(&*self.name, RecordType::SRV).await?;
        let mut ttl = left(&lookup);
        let mut found = Vec::new();
        for record in lookup.answers() {
            let RData::SRV(server) = &record.data else { continue };
            // RFC 2782: the root as a target says that there is no such service.
            if server.target.is_root() {
                continue;
            }
            let mut known = false;
            for kind in [RecordType::A, RecordType::AAAA] {
                let lookup = match resolver.lookup(server.target.clone(), kind).await.map_err(DnsError::from)
                {
                    Ok(lookup) => lookup,
                    Err(DnsError::Gone) => continue,
                    // One server that is not known any longer would be taken away otherwise.
                    Err(error) => return Err(error),
                };
                ttl = ttl.min(left(&lookup));
                for ip in addresses(&lookup) {
                    known = true;
                    found.push(Found {
                        address: SocketAddr::new(ip, server.port),
                        priority: server.priority.into(),
                        weight: u32::from(server.weight).max(1),
                    });
                }
                // One family is enough: both lead to the same server.
                if known {
                    break;
                }
            }
            if found.len() >= MAX_FOUND {
                break;
            }
        }
        found.truncate(MAX_FOUND);
        ranks(&mut found, |found| found.priority, |found, rank| found.priority = rank);
        Ok((found, ttl))
    }
}

fn addresses(lookup: &Lookup) -> impl Iterator<Item = IpAddr> {
    lookup.answers().iter().filter_map(|record| match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    })
}

/// The time to live of an answer: the shortest of its records.
fn left(lookup: &Lookup) -> Duration {
    let records = lookup.answers().iter().map(|record| Duration::from_secs(record.ttl.into()));
    records.min().unwrap_or_else(|| lookup.valid_until().saturating_duration_since(Instant::now()))
}
