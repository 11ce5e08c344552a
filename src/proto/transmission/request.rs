//! A request: a method with its arguments (section 2.1), one variant for each method of sections 3 and 4.

use serde_json::{Map, Number, Value};

use super::arguments::{Argument as _, Arguments};
use super::{
    AbsolutePath, Add, Fields, GroupChange, Id, Ids, Refusal, RequestError, SettingsChange, TorrentChange,
};

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What its client calls it; the answer has the same.
    pub tag: Option<Number>,
    /// What is asked for.
    pub method: Method,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Start torrents, when it is their turn.
    TorrentStart(Ids),
    /// Start torrents, whatever the queue says.
    TorrentStartNow(Ids),
    /// Stop torrents.
    TorrentStop(Ids),
    /// Verify the files of torrents.
    TorrentVerify(Ids),
    /// Ask the trackers of torrents for more peers.
    TorrentReannounce(Ids),
    /// Change torrents.
    TorrentSet(Ids, Box<TorrentChange>),
    /// Tell of torrents.
    TorrentGet(Get),
    /// Add a torrent.
    TorrentAdd(Box<Add>),
    /// Forget torrents.
    TorrentRemove {
        /// Which.
        ids: Ids,
        /// Whether their files are deleted, too.
        delete_local_data: bool,
    },
    /// Have the files of torrents somewhere else.
    TorrentSetLocation {
        /// Which.
        ids: Ids,
        /// Where.
        location: AbsolutePath,
        /// Whether they are moved there; else they are there.
        move_files: bool,
    },
    /// Give a file or a folder of a torrent another name.
    TorrentRenamePath {
        /// The torrent.
        id: Id,
        /// Where it is: names with slashes between them, beginning with that of the torrent.
        path: String,
        /// The new name: one that a file can have, without a slash.
        name: String,
    },
    /// Tell of the session: these fields, or all if there are none.
    SessionGet(Vec<String>),
    /// Change settings.
    SessionSet(Box<SettingsChange>),
    /// Tell what was done.
    SessionStats,
    /// End the daemon.
    SessionClose,
    /// Fetch the blocklist.
    BlocklistUpdate,
    /// Find out whether peers can come.
    PortTest,
    /// Move torrents to the beginning of the queue.
    QueueMoveTop(Ids),
    /// Move torrents one place towards it.
    QueueMoveUp(Ids),
    /// Move torrents one place away from it.
    QueueMoveDown(Ids),
    /// Move torrents to its end.
    QueueMoveBottom(Ids),
    /// Tell how much a folder has room for.
    FreeSpace(AbsolutePath),
    /// Tell of bandwidth groups: of these names, or all if there are none.
    GroupGet(Vec<String>),
    /// Change a bandwidth group.
    GroupSet {
        /// Its name.
        name: String,
        /// What is changed.
        change: GroupChange,
    },
}

/// `torrent-get` (section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// Of which torrents.
    pub ids: Ids,
    /// What of them.
    pub fields: Fields,
    /// In which form.
    pub format: Format,
}

/// How torrents are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Each an object.
    #[default]
    Objects,
    /// Each a list of values; the first list is the names of the fields.
    Table,
}

impl Request {
    /// Reads the body of a POST. How long it may be is for the server to say; how deep, serde_json says (128).
    ///
    /// # Errors
    /// If it is not understood. The error has the tag as well.
    pub fn read(body: &[u8]) -> Result<Self, RequestError> {
        let request = serde_json::from_slice::<Map<String, Value>>(body).unwrap_or_default();
        let tag = request.get("tag").and_then(Value::as_number).cloned();
        match Method::read(&request) {
            Ok(method) => Ok(Self { tag, method }),
            Err(refusal) => Err(RequestError { tag, refusal }),
        }
    }
}

