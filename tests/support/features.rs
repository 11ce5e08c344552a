//! The table of features in a manual names tests that there are.

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file below `dir`, with its text.
fn sources(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

/// Whether there is a test of this name, or a module of tests.
fn is_there(name: &str, sources: &[(PathBuf, String)]) -> bool {
    let Some((_, last)) = name.rsplit_once("::") else {
        return sources.iter().any(|(path, text)| {
            text.contains(&format!("fn {name}(")) || path.ends_with(format!("tests/{name}.rs"))
        });
    };
    let file = |name: &str| {
        let path = name.replace("::", "/");
        [format!("{path}.rs"), format!("{path}/mod.rs")]
    };
    let has = |name: &str, text: &str| {
        let [plain, folder] = file(name);
        sources
            .iter()
            .any(|(path, found)| (path.ends_with(&plain) || path.ends_with(&folder)) && found.contains(text))
    };
    // In a file of its own, or at the end of the file that it tests.
    has(name, "#[test]")
        || has(name, "#[tokio::test")
        || has(name.trim_end_matches("::tests"), "mod tests") && last == "tests"
        || has(name, "mod ")
}

/// Looks at the section "Features and their tests" of a page, whose table has at least so many rows.
#[track_caller]
pub(crate) fn tests_exist(page: &str, least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manual = fs::read_to_string(root.join(page)).unwrap();
    let (_, table) = manual.split_once("## Features and their tests\n").expect("the table");
    let mut all = Vec::new();
    sources(&root.join("src"), &mut all);
    sources(&root.join("tests"), &mut all);
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() >= least, "{}", rows.len());
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            let (stem, parts) = name.split_once("::{").unwrap_or((name, ""));
            let parts: Vec<_> = parts.trim_end_matches('}').split(',').collect();
            for part in parts {
                let name = if part.is_empty() { stem.to_owned() } else { format!("{stem}::{part}") };
                assert!(is_there(&name, &all), "there is no test `{name}`: {row}");
            }
        }
    }
    assert!(!is_there("a_test_that_nobody_wrote", &[]) && !is_there("balance::nowhere", &all));
}
