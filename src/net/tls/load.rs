//! Certificates and keys from PEM files (RFC 7468), with errors that name the file and what is wrong in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use webpki::{EndEntityCert, KeyUsage};

use super::CertPair;

/// What is wrong with the files of a TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is no certificate at all.
    #[error("TLS needs a certificate and its key, or a self-signed one")]
    Nothing,
    /// A file that cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file that is not well-formed PEM.
    #[error("{} is not a PEM file: {error}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        error: String,
    },
    /// A file without a certificate.
    #[error("{} has no certificate (no line \"BEGIN CERTIFICATE\")", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file without a private key.
    #[error("{} has no private key (no line \"BEGIN PRIVATE KEY\")", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A private key with a password.
    #[error("the private key in {} has a password: remove it, for example with `openssl pkey`", path.display())]
    Password {
        /// The file.
        path: PathBuf,
    },
    /// A certificate that is malformed or of an unknown kind.
    #[error("the certificate in {} cannot be used: {error}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// A private key that is malformed or of an unknown kind.
    #[error("the private key in {} cannot be used: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// A private key of another certificate.
    #[error("the private key in {} does not belong to the certificate in {}", key.display(), cert.display())]
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// Certificates that no peer can be checked against.
    #[error("the certificate authorities in {} cannot be used: {error}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// The system trusts nobody, or does not say whom.
    #[error("the system has no certificate authorities{}", reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    NoAuthorities {
        /// What went wrong in looking for them, if anything did.
        reason: Option<String>,
    },
    /// The self-signed certificate could not be made.
    #[error("cannot make a self-signed certificate: {0}")]
    SelfSigned(String),
    /// The TLS library refused what it should take, for lack of randomness for example.
    #[error("TLS: {0}")]
    Library(rustls::Error),
}

/// Reads a certificate with its chain and its key, and checks that they belong together.
pub(super) fn certified_key(pair: &CertPair, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&pair.cert)?;
    let key = private_key(&pair.key)?;
    check(&chain[0], &pair.cert, UnixTime::now())?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { cert: pair.cert.clone(), key: pair.key.clone() }
        }
        other => TlsError::Key { path: pair.key.clone(), error: other.to_string() },
    })
}

/// Reads the certificates that peers are checked against.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|error| TlsError::Authorities { path: path.into(), error: error.to_string() })?;
    }
    Ok(roots)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::Read { path: path.into(), error })
}

/// The SHA-256 of the first certificate in a PEM file, by which a server may know a client.
///
/// # Errors
/// It cannot be read, or there is none in it.
pub fn fingerprint(path: &Path) -> Result<[u8; 32], TlsError> {
    let first = certificates(path)?.into_iter().next();
    let first = first.ok_or_else(|| TlsError::NoCertificate { path: path.into() })?;
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, &first).as_ref());
    Ok(sha256)
}

/// All certificates of a file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|error| malformed(path, &error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: path.into() });
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound if has_password(&bytes) => TlsError::Password { path: path.into() },
        pem::Error::NoItemsFound => TlsError::NoKey { path: path.into() },
        other => malformed(path, &other),
    })
}

fn has_password(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"BEGIN ENCRYPTED PRIVATE KEY").is_some()
}

fn malformed(path: &Path, error: &pem::Error) -> TlsError {
    let error = match error {
        pem::Error::MissingSectionEnd { .. } => "a line \"END ...\" is missing".into(),
        pem::Error::IllegalSectionStart { .. } => "a line \"BEGIN ...\" is malformed".into(),
        pem::Error::Base64Decode(_) => "what stands between BEGIN and END is not base64".into(),
        other => other.to_string(),
    };
    TlsError::Pem { path: path.into(), error }
}

/// Refuses a malformed certificate, and warns of one whose time is over or has not come.
fn check(certificate: &CertificateDer<'_>, path: &Path, now: UnixTime) -> Result<(), TlsError> {
    let parsed = EndEntityCert::try_from(certificate);
    let parsed =
        parsed.map_err(|error| TlsError::Certificate { path: path.into(), error: error.to_string() })?;
    match validity(&parsed, now) {
        Validity::Now => {}
        Validity::Over(ago) => {
            let days = ago.as_secs() / 86_400;
            tracing::warn!(file = %path.display(), days, "the certificate has expired; it will be refused");
        }
        Validity::Later => {
            tracing::warn!(file = %path.display(), "the certificate is not valid yet; it will be refused");
        }
    }
    Ok(())
}

