//! What clients of a listener with TLS are shown beside the certificate.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Balancer;
use super::raw::Backend;
use crate::support::PATIENCE;
use crate::support::tool::Tool;

/// An authority of openssl, and a certificate of it for localhost whose number is 0x1234.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        this.openssl(
            &[
                &["req", "-x509", "-days", "9", "-subj", "/CN=authority"],
                &key[..],
                &["-keyout", "ca.key", "-out", "ca.pem"],
            ]
            .concat(),
        );
        this.openssl(
            &[&["req", "-new", "-subj", "/CN=site"], &key[..], &["-keyout", "site.key", "-out", "site.csr"]]
                .concat(),
        );
        std::fs::write(this.file("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1").unwrap();
        let sign =
            ["x509", "-req", "-in", "site.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "0x1234"];
        this.openssl(&[&sign[..], &["-days", "9", "-extfile", "names", "-out", "site.pem"]].concat());
        // curl takes the issuer from what the server sends.
        let chain = ["site.pem", "ca.pem"].map(|name| std::fs::read_to_string(this.file(name)).unwrap());
        std::fs::write(this.file("site.pem"), chain.concat()).unwrap();
        this
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs openssl in the folder.
    #[track_caller]
    fn openssl(&self, args: &[&str]) {
        let quoted: Vec<_> = args.iter().map(|arg| format!("'{arg}'")).collect();
        let line = format!("cd '{}' && exec openssl {}", self.folder.path().display(), quoted.join(" "));
        Tool::new("sh").args(["-c", &line]).run().success();
    }

    /// Writes what it says of the certificate into `out`: `V`alid or `R`evoked, for so many minutes.
    #[track_caller]
    fn says(&self, state: &str, out: &Path, minutes: &str) {
        let revoked = if state == "R" { "250101000000Z" } else { "" };
        std::fs::write(
            self.file("index"),
            format!("{state}\t491231235959Z\t{revoked}\t1234\tunknown\t/CN=site\n"),
        )
        .unwrap();
        let signer = ["-index", "index", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key"];
        let about = ["-issuer", "ca.pem", "-cert", "site.pem", "-nmin", minutes, "-respout", "fresh"];
        self.openssl(&[&["ocsp"], &signer[..], &about].concat());
        // As a program does that renews it.
        std::fs::rename(self.file("fresh"), out).unwrap();
    }
}

#[test]
fn what_the_authority_says_is_stapled_and_renewed() {
    let authority = Authority::new();
    let backend = Backend::start(|_, peer| peer.serve("ok"));
    let beside = authority.file("site.pem.ocsp");
    authority.says("V", &beside, "60");
    let tls = format!(
        "tls = {{ certificates = [{{ cert = {:?}, key = {:?} }}] }}",
        authority.file("site.pem"),
        authority.file("site.key")
    );
    let balancer = Balancer::with(backend.addr, &tls);
    let addr = balancer.addr().to_string();
    let status = || {
        let client =
            Tool::new("openssl").args(["s_client", "-connect", &addr, "-servername", "localhost", "-status"]);
        client.run().success().text()
    };
    let shown = status();
    assert!(
        shown.contains("OCSP Response Status: successful") && shown.contains("Cert Status: good"),
        "{shown}"
    );
    // A client that checks the signature, and takes no certificate without a response.
    let url = format!("https://localhost:{}/", balancer.addr().port());
    let curl = || {
        Tool::new("curl")
            .args(["-sS", "--cert-status", "--cacert"])
            .args([authority.file("ca.pem")])
            .args([&url])
            .run()
    };
    assert_eq!(curl().success().text(), "ok");
    let wait_for = |text: &str| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = status();
            if shown.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "{text}: {shown}");
        }
    };
    authority.says("R", &beside, "60");
    balancer.running.reload();
    wait_for("Cert Status: revoked");
    assert!(!curl().status.success());
    // Without the file, and with one that is about nothing, the certificate is shown alone.
    for junk in [None, Some("junk")] {
        authority.says("V", &beside, "60");
        balancer.running.reload();
        wait_for("Cert Status: good");
        match junk {
            None => std::fs::remove_file(&beside).unwrap(),
            Some(junk) => std::fs::write(&beside, junk).unwrap(),
        }
        balancer.running.reload();
        wait_for("OCSP response: no response sent");
    }
}
