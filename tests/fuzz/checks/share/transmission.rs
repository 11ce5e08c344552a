//! Transmission's RPC: requests that mean the same however their JSON is written, arguments that are what their types say, and answers that are JSON of what was asked for.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use wireworks::proto::bittorrent::hash::Sha1;
use wireworks::proto::transmission::{
    AbsolutePath, Add, Answer, Failure, Field, File, FileIndexes, Format, Get, Ids, Labels, Method, Peer,
    Priority, Refusal, Request, RequestError, Session, SettingsChange, Torrent, TorrentChange, Tracker,
    TrackerTiers, View,
};

use super::super::Dice;

/// Says whether `body` is a request that is understood.
pub(crate) fn check(body: &[u8]) -> bool {
    let read = Request::read(body);
    let plain = serde_json::from_slice::<Map<String, Value>>(body).unwrap_or_default();
    assert_eq!(read, Request::read(&serde_json::to_vec(&plain).unwrap()));
    assert_eq!(read, Request::read(&serde_json::to_vec_pretty(&plain).unwrap()));
    assert_eq!(read, Request::read(&serde_json::to_vec(&with_unknown(&plain)).unwrap()));
    let tag = plain.get("tag").and_then(Value::as_number).cloned();
    match &read {
        Ok(request) => {
            assert_eq!(request.tag, tag);
            method(&request.method);
            answered(request);
        }
        Err(error) => {
            assert_eq!(error.tag, tag);
            refused(error, &plain);
        }
    }
    if let Some(at) = Some(body).filter(|body| read.is_ok() && body.last() == Some(&b'}')).map(super::place) {
        assert_eq!(Request::read(&body[..at]), Err(RequestError { tag: None, refusal: Refusal::NoMethod }));
    }
    read.is_ok()
}

/// The same request with what nobody knows in it.
fn with_unknown(request: &Map<String, Value>) -> Map<String, Value> {
    let mut request = request.clone();
    if let Some(Value::Object(arguments)) = request.get_mut("arguments") {
        arguments.insert("nobody knows this".to_owned(), json!([{"ids": 1}]));
    }
    if !request.is_empty() {
        request.insert("nor this".to_owned(), Value::Null);
    }
    request
}

fn refused(error: &RequestError, request: &Map<String, Value>) {
    let answer: Value = serde_json::from_slice(&error.answer()).unwrap();
    assert_eq!(answer["result"], json!(error.refusal.to_string()));
    assert_eq!(answer.get("tag").and_then(Value::as_number), error.tag.as_ref());
    assert_eq!(answer["arguments"], json!({}));
    let is_named = request.get("method").is_some_and(Value::is_string);
    assert_eq!(error.refusal == Refusal::NoMethod, !is_named);
}

fn method(method: &Method) {
    match method {
        Method::TorrentStart(ids)
        | Method::TorrentStartNow(ids)
        | Method::TorrentStop(ids)
        | Method::TorrentVerify(ids)
        | Method::TorrentReannounce(ids)
        | Method::QueueMoveTop(ids)
        | Method::QueueMoveUp(ids)
        | Method::QueueMoveDown(ids)
        | Method::QueueMoveBottom(ids)
        | Method::TorrentRemove { ids, .. } => named_once(ids),
        Method::TorrentSetLocation { ids, location, .. } => {
            named_once(ids);
            absolute(Some(location));
        }
        Method::TorrentSet(ids, change) => {
            named_once(ids);
            self::change(change);
        }
        Method::TorrentGet(get) => named_once(&get.ids),
        Method::TorrentAdd(add) => self::add(add),
        Method::TorrentRenamePath { path, name, .. } => {
            assert!(!path.is_empty() && !name.is_empty() && !name.contains(['/', '\0']));
            assert!(name != "." && name != "..");
        }
        Method::SessionSet(settings) => self::settings(settings),
        Method::FreeSpace(path) => absolute(Some(path)),
        Method::GroupSet { name, .. } => assert!(!name.is_empty() && name.trim() == name),
        Method::SessionGet(_)
        | Method::GroupGet(_)
        | Method::SessionStats
        | Method::SessionClose
        | Method::BlocklistUpdate
        | Method::PortTest => {}
    }
}

fn named_once(ids: &Ids) {
    if let Ids::Only(ids) = ids {
        assert!(ids.iter().enumerate().all(|(at, id)| !ids[..at].contains(id)));
    }
    assert!(ids.single().is_none_or(|id| *ids == Ids::Only(vec![id])));
}

fn absolute(path: Option<&AbsolutePath>) {
    assert!(path.is_none_or(|path| path.0.starts_with('/')));
}

fn labels(labels: Option<&Labels>) {
    let is_label = |label: &String| !label.is_empty() && !label.contains(',') && label.trim() == label;
    assert!(labels.is_none_or(|labels| labels.0.iter().all(is_label)));
}

