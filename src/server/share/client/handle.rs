//! A torrent of a client, as those see it who have asked for it to be shared.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::Stream;

use super::{AddError, Handle};
use crate::proto::bittorrent::contacts::Source;
use crate::proto::bittorrent::hash::InfoHash;
use crate::proto::bittorrent::metainfo::{Info, Layers, Metainfo};
use crate::proto::bittorrent::picker::Strategy;
use crate::proto::bittorrent::wire::Bitfield;
use crate::server::share::resume::Resume;
use crate::server::share::storage::StorageError;
use crate::server::share::swarm::{PeerInfo, Progress, ReadError, TrackerView};

/// How long the files of a torrent that is removed are waited for.
const GOODBYE: Duration = Duration::from_secs(5);

impl Handle {
    /// What names it.
    #[must_use]
    pub fn hash(&self) -> InfoHash {
        self.swarm.hash
    }

    /// Waits until the metadata have come from peers: the bytes of the `info` dictionary, which have the hash.
    pub async fn fetched(&self) -> Bytes {
        self.swarm.fetched().await
    }

    /// Goes on with what was fetched, as [`Client::add`](super::Client::add) does.
    ///
    /// # Errors
    /// The folder is of no use.
    pub async fn begin(
        &self,
        metainfo: Metainfo,
        folder: &Path,
        told: impl FnMut(u32, u32),
    ) -> Result<(), AddError> {
        self.shared.begin(&self.swarm, metainfo, folder, None, told).await
    }

    /// Asks peers for the hashes of the pieces of a torrent of version 2, of which a link brings only the metadata.
    ///
    /// # Errors
    /// The number of a file that can have none: the metadata are wrong.
    pub async fn layers(&self, info: &Info) -> Result<Layers, usize> {
        self.swarm.hashes(info.layout()).await
    }

    /// What is there, for [`Client::resume`](super::Client::resume); `None` until the metadata are known. It looks at files, and so may block.
    #[must_use]
    pub fn resume(&self) -> Option<Resume> {
        self.swarm.resume()
    }

    /// Stops it, and waits until nobody uses its files, or for some seconds. Trackers are told beside that.
    pub async fn remove(&self) {
        self.shared.remove(&self.swarm);
        if let Some(sharing) = self.swarm.sharing() {
            sharing.users.close();
            let _ = tokio::time::timeout(GOODBYE, sharing.users.wait()).await;
        }
    }

    /// When it was removed, or its client has stopped.
    pub async fn stopped(&self) {
        self.swarm.stopping.cancelled().await;
    }

    /// Why nothing can be written any more, if that is so.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<StorageError>> {
        self.swarm.sharing()?.failure()
    }

    /// Its peers.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.swarm.peers()
    }

    /// How many of its peers have everything.
    #[must_use]
    pub fn seeds(&self) -> usize {
        self.swarm.seeds()
    }

    /// Its trackers.
    #[must_use]
    pub fn trackers(&self) -> Vec<TrackerView> {
        self.swarm.trackers()
    }

    /// How many of its peers have each piece.
    #[must_use]
    pub fn availability(&self) -> Vec<u32> {
        self.swarm.availability()
    }

    /// Asks its trackers and the DHT for peers now.
    pub fn announce(&self) {
        self.swarm.announce.send_replace(());
        if !self.swarm.is_private() {
            self.shared.announce(&self.swarm);
        }
    }

    /// The bytes of a range of a file, as they come: they are fetched before all else. `None` if there is no such file, or the metadata are not known.
    #[must_use]
    pub fn read(
        &self,
        file: usize,
        range: Range<u64>,
    ) -> Option<impl Stream<Item = Result<Bytes, ReadError>> + Send + use<>> {
        self.swarm.read(file, range)
    }

    /// How it goes.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.swarm.progress()
    }

    /// A peer that a person has named.
    pub fn add_peer(&self, addr: SocketAddr) {
        self.swarm.heard_of(addr, Source::Given);
    }

    /// Sets how many bytes of it are sent and received a second at most.
    pub fn limit(&self, up: Option<u64>, down: Option<u64>) {
        self.swarm.up.set(up);
        self.swarm.down.set(down);
    }

    /// Gives files priorities by their numbers, from 1 to [`MAX_PRIORITY`](crate::proto::bittorrent::picker::MAX_PRIORITY); the pieces of those with 0 are not fetched. Files
    /// without bytes are made for those that are wanted.
    ///
    /// # Errors
    /// One cannot be made.
    pub fn choose(&self, priority: impl Fn(usize) -> u8) -> Result<(), StorageError> {
        self.swarm.choose(priority)
    }

    /// Chooses pieces in another way.
    pub fn set_strategy(&self, strategy: Strategy) {
        self.swarm.set_strategy(strategy);
    }

    /// Waits until everything that is wanted is there.
    ///
    /// # Errors
    /// Nothing can be written.
    pub async fn finished(&self) -> Result<(), Arc<StorageError>> {
        self.swarm.finished().await
    }

    /// The pieces that are there.
    #[must_use]
    pub fn have(&self) -> Option<Bitfield> {
        self.swarm.have()
    }
}
