//! The status page in a browser, as operators use it.

use std::time::Duration;

use serde_json::json;

use super::admin::{Desk, TOKEN};
use super::raw::Backend;
use crate::support::browser::chromium;
use crate::support::tool::Tool;

/// How long the operator may take: a browser is slow to start where several tests run.
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn an_operator_drains_weighs_and_purges_by_keyboard() {
    let backend = Backend::start(|_, peer| {
        loop {
            peer.answer("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    let admin = "token-file = \"FOLDER/token\"\n[cache.pages]\nmemory = \"16MiB\"";
    let desk = Desk::with(&[backend.addr], admin, "[[listener.route]]\nto = \"web\"\ncache = \"pages\"\n");
    desk.balancer.get("/a", &[]);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/", desk.admin);
    let mut browser = chromium(folder.path(), &["--remote-debugging-port=0"], &url).start();
    let devtools = browser.wait_for_line("DevTools listening on ");
    let tool =
        Tool::python(concat!(include_str!("../data/devtools.py"), include_str!("../data/balance/page.py")))
            .within(PATIENCE);
    let shown = tool.args([&devtools, TOKEN]).run().success();
    drop(browser);
    assert_eq!(
        shown.text(),
        "Up\nthe token is wrong\nDraining\n7\n1 URI is forgotten in pages.\n390\n",
        "{}",
        shown.stderr
    );
    let (_, upstream) = desk.ask("GET /api/upstreams/web", None, false);
    let backend = &upstream["backends"][0];
    assert_eq!((&backend["admin"], &backend["weight"]), (&json!("drain"), &json!(7)), "{upstream}");
    let (_, caches) = desk.ask("GET /api/caches", None, false);
    assert_eq!(caches[0]["uris"], json!(0), "{caches}");
}