impl Method {
    fn read(request: &Map<String, Value>) -> Result<Self, Refusal> {
        let method = request.get("method").and_then(Value::as_str).ok_or(Refusal::NoMethod)?;
        let arguments = &Arguments::of(request);
        let ids = || Ids::read(arguments);
        Ok(match method {
            "torrent-start" => Self::TorrentStart(ids()?),
            "torrent-start-now" => Self::TorrentStartNow(ids()?),
            "torrent-stop" => Self::TorrentStop(ids()?),
            "torrent-verify" => Self::TorrentVerify(ids()?),
            "torrent-reannounce" => Self::TorrentReannounce(ids()?),
            "torrent-set" => Self::TorrentSet(ids()?, Box::new(TorrentChange::read(arguments)?)),
            "torrent-get" => Self::TorrentGet(Get::read(arguments)?),
            "torrent-add" => Self::TorrentAdd(Box::new(Add::read(arguments)?)),
            "torrent-remove" => Self::remove(arguments)?,
            "torrent-set-location" => Self::set_location(arguments)?,
            "torrent-rename-path" => Self::rename_path(arguments)?,
            "session-get" => Self::SessionGet(arguments.read("fields")?.unwrap_or_default()),
            "session-set" => Self::SessionSet(Box::new(SettingsChange::read(arguments)?)),
            "session-stats" => Self::SessionStats,
            "session-close" => Self::SessionClose,
            "blocklist-update" => Self::BlocklistUpdate,
            "port-test" => Self::PortTest,
            "queue-move-top" => Self::QueueMoveTop(ids()?),
            "queue-move-up" => Self::QueueMoveUp(ids()?),
            "queue-move-down" => Self::QueueMoveDown(ids()?),
            "queue-move-bottom" => Self::QueueMoveBottom(ids()?),
            "free-space" => Self::FreeSpace(arguments.read("path")?.ok_or(Refusal::NoPath)?),
            "group-get" => Self::group_get(arguments)?,
            "group-set" => Self::group_set(arguments)?,
            _ => return Err(Refusal::UnknownMethod),
        })
    }

    fn remove(arguments: &Arguments<'_>) -> Result<Self, Refusal> {
        let delete_local_data = arguments.read("delete-local-data")?.unwrap_or_default();
        Ok(Self::TorrentRemove { ids: Ids::read(arguments)?, delete_local_data })
    }

    fn set_location(arguments: &Arguments<'_>) -> Result<Self, Refusal> {
        let location = arguments.read("location")?.ok_or(Refusal::NoLocation)?;
        let move_files = arguments.read("move")?.unwrap_or_default();
        Ok(Self::TorrentSetLocation { ids: Ids::read(arguments)?, location, move_files })
    }

    fn rename_path(arguments: &Arguments<'_>) -> Result<Self, Refusal> {
        let id = Ids::read(arguments)?.single().ok_or(Refusal::NotOneTorrent)?;
        let path = arguments.text("path")?.ok_or(Refusal::Name)?;
        let name = arguments.text("name")?.ok_or(Refusal::Name)?;
        let is_name = !name.contains(['/', '\0']) && name != "." && name != "..";
        is_name.then_some(Self::TorrentRenamePath { id, path, name }).ok_or(Refusal::Name)
    }

    /// The specification calls the argument `group`, Transmission reads `name`.
    fn group_get(arguments: &Arguments<'_>) -> Result<Self, Refusal> {
        let value = ["group", "name"].into_iter().find_map(|name| arguments.value(name));
        Ok(Self::GroupGet(match value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(name)) => vec![name.clone()],
            Some(names) => Vec::read(names, "group")?,
        }))
    }

    fn group_set(arguments: &Arguments<'_>) -> Result<Self, Refusal> {
        let name = arguments.text("name")?.ok_or(Refusal::NoGroup)?;
        let name = Some(name.trim().to_owned()).filter(|name| !name.is_empty()).ok_or(Refusal::NoGroup)?;
        Ok(Self::GroupSet { name, change: GroupChange::read(arguments)? })
    }
}

impl Get {
    fn read(arguments: &Arguments<'_>) -> Result<Self, Refusal> {
        let names = arguments.value("fields").and_then(Value::as_array).ok_or(Refusal::NoFields)?;
        let fields = Fields::named(names.iter().filter_map(Value::as_str));
        let format = match arguments.read::<String>("format")?.as_deref() {
            Some("table") => Format::Table,
            _ => Format::Objects,
        };
        Ok(Self { ids: Ids::read(arguments)?, fields, format })
    }
}
