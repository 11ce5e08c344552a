//! Certificates as people make them: by openssl, signed by themselves.

use std::path::Path;

use super::tool::Tool;

/// Writes a certificate for localhost and 127.0.0.1 whose subject is `CN=name`, and its key.
#[track_caller]
pub(crate) fn certificate(cert: &Path, key: &Path, name: &str) {
    Tool::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "30", "-subj", &format!("/CN={name}")])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-keyout".as_ref(), key.as_os_str(), "-out".as_ref(), cert.as_os_str()])
        .run()
        .success();
}
