//! The command `wireworks http` under a browser.

use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use wireworks::server::http::Server;
use wireworks::server::http::problem::Problem;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;
use wireworks::server::http::router::Router;
use wireworks::server::process::Running;

use crate::support::browser::chromium;
use crate::support::command::{server, stop};

/// How long a page may take to do the next thing that it is there for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A picture of what a browser shows.
fn screenshot(url: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.png");
    let shot = format!("--screenshot={}", picture.display());
    let args = ["--timeout=3000", "--window-size=1000,1400", &shot];
    chromium(folder.path(), &args, url).run().success();
    fs::read(&picture).unwrap()
}

#[test]
fn a_browser_shows_the_demo_and_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file.txt"), "content").unwrap();
    for dir in [&[][..], &[folder.path().to_str().unwrap()]] {
        let mut server = server(&[dir, &["--access-log", "-"]].concat());
        let picture = screenshot(&format!("http://{}/", server.address("http")));
        assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"), "{dir:?}");
        // Width and height begin the first chunk, after its length and name.
        assert_eq!(picture[16..24], [1000_u32.to_be_bytes(), 1400_u32.to_be_bytes()].concat());
        let log = stop(server).text();
        assert!(log.contains("\"GET / HTTP/1.1\" 200 "), "{dir:?}: {log}");
    }
}

/// A page of another origin, which asks the demo at `DEMO` and tells its own server what it gets.
const PAGE: &str = r#"<!doctype html><title>Elsewhere</title><body><script>
const demo = 'http://DEMO';
const tell = text => fetch('/told', { method: 'POST', body: text });

async function upload() {
  const page = await (await fetch(demo + '/upload')).text();
  document.body.innerHTML = new DOMParser().parseFromString(page, 'text/html').body.innerHTML;
  const form = document.querySelector('form');
  form.action = demo + new URL(form.action).pathname;
  form.note.value = 'from a browser';
  const files = new DataTransfer();
  files.items.add(new File(['x'.repeat(100000)], 'a "b" \u00e4.txt', { type: 'text/plain' }));
  files.items.add(new File([], 'empty.bin'));
  form.file.files = files.files;
  const reply = await fetch(form.action, { method: form.method, body: new FormData(form) });
  await tell(await reply.text());
  form.action += '?by=button';
  form.querySelector('button').click();
}

const events = new EventSource(demo + '/events');
events.addEventListener('tick', async event => {
  const { count } = JSON.parse(event.data);
  await tell('tick ' + count);
  if (count == 2) { events.close(); upload().catch(error => tell('error: ' + error)); }
});
</script>"#;

/// A server of that page, and what the page tells.
fn elsewhere(demo: &str) -> (Running, Receiver<String>) {
    let (tell, told) = channel();
    let page = PAGE.replace("DEMO", demo);
    let router = Router::new()
        .get("/", move |_: Request| {
            let page = page.clone();
            async { Response::html(page) }
        })
        .post("/told", move |mut request: Request| {
            let tell = tell.clone();
            async move {
                let text = String::from_utf8_lossy(&request.bytes().await?).into_owned();
                // The test may have ended.
                let _ = tell.send(text);
                Ok::<_, Problem>("")
            }
        });
    (Server::new(router).listen("127.0.0.1:0").start().unwrap(), told)
}

#[test]
fn a_page_hears_events_as_they_happen_and_sends_a_form() {
    let mut demo = server(&["--access-log", "-", "--cors", "*"]).within(PATIENCE);
    let (elsewhere, told) = elsewhere(&demo.address("http").to_string());
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/", elsewhere.tcp().unwrap());
    let browser = chromium(folder.path(), &[], &url).start();
    let next = || told.recv_timeout(PATIENCE).expect("a page that tells something");
    // The stream has no end, so what is told was read from the middle of it.
    for count in 0..3 {
        assert_eq!(next(), format!("tick {count}"));
    }
    let parts: serde_json::Value = serde_json::from_str(&next()).unwrap();
    let part = |name: &str, file: Option<&str>, kind: Option<&str>, bytes: u64| serde_json::json!({ "name": name, "file_name": file, "content_type": kind, "bytes": bytes });
    assert_eq!(
        parts["parts"],
        serde_json::json!([
            part("note", None, None, 14),
            // Browsers write a quotation mark so (HTML, "multipart/form-data encoding algorithm").
            part("file", Some("a %22b%22 \u{e4}.txt"), Some("text/plain"), 100_000),
            part("file", Some("empty.bin"), Some("application/octet-stream"), 0),
        ])
    );
    // And as people send it.
    demo.wait_for_stdout("\"POST /upload?by=button HTTP/1.1\" 200 ");
    drop(browser);
    stop(demo);
}
