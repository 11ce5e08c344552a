//! What a message of a call costs: into bytes and out of them, and as JSON.

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use wireworks::proto::rpc::dynamic::{self, Style};
use wireworks::proto::rpc::payload::{Blob, CodecId, Payload, Raw};
use wireworks::proto::rpc::schema::Describe;

wireworks::wire_types! {
    /// 64 bytes of nothing but numbers, by codec 0.
    struct Numbers {
        id: u64,
        times: [u64; 4],
        place: (f64, f64, f64),
    }

    /// Some text, a list, and 200 bytes.
    struct Order {
        id: u64,
        tags: Vec<String>,
        body: Blob,
    }
}

fn numbers() -> Numbers {
    Numbers { id: 7, times: [1, 2, 3, u64::MAX], place: (0.1, 0.2, 0.3) }
}

fn order() -> Order {
    let tags = ["urgent", "by air", "paid"].map(str::to_owned);
    Order { id: 7, tags: tags.into(), body: Blob::from(vec![7; 200]) }
}

const CODECS: [&str; 2] = ["bincode", "postcard"];

fn codec(name: &str) -> CodecId {
    if name == CODECS[0] { CodecId::Bincode } else { CodecId::Postcard }
}

fn encode(bencher: Bencher<'_, '_>, message: &impl Payload, codec: CodecId) {
    let length = message.encode(codec).unwrap_or_default().len();
    bencher.counter(BytesCount::new(length)).bench_local(|| black_box(message).encode(codec));
}

fn decode<T: Payload>(bencher: Bencher<'_, '_>, message: &T, codec: CodecId) {
    // Behind another byte, as a message is within the frames that were read.
    let bytes = message.encode(codec).unwrap_or_default();
    let bytes = Bytes::from([b"x", &bytes[..]].concat()).slice(1..);
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench_local(|| T::decode(black_box(bytes.clone()), codec, 4 << 20));
}

#[divan::bench(args = CODECS)]
fn encode_numbers(bencher: Bencher<'_, '_>, name: &str) {
    encode(bencher, &numbers(), codec(name));
}

#[divan::bench(args = CODECS)]
fn decode_numbers(bencher: Bencher<'_, '_>, name: &str) {
    decode(bencher, &numbers(), codec(name));
}

#[divan::bench(args = CODECS)]
fn encode_order(bencher: Bencher<'_, '_>, name: &str) {
    encode(bencher, &order(), codec(name));
}

#[divan::bench(args = CODECS)]
fn decode_order(bencher: Bencher<'_, '_>, name: &str) {
    decode(bencher, &order(), codec(name));
}

/// A MiB within a message is copied once on its way out, and not at all on its way in.
#[divan::bench(args = CODECS)]
fn encode_mebibyte(bencher: Bencher<'_, '_>, name: &str) {
    encode(bencher, &Order { body: Blob::from(vec![7; 1 << 20]), ..order() }, codec(name));
}

#[divan::bench(args = CODECS)]
fn decode_mebibyte(bencher: Bencher<'_, '_>, name: &str) {
    decode(bencher, &Order { body: Blob::from(vec![7; 1 << 20]), ..order() }, codec(name));
}

/// A MiB that is all of a message is not copied.
#[divan::bench]
fn raw_mebibyte(bencher: Bencher<'_, '_>) {
    encode(bencher, &Raw::from(vec![7; 1 << 20]), CodecId::Bincode);
}

#[divan::bench]
fn order_as_json(bencher: Bencher<'_, '_>) {
    let (of, bytes) = (Order::describe(), order().encode(CodecId::Bincode).unwrap_or_default());
    bencher.bench_local(|| dynamic::decode(&of, black_box(&bytes), 1 << 20, Style::Line));
}

#[divan::bench]
fn order_from_json(bencher: Bencher<'_, '_>) {
    let (of, json) = (Order::describe(), serde_json::to_string(&order()).unwrap_or_default());
    bencher.bench_local(|| dynamic::encode(&of, black_box(&json), 1 << 20));
}
