//! The tree in `ARCHITECTURE.md`: a fenced block behind a marker, one line a file or folder with its purpose.
//!
//! A `mod.rs` is told by its folder's line. A purpose is written once, from the file's first sentence, and then kept as
//! the document's own; so a better word there stays.

use std::collections::BTreeMap;

use super::source::File;

/// The line before the block.
const MARK: &str = "<!-- tree: UPDATE_ARCHITECTURE=1 cargo test --test integration architecture -->";
const FENCE: &str = "```";
/// How to mend what is wrong.
const ADVICE: &str =
    "run UPDATE_ARCHITECTURE=1 cargo test --test integration architecture, and read the result";
/// A purpose fits beside the names on a wide screen.
const WIDTH: usize = 88;

/// Paths, folders with a `/` at the end, with what each is for.
type Tree = BTreeMap<String, String>;

/// Complains about what the document's block and the files on disk do not share.
pub(crate) fn check(document: &str, files: &[File]) -> Vec<String> {
    let Some((_, block, _)) = cut(document) else {
        return vec![format!("ARCHITECTURE.md has no fenced block behind the line {MARK}")];
    };
    let (printed, disk) = (parse(block), on_disk(files));
    let mut complaints = Vec::new();
    for path in disk.keys().filter(|path| !printed.contains_key(*path)) {
        complaints.push(format!("ARCHITECTURE.md does not show {path}: {ADVICE}"));
    }
    for (path, purpose) in &printed {
        if !disk.contains_key(path) {
            complaints.push(format!("ARCHITECTURE.md shows {path}, which is not on disk: {ADVICE}"));
        } else if purpose.is_empty() {
            complaints.push(format!("ARCHITECTURE.md does not say what {path} is for: write it there"));
        }
    }
    if complaints.is_empty() && render(&printed) != block {
        complaints.push(format!("the tree in ARCHITECTURE.md is out of order: {ADVICE}"));
    }
    complaints
}

/// The document with its block brought up to date: the printed purposes stay, new ones come from the files.
pub(crate) fn update(document: &str, files: &[File]) -> String {
    let Some((before, block, after)) = cut(document) else {
        return document.to_owned();
    };
    let printed = parse(block);
    let kept = |path: &String| printed.get(path).filter(|purpose| !purpose.is_empty()).cloned();
    let tree =
        on_disk(files).into_iter().map(|(path, new)| (path.clone(), kept(&path).unwrap_or(new))).collect();
    format!("{before}{}{after}", render(&tree))
}

/// Splits the document around the lines between the two fences.
fn cut(document: &str) -> Option<(&str, &str, &str)> {
    let mark = document.find(MARK)?;
    let fence = mark + document[mark..].find(FENCE)?;
    let start = fence + document[fence..].find('\n')? + 1;
    let end = start + document[start..].find(FENCE)?;
    Some((&document[..start], &document[start..end], &document[end..]))
}

/// Every file and every folder, with the purpose that the file itself tells.
fn on_disk(files: &[File]) -> Tree {
    let mut tree = Tree::new();
    for file in files {
        for (at, _) in file.path.match_indices('/') {
            tree.entry(file.path[..=at].to_owned()).or_default();
        }
        match file.path.strip_suffix("mod.rs") {
            Some(folder) => tree.insert(folder.to_owned(), purpose(&file.doc)),
            None => tree.insert(file.path.clone(), purpose(&file.doc)),
        };
    }
    tree
}

/// The first sentence, without marks of code and links; a long one is cut where its list or its aside begins.
fn purpose(doc: &str) -> String {
    let sentence = doc.split(". ").next().unwrap_or(doc).trim_end_matches('.');
    let plain: String = sentence.chars().filter(|c| !matches!(c, '[' | ']' | '`')).collect();
    if plain.chars().count() <= WIDTH {
        return plain;
    }
    let last =
        |marks: &[&str]| marks.iter().filter_map(|mark| plain.find(mark)).filter(|at| *at <= WIDTH).max();
    let cut = last(&[": ", "; ", " ("]).or_else(|| last(&[", "])).unwrap_or(plain.len());
    plain[..cut].to_owned()
}

