//! What an authority says of a certificate's revocation, sent along with the certificate ("OCSP stapling", RFC 6066 section 8).
//!
//! The response of the authority lies in a file beside the certificate, `FILE.ocsp`, as HAProxy has it: in DER (RFC 6960 section 4.2.1), fetched by
//! another program. Here is read so much of it as tells whether it is about the certificate and how long it holds; its signature is checked
//! by clients. What cannot be stapled is said in the log, and the certificate is used without it: most clients ask for no
//! response, but nearly all give up at a bad one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::pki_types::{CertificateDer, UnixTime};

use super::der::{
    Certificate, Der, ENUMERATED, GENERALIZED_TIME, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE,
    tagged,
};

/// Bytes of a response at most; with a certificate of its signer it has about 2 KiB.
const LONGEST: usize = 64 * 1024;

/// The file of the response for the certificate in `cert`.
pub(super) fn beside(cert: &Path) -> PathBuf {
    let mut name = cert.as_os_str().to_owned();
    name.push(".ocsp");
    name.into()
}

/// A response that can be sent along.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Staple {
    pub(super) response: Vec<u8>,
    /// Until when it holds, in seconds since 1970, if it says so.
    pub(super) until: Option<u64>,
}

/// Why a response is not sent along.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum OcspError {
    #[error("it is no OCSP response in DER")]
    Malformed,
    #[error("the authority did not answer the question: its status is {0}")]
    Status(u8),
    #[error("it is about another certificate")]
    Other,
    #[error("the authority does not know the certificate")]
    Unknown,
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    Early,
}

/// The response in the file beside the certificate in `path`, whose DER is `certificate`. `None`, and a warning, if it is not to be sent.
pub(super) fn staple(path: &Path, certificate: &CertificateDer<'_>, now: UnixTime) -> Option<Staple> {
    let file = beside(path);
    let response = match fs::read(&file) {
        Ok(response) => response,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the OCSP response cannot be read: it is not stapled");
            return None;
        }
    };
    match judge(&response, certificate, now.as_secs()) {
        Ok(Single { revoked, until }) => {
            if revoked {
                tracing::warn!(file = %file.display(), "the OCSP response says that the certificate is revoked");
            }
            Some(Staple { response, until })
        }
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the OCSP response is not stapled");
            None
        }
    }
}

/// What a response says of one certificate.
#[derive(Debug, PartialEq, Eq)]
struct Single {
    revoked: bool,
    until: Option<u64>,
}

fn judge(response: &[u8], certificate: &[u8], now: u64) -> Result<Single, OcspError> {
    if response.len() > LONGEST {
        return Err(OcspError::Malformed);
    }
    let id = Certificate::of(certificate).ok_or(OcspError::Malformed)?;
    let singles = match responses(response).ok_or(OcspError::Malformed)? {
        Ok(singles) => singles,
        Err(status) => return Err(OcspError::Status(status)),
    };
    let mut rest = Der(singles);
    while !rest.0.is_empty() {
        let single = rest.take(SEQUENCE).ok_or(OcspError::Malformed)?;
        if let Some(judged) = single_response(single, &id, now).ok_or(OcspError::Malformed)? {
            return judged;
        }
    }
    Err(OcspError::Other)
}

/// The SingleResponses of an OCSPResponse, or the status in place of any. `None` if it is malformed.
fn responses(response: &[u8]) -> Option<Result<&[u8], u8>> {
    let mut whole = Der(response);
    let mut outer = Der(whole.take(SEQUENCE)?);
    let status = outer.take(ENUMERATED)?;
    match (whole.0, status) {
        ([], [0]) => {}
        ([], [status]) => return Some(Err(*status)),
        _ => return None,
    }
    let mut bytes = Der(Der(outer.take(tagged(0))?).take(SEQUENCE)?);
    if bytes.take(OBJECT_IDENTIFIER)? != ID_PKIX_OCSP_BASIC {
        return None;
    }
    let mut basic = Der(Der(bytes.take(OCTET_STRING)?).take(SEQUENCE)?);
    let mut data = Der(basic.take(SEQUENCE)?);
    // version [0] DEFAULT v1, responderID ([1] byName, [2] byKey), producedAt
    if data.tag() == Some(tagged(0)) {
        data.next()?;
    }
    data.next()?;
    data.take(GENERALIZED_TIME)?;
    data.take(SEQUENCE).map(Ok)
}

