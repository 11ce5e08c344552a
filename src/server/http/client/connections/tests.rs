//! Requests to servers that are scripts, over sockets.

use http::{Method, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinHandle;

use super::*;
use crate::net::client::Target;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok";

/// A request with a body of known length; nothing when the client has gone.
async fn request(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with("\r\n\r\n") && stream.read(&mut byte).await.is_ok_and(|count| count > 0) {
        text.push(char::from(byte[0]));
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    for _ in 0..length.map_or(0, |length| length.parse().unwrap()) {
        text.push(char::from(stream.read_u8().await.unwrap()));
    }
    text
}

/// A server that gives the requests of each connection these answers, one each, and closes it then. It tells what it heard.
async fn server(connections: Vec<Vec<&'static str>>) -> (Server, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut heard = Vec::new();
        for answers in connections {
            let (mut stream, _): (TcpStream, _) = listener.accept().await.unwrap();
            for answer in answers {
                heard.push(request(&mut stream).await);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        heard
    });
    (Server::Tcp { tls: false, host: "127.0.0.1".into(), port }, serving)
}

fn client() -> Client {
    Client::new(Connector::new(), Limits::DEFAULT)
}

async fn ask(client: &Client, server: &Server, method: Method) -> Result<Reply, SendError> {
    let uri = format!("http://{server}/a?b").parse().unwrap();
    let writer = Address::of(&uri).unwrap().request(&method).unwrap();
    let request = writer.finish(Finish { length: Some(4), ..Finish::default() });
    client.send(server, request, || Body::from("body"), Timeouts::default()).await
}

#[tokio::test]
async fn any_request_goes_over_a_connection_that_is_kept() {
    let (server, serving) = server(vec![vec![OK; 3]]).await;
    let client = client();
    for (n, method) in [Method::POST, Method::PUT, Method::DELETE].into_iter().enumerate() {
        let reply = ask(&client, &server, method).await.unwrap();
        assert_eq!((reply.status(), reply.reused), (StatusCode::OK, n > 0));
        assert_eq!(reply.body.collect(9).await.unwrap(), "ok");
    }
    assert_eq!(client.connections().opened, 1);
    for (text, method) in serving.await.unwrap().iter().zip(["POST", "PUT", "DELETE"]) {
        assert!(text.starts_with(&format!("{method} /a?b HTTP/1.1\r\nhost: {server}\r\n")), "{text}");
        assert!(text.ends_with("\r\ncontent-length: 4\r\n\r\nbody"), "{text}");
    }
}

#[tokio::test]
async fn a_request_is_sent_again_if_it_can_be_sent_twice() {
    // The connection is closed when it is used again, with the request read.
    for (method, again) in
        [(Method::GET, true), (Method::PUT, true), (Method::POST, false), (Method::PATCH, false)]
    {
        let (server, serving) = server(vec![vec![OK, ""], vec![OK]]).await;
        let client = client();
        ask(&client, &server, Method::GET).await.unwrap();
        let outcome = ask(&client, &server, method.clone()).await;
        assert_eq!(outcome.is_ok(), again, "{method}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(error.is_passing(), "{error}");
            ask(&client, &server, method.clone()).await.unwrap();
        }
        let heard = serving.await.unwrap();
        assert!(heard.len() == 3 && heard.iter().all(|text| text.ends_with("body")), "{method}: {heard:?}");
    }
}

#[tokio::test]
async fn what_others_made_of_a_request_is_sent_as_it_is() {
    let (server, serving) = server(vec![vec![OK; 2]]).await;
    let client = client();
    for name in ["x-c", "authorization"] {
        let parts = Request::post(format!("http://ann:secret@{server}/a"))
            .header(name, "d")
            .header("host", "evil")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let reply = client.call(&parts, 4, || Body::from("body"), Timeouts::default()).await.unwrap();
        let response = reply.into_http().unwrap();
        assert!(response.status() == StatusCode::OK && response.headers()["x-a"] == "b");
        assert_eq!(response.into_body().collect(2).await.unwrap(), "ok");
    }
    let heard = serving.await.unwrap();
    for (text, shown) in heard.iter().zip(["Basic YW5uOnNlY3JldA==", "d"]) {
        let said: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("authorization: ")).collect();
        assert_eq!(said, [shown], "{text}");
        assert!(!text.contains("evil") && !text.contains('@'), "{text}");
    }
    for uri in ["ftp://a/", "/a", "http://a:0/"] {
        let parts = Request::get(uri).body(()).unwrap().into_parts().0;
        let error = client.call(&parts, 0, Body::empty, Timeouts::default()).await.unwrap_err();
        assert!(matches!(error, SendError::Address(_)) && !error.is_passing(), "{uri}: {error}");
    }
}

#[tokio::test]
async fn servers_behind_unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let heard = request(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        heard
    });
    let server = Server::from(&Target::Unix(path));
    let request = Address::of(&"http://localhost/".parse().unwrap()).unwrap().request(&Method::GET).unwrap();
    let request = request.finish(Finish { length: Some(0), ..Finish::default() });
    let reply = client().send(&server, request, Body::empty, Timeouts::default()).await.unwrap();
    assert_eq!(reply.body.collect(2).await.unwrap(), "ok");
    assert_eq!(serving.await.unwrap(), "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
}

#[test]
fn each_thread_has_connections_of_its_own_runtime() {
    let client = client();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Server::Tcp { tls: false, host: "127.0.0.1".into(), port };
    let serving = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for connection in listener.incoming().take(2) {
            let mut connection = connection.unwrap();
            for _ in 0..2 {
                let mut heard = Vec::new();
                while !heard.ends_with(b"\r\n\r\nbody") {
                    let mut byte = [0];
                    connection.read_exact(&mut byte).unwrap();
                    heard.extend(byte);
                }
                connection.write_all(OK.as_bytes()).unwrap();
            }
        }
    });
    for _ in 0..2 {
        let (client, server) = (client.clone(), server.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                for reused in [false, true] {
                    let reply = ask(&client, &server, Method::POST).await.unwrap();
                    assert_eq!((reply.status(), reply.reused), (StatusCode::OK, reused));
                    reply.body.collect(2).await.unwrap();
                }
            });
        });
        thread.join().unwrap();
    }
    serving.join().unwrap();
    assert_eq!(client.connections().opened, 2);
}
