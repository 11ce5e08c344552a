//! What WebSocket costs us: unmasking, checking text, and a message through the codec.

use bytes::BytesMut;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use wireworks::codec::{Codec as _, Outbox};
use wireworks::proto::ws::codec::Codec;
use wireworks::proto::ws::frame::{FrameHead, Opcode};
use wireworks::proto::ws::limits::Limits;
use wireworks::proto::ws::mask::Mask;
use wireworks::proto::ws::message::{Incoming, Outgoing};
use wireworks::proto::ws::utf8::{Utf8, is_utf8};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Bytes of a payload: a short message, and what fits into the caches near a core.
const SIZES: &[usize] = &[16, 1 << 10, 16 << 10, 64 << 10];

/// Texts of 16 KiB, by name.
const TEXTS: &[&str] = &["ascii", "mixed", "cjk"];

/// Sentences over and over, cut at 16 KiB or just before, between two characters.
fn text(name: &str) -> String {
    let sentence = match name {
        "ascii" => "The quick brown fox jumps over the lazy dog. ",
        "mixed" => "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich: 12 € — «Σίσυφος» 😀 and more. ",
        _ => "天地玄黃宇宙洪荒日月盈昃辰宿列張",
    };
    let mut text = sentence.repeat((16 << 10) / sentence.len() + 1);
    text.truncate(text.floor_char_boundary(16 << 10));
    text
}

/// In place, in cache.
#[divan::bench(args = SIZES)]
fn unmask(bencher: Bencher<'_, '_>, size: usize) {
    let mut payload = vec![0x55; size];
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| Mask::new(black_box(KEY)).apply(black_box(&mut payload[..])));
}

/// A text that is there as a whole.
#[divan::bench(args = TEXTS)]
fn utf8_whole(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| is_utf8(black_box(text.as_bytes())));
}

/// A text as it arrives, in segments of 1,448 bytes, which cut characters.
#[divan::bench(args = TEXTS)]
fn utf8_streaming(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        let mut utf8 = Utf8::default();
        black_box(text.as_bytes()).chunks(1448).try_for_each(|bytes| utf8.push(bytes)).is_ok()
            && utf8.is_complete()
    });
}

/// The head of a masked frame, for each way to write a length.
#[divan::bench(args = [16, 1 << 10, 1 << 16])]
fn parse_head(bencher: Bencher<'_, '_>, length: usize) {
    let head = FrameHead { mask: Some(KEY), ..FrameHead::whole(Opcode::Binary, length) };
    let mut bytes = BytesMut::new();
    head.put(&mut bytes);
    bencher.bench_local(|| FrameHead::parse(black_box(&bytes)));
}

/// A message in and its echo out, through the codec of a connection.
#[divan::bench(args = SIZES)]
fn exchange(bencher: Bencher<'_, '_>, size: usize) {
    let head = FrameHead { mask: Some(KEY), ..FrameHead::whole(Opcode::Binary, size) };
    let mut frame = BytesMut::new();
    head.put(&mut frame);
    frame.resize(frame.len() + size, 0x55);
    let mut codec = Codec::server(Limits::default());
    let (mut src, mut out) = (BytesMut::new(), Outbox::new());
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        src.extend_from_slice(black_box(&frame));
        if let Ok(Some(Incoming::Message(message))) = codec.decode(&mut src) {
            let _ = codec.encode(Outgoing::Message(message), &mut out);
        }
        out.clear();
    });
}
