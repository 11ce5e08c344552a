//! Where the references in playlists lead (RFC 3986 section 5), as far as playlists have them: to another server, to a path of the same one, or from the folder of the playlist.

use http::Uri;

use super::location::Location;

/// The path that a reference in the playlist at the path `base` means, without a query; `None` for one that leads to another server or out of the tree.
pub(in crate::server::hls) fn resolve(base: &str, reference: &str) -> Option<String> {
    let reference = reference.split(['?', '#']).next().unwrap_or_default();
    let scheme = reference.find(':').is_some_and(|colon| !reference[..colon].contains('/'));
    if reference.is_empty() || scheme || reference.starts_with("//") {
        return None;
    }
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> =
        if reference.starts_with('/') { Vec::new() } else { folder.split('/').skip(1).collect() };
    for part in reference.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// The address that a reference in the playlist at `base` means.
pub(in crate::server::hls) fn join(base: &Uri, reference: &str) -> Option<Uri> {
    let base = Location::parse(&base.to_string()).ok()?;
    base.join(reference).ok()?.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved() {
        for (base, reference, expected) in [
            ("/live/stage/index.m3u8", "video/a.m3u8", Some("/live/stage/video/a.m3u8")),
            ("/live/stage/video/a.m3u8", "../audio/1.m4s?x=1", Some("/live/stage/audio/1.m4s")),
            ("/live/stage/video/a.m3u8", "./1.m4s", Some("/live/stage/video/1.m4s")),
            ("/a.m3u8", "1.m4s", Some("/1.m4s")),
            ("/live/a.m3u8", "/b/1.m4s", Some("/b/1.m4s")),
            ("/live/a.m3u8", "../../1.m4s", None),
            ("/live/a.m3u8", "https://elsewhere/1.m4s", None),
            ("/live/a.m3u8", "//elsewhere/1.m4s", None),
            ("/live/a.m3u8", "", None),
        ] {
            assert_eq!(resolve(base, reference).as_deref(), expected, "{base} {reference}");
        }
    }

    #[test]
    fn references_become_addresses() {
        let base: Uri = "https://a.example:8443/live/s/index.m3u8?token=1".parse().unwrap();
        for (reference, expected) in [
            ("v/p.m3u8", Some("https://a.example:8443/live/s/v/p.m3u8")),
            ("../p.m3u8?x=1#y", Some("https://a.example:8443/live/p.m3u8?x=1")),
            ("/p.m3u8", Some("https://a.example:8443/p.m3u8")),
            ("//b.example/p.m3u8", Some("https://b.example/p.m3u8")),
            ("http://b.example/p.m3u8", Some("http://b.example/p.m3u8")),
            ("../../../p.m3u8", Some("https://a.example:8443/p.m3u8")),
            ("p.m3u8?u=http://b.example", Some("https://a.example:8443/live/s/p.m3u8?u=http://b.example")),
            ("ftp://b.example/p.m3u8", None),
        ] {
            assert_eq!(join(&base, reference).map(|uri| uri.to_string()).as_deref(), expected, "{reference}");
        }
    }
}
