//! The checkers of [`checks`], on seeds and on mutations of them: the same inputs in every run, a few seconds in all.
//!
//! `tests/data/fuzz/TARGET/` holds the seeds of a target. Those called `ok-*` have to be accepted and those called `bad-*`
//! refused; an input that once broke a promise stays there as one more seed. `TARGET.dict` holds the tokens that mutations
//! insert, in the format of libFuzzer. `fuzz/` runs the same checkers on the same seeds, under a fuzzer.

mod checks;

use std::fs;
use std::path::Path;

use checks::Dice;
use http::Version;
use wireworks::proto::http::head::BodyLength;
use wireworks::proto::http::limits::Limits;
use wireworks::proto::http::parse::parse;

/// Bytes of an input at most: what matters happens in short ones.
const LONGEST: usize = 1024;

#[test]
fn requests() {
    run("head", checks::head::check, 10_000);
}

#[test]
fn responses() {
    run("response", checks::response::check, 10_000);
}

#[test]
fn exchanges() {
    run("exchange", checks::exchange::check, 6000);
}

#[test]
fn chunked_bodies() {
    run("chunked", checks::chunked::check, 10_000);
}

#[test]
fn forms() {
    run("multipart", checks::multipart::check, 8000);
}

#[test]
fn ranges_and_preconditions() {
    run("range", checks::range::check, 15_000);
}

#[test]
fn proxy_headers() {
    run("proxy", checks::proxy::check, 20_000);
}

#[test]
fn client_hellos() {
    run("client_hello", checks::client_hello::check, 10_000);
}

#[test]
fn file_paths() {
    run("path", checks::path::check, 20_000);
}

#[test]
fn frames_of_a_websocket() {
    run("ws_frame", checks::ws::frame::check, 6000);
}

#[test]
fn messages_of_a_websocket() {
    run("ws_message", checks::ws::message::check, 3000);
}

#[test]
fn requests_for_a_websocket() {
    run("ws_handshake", checks::ws::handshake::check, 10_000);
}

#[test]
fn lines_of_irc() {
    run("irc", checks::irc::check, 6000);
}

#[test]
fn configurations_of_codecs() {
    run("hls_codec", checks::hls_codec::check, 6000);
}

#[test]
fn files_of_mp4() {
    run("hls_mp4", checks::hls_mp4::check, 1500);
}

#[test]
fn transport_streams() {
    run("hls_ts", checks::hls_ts::check, 1000);
}

#[test]
fn playlists() {
    run("hls_playlist", checks::hls_playlist::check, 4000);
}

#[test]
fn what_is_checked() {
    run("hls_check", checks::hls_check::check, 4000);
}

#[test]
fn live_renditions() {
    run("hls_live", checks::hls_live::check, 200);
}

#[test]
fn what_players_choose() {
    run("hls_remux", checks::hls_remux::check, 1000);
}

#[test]
fn publishing_by_rtmp() {
    run("rtmp", checks::rtmp::check, 3000);
}

#[test]
fn frames_of_calls() {
    run("rpc_frame", checks::rpc_frame::check, 6000);
}

#[test]
fn answers_to_calls() {
    run("rpc_answer", checks::rpc_frame::check_answers, 6000);
}

#[test]
fn payloads_of_calls() {
    run("rpc_payload", checks::rpc_payload::check, 8000);
}

#[test]
fn messages_of_sasl() {
    run("sasl", checks::sasl::check, 10_000);
}

#[test]
fn frames_as_tungstenite_has_them() {
    run("ws_differential", checks::ws::differential::check, 10_000);
}

#[test]
fn bencode() {
    run("share_bencode", checks::share::bencode::check, 4000);
}

#[test]
fn torrents() {
    run("share_metainfo", checks::share::metainfo::check, 2500);
}

#[test]
fn connections_of_peers() {
    run("share_wire", checks::share::wire::check, 2000);
}

