//! Telling the absent: the bytes of a web push, and the signature of a webhook.
//!
//! A web push (RFC 8030) is a POST to the push service of somebody's browser. Its body is [encrypted](encrypt) for that browser, and the server says by
//! [VAPID](vapid) who it is. A [webhook] is a POST to a server of the operator's, signed with a shared secret. Here are the computations;
//! chance, such as a salt or a key of one message, is an argument.

pub mod encrypt;
pub mod vapid;
pub mod webhook;

/// A point of P-256, uncompressed: RFC 8291, section 2, and RFC 8292, section 3.2.
pub type PublicKey = [u8; 65];
