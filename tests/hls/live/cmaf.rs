//! CMAF in pieces: one request for each segment of a track, by a client of our own that is cut off and tries again, and by ffmpeg.

use std::net::SocketAddr;

use bytes::BytesMut;
use wireworks::proto::hls::mp4::message::Message;
use wireworks::proto::hls::mp4::push::{Event, Push};

use super::stage::{FAST, FMP4, ask, ended, get, live, pictures, playlist, plays, read, remuxed, until};
use crate::hls::check::good;
use crate::hls::origin::media;
use crate::support::command::stop;
use crate::support::response::Response;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

/// A track of a sample: its initialization section, and its fragments.
fn pieces(track: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let whole = remuxed("240p.mp4", 1, &[&["-map", track, "-frag_duration", "1000000"], &FMP4[..]].concat());
    let mut boxes = Vec::new();
    let mut rest = &whole[..];
    while let Some(size) = rest.first_chunk().map(|size| u32::from_be_bytes(*size) as usize) {
        boxes.push(&rest[..size]);
        rest = &rest[size..];
    }
    let (mut init, mut fragments) = (Vec::new(), Vec::<Vec<u8>>::new());
    for one in boxes {
        match (&one[4..8], fragments.last_mut()) {
            (b"moof", _) => fragments.push(one.to_vec()),
            (b"mfra", _) => {}
            (_, Some(fragment)) => fragment.extend(one),
            (_, None) => init.extend(one),
        }
    }
    assert!(fragments.len() > 3, "{}", fragments.len());
    (init, fragments)
}

/// A request with these bytes, of which so many are sent.
fn sending(address: SocketAddr, path: &str, bytes: &[u8], sent: usize) -> Wire {
    let mut wire = Wire::connect(address);
    wire.send(format!("PUT {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", bytes.len()));
    wire.send(&bytes[..sent]);
    wire
}

#[track_caller]
fn put(address: SocketAddr, path: &str, bytes: &[u8]) -> Response {
    sending(address, path, bytes, bytes.len()).read_response_to("PUT")
}

/// The mark of a last segment.
const LAST: &[u8] = b"\0\0\0\x18stypmsdh\0\0\0\0msdhlmsg";

#[test]
fn a_request_for_each_fragment_is_one_stream() {
    let (server, address) = live(&[&FAST[..], &["--event", "--reconnect", "0s"]].concat());
    let (video, sound) = ("/live/cmaf/Streams(video.cmfv)", "/live/cmaf/Streams(audio.cmfa)");
    let (init, fragments) = pieces("0:v");
    // Whoever asks is answered, and nothing has begun.
    assert_eq!(put(address, video, b"").status, 204);
    assert!(!get(address, "/streams.json").text().contains("cmaf"));
    let early = put(address, video, &fragments[0]);
    assert_eq!((early.status, early.text().contains("initialization section")), (412, true));
    assert_eq!(put(address, video, b"#EXTM3U\n#EXT-X-VERSION:7\n").status, 415);
    assert_eq!(put(address, "/live/cmaf/manifest.mpd", b"<MPD/>").status, 204);
    assert_eq!(put(address, video, &init).status, 204);
    for (index, fragment) in fragments.iter().enumerate() {
        let last = index + 1 == fragments.len();
        if index == 2 {
            // The connection is lost in the midst of it. It is sent again by another one, behind the initialization section.
            let wire = sending(address, video, fragment, fragment.len() / 2);
            wire.wait_until_read();
            wire.reset();
            assert_eq!(put(address, video, &init).status, 204);
        }
        if last {
            // The sound is complete before the pictures are.
            let (init, fragments) = pieces("0:a");
            let all = [
                &init[..],
                &fragments[..fragments.len() - 1].concat(),
                LAST,
                &fragments[fragments.len() - 1],
            ];
            assert_eq!(put(address, sound, &all.concat()).status, 204);
        }
        let bytes = if last { [LAST, fragment].concat() } else { fragment.clone() };
        assert_eq!(put(address, video, &bytes).status, 204, "{index}");
        if index == 1 {
            // An answer that was lost: it sends the same again.
            assert_eq!(put(address, video, fragment).status, 204);
        }
    }
    let list = playlist(address, "/live/cmaf/video/playlist.m3u8", ended);
    assert!(list.segments.iter().all(|segment| !segment.discontinuity && !segment.gap));
    assert!(
        pictures(&format!("http://{address}/live/cmaf/video/playlist.m3u8")) == pictures(&media("240p.mp4"))
    );
    plays(&format!("http://{address}/live/cmaf/index.m3u8"), None);
    good(&format!("http://{address}/live/cmaf/index.m3u8"));
    stop(server);
}

