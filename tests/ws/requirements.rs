//! The chapter with the requirements names the tests that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The tests of a file, each with `path` in front.
fn tests_of(file: &Path, path: &str, into: &mut BTreeSet<String>) {
    let text = fs::read_to_string(file).unwrap();
    // `mod tests { .. }` within the file, or a file of its own.
    let module = if text.contains("\nmod tests {") { "::tests" } else { "" };
    for after in text.split("#[test]").chain(text.split("#[tokio::test")).filter(|after| !after.is_empty()) {
        let function = after.lines().nth(1).unwrap_or_default().trim_start();
        let function = function.strip_prefix("async ").unwrap_or(function);
        if let Some(name) = function.strip_prefix("fn ").and_then(|rest| rest.split('(').next()) {
            into.insert(format!("{path}{module}::{name}"));
        }
    }
}

/// The source files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The tests in `tests/ws`, as `file::test`, and those beside the code, as cargo calls them.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for file in files(&root.join("tests/ws")) {
        tests_of(&file, file.file_stem().unwrap().to_str().unwrap(), &mut tests);
    }
    let source = root.join("src");
    for folder in ["proto/ws", "server/ws"] {
        for file in files(&source.join(folder)) {
            let within = file.strip_prefix(&source).unwrap().with_extension("");
            let parts: Vec<_> = within.iter().map(|part| part.to_str().unwrap()).collect();
            let path = parts.join("::");
            tests_of(&file, path.strip_suffix("::mod").unwrap_or(&path), &mut tests);
        }
    }
    tests
}

#[test]
fn each_requirement_has_a_row_and_each_row_its_tests() {
    let page = include_str!("../../docs/websocket.md");
    let (_, page) = page.split_once("\n## Requirements\n").expect("its chapter");
    let all = tests();
    let mut left = all.clone();
    let mut number = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [point, _, _, proof] = cells[..] else {
            panic!("not four cells: {row}");
        };
        number += 1;
        assert_eq!(point.parse(), Ok(number), "{row}");
        let named: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{row}");
        for test in named {
            assert!(all.contains(test), "{test} is no test: {row}");
            left.remove(test);
        }
    }
    assert_eq!(number, 80);
    left.retain(|test| test.split("::").count() == 2 && !test.starts_with("requirements::"));
    assert!(left.is_empty(), "in no row: {left:?}");
}
