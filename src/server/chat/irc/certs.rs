//! Certificates that open an account by SASL EXTERNAL, as its owner names them to NickServ: `CERT ADD`, `CERT DEL` and `CERT LIST`.
//!
//! They are named by the SHA-256 of the whole certificate, as `openssl x509 -fingerprint -sha256` prints it.

use super::client::Client;
use super::login::sentence;
use crate::server::chat::accounts::Refusal;
use crate::server::hex;

impl Client {
    /// What somebody has said to NickServ behind `CERT`.
    pub(super) async fn cert(&mut self, words: &[&str]) {
        let Some(id) = self.account.as_ref().map(|account| account.id) else {
            return self.notice("Log in to your account first.");
        };
        let verb = words.first().map_or("LIST".to_owned(), |word| word.to_ascii_uppercase());
        let own = self.about.certificate.as_deref().copied();
        let accounts = &self.door.accounts;
        let told = match (verb.as_str(), words.get(1..).unwrap_or_default()) {
            ("LIST", []) => return self.list_certs(id).await,
            ("ADD", []) if own.is_none() => "You show no certificate: name one by its SHA-256.".to_owned(),
            ("ADD" | "DEL", [named]) if digest(named).is_none() => {
                "A certificate is named by its SHA-256, in 64 hexadecimal digits.".to_owned()
            }
            ("ADD", named @ ([] | [_])) => match named.first().map_or(own, |named| digest(named)) {
                Some(digest) => match accounts.add_certificate(id, digest).await {
                    Ok(_) => format!("Added: {}", hex::encode(&digest)),
                    Err(Refusal::Taken) => "Not added: it opens another account.".to_owned(),
                    Err(refusal) => format!("Not added: {}.", sentence(&refusal)),
                },
                None => return,
            },
            ("DEL", [named]) => match digest(named) {
                Some(digest) => match accounts.remove_certificate(id, digest).await {
                    Ok(_) => format!("Removed: {}", hex::encode(&digest)),
                    Err(Refusal::None) => "Not removed: it opens nothing of yours.".to_owned(),
                    Err(refusal) => format!("Not removed: {}.", sentence(&refusal)),
                },
                None => return,
            },
            _ => "CERT LIST, CERT ADD [SHA-256], CERT DEL SHA-256".to_owned(),
        };
        self.notice(&told);
    }

    async fn list_certs(&mut self, id: crate::proto::chat::id::AccountId) {
        match self.door.accounts.account(id).await {
            Ok(account) => {
                let all = account.map(|account| account.certificates.clone()).unwrap_or_default();
                if all.is_empty() {
                    return self.notice("No certificate opens your account.");
                }
                for digest in &all {
                    self.notice(&hex::encode(digest));
                }
            }
            Err(refusal) => self.notice(&format!("Not listed: {}.", sentence(&refusal))),
        }
    }
}

/// A digest in hexadecimal digits, with colons between its bytes or without, as programs print it.
fn digest(text: &str) -> Option<[u8; 32]> {
    hex::decode(&text.replace(':', "").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_have_digits() {
        let plain = "00ff".repeat(16);
        let colons = vec!["00:FF"; 16].join(":");
        let expected: Vec<u8> = [0, 255].repeat(16);
        for text in [&plain, &colons] {
            assert_eq!(digest(text).unwrap().to_vec(), expected);
        }
        assert_eq!(hex::encode(&expected), plain);
        for bad in ["", "00", &plain[1..], &format!("{plain}0"), &plain.replace("00", "0g"), &"é".repeat(32)]
        {
            assert_eq!(digest(bad), None, "{bad}");
        }
    }
}
