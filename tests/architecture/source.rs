//! What the rules look at in a source file: the paths it names, without comments, strings and tests.
//!
//! A small lexer, not a parser: it knows comments, literals, `use` trees and items under `#[cfg(test)]`, which is all
//! that is needed to tell a mention of `tokio` in code from one in a sentence.

/// A source file, as the rules see it.
pub(crate) struct File {
    /// Below the crate's folder, such as `src/net/conn.rs`.
    pub(crate) path: String,
    /// Lines, tests apart.
    pub(crate) lines: usize,
    /// The first paragraph of the `//!` comment, on one line; empty when there is none.
    pub(crate) doc: String,
    /// Every path and every single name in the code.
    pub(crate) names: Vec<Name>,
}

/// A path in code, `std::fs::File`, or a name alone, or a call of a method, `.elapsed`.
#[derive(Debug, PartialEq)]
pub(crate) struct Name {
    pub(crate) line: usize,
    /// Whether a `use` declaration says it.
    pub(crate) import: bool,
    pub(crate) segments: Vec<String>,
}

impl File {
    /// Reads the file at `path` with the content `text`.
    pub(crate) fn read(path: &str, text: &str) -> Self {
        let all = text.lines().count();
        let (tokens, tested) = without_tests(tokens(text));
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        Self {
            path: path.to_owned(),
            lines: if is_test { 0 } else { all - tested },
            doc: doc(text),
            names: if is_test { Vec::new() } else { names(&tokens) },
        }
    }

    /// The path of the module, `["net", "tls"]` for `src/net/tls/mod.rs`.
    pub(crate) fn module(&self) -> Vec<String> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let path = path.trim_end_matches("/mod");
        path.split('/').filter(|part| !matches!(*part, "lib" | "main")).map(str::to_owned).collect()
    }
}

impl Name {
    /// Whether `pattern`, such as `std::fs`, stands anywhere in the path. A pattern that ends with `::` asks that
    /// something follows, so that a variable of that name is not meant.
    pub(crate) fn mentions(&self, pattern: &str) -> bool {
        let wanted: Vec<&str> = pattern.split("::").filter(|part| !part.is_empty()).collect();
        let more = usize::from(pattern.ends_with("::"));
        self.segments
            .windows(wanted.len() + more)
            .any(|window| wanted.iter().zip(window).all(|(a, b)| a == b))
    }

    /// The path from the crate's root, when the path leads into the crate, said in a file of module `module`.
    pub(crate) fn within(&self, module: &[String]) -> Option<Vec<String>> {
        let mut base = module.to_vec();
        let mut rest = &self.segments[..];
        match rest.first()?.as_str() {
            "crate" | "wireworks" => base.clear(),
            "self" => {}
            "super" => {
                while let Some(("super", after)) =
                    rest.split_first().map(|(first, after)| (first.as_str(), after))
                {
                    base.pop();
                    rest = after;
                }
                return Some([&base, rest].concat());
            }
            _ => return None,
        }
        Some([&base, &rest[1..]].concat())
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.segments.join("::"))
    }
}

