//! The walls of the house, proved: this test reads every source file and says where misplaced code belongs.
//!
//! The rules stand in [`rules`], as tables; what is read of a file in [`source`]; the tree that `ARCHITECTURE.md`
//! prints in [`tree`]. After adding, moving or removing a file, bring the printed tree up to date with
//!
//! ```sh
//! UPDATE_ARCHITECTURE=1 cargo test --test integration architecture
//! ```

mod rules;
mod source;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use source::File;

/// The folder of the crate.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file under `folder`, read, in the order of their paths.
fn files(folder: &Path) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push(File::read(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The crates that the library depends on, as code writes their names.
fn dependencies() -> Vec<String> {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

fn complain(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n\n{}\n", complaints.join("\n"));
}

#[test]
fn every_line_of_code_is_in_its_room() {
    let files = files(&root().join("src"));
    assert!(files.len() > 10, "the sources were not found");
    complain(&rules::check(&files, &dependencies()));
    complain(&rules::needless(&files));
}

#[test]
fn the_tree_in_the_document_is_the_tree_on_disk() {
    let document = root().join("ARCHITECTURE.md");
    let text = fs::read_to_string(&document).unwrap();
    let files = files(&root().join("src"));
    if std::env::var_os("UPDATE_ARCHITECTURE").is_some() {
        fs::write(&document, tree::update(&text, &files)).unwrap();
    }
    complain(&tree::check(&fs::read_to_string(&document).unwrap(), &files));
}
