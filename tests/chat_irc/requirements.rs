//! The page of requirements: a row for each case, so that none is without the other.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;

use super::TABLES;
use super::run::read;

const HEAD: &str = "\
# Requirements of the IRC door

What the specifications ask for, row by row, and the case that shows it over a socket. The cases stand in `tests/chat_irc`; this page is printed from them
(`UPDATE_CHAT_IRC=1 cargo test --test integration chat_irc::requirements`). [The chat over IRC](chat-irc.md) is for those who use it.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for name in TABLES {
        let table = read(name);
        let _ = write!(page, "\n## {}\n\n| | requirement | case of `{name}` |\n|---|---|---|\n", table.title);
        for case in table.cases {
            let _ = writeln!(page, "| {} | {} | `{}` |", case.about, case.requirement, case.name);
        }
    }
    page
}

#[test]
fn the_page_has_a_row_for_each_case() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/chat-irc-requirements.md");
    let page = page();
    if std::env::var_os("UPDATE_CHAT_IRC").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(
        found == page,
        "docs/chat-irc-requirements.md is not what the tables say: run with UPDATE_CHAT_IRC=1"
    );
}

#[test]
fn every_table_is_played_and_every_case_shows_something() {
    let files = std::fs::read_dir(super::run::folder()).unwrap().map(|entry| entry.unwrap().path());
    let tables: HashSet<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "irc"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(tables, TABLES.iter().map(|name| (*name).to_owned()).collect());
    let mut cases = 0;
    for name in TABLES {
        let mut names = HashSet::new();
        for case in read(name).cases {
            assert!(names.insert(case.name.clone()), "{name}: {} is there twice", case.name);
            let shows = |text: &str| text.contains(['<', '.', '$']) || text.contains("! ");
            assert!(case.steps.iter().any(|step| shows(&step.text)), "{name}: {} shows nothing", case.name);
            assert!(case.requirement.ends_with('.'), "{name}: {}", case.name);
            cases += 1;
        }
    }
    assert!(cases >= 250, "{cases}");
}
