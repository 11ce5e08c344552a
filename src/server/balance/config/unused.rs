//! Keys of an upstream that would do nothing where they stand: they are refused, as whoever wrote them relies on them.
//!
//! Some keys work only together with others, and some only for requests. Whether an upstream gets requests is known when all listeners were looked over.

use std::collections::BTreeSet;

use toml::Spanned;

use super::checker::Checker;
use super::file::File;
use super::upstream::UpstreamTable;
use super::{Action, Config, HttpService, Service};
use crate::server::balance::auth::Auth;

/// The algorithms that go by a key, for messages.
const KEYED: &str = "a hashing algorithm: rendezvous, ring or maglev";

/// The upstreams that a listener sends requests to: its own, and those of its routes, for copies and for authentication.
fn upstreams_of(service: &HttpService) -> impl Iterator<Item = &str> {
    let of_auth = service.routes.iter().map(|route| &route.guards).chain([&service.guards]);
    let of_auth = of_auth.filter_map(|guards| match &guards.auth {
        Some(Auth::Forward(forward)) => Some(&*forward.to),
        _ => None,
    });
    let of_routes = service.routes.iter().flat_map(|route| {
        let branches = match &route.action {
            Action::Forward(to) => &to.branches[..],
            Action::Redirect(..) | Action::Respond(_) => &[],
        };
        let mirror = route.mirror.iter().map(|mirror| &*mirror.to);
        branches.iter().map(|(name, _)| &**name).chain(mirror)
    });
    of_routes.chain(of_auth)
}

