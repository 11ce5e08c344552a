//! Random bytes that nobody can guess, from the system.

use std::io;

use rustls::crypto::ring::default_provider;

/// Random bytes, by the generator that TLS uses: keys of handshakes, seeds of generators.
///
/// # Errors
/// The system has none, which does not happen on Linux once it is up.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = default_provider().secure_random.fill(&mut bytes);
    filled.map(|()| bytes).map_err(|_| io::Error::other("the system gives no random bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        assert_ne!(bytes::<16>().unwrap(), bytes::<16>().unwrap());
    }
}
