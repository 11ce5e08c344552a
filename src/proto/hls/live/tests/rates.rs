//! What is told of how much a stream needs.

use super::*;

#[test]
fn what_is_told_of_bandwidth_holds_for_what_comes_and_never_falls() {
    let mut stage = Stage::new(Settings { history: History::Sliding(Duration::from_secs(6)), ..long() });
    stage.push(0, Feed::Tracks(USUAL.tracks())).unwrap();
    let mut told = Vec::new();
    // Kilobytes of a picture in each stretch of ten seconds.
    let sizes = [8, 9, 7, 9, 3, 20, 21, 1];
    for (at, feed) in (Encoder { has_sound: false, ..USUAL }).feed(80 * SECOND) {
        let Feed::Sample { track, sample, .. } = feed else { continue };
        let data = Bytes::from(vec![0; 1000 * sizes[usize::try_from(at / SECOND / 10).unwrap()]]);
        stage.push(at, Feed::Sample { track, sample, data }).unwrap();
        let (bandwidth, average) = stage.rendition.rates();
        assert!(bandwidth >= average);
        if bandwidth > 0 && told.last() != Some(&bandwidth) {
            told.push(bandwidth);
        }
    }
    // 8 kB of 25 pictures a second are 1.6 Mb/s, and 20 kB are 4: two digits, and no more than what a tremble would bring.
    assert_eq!(told.len(), 2, "{told:?}");
    assert!((2_000_000..=2_100_000).contains(&told[0]) && told[0] % 100_000 == 0, "{told:?}");
    // The segment in which it grows is measured first, and may be of both sizes.
    assert!((4_200_000..=5_300_000).contains(&told[1]), "{told:?}");
}
