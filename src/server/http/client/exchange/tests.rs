//! Exchanges with a server that is a script, over memory.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::net::clock::Clock;
use crate::proto::http::client::{Finish, RequestWriter};
use crate::proto::http::limits::Limits;

/// A connection, and the server at its other end.
fn connection() -> (Box<ClientConn>, DuplexStream) {
    let (near, far) = duplex(1 << 20);
    let conn = Conn::new(Io::from(near), ClientCodec::new(Limits::default()), Clock::new().timer());
    (Box::new(conn), far)
}

fn request(method: &http::Method, length: Option<u64>) -> WireRequest {
    let writer = RequestWriter::new(method, "/", "a.test").unwrap();
    writer.finish(Finish { length, ..Finish::default() })
}

fn get() -> WireRequest {
    request(&http::Method::GET, Some(0))
}

/// The server reads until the text ends so, and answers.
async fn serve(far: &mut DuplexStream, until: &str, answer: &str) {
    let mut heard = Vec::new();
    while !heard.ends_with(until.as_bytes()) {
        assert_ne!(far.read_buf(&mut heard).await.unwrap(), 0, "{}", heard.escape_ascii());
    }
    far.write_all(answer.as_bytes()).await.unwrap();
}

async fn text<L: Lent>(answer: Answer<L>) -> String {
    let bytes = answer.body.into_body(answer.length).collect(1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A connection that says whether it was given back to be used again.
struct Tell(ClientConn, tokio::sync::mpsc::UnboundedSender<bool>);

impl std::ops::Deref for Tell {
    type Target = ClientConn;

    fn deref(&self) -> &ClientConn {
        &self.0
    }
}

impl DerefMut for Tell {
    fn deref_mut(&mut self) -> &mut ClientConn {
        &mut self.0
    }
}

impl Lent for Tell {
    fn give_back(self, reusable: bool) {
        self.1.send(reusable).unwrap();
    }
}

#[tokio::test]
async fn a_short_answer_is_whole_at_once_and_its_connection_given_back() {
    for (answer, reusable) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", true),
        ("HTTP/1.1 204 No\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nab", false),
    ] {
        let (conn, mut far) = connection();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let exchange = exchange(Tell(*conn, tell), get(), Body::empty(), Timeouts::default());
        let ((), answer) = tokio::join!(serve(&mut far, "\r\n\r\n", answer), exchange);
        let answer = answer.unwrap_or_else(|(error, _)| panic!("{error}"));
        assert!(
            matches!(&answer.body, AnswerBody::Whole(data, _) if data == "ab" || answer.length == BodyLength::Empty)
        );
        assert_eq!(told.try_recv(), Ok(reusable));
    }
}

#[tokio::test]
async fn bodies_flow_both_ways_and_trailers_with_them() {
    let (conn, mut far) = connection();
    let body =
        Body::stream(futures_util::stream::iter(["one ", "two"].map(|text| Ok::<_, io::Error>(text.into()))));
    let exchange = exchange(conn, request(&http::Method::PUT, None), body, Timeouts::default());
    let answer =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let ((), answer) = tokio::join!(serve(&mut far, "4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n", answer), exchange);
    let answer = answer.unwrap_or_else(|(error, _)| panic!("{error}"));
    far.write_all(b"2\r\nde\r\n0\r\nx-sum: 5\r\n\r\n").await.unwrap();
    let mut body = answer.body.into_body(answer.length);
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        seen.push(match frame.unwrap() {
            Frame::Data(data) => String::from_utf8(data.to_vec()).unwrap(),
            Frame::Trailers(fields) => format!("{:?}", fields.find("x-sum").unwrap()),
        });
    }
    assert_eq!(seen, ["abc", "de", "\"5\""]);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_counts() {
    let (conn, mut far) = connection();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let endless = Body::stream(futures_util::stream::pending::<Result<Bytes, io::Error>>());
    let exchange =
        exchange(Tell(*conn, tell), request(&http::Method::PUT, Some(9)), endless, Timeouts::default());
    let answer = "HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig";
    let ((), answer) = tokio::join!(serve(&mut far, "\r\n\r\n", answer), exchange);
    let answer = answer.unwrap_or_else(|(error, _)| panic!("{error}"));
    assert_eq!((answer.head.status().as_u16(), text(answer).await), (413, "big".to_owned()));
    assert_eq!(told.try_recv(), Ok(false), "the server waits for the rest of the request");
}

#[tokio::test(start_paused = true)]
async fn what_fails_says_how_far_the_request_got() {
    // What the server does when it has heard the head; what went wrong; how far it got.
    let rows = [
        (Some(""), "closed before there was a response", Progress::Sent),
        (Some("HTTP/1.1 20"), "ended in the middle", Progress::Answered),
        (Some("SSH-2.0\r\n"), "does not speak HTTP", Progress::Answered),
        (None, "took too long", Progress::Sent),
    ];
    for (said, expected, progress) in rows {
        let (conn, mut far) = connection();
        let server = async {
            serve(&mut far, "\r\n\r\n", said.unwrap_or_default()).await;
            match said {
                Some(_) => drop(far),
                None => std::future::pending().await,
            }
        };
        let exchange = exchange(conn, get(), Body::empty(), Timeouts::default());
        let outcome = tokio::select! {
            outcome = exchange => outcome,
            outcome = async { server.await; std::future::pending().await } => outcome,
        };
        let (error, got) = outcome.map(drop).unwrap_err();
        assert!(error.to_string().contains(expected), "{said:?}: {error}");
        assert_eq!(got, progress, "{said:?}");
    }
    let (conn, far) = connection();
    drop(far);
    let (error, got) = exchange(conn, get(), Body::empty(), Timeouts::default()).await.map(drop).unwrap_err();
    assert!(matches!(error, ExchangeError::Io(_)), "{error}");
    assert_eq!(got, Progress::NothingSent);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_or_is_cut_is_an_error() {
    for cut in [true, false] {
        let (conn, mut far) = connection();
        let exchange = exchange(conn, get(), Body::empty(), Timeouts::default());
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab";
        let ((), answer) = tokio::join!(serve(&mut far, "\r\n\r\n", answer), exchange);
        let answer = answer.unwrap_or_else(|(error, _)| panic!("{error}"));
        if cut {
            drop(far);
        }
        let error = answer.body.into_body(answer.length).collect(9).await.unwrap_err().to_string();
        let expected = if cut { "ended in the middle" } else { "took too long" };
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_request_whose_head_has_left_was_sent_however_much_of_its_body_waits() {
    const LENGTH: usize = 4 << 20;
    let (conn, mut far) = connection();
    let body = Body::stream(futures_util::stream::iter([Ok::<_, BoxError>(Bytes::from(vec![b'x'; LENGTH]))]));
    let post = request(&http::Method::POST, Some(LENGTH as u64));
    let server = async move { far.read_u8().await.map(drop) };
    let (read, outcome) = tokio::join!(server, exchange(conn, post, body, Timeouts::default()));
    read.unwrap();
    assert_eq!(outcome.map(drop).unwrap_err().1, Progress::Sent);
}

#[tokio::test(start_paused = true)]
async fn the_server_is_timed_while_it_is_waited_for_and_no_longer() {
    const HOUR: Duration = Duration::from_secs(3600);
    let (conn, mut far) = connection();
    // The rest of the request comes an hour later.
    let (more, mut rest) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    let pieces = futures_util::stream::poll_fn(move |cx| {
        rest.poll_recv(cx).map(|piece| piece.map(Ok::<_, io::Error>))
    });
    more.send(Bytes::from_static(b"one ")).unwrap();
    let exchange =
        exchange(conn, request(&http::Method::PUT, Some(7)), Body::stream(pieces), Timeouts::default());
    let server = async {
        tokio::time::sleep(HOUR).await;
        more.send(Bytes::from_static(b"two")).unwrap();
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab";
        serve(&mut far, "one two", answer).await;
    };
    let ((), answer) = tokio::join!(server, exchange);
    let answer = answer.unwrap_or_else(|(error, _)| panic!("{error}"));
    // Nobody asks for the rest of the response for an hour; then the server has its time.
    let mut body = answer.body.into_body(answer.length);
    for piece in [&b"ab"[..], b"cde", b"fghi"] {
        if piece != b"ab" {
            tokio::time::sleep(HOUR).await;
        }
        let said = async {
            tokio::time::sleep(Duration::from_secs(59)).await;
            far.write_all(if piece == b"ab" { b"" } else { piece }).await.unwrap();
        };
        let ((), got) = tokio::join!(said, body.data());
        assert_eq!(got.unwrap().unwrap(), piece);
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_waits_for_its_request_has_the_time_of_both() {
    let (conn, mut far) = connection();
    let (more, mut rest) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    let pieces = futures_util::stream::poll_fn(move |cx| {
        rest.poll_recv(cx).map(|piece| piece.map(Ok::<_, io::Error>))
    });
    let exchange =
        exchange(conn, request(&http::Method::PUT, Some(4)), Body::stream(pieces), Timeouts::default());
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
    let ((), answer) = tokio::join!(serve(&mut far, "\r\n\r\n", head), exchange);
    let answer = answer.unwrap_or_else(|(error, _)| panic!("{error}"));
    let client = async {
        for byte in [&b"a"[..], b"b", b"c", b"d"] {
            tokio::time::sleep(Duration::from_secs(59)).await;
            more.send(Bytes::from_static(byte)).unwrap();
        }
    };
    let (text, (), ()) = tokio::join!(text(answer), client, serve(&mut far, "abcd", "ok"));
    assert_eq!(text, "ok");
}

#[tokio::test]
async fn what_a_server_said_before_it_closed_is_heard_though_it_takes_no_more() {
    const LENGTH: usize = 4 << 20;
    for answer in
        ["HTTP/1.1 413 No\r\ncontent-length: 3\r\n\r\nbig", "HTTP/1.1 413 No\r\nconnection: close\r\n\r\nbig"]
    {
        let (conn, mut far) = connection();
        let body =
            Body::stream(futures_util::stream::iter([Ok::<_, BoxError>(Bytes::from(vec![b'x'; LENGTH]))]));
        let post = request(&http::Method::POST, Some(LENGTH as u64));
        let server = async move {
            far.read_u8().await.unwrap();
            far.write_all(answer.as_bytes()).await.unwrap();
        };
        let ((), got) = tokio::join!(server, exchange(conn, post, body, Timeouts::default()));
        let got = got.unwrap_or_else(|(error, _)| panic!("{error}"));
        assert_eq!((got.head.status().as_u16(), text(got).await), (413, "big".to_owned()));
    }
}
