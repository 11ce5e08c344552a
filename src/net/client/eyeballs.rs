//! Several addresses, one connection: the attempts of RFC 8305 section 5.
//!
//! Attempts start one after the other, [`DELAY`] apart or as soon as one fails, and run on beside each other. The first that
//! succeeds wins, and the others are dropped.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

/// Between the beginnings of two attempts: the "Connection Attempt Delay" that RFC 8305 section 5 recommends.
pub(super) const DELAY: Duration = Duration::from_millis(250);

/// Why each address gave no connection.
pub(super) type Refusals = Vec<(SocketAddr, io::Error)>;

/// Tries `addresses` in their order, and gives the first connection.
///
/// # Errors
/// All of them failed; none, when there was no address.
pub(super) async fn race<T, C>(addresses: &[SocketAddr], delay: Duration, connect: C) -> Result<T, Refusals>
where
    C: AsyncFn(SocketAddr) -> io::Result<T>,
{
    let connect = &connect;
    let mut attempts = FuturesUnordered::new();
    let mut refusals = Vec::new();
    let mut rest = addresses.iter();
    loop {
        if let Some(&address) = rest.next() {
            attempts.push(async move { (address, connect(address).await) });
        }
        let mut turn = pin!(sleep(delay));
        tokio::select! {
            ended = attempts.next() => match ended {
                Some((_, Ok(connection))) => return Ok(connection),
                Some((address, Err(error))) => refusals.push((address, error)),
                None => return Err(refusals),
            },
            () = &mut turn, if rest.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    /// After so many milliseconds a connection, a refusal, or nothing ever.
    #[derive(Clone, Copy)]
    enum Peer {
        Answers(u64),
        Refuses(u64),
        Drops,
    }
    use Peer::{Answers, Drops, Refuses};

    /// Who won, after how many milliseconds, and when each attempt began.
    async fn run(peers: &[Peer]) -> (Result<usize, usize>, u128, Vec<u128>) {
        let addresses: Vec<SocketAddr> =
            (0..peers.len()).map(|n| SocketAddr::from(([192, 0, 2, 1], u16::try_from(n).unwrap()))).collect();
        let start = Instant::now();
        let begun = Mutex::new(Vec::new());
        let result = race(&addresses, DELAY, async |address: SocketAddr| {
            begun.lock().unwrap().push(start.elapsed().as_millis());
            let index = usize::from(address.port());
            match peers[index] {
                Answers(ms) => sleep(Duration::from_millis(ms)).await,
                Refuses(ms) => {
                    sleep(Duration::from_millis(ms)).await;
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                Drops => std::future::pending().await,
            }
            Ok(index)
        })
        .await;
        let took = start.elapsed().as_millis();
        (result.map_err(|refusals| refusals.len()), took, begun.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_connection_wins() {
        type Row = (&'static [Peer], Result<usize, usize>, u128, &'static [u128]);
        let rows: [Row; 9] = [
            (&[Answers(10), Answers(1)], Ok(0), 10, &[0]),
            (&[Refuses(10), Answers(10)], Ok(1), 20, &[0, 10]),
            (&[Drops, Answers(10)], Ok(1), 260, &[0, 250]),
            (&[Answers(400), Answers(100)], Ok(1), 350, &[0, 250]),
            (&[Answers(300), Answers(100)], Ok(0), 300, &[0, 250]),
            // A late refusal starts the next attempt too, and the delay counts from the last beginning.
            (&[Refuses(300), Drops, Answers(10)], Ok(2), 310, &[0, 250, 300]),
            (&[Drops, Drops, Refuses(10), Answers(10)], Ok(3), 520, &[0, 250, 500, 510]),
            (&[Refuses(10), Refuses(400), Refuses(20)], Err(3), 410, &[0, 10, 260]),
            (&[], Err(0), 0, &[]),
        ];
        for (row, (peers, result, took, begun)) in rows.into_iter().enumerate() {
            assert_eq!(run(peers).await, (result, took, begun.to_vec()), "row {row}");
        }
    }
}