#[test]
fn encrypted_handshakes() {
    run("share_mse", checks::share::mse::check, 100);
}

#[test]
fn datagrams_of_the_dht() {
    run("share_krpc", checks::share::krpc::check, 600);
}

#[test]
fn trackers_and_their_clients() {
    run("share_tracker", checks::share::tracker::check, 2000);
}

#[test]
fn streams_over_udp() {
    run("share_utp", checks::share::utp::check, 1500);
}

#[test]
fn magnet_links() {
    run("share_magnet", checks::share::magnet::check, 8000);
}

#[test]
fn front_ends_of_transmission() {
    run("share_transmission", checks::share::transmission::check, 4000);
}

#[test]
fn announcements_on_the_local_network() {
    run("share_lsd", checks::share::lsd::check, 6000);
}

#[test]
fn hashes_of_several_messages() {
    run("share_lanes", checks::share::lanes::check, 600);
}

/// Every combination of what the framing fields can say has the body length that the table of RFC 9112 gives it.
#[test]
fn the_framing_of_every_combination() {
    const CODINGS: [&[&str]; 12] = [
        &[],
        &["chunked"],
        &["ChunKed"],
        &[""],
        &["identity"],
        &["gzip"],
        &["gzip, chunked"],
        &["chunked, gzip"],
        &["chunked, chunked"],
        &["chunked,"],
        &["chunked", "chunked"],
        &["gzip", "chunked"],
    ];
    const LENGTHS: [&[&str]; 17] = [
        &[],
        &["0"],
        &["00"],
        &["5"],
        &["0005"],
        &["+5"],
        &["-5"],
        &["0x5"],
        &["5 5"],
        &["5, 5"],
        &["5,"],
        &[""],
        &["1073741824"],
        &["1073741825"],
        &["18446744073709551616"],
        &["5", "5"],
        &["5", "6"],
    ];
    let limits = Limits::default();
    let mut accepted = Vec::new();
    for (version, codings, lengths) in [Version::HTTP_10, Version::HTTP_11]
        .iter()
        .flat_map(|version| CODINGS.iter().map(move |codings| (version, codings)))
        .flat_map(|(version, codings)| LENGTHS.iter().map(move |lengths| (*version, *codings, *lengths)))
    {
        let mut head = format!("POST / {version:?}\r\nHost: a\r\n");
        head.extend(lengths.iter().map(|length| format!("Content-Length: {length}\r\n")));
        head.extend(codings.iter().map(|coding| format!("Transfer-Encoding: {coding}\r\n")));
        let parsed = parse(format!("{head}\r\n").into(), &limits).ok();
        let body = parsed.map(|(_, framing)| framing.body);
        let bytes = |values: &[&'static str]| values.iter().map(|value| value.as_bytes()).collect::<Vec<_>>();
        let expected =
            checks::head::framing_by_the_table(version, &bytes(codings), &bytes(lengths), limits.body);
        assert_eq!(body, expected, "{head}");
        accepted.extend(body);
    }
    let count = |wanted: BodyLength| accepted.iter().filter(|body| **body == wanted).count();
    assert_eq!(count(BodyLength::Chunked), 2);
    assert_eq!(count(BodyLength::Empty), 2 * 3);
    assert_eq!(count(BodyLength::Exactly(5)), 2 * 2);
    assert_eq!(accepted.len(), 2 + 6 + 4 + 2);
}

/// Checks the seeds of `target`, and `rounds` mutations of each (`FUZZ_ROUNDS`, if set, times as many).
fn run(target: &str, check: impl Fn(&[u8]) -> bool, rounds: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz");
    let seeds = seeds(&folder.join(target));
    let tokens = tokens(&folder.join(format!("{target}.dict")));
    for (name, seed) in &seeds {
        let accepted = told(seed, &check);
        assert_eq!(accepted, name.starts_with("ok-"), "the seed {target}/{name}");
    }
    let times = std::env::var("FUZZ_ROUNDS").map_or(1, |times| times.parse().unwrap());
    let mut dice = Dice::of(target.as_bytes());
    let mut outcomes = [0, 0];
    for _ in 0..rounds * times {
        let input = mutated(&seeds, &tokens, &mut dice);
        outcomes[usize::from(told(&input, &check))] += 1;
    }
    let rare = rounds / 50;
    assert!(outcomes[0] > rare && outcomes[1] > rare, "one-sided: {outcomes:?} refused and accepted");
}

/// Runs the checker; if it panics, the input is printed as a Rust literal.
fn told(input: &[u8], check: impl Fn(&[u8]) -> bool) -> bool {
    struct Teller<'a>(&'a [u8]);
    impl Drop for Teller<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the input was b\"{}\"", self.0.escape_ascii());
            }
        }
    }
    let _teller = Teller(input);
    check(input)
}

