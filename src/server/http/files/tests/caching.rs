use super::*;

const TRUST: Duration = Duration::from_secs(1);

fn options(change: impl FnOnce(&mut CacheLimits)) -> FilesOptions {
    let mut options = FilesOptions::default();
    change(&mut options.cache);
    options
}

#[tokio::test]
async fn an_entry_is_trusted_for_a_second() {
    let mut site = Site::new(FilesOptions::default(), &[("a", "old")]);
    let old = site.ask("GET /a").await;
    site.put("a", "newer");
    let still = site.ask("GET /a").await;
    assert_eq!((still.text(), &still.fields), ("old", &old.fields), "content and tag belong together");
    site.later(TRUST);
    let new = site.ask("GET /a").await;
    assert_eq!(new.text(), "newer");
    assert_ne!(new.field("etag"), old.field("etag"));
    std::fs::remove_file(site.at("a")).unwrap();
    assert_eq!(site.status("GET /a").await, 200);
    site.later(TRUST);
    for _ in ["looked at", "forgotten"] {
        assert_eq!(site.status("GET /a").await, 404);
    }
    site.put("a", "again");
    assert_eq!(site.ask("GET /a").await.text(), "again", "what is missing is not remembered");
}

#[tokio::test]
async fn an_entry_that_is_still_true_is_kept() {
    let mut site = Site::new(FilesOptions::default(), &[("a", "same"), ("a.gz", "zip")]);
    site.ask("GET /a").await;
    let entry = |site: &Site| match site.files.0.cache.look(b"/a", site.now.instant) {
        Known::Fresh(entry) => entry,
        known => panic!("{known:?}"),
    };
    let first = entry(&site);
    site.later(TRUST);
    site.ask("GET /a").await;
    assert!(Arc::ptr_eq(&first, &entry(&site)), "nothing was read again");
    std::fs::remove_file(site.at("a.gz")).unwrap();
    site.later(TRUST);
    let answer = site.ask("GET /a\nAccept-Encoding: gzip").await;
    assert_eq!((answer.text(), &*answer.field("vary")), ("same", ""), "a sibling is part of it");
}

#[tokio::test]
async fn an_open_file_that_is_written_to_is_never_sent_under_its_old_tag() {
    let site = Site::new(options(|cache| cache.file = 2), &[("large", "before")]);
    let before = site.ask("GET /large").await;
    assert_eq!(before.text(), "before");
    std::fs::write(site.at("large"), "after it").unwrap();
    let after = site.ask("GET /large").await;
    assert_eq!(after.text(), "after it", "at once: no trust is needed");
    assert_ne!(after.field("etag"), before.field("etag"));
}

#[tokio::test]
async fn an_index_and_its_directory_may_come_and_go() {
    let mut site = Site::new(FilesOptions::default(), &[("d/index.html", "index"), ("d.txt", "file")]);
    assert_eq!(site.ask("GET /d/").await.text(), "index");
    std::fs::remove_file(site.at("d/index.html")).unwrap();
    std::fs::remove_file(site.at("d.txt")).unwrap();
    site.put("d.txt/index.html", "now a directory");
    site.later(TRUST);
    assert_eq!(site.status("GET /d/").await, 404);
    assert_eq!(site.status("GET /d.txt").await, 308);
    assert_eq!(site.ask("GET /d.txt/").await.text(), "now a directory");
    site.put("d/index.html", "back");
    assert_eq!(site.ask("GET /d/").await.text(), "back");
}

#[tokio::test]
async fn the_same_file_is_kept_once_however_it_is_spelt() {
    let site = Site::new(FilesOptions::default(), &[("a b", "x"), ("a%41", "y"), ("aA", "z")]);
    for path in ["/a%20b", "/%61%20b", "//a%20b", "/./a%20b", "/c/../a%20b"] {
        assert_eq!(site.ask(&format!("GET {path}")).await.text(), "x");
    }
    assert_eq!(site.files.0.cache.len(), 1);
    // A name that looks encoded is not mistaken for what it would decode to.
    for _ in ["from the disk", "from the cache"] {
        assert_eq!(site.ask("GET /a%2541").await.text(), "y");
        assert_eq!(site.ask("GET /a%41").await.text(), "z");
    }
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let names: Vec<String> = (0..200).map(|number| format!("file{number}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "0123456789")).collect();
    for (limits, at_most) in [
        (options(|cache| cache.entries = 16), 16),
        (options(|cache| cache.bytes = 400), 40),
        (options(|cache| (cache.file, cache.descriptors) = (5, 24)), 24),
        (options(|cache| cache.entries = 0), 0),
    ] {
        let site = Site::new(limits, &files);
        for name in &names {
            assert_eq!(site.ask(&format!("GET /{name}")).await.text(), "0123456789");
        }
        let kept = site.files.0.cache.len();
        assert!(kept <= at_most && (kept > 0 || at_most == 0), "{kept} of {at_most}");
    }
}

#[tokio::test]
async fn what_is_asked_for_again_stays() {
    let names: Vec<String> = (0..100).map(|number| format!("file{number}")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    files.push(("favourite", "x"));
    let site = Site::new(options(|cache| cache.entries = 16), &files);
    let kept =
        |name: &str| !matches!(site.files.0.cache.look(name.as_bytes(), site.now.instant), Known::Nothing);
    site.ask("GET /favourite").await;
    for name in &names {
        site.ask(&format!("GET /{name}")).await;
        assert!(kept("/favourite"), "after {name}");
    }
    assert!(!kept("/file0"));
}

#[tokio::test]
async fn a_file_larger_than_memory_allows_is_sent_from_its_descriptor() {
    let content = "x".repeat(100_000);
    let site = Site::new(FilesOptions::default(), &[("large", &content), ("small", &content[..32768])]);
    for (path, descriptors, bytes) in [("/large", 1, 0), ("/small", 0, 32768)] {
        let Ok(Found::File(found)) = site.files.0.find(&FilePath::parse(path.as_bytes()).unwrap()) else {
            panic!("{path}");
        };
        let entry = site.files.0.prepare(found, site.now.system).await.unwrap();
        assert_eq!((entry.descriptors(), entry.bytes()), (descriptors, bytes), "{path}");
    }
    assert_eq!(site.ask("GET /large").await.text(), content);
}