/// The first paragraph of the module's documentation.
fn doc(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[derive(Clone, Debug, PartialEq)]
struct Token {
    line: usize,
    text: String,
}

/// Splits `text` into words, `::` and single marks; comments vanish, literals become `"`.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (length, token) = lex(rest, first);
        if let Some(text) = token {
            tokens.push(Token { line, text: text.to_owned() });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The length of what stands at the start of `rest`, and its token if it is one.
fn lex(rest: &str, first: char) -> (usize, Option<&str>) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    if let Some(length) = string(rest).or_else(|| character(rest)) {
        return (length, Some("\""));
    }
    if rest.starts_with("::") {
        return (2, Some("::"));
    }
    let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    match word {
        0 => (first.len_utf8(), (!first.is_whitespace()).then(|| &rest[..first.len_utf8()])),
        _ => (word, Some(&rest[..word])),
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        let step = if here.starts_with(b"/*") {
            depth += 1;
            2
        } else if here.starts_with(b"*/") {
            depth -= 1;
            2
        } else {
            1
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string literal at the start, plain, raw, of bytes or of C.
fn string(rest: &str) -> Option<usize> {
    if !rest.starts_with(['"', 'b', 'c', 'r']) {
        return None;
    }
    let prefix =
        rest.find(['"', '#']).filter(|&at| matches!(&rest[..at], "" | "b" | "c" | "r" | "br" | "cr"))?;
    let body = &rest[prefix..];
    if rest[..prefix].ends_with('r') {
        let hashes = body.find(|c| c != '#').filter(|&at| body[at..].starts_with('"'))?;
        let end = format!("\"{}", &body[..hashes]);
        let open = hashes + 1;
        return Some(prefix + open + body[open..].find(&end).map_or(body.len() - open, |at| at + end.len()));
    }
    let mut bytes = body.strip_prefix('"')?.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return Some(prefix + at + 2),
            _ => {}
        }
    }
    Some(rest.len())
}

/// The length of the character literal at the start; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let prefix = usize::from(rest.starts_with("b'"));
    let body = rest[prefix..].strip_prefix('\'')?;
    let mut chars = body.char_indices();
    let (_, first) = chars.next()?;
    let from =
        if first == '\\' { chars.next().map_or(1, |(at, c)| at + c.len_utf8()) } else { first.len_utf8() };
    let end = if first == '\\' { body[from..].find('\'')? + from } else { from };
    body[end..].starts_with('\'').then_some(prefix + end + 2)
}

/// Takes the items under `#[cfg(test)]` out, and says how many lines they covered.
fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, usize) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut lines, mut at) = (Vec::new(), 0, 0);
    while at < tokens.len() {
        let here = &tokens[at..];
        if here.len() > MARK.len() && here.iter().zip(MARK).all(|(token, mark)| token.text == mark) {
            let length = MARK.len() + item(&here[MARK.len()..]);
            lines += here[length - 1].line - here[0].line + 1;
            at += length;
        } else {
            kept.push(here[0].clone());
            at += 1;
        }
    }
    (kept, lines)
}

/// How many tokens the item at the start has, its attributes with it.
fn item(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return at,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(token.text.as_str(), ";" | "}") {
            return at + 1;
        }
    }
    tokens.len()
}

