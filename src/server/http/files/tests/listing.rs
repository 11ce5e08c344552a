use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::*;

fn options() -> FilesOptions {
    FilesOptions { listing: true, ..FilesOptions::default() }
}

fn site(options: FilesOptions) -> Site {
    let files = [
        ("d/file10.txt", "0123456789"),
        ("d/file9.txt", "xx"),
        ("d/<script>&\"'.txt", "escaped"),
        ("d/sub/x", ""),
        ("d/.hidden", ""),
        ("with/index.html", "index"),
    ];
    let site = Site::new(options, &files);
    symlink("file9.txt", site.at("d/link")).unwrap();
    symlink("/etc/passwd", site.at("d/out")).unwrap();
    std::fs::write(site.at("d").join("back\\slash"), "").unwrap();
    std::fs::write(site.at("d").join("line\nbreak"), "").unwrap();
    std::fs::write(site.at("d").join(OsStr::from_bytes(b"\xFF")), "").unwrap();
    site
}

fn names(answer: &Answer) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let entries = document["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_page_for_people_and_a_document_for_programs() {
    let site = site(options());
    for (accept, expected) in [
        ("", "text/html; charset=utf-8"),
        ("Accept: text/html,application/json;q=0.9", "text/html; charset=utf-8"),
        ("Accept: */*", "text/html; charset=utf-8"),
        ("Accept: application/json", "application/json"),
        ("Accept: text/html;q=0.5, application/json", "application/json"),
        ("Accept: image/png", "text/html; charset=utf-8"),
    ] {
        let answer = site.ask(&format!("GET /d/\n{accept}")).await;
        assert_eq!((answer.status, &*answer.field("content-type")), (200, expected), "{accept}");
        assert_eq!(answer.field("vary"), "Accept");
        assert_eq!(answer.field("cache-control"), "no-cache");
        assert_eq!(answer.field("x-content-type-options"), "nosniff");
        let head = site.ask(&format!("HEAD /d/\n{accept}")).await;
        assert_eq!(head.fields, answer.fields);
        assert_eq!(head.length_of_get, Some(answer.body.len() as u64));
    }
    assert_eq!(site.ask("GET /with/").await.text(), "index", "an index goes before a listing");
    assert_eq!(site.ask("GET /d").await.field("location"), "/d/");
    assert_eq!(site.status("GET /d/\nIf-Match: \"x\"").await, 412);
    let off = Site::new(FilesOptions::default(), &[("d/x", "")]);
    assert_eq!(off.status("GET /d/").await, 404);
}

#[tokio::test]
async fn what_is_served_is_listed_and_nothing_else() {
    let json = "Accept: application/json";
    let site_plain = site(options());
    let plain = names(&site_plain.ask(&format!("GET /d/\n{json}")).await);
    assert_eq!(plain, ["sub", "<script>&\"'.txt", "file9.txt", "file10.txt", "\u{fffd}"]);
    let site_open = site(FilesOptions { show_hidden: true, follow_symlinks: true, ..options() });
    let open = names(&site_open.ask(&format!("GET /d/\n{json}")).await);
    assert_eq!(open, ["sub", ".hidden", "<script>&\"'.txt", "file9.txt", "file10.txt", "link", "\u{fffd}"]);
    let largest = names(&site_plain.ask(&format!("GET /d/?sort=size&order=desc\n{json}")).await);
    assert_eq!(largest[..3], ["sub", "file10.txt", "<script>&\"'.txt"]);
}

#[tokio::test]
async fn every_link_of_a_listing_leads_to_its_file() {
    let site = site(options());
    let answer = site.ask("GET /d/\nAccept: application/json").await;
    let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let page = site.ask("GET /d/").await;
    for entry in document["entries"].as_array().unwrap() {
        let href = entry["href"].as_str().unwrap();
        assert_eq!(site.status(&format!("GET /d/{href}")).await, 200, "{href}");
        assert!(page.text().contains(&format!("href=\"{}\"", href.replace('&', "&amp;"))), "{href}");
    }
    assert!(!page.text().contains("<script>"));
    assert!(page.text().contains("&lt;script&gt;&amp;&quot;&#39;.txt"));
}

#[tokio::test]
async fn a_directory_may_be_larger_than_a_listing() {
    let site = Site::new(options(), &[("d/", "")]);
    for number in 0..=MAX_LISTED {
        File::create(site.at(&format!("d/{number}"))).unwrap();
    }
    let answer = site.ask("GET /d/\nAccept: application/json").await;
    let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(document["cut"], true);
    assert_eq!(document["entries"].as_array().unwrap().len(), MAX_LISTED);
    assert!(site.ask("GET /d/").await.text().contains("more here than can be shown"));
    std::fs::remove_file(site.at("d/0")).unwrap();
    let answer = site.ask("GET /d/\nAccept: application/json").await;
    assert!(answer.text().contains("\"cut\":false"));
}
