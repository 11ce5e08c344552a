//! Which certificate answers for which name (RFC 6066 section 3, RFC 9525 section 6.3).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

/// Certificates by the DNS names in them. The first one is for all other names, and for clients that name none.
#[derive(Debug)]
pub(super) struct ByName {
    all: Vec<Arc<CertifiedKey>>,
    /// Indices into `all`: names in lower case, wildcards without their `*.`. Several, where an RSA and an ECDSA
    /// certificate have the same name.
    exact: HashMap<String, Vec<usize>>,
    wildcard: HashMap<String, Vec<usize>>,
}

impl ByName {
    /// Sorts certificates by name; `None` when there is none.
    pub(super) fn new(keys: Vec<CertifiedKey>) -> Option<Self> {
        let mut exact: HashMap<_, Vec<_>> = HashMap::new();
        let mut wildcard: HashMap<_, Vec<_>> = HashMap::new();
        for (index, key) in keys.iter().enumerate() {
            for name in key.cert.first().map(dns_names).unwrap_or_default() {
                match name.strip_prefix("*.") {
                    Some(parent) => wildcard.entry(parent.into()).or_default().push(index),
                    None => exact.entry(name).or_default().push(index),
                }
            }
        }
        let all: Vec<_> = keys.into_iter().map(Arc::new).collect();
        (!all.is_empty()).then_some(Self { all, exact, wildcard })
    }

    /// The certificate for a name: one with that very name, one with a wildcard for it, or the first. Among several the
    /// first whose key can sign in a way that the client knows.
    fn find(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let by_name = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            // A wildcard stands for exactly one label.
            let parent = name.split_once('.').map(|(_, parent)| parent);
            self.exact.get(&name).or_else(|| self.wildcard.get(parent?))
        });
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let found = match by_name {
            Some(indices) => {
                let mut candidates = indices.iter().filter_map(|&index| self.all.get(index));
                let first = candidates.clone().next();
                candidates.find(fits).or(first)
            }
            None => self.all.iter().find(fits).or(self.all.first()),
        };
        found.cloned()
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name(), hello.signature_schemes())
    }
}

/// The DNS names of a certificate, in lower case.
pub(super) fn dns_names(certificate: &CertificateDer<'static>) -> Vec<String> {
    let parsed = EndEntityCert::try_from(certificate);
    parsed.map(|parsed| parsed.valid_dns_names().map(str::to_ascii_lowercase).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::PrivateKeyDer;

    use super::*;

    fn key(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> CertifiedKey {
        let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&pair).unwrap();
        let der = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        CertifiedKey::from_der(vec![certificate.der().clone()], der, &super::super::provider()).unwrap()
    }

    #[test]
    fn names_choose_their_certificate() {
        let p256 = &rcgen::PKCS_ECDSA_P256_SHA256;
        let keys = vec![
            key(&["First.test", "192.0.2.1"], p256),
            key(&["*.wild.test", "wild.test"], p256),
            key(&["exact.wild.test"], p256),
        ];
        let by_name = ByName::new(keys).unwrap();
        let schemes = [SignatureScheme::ECDSA_NISTP256_SHA256];
        let rows = [
            (Some("first.test"), 0),
            (Some("FIRST.TEST"), 0),
            (Some("wild.test"), 1),
            (Some("a.wild.test"), 1),
            (Some("exact.wild.test"), 2),
            (Some("a.b.wild.test"), 0),
            (Some("other.test"), 0),
            (Some("test"), 0),
            (None, 0),
        ];
        for (name, index) in rows {
            let found = by_name.find(name, &schemes).unwrap();
            assert!(Arc::ptr_eq(&found, &by_name.all[index]), "{name:?}");
        }
    }

    #[test]
    fn among_equal_names_the_client_decides_by_what_it_can_verify() {
        let keys =
            vec![key(&["a.test"], &rcgen::PKCS_ED25519), key(&["a.test"], &rcgen::PKCS_ECDSA_P256_SHA256)];
        let by_name = ByName::new(keys).unwrap();
        let rows = [
            (vec![SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256], 0),
            (vec![SignatureScheme::ECDSA_NISTP256_SHA256], 1),
            (vec![SignatureScheme::RSA_PSS_SHA256], 0),
        ];
        for (schemes, index) in rows {
            for name in [Some("a.test"), None] {
                let found = by_name.find(name, &schemes).unwrap();
                assert!(Arc::ptr_eq(&found, &by_name.all[index]), "{schemes:?} {name:?}");
            }
        }
    }

    #[test]
    fn without_a_certificate_there_is_nothing_to_choose() {
        assert!(ByName::new(vec![]).is_none());
    }
}
