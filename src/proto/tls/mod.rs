//! What can be read of TLS without speaking it.

pub mod client_hello;