/// Where a moment lies in relation to a certificate's life.
#[derive(Debug, PartialEq, Eq)]
enum Validity {
    Now,
    /// Over since so long.
    Over(Duration),
    Later,
}

/// The library gives no dates, but it looks at them before it looks for an issuer, and here it can find none.
fn validity(certificate: &EndEntityCert<'_>, now: UnixTime) -> Validity {
    let verified = certificate.verify_for_usage(&[], &[], &[], now, KeyUsage::server_auth(), None, None);
    match verified.err() {
        Some(webpki::Error::CertExpired { not_after, .. }) => {
            Validity::Over(Duration::from_secs(now.as_secs().saturating_sub(not_after.as_secs())))
        }
        Some(webpki::Error::CertNotValidYet { .. }) => Validity::Later,
        _ => Validity::Now,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// 1 January 2020, midnight.
    const YEAR_2020: u64 = 1_577_836_800;

    #[test]
    fn the_dates_of_a_certificate_are_noticed() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 11);
        let certificate = params.self_signed(&key).unwrap();
        let parsed = EndEntityCert::try_from(certificate.der()).unwrap();
        let day = Duration::from_secs(86_400);
        let at = |day_of_year: i32| {
            let offset = day * day_of_year.unsigned_abs();
            let start = Duration::from_secs(YEAR_2020);
            UnixTime::since_unix_epoch(if day_of_year < 0 { start - offset } else { start + offset })
        };
        assert_eq!(validity(&parsed, at(-1)), Validity::Later);
        assert_eq!(validity(&parsed, at(0)), Validity::Now);
        assert_eq!(validity(&parsed, at(10)), Validity::Now);
        assert_eq!(validity(&parsed, at(15)), Validity::Over(day * 5));
        assert!(check(certificate.der(), "a.pem".as_ref(), at(15)).is_ok(), "only a warning");
    }

    #[test]
    fn each_fault_names_its_file_and_itself() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] =
            [(), ()].map(|()| rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap());
        let key = one.signing_key.serialize_pem();
        let cert = one.cert.pem();
        let cut = cert.replace("-----END CERTIFICATE-----", "");
        let junk = cert.replace("MII", "!!!");
        let not_a_cert = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let not_a_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let password = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let rows: [(&str, &str, &str); 10] = [
            (&cut, &key, "CERT is not a PEM file: a line \"END ...\" is missing"),
            (&junk, &key, "CERT is not a PEM file: what stands between BEGIN and END is not base64"),
            ("", &key, "CERT has no certificate (no line \"BEGIN CERTIFICATE\")"),
            (&key, &key, "CERT has no certificate (no line \"BEGIN CERTIFICATE\")"),
            (not_a_cert, &key, "the certificate in CERT cannot be used: "),
            (&cert, "", "KEY has no private key (no line \"BEGIN PRIVATE KEY\")"),
            (&cert, &cert, "KEY has no private key (no line \"BEGIN PRIVATE KEY\")"),
            (&cert, not_a_key, "the private key in KEY cannot be used: "),
            (&cert, password, "the private key in KEY has a password: "),
            (
                &cert,
                &other.signing_key.serialize_pem(),
                "the private key in KEY does not belong to the certificate in CERT",
            ),
        ];
        let pair = CertPair { cert: folder.path().join("c.pem"), key: folder.path().join("k.pem") };
        for (cert, key, message) in rows {
            fs::write(&pair.cert, cert).unwrap();
            fs::write(&pair.key, key).unwrap();
            let error = certified_key(&pair, &super::super::provider()).unwrap_err().to_string();
            let message = message.replace("CERT ", &format!("{} ", pair.cert.display()));
            let message = message.replace("KEY ", &format!("{} ", pair.key.display()));
            let message = message.replace(" in CERT", &format!(" in {}", pair.cert.display()));
            assert!(error.starts_with(&message), "{error}\n{message}");
        }
        let missing = CertPair { cert: folder.path().join("none"), key: pair.key };
        let error = certified_key(&missing, &super::super::provider()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot read {}: ", missing.cert.display())), "{error}");
    }
}
