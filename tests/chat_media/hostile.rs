//! Files that are not what they are said to be, and pictures that would do harm.

use super::{Files, png, sha256};

/// The chunk of a PNG that says its size, changed.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut png = png(1, 1);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&png[12..29]);
    png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    png
}

#[test]
fn what_a_sender_says_of_a_file_is_not_believed() {
    let files = Files::new();
    let saved = "application/octet-stream";
    for (content, claimed, name, kind, shown) in [
        (&b"<!DOCTYPE html><script>alert(1)</script>"[..], "image/png", "cat.png", saved, false),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            "image/svg+xml",
            "cat.svg",
            saved,
            false,
        ),
        (b"<?xml version='1.0'?><x/>", "text/plain", "a.txt", saved, false),
        (b"GIF89a/*<html><script>alert(1)</script>*/=1;", "text/html", "cat.html", "image/gif", true),
        (b"%PDF-1.4 <script>", "text/html", "a.html", "application/pdf", false),
        (b"alert(document.cookie)", "text/javascript", "a.js", "text/plain; charset=utf-8", true),
        (b"MZ\x90\0\x03", "image/jpeg", "cat.jpg", saved, false),
        (b"#!/bin/sh\nrm -rf ~", "text/plain", "readme.txt", saved, false),
        (b"\0\x01\x02", "text/html", "a.htm", saved, false),
    ] {
        let fields = format!("Authorization: Bearer {}\r\nContent-Type: {claimed}\r\n", files.permit());
        let response = files.send(&format!("PUT /media?name={name}"), &fields, content);
        assert_eq!(response.status, 201, "{}", response.text());
        let media = files.describe(&sha256(content)).unwrap();
        let file = files.get(&files.link(&media), "");
        assert_eq!((file.header("content-type"), &file.body[..]), (Some(kind), content));
        let disposition = file.header("content-disposition").unwrap();
        assert!(disposition.starts_with(if shown { "inline;" } else { "attachment;" }), "{disposition}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(file.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    }
}

#[test]
fn a_name_is_never_a_path_nor_a_field() {
    let files = Files::new();
    for (name, clean) in [
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("a%0D%0ASet-Cookie:%20b", "aSet-Cookie: b"),
        ("%00", "file"),
        ("%E2%80%AEgpj.exe", "gpj.exe"),
        ("", "file"),
    ] {
        let fields = format!("Authorization: Bearer {}\r\n", files.permit());
        let response = files.send(&format!("PUT /media?name={name}"), &fields, b"x");
        assert_eq!(response.header("set-cookie"), None);
        let media: wireworks::proto::chat::event::Media = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(media.name, clean);
    }
    assert_eq!(
        files.files("").len(),
        4,
        "keys, the list of the day, bytes and record: {:?}",
        files.files("")
    );
}

#[test]
fn a_bomb_is_kept_as_a_file_without_a_thumbnail() {
    let files = Files::new();
    for content in
        [bomb(50_000, 50_000), png(100, 100)[..60].to_vec(), b"\xFF\xD8\xFF\xE0 no picture".to_vec()]
    {
        let media = files.keep(&content);
        assert_eq!(media.dimensions, None);
        assert!(media.kind.starts_with("image/"));
        let link = files.link(&media);
        assert_eq!(files.get(&link, "").body, content);
        assert_eq!(files.get(&format!("{link}&thumb=1"), "").status, 404);
    }
}

/// A JPEG that says where it was taken: 52.52 north.
fn located() -> Vec<u8> {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(40, 20, image::Rgb([9, 9, 9]))
        .write_to(&mut jpeg, image::ImageFormat::Jpeg)
        .unwrap();
    let jpeg = jpeg.into_inner();
    let tiff = b"II*\0\x08\0\0\0\x01\0\x25\x88\x04\0\x01\0\0\0\x1A\0\0\0\0\0\0\0\x01\0\x01\0\x02\0\x02\0\0\0N\0\0\0\0\0\0\0";
    let exif =
        [&b"\xFF\xE1"[..], &u16::try_from(tiff.len() + 8).unwrap().to_be_bytes(), b"Exif\0\0", tiff].concat();
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

#[test]
fn a_photograph_does_not_say_where_it_was_taken() {
    let files = Files::new();
    let before = located();
    let media = files.keep(&before);
    let after = files.get(&files.link(&media), "").body;
    assert_eq!((after.len(), sha256(&after)), (before.len(), media.digest.clone()));
    assert_ne!(after, before);
    assert!(memchr::memmem::find(&before, b"\x02\0\x02\0\0\0N").is_some());
    assert!(memchr::memmem::find(&after, b"\x02\0\x02\0\0\0N").is_none());
    assert_eq!(media.dimensions, Some((40, 20)));
    assert_eq!(files.keep(&before).digest, media.digest, "and is the same file each time");

    let files = files.restart(|options| options.remove_location = false);
    assert_eq!(files.keep(&before).digest, sha256(&before), "unless that is wanted");
}
