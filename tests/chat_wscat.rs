//! The walk-through of `docs/chat.md`, typed line by line into wscat: what the page shows is what wscat prints.

use std::path::Path;

use crate::support::command::{stop, wireworks};
use crate::support::tool::Tool;

/// Where the page says that the server listens.
const SHOWN: &str = "127.0.0.1:8082";

/// The server's command and the lines behind wscat's, of the page.
fn walk() -> (Vec<String>, Vec<String>, Vec<String>) {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/chat.md")).unwrap();
    let words = |line: &str| line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let serve = page.lines().find(|line| line.starts_with("wireworks chat serve --data")).unwrap();
    let block = page.split("```\n").find(|block| block.starts_with("wscat ")).unwrap();
    let mut lines = block.lines();
    let wscat = words(lines.next().unwrap());
    (words(serve), wscat, lines.map(str::to_owned).collect())
}

/// A line of the page as the pieces that stand still: between them is anything, as where the page has `...`, a ULID or a time.
fn pieces(line: &str) -> Vec<String> {
    let still = |piece: &str| {
        let mut words: Vec<String> = Vec::new();
        for letter in piece.chars() {
            let letter_goes_on = |word: &String| {
                letter.is_ascii_alphanumeric() && word.ends_with(|last: char| last.is_ascii_alphanumeric())
            };
            match words.last_mut().filter(|word| letter_goes_on(word)) {
                Some(word) => word.push(letter),
                None => words.push(letter.to_string()),
            }
        }
        let varies = |word: &str| {
            let digits = word.chars().all(|letter| letter.is_ascii_digit());
            (digits && word.len() == 13) || (word.len() == 26 && word.starts_with("01"))
        };
        words.iter().map(|word| if varies(word) { "..." } else { word }).collect::<String>()
    };
    let line = still(line);
    line.split("...").map(str::to_owned).collect()
}

/// Whether `said` is the line, from its beginning to its end.
fn is(pieces: &[String], said: &str) -> bool {
    let [first, middle @ .., last] = pieces else { return pieces.iter().all(|piece| piece == said) };
    let Some(mut rest) = said.strip_prefix(first.as_str()) else { return false };
    for piece in middle {
        let Some(at) = rest.find(piece.as_str()) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last.as_str())
}

#[test]
fn wscat_says_and_hears_what_the_page_shows() {
    let (serve, arguments, lines) = walk();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chat").display().to_string();
    let serve = serve.iter().map(|word| if word == "./chat" { data.as_str() } else { word });
    let mut server = wireworks(&serve.chain(["--listen", "127.0.0.1:0"]).collect::<Vec<_>>());
    let address = server.address("chat").to_string();
    let arguments = arguments.iter().map(|word| word.replace(SHOWN, &address));
    let mut wscat = Tool::installed("node_modules/.bin/wscat").args(arguments).start_typing();
    let mut expected = Vec::new();
    for line in &lines {
        match line.split_at_checked(2) {
            Some(("< ", line)) => {
                let line = pieces(line);
                // Each line has something in it that none before it has.
                let longest = line.iter().max_by_key(|piece| piece.len()).unwrap();
                wscat.wait_for_stdout(longest);
                expected.push(line);
            }
            Some(("> ", line)) => wscat.types(line),
            _ => panic!("neither said nor heard: {line}"),
        }
    }
    assert!(expected.len() >= 5, "{lines:?}");
    wscat.leaves();
    let ended = wscat.wait();
    let heard = ended.text();
    // In front of some lines there is its prompt.
    let bare = heard.lines().map(|line| line.trim_start_matches("> "));
    let heard: Vec<&str> = bare.filter(|line| !line.is_empty()).collect();
    assert_eq!(heard.len(), expected.len(), "{heard:#?}");
    for (line, said) in expected.iter().zip(&heard) {
        assert!(is(line, said), "the page has\n{}\nand wscat prints\n{said}", line.join("..."));
    }
    stop(server);
}

#[test]
fn a_line_is_compared_from_its_beginning_to_its_end() {
    for (page, said, same) in [
        ("{\"t\":\"ok\",\"seq\":3}", "{\"t\":\"ok\",\"seq\":3}", true),
        ("{\"t\":\"ok\",\"seq\":3}", "{\"t\":\"ok\",\"seq\":33}", false),
        ("{\"t\":\"ok\",\"seq\":3}", "{\"t\":\"ok\",\"seq\":3} ", false),
        ("{\"a\":1,...,\"z\":2}", "{\"a\":1,\"b\":{},\"z\":2}", true),
        ("{\"a\":1,...,\"z\":2}", "{\"a\":1,\"b\":{},\"z\":3}", false),
        ("{\"a\":{\"b\":1,...}}", "{\"a\":{\"b\":1,\"c\":{\"d\":2}}}", true),
        ("{\"a\":1,...,\"z\":2}", "{\"a\":2,\"b\":{},\"z\":2}", false),
        ("{\"at\":1795358897496,\"x\":1}", "{\"at\":1895358897111,\"x\":1}", true),
        ("{\"id\":\"01M81VNDARFAKAWWMGN0QX5EEC\"}", "{\"id\":\"01N81VNDARFAKAWWMGN0QX5AAA\"}", true),
        ("{\"id\":\"short\"}", "{\"id\":\"other\"}", false),
    ] {
        assert_eq!(is(&pieces(page), said), same, "{page} {said}");
    }
}
