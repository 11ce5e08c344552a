//! The names in a configuration: each must be that of a part which it has. The file is checked with lines and columns when it is read; this is for configurations
//! that a program has put together.

use super::{Action, Config, HttpService, Route, Service, TcpService};
use crate::server::balance::auth::Auth;
use crate::server::balance::guards::Guards;

/// A configuration names what it does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownName {
    /// There is no such upstream.
    #[error("there is no upstream {0:?}")]
    Upstream(String),
    /// There is no such cache.
    #[error("there is no cache {0:?}")]
    Cache(String),
    /// A route leads to no upstream at all.
    #[error("a route leads to no upstream")]
    Nowhere,
}

impl Config {
    /// Whether all upstreams and caches that are named are there.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_names(&self) -> Result<(), UnknownName> {
        self.listeners.iter().try_for_each(|listener| match &listener.service {
            Service::Tcp(service) => self.check_tcp(service),
            Service::Http(service) => self.check_http(service),
        })
    }

    fn check_tcp(&self, service: &TcpService) -> Result<(), UnknownName> {
        let routes = service.routes.iter().map(|route| &route.to);
        routes.chain(&service.to).try_for_each(|name| self.has_upstream(name))
    }

    fn check_http(&self, service: &HttpService) -> Result<(), UnknownName> {
        self.check_guards(&service.guards)?;
        service.routes.iter().try_for_each(|route| self.check_route(route))
    }

    fn check_route(&self, route: &Route) -> Result<(), UnknownName> {
        if let Action::Forward(to) = &route.action {
            if to.branches.is_empty() {
                return Err(UnknownName::Nowhere);
            }
            to.branches.iter().try_for_each(|(name, _)| self.has_upstream(name))?;
        }
        route.mirror.iter().try_for_each(|mirror| self.has_upstream(&mirror.to))?;
        if let Some(cache) = &route.cache
            && !self.caches.iter().any(|known| known.name == *cache)
        {
            return Err(UnknownName::Cache(cache.clone()));
        }
        self.check_guards(&route.guards)
    }

    fn check_guards(&self, guards: &Guards) -> Result<(), UnknownName> {
        match &guards.auth {
            Some(Auth::Forward(forward)) => self.has_upstream(&forward.to),
            _ => Ok(()),
        }
    }

    fn has_upstream(&self, name: &str) -> Result<(), UnknownName> {
        let known = self.upstreams.iter().any(|upstream| upstream.name == name);
        if known { Ok(()) } else { Err(UnknownName::Upstream(name.into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Mirror, TlsRoute, To};
    use super::*;

    const TEXT: &str = "[[listener]]\nlisten = \":1\"\nto = \"a\"\n[[listener]]\nlisten = \":2\"\nmode = \"tcp\"\nto = \"a\"\n[upstream.a]\nbackends = [\"b:1\"]\n[cache.c]\n";

    fn checked(change: impl FnOnce(&mut HttpService, &mut TcpService)) -> Result<(), UnknownName> {
        let mut config = Config::parse(TEXT).unwrap();
        let [one, two] = &mut config.listeners[..] else { panic!("two listeners") };
        let (Service::Http(http), Service::Tcp(tcp)) = (&mut one.service, &mut two.service) else {
            panic!("one of each kind");
        };
        change(http, tcp);
        config.check_names()
    }

    #[test]
    fn names_that_nothing_has() {
        type Change = fn(&mut HttpService, &mut TcpService);
        let nobody = || Err(UnknownName::Upstream("nobody".into()));
        let mirror = || {
            let copies = crate::server::balance::gateway::Copies::new(1);
            Mirror { to: "nobody".into(), share: 1.0, max_body: 1, copies }
        };
        let rows: [(Change, Result<(), UnknownName>); 7] = [
            (|_, _| {}, Ok(())),
            (|http, _| http.routes[0].cache = Some("c".into()), Ok(())),
            (|http, _| http.routes[0].cache = Some("d".into()), Err(UnknownName::Cache("d".into()))),
            (|http, _| http.routes[0].action = Action::Forward(To::one("nobody")), nobody()),
            (
                |http, _| http.routes[0].action = Action::Forward(To { branches: Vec::new(), by: None }),
                Err(UnknownName::Nowhere),
            ),
            (|_, tcp| tcp.to = Some("nobody".into()), nobody()),
            (
                |_, tcp| {
                    tcp.routes.push(TlsRoute {
                        condition: crate::proto::balance::tls_route::TlsCondition::default(),
                        to: "nobody".into(),
                    });
                },
                nobody(),
            ),
        ];
        for (number, (change, expected)) in rows.into_iter().enumerate() {
            assert_eq!(checked(change), expected, "row {number}");
        }
        assert_eq!(checked(|http, _| http.routes[0].mirror = Some(mirror())), nobody());
        let mut config = Config::parse(TEXT).unwrap();
        config.upstreams.clear();
        let error = crate::server::balance::balancer::start(&config).map(drop).unwrap_err().to_string();
        assert_eq!(error, "the configuration is not whole: there is no upstream \"a\"");
    }
}
