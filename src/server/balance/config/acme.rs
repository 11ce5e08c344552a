//! `tls.acme` of a listener: a certificate that an authority issues while the balancer runs.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::Uri;
use rustls::pki_types::DnsName;
use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use crate::server::balance::acme::{LETS_ENCRYPT, LETS_ENCRYPT_STAGING, Settings};

/// Names of a certificate at most, which is what Let's Encrypt takes.
const MAX_DOMAINS: usize = 100;

/// The names, and who is asked for their certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AcmeTable {
    domains: Spanned<Vec<Spanned<String>>>,
    email: Option<Spanned<String>>,
    directory: Option<Spanned<String>>,
    cache: PathBuf,
    agree: Option<bool>,
    ca: Option<Spanned<PathBuf>>,
}

impl Checker<'_> {
    /// The `acme` of a listener.
    pub(super) fn acme(&mut self, table: &Spanned<AcmeTable>) -> Arc<Settings> {
        let AcmeTable { domains, email, directory, cache, agree, ca } = table.get_ref();
        if *agree != Some(true) {
            let message = "the terms of the authority have to be agreed to: agree = true";
            self.fault(&table.span(), message);
        }
        if domains.get_ref().is_empty() || domains.get_ref().len() > MAX_DOMAINS {
            self.fault(&domains.span(), format!("a certificate has 1 to {MAX_DOMAINS} names"));
        }
        for domain in domains.get_ref() {
            let name = domain.get_ref();
            if name.starts_with("*.") {
                let message = format!("{name:?} is for many names, which TLS-ALPN-01 does not prove");
                self.fault(&domain.span(), message);
            } else if DnsName::try_from(name.as_str()).is_err() || name.parse::<IpAddr>().is_ok() {
                self.fault(&domain.span(), format!("{name:?} is no name of a host"));
            }
        }
        if let Some(email) = email.as_ref().filter(|email| !is_email(email.get_ref())) {
            self.fault(&email.span(), format!("{:?} is no address of a mailbox", email.get_ref()));
        }
        let url = match directory.as_ref().map_or("letsencrypt", |directory| directory.get_ref()) {
            "letsencrypt" => LETS_ENCRYPT,
            "letsencrypt-staging" => LETS_ENCRYPT_STAGING,
            url => url,
        };
        let https =
            url.parse::<Uri>().is_ok_and(|url| url.scheme_str() == Some("https") && url.host().is_some());
        if let Some(directory) = directory.as_ref().filter(|_| !https) {
            let message =
                "a directory is \"letsencrypt\", \"letsencrypt-staging\", or a URL that begins with https://";
            self.fault(&directory.span(), message);
        }
        let settings = Settings {
            domains: domains.get_ref().iter().map(|domain| domain.get_ref().to_ascii_lowercase()).collect(),
            email: email.as_ref().map(|email| email.get_ref().clone()),
            directory: url.to_owned(),
            cache: cache.clone(),
            ca: ca.as_ref().map(|ca| ca.get_ref().clone()),
        };
        if let (Some(ca), Err(error)) = (ca, settings.connector()) {
            self.fault(&ca.span(), error.to_string());
        }
        Arc::new(settings)
    }
}

/// Whether a text can stand behind `mailto:`.
fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b",?%\"<>".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn parse(acme: &str, more: &str) -> Result<Config, String> {
        let text = format!(
            "[[listener]]\nlisten = \":1\"\nto = \"a\"\n{more}\n[listener.tls.acme]\n{acme}\n[upstream.a]\nbackends = [\"b:1\"]\n"
        );
        Config::parse(&text).map_err(|faults| {
            let told =
                faults.iter().map(|fault| format!("{}:{}: {}", fault.line, fault.column, fault.message));
            told.collect::<Vec<_>>().join("\n")
        })
    }

    #[test]
    fn it_is_read() {
        let config = parse(
            "domains = [\"A.test\", \"b.test\"]\nemail = \"x@a.test\"\ncache = \"/c\"\nagree = true",
            "",
        );
        let tls = config.unwrap().listeners.remove(0).tls.unwrap();
        let expected = Settings {
            domains: vec!["a.test".into(), "b.test".into()],
            email: Some("x@a.test".into()),
            directory: LETS_ENCRYPT.into(),
            cache: "/c".into(),
            ca: None,
        };
        assert_eq!(*tls.acme.unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_with_it() {
        let rest = "cache = \"/c\"\nagree = true";
        for (acme, more, expected) in [
            ("domains = [\"a.test\"]\ncache = \"/c\"".to_owned(), "", "the terms of the authority"),
            (format!("domains = []\n{rest}"), "", "6:11: a certificate has 1 to 100 names"),
            (format!("domains = [\"*.a.test\"]\n{rest}"), "", "6:12: \"*.a.test\" is for many names"),
            (format!("domains = [\"192.0.2.1\"]\n{rest}"), "", "6:12: \"192.0.2.1\" is no name"),
            (format!("domains = [\"a b\"]\n{rest}"), "", "6:12: \"a b\" is no name"),
            (format!("domains = [\"a.test\"]\nemail = \"a\"\n{rest}"), "", "7:9: \"a\" is no address"),
            (format!("domains = [\"a.test\"]\ndirectory = \"http://a\"\n{rest}"), "", "7:13: a directory is"),
            (
                format!("domains = [\"a.test\"]\nca = \"/nonexistent\"\n{rest}"),
                "",
                "7:6: cannot read /nonexistent",
            ),
            ("domains = [\"a.test\"]".to_owned(), "", "missing field `cache`"),
            (format!("domains = [\"a.test\"]\n{rest}"), "mode = \"tcp\"", "acme is for requests"),
            (
                format!("domains = [\"a.test\"]\n{rest}"),
                "tls.client-ca = \"ca.pem\"",
                "shows no certificate of a client",
            ),
        ] {
            let fault = parse(&acme, more).unwrap_err();
            assert!(fault.contains(expected), "{acme}: {fault}");
        }
    }
}
