//! What renditions are called: their folders, and their names and languages for people.

use super::super::media::Input;
use super::super::rendition::About;
use crate::proto::hls::track::Track;
use crate::proto::hls::vod::language;

/// Folders that are none of renditions.
const TAKEN: &[&str] = &["keys", "thumbnails"];

/// Folders of renditions, each its own.
#[derive(Clone, Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// A folder for the input `name`, behind a word.
    pub(super) fn take(&mut self, word: &str, name: &str) -> String {
        let path = name.split(['?', '#']).next().unwrap_or(name);
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| if stem.is_empty() { file } else { stem });
        let plain =
            |char: char| if char.is_ascii_alphanumeric() || matches!(char, '_' | '-') { char } else { '-' };
        let mut stem: String = stem.chars().map(plain).collect();
        stem = stem.trim_matches('-').to_owned();
        if stem.is_empty() {
            "stream".clone_into(&mut stem);
        }
        let base = if word.is_empty() || stem.starts_with(word) { stem } else { format!("{word}-{stem}") };
        let mut folder = base.clone();
        let mut number = 2;
        while self.0.contains(&folder) || TAKEN.contains(&&*folder) {
            folder = format!("{base}-{number}");
            number += 1;
        }
        self.0.push(folder.clone());
        folder
    }
}

impl About {
    /// What is said of a rendition: by its user, or by the track itself.
    pub(super) fn of(input: &Input, track: Option<&Track>, folder: String) -> Self {
        let language = input.language.clone().or_else(|| language::tag(track?.language));
        let own = language.as_deref().and_then(language::own_name).map(str::to_owned);
        let name = input.name.clone().or(own).or_else(|| language.clone());
        let name = name.unwrap_or_else(|| match track {
            None => "Subtitles".to_owned(),
            Some(_) => "Audio".to_owned(),
        });
        Self { folder, name, language, default: input.default, forced: input.forced }
    }
}

/// Makes members of a group fit together: each has a name of its own, and not more than one is played when nobody chooses (section 4.4.6.1.1).
pub(super) fn fit_together<'a>(members: impl Iterator<Item = &'a mut About>) {
    let mut taken: Vec<String> = Vec::new();
    let mut has_default = false;
    for about in members {
        let mut name = about.name.clone();
        let mut number = 2;
        while taken.contains(&name) {
            name = format!("{} {number}", about.name);
            number += 1;
        }
        taken.push(name.clone());
        about.name = name;
        about.default &= !has_default;
        has_default |= about.default;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_by_their_inputs() {
        let mut names = Names::default();
        for (word, input, folder) in [
            ("", "films/240p.mp4", "240p"),
            ("", "other/240p.mp4", "240p-2"),
            ("", "https://example.org/a/Grün & blau.mp4?x=/y.z", "Gr-n---blau"),
            ("", "-", "stream"),
            ("", ".hidden", "hidden"),
            ("", "../..", "stream-2"),
            ("", "keys.mp4", "keys-2"),
            ("audio", "de.m4a", "audio-de"),
            ("audio", "audio-de.m4a", "audio-de-2"),
            ("subtitles", "subtitles.vtt", "subtitles"),
        ] {
            assert_eq!(names.take(word, input), folder, "{word} {input}");
        }
    }

    #[test]
    fn members_of_a_group_fit_together() {
        let about = |name: &str, default| About { name: name.to_owned(), default, ..About::default() };
        let mut all =
            [about("English", false), about("English", true), about("Deutsch", true), about("English", true)];
        fit_together(all.iter_mut());
        let expected = [
            about("English", false),
            about("English 2", true),
            about("Deutsch", false),
            about("English 3", false),
        ];
        assert_eq!(all, expected);
    }
}
