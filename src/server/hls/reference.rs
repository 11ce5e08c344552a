//! Where references in our own playlists lead within a tree: no server's address is known there, and nothing leads out of it.

use crate::proto::http::reference::Reference;

/// The path that a reference in the playlist at the path `base` means, without a query; `None` for one that leads to another server or out of the tree.
pub(in crate::server::hls) fn resolve(base: &str, reference: &str) -> Option<String> {
    let Reference { scheme: None, authority: None, path: reference, .. } = Reference::parse(reference) else {
        return None;
    };
    if reference.is_empty() {
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
}
