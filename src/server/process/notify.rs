//! What a service manager is told: that the process is ready, and which process is the service, by the protocol of `sd_notify(3)`.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The manager's socket, if a manager has started us: `$NOTIFY_SOCKET`.
#[derive(Debug)]
pub(super) struct Manager(Option<(UnixDatagram, SocketAddr)>);

impl Manager {
    /// The manager that the environment names. If it cannot be reached, that is logged, and nobody is told.
    pub(super) fn of_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Self(None) };
        let socket = address(&name).and_then(|address| Ok((UnixDatagram::unbound()?, address)));
        let socket = socket.inspect_err(|error| tracing::warn!(%error, "the service manager cannot be told"));
        Self(socket.ok())
    }

    /// No manager.
    pub(super) const fn nobody() -> Self {
        Self(None)
    }

    /// Clients are accepted, and this process is the service, whichever it was before.
    pub(super) fn ready(&self) {
        self.tell(&format!("READY=1\nMAINPID={}", std::process::id()));
    }

    /// The service is going down.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        let Self(Some((socket, address))) = self else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            tracing::warn!(%error, "the service manager was not told");
        }
    }
}

/// The address of a socket: a path, or with `@` in front a name in the abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_of_both_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify.sock");
        let names = [path.as_os_str().to_owned(), format!("@wireworks-{}", std::process::id()).into()];
        for name in names {
            let heard = UnixDatagram::bind_addr(&address(&name).unwrap()).unwrap();
            let manager = Manager(Some((UnixDatagram::unbound().unwrap(), address(&name).unwrap())));
            manager.ready();
            manager.stopping();
            let next = || {
                let mut text = [0; 100];
                let count = heard.recv(&mut text).unwrap();
                String::from_utf8_lossy(&text[..count]).into_owned()
            };
            assert_eq!(next(), format!("READY=1\nMAINPID={}", std::process::id()), "{name:?}");
            assert_eq!(next(), "STOPPING=1");
        }
    }
}
