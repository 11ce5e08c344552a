use super::*;

#[tokio::test]
async fn siblings_are_sent_to_those_who_can_read_them() {
    let files = [
        ("a.js", "plain"),
        ("a.js.br", "brotli"),
        ("a.js.gz", "gzip"),
        ("a.js.zst", "zstd"),
        ("b.js", "plain"),
        ("b.js.gz", "gzip"),
        ("c.js", "plain"),
        ("d.js.gz", "gzip"),
    ];
    let site = Site::new(FilesOptions::default(), &files);
    let rows = [
        ("/a.js", None, "plain"),
        ("/a.js", Some(""), "plain"),
        ("/a.js", Some("gzip"), "gzip"),
        ("/a.js", Some("x-gzip"), "gzip"),
        ("/a.js", Some("gzip, deflate, br, zstd"), "brotli"),
        ("/a.js", Some("gzip, zstd"), "zstd"),
        ("/a.js", Some("br;q=0.1, gzip;q=0.8"), "gzip"),
        ("/a.js", Some("br;q=0, gzip;q=0, *"), "zstd"),
        ("/a.js", Some("br;q=0.5, identity"), "plain"),
        ("/a.js", Some("identity;q=0, br;q=0.1"), "brotli"),
        ("/a.js", Some("*;q=0"), "plain"),
        ("/a.js", Some("gzip;q=2"), "plain"),
        ("/b.js", Some("br, gzip"), "gzip"),
        ("/b.js", Some("br"), "plain"),
        ("/c.js", Some("br, gzip"), "plain"),
    ];
    for (path, accept, expected) in rows {
        let field = accept.map_or(String::new(), |accept| format!("\nAccept-Encoding: {accept}"));
        for _ in ["from the disk", "from the cache"] {
            let answer = site.ask(&format!("GET {path}{field}")).await;
            assert_eq!((answer.status, answer.text()), (200, expected), "{path} {accept:?}");
            let (coding, suffix) = match expected {
                "brotli" => ("br", "-br"),
                "gzip" => ("gzip", "-gz"),
                "zstd" => ("zstd", "-zst"),
                _ => ("", ""),
            };
            assert_eq!(answer.field("content-encoding"), coding);
            assert!(answer.field("etag").ends_with(&format!("{suffix}\"")), "a tag for each coding");
            assert_eq!(answer.field("content-type"), "text/javascript; charset=utf-8");
            let vary = if path == "/c.js" { "" } else { "Accept-Encoding" };
            assert_eq!(answer.field("vary"), vary, "on every variant");
        }
    }
    assert_eq!(site.status("GET /d.js\nAccept-Encoding: gzip").await, 404, "a sibling of nothing");
    let named = site.ask("GET /a.js.gz").await;
    assert_eq!((named.text(), &*named.field("content-encoding")), ("gzip", ""));
    assert_eq!(named.field("content-type"), "application/gzip");
}

#[tokio::test]
async fn siblings_have_ranges_and_may_be_turned_off() {
    let files = [("a.js", "plain"), ("a.js.gz", "0123456789")];
    let site = Site::new(FilesOptions::default(), &files);
    let part = site.ask("GET /a.js\nAccept-Encoding: gzip\nRange: bytes=2-4").await;
    assert_eq!((part.status, part.text()), (206, "234"));
    assert_eq!(part.field("content-range"), "bytes 2-4/10");
    assert_eq!(part.field("content-encoding"), "gzip");
    let off = FilesOptions { precompressed: false, ..FilesOptions::default() };
    let site = Site::new(off, &files);
    let plain = site.ask("GET /a.js\nAccept-Encoding: gzip").await;
    assert_eq!((plain.text(), plain.field("vary").as_str()), ("plain", ""));
}

#[tokio::test]
async fn a_sibling_older_than_its_file_is_left_over() {
    let site = Site::new(FilesOptions::default(), &[("a.log", "today"), ("a.log.gz", "yesterday")]);
    site.age("a.log.gz", 784_111_776);
    let answer = site.ask("GET /a.log\nAccept-Encoding: gzip").await;
    assert_eq!((answer.text(), answer.field("vary").as_str()), ("today", ""));
}

#[tokio::test]
async fn an_application_gets_its_page_for_what_it_routes_itself() {
    let options = FilesOptions { spa_fallback: Some("app/index.html".into()), ..FilesOptions::default() };
    let files =
        [("app/index.html", "the app"), ("app/index.html.gz", "zip"), ("real", "real"), ("bare/", "")];
    let site = Site::new(options, &files);
    let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for path in ["/users/7", "/bare/", "/.hidden", "/deep/er/", "/real/"] {
        for _ in ["from the disk", "from the cache"] {
            let answer = site.ask(&format!("GET {path}\n{browser}")).await;
            assert_eq!((answer.status, answer.text()), (200, "the app"), "{path}");
            assert_eq!(answer.field("vary"), "Accept-Encoding, Accept");
        }
        for accept in ["Accept: */*", "Accept: application/json, text/html", "Accept: image/png", ""] {
            assert_eq!(site.status(&format!("GET {path}\n{accept}")).await, 404, "{path} {accept}");
        }
    }
    assert_eq!(site.ask(&format!("GET /real\n{browser}")).await.text(), "real");
    assert_eq!(site.status(&format!("GET /..%2fx\n{browser}")).await, 400, "no page for an attack");
    assert_eq!(site.status(&format!("GET /x\n{browser}\nIf-None-Match: *")).await, 304);
    std::fs::remove_dir_all(site.at("app")).unwrap();
    let mut site = site;
    site.later(Duration::from_secs(2));
    for _ in ["the first", "and the next"] {
        assert_eq!(site.status(&format!("GET /users/7\n{browser}")).await, 404);
    }
}
