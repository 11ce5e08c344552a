//! The page with the checklist names the tests that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The tests in the files of this directory and of the one above, as `file::test`.
fn tests() -> BTreeSet<String> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut tests = BTreeSet::new();
    for entry in [above.join("http"), above].iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        for after in text.split("#[test]\nfn ").skip(1) {
            tests.insert(format!("{file}::{}", after.split('(').next().unwrap()));
        }
    }
    tests
}

#[test]
fn each_point_has_a_row_and_each_row_its_tests() {
    let page = include_str!("../../docs/http.md");
    let (_, page) = page.split_once("## HTTP/1.1, point by point\n").expect("its chapter");
    let (mut tests, all) = (tests(), tests());
    let mut number = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [point, _, proof] = cells[..] else {
            panic!("not three cells: {row}");
        };
        number += 1;
        assert_eq!(point.parse(), Ok(number), "{row}");
        let named: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty() || proof.starts_with("not met: "), "{row}");
        for test in named {
            assert!(all.contains(test), "{test} is no test: {row}");
            tests.remove(test);
        }
    }
    assert_eq!(number, 103);
    tests.retain(|test| {
        test.split("::")
            .nth(1)
            .is_some_and(|name| name.starts_with('p') && name.as_bytes()[1].is_ascii_digit())
    });
    assert!(tests.is_empty(), "in no row: {tests:?}");
}
