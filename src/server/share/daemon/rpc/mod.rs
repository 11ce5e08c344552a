//! Transmission's RPC, so that its front ends work with this daemon: what they ask for, done by it.
//!
//! What the daemon has no such thing of (bandwidth groups, a blocklist by URL, new names of files) is refused by name.

mod change;
mod session;
mod shown;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use http::{HeaderName, HeaderValue, StatusCode};

use self::shown::Shown;
use super::record::FilePriority;
use super::web::origin;
use super::{Daemon, Origin, TakeError, Wishes, view};
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::transmission::{
    Add, Answer, Failure, Get, Id, Ids, Method, PATH, Request as Asked, SESSION_ID_HEADER, Source, Space,
    Stats, Transfer,
};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::http::router::Router;

/// Bytes of a request at most: a torrent file in base64.
const MOST: u64 = 96 << 20;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");

/// The number of an entry among those of Transmission, which begin with 1.
fn number(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Adds the RPC.
pub(super) fn routes(router: Router, daemon: &Daemon) -> Router {
    // Whoever can read it in an answer may send it: no page of another site can.
    let session: Arc<str> = format!("{:032x}", fastrand::u128(..)).into();
    // Its own front ends add a slash.
    [PATH.to_owned(), format!("{PATH}/")].iter().fold(router, |router, path| {
        let (daemon, get, post) = (daemon.clone(), Arc::clone(&session), Arc::clone(&session));
        router.get(path, move |_: Request| std::future::ready(conflict(&get))).post(path, move |request| {
            let (daemon, session) = (daemon.clone(), Arc::clone(&post));
            async move { answered(&daemon, request, &session).await }
        })
    })
}

async fn answered(daemon: &Daemon, mut request: Request, session: &str) -> Result<Response, Problem> {
    if request.field(SESSION_ID_HEADER) != Some(session) {
        return Ok(conflict(session));
    }
    request.gather_limit(MOST);
    let body = request.bytes().await?;
    let answer = match Asked::read(&body) {
        Ok(Asked { tag, method }) => daemon.answer(Answer::to(tag), method, session).await,
        Err(error) => error.answer(),
    };
    Ok(Response::of(JSON, answer))
}

/// The answer to who does not know what a page of this site knows.
fn conflict(session: &str) -> Response {
    static NAME: LazyLock<HeaderName> = LazyLock::new(|| {
        HeaderName::try_from(SESSION_ID_HEADER)
            .unwrap_or(HeaderName::from_static("x-transmission-session-id"))
    });
    let text = format!("409: Conflict. Send the field {SESSION_ID_HEADER}: {session}\n");
    let value = HeaderValue::try_from(session).unwrap_or(HeaderValue::from_static(""));
    Response::text(text).status(StatusCode::CONFLICT).with(NAME.clone(), value)
}

impl Daemon {
    async fn answer(&self, answer: Answer, method: Method, session: &str) -> Vec<u8> {
        let refused = |what: &str| Failure::Other(format!("{what}: this daemon does not do that"));
        let mut failure = None;
        match method {
            Method::TorrentGet(get) => return self.get(answer, &get),
            Method::TorrentAdd(add) => return self.add(answer, *add).await,
            Method::SessionGet(fields) => return answer.session(&self.session(session), &fields),
            Method::SessionStats => return answer.stats(&self.stats()),
            Method::FreeSpace(path) => return answer.free_space(&path.0, space(&path.0)),
            Method::PortTest => failure = Some(refused("port-test")),
            Method::BlocklistUpdate => failure = Some(refused("blocklist-update")),
            Method::SessionClose => self.0.closing.cancel(),
            Method::GroupGet(_) => return answer.groups(&[]),
            Method::GroupSet { .. } => failure = Some(refused("group-set")),
            Method::TorrentRenamePath { .. } => failure = Some(refused("torrent-rename-path")),
            Method::SessionSet(change) => failure = self.set_session(&change).err(),
            Method::TorrentSet(ids, change) => {
                let ids = self.meant(&ids);
                failure = ids.into_iter().find_map(|id| self.set_torrent(id, &change).err());
            }
            Method::TorrentStart(ids) => {
                self.each(&ids, |id| self.change(id, |record| record.paused = false));
            }
            // The first of the queue run.
            Method::TorrentStartNow(ids) => self
                .each(&ids, |id| self.set_position(id, 0) && self.change(id, |record| record.paused = false)),
            Method::TorrentStop(ids) => self.each(&ids, |id| self.change(id, |record| record.paused = true)),
            Method::TorrentVerify(ids) => self.each(&ids, |id| self.verify(id)),
            Method::TorrentReannounce(ids) => self.each(&ids, |id| self.announce(id)),
            Method::TorrentRemove { ids, delete_local_data } => {
                self.each(&ids, |id| self.remove(id, delete_local_data));
            }
            Method::TorrentSetLocation { ids, location, move_files } => self.each(&ids, |id| {
                let folder = PathBuf::from(&location.0);
                if move_files { self.move_to(id, folder) } else { self.look_in(id, folder) }
            }),
            Method::QueueMoveTop(ids) => self.queue(&ids, |_, _| 0, true),
            Method::QueueMoveUp(ids) => self.queue(&ids, |position, _| position.saturating_sub(1), false),
            Method::QueueMoveDown(ids) => self.queue(&ids, |position, _| position + 1, true),
            Method::QueueMoveBottom(ids) => self.queue(&ids, |_, last| last, false),
        }
        match failure {
            None => answer.done(),
            Some(failure) => answer.failed(&failure),
        }
    }

    fn each(&self, ids: &Ids, act: impl Fn(Sha1) -> bool) {
        self.meant(ids).into_iter().for_each(|id| {
            act(id);
        });
    }

    /// Moves torrents in the queue, those behind first where the ones in front would be passed.
    fn queue(&self, ids: &Ids, to: impl Fn(usize, usize) -> usize, from_behind: bool) {
        let meant = self.meant(ids);
        let (mut all, last) = {
            let state = self.state();
            let of = |id: Sha1| Some((state.entries.get(&id)?.record.position, id));
            (meant.into_iter().filter_map(of).collect::<Vec<_>>(), state.entries.len())
        };
        all.sort_unstable();
        if from_behind {
            all.reverse();
        }
        for (position, id) in all {
            self.set_position(id, to(position, last));
        }
    }

    /// The torrents that are meant, as far as they are there.
    fn meant(&self, ids: &Ids) -> Vec<Sha1> {
        let state = self.state();
        let all = || state.entries.values();
        match ids {
            Ids::All => all().map(|entry| entry.id).collect(),
            Ids::RecentlyActive => all().filter(|entry| entry.is_recent()).map(|entry| entry.id).collect(),
            Ids::Only(ids) => {
                let of = |wanted: &Id| {
                    let found = match wanted {
                        Id::Hash(hash) => state.entries.get(hash),
                        Id::Number(wanted) => all().find(|entry| number(entry.number) == *wanted),
                    };
                    found.map(|entry| entry.id)
                };
                ids.iter().filter_map(of).collect()
            }
        }
    }

    fn get(&self, answer: Answer, get: &Get) -> Vec<u8> {
        let ids = self.meant(&get.ids);
        let (shown, removed) = {
            let state = self.state();
            let entries = ids.iter().filter_map(|id| state.entries.get(id));
            let shown: Vec<Shown> = entries.map(|entry| Shown::of(entry, &get.fields)).collect();
            let removed = state.removed.iter().map(|(removed, _)| number(*removed));
            (shown, removed.filter(|_| get.ids == Ids::RecentlyActive).collect::<Vec<_>>())
        };
        answer.torrents(get, &shown, &removed)
    }

    async fn add(&self, answer: Answer, add: Add) -> Vec<u8> {
        match self.added(add).await {
            Ok((id, is_new)) => {
                let Some(torrent) = self.torrent(id) else { return answer.failed(&Failure::Corrupt) };
                let number = number(torrent.number);
                if is_new {
                    answer.added(number, id, &torrent.name)
                } else {
                    answer.duplicate(number, id, &torrent.name)
                }
            }
            Err(failure) => answer.failed(&failure),
        }
    }

    async fn added(&self, Add { source, options }: Add) -> Result<(Sha1, bool), Failure> {
        let not_here = [
            ("cookies", options.cookies.is_some()),
            ("peer-limit", options.peer_limit.is_some()),
            ("bandwidthPriority", options.priority.is_some_and(|one| one != Default::default())),
        ];
        if let Some((name, _)) = not_here.iter().find(|(_, given)| *given) {
            return Err(Failure::Other(format!("{name}: this daemon does not do that")));
        }
        let origin = match source {
            Source::Metainfo(bytes) => Origin::file(&bytes.into()).map_err(|_| Failure::Corrupt)?,
            Source::Address(address) => {
                origin(&address).await.map_err(|problem| Failure::Other(problem.detail().to_owned()))?
            }
        };
        let mut priorities = Vec::new();
        if let Origin::Metainfo(metainfo) = &origin {
            let lists = [
                (&options.files_unwanted, FilePriority::Skip),
                (&options.files_wanted, FilePriority::Normal),
                (&options.priority_low, FilePriority::Low),
                (&options.priority_normal, FilePriority::Normal),
                (&options.priority_high, FilePriority::High),
            ];
            let change = lists.into_iter().flat_map(|(files, priority)| {
                files.iter().flatten().map(move |file| (*file as usize, priority))
            });
            let change: std::collections::BTreeMap<usize, FilePriority> = change.collect();
            if !change.is_empty() {
                priorities = view::prioritised(metainfo.info.layout(), &[], &change);
            }
        }
        let wishes = Wishes {
            folder: options.download_dir.map(|folder| folder.0.into()),
            paused: options.paused,
            priorities,
            labels: options.labels.map(|labels| labels.0).unwrap_or_default(),
            ..Wishes::default()
        };
        match self.take(origin, wishes).await {
            Ok(id) => Ok((id, true)),
            Err(TakeError::Known(id)) => Ok((id, false)),
            Err(error) => Err(Failure::Other(error.to_string())),
        }
    }

    fn stats(&self) -> Stats {
        let state = self.state();
        let paused = state.entries.values().filter(|entry| entry.record.paused).count() as u64;
        let (down, up) = state.history.last();
        let mut transfer = Transfer {
            files_added: state.entries.len() as u64,
            seconds_active: state.begun.elapsed().as_secs(),
            session_count: 1,
            ..Transfer::default()
        };
        for entry in state.entries.values() {
            let progress = entry.progress();
            transfer.downloaded_bytes += progress.downloaded;
            transfer.uploaded_bytes += progress.uploaded;
        }
        let count = state.entries.len() as u64;
        Stats {
            active_torrent_count: count - paused,
            download_speed: down,
            paused_torrent_count: paused,
            torrent_count: count,
            upload_speed: up,
            cumulative: transfer,
            current: transfer,
        }
    }
}

/// What the file system of a folder has room for.
fn space(folder: &str) -> Result<Space, &'static str> {
    let found = rustix::fs::statvfs(folder).map_err(|_| "there is no such folder")?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Space { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
}
