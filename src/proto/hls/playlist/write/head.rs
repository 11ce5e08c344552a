//! The head of a media playlist.

use super::super::attributes::{Seconds, Writer};
use super::super::media::{Define, MediaPlaylist, PlaylistKind, ServerControl, Start};

/// What `m3u8-rs` writes of it.
pub(super) fn head(playlist: &MediaPlaylist) -> m3u8_rs::MediaPlaylist {
    m3u8_rs::MediaPlaylist {
        version: Some(playlist.version.max(playlist.needed_version()) as usize),
        target_duration: playlist.target_duration,
        media_sequence: playlist.media_sequence,
        discontinuity_sequence: playlist.discontinuity_sequence,
        playlist_type: playlist.kind.map(|kind| match kind {
            PlaylistKind::Event => m3u8_rs::MediaPlaylistType::Event,
            PlaylistKind::Vod => m3u8_rs::MediaPlaylistType::Vod,
        }),
        i_frames_only: playlist.i_frames_only,
        independent_segments: playlist.independent_segments,
        start: playlist.start.map(start),
        ..Default::default()
    }
}

pub(super) fn start(start: Start) -> m3u8_rs::Start {
    m3u8_rs::Start {
        time_offset: start.offset,
        precise: start.precise.then_some(true),
        other_attributes: std::collections::HashMap::new(),
    }
}

/// What it does not write.
pub(super) fn extend(playlist: &MediaPlaylist, out: &mut String) {
    let control = &playlist.server_control;
    if *control != ServerControl::default() {
        Writer::begin(out, "#EXT-X-SERVER-CONTROL")
            .yes("CAN-BLOCK-RELOAD", control.can_block_reload)
            .maybe(control.can_skip_until, |list, time| list.seconds("CAN-SKIP-UNTIL", time))
            .yes("CAN-SKIP-DATERANGES", control.can_skip_dateranges)
            .maybe(control.hold_back, |list, time| list.seconds("HOLD-BACK", time))
            .maybe(control.part_hold_back, |list, time| list.seconds("PART-HOLD-BACK", time))
            .end();
    }
    if let Some(target) = playlist.part_target {
        Writer::begin(out, "#EXT-X-PART-INF").plain("PART-TARGET", Seconds(target)).end();
    }
    defines(&playlist.defines, out);
    if let Some(skipped) = &playlist.skipped {
        let removed = skipped.removed_dateranges.as_ref();
        Writer::begin(out, "#EXT-X-SKIP")
            .plain("SKIPPED-SEGMENTS", skipped.segments)
            .maybe(removed.map(|ids| ids.join("\t")), |list, ids| {
                list.quoted("RECENTLY-REMOVED-DATERANGES", &ids)
            })
            .end();
    }
}

pub(super) fn defines(defines: &[Define], out: &mut String) {
    for define in defines {
        let list = Writer::begin(out, "#EXT-X-DEFINE");
        match define {
            Define::Value(name, value) => list.quoted("NAME", name).quoted("VALUE", value),
            Define::Import(name) => list.quoted("IMPORT", name),
            Define::QueryParam(name) => list.quoted("QUERYPARAM", name),
        }
        .end();
    }
}
