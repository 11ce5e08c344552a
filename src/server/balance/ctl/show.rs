//! What the API answers, for people at a terminal of 80 columns: one table for each upstream, and what is wrong with a backend in a line below it.

use std::fmt::{Display, Write as _};

use serde_json::Value;

/// The head of a column, and whether it is of text: text is on the left, numbers are on the right.
type Column = (&'static str, bool);

/// A row of cells, and a line below it.
struct Row<const N: usize> {
    cells: [String; N],
    below: Option<String>,
}

/// Upstreams and their backends: the answer is a list of upstreams, or one of them.
pub(super) fn upstreams(answer: &Value) -> String {
    const COLUMNS: [Column; 7] = [
        ("BACKEND", true),
        ("STATE", true),
        ("WEIGHT", false),
        ("BUSY", false),
        ("REQUESTS", false),
        ("ERRORS", false),
        ("P95", false),
    ];
    let one = std::slice::from_ref(answer);
    let upstreams = answer.as_array().map_or(one, Vec::as_slice);
    let mut text = String::new();
    for upstream in upstreams {
        let backends: Vec<_> = upstream["backends"].as_array().into_iter().flatten().collect();
        let up = backends.iter().filter(|backend| backend["state"] == "up").count();
        let mut head = format!("{}: {}, ", word(&upstream["name"]), word(&upstream["algorithm"]));
        // Writing to a string cannot fail.
        let _ = write!(head, "{up} of {} up, {} queued", backends.len(), upstream["queued"]);
        if upstream["panic"] == true {
            head.push_str(", in panic: all backends are used");
        } else if upstream["pool"].is_null() {
            head.push_str(", nobody serves");
        } else if upstream["pool"] != 0 {
            head.push_str(", a backup serves");
        }
        line(&mut text, &head);
        if !backends.is_empty() {
            table(&mut text, &COLUMNS, backends.into_iter().map(backend).collect());
        }
    }
    text
}

/// The version, the configuration, listeners and caches.
pub(super) fn status(answer: &Value) -> String {
    const LISTENERS: [Column; 5] =
        [("LISTENER", true), ("MODE", true), ("OPEN", false), ("ACCEPTED", false), ("REFUSED", false)];
    const CACHES: [Column; 5] =
        [("CACHE", true), ("STORED", false), ("OF", false), ("URIS", false), ("HITS", false)];
    let config = &answer["config"];
    let mut text = String::new();
    line(&mut text, format_args!("wireworks {}", word(&answer["version"])));
    let (generation, since) = (&config["generation"], word(&config["since"]));
    line(&mut text, format_args!("configuration {generation}, in use since {since}"));
    if let Some(error) = config["error"].as_str() {
        line(&mut text, format_args!("the file that was read at {} is not in use:", word(&config["read"])));
        error.lines().for_each(|fault| line(&mut text, format_args!("  {fault}")));
    }
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let rows: Vec<_> = list("listeners").iter().map(listener).collect();
    table(&mut text, &LISTENERS, rows);
    let rows: Vec<_> = list("caches").iter().map(cache).collect();
    if !rows.is_empty() {
        table(&mut text, &CACHES, rows);
    }
    text
}

/// What was forgotten.
pub(super) fn purged(cache: &str, answer: &Value) -> String {
    match answer["purged"].as_u64() {
        Some(1) => format!("1 URI is forgotten in {cache}\n"),
        count => format!("{} URIs are forgotten in {cache}\n", count.unwrap_or(0)),
    }
}

fn backend(backend: &Value) -> Row<7> {
    let latency = backend["latency"]["p95"].as_f64();
    let errors = sum(&backend["failures"]) + backend["responses"]["5xx"].as_u64().unwrap_or(0);
    let requests = sum(&backend["responses"]) + backend["sessions"].as_u64().unwrap_or(0);
    let check = &backend["check"];
    let below = check["error"].as_str().map(|error| match check["since"].as_f64() {
        Some(since) => format!("{error}, for {since:.0} s"),
        None => error.to_owned(),
    });
    let cells = [
        word(&backend["name"]).to_owned(),
        word(&backend["state"]).to_owned(),
        backend["weight"].to_string(),
        backend["in_flight"].to_string(),
        requests.to_string(),
        errors.to_string(),
        latency.map_or_else(|| "-".to_owned(), |seconds| format!("{:.1} ms", seconds * 1000.0)),
    ];
    Row { cells, below }
}

fn listener(listener: &Value) -> Row<5> {
    let mode = word(&listener["mode"]);
    let mode = if listener["tls"] == true { format!("{mode}, tls") } else { mode.to_owned() };
    let number = |name: &str| listener[name].to_string();
    let cells = [
        word(&listener["listen"]).to_owned(),
        mode,
        number("connections"),
        number("accepted"),
        number("refused"),
    ];
    Row { cells, below: None }
}

fn cache(cache: &Value) -> Row<5> {
    let count = |name: &str| cache["counts"][name].as_u64().unwrap_or(0);
    let hits = count("hit") + count("stale") + count("collapsed");
    let all = hits + count("miss");
    let size = |name: &str| format!("{:.1} MiB", cache[name].as_f64().unwrap_or(0.0) / f64::from(1 << 20));
    let cells = [
        word(&cache["name"]).to_owned(),
        size("bytes"),
        size("memory"),
        cache["uris"].to_string(),
        (hits * 100).checked_div(all).map_or_else(|| "-".to_owned(), |part| format!("{part} %")),
    ];
    Row { cells, below: None }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn sum(map: &Value) -> u64 {
    map.as_object().into_iter().flat_map(|map| map.values()).filter_map(Value::as_u64).sum()
}

fn line(text: &mut String, line: impl Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// Appends a table whose columns are as wide as what is in them.
fn table<const N: usize>(text: &mut String, columns: &[Column; N], rows: Vec<Row<N>>) {
    let heads = Row { cells: columns.map(|(head, _)| head.to_owned()), below: None };
    let rows: Vec<_> = std::iter::once(heads).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row.cells[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in &rows {
        let mut cells = String::new();
        for ((cell, width), (_, is_text)) in row.cells.iter().zip(widths).zip(columns) {
            // Writing to a string cannot fail.
            let _ = match is_text {
                true => write!(cells, "  {cell:width$}"),
                false => write!(cells, "  {cell:>width$}"),
            };
        }
        line(text, cells.trim_end());
        if let Some(below) = &row.below {
            line(text, format_args!("    {below}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn upstream() -> Value {
        let backend = |name: &str, count: u64, error: Value| {
            json!({ "name": name, "state": if error.is_null() { "up" } else { "down" }, "weight": 1, "in_flight": 2,
                    "responses": { "2xx": count, "5xx": 1 }, "failures": { "reset": 3 }, "sessions": 0,
                    "latency": { "p95": 0.0123 }, "check": { "error": error, "age": 2.0, "since": 9.2 } })
        };
        json!({ "name": "web", "algorithm": "p2c", "queued": 0, "panic": false, "pool": 0, "backends": [
            backend("127.0.0.1:9001", 12345, Value::Null), backend("b:1", 0, "connection refused".into()),
        ] })
    }

    #[test]
    fn a_table_has_straight_columns_and_fits_a_terminal() {
        let expected = "\
web: p2c, 1 of 2 up, 0 queued
  BACKEND         STATE  WEIGHT  BUSY  REQUESTS  ERRORS      P95
  127.0.0.1:9001  up          1     2     12346       4  12.3 ms
  b:1             down        1     2         1       4  12.3 ms
    connection refused, for 9 s
";
        assert_eq!(upstreams(&upstream()), expected);
        assert_eq!(upstreams(&json!([upstream(), upstream()])), expected.repeat(2));
        assert!(expected.lines().all(|line| line.len() <= 80));
    }

    #[test]
    fn trouble_of_an_upstream_is_told() {
        for (pool, panic, expected) in [
            (json!(0), true, "0 queued, in panic: all backends are used\n"),
            (json!(1), false, "0 queued, a backup serves\n"),
            (Value::Null, false, "0 queued, nobody serves\n"),
        ] {
            let mut upstream = upstream();
            (upstream["pool"], upstream["panic"]) = (pool, panic.into());
            assert!(upstreams(&upstream).contains(expected), "{expected}");
        }
    }

    #[test]
    fn the_status_names_what_is_wrong_with_the_file() {
        let answer = json!({
            "version": "1.2.3",
            "config": { "generation": 2, "since": "2026-01-01T00:00:00Z", "read": "2026-01-02T00:00:00Z", "error": "lb.toml:1:2: no" },
            "listeners": [{ "listen": ":443", "mode": "http", "tls": true, "connections": 1, "accepted": 20, "refused": 3 }],
            "caches": [{ "name": "main", "bytes": 1_048_576, "memory": 268_435_456, "uris": 7, "counts": { "hit": 3, "miss": 1 } }],
        });
        let expected = "\
wireworks 1.2.3
configuration 2, in use since 2026-01-01T00:00:00Z
the file that was read at 2026-01-02T00:00:00Z is not in use:
  lb.toml:1:2: no
  LISTENER  MODE       OPEN  ACCEPTED  REFUSED
  :443      http, tls     1        20        3
  CACHE   STORED         OF  URIS  HITS
  main   1.0 MiB  256.0 MiB     7  75 %
";
        assert_eq!(status(&answer), expected);
        assert_eq!(purged("main", &json!({ "purged": 1 })), "1 URI is forgotten in main\n");
    }
}
