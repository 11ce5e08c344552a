//! What becomes of an upload: what it has to show, how it may come, and what it is answered.

use std::time::Duration;

use wireworks::net::pace::MinRate;
use wireworks::proto::chat::id::AccountId;
use wireworks::server::http::settings::Settings;

use super::{Files, ME, now, png, sha256};
use crate::support::wire::Wire;

#[test]
fn a_picture_goes_up_and_comes_down_again() {
    let files = Files::new();
    let picture = png(1000, 500);
    let response = files.upload(&picture);
    assert_eq!((response.status, response.header("content-type")), (201, Some("application/json")));
    let media: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let digest = sha256(&picture);
    let expected = serde_json::json!({
        "digest": digest, "name": "a.bin", "kind": "image/png", "size": picture.len(), "dimensions": [1000, 500],
    });
    assert_eq!(media, expected);

    let described = files.describe(&digest).unwrap();
    assert_eq!(
        (described.dimensions, described.name.as_str()),
        (Some((1000, 500)), &*format!("{}.png", &digest[..12]))
    );
    assert_eq!(files.upload(&picture).status, 200, "it is there already");
    assert_eq!(files.files("files").len(), 3, "bytes, thumbnail and record, once");

    let shown = files.get(&files.link(&described), "");
    assert_eq!(shown.body, picture);
    let small = files.get(&format!("{}&thumb=1", files.link(&described)), "");
    assert_eq!(small.header("content-type"), Some("image/jpeg"));
    let small = image::load_from_memory(&small.body).unwrap();
    assert_eq!((small.width(), small.height()), (640, 320));
}

#[test]
fn a_form_of_html_can_upload() {
    let files = Files::new();
    let part = |name: &str, file: &str, content: &str| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n")
    };
    let file = |name: &str| format!("; filename=\"{name}\"");
    let send = |parts: &[String], end: &str| {
        let target = format!("POST /media?permit={}", files.permit());
        let body = format!("{}{end}", parts.concat());
        files.send(&target, "Content-Type: multipart/form-data; boundary=XX\r\n", body.as_bytes())
    };
    let end = "--XX--\r\n";
    let good = send(
        &[part("a", "", "a field"), part("f", &file("../b.txt"), "words"), part("c", "", "another")],
        end,
    );
    assert_eq!(good.status, 201, "{}", good.text());
    let media: wireworks::proto::chat::event::Media = serde_json::from_slice(&good.body).unwrap();
    assert_eq!(
        (media.digest, media.name, media.kind),
        (sha256(b"words"), "b.txt".into(), "text/plain".into())
    );
    for (parts, end, words) in [
        (vec![part("a", "", "a field")], end, "no file"),
        (vec![part("f", &file("a"), "1"), part("g", &file("b"), "2")], end, "more than one file"),
        (vec![part("f", &file("a"), "")], end, "empty"),
        (vec![part("f", &file("a"), "cut")], "", "400"),
    ] {
        let response = send(&parts, end);
        assert!(response.status == 400 && response.text().contains(words), "{}", response.text());
    }
    assert_eq!((files.files("incoming").len(), files.files("files").len()), (0, 2));
}

#[test]
fn an_upload_needs_a_permit_that_counts() {
    let files = Files::new();
    let token = files.permit();
    let old = files.media.permit(ME, None, 0).token;
    let other = Files::new().permit();
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for (target, fields, words) in [
        ("/media", String::new(), "needs a permit"),
        ("/media", format!("Authorization: Basic {token}\r\n"), "needs a permit"),
        ("/media", bearer(&old), "has expired"),
        ("/media", bearer(&other), "is not one of ours"),
        ("/media", bearer(&token[1..]), "is not one of ours"),
        ("/media?permit=x", String::new(), "is not one of ours"),
    ] {
        let response = files.send(&format!("PUT {target}"), &fields, b"x");
        assert_eq!((response.status, response.header("www-authenticate")), (401, Some("Bearer")), "{words}");
        assert!(response.text().contains(words), "{}", response.text());
    }
    assert_eq!(files.send("PUT /media", &format!("authorization: bearer {token}\r\n"), b"x").status, 201);
    assert!(files.files("incoming").is_empty());
}

