//! Two balancers by the file in `examples/two-nodes`, with backends of this test in place of those that it names.

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use wireworks::server::balance::config::Admin;

use super::Balancer;
use super::raw::Backend;
use crate::support::PATIENCE;

const FILE: &str = include_str!("../../examples/two-nodes/lb.toml");

/// The file with these backends, this key for cookies, and listeners on ports of their own.
fn node(web: &[&Backend], db: &[&Backend], key: &Path, turned: bool) -> [Balancer; 2] {
    let list = |backends: &[&Backend]| {
        let mut backends: Vec<_> = backends.iter().map(|backend| format!("\"{}\"", backend.addr)).collect();
        if turned {
            backends.reverse();
        }
        backends.join(", ")
    };
    let text = FILE
        .replace("\"10.0.1.1:8080\", \"10.0.1.2:8080\", \"10.0.1.3:8080\"", &list(web))
        .replace("\"10.0.3.1:8080\", \"10.0.3.2:8080\", \"10.0.3.3:8080\"", &list(web))
        .replace("\"10.0.2.1:5432\", \"10.0.2.2:5432\"", &list(db))
        .replace("\"sticky.key\"", &format!("{key:?}"))
        // What the nodes count together is tested in `redis.rs`.
        .replace("redis://10.0.9.1:6379", "unix:///nonexistent/redis.sock");
    assert!(!text.contains("10.0."), "{text}");
    // A balancer tells the address of its first listener: one for each, with the same upstreams.
    [0, 1].map(|kept| {
        Balancer::parse(&text, |config| {
            config.threads = 1;
            config.admin = Admin::default();
            let mut listener = config.listeners.remove(kept);
            listener.listen = vec!["127.0.0.1:0".parse().unwrap()];
            config.listeners = vec![listener];
            for upstream in &mut config.upstreams {
                // The backends of this test say other things to a check.
                upstream.settings.checks = None;
                upstream.backends.iter_mut().for_each(|backend| backend.checks = None);
            }
        })
    })
}

/// A key for cookies, unlike any other.
fn key() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sticky.key");
    // Its name is different each time.
    std::fs::write(&path, format!("{:>64}", folder.path().display()).replace(' ', "x")).unwrap();
    (folder, path)
}

#[test]
fn a_session_goes_on_at_the_other_node() {
    let web = ["one", "two", "three"].map(|name| Backend::start(move |_, peer| peer.serve(name)));
    let web = [&web[0], &web[1], &web[2]];
    let ((_folder, shared), (_other_folder, other)) = (key(), key());
    let [first, second] = [false, true].map(|turned| node(&web, &web, &shared, turned));
    let [stranger, _] = node(&web, &web, &other, false);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let response = first[0].get("/app/a", &[]);
        let cookie = response.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let field = format!("Cookie: {cookie}");
        for _ in 0..2 {
            let again = second[0].get("/app/b", &[&field]);
            assert_eq!((again.text(), again.header("set-cookie")), (response.text(), None));
        }
        assert!(stranger.get("/app/c", &[&field]).header("set-cookie").is_some(), "it has another key");
        seen.insert(response.text().to_owned());
    }
    assert_eq!(seen.len(), 3, "every backend has sessions");
}

#[test]
fn two_nodes_choose_alike() {
    let web = ["one", "two", "three"].map(|name| Backend::start(move |_, peer| peer.serve(name)));
    let db = ["a", "b"].map(|name| {
        Backend::start(move |_, peer| {
            peer.say(name)?;
            peer.hold()
        })
    });
    let (web, db) = ([&web[0], &web[1], &web[2]], [&db[0], &db[1]]);
    let (_folder, key) = key();
    let nodes = [node(&web, &db, &key, false), node(&web, &db, &key, true)];
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..60 {
        let asked = nodes.each_ref().map(|[http, _]| {
            let response = http.get("/", &[&format!("X-User: user-{user}")]);
            assert_eq!(response.status, 200);
            response.text().to_owned()
        });
        assert_eq!(asked[0], asked[1], "user {user}");
        seen.insert(asked[0].clone());
    }
    assert_eq!(seen.len(), 3, "every backend has users");
    // Connections from one address lead to one backend, through either node.
    let said = nodes.each_ref().map(|[_, tcp]| {
        let mut stream = TcpStream::connect(tcp.addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut name = [0];
        stream.read_exact(&mut name).unwrap();
        name
    });
    assert_eq!(said[0], said[1]);
}