#[test]
fn a_track_is_over_when_nothing_comes() {
    let (server, address) = live(&[&FAST[..], &["--reconnect", "0s", "--silence", "1s"]].concat());
    let (init, fragments) = pieces("0:v");
    let track = "/live/cmaf/Streams(video)";
    let all = [&init[..], &fragments.concat()].concat();
    assert_eq!(put(address, track, &all).status, 204);
    let list = "/live/cmaf/video/playlist.m3u8";
    let first = playlist(address, list, ended);
    assert_eq!(put(address, track, &all).status, 204);
    let again = playlist(address, list, |text| read(text).media_sequence == first.next_msn());
    assert!(again.segments[0].discontinuity);
    stop(server);
}

#[test]
fn a_request_that_goes_on_is_told_of_the_end_of_its_stream() {
    let (server, address) = live(&FAST);
    let (init, fragments) = pieces("0:v");
    let track = "/live/cmaf/Streams(video)";
    assert_eq!(put(address, track, &init).status, 204);
    let all = fragments.concat();
    let mut wire = sending(address, track, &all, all.len() - 10);
    let list = "/live/cmaf/video/playlist.m3u8";
    playlist(address, list, |_| true);
    // Another one has to wait for it, and is told so.
    assert_eq!(put(address, track, &init).status, 409);
    assert_eq!(ask(address, "DELETE /live/cmaf").status, 204);
    assert_eq!(wire.read_response_to("PUT").status, 410);
    playlist(address, list, ended);
    stop(server);
}

#[test]
fn ffmpeg_sends_its_tracks_in_pieces() {
    let (server, address) = live(&[&FAST[..], &["--event", "--reconnect", "0s"]].concat());
    let name = "Streams($RepresentationID$.cmfv)";
    let url = format!("http://{address}/live/cmaf/manifest.mpd");
    let output = ["-c", "copy", "-f", "dash", "-seg_duration", "2", "-method", "PUT"];
    let names = ["-init_seg_name", name, "-media_seg_name", name, &url];
    // It sends the next piece without waiting for the answer to the last one: in real time that is in order.
    let args = ["-v", "error", "-nostdin", "-re", "-i", &media("240p.mp4"), "-t", "6"];
    let done = Tool::new("ffmpeg").args(args).args(output).args(names).run().success();
    // It says that it would rather write files.
    assert!(done.stderr.lines().all(|line| line.contains("Cannot use rename")), "{}", done.stderr);
    let index = until(address, "/live/cmaf/index.m3u8", |reply| {
        reply.status == 200 && reply.text().contains("TYPE=AUDIO")
    });
    assert!(index.text().contains("URI=\"1/playlist.m3u8\""), "{}", index.text());
    assert_eq!(ask(address, "DELETE /live/cmaf").status, 204);
    playlist(address, "/live/cmaf/0/playlist.m3u8", ended);
    // Where it stops, pictures are there that are shown behind others which are not.
    let seen = pictures(&format!("http://{address}/live/cmaf/0/playlist.m3u8"));
    assert!(seen.len() >= 150 && pictures(&media("240p.mp4")).starts_with(&seen[..145]), "{}", seen.len());
    stop(server);
}

#[test]
fn events_of_fragments_are_in_the_segments() {
    let (server, address) = live(&[&FAST[..], &["--event", "--reconnect", "0s"]].concat());
    let (init, fragments) = pieces("0:v");
    let mut bytes = init;
    for (index, fragment) in fragments.iter().enumerate() {
        // One that says when it is, and one that says how far behind its fragment.
        let mut event = BytesMut::new();
        Message::id3(index as u32, b"ID3 tag".to_vec().into()).put(&mut event, index as u64 * 90_000);
        bytes.extend_from_slice(&event);
        bytes.extend_from_slice(
            b"\0\0\0\x38emsg\0\0\0\0urn:scte:scte35:2013:bin\x001\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x07!",
        );
        bytes.extend_from_slice(fragment);
    }
    assert_eq!(put(address, "/live/stage", &bytes).status, 204);
    let list = playlist(address, "/live/stage/main/playlist.m3u8", ended);
    let (mut tags, mut marks) = (0, 0);
    for segment in &list.segments {
        let init = get(address, &format!("/live/stage/main/{}", segment.map.as_ref().unwrap().uri));
        let media = get(address, &format!("/live/stage/main/{}", segment.uri));
        let mut push = Push::default();
        push.push(&init.body);
        push.push(&media.body);
        while let Some(event) = push.event().unwrap() {
            if let Event::Message(_, message) = event {
                let is_tag = message.scheme.ends_with(b"ID3");
                assert_eq!(&message.data[..], if is_tag { &b"ID3 tag"[..] } else { b"!" });
                *(if is_tag { &mut tags } else { &mut marks }) += 1;
            }
        }
    }
    assert_eq!((tags, marks), (fragments.len(), fragments.len()));
    good(&format!("http://{address}/live/stage/index.m3u8"));
    stop(server);
}
