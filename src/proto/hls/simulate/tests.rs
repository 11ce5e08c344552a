//! Traces, networks and sessions against what can be worked out by hand.

use super::*;
use crate::proto::hls::abr::{Abr, Algorithm, Choice, Ewma, HALF_LIVES, Ladder, Situation};

fn trace(periods: &[(f64, f64, f64)]) -> Trace {
    let period = |&(time, bandwidth, latency): &(f64, f64, f64)| Period { time, bandwidth, latency };
    Trace::new(periods.iter().map(period).collect()).unwrap()
}

/// Segments of a second, of exactly their rate.
fn film(rates: &[f64], segments: usize) -> Manifest {
    let ladder = Ladder::new(1000.0, rates.to_vec()).unwrap();
    let row: Vec<f64> = rates.iter().map(|rate| rate * 1000.0).collect();
    Manifest::new(ladder, vec![row; segments]).unwrap()
}

#[test]
fn traces_have_three_forms() {
    let json = r#"[{"duration_ms": 500, "bandwidth_kbps": 2000, "latency_ms": 30}, {"duration_ms": 1500, "bandwidth_kbps": 0, "latency_ms": 0}]"#;
    assert_eq!(Trace::parse(json).unwrap(), trace(&[(500.0, 2000.0, 30.0), (1500.0, 0.0, 0.0)]));
    let columns = "# seconds, Mb/s\n10 2.5\n\n10.5 1 # less\n12.5 0\n";
    let expected = trace(&[(500.0, 2500.0, LATENCY), (2000.0, 1000.0, LATENCY), (2000.0, 0.0, LATENCY)]);
    assert_eq!(Trace::parse(columns).unwrap(), expected);
    // Two packets of 1500 bytes in the first half of a second, none in the second, one in the third.
    let packets = "0\n499\n1100\n";
    let expected = trace(&[(500.0, 48.0, LATENCY), (500.0, 0.0, LATENCY), (500.0, 24.0, LATENCY)]);
    assert_eq!(Trace::parse(packets).unwrap(), expected);
    assert_eq!(expected.time(), 1500.0);
}

