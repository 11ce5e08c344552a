//! Peers on the same network, by multicast (BEP 14).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::lsd::{GROUP_V4, Lsd, MAX_DATAGRAM, PORT};

/// The announcements of a client.
#[derive(Debug)]
pub(in crate::server::share) struct Local {
    /// One that hears all, and one to send by for each address of ours.
    hears: Option<UdpSocket>,
    sends: Vec<UdpSocket>,
    lsd: Mutex<Lsd>,
    changed: Notify,
}

impl Local {
    /// Joins the group on each network of this machine, or on that of one address. Where there is none, nobody is heard, which is no error.
    pub(in crate::server::share) fn open(port: u16, only: Option<IpAddr>) -> Self {
        let own: Vec<Ipv4Addr> =
            addresses().into_iter().filter(|ip| only.is_none_or(|only| only == *ip)).collect();
        let hears = hear(&own).inspect_err(|error| tracing::debug!(%error, "no local discovery")).ok();
        let sends = own.iter().filter_map(|ip| send(*ip).ok()).collect();
        let lsd = Mutex::new(Lsd::new(port, Instant::now(), fastrand::u64(..)));
        Self { hears, sends, lsd, changed: Notify::new() }
    }

    /// Announces a torrent from now on.
    pub(in crate::server::share) fn add(&self, name: Sha1) {
        self.lock().add(Instant::now(), name);
        self.changed.notify_one();
    }

    /// Announces it no more.
    pub(in crate::server::share) fn remove(&self, name: Sha1) {
        self.lock().remove(name);
    }

    /// Announces, and tells who else has announced what, for as long as it is polled.
    pub(in crate::server::share) async fn run(&self, heard_of: impl Fn(Sha1, SocketAddr)) {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            while let Some(announcement) = {
                let mut lsd = self.lock();
                lsd.poll(Instant::now())
            } {
                let bytes = announcement.to_bytes(GROUP_V4);
                for socket in &self.sends {
                    let _ = socket.send_to(&bytes, GROUP_V4).await;
                }
            }
            let deadline = self.lock().deadline();
            let due = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let received = async {
                match &self.hears {
                    Some(socket) => socket.recv_from(&mut buffer).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                received = received => {
                    if let Ok((length, from)) = received {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        let heard = self.lock().heard(Instant::now(), from, datagram);
                        if let Some((peer, names)) = heard {
                            names.into_iter().for_each(|name| heard_of(name, peer));
                        }
                    }
                }
                () = self.changed.notified() => {}
                () = due => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lsd> {
        self.lsd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses of this machine at which others on its networks reach it.
pub(in crate::server::share) fn addresses() -> Vec<Ipv4Addr> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let v4 = found.into_iter().filter_map(|interface| match interface.ip() {
        IpAddr::V4(ip) if !ip.is_loopback() => Some(ip),
        _ => None,
    });
    v4.collect()
}

fn socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Hears the group on the networks of these addresses, beside others on this machine that do.
fn hear(own: &[Ipv4Addr]) -> io::Result<UdpSocket> {
    let socket = socket()?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)).into())?;
    if let IpAddr::V4(group) = GROUP_V4.ip() {
        for ip in own {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Address(*ip))?;
        }
    }
    UdpSocket::from_std(socket.into())
}

fn send(from: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = socket()?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.set_multicast_if_v4(&from)?;
    // Others on this machine are peers, too.
    socket.set_multicast_loop_v4(true)?;
    UdpSocket::from_std(socket.into())
}
