//! The server's side of an exchange, in RFC 5802's order: each step consumes the one before.

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;

use super::super::{Reject, text};
use super::keys::{KEY_LENGTH, Keys};
use super::message::{attribute, extensions, is_nonce, next, saslname};

/// The channel binding `tls-exporter` (RFC 9266): 32 bytes exported from a TLS connection under the label `EXPORTER-Channel-Binding` without a context.
pub type Exporter = [u8; 32];

/// The only type of channel binding that we know.
const EXPORTER: &str = "tls-exporter";

/// What a client says first: `client-first-message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFirst {
    /// As whom it wants to act; `None` for the one whose password it knows.
    pub authzid: Option<String>,
    /// Whose password it knows.
    pub name: String,
    nonce: String,
    /// `client-first-message-bare`, which is signed.
    bare: String,
    /// What `c=` has to say later.
    binding: Vec<u8>,
}

impl ClientFirst {
    /// Reads the first message.
    ///
    /// `exporter` is there if we have offered SCRAM-SHA-256-PLUS on this connection, and `plus` says whether the client has chosen it.
    ///
    /// # Errors
    /// It is malformed, or it wants to bind to the channel in a way that we have not offered (section 6).
    pub fn parse(message: &[u8], plus: bool, exporter: Option<&Exporter>) -> Result<Self, Reject> {
        let message = text(message)?;
        let mut rest = Some(message);
        let flag = next(&mut rest).unwrap_or_default();
        let bound = binding(flag, plus, exporter)?;
        let authzid = next(&mut rest).ok_or(Reject::Malformed("the header has two commas"))?;
        let authzid = match authzid.strip_prefix("a=") {
            Some(authzid) => Some(saslname(authzid)?),
            None if authzid.is_empty() => None,
            None => return Err(Reject::Malformed("a= comes before the second comma")),
        };
        let bare = rest.ok_or(Reject::Malformed("the header has two commas"))?;
        if bare.starts_with("m=") {
            return Err(Reject::Extension);
        }
        let name = saslname(attribute(&mut rest, 'n', "n= is missing")?)?;
        let nonce = attribute(&mut rest, 'r', "r= is missing")?;
        if !is_nonce(nonce) {
            return Err(Reject::Malformed("r= is not visible ASCII"));
        }
        extensions(rest)?;
        let mut binding = message.as_bytes()[..message.len() - bare.len()].to_vec();
        binding.extend_from_slice(bound.map_or(&[], |exporter| exporter));
        Ok(Self { authzid, name, nonce: nonce.to_owned(), bare: bare.to_owned(), binding })
    }

    /// The `server-first-message`, and what is waited for after it. `keys` are those of the account, or [fake](Keys::fake) ones. `nonce` is fresh, and nobody can guess
    /// it: at least 16 random bytes, as visible ASCII without a comma.
    #[must_use]
    pub fn challenge(self, keys: Keys, nonce: &str) -> (String, Pending) {
        let nonce = self.nonce + nonce;
        let challenge = format!("r={nonce},s={},i={}", BASE64.encode(&keys.salt), keys.iterations);
        let signed = format!("{},{challenge},", self.bare);
        (challenge, Pending { nonce, signed, binding: self.binding, keys })
    }
}

/// The bytes to bind to, by the flag in front of the message: section 6.
fn binding<'a>(
    flag: &str,
    plus: bool,
    exporter: Option<&'a Exporter>,
) -> Result<Option<&'a Exporter>, Reject> {
    match (flag, flag.strip_prefix("p=")) {
        ("n" | "y", _) if plus => Err(Reject::Malformed("-PLUS needs p=")),
        ("n", _) => Ok(None),
        ("y", _) if exporter.is_some() => Err(Reject::Downgrade),
        ("y", _) => Ok(None),
        (_, Some(kind)) => match exporter {
            Some(exporter) if plus && kind == EXPORTER => Ok(Some(exporter)),
            Some(_) if plus => Err(Reject::BindingType),
            _ => Err(Reject::NoBinding),
        },
        _ => Err(Reject::Malformed("it begins with n, y or p=")),
    }
}

/// The server waits for the proof.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The client's and ours.
    nonce: String,
    /// `AuthMessage`, as far as it is known.
    signed: String,
    binding: Vec<u8>,
    keys: Keys,
}

impl Pending {
    /// Reads the `client-final-message`. If the client knows the password, the `server-final-message` is the answer, by which the client sees that we
    /// keep its keys.
    ///
    /// # Errors
    /// It is malformed, answers another challenge, is bound to another channel, or its proof is wrong.
    pub fn finish(self, message: &[u8]) -> Result<String, Reject> {
        let message = text(message)?;
        let (unproved, proof) =
            message.rsplit_once(",p=").ok_or(Reject::Malformed("p= is missing at the end"))?;
        let mut rest = Some(unproved);
        let binding = attribute(&mut rest, 'c', "c= is missing")?;
        let nonce = attribute(&mut rest, 'r', "r= is missing")?;
        extensions(rest)?;
        let proof = BASE64.decode(proof).ok().and_then(|proof| <[u8; KEY_LENGTH]>::try_from(proof).ok());
        let proof = proof.ok_or(Reject::Malformed("p= is not 32 bytes in base64"))?;
        let binding = BASE64.decode(binding).map_err(|_| Reject::Malformed("c= is not base64"))?;
        if binding != self.binding {
            return Err(Reject::Binding);
        }
        if nonce != self.nonce {
            return Err(Reject::Malformed("r= is not that of the challenge"));
        }
        let signed = self.signed + unproved;
        if !self.keys.proves(&proof, signed.as_bytes()) {
            return Err(Reject::Proof);
        }
        Ok(format!("v={}", BASE64.encode(self.keys.signature(signed.as_bytes()))))
    }
}

#[cfg(test)]
mod tests;
