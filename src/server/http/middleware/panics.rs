//! A handler that panics is answered for with 500; its connection, and all others, go on.

use std::any::Any;
use std::borrow::Cow;

use crate::server::http::problem::Problem;
use crate::server::http::response::{IntoResponse, Response};

/// The answer to the request whose head, as it arrived, is `head`, after its handler panicked.
pub(super) fn answer(head: &[u8], panic: &(dyn Any + Send)) -> Response {
    let (what, why) = (request_line(head), message(panic));
    // The problem logs its detail and shows the client none of it.
    Problem::internal(format!("{what}: panicked: {why}")).into_response()
}

/// Method and path. The query may hold what no log should.
fn request_line(head: &[u8]) -> Cow<'_, str> {
    let line = head.split(|byte| b"?\r".contains(byte)).next().unwrap_or_default();
    String::from_utf8_lossy(line)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{get, run};
    use super::*;
    use crate::server::http::middleware::Stack;
    use crate::server::http::request::Request;

    #[test]
    fn the_message_is_found_in_either_form() {
        assert_eq!(message(&"plain"), "plain");
        assert_eq!(message(&String::from("formatted 7")), "formatted 7");
        assert_eq!(message(&7_u8), "without a message");
    }

    #[test]
    fn the_request_is_named_without_its_query() {
        assert_eq!(request_line(b"GET /a/b?key=secret HTTP/1.1\r\nHost: h\r\n\r\n"), "GET /a/b");
        assert_eq!(request_line(b"GET /a HTTP/1.1\r\n\r\n"), "GET /a HTTP/1.1");
    }

    #[tokio::test]
    async fn a_panic_is_500_and_says_nothing_of_its_cause() {
        async fn fails(request: Request) -> &'static str {
            assert_ne!(request.path(), "/bad", "secret detail");
            "fine"
        }
        let stack = || Stack { catch_panics: true, ..Stack::default() };
        let response = run(stack(), fails, get("/bad", &[])).await;
        assert_eq!(response.code(), 500);
        let body = std::str::from_utf8(response.body().as_bytes().unwrap()).unwrap();
        assert!(!body.contains("secret"), "{body}");
        assert_eq!(run(stack(), fails, get("/good", &[])).await.code(), 200);
    }

    #[tokio::test]
    async fn a_panic_before_the_first_await_is_caught_too() {
        let fails = |request: Request| {
            assert!(request.path().is_empty(), "at once");
            std::future::ready(())
        };
        let stack = Stack { catch_panics: true, ..Stack::default() };
        assert_eq!(run(stack, fails, get("/", &[])).await.code(), 500);
    }
}
