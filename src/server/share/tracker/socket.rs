//! UDP sockets: one a shard for each address, so that no two threads wait for the same one.
//!
//! The first takes the port for itself and then opens it to the others (SO_REUSEPORT), among which the kernel spreads
//! clients: so a port that somebody else has is an error, as for the listeners of TCP.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::net::addr::ListenAddr;
use crate::net::listen::ListenError;

/// Bytes of packets that the kernel holds for us, if it allows as much: a burst while a thread does something else.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Binds an address of IP for `shards`; says where it is, with the real port.
///
/// # Errors
/// The address is in use, is not of this machine, or none of IP.
pub(super) fn bind(address: &ListenAddr, shards: usize) -> Result<(ListenAddr, Vec<UdpSocket>), ListenError> {
    let failed = |error| ListenError::System { address: address.clone(), error };
    let sockets = || match address {
        ListenAddr::Tcp(at) => Ok((group(*at, true, shards)?, false)),
        ListenAddr::Any(port) => match group((Ipv6Addr::UNSPECIFIED, *port).into(), false, shards) {
            Err(error) if lacks_ipv6(&error) => {
                Ok((group((Ipv4Addr::UNSPECIFIED, *port).into(), false, shards)?, true))
            }
            sockets => Ok((sockets?, true)),
        },
        ListenAddr::Unix(_) | ListenAddr::Inherited(_) => Err(io::ErrorKind::Unsupported.into()),
    };
    let ((at, sockets), any) = sockets().map_err(failed)?;
    Ok((if any { ListenAddr::Any(at.port()) } else { ListenAddr::Tcp(at) }, sockets))
}

fn group(at: SocketAddr, only_v6: bool, shards: usize) -> io::Result<(SocketAddr, Vec<UdpSocket>)> {
    let first = open(at, only_v6)?;
    first.bind(&at.into())?;
    let at = first.local_addr()?.as_socket().unwrap_or(at);
    if shards > 1 {
        first.set_reuse_port(true)?;
    }
    let mut sockets = vec![first.into()];
    while sockets.len() < shards {
        let next = open(at, only_v6)?;
        next.set_reuse_port(true)?;
        next.bind(&at.into())?;
        sockets.push(next.into());
    }
    Ok((at, sockets))
}

fn open(at: SocketAddr, only_v6: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    if at.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    socket.set_nonblocking(true)?;
    // The kernel gives what its limit allows (net.core.rmem_max).
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    Ok(socket)
}

fn lacks_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
        || error.kind() == io::ErrorKind::AddrNotAvailable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> ListenAddr {
        ListenAddr::Tcp((Ipv4Addr::LOCALHOST, 0).into())
    }

    #[test]
    fn every_shard_has_a_socket_at_the_same_port_and_nobody_else() {
        let (at, sockets) = bind(&local(), 3).unwrap();
        let ports: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        assert!(ports.len() == 3 && ports[0] != 0 && ports.iter().all(|port| *port == ports[0]));
        assert_eq!(at, ListenAddr::Tcp((Ipv4Addr::LOCALHOST, ports[0]).into()));
        for shards in [1, 2] {
            let error = bind(&at, shards).unwrap_err().to_string();
            assert!(error.ends_with("the address is in use by another process"), "{error}");
        }
    }

    #[test]
    fn every_client_meets_one_of_them() {
        let (at, sockets) = bind(&local(), 4).unwrap();
        let ListenAddr::Tcp(at) = at else { panic!("{at}") };
        for _ in 0..40 {
            let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            client.send_to(b"x", at).unwrap();
        }
        let heard = |socket: &UdpSocket| std::iter::from_fn(|| socket.recv_from(&mut [0]).ok()).count();
        let heard: Vec<usize> = sockets.iter().map(heard).collect();
        assert_eq!(heard.iter().sum::<usize>(), 40);
        assert!(heard.iter().filter(|count| **count > 0).count() > 1, "{heard:?}");
    }

    #[test]
    fn all_addresses_are_of_both_families() {
        let (at, sockets) = bind(&ListenAddr::Any(0), 1).unwrap();
        let ListenAddr::Any(port) = at else { panic!("{at}") };
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.send_to(b"x", (Ipv4Addr::LOCALHOST, port)).unwrap();
        let (_, from) = sockets[0].recv_from(&mut [0]).unwrap();
        assert_eq!(from.ip().to_canonical(), Ipv4Addr::LOCALHOST);
        let unix = ListenAddr::Unix("/a".into());
        assert!(bind(&unix, 1).unwrap_err().to_string().starts_with("cannot listen on unix:/a: "));
    }
}
