//! `[[listener]]` with `mode = "tcp"`: what it serves, and the keys of requests that it cannot have.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use super::TcpService;
use super::checker::Checker;
use super::listener::ListenerTable;
use crate::server::balance::tcp::{self, ProxyHeader};

/// How long a connection or a tunnel may be silent: up to a week, as sessions of databases are.
pub(super) const SILENCE: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(7 * 24 * 3600);

impl Checker<'_> {
    /// What a listener in TCP mode serves. `to`: the upstream of what no route matches.
    pub(super) fn tcp_service(
        &mut self,
        listener: &ListenerTable,
        at: &Range<usize>,
        to: Option<String>,
    ) -> TcpService {
        // Each key is named, so that a new one cannot be forgotten here.
        let ListenerTable {
            listen: _,
            mode: _,
            proxy_protocol_from: _,
            max_connections: _,
            max_connections_per_address: _,
            access_log: _,
            tls,
            to: given_to,
            routes,
            handshake_timeout: _,
            send_proxy,
            idle_timeout,
            half_closed_timeout,
            client_hello_timeout,
            abort_on_close,
            trusted_proxies,
            forwarded,
            trace,
            trace_sample,
            error_page,
            limits,
            compress,
            timeout,
            cors,
            security_headers,
            auth,
            head_timeout,
            stall_timeout,
            min_rate,
            max_header_size,
            max_target_size,
            max_headers,
            max_body_size,
            keep_alive_requests,
        } = listener;
        for (key, given) in [
            ("abort-on-close", abort_on_close.is_some()),
            ("trusted-proxies", !trusted_proxies.is_empty()),
            ("forwarded", forwarded.is_some()),
            ("trace", trace.is_some()),
            ("trace-sample", trace_sample.is_some()),
            ("error-page", !error_page.is_empty()),
            ("limits", limits.is_some()),
            ("compress", compress.is_some()),
            ("timeout", timeout.is_some()),
            ("cors", cors.is_some()),
            ("security-headers", security_headers.is_some()),
            ("auth", auth.is_some()),
            ("head-timeout", head_timeout.is_some()),
            ("stall-timeout", stall_timeout.is_some()),
            ("min-rate", min_rate.is_some()),
            ("max-header-size", max_header_size.is_some()),
            ("max-target-size", max_target_size.is_some()),
            ("max-headers", max_headers.is_some()),
            ("max-body-size", max_body_size.is_some()),
            ("keep-alive-requests", keep_alive_requests.is_some()),
        ] {
            if given {
                self.fault(at, format!("{key} is for HTTP: set mode = \"http\""));
            }
        }
        if given_to.is_none() && routes.is_empty() {
            self.fault(at, "a TCP listener needs `to` or routes");
        }
        if !routes.is_empty() && tls.is_some() {
            self.fault(at, "TCP routes need TLS passthrough: remove `tls`, or the routes");
        }
        if routes.is_empty() && client_hello_timeout.is_some() {
            self.fault(at, "client-hello-timeout needs routes: without any, no ClientHello is waited for");
        }
        let mut settings = tcp::Settings::default();
        self.time("idle-timeout", *idle_timeout, &mut settings.relay.idle, at, &SILENCE);
        self.time("half-closed-timeout", *half_closed_timeout, &mut settings.relay.half_closed, at, &SILENCE);
        self.wait("client-hello-timeout", *client_hello_timeout, &mut settings.hello_timeout, at);
        settings.proxy = send_proxy.map(ProxyHeader::from);
        let routes = routes.iter().map(|route| self.tls_route(route)).collect();
        TcpService { routes, to, settings }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Service};
    use super::*;

    fn parse(keys: &str) -> Result<tcp::Settings, String> {
        let text = format!(
            "[[listener]]\nlisten = \":1\"\nmode = \"tcp\"\nto = \"a\"\n{keys}\n[upstream.a]\nbackends = [\"b:1\"]\n"
        );
        let config = Config::parse(&text).map_err(|faults| format!("{faults:?}"))?;
        match &config.listeners[0].service {
            Service::Tcp(service) => Ok(service.settings),
            other @ Service::Http(_) => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn every_key_counts() {
        let plain = parse("").unwrap();
        assert_eq!(
            (plain.relay.idle, plain.relay.half_closed),
            (Duration::from_secs(3600), Duration::from_secs(60)),
            "as the reference says"
        );
        let changed =
            parse("idle-timeout = \"8h\"\nhalf-closed-timeout = \"2h\"\nsend-proxy = \"v1\"").unwrap();
        assert_eq!(
            (changed.relay.idle, changed.relay.half_closed, changed.proxy),
            (Duration::from_secs(8 * 3600), Duration::from_secs(2 * 3600), Some(ProxyHeader::V1))
        );
    }

    #[test]
    fn what_is_wrong() {
        for (keys, message) in [
            ("idle-timeout = \"8d\"", "idle-timeout is from 1ms to 7d"),
            ("half-closed-timeout = \"0s\"", "half-closed-timeout is from 1ms to 7d"),
            ("client-hello-timeout = \"1s\"", "client-hello-timeout needs routes"),
            ("handshake-timeout = \"1s\"", "handshake-timeout needs `tls`"),
            ("abort-on-close = true", "abort-on-close is for HTTP"),
            ("trusted-proxies = [\"10.0.0.0/8\"]", "trusted-proxies is for HTTP"),
            ("forwarded = \"both\"", "forwarded is for HTTP"),
            ("trace = true", "trace is for HTTP"),
            ("trace-sample = 0.5", "trace-sample is for HTTP"),
            ("error-page = [{ body = \"a\" }]", "error-page is for HTTP"),
            ("limits = {}", "limits is for HTTP"),
            ("compress = true", "compress is for HTTP"),
            ("timeout = \"1s\"", "timeout is for HTTP"),
            ("cors = { origins = \"*\" }", "cors is for HTTP"),
            ("security-headers = true", "security-headers is for HTTP"),
            ("auth = { basic = { users-file = \"a\" } }", "auth is for HTTP"),
            ("head-timeout = \"1s\"", "head-timeout is for HTTP"),
            ("stall-timeout = \"1s\"", "stall-timeout is for HTTP"),
            ("min-rate = 1", "min-rate is for HTTP"),
            ("max-header-size = \"1KiB\"", "max-header-size is for HTTP"),
            ("max-target-size = \"1KiB\"", "max-target-size is for HTTP"),
            ("max-headers = 1", "max-headers is for HTTP"),
            ("max-body-size = 1", "max-body-size is for HTTP"),
            ("keep-alive-requests = 1", "keep-alive-requests is for HTTP"),
        ] {
            let fault = parse(keys).unwrap_err();
            assert!(fault.contains(message), "{keys}: {fault}");
        }
    }
}