/// What a SingleResponse says, if it is about the certificate. `None` if it is malformed.
fn single_response(
    single: &[u8],
    id: &Certificate<'_>,
    now: u64,
) -> Option<Option<Result<Single, OcspError>>> {
    let mut single = Der(single);
    let mut about = Der(single.take(SEQUENCE)?);
    let mut algorithm = Der(about.take(SEQUENCE)?);
    let hash = algorithm.take(OBJECT_IDENTIFIER)?;
    let issuer = about.take(OCTET_STRING)?;
    about.take(OCTET_STRING)?;
    let serial = about.take(INTEGER)?;
    if serial != id.serial || !is_issued_by(id, hash, issuer) {
        return Some(None);
    }
    // good [0], revoked [1], unknown [2]
    let (status, _) = single.next()?;
    let from = single.time()?;
    let until = match single.tag() {
        Some(tag) if tag == tagged(0) => Some(Der(single.take(tag)?).time()?),
        _ => None,
    };
    // The class is "context-specific"; only `revoked` is constructed.
    Some(Some(match status & 0x1f {
        _ if until.is_some_and(|until| until <= now) => Err(OcspError::Expired),
        _ if from > now => Err(OcspError::Early),
        kind @ (0 | 1) => Ok(Single { revoked: kind == 1, until }),
        _ => Err(OcspError::Unknown),
    }))
}

/// Whether the certificate's issuer has this hash. By a hash that is not known here, any issuer is believed.
fn is_issued_by(certificate: &Certificate<'_>, algorithm: &[u8], hash: &[u8]) -> bool {
    match algorithm {
        SHA1 => digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.issuer).as_ref() == hash,
        SHA2_256 => digest(&SHA256, certificate.issuer).as_ref() == hash,
        _ => true,
    }
}

