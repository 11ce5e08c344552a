//! The fields of a torrent that `torrent-get` asks for (section 3.3), and what has to be gathered for them.
//!
//! A name stands for one field, and a request has each field once, however often it names it: a short request must not
//! have a long answer by repetition. Names that are not in the specification are left out of the answer, in a table as
//! well, whose first row says so.

/// What is more than a number or a text of a torrent, and is gathered only if it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detail {
    /// Its files.
    Files,
    /// Its peers.
    Peers,
    /// Its trackers.
    Trackers,
    /// Which pieces we have.
    Pieces,
    /// How many peers have each piece.
    Availability,
    /// Its magnet link.
    Magnet,
}

macro_rules! fields {
    ($($field:ident $name:literal,)*) => {
        /// A field of a torrent, named as in the specification.
        #[allow(missing_docs, reason = "the specification says what each is, and so does what it is written from")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Field { $($field,)* }

        impl Field {
            /// All.
            pub const ALL: &[Self] = &[$(Self::$field,)*];

            /// That of this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$field),)*
                    _ => None,
                }
            }

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                }
            }
        }
    };
}

fields! {
    ActivityDate "activityDate",
    AddedDate "addedDate",
    Availability "availability",
    BandwidthPriority "bandwidthPriority",
    Comment "comment",
    CorruptEver "corruptEver",
    Creator "creator",
    DateCreated "dateCreated",
    DesiredAvailable "desiredAvailable",
    DoneDate "doneDate",
    DownloadDir "downloadDir",
    DownloadLimit "downloadLimit",
    DownloadLimited "downloadLimited",
    DownloadedEver "downloadedEver",
    EditDate "editDate",
    Error "error",
    ErrorString "errorString",
    Eta "eta",
    EtaIdle "etaIdle",
    FileCount "file-count",
    FileStats "fileStats",
    Files "files",
    Group "group",
    HashString "hashString",
    HaveUnchecked "haveUnchecked",
    HaveValid "haveValid",
    HonorsSessionLimits "honorsSessionLimits",
    Id "id",
    IsFinished "isFinished",
    IsPrivate "isPrivate",
    IsStalled "isStalled",
    Labels "labels",
    LeftUntilDone "leftUntilDone",
    MagnetLink "magnetLink",
    ManualAnnounceTime "manualAnnounceTime",
    MaxConnectedPeers "maxConnectedPeers",
    MetadataPercentComplete "metadataPercentComplete",
    Name "name",
    PeerLimit "peer-limit",
    Peers "peers",
    PeersConnected "peersConnected",
    PeersFrom "peersFrom",
    PeersGettingFromUs "peersGettingFromUs",
    PeersSendingToUs "peersSendingToUs",
    PercentComplete "percentComplete",
    PercentDone "percentDone",
    PieceCount "pieceCount",
    PieceSize "pieceSize",
    Pieces "pieces",
    PrimaryMimeType "primary-mime-type",
    Priorities "priorities",
    QueuePosition "queuePosition",
    RateDownload "rateDownload",
    RateUpload "rateUpload",
    RecheckProgress "recheckProgress",
    SecondsDownloading "secondsDownloading",
    SecondsSeeding "secondsSeeding",
    SeedIdleLimit "seedIdleLimit",
    SeedIdleMode "seedIdleMode",
    SeedRatioLimit "seedRatioLimit",
    SeedRatioMode "seedRatioMode",
    SizeWhenDone "sizeWhenDone",
    StartDate "startDate",
    Status "status",
    TorrentFile "torrentFile",
    TotalSize "totalSize",
    TrackerList "trackerList",
    TrackerStats "trackerStats",
    Trackers "trackers",
    UploadLimit "uploadLimit",
    UploadLimited "uploadLimited",
    UploadRatio "uploadRatio",
    UploadedEver "uploadedEver",
    Wanted "wanted",
    Webseeds "webseeds",
    WebseedsSendingToUs "webseedsSendingToUs",
}

impl Field {
    /// What it is written from, beside the numbers and texts of its torrent.
    #[must_use]
    pub fn detail(self) -> Option<Detail> {
        match self {
            Self::Files | Self::FileStats | Self::Priorities | Self::Wanted => Some(Detail::Files),
            Self::Peers => Some(Detail::Peers),
            Self::Trackers | Self::TrackerList | Self::TrackerStats => Some(Detail::Trackers),
            Self::Pieces => Some(Detail::Pieces),
            Self::Availability => Some(Detail::Availability),
            Self::MagnetLink => Some(Detail::Magnet),
            _ => None,
        }
    }
}

/// The fields of a request, each once, as they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// Those of these names.
    #[must_use]
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut fields = Vec::new();
        for field in names.into_iter().filter_map(Field::named) {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        Self(fields)
    }

    /// They, in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[Field] {
        &self.0
    }

    /// Whether one of them is written from this.
    #[must_use]
    pub fn needs(&self, detail: Detail) -> bool {
        self.0.iter().any(|field| field.detail() == Some(detail))
    }
}
