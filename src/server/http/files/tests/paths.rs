use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn site(options: FilesOptions) -> Site {
    let files = [
        ("index.html", "home"),
        ("a.txt", "a"),
        ("sub/index.html", "sub"),
        ("sub/b c.txt", "b"),
        ("bare/x", "x"),
        (".env", "secret"),
        (".git/config", "secret"),
        ("sub/.htpasswd", "secret"),
        (".well-known/security.txt", "contact"),
    ];
    let site = Site::new(options, &files);
    std::fs::write(site.dir.path().join("secret"), "secret").unwrap();
    symlink("a.txt", site.at("inside")).unwrap();
    symlink("../secret", site.at("outside")).unwrap();
    symlink("/etc", site.at("etc")).unwrap();
    symlink("..", site.at("up")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, site.at("fifo"), fifo, mode, 0).unwrap();
    site
}

#[tokio::test]
async fn paths_lead_to_files() {
    let site = site(FilesOptions::default());
    for (path, expected) in [
        ("/", "home"),
        ("/index.html", "home"),
        ("/a.txt", "a"),
        ("/%61.txt", "a"),
        ("//a.txt", "a"),
        ("/./a.txt", "a"),
        ("/sub/../a.txt", "a"),
        ("/sub/%2e%2e/a.txt", "a"),
        ("/a.txt?query=1", "a"),
        ("http://test/a.txt", "a"),
        ("http://test", "home"),
        ("/sub/", "sub"),
        ("/sub/b%20c.txt", "b"),
        ("/.well-known/security.txt", "contact"),
    ] {
        for _ in ["from the disk", "from the cache"] {
            let answer = site.ask(&format!("GET {path}")).await;
            assert_eq!((answer.status, answer.text()), (200, expected), "{path}");
        }
    }
}

#[tokio::test]
async fn nothing_leads_out_of_the_root() {
    let following = FilesOptions { follow_symlinks: true, show_hidden: true, ..FilesOptions::default() };
    for site in [site(FilesOptions::default()), site(following)] {
        for path in [
            "/../secret",
            "/%2e%2e/secret",
            "/.%2e/secret",
            "/%2E./secret",
            "/..%2fsecret",
            "/..%2Fsecret",
            "/%2e%2e%2fsecret",
            "/..%5csecret",
            "/%5c..%5csecret",
            "/sub/../../secret",
            "/sub/..//../secret",
            "/%252e%252e/secret",
            "/..%252fsecret",
            "/%c0%ae%c0%ae/secret",
            "/..%c0%afsecret",
            "/..;/secret",
            "/%2e%2e;/secret",
            "/.../secret",
            "/%u002e%u002e/secret",
            "//etc/passwd",
            "/%2fetc/passwd",
            "/etc/passwd",
            "/outside",
            "/up/secret",
            "/up/root/a.txt",
            "/a.txt%0a",
            "/a.txt/",
            "/a.txt/.",
            "/a.txt/x",
            "/fifo",
            "/fifo/",
            "/none",
            "/%",
        ] {
            let answer = site.ask(&format!("GET {path}")).await;
            assert!(matches!(answer.status, 400 | 404), "{path} is {}", answer.status);
            assert!(!answer.text().contains("secret"), "{path}");
        }
        let long = "x".repeat(4000);
        assert_eq!(site.status(&format!("GET /{long}")).await, 404);
        assert_eq!(site.status(&format!("GET {}", "/x".repeat(2000))).await, 404);
    }
    // What no head may hold never gets here.
    for path in ["/a%00", "/a.txt\0", "/..\\secret", "/a b"] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        assert!(parse(Bytes::from(head), &Limits::default()).is_err(), "{path:?}");
    }
}

#[tokio::test]
async fn links_and_hidden_names_are_served_only_on_demand() {
    let hidden = ["/.env", "/%2eenv", "/.git/config", "/.git/", "/.git", "/sub/.htpasswd", "/.none"];
    let plain = site(FilesOptions::default());
    for path in hidden {
        assert_eq!(plain.status(&format!("GET {path}")).await, 404, "{path}: whether it is there or not");
    }
    assert_eq!(plain.status("GET /inside").await, 404);
    let open = site(FilesOptions { show_hidden: true, follow_symlinks: true, ..FilesOptions::default() });
    for (path, expected) in [("/.env", 200), ("/.git/config", 200), ("/.git", 308), ("/inside", 200)] {
        assert_eq!(open.status(&format!("GET {path}")).await, expected, "{path}");
    }
}

