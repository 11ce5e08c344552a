//! Languages as playlists name them: by BCP 47, which wants the shortest code (RFC 5646 section 2.2.1), where MP4 has three letters (ISO 639-2/T).

use crate::proto::hls::track::Language;

/// Three letters, two letters, and the language's own name.
const KNOWN: &[(&str, &str, &str)] = &[
    ("ara", "ar", "العربية"),
    ("bul", "bg", "Български"),
    ("cat", "ca", "Català"),
    ("ces", "cs", "Čeština"),
    ("dan", "da", "Dansk"),
    ("deu", "de", "Deutsch"),
    ("ell", "el", "Ελληνικά"),
    ("eng", "en", "English"),
    ("est", "et", "Eesti"),
    ("eus", "eu", "Euskara"),
    ("fas", "fa", "فارسی"),
    ("fin", "fi", "Suomi"),
    ("fra", "fr", "Français"),
    ("gle", "ga", "Gaeilge"),
    ("heb", "he", "עברית"),
    ("hin", "hi", "हिन्दी"),
    ("hrv", "hr", "Hrvatski"),
    ("hun", "hu", "Magyar"),
    ("ind", "id", "Bahasa Indonesia"),
    ("isl", "is", "Íslenska"),
    ("ita", "it", "Italiano"),
    ("jpn", "ja", "日本語"),
    ("kor", "ko", "한국어"),
    ("lav", "lv", "Latviešu"),
    ("lit", "lt", "Lietuvių"),
    ("nld", "nl", "Nederlands"),
    ("nob", "nb", "Norsk bokmål"),
    ("nor", "no", "Norsk"),
    ("pol", "pl", "Polski"),
    ("por", "pt", "Português"),
    ("ron", "ro", "Română"),
    ("rus", "ru", "Русский"),
    ("slk", "sk", "Slovenčina"),
    ("slv", "sl", "Slovenščina"),
    ("spa", "es", "Español"),
    ("srp", "sr", "Српски"),
    ("swe", "sv", "Svenska"),
    ("tha", "th", "ไทย"),
    ("tur", "tr", "Türkçe"),
    ("ukr", "uk", "Українська"),
    ("vie", "vi", "Tiếng Việt"),
    ("zho", "zh", "中文"),
];

/// The tag of a language; `None` when it is not told.
#[must_use]
pub fn tag(language: Language) -> Option<String> {
    if language == Language::UNDETERMINED {
        return None;
    }
    let code = language.as_str();
    let short = KNOWN.iter().find(|(long, ..)| *long == code).map_or(code, |(_, short, _)| short);
    Some(short.to_owned())
}

/// What speakers call the language of a tag, if it is a common one.
#[must_use]
pub fn own_name(tag: &str) -> Option<&'static str> {
    let primary = tag.split('-').next().unwrap_or(tag);
    let known = KNOWN
        .iter()
        .find(|(long, short, _)| [*long, *short].iter().any(|code| code.eq_ignore_ascii_case(primary)));
    known.map(|(_, _, name)| *name)
}