#[test]
fn what_is_no_trace_is_told_with_its_line() {
    let rows = [
        ("", "the trace is empty"),
        ("# nothing\n\n", "the trace is empty"),
        ("[]", "the trace is empty"),
        ("1 2\n2 x\n", "line 2: not two numbers"),
        ("1 2\n\n2 3 4\n", "line 3: not two numbers"),
        ("1 2\n1 3\n", "line 2: a time that is not after"),
        ("1 2\n2 -1\n", "line 2: a negative rate"),
        ("1 inf\n2 1\n", "line 1: not two numbers"),
        ("1 0\n2 0\n", "nothing gets through"),
        ("5\n4\n", "line 2: a time that is before"),
        ("-5\n", "line 1: a time that is before"),
        ("5\nNaN\n", "line 2: not a number"),
        ("1e300\n", "more than"),
        ("[{\"duration_ms\": 1}]", "at line 1"),
        ("[\n{\"duration_ms\": 0, \"bandwidth_kbps\": 1, \"latency_ms\": 1}]", "period 1: its duration"),
        ("[{\"duration_ms\": 1, \"bandwidth_kbps\": -1, \"latency_ms\": 1}]", "period 1: its bandwidth"),
        ("[{\"duration_ms\": 1, \"bandwidth_kbps\": 1, \"latency_ms\": -1}]", "period 1: its latency"),
        ("{}", "invalid type"),
    ];
    for (text, expected) in rows {
        let error = Trace::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn what_is_no_manifest_is_refused() {
    let rows = [
        ("{", "EOF"),
        (
            r#"{"segment_duration_ms": 0, "bitrates_kbps": [1], "segment_sizes_bits": [[1]]}"#,
            "segments of 0 ms",
        ),
        (r#"{"segment_duration_ms": 1, "bitrates_kbps": [], "segment_sizes_bits": [[]]}"#, "no rendition"),
        (
            r#"{"segment_duration_ms": 1, "bitrates_kbps": [2, 2], "segment_sizes_bits": [[1, 1]]}"#,
            "2 kb/s behind",
        ),
        (r#"{"segment_duration_ms": 1, "bitrates_kbps": [-2], "segment_sizes_bits": [[1]]}"#, "a rate of -2"),
        (
            r#"{"segment_duration_ms": 1, "bitrates_kbps": [1, 2], "segment_sizes_bits": [[1, 1], [1]]}"#,
            "segment 1 has 1 sizes for 2",
        ),
        (r#"{"segment_duration_ms": 1, "bitrates_kbps": [1], "segment_sizes_bits": [[0]]}"#, "a size of 0"),
        (r#"{"segment_duration_ms": 1, "bitrates_kbps": [1], "segment_sizes_bits": []}"#, "0 segments"),
    ];
    for (text, expected) in rows {
        let error = Manifest::from_json(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_download_crosses_periods() {
    let film = film(&[100.0, 1000.0], 1);
    let trace = trace(&[(1000.0, 1000.0, 100.0), (1000.0, 0.0, 100.0), (1000.0, 500.0, 100.0)]);
    let mut network = Network::new(&trace, film.ladder());
    assert_eq!(network.carried(), 0, "1000 kb/s less a tenth for the latency carry no 1000");
    // 100 ms of latency, 900 ms at 1000, a second of nothing, 100 ms at 500.
    let (progress, none) = network.download(1, 950_000.0, None);
    assert_eq!((progress.time, progress.to_first_bit, none), (2100.0, 100.0, None));
    assert_eq!(network.now(), 2100.0);
    // It begins again from the start.
    network.wait(1000.0);
    assert_eq!((network.now(), network.bandwidth()), (3100.0, 1000.0));
}

#[test]
fn a_download_is_looked_at_and_given_up() {
    let film = film(&[100.0, 1000.0], 1);
    let trace = trace(&[(10_000.0, 100.0, 20.0)]);
    let mut network = Network::new(&trace, film.ladder());
    let mut looks = Vec::new();
    let mut look = |progress: &crate::proto::hls::abr::Progress| {
        looks.push((progress.time, progress.downloaded));
        (progress.downloaded >= 36_000.0).then_some(0)
    };
    let (progress, lower) = network.download(1, 1e6, Some(&mut look));
    // Each 12,000 bits, which take longer than 50 ms.
    assert_eq!(looks, [(140.0, 12_000.0), (260.0, 24_000.0), (380.0, 36_000.0)]);
    assert_eq!((progress.downloaded, lower), (36_000.0, Some(0)));
}

/// Says what it is told to say.
#[derive(Debug)]
struct Script(Vec<usize>);

impl Abr for Script {
    fn choose(&mut self, now: &Situation<'_>) -> Choice {
        Choice::now(self.0[now.index])
    }
}

#[test]
fn a_session_is_what_can_be_worked_out_by_hand() {
    // 1000 kb/s: a segment of 500 kb/s takes 0.5 s, one of 1500 takes 1.5 s.
    let film = film(&[500.0, 1500.0], 4);
    let trace = trace(&[(100_000.0, 1000.0, 0.0)]);
    let mut average = Ewma::new(HALF_LIVES, 1000.0);
    let settings = Settings { buffer: 10_000.0, steps: true, ..Settings::default() };
    let outcome = run_with(&film, &trace, &mut Script(vec![0, 1, 0, 1]), &mut average, settings);
    // 0.5 s until the first picture; then a stall of 0.5 s while 1.5 s are loaded, and one of 1.5 - 1.5 s.
    assert_eq!((outcome.startup, outcome.stalled, outcome.stalls), (500.0, 500.0, 1));
    assert_eq!(outcome.time, 5000.0);
    assert_eq!((outcome.bitrate, outcome.change, outcome.switches), (4000.0, 3000.0, 3));
    assert_eq!(outcome.average_bitrate(), 800.0);
    assert_eq!(outcome.rebuffer_ratio(), 0.1);
    let weights = Weights { change: 1.0, stall: 4.0, startup: 2.0 };
    assert!((outcome.linear(weights) - (4.0 - 3.0 - 2.0 - 1.0) / 4.0).abs() < 1e-12);
    let utility = 2.0 * 3.0_f64.ln();
    assert!((outcome.score() - (utility - 5.0 * 0.5) / 5.0).abs() < 1e-12);
    let at: Vec<f64> = outcome.steps.iter().map(|step| step.at).collect();
    assert_eq!(at, [500.0, 2000.0, 2500.0, 4000.0]);
}

#[test]
fn no_algorithm_hangs_or_asks_for_what_there_is_not() {
    let films = [film(&[500.0], 12), film(&[300.0, 1000.0, 3000.0, 9000.0], 40), film(&[5.0, 50_000.0], 30)];
    let traces = [
        trace(&[(3000.0, 0.0, 10.0), (10.0, 100_000.0, 0.0)]),
        trace(&[(1.0, 1e9, 0.0)]),
        trace(&[(777.0, 2500.0, 40.0), (333.0, 120.0, 900.0)]),
    ];
    for film in &films {
        for trace in &traces {
            for algorithm in Algorithm::ALL {
                for (buffer, live, replace) in [
                    (25_000.0, None, None),
                    (3_000.0, Some(2_000.0), None),
                    (10_000.0, None, Some(crate::proto::hls::abr::Strategy::First)),
                    (500.0, None, Some(crate::proto::hls::abr::Strategy::Last)),
                ] {
                    let settings = Settings { buffer, live, replace, ..Settings::default() };
                    let outcome = run(film, trace, algorithm, settings);
                    let figures =
                        [outcome.score(), outcome.average_bitrate(), outcome.time, outcome.reaction];
                    assert!(figures.iter().all(|figure| figure.is_finite()), "{algorithm} {outcome:?}");
                    let played = outcome.time - outcome.stalled - outcome.startup;
                    let long = film.segments().len() as f64 * 1000.0;
                    assert!((played - long).abs() < 1e-3, "{algorithm}: {played} of {long}");
                }
            }
        }
    }
}

#[test]
fn a_live_stream_is_not_loaded_before_it_is_there() {
    let film = film(&[500.0], 20);
    let trace = trace(&[(1000.0, 1e6, 0.0)]);
    let settings = Settings { live: Some(4_000.0), steps: true, ..Settings::default() };
    let outcome = run(&film, &trace, Algorithm::Throughput, settings);
    assert_eq!(outcome.stalls, 0);
    for (segment, step) in outcome.steps.iter().enumerate() {
        assert!(step.at >= (segment as f64 + 1.0) * 1000.0 - 4_000.0, "{segment}: {step:?}");
        assert!(step.level <= 4_000.0, "{step:?}");
    }
}