/// The files of a folder, by name.
fn seeds(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut seeds: Vec<_> = entries.map(|path| (name(&path), fs::read(&path).unwrap())).collect();
    seeds.sort();
    let is_named = |(name, _): &(String, _)| name.starts_with("ok-") || name.starts_with("bad-");
    assert!(seeds.len() >= 5 && seeds.iter().all(is_named), "{}", folder.display());
    seeds
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The tokens of a dictionary: lines with a quoted string, in which `\xNN`, `\\` and `\"` are escapes.
fn tokens(path: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(path).unwrap();
    let quoted = text.lines().filter(|line| line.starts_with('"'));
    let tokens: Vec<_> = quoted.map(|line| unescaped(&line[1..line.len() - 1])).collect();
    assert!(!tokens.is_empty());
    tokens
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, used) = match (first, after) {
            (b'\\', [b'x', digits @ ..]) => {
                let digits = std::str::from_utf8(&digits[..2]).unwrap();
                (u8::from_str_radix(digits, 16).unwrap(), 4)
            }
            (b'\\', [escaped, ..]) => (*escaped, 2),
            _ => (*first, 1),
        };
        bytes.push(byte);
        rest = &rest[used..];
    }
    bytes
}

/// A seed after one to four changes.
fn mutated(seeds: &[(String, Vec<u8>)], tokens: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = seeds[dice.below(seeds.len())].1.clone();
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(input.len() + 1);
        let end = (at + dice.below(12)).min(input.len());
        match dice.below(8) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            // A stretch again.
            2 => input.extend_from_within(at..end),
            3 if at < input.len() => input[at] ^= 1 << dice.below(8),
            4 if at < input.len() => input[at] = dice.next() as u8,
            // The end of another seed, or of the same.
            5 => {
                let other = &seeds[dice.below(seeds.len())].1;
                input.truncate(at);
                input.extend_from_slice(&other[dice.below(other.len() + 1)..]);
            }
            _ => {
                let token = tokens[dice.below(tokens.len())].iter().copied();
                let end = if dice.below(2) == 0 { at } else { end };
                drop(input.splice(at..end, token));
            }
        }
        input.truncate(LONGEST);
    }
    input
}

#[test]
fn dictionaries_are_read_as_the_fuzzer_reads_them() {
    assert_eq!(unescaped(r#"a\x0d\x0A\\x\"b"#), b"a\r\n\\x\"b");
}

#[test]
#[should_panic(expected = "the seed path/bad-")]
fn a_checker_that_accepts_everything_is_found() {
    run("path", |_| true, 1);
}

#[test]
#[should_panic(expected = "one-sided")]
fn mutations_that_reach_one_outcome_only_are_found() {
    let seeds = seeds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz/path"));
    let calls = std::cell::Cell::new(0);
    // Right for the seeds, which come first, and then no more.
    run(
        "path",
        |_| {
            let seed = seeds.get(calls.replace(calls.get() + 1));
            seed.is_some_and(|(name, _)| name.starts_with("ok-"))
        },
        500,
    );
}