impl Checker<'_> {
    /// Looks over the keys of all upstreams.
    pub(super) fn unused(&mut self, file: &File, config: &Config) {
        let (mut http, mut tcp) = (BTreeSet::new(), BTreeSet::new());
        for listener in &config.listeners {
            match &listener.service {
                Service::Http(service) => http.extend(upstreams_of(service)),
                Service::Tcp(service) => {
                    tcp.extend(
                        service.routes.iter().map(|route| &route.to).chain(&service.to).map(|to| &**to),
                    );
                }
            }
        }
        for (name, upstream) in &file.upstreams {
            self.alone(upstream, config.upstreams.iter().find(|found| found.name == *name));
            if tcp.contains(&**name) && !http.contains(&**name) {
                self.without_requests(upstream);
            }
        }
    }

    /// The keys that do nothing without others.
    fn alone(&mut self, upstream: &Spanned<UpstreamTable>, checked: Option<&super::Upstream>) {
        let at = upstream.span();
        let table = upstream.get_ref();
        let keyed = checked.is_none_or(|upstream| upstream.settings.algorithm.is_keyed());
        if let Some(hash) = table.hash.as_ref().filter(|_| !keyed) {
            self.fault(&hash.span(), format!("hash needs {KEYED}"));
        }
        if table.seed.is_some() && !keyed {
            self.fault(&at, format!("seed needs {KEYED}"));
        }
        // The backends of a file may have limits of their own.
        let limited = table.max_connections.is_some()
            || table.discover.is_some()
            || checked.is_none_or(|upstream| upstream.backends.iter().any(|backend| backend.limit.is_some()));
        if (table.queue.is_some() || table.queue_timeout.is_some()) && !limited {
            self.fault(&at, "queue and queue-timeout need max-connections: without it nobody waits");
        }
        if table.slow_start.is_some() && table.check.is_none() {
            self.fault(&at, "slow-start needs `check`: it starts with the check that finds a backend up");
        }
    }

    /// The keys that are for requests, of an upstream that only gets connections.
    fn without_requests(&mut self, upstream: &Spanned<UpstreamTable>) {
        let at = upstream.span();
        let table = upstream.get_ref();
        if let Some(hash) = table.hash.as_ref().filter(|hash| hash.get_ref() != "source") {
            self.fault(
                &hash.span(),
                "connections are hashed by `source` alone: this upstream gets no requests",
            );
        }
        for (key, given) in [
            ("sticky", table.sticky.is_some()),
            ("replay", table.replay.is_some()),
            ("response-timeout", table.response_timeout.is_some()),
            ("idle-timeout", table.idle_timeout.is_some()),
            ("try-timeout", table.try_timeout.is_some()),
            ("deadline", table.deadline.is_some()),
            ("tunnel-timeout", table.tunnel_timeout.is_some()),
            ("error-page", !table.error_page.is_empty()),
        ] {
            if given {
                let message = format!("{key} is for requests: only TCP listeners use this upstream");
                self.fault(&at, message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(mode: &str, more: &str, keys: &str) -> Vec<String> {
        let text = format!(
            "[[listener]]\nlisten = \":1\"\n{mode}\n{more}\n[upstream.a]\nbackends = [\"b:1\"]\n{keys}\n[upstream.b]\nbackends = [\"b:2\"]\n"
        );
        let faults = Config::parse(&text).err().unwrap_or_default();
        faults.into_iter().map(|fault| fault.message).collect()
    }

    #[test]
    fn keys_that_do_nothing_without_others() {
        for (keys, message) in [
            ("hash = \"path\"", Some("hash needs a hashing algorithm")),
            ("algorithm = \"least\"\nhash = \"source\"", Some("hash needs a hashing algorithm")),
            ("seed = 1", Some("seed needs a hashing algorithm")),
            ("algorithm = \"ring\"\nhash = \"path\"\nseed = 1", None),
            ("queue = 1", Some("need max-connections")),
            ("queue-timeout = \"1s\"", Some("need max-connections")),
            ("max-connections = 1\nqueue = 1\nqueue-timeout = \"1s\"", None),
            ("slow-start = \"1s\"", Some("slow-start needs `check`")),
            ("slow-start = \"1s\"\ncheck = {}", None),
        ] {
            let faults = faults("to = \"a\"", "", keys);
            assert_eq!(faults.len(), usize::from(message.is_some()), "{keys}: {faults:?}");
            for fault in faults {
                assert!(fault.contains(message.unwrap_or_default()), "{keys}: {fault}");
            }
        }
    }

    #[test]
    fn keys_for_requests_where_there_are_none() {
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key.path(), "k".repeat(32)).unwrap();
        let sticky = format!("sticky = {{ cookie = \"c\", keys = [{:?}] }}", key.path());
        let http = "[[listener]]\nlisten = \":2\"\n";
        let users = [
            format!("{http}to = \"a\""),
            format!(
                "{http}[[listener.route]]\nto = [{{ upstream = \"a\", weight = 1 }}, {{ upstream = \"b\", weight = 1 }}]"
            ),
            format!("{http}[[listener.route]]\nto = \"b\"\nmirror = {{ to = \"a\" }}"),
            format!("{http}to = \"b\"\nauth = {{ forward = {{ to = \"a\", path = \"/\" }} }}"),
        ];
        for keys in [
            "algorithm = \"maglev\"\nhash = \"path\"",
            &sticky,
            "replay = \"1KiB\"",
            "response-timeout = \"1s\"",
            "idle-timeout = \"1s\"",
            "try-timeout = \"1s\"",
            "deadline = \"1s\"",
            "tunnel-timeout = \"1s\"",
            "error-page = [{ body = \"a\" }]",
        ] {
            let tcp = "mode = \"tcp\"\nto = \"a\"";
            let alone = faults(tcp, "", keys);
            assert!(alone.len() == 1 && alone[0].contains("requests"), "{keys}: {alone:?}");
            for user in &users {
                assert_eq!(faults(tcp, user, keys), [""; 0], "{keys}: {user}");
            }
            assert_eq!(faults("to = \"b\"", "", keys), [""; 0], "nobody uses it: {keys}");
        }
        assert_eq!(
            faults("mode = \"tcp\"\nto = \"a\"", "", "algorithm = \"maglev\"\nhash = \"source\""),
            [""; 0]
        );
    }
}