fn is_word(token: &Token) -> bool {
    token.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Every path and name of the code, `use` trees spread out.
fn names(tokens: &[Token]) -> Vec<Name> {
    let (mut names, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let here = &tokens[at..];
        if here[0].text == "use" && here.get(1).is_some_and(|next| next.text != "<") {
            at += 1 + spread(&here[1..], &[], &mut names);
        } else if is_word(&here[0]) {
            let method = at > 0 && tokens[at - 1].text == ".";
            at += path(here, method, &mut names);
        } else {
            at += 1;
        }
    }
    names
}

/// Reads one path in code.
fn path(tokens: &[Token], method: bool, names: &mut Vec<Name>) -> usize {
    let mut segments = vec![tokens[0].text.clone()];
    let mut at = 1;
    while at + 1 < tokens.len() && tokens[at].text == "::" && is_word(&tokens[at + 1]) {
        segments.push(tokens[at + 1].text.clone());
        at += 2;
    }
    if method && tokens.get(1).is_some_and(|next| next.text == "(") {
        segments[0].insert(0, '.');
    }
    names.push(Name { line: tokens[0].line, import: false, segments });
    at
}

/// Reads one branch of a `use` tree behind `before`, and says where it ended: at a `,`, `}` or `;`.
fn spread(tokens: &[Token], before: &[String], names: &mut Vec<Name>) -> usize {
    let mut segments = before.to_vec();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "," | "}" | ";" => break,
            "{" => {
                while tokens.get(at).is_some_and(|token| matches!(token.text.as_str(), "{" | ",")) {
                    at += 1;
                    if tokens.get(at).is_some_and(|token| token.text != "}") {
                        at += spread(&tokens[at..], &segments, names);
                    }
                }
                return at + 1;
            }
            "as" => at += 1,
            "self" if !segments.is_empty() => {}
            "::" => {}
            text => segments.push(text.to_owned()),
        }
        at += 1;
    }
    names.push(Name { line: tokens.first().map_or(0, |token| token.line), import: true, segments });
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        File::read("src/proto/x.rs", text).names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn comments_and_literals_name_nothing() {
        for text in [
            "// tokio",
            "//! tokio",
            "/* a /* tokio */ tokio */",
            r#""tokio""#,
            r#""\"tokio""#,
            r##"r#"" tokio"#"##,
            r#"b"tokio""#,
            "'t' '\\'' '\\u{41}' b'\\n'",
        ] {
            assert_eq!(read(text), Vec::<String>::new(), "{text}");
            assert_eq!(read(&format!("{text}\n after")), ["after"], "{text}");
        }
        assert_eq!(read("&'a str"), ["a", "str"], "a lifetime opens no literal");
        assert_eq!(read("r#type b r"), ["r", "type", "b", "r"]);
    }

    #[test]
    fn a_use_tree_is_spread_out() {
        assert_eq!(
            read("use std::{fs, io::{self, Read as R}, net::*}; pub use a::b; fn f() -> impl use<'a> X {}"),
            [
                "std::fs",
                "std::io",
                "std::io::Read",
                "std::net::*",
                "pub",
                "a::b",
                "fn",
                "f",
                "impl",
                "use",
                "a",
                "X"
            ],
        );
        assert_eq!(read("use a::{\n b,\n c,\n};\nd"), ["a::b", "a::c", "d"]);
    }

    #[test]
    fn paths_and_methods_are_told_apart() {
        assert_eq!(
            read("x.elapsed() + y.elapsed; z.await; Instant::now()"),
            ["x", ".elapsed", "y", "elapsed", "z", "await", "Instant::now"]
        );
        let name = |text: &str| Name {
            line: 1,
            import: false,
            segments: text.split("::").map(str::to_owned).collect(),
        };
        assert!(name("std::fs::File").mentions("fs::File"));
        assert!(name("std::fs").mentions("std::fs"));
        assert!(!name("std::fsx").mentions("std::fs"));
        assert!(name("rand::random").mentions("rand::") && !name("rand").mentions("rand::"));
    }

    #[test]
    fn test_items_are_left_out_and_not_counted() {
        let text = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n fn b() { c[1] }\n}\nfn d() {}\n";
        let file = File::read("src/x.rs", text);
        assert_eq!(file.lines, 2);
        assert_eq!(read(text), ["fn", "a", "fn", "d"]);
        assert_eq!(read("#[cfg(test)] use a::b; c"), ["c"]);
        assert_eq!(read("#[cfg(test)] mod tests; c"), ["c"]);
        assert_eq!(File::read("src/x/tests.rs", "use tokio::net;").names, []);
    }

    #[test]
    fn lines_are_counted_across_literals_and_comments() {
        let file = File::read("src/x.rs", "/* 1\n2 */ \"3\n4\"\na");
        assert_eq!(file.names[0].line, 4);
    }

    #[test]
    fn a_path_is_followed_to_the_root() {
        let module = File::read("src/net/tls/mod.rs", "").module();
        assert_eq!(module, ["net", "tls"]);
        let find = |text: &str| {
            let file = File::read("src/net/tls/mod.rs", text);
            file.names[0].within(&module).map(|path| path.join("::"))
        };
        assert_eq!(find("crate::proto::http").as_deref(), Some("proto::http"));
        assert_eq!(find("super::super::proto").as_deref(), Some("proto"));
        assert_eq!(find("self::a").as_deref(), Some("net::tls::a"));
        assert_eq!(find("std::fs"), None);
    }

    #[test]
    fn the_doc_is_the_first_paragraph() {
        assert_eq!(doc("//! One\n//! two.\n//!\n//! Three."), "One two.");
        assert_eq!(doc("use a;\n//! late"), "");
    }
}
