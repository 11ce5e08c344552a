//! What the compiler says to who makes a mistake in `service!` and `wire_types!`.
//!
//! Each case is a small file, compiled with the library that this test was linked with. Compared are the words that are ours, and the names of what is wrong:
//! what else the compiler says differs from version to version.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What stands before each case.
const HEAD: &str = "\
#![allow(unused)]
use wireworks::server::rpc::{Context, Status};
use wireworks::{service, wire_types};
wire_types! { pub struct Key { pub key: String } }
";

/// A case, and what is found in the words of the compiler.
struct Case {
    code: &'static str,
    words: &'static [&'static str],
}

/// The built library: the newest, as the others are of builds before.
fn library() -> (PathBuf, PathBuf) {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let libraries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libwireworks-") && name.ends_with(".rlib")
    });
    let newest = libraries.max_by_key(|path| path.metadata().unwrap().modified().unwrap());
    (newest.expect("the library is built"), folder)
}

/// Whether some code compiles, and what the compiler says.
fn compile(code: &str, folder: &Path) -> (bool, String) {
    let (library, dependencies) = library();
    let file = folder.join("case.rs");
    fs::write(&file, format!("{HEAD}{code}")).unwrap();
    let option = |name: &str, value: &Path| {
        let mut option = OsString::from(name);
        option.push(value);
        option
    };
    let compiled = Command::new(Path::new(env!("CARGO")).with_file_name("rustc"))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--out-dir"])
        .arg(folder)
        .arg("--extern")
        .arg(option("wireworks=", &library))
        .arg("-L")
        .arg(option("dependency=", &dependencies))
        .arg(&file)
        .output()
        .unwrap();
    (compiled.status.success(), String::from_utf8_lossy(&compiled.stderr).into_owned())
}

fn check(cases: &[Case]) {
    let folder = tempfile::tempdir().unwrap();
    for Case { code, words } in cases {
        let (compiles, said) = compile(code, folder.path());
        assert_eq!(compiles, words.is_empty(), "{code}\n{said}");
        for word in *words {
            assert!(said.contains(word), "{word:?} is not in what is said of\n{code}\n{said}");
        }
    }
}

#[test]
fn mistakes_in_a_service_are_told_in_words() {
    check(&[
        Case {
            code: "service! { pub service Kv as KvClient in kv {
                       1 => unary get(Key) -> u32, idempotent;
                       2 => bidi talk(Key) -> Key;
                   } }
                   struct Store;
                   impl Kv for Store {
                       async fn get(&self, _: Context, _: Key) -> Result<u32, Status> { Ok(1) }
                       async fn talk(
                           &self,
                           _: Context,
                           _: wireworks::server::rpc::Requests<Key>,
                       ) -> Result<wireworks::server::rpc::ResponseStream<Key>, Status> { todo!() }
                   }",
            words: &[],
        },
        Case {
            code: "service! { pub service Kv as KvClient in kv {
                       1 => unary get(Key) -> u32;
                       1 => unary put(Key) -> u32;
                   } }",
            words: &["two methods of a service have the same number"],
        },
        Case {
            code: "service! { pub service Kv as KvClient in kv { 1 => unary get(Key) -> u32, idempotnt; } }",
            words: &["unknown option of a method `idempotnt`; known: idempotent"],
        },
        Case {
            code: "service! { pub service Kv as KvClient in kv { 1 => stream get(Key) -> u32; } }",
            words: &["unknown kind of method `stream`; known: unary, server_stream, client_stream, bidi"],
        },
        Case {
            code: "pub struct Plain;
                   service! { pub service Kv as KvClient in kv { 1 => unary get(Plain) -> u32; } }",
            words: &["`Plain` cannot be a message of a call"],
        },
        Case {
            code: "service! { pub service Kv as KvClient in kv {
                       1 => unary get(Key) -> u32;
                       2 => unary put(Key) -> u32;
                   } }
                   struct Store;
                   impl Kv for Store {
                       async fn get(&self, _: Context, _: Key) -> Result<u32, Status> { Ok(1) }
                   }",
            words: &["missing", "`put`", "impl Kv for Store"],
        },
        Case {
            code: "service! { pub service Kv as KvClient in kv { 1 => unary get(Key) -> u32; } }
                   struct Store;
                   impl Kv for Store {
                       async fn get(&self, _: Context, _: String) -> Result<u32, Status> { Ok(1) }
                   }",
            words: &["`get`", "Key) ->", "String) ->"],
        },
        Case {
            code: "service! { pub service Kv as KvClient in kv { 1 => unary get(Key) -> u32; } }
                   struct Store;
                   impl Kv for Store {
                       async fn get(&self, _: Context, _: Key) -> Result<String, Status> { todo!() }
                   }",
            words: &["Result<u32, Status>", "Result<String, Status>"],
        },
    ]);
}

#[test]
fn mistakes_in_types_are_told_in_words() {
    check(&[
        Case {
            code: "wire_types! {
                       pub struct Order { pub id: u64, pub lines: Vec<Key> }
                       pub enum Event { Placed(Order), Paid { cents: u64 }, Gone }
                   }",
            words: &[],
        },
        Case {
            code: "wire_types! { pub struct Page<T> { pub items: Vec<T> } }",
            words: &["wire_types! takes structs and enums as they are usually written, but without generics"],
        },
        Case {
            code: "wire_types! { pub union Bits { a: u32 } }",
            words: &["wire_types! takes structs and enums, and `Bits` is a `union`"],
        },
        Case {
            code: "wire_types! { pub enum Level { Low = 1, High = 2 } }",
            words: &["wire_types!: `Level` needs variants, without numbers of their own"],
        },
        Case {
            code: "wire_types! { pub struct Odd { #[serde(skip)] pub key: String } }",
            words: &[
                "wire_types!: the fields of `Odd` need a type each, and take documentation but no other attributes",
            ],
        },
        Case {
            code: "wire_types! { pub struct Nothings { pub list: Vec<()> } }",
            words: &["the elements of a list, map or array need at least a byte each"],
        },
        Case { code: "wire_types! { pub struct Tree { pub children: Vec<Tree> } }", words: &["cycle"] },
    ]);
}