/// 1.3.6.1.5.5.7.48.1.1
const ID_PKIX_OCSP_BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// 1.3.14.3.2.26
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
/// 2.16.840.1.101.3.4.2.1
const SHA2_256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 January 2026.
    const NOW: u64 = 1_767_225_600;
    const BEFORE: &[u8] = b"20251231000000Z";
    const AFTER: &[u8] = b"20260102000000Z";

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut value = vec![tag];
        match content.len() {
            length @ 0..0x80 => value.push(length as u8),
            length => value.extend([&[0x82], &(length as u16).to_be_bytes()[..]].concat()),
        }
        value.extend(content);
        value
    }

    fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
        der(SEQUENCE, &parts.concat())
    }

    fn issuer() -> Vec<u8> {
        sequence(&[der(0x31, b"who has issued it")])
    }

    fn certificate(version: bool) -> Vec<u8> {
        let version = if version { der(tagged(0), &der(INTEGER, &[2])) } else { Vec::new() };
        let validity = sequence(&[der(GENERALIZED_TIME, BEFORE), der(GENERALIZED_TIME, AFTER)]);
        let tbs =
            sequence(&[version, der(INTEGER, &[7, 7]), sequence(&[]), issuer(), validity, sequence(&[])]);
        sequence(&[tbs, sequence(&[]), der(0x03, &[0; 300])])
    }

    /// What a response says.
    struct Said<'a> {
        serial: &'a [u8],
        hash: (&'a [u8], Vec<u8>),
        status: u8,
        from: &'a [u8],
        until: Option<&'a [u8]>,
    }

    impl Default for Said<'_> {
        fn default() -> Self {
            let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &issuer()).as_ref().to_vec();
            Self { serial: &[7, 7], hash: (SHA1, hash), status: 0x80, from: BEFORE, until: Some(AFTER) }
        }
    }

    impl Said<'_> {
        fn single(&self) -> Vec<u8> {
            let (algorithm, hash) = &self.hash;
            let algorithm = sequence(&[der(OBJECT_IDENTIFIER, algorithm), der(0x05, &[])]);
            let key = der(OCTET_STRING, &[0; 20]);
            let id = sequence(&[algorithm, der(OCTET_STRING, hash), key, der(INTEGER, self.serial)]);
            let until = self.until.map(|until| der(tagged(0), &der(GENERALIZED_TIME, until)));
            let from = der(GENERALIZED_TIME, self.from);
            sequence(&[id, der(self.status, &[]), from, until.unwrap_or_default()])
        }
    }

    fn response(singles: &[Said<'_>], version: bool) -> Vec<u8> {
        let version = if version { der(tagged(0), &der(INTEGER, &[0])) } else { Vec::new() };
        let singles: Vec<_> = singles.iter().map(Said::single).collect();
        let by_key = der(tagged(2), &der(OCTET_STRING, &[0; 20]));
        let data = sequence(&[version, by_key, der(GENERALIZED_TIME, BEFORE), sequence(&singles)]);
        let basic = sequence(&[data, sequence(&[]), der(0x03, &[0; 300])]);
        let bytes = sequence(&[der(OBJECT_IDENTIFIER, ID_PKIX_OCSP_BASIC), der(OCTET_STRING, &basic)]);
        sequence(&[der(ENUMERATED, &[0]), der(tagged(0), &bytes)])
    }

    #[test]
    fn what_a_response_says_of_a_certificate() {
        let until = Some(NOW + 86_400);
        let good = Ok(Single { revoked: false, until });
        let sha256 = digest(&SHA256, &issuer()).as_ref().to_vec();
        let said = Said::default;
        let rows: Vec<(&str, Vec<Said<'_>>, Result<Single, OcspError>)> = vec![
            ("good", vec![said()], Ok(Single { revoked: false, until })),
            ("by SHA-256", vec![Said { hash: (SHA2_256, sha256.clone()), ..said() }], good),
            (
                "by another hash",
                vec![Said { hash: (&[1], vec![9]), ..said() }],
                Ok(Single { revoked: false, until }),
            ),
            ("revoked", vec![Said { status: 0xa1, ..said() }], Ok(Single { revoked: true, until })),
            ("for ever", vec![Said { until: None, ..said() }], Ok(Single { revoked: false, until: None })),
            (
                "the second of two",
                vec![Said { serial: &[1], ..said() }, said()],
                Ok(Single { revoked: false, until }),
            ),
            ("unknown", vec![Said { status: 0x82, ..said() }], Err(OcspError::Unknown)),
            ("another number", vec![Said { serial: &[7], ..said() }], Err(OcspError::Other)),
            ("another issuer", vec![Said { hash: (SHA1, sha256), ..said() }], Err(OcspError::Other)),
            ("about none", vec![], Err(OcspError::Other)),
            ("expired", vec![Said { until: Some(b"20260101000000Z"), ..said() }], Err(OcspError::Expired)),
            ("early", vec![Said { from: AFTER, until: None, ..said() }], Err(OcspError::Early)),
            ("no date", vec![Said { from: b"20261301000000Z", ..said() }], Err(OcspError::Malformed)),
        ];
        for (name, singles, expected) in rows {
            for version in [false, true] {
                let judged = judge(&response(&singles, version), &certificate(version), NOW);
                assert_eq!(judged, expected, "{name} {version}");
            }
        }
    }

    #[test]
    fn what_is_no_response() {
        let refused = sequence(&[der(ENUMERATED, &[6])]);
        assert_eq!(judge(&refused, &certificate(true), NOW), Err(OcspError::Status(6)));
        let whole = response(&[Said::default()], true);
        // What is cut somewhere is malformed, and nothing panics.
        for end in 0..whole.len() {
            assert_eq!(judge(&whole[..end], &certificate(true), NOW), Err(OcspError::Malformed), "{end}");
        }
        let more = [&whole[..], &[0]].concat();
        assert_eq!(judge(&more, &certificate(true), NOW), Err(OcspError::Malformed));
        let long = vec![0; LONGEST + 1];
        assert_eq!(judge(&long, &certificate(true), NOW), Err(OcspError::Malformed));
        // Any byte changed: whatever is said of it, nothing panics.
        for at in 0..whole.len() {
            for bits in [0x01, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= bits;
                let _ = judge(&changed, &certificate(true), NOW);
            }
        }
    }
}