fn tiers(tiers: Option<&TrackerTiers>) {
    let is_line = |line: &String| !line.is_empty() && line.trim() == line && !line.contains('\n');
    let is_tier = |tier: &Vec<String>| !tier.is_empty() && tier.iter().all(is_line);
    assert!(tiers.is_none_or(|tiers| tiers.0.iter().all(is_tier)));
}

fn change(change: &TorrentChange) {
    labels(change.labels.as_ref());
    tiers(change.tracker_list.as_ref());
    absolute(change.location.as_ref());
    assert!(change.seed_ratio_limit.is_none_or(f64::is_finite));
    let lists = [&change.files_unwanted, &change.files_wanted, &change.priority_high, &change.priority_low];
    assert!(lists.into_iter().flatten().all(|files| *files != FileIndexes::Only(Vec::new())));
}

fn add(add: &Add) {
    labels(add.options.labels.as_ref());
    absolute(add.options.download_dir.as_ref());
}

fn settings(settings: &SettingsChange) {
    tiers(settings.default_trackers.as_ref());
    absolute(settings.download_dir.as_ref());
    absolute(settings.incomplete_dir.as_ref());
    assert!(settings.alt_speed_time_begin.is_none_or(|minute| minute.0 < 1440));
    assert!(settings.alt_speed_time_end.is_none_or(|minute| minute.0 < 1440));
    assert!(settings.alt_speed_time_day.is_none_or(|days| days.0 < 128));
    assert!(settings.seed_ratio_limit.is_none_or(f64::is_finite));
}

/// Answers are JSON, and have what was asked for, each once, and nothing else.
fn answered(request: &Request) {
    let answer = || Answer::to(request.tag.clone());
    let read = |bytes: Vec<u8>| -> Value {
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read.get("tag").and_then(Value::as_number), request.tag.as_ref());
        read
    };
    let text = format!("{:?}", request.method);
    assert_eq!(read(answer().failed(&Failure::Other(text.clone())))["result"], json!(text));
    assert_eq!(read(answer().done()), read(answer().done()));
    match &request.method {
        Method::TorrentGet(get) => {
            let views = [Shown(Dice::of(text.as_bytes()).next() as u32), Shown(7)];
            let read = read(answer().torrents(get, &views, &[3]));
            rows(get, &views, &read["arguments"]);
        }
        Method::SessionGet(names) => {
            let session = Session { session_id: text, ..Session::default() };
            let read = read(answer().session(&session, names));
            let fields = read["arguments"].as_object().unwrap();
            let all = session.fields(&[]);
            let expected: BTreeSet<&String> =
                all.keys().filter(|name| names.is_empty() || names.contains(name)).collect();
            assert_eq!(fields.keys().collect::<BTreeSet<_>>(), expected);
            assert!(fields.iter().all(|(name, value)| all[name] == *value));
        }
        Method::TorrentRenamePath { path, name, .. } => {
            let read = read(answer().renamed(1, path, name));
            assert_eq!(read["arguments"], json!({"id": 1, "name": name, "path": path}));
        }
        Method::FreeSpace(path) => {
            assert_eq!(read(answer().free_space(&path.0, Err("no")))["arguments"]["path"], json!(path.0));
        }
        _ => {}
    }
}

fn rows(get: &Get, views: &[Shown], arguments: &Value) {
    assert_eq!(arguments.get("removed").is_some(), get.ids == Ids::RecentlyActive);
    let names: Vec<&str> = get.fields.as_slice().iter().map(|field| field.name()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    let rows = arguments["torrents"].as_array().unwrap();
    let rows = match get.format {
        Format::Objects => &rows[..],
        Format::Table => {
            assert_eq!(rows[0], json!(names));
            &rows[1..]
        }
    };
    assert_eq!(rows.len(), views.len());
    for (row, view) in rows.iter().zip(views) {
        assert_eq!(row.as_object().map_or(names.len(), Map::len), names.len());
        for (at, name) in names.iter().enumerate() {
            assert_eq!(Field::named(name), Some(get.fields.as_slice()[at]));
            let cell = if get.format == Format::Table { &row[at] } else { &row[*name] };
            assert_eq!(Some(cell), view.field(name).as_ref(), "{name}");
        }
    }
}

/// A torrent of this number.
struct Shown(u32);

impl View for Shown {
    fn torrent(&self) -> Torrent<'_> {
        Torrent { piece_count: self.0, ..Torrent::new(self.0, Sha1([self.0 as u8; 20]), "a \"name\"\n") }
    }

    fn files(&self) -> Vec<File<'_>> {
        let file = File { path: "t/ä", length: u64::MAX, have: 1, wanted: true, priority: Priority::High };
        vec![file; self.0 as usize % 3]
    }

    fn peers(&self) -> Vec<Peer<'_>> {
        Vec::new()
    }

    fn trackers(&self) -> Vec<Tracker<'_>> {
        Vec::new()
    }

    fn pieces(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn availability(&self) -> Vec<Option<u32>> {
        vec![None, Some(self.0)]
    }

    fn magnet(&self) -> String {
        format!("magnet:?xt={}", self.0)
    }
}
