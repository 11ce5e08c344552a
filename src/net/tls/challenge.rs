//! Certificates that show an authority that a name leads here: the challenge TLS-ALPN-01 of ACME (RFC 8737).
//!
//! The authority connects, offers the protocol `acme-tls/1` and nothing else, and expects a certificate that signs itself and holds a digest
//! that the authority has agreed on with our account. Other clients never see these certificates, and no byte of any
//! other protocol is spoken on such a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::TlsError;
use super::names::ByName;

/// The protocol that the authority offers.
pub(in crate::net) const ALPN: &[u8] = b"acme-tls/1";

/// The challenges that are answered at present. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<Mutex<HashMap<String, Arc<CertifiedKey>>>>);

/// The same challenges, and not only equal ones.
impl PartialEq for Challenges {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Challenges {}

impl Challenges {
    /// Answers the challenge of a name until the answer is dropped. `digest` is the SHA-256 of the key authorization (RFC 8555 section 8.1): 32
    /// bytes.
    ///
    /// # Errors
    /// The name is none, or the digest is not as long.
    pub fn answer(&self, name: &str, digest: &[u8]) -> Result<Answer, TlsError> {
        if digest.len() != 32 {
            return Err(TlsError::SelfSigned("a digest has 32 bytes".into()));
        }
        let failed = |error: rcgen::Error| TlsError::SelfSigned(error.to_string());
        let name = name.to_ascii_lowercase();
        let mut params = CertificateParams::new([name.clone()]).map_err(failed)?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let key = super::provider().key_provider.load_private_key(key).map_err(TlsError::Library)?;
        // Not by `from_der`, which reads the certificate and refuses one with an extension that it does not know.
        let certified = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key));
        self.all().insert(name.clone(), Arc::clone(&certified));
        Ok(Answer { challenges: self.clone(), name, certified })
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        self.all().get(&name?.to_ascii_lowercase()).cloned()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        // An entry is there or not, but never half.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer to a challenge; dropping it takes the answer back.
#[derive(Debug)]
#[must_use = "the answer is taken back when this is dropped"]
pub struct Answer {
    challenges: Challenges,
    name: String,
    certified: Arc<CertifiedKey>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut all = self.challenges.all();
        // Another order may have put its own there.
        if all.get(&self.name).is_some_and(|found| Arc::ptr_eq(found, &self.certified)) {
            all.remove(&self.name);
        }
    }
}

/// Certificates by name, and answers for an authority.
#[derive(Debug)]
pub(super) struct Challenged {
    pub(super) names: ByName,
    pub(super) challenges: Challenges,
}

impl ResolvesServerCert for Challenged {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut offered = hello.alpn().into_iter().flatten();
        match (offered.next(), offered.next()) {
            (Some(ALPN), None) => self.challenges.find(hello.server_name()),
            _ => self.names.resolve(hello),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_there_as_long_as_it_lives() {
        let challenges = Challenges::default();
        assert!(challenges.answer("a.test", &[1; 31]).is_err());
        let first = challenges.answer("A.test", &[1; 32]).unwrap();
        assert!(challenges.find(Some("a.TEST")).is_some());
        assert!(challenges.find(Some("b.test")).is_none() && challenges.find(None).is_none());
        // The later answer stays when the earlier one goes.
        let second = challenges.answer("a.test", &[2; 32]).unwrap();
        drop(first);
        let found = challenges.find(Some("a.test")).unwrap();
        assert!(Arc::ptr_eq(&found, &second.certified));
        // id-pe-acmeIdentifier, critical, with the digest (RFC 8737 section 3).
        let extension =
            [&[0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 1, 0x1f, 1, 1, 0xff, 4, 0x22, 4, 0x20][..], &[2; 32]];
        assert!(memchr::memmem::find(&found.cert[0], &extension.concat()).is_some());
        drop(second);
        assert!(challenges.find(Some("a.test")).is_none());
        assert_ne!(challenges, Challenges::default());
        assert_eq!(challenges, challenges.clone());
    }
}
