//! What is chosen of what there is.

use super::super::options::Wanted;
use super::super::program::{Program, ProgramError};
use crate::proto::hls::playlist::read::Playlist;
use crate::proto::hls::playlist::variables::Variables;

fn program(text: &str, wanted: &Wanted) -> Result<Program, ProgramError> {
    let uri = "http://server/a/master.m3u8".parse().unwrap();
    match Playlist::read(text.as_bytes(), Variables::default()).unwrap() {
        Playlist::Multivariant(playlist) => Program::of(&playlist, &uri, wanted),
        Playlist::Media(_) => panic!("variants"),
    }
}

/// The levels, with where their paths lead.
fn told(program: &Program) -> Vec<String> {
    let place = |id: usize| program.renditions[id].path().trim_start_matches("/a/").to_owned();
    let level = |level: &super::super::program::Level| {
        let paths = level.paths.iter().map(|path| match path.audio {
            Some(audio) => format!("{}+{}", place(path.main), place(audio)),
            None => place(path.main),
        });
        format!("{} {}: {}", level.name, level.rate, paths.collect::<Vec<_>>().join(" "))
    };
    program.levels.iter().map(level).collect()
}

const ALL: &str = "#EXTM3U\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"lo\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,URI=\"en-lo.m3u8\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"lo\",NAME=\"Deutsch\",LANGUAGE=\"de-AT\",AUTOSELECT=YES,URI=\"de-lo.m3u8\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"hi\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,URI=\"en-hi.m3u8\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"hi\",NAME=\"Deutsch\",LANGUAGE=\"de-AT\",AUTOSELECT=YES,URI=\"de-hi.m3u8\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=1500000,CODECS=\"avc1.4d401f,mp4a.40.2\",RESOLUTION=1280x720,AUDIO=\"hi\"\n720.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=600000,CODECS=\"avc1.42c01e, mp4a.40.2\",RESOLUTION=640x360,AUDIO=\"lo\"\n360.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=600000,CODECS=\"avc1.42c01e,mp4a.40.2\",RESOLUTION=640x360,AUDIO=\"lo\"\nhttp://backup/360.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=400000,CODECS=\"hvc1.1.6.L90.90,mp4a.40.2\",RESOLUTION=640x360,AUDIO=\"lo\"\n360-hevc.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.2\",AUDIO=\"lo\"\nen-lo.m3u8\n";

#[test]
fn one_coding_is_played_and_sound_goes_with_it() {
    let wanted = Wanted::default();
    let found = program(ALL, &wanted).unwrap();
    assert_eq!(
        told(&found),
        ["360p 600: 360.m3u8+en-lo.m3u8 /360.m3u8+en-lo.m3u8", "720p 1500: 720.m3u8+en-hi.m3u8"]
    );
    let found = program(ALL, &Wanted { codec: Some("hvc1".into()), ..wanted.clone() }).unwrap();
    assert_eq!(told(&found), ["360p 400: 360-hevc.m3u8+en-lo.m3u8"]);
    for name in ["de", "de-AT", "deutsch"] {
        let found = program(ALL, &Wanted { audio: Some(name.into()), ..wanted.clone() }).unwrap();
        assert!(told(&found)[1].ends_with("720.m3u8+de-hi.m3u8"), "{name}");
    }
    for (least, most, levels) in [
        (None, Some(600.0), vec!["360p"]),
        (None, Some(1.0), vec!["360p"]),
        (Some(601.0), None, vec!["720p"]),
        (Some(9000.0), None, vec!["720p"]),
        (Some(1.0), Some(9000.0), vec!["360p", "720p"]),
    ] {
        let found = program(ALL, &Wanted { least, most, ..wanted.clone() }).unwrap();
        let names: Vec<&str> = found.levels.iter().map(|level| level.name.as_str()).collect();
        assert_eq!(names, levels, "{least:?} {most:?}");
    }
}

#[test]
fn what_is_not_there_is_told() {
    let error = |wanted| program(ALL, &wanted).unwrap_err().to_string();
    let codec = error(Wanted { codec: Some("av01".into()), ..Wanted::default() });
    assert_eq!(codec, "no variant has video that is coded as av01");
    let audio = error(Wanted { audio: Some("fr".into()), ..Wanted::default() });
    assert_eq!(audio, "there is no sound called \"fr\"; there is \"English\", \"Deutsch\"");
    let nothing = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=0\na.m3u8\n";
    assert_eq!(program(nothing, &Wanted::default()), Err(ProgramError::Empty));
}

#[test]
fn sound_alone_and_sound_within() {
    let alone = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"A\",DEFAULT=YES,URI=\"a.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.2\",AUDIO=\"a\"\na.m3u8\n";
    assert_eq!(told(&program(alone, &Wanted::default()).unwrap()), ["64 kb/s 64: a.m3u8"]);
    let within = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"A\",DEFAULT=YES\n\
        #EXT-X-STREAM-INF:BANDWIDTH=64000,AUDIO=\"a\"\nv.m3u8\n";
    assert_eq!(told(&program(within, &Wanted::default()).unwrap()), ["64 kb/s 64: v.m3u8"]);
}
