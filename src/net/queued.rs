//! How many bytes the system holds for a peer that has not taken them yet.

use std::os::fd::AsFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

/// `SIOCOUTQ` (tcp(7), unix(7)): bytes in the send queue that are not acknowledged.
const SIOCOUTQ: Opcode = 0x5411;

/// Bytes in the send queue of a TCP or Unix socket; `None` when the system does not say.
pub(super) fn queued(socket: &impl AsFd) -> Option<u64> {
    // SAFETY: this request writes one `int` through its argument, and reads and changes nothing else. A descriptor that is
    // no socket, or a terminal, for which the number means the same, is answered with an error or such a count.
    #[allow(unsafe_code)]
    let bytes = unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new()) };
    bytes.ok().and_then(|bytes| u64::try_from(bytes).ok())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Fills the pair until the sender's system takes no more, and empties it again.
    fn check<S: Read + Write + AsFd>(mut sender: S, mut receiver: S) {
        assert_eq!(queued(&sender), Some(0));
        let (piece, mut sent) = ([0; 65536], 0);
        while let Ok(n) = sender.write(&piece) {
            sent += n;
        }
        let waiting = queued(&sender).unwrap();
        assert!(waiting > 0);
        let mut all = vec![0; sent];
        receiver.read_exact(&mut all).unwrap();
        // The last acknowledgement may be on its way.
        while queued(&sender).unwrap() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_a_peer_has_not_taken_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        sender.set_nonblocking(true).unwrap();
        check(sender, listener.accept().unwrap().0);
        let (sender, receiver) = UnixStream::pair().unwrap();
        sender.set_nonblocking(true).unwrap();
        check(sender, receiver);
        assert_eq!(queued(&tempfile::tempfile().unwrap()), None);
    }
}