/// One line a path, indented by depth; files of a folder before its folders.
fn render(tree: &Tree) -> String {
    let mut paths: Vec<&String> = tree.keys().collect();
    paths.sort_by_key(|path| order(path));
    let label = |path: &str| {
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
        format!("{}{name}{}", "  ".repeat(depth(path)), if path.ends_with('/') { "/" } else { "" })
    };
    let width = paths.iter().map(|path| label(path).len()).max().unwrap_or(0);
    let line =
        |path: &&String| format!("{:width$}  {}", label(path), tree[*path]).trim_end().to_owned() + "\n";
    paths.iter().map(line).collect()
}

fn depth(path: &str) -> usize {
    path.trim_end_matches('/').matches('/').count()
}

/// Sorts a folder right before what is in it, and behind the files beside it.
fn order(path: &str) -> Vec<(bool, String)> {
    let parts = path.split_inclusive('/');
    parts.map(|part| (part.ends_with('/'), part.to_owned())).collect()
}

fn parse(block: &str) -> Tree {
    let mut tree = Tree::new();
    let mut folders: Vec<&str> = Vec::new();
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        let text = line.trim_start();
        let (name, purpose) = text.split_once(' ').unwrap_or((text, ""));
        folders.truncate((line.len() - text.len()) / 2);
        tree.insert(folders.concat() + name, purpose.trim().to_owned());
        if name.ends_with('/') {
            folders.push(name);
        }
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Vec<File> {
        [
            ("src/lib.rs", "//! The library. More."),
            ("src/a/mod.rs", "//! All of `a`."),
            ("src/a/z.rs", "//! The [`Z`]\n//! of a."),
            ("src/a/b/c.rs", "//! Deep."),
        ]
        .map(|(path, text)| File::read(path, text))
        .into()
    }

    fn document(block: &str) -> String {
        format!("# Title\n{MARK}\n\n```text\n{block}```\nEnd.\n")
    }

    const TREE: &str = "\
src/        sources
  lib.rs    The library
  a/        All of a
    z.rs    my own words
    b/      deeper
      c.rs  Deep
";

    #[test]
    fn the_right_tree_passes() {
        assert_eq!(check(&document(TREE), &disk()), Vec::<String>::new());
        assert_eq!(update(&document(TREE), &disk()), document(TREE));
    }

    #[test]
    fn a_difference_is_named() {
        for (from, to, sentence) in [
            ("    z.rs    my own words\n", "", "does not show src/a/z.rs"),
            ("z.rs  ", "y.rs  ", "shows src/a/y.rs, which is not on disk"),
            ("my own words", "", "does not say what src/a/z.rs is for"),
            ("z.rs    ", "z.rs  ", "out of order"),
        ] {
            let complaints = check(&document(&TREE.replace(from, to)), &disk());
            assert!(complaints.iter().any(|text| text.contains(sentence)), "{sentence}: {complaints:?}");
        }
        assert!(check("# Title", &disk())[0].contains("no fenced block"));
    }

    #[test]
    fn an_update_keeps_words_and_fills_gaps() {
        let old = "src/  sources\n  gone.rs  Old\n  a/\n    z.rs  my own words\n";
        let expected = TREE.replace("b/      deeper", "b/");
        assert_eq!(update(&document(old), &disk()), document(&expected));
    }

    #[test]
    fn a_long_sentence_is_cut_where_its_list_begins() {
        let long = "long, ".repeat(30);
        for (doc, expected) in [
            (format!("Short, and {long}"), "Short"),
            (format!("Lists: {long}"), "Lists"),
            (format!("Both, one (an aside; {long})"), "Both, one (an aside"),
            ("Short: a, b".to_owned(), "Short: a, b"),
        ] {
            assert_eq!(purpose(&doc), expected);
        }
    }
}
