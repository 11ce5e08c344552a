//! A certificate for development, made at start, that nobody has to trust but the one who reads its fingerprint.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::TlsError;

/// The names that it is for: this machine, by its loopback addresses.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// How long it lives: a year. Apple's clients refuse what lives longer than 825 days, even when the user trusts it.
const LIFE: Duration = Duration::from_secs(365 * 86_400);

/// How far it is dated back, for clients whose clocks are behind.
const LEEWAY: Duration = Duration::from_secs(86_400);

/// A certificate signed by its own key.
#[derive(Debug)]
pub(super) struct SelfSigned {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    fingerprint: String,
}

impl SelfSigned {
    /// Makes a key (ECDSA P-256) and its certificate.
    pub(super) fn generate() -> Result<Self, TlsError> {
        let failed = |error: rcgen::Error| TlsError::SelfSigned(error.to_string());
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(NAMES.map(String::from)).map_err(failed)?;
        let epoch = date_time_ymd(1970, 1, 1);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        params.not_before = epoch + now.saturating_sub(LEEWAY);
        params.not_after = epoch + now + LIFE;
        params.distinguished_name.push(DnType::CommonName, "wireworks for development");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.self_signed(&key).map_err(failed)?.der().clone();
        let fingerprint = sha256(&certificate).ok_or_else(|| TlsError::SelfSigned("no SHA-256".into()))?;
        Ok(Self { certificate, key: key.serialize_der().into(), fingerprint })
    }

    /// SHA-256 of the certificate, in pairs of hexadecimal digits with colons between.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What the TLS library takes.
    pub(super) fn certified_key(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let key = self.key.clone_key().into();
        CertifiedKey::from_der(vec![self.certificate.clone()], key, provider).map_err(TlsError::Library)
    }
}

/// The hash that the cipher suite brings along: no further dependency for one line of output.
fn sha256(bytes: &[u8]) -> Option<String> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13()?;
    let hash = suite.common.hash_provider.hash(bytes);
    let pairs: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    Some(pairs.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_sha256() {
        let empty =
            "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";
        assert_eq!(sha256(b"").unwrap(), empty);
        let own = SelfSigned::generate().unwrap();
        assert_eq!(own.fingerprint(), sha256(&own.certificate).unwrap());
    }

    #[test]
    fn each_one_is_new() {
        let [a, b] = [SelfSigned::generate().unwrap(), SelfSigned::generate().unwrap()];
        assert_ne!(a.fingerprint(), b.fingerprint());
    }
}
