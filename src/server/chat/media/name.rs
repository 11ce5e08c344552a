//! What a sender calls a file, made fit to be shown and saved: never a path.

/// Bytes of a name at most, as file systems have it.
pub const MAX_NAME: usize = 255;

/// What a file without a usable name is called.
const NAMELESS: &str = "file";

/// The last part of `name`, without characters that move, hide or reorder text, with its ends trimmed, and at most [`MAX_NAME`] bytes long, its
/// extension kept. `file` if nothing is left.
#[must_use]
pub fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible: String = last.chars().filter(|c| !c.is_control() && !is_deceptive(*c)).collect();
    let trimmed = visible.trim().trim_matches('.').trim();
    if trimmed.is_empty() { NAMELESS.to_owned() } else { shortened(trimmed) }
}

/// Characters without a shape of their own: they reorder what stands around them (`gpj.exe` is shown as `exe.jpg`), break lines, or cannot be seen.
fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

fn shortened(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    /// Bytes of an extension, with its dot, that are worth keeping.
    const EXTENSION: usize = 16;
    let extension =
        name.rfind('.').map(|at| &name[at..]).filter(|text| text.len() <= EXTENSION).unwrap_or_default();
    let stem = &name[..name.len() - extension.len()];
    let end = stem.floor_char_boundary(MAX_NAME - extension.len());
    format!("{}{extension}", &stem[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_paths_nor_tricks() {
        let long = format!("{}.jpeg", "\u{e4}".repeat(200));
        for (name, clean) in [
            ("cat.jpg", "cat.jpg"),
            ("My holiday, day 1.png", "My holiday, day 1.png"),
            ("Übung.pdf", "Übung.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\cat.jpg", "cat.jpg"),
            ("/", "file"),
            ("..", "file"),
            (".bashrc", "bashrc"),
            ("  a \r\nSet-Cookie: b  ", "a Set-Cookie: b"),
            ("invoice\u{202e}gpj.exe", "invoicegpj.exe"),
            ("a\u{200b}b\0c", "abc"),
            ("", "file"),
            ("\u{1f468}\u{200d}\u{1f469}.gif", "\u{1f468}\u{200d}\u{1f469}.gif"),
        ] {
            assert_eq!(clean_name(name), clean, "{name:?}");
        }
        let short = clean_name(&long);
        assert!(
            short.len() <= MAX_NAME && short.len() > MAX_NAME - 4 && short.ends_with("\u{e4}.jpeg"),
            "{short}"
        );
        let endless = clean_name(&format!("a.{}", "b".repeat(400)));
        assert_eq!(endless.len(), MAX_NAME);
    }
}