#[test]
fn a_file_has_a_largest_size() {
    let files = Files::with(|options| options.file = 1000, Settings::default());
    assert_eq!(files.upload(&[b'x'; 1000]).status, 201);
    // Refused by what is announced, before any of it is sent.
    let mut wire = Wire::connect(files.address);
    let head = format!("PUT /media HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n", files.permit());
    wire.send(format!("{head}Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n"));
    assert_eq!(wire.read_response().status, 413);
    // Refused when it has come.
    let mut wire = Wire::connect(files.address);
    wire.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001)));
    let response = wire.read_response();
    assert!(
        response.status == 413 && response.text().contains("larger than 1000 bytes"),
        "{}",
        response.text()
    );
    // A permit may allow less, and never more.
    for (largest, status) in [(10, 413), (u64::MAX, 201)] {
        let permit = files.media.permit(ME, Some(largest), now());
        assert_eq!(permit.largest, largest.min(1000));
        let fields = format!("Authorization: Bearer {}\r\n", permit.token);
        assert_eq!(files.send("PUT /media", &fields, &[b'y'; 11]).status, status);
    }
    assert_eq!(files.upload(b"").status, 400);
    assert!(files.files("incoming").is_empty());
}

#[test]
fn an_upload_that_is_cut_off_leaves_nothing() {
    let files = Files::with(|options| options.files_a_day = 1, Settings::default());
    for _ in 0..3 {
        let mut wire = Wire::connect(files.address);
        let fields = format!("Authorization: Bearer {}\r\nContent-Length: 600000", files.permit());
        wire.send(format!("PUT /media HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"));
        wire.send(vec![b'x'; 500_000]);
        wire.half_close();
        assert_eq!(wire.read_response().status, 400);
    }
    assert_eq!((files.files("incoming").len(), files.files("files").len()), (0, 0));
    assert_eq!(files.upload(b"whole").status, 201, "what failed was not counted");
}

#[test]
fn an_upload_that_is_too_slow_is_ended() {
    let settings = Settings {
        min_read_rate: MinRate { rate: 1 << 30, grace: Duration::from_millis(100) },
        ..Settings::default()
    };
    let files = Files::with(|_| {}, settings);
    let mut wire = Wire::connect(files.address);
    let fields = format!("Authorization: Bearer {}\r\nContent-Length: 600000", files.permit());
    wire.send(format!("PUT /media HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\nslow"));
    assert_eq!(wire.read_response().status, 408);
    assert!(files.files("incoming").is_empty());
}

#[test]
fn one_file_from_two_sides_is_kept_once() {
    let files = Files::new();
    let picture = png(300, 300);
    std::thread::scope(|scope| {
        let uploads: Vec<_> = (0..4).map(|_| scope.spawn(|| files.upload(&picture))).collect();
        for upload in uploads {
            let response = upload.join().unwrap();
            assert!(matches!(response.status, 200 | 201), "{}", response.text());
        }
    });
    assert_eq!((files.files("files").len(), files.files("incoming").len()), (3, 0));
    assert_eq!(files.get(&files.link(&files.describe(&sha256(&picture)).unwrap()), "").body, picture);
}

#[test]
fn an_account_has_so_much_a_day() {
    let change = |options: &mut wireworks::server::chat::media::MediaOptions| {
        options.files_a_day = 3;
        options.bytes_a_day = 1000;
    };
    let files = Files::with(change, Settings::default());
    assert_eq!(files.upload(&[b'a'; 600]).status, 201);
    let response = files.upload(&[b'b'; 500]);
    assert_eq!(response.status, 429, "too many bytes");
    assert!(response.header("retry-after").unwrap().parse::<u64>().unwrap() <= 86_400);
    assert_eq!(files.upload(&[b'c'; 400]).status, 201);
    let files = files.restart(change);
    assert_eq!(files.upload(b"x").status, 429, "over a restart");
    let other = format!("Authorization: Bearer {}\r\n", files.media.permit(AccountId(8), None, now()).token);
    assert_eq!(files.send("PUT /media", &other, b"x").status, 201, "each on its own");
}

#[test]
fn uploads_at_once_have_limits() {
    let change = |an_account, all| {
        move |options: &mut wireworks::server::chat::media::MediaOptions| {
            options.uploads_an_account = an_account;
            options.uploads = all;
        }
    };
    for (change, status) in [(change(1, 9), 429), (change(9, 1), 503)] {
        let files = Files::with(change, Settings::default());
        let mut first = Wire::connect(files.address);
        let fields = format!("Authorization: Bearer {}\r\n", files.permit());
        first.send(format!(
            "PUT /media HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        ));
        // It has begun when it is told to go on.
        assert_eq!(first.read_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n");
        let second = files.upload(b"more");
        assert_eq!((second.status, second.header("retry-after")), (status, Some("5")));
        first.send("1234");
        assert_eq!(first.read_response().status, 201);
        assert_eq!(files.upload(b"more").status, 201);
    }
}
