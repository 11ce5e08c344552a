//! The validation of a file: it goes on after a fault, so that all faults are reported at once.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use toml::Spanned;

use super::file::File;
use super::{Config, Fault};
use crate::net::addr::ListenAddr;
use crate::server::balance::redis::Redis;
use crate::server::hex;
use crate::server::log::LogConfig;

/// Parses the text of a file.
pub(super) fn config(text: &str) -> Result<Config, Vec<Fault>> {
    let mut checker = Checker::of(text);
    let file: File = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            let at = error.span().unwrap_or(0..0);
            checker.fault(&at, error.message().lines().next().unwrap_or_default());
            return Err(checker.faults);
        }
    };
    let config = checker.file(&file);
    checker.outcome(config)
}

/// The file that is being validated, and its faults so far.
pub(super) struct Checker<'a> {
    text: &'a str,
    faults: Vec<Fault>,
    /// The names of the upstreams.
    names: BTreeSet<String>,
    /// The names of the caches.
    pub(super) caches: BTreeSet<String>,
    /// Where shared limits are counted.
    pub(super) redis: Option<Arc<Redis>>,
    /// Whether the file says where that is.
    pub(super) has_redis: bool,
    /// The listener and the route that are looked over: their numbers, from 1; 0 for a listener's own keys.
    pub(super) place: (usize, usize),
    /// Whether the listener that is looked over authenticates its clients.
    pub(super) authenticated: bool,
    /// Files of TLS to backends and other servers.
    pub(super) files: Vec<PathBuf>,
}

impl<'a> Checker<'a> {
    /// A checker for this text.
    pub(super) fn of(text: &'a str) -> Self {
        let (names, caches) = (BTreeSet::new(), BTreeSet::new());
        Self {
            text,
            faults: Vec::new(),
            names,
            caches,
            redis: None,
            has_redis: false,
            place: (0, 0),
            authenticated: false,
            files: Vec::new(),
        }
    }

    /// The result, if there are no faults; otherwise all faults, in the order of the file.
    pub(super) fn outcome<T>(mut self, read: T) -> Result<T, Vec<Fault>> {
        self.faults.sort_by_key(|fault| (fault.line, fault.column));
        if self.faults.is_empty() { Ok(read) } else { Err(self.faults) }
    }
}

impl Checker<'_> {
    /// Records a fault at these bytes of the file.
    pub(super) fn fault(&mut self, at: &Range<usize>, message: impl Into<String>) {
        let before = &self.text[..self.text.floor_char_boundary(at.start)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.faults.push(Fault { line, column, message: message.into() });
    }

    fn file(&mut self, file: &File) -> Config {
        self.names = file.upstreams.keys().cloned().collect();
        self.caches = file.caches.keys().cloned().collect();
        self.has_redis = file.redis.is_some();
        self.redis = file.redis.as_ref().and_then(|redis| self.redis(redis));
        if file.listeners.is_empty() {
            self.fault(&(0..0), "there is no [[listener]]");
        }
        let defaults = Config::default();
        let log = LogConfig {
            format: file.process.log.unwrap_or(defaults.log.format),
            level: file.process.log_level.unwrap_or(defaults.log.level),
        };
        let mut config = Config {
            trace: None,
            files: Vec::new(),
            log,
            threads: file.process.threads.unwrap_or(defaults.threads),
            drain_timeout: file.process.drain_timeout.map_or(defaults.drain_timeout, |time| time.0),
            stop_delay: file.process.stop_delay.map_or(defaults.stop_delay, |time| time.0),
            upgrade_timeout: file.process.upgrade_timeout.map_or(defaults.upgrade_timeout, |time| time.0),
            pid_file: file.process.pid_file.clone(),
            watch: file.process.watch.unwrap_or(defaults.watch),
            keep_alive: file
                .keep_alive
                .as_ref()
                .map_or(defaults.keep_alive, |keep_alive| self.keep_alive(keep_alive)),
            admin: file.admin.as_ref().map(|admin| self.admin(admin)).unwrap_or_default(),
            checksum: hex::encode(digest(&SHA256, self.text.as_bytes()).as_ref()),
            listeners: (1..)
                .zip(&file.listeners)
                .map(|(number, listener)| {
                    self.place = (number, 0);
                    self.listener(listener)
                })
                .collect(),
            upstreams: file.upstreams.iter().map(|(name, upstream)| self.upstream(name, upstream)).collect(),
            caches: file.caches.iter().map(|(name, cache)| self.cache(name, cache)).collect(),
            redis: self.redis.clone(),
        };
        config.trace = file.trace.as_ref().and_then(|trace| self.trace(trace, &config.listeners));
        self.unused(file, &config);
        self.taken_twice(file);
        config.files = std::mem::take(&mut self.files);
        config
    }

    /// Finds addresses that are listened on twice: the second could not be bound.
    fn taken_twice(&mut self, file: &File) {
        let of_admin = file.admin.iter().flat_map(|admin| {
            let table = admin.get_ref();
            table.listen.iter().chain(&table.metrics).map(move |address| (address, admin.span()))
        });
        let of_listeners = file.listeners.iter().flat_map(|listener| {
            let listen = &listener.get_ref().listen;
            listen.get_ref().as_slice().iter().map(move |address| (address, listen.span()))
        });
        let mut seen = BTreeSet::new();
        for (address, at) in of_admin.chain(of_listeners) {
            let is_one = match address {
                ListenAddr::Tcp(address) => address.port() != 0,
                ListenAddr::Any(port) => *port != 0,
                ListenAddr::Unix(_) => true,
                // There may be several sockets of a name.
                ListenAddr::Inherited(_) => false,
            };
            if is_one && !seen.insert(address.to_string()) {
                self.fault(&at, format!("{address} is listened on twice"));
            }
        }
    }

    /// The name of an upstream, which must exist.
    pub(super) fn named(&mut self, name: &Spanned<String>) -> String {
        if !self.names.contains(name.get_ref()) {
            let message = format!("there is no [upstream.{}]", name.get_ref());
            self.fault(&name.span(), message);
        }
        name.get_ref().clone()
    }
}