#[tokio::test]
async fn a_directory_is_named_with_a_slash() {
    let prefixed = FilesOptions { prefix: "/static".into(), ..FilesOptions::default() };
    let site_at_root = site(FilesOptions::default());
    let site_below = site(prefixed);
    for (path, location) in [
        ("/sub", "/sub/"),
        ("/sub?a=b&c", "/sub/?a=b&c"),
        ("/sub?", "/sub/?"),
        ("//sub", "/sub/"),
        ("///sub?//evil.test", "/sub/?//evil.test"),
        ("/sub/../bare", "/bare/"),
        ("/%73ub", "/sub/"),
    ] {
        let answer = site_at_root.ask(&format!("GET {path}")).await;
        assert_eq!((answer.status, &*answer.field("location")), (308, location), "{path}");
        let answer = site_below.ask(&format!("GET /static{path}")).await;
        assert_eq!((answer.status, answer.field("location")), (308, format!("/static{location}")), "{path}");
    }
    // A directory whose name looks like a host.
    site_at_root.put("evil.test/x", "x");
    for path in ["//evil.test", "/.//evil.test", "/sub/..//evil.test"] {
        assert_eq!(site_at_root.ask(&format!("GET {path}")).await.field("location"), "/evil.test/");
    }
    for path in ["//evil.test/..", "//evil.test/%2e%2e"] {
        assert_eq!(site_at_root.ask(&format!("GET {path}")).await.text(), "home", "no redirect at all");
    }
}

#[tokio::test]
async fn a_prefix_is_left_out_of_the_path() {
    let site = site(FilesOptions { prefix: "/static".into(), ..FilesOptions::default() });
    for (path, status, text) in [
        ("/static/", 200, "home"),
        ("/static/a.txt", 200, "a"),
        ("/static/sub/../a.txt", 200, "a"),
        ("/static/sub/", 200, "sub"),
    ] {
        let answer = site.ask(&format!("GET {path}")).await;
        assert_eq!((answer.status, answer.text()), (status, text), "{path}");
    }
    let bare = site.ask("GET /static?x").await;
    assert_eq!((bare.status, &*bare.field("location")), (308, "/static/?x"));
    for path in ["/", "/a.txt", "/statica.txt", "/static.txt", "/other/a.txt"] {
        assert_eq!(site.status(&format!("GET {path}")).await, 404, "{path}");
    }
    assert_eq!(site.status("GET /static/../../secret").await, 400);
}

#[tokio::test]
async fn the_first_index_that_is_there_answers() {
    let options =
        FilesOptions { index: vec!["index.htm".into(), "index.html".into()], ..FilesOptions::default() };
    let site =
        Site::new(options, &[("a/index.html", "html"), ("b/index.html", "html"), ("b/index.htm", "htm")]);
    std::fs::create_dir(site.at("a/index.htm")).unwrap();
    assert_eq!(site.ask("GET /a/").await.text(), "html", "a directory is no index");
    assert_eq!(site.ask("GET /b/").await.text(), "htm");
    assert_eq!(site.status("GET /").await, 404, "no index, no listing");
}

#[tokio::test]
async fn what_the_system_keeps_from_us_is_403() {
    let site = site(FilesOptions::default());
    for name in ["a.txt", ".env"] {
        std::fs::set_permissions(site.at(name), PermissionsExt::from_mode(0o000)).unwrap();
    }
    // Root may read everything: then there is nothing to see here.
    let expected = if File::open(site.at("a.txt")).is_ok() { 200 } else { 403 };
    assert_eq!(site.status("GET /a.txt").await, expected);
    assert_eq!(site.status("GET /.env").await, 404, "not even that it is there");
    assert_eq!(entry::problem(OpenError::Forbidden).status(), StatusCode::FORBIDDEN);
}
