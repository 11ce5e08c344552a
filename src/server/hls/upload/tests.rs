//! A stream of a made-up origin, put into a store in memory that can be slowed down.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use object_store::{Attribute, ObjectStoreExt};
use tokio::time::{Instant, sleep};

use super::*;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::IntoResponse;

/// Segments in the window of the origin.
const WINDOW: u64 = 4;

/// What the origin serves.
#[derive(Clone, Default)]
struct Made(Arc<Mutex<HashMap<String, Bytes>>>);

impl Made {
    fn put(&self, path: &str, text: impl Into<Bytes>) {
        self.0.lock().unwrap().insert(path.to_owned(), text.into());
    }

    /// The stream with `segments` segments so far.
    fn at(&self, segments: u64, ended: bool) {
        let first = segments.saturating_sub(WINDOW);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-PART-INF:PART-TARGET=1\n\
             #EXT-X-SERVER-CONTROL:PART-HOLD-BACK=3,HOLD-BACK=6\n#EXT-X-MAP:URI=\"init.mp4\"\n"
        );
        for msn in first..segments {
            text += &format!(
                "#EXT-X-PART:URI=\"{msn}.0.m4s\",DURATION=1\n#EXT-X-PART:URI=\"{msn}.1.m4s\",DURATION=1\n#EXTINF:2,\n{msn}.m4s\n"
            );
            self.put(&format!("/live/s/v/{msn}.m4s"), format!("segment {msn}"));
        }
        for gone in 0..first {
            self.0.lock().unwrap().remove(&format!("/live/s/v/{gone}.m4s"));
        }
        text += if ended { "#EXT-X-ENDLIST\n" } else { "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"next.m4s\"\n" };
        self.put("/live/s/v/init.mp4", "init");
        self.put("/live/s/v/index.m3u8", text);
        let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS=\"avc1.42c00d\"\nv/index.m3u8\n";
        self.put("/live/s/index.m3u8", master);
    }

    fn handler(&self) -> SharedHandler {
        let made = self.clone();
        Arc::new(move |request: Request| {
            let found = made.0.lock().unwrap_or_else(PoisonError::into_inner).get(request.path()).cloned();
            std::future::ready(match found {
                Some(bytes) => bytes.into_response(),
                None => Problem::new(StatusCode::NOT_FOUND, "nothing").into_response(),
            })
        })
    }
}

struct Test {
    made: Made,
    store: Arc<ThrottledStore<InMemory>>,
    drain: Drain,
    counters: Arc<Counters>,
    task: tokio::task::JoinHandle<()>,
}

impl Test {
    fn new() -> Self {
        let (made, drain) = (Made::default(), Drain::new());
        made.at(2, false);
        let store = Arc::new(ThrottledStore::new(InMemory::new(), ThrottleConfig::default()));
        let target = Store::new(store.clone(), "cdn").unwrap();
        let list: List = Box::new(|| vec!["/live/s/index.m3u8".to_owned()]);
        let upload = Upload::new(made.handler(), list, target, drain.clone());
        let counters = Arc::clone(upload.counters());
        let task = tokio::spawn(async move { upload.run().await });
        Self { made, store, drain, counters, task }
    }

    async fn get(&self, path: &str) -> Option<String> {
        let found = self.store.get(&Path::from(path)).await.ok()?;
        Some(String::from_utf8(found.bytes().await.unwrap().to_vec()).unwrap())
    }

    /// The playlist in the store, of which everything has to be there.
    async fn playlist(&self) -> Option<String> {
        let text = self.get("cdn/live/s/v/index.m3u8").await?;
        assert!(
            !text.contains("PART") && !text.contains("SERVER-CONTROL") && !text.contains("HINT"),
            "{text}"
        );
        assert!(self.get("cdn/live/s/v/init.mp4").await.is_some());
        for name in text.lines().filter(|line| !line.starts_with('#')) {
            let number = name.strip_suffix(".m4s").unwrap();
            assert_eq!(self.get(&format!("cdn/live/s/v/{name}")).await.unwrap(), format!("segment {number}"));
        }
        Some(text)
    }

    /// Waits, in virtual time, until the playlist in the store names a segment.
    async fn until(&self, name: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(3600);
        loop {
            match self.playlist().await {
                Some(text) if text.lines().any(|line| line == name) => return text,
                _ => assert!(Instant::now() < deadline, "{name} does not come"),
            }
            sleep(Duration::from_millis(70)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn segments_come_first_and_go_last() {
    let test = Test::new();
    test.until("1.m4s").await;
    for segments in 3..=9 {
        test.made.at(segments, false);
        let text = test.until(&format!("{}.m4s", segments - 1)).await;
        assert_eq!(text.matches("#EXTINF").count() as u64, segments.min(WINDOW));
    }
    let master = test.get("cdn/live/s/index.m3u8").await.unwrap();
    assert!(master.contains("v/index.m3u8"));
    let object = test.store.get(&Path::from("cdn/live/s/v/8.m4s")).await.unwrap();
    assert_eq!(object.attributes.get(&Attribute::ContentType).unwrap().as_ref(), "video/mp4");
    assert!(object.attributes.get(&Attribute::CacheControl).unwrap().contains("immutable"));
    // Behind the window it stays for a while, for those with an older playlist.
    assert!(test.get("cdn/live/s/v/4.m4s").await.is_some());
    test.made.at(9, true);
    test.until("8.m4s").await;
    while test.get("cdn/live/s/v/4.m4s").await.is_some() {
        sleep(Duration::from_secs(1)).await;
    }
    assert!(test.playlist().await.unwrap().ends_with("#EXT-X-ENDLIST\n"));
    assert_eq!(test.counters.missed.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stalls_holds_up_nobody_and_is_caught_up_with() {
    let test = Test::new();
    test.until("1.m4s").await;
    test.store.config_mut(|config| config.wait_put_per_call = Duration::from_secs(3600));
    for segments in 3..=20 {
        test.made.at(segments, false);
        sleep(Duration::from_secs(2)).await;
        // What is there goes on being whole.
        assert!(test.playlist().await.unwrap().contains("\n1.m4s"));
    }
    test.store.config_mut(|config| config.wait_put_per_call = Duration::ZERO);
    let text = test.until("19.m4s").await;
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:16\n") && !text.contains("\n15.m4s"), "{text}");
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    assert!(count(&test.counters.failures) > 0);
    assert!((1..=14).contains(&count(&test.counters.missed)));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_stream_is_waited_for() {
    let test = Test::new();
    test.until("1.m4s").await;
    test.store.config_mut(|config| config.wait_put_per_call = Duration::from_secs(3));
    test.made.at(3, true);
    test.drain.stop();
    assert_eq!(test.drain.finish(Duration::from_secs(60)).await, 0);
    let text = test.playlist().await.unwrap();
    assert!(text.contains("\n2.m4s") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
    test.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_that_no_playlist_names_is_left_when_the_server_goes_down() {
    let test = Test::new();
    for segments in 3..=9 {
        test.made.at(segments, false);
        test.until(&format!("{}.m4s", segments - 1)).await;
    }
    assert!(test.get("cdn/live/s/v/4.m4s").await.is_some());
    test.made.at(9, true);
    test.drain.stop();
    assert_eq!(test.drain.finish(Duration::from_secs(60)).await, 0);
    assert_eq!(test.get("cdn/live/s/v/4.m4s").await, None);
    assert!(test.playlist().await.unwrap().ends_with("#EXT-X-ENDLIST\n"));
    test.task.await.unwrap();
}
