//! `wireworks hls`, as its users meet it.

mod access;
mod check;
mod decoded;
mod encoder;
mod gstreamer;
mod latency;
mod live;
mod origin;
mod package;
mod play;
mod player;
mod remux;
mod rtmp;
mod simulate;
mod switches;
mod upload;

#[test]
fn the_tests_of_its_features_exist() {
    crate::support::features::tests_exist("docs/hls.md", 18);
    crate::support::features::tests_exist("docs/hls-play.md", 10);
}
