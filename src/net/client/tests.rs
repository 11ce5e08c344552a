//! Connections over real sockets, with the servers' own TLS at the other end.

use std::io;
use std::net::SocketAddr;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::net::tls::{CertPair, ClientAuth, Tls, TlsConfig, Trust};

/// A port at which nobody listens: it was free a moment ago.
async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Echoes one byte of one connection, and gives what the handshake told.
async fn echo_once(listener: TcpListener, tls: Option<Tls>) -> io::Result<Io> {
    let (tcp, _) = listener.accept().await?;
    let mut io = match tls {
        None => Io::Tcp(tcp),
        Some(tls) => Io::Tls(Box::new(tls.acceptor().accept(tcp).await?.into())),
    };
    let byte = io.read_u8().await?;
    io.write_u8(byte).await?;
    io.flush().await?;
    Ok(io)
}

/// A byte there and back.
async fn ask(io: &mut Io) -> io::Result<()> {
    io.write_u8(b'?').await?;
    io.flush().await?;
    assert_eq!(io.read_u8().await?, b'?');
    Ok(())
}

/// Leads every name to `addresses`.
fn leading_to(addresses: Vec<SocketAddr>) -> Resolver {
    Resolver::new(move |_, _| std::future::ready(Ok(addresses.clone())))
}

fn pair(folder: &TempDir) -> CertPair {
    CertPair { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") }
}

/// Writes a certificate for `name`, good from year to year.
fn write(pair: &CertPair, name: &str, years: (i32, i32)) {
    write_marked(pair, name, years, IsCa::NoCa);
}

fn write_marked(pair: &CertPair, name: &str, years: (i32, i32), is_ca: IsCa) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.is_ca = is_ca;
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    std::fs::write(&pair.cert, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&pair.key, key.serialize_pem()).unwrap();
}

fn client(trust: Trust) -> ClientTls {
    ClientTls::new(&ClientTlsConfig { trust, certificate: None }).unwrap()
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn a_name_is_connected_to_by_the_address_that_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = vec![closed().await, listener.local_addr().unwrap()];
    let connector = Connector::new().resolver(leading_to(addresses));
    let connecting = is_send(connector.connect("a.test", 1, None));
    let (served, connected) = tokio::join!(echo_once(listener, None), async {
        let mut io = connecting.await.unwrap();
        ask(&mut io).await.unwrap();
        io
    });
    served.unwrap();
    assert!(connected.as_tcp().unwrap().nodelay().unwrap());
    assert!(!connected.is_tls() && connected.tls_session().is_none());
}

#[tokio::test]
async fn the_system_knows_localhost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    Connector::new().tcp("localhost", port).await.unwrap();
}

#[tokio::test]
async fn who_does_not_answer_is_named() {
    let (one, two) = (closed().await, closed().await);
    let connector = Connector::new();
    let error = connector.tcp("127.0.0.1", one.port()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot connect to {one}: connection refused"));
    let connector = connector.resolver(leading_to(vec![one, two]));
    let error = connector.connect("a.test", 80, Some(&[])).await.unwrap_err();
    let expected =
        format!("cannot connect to a.test:80: {one}: connection refused; {two}: connection refused");
    assert_eq!(error.to_string(), expected);
    assert!(error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn each_step_has_a_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let start = Instant::now();
    let connector = Connector::new().deadline(Duration::from_secs(3)).trusting(client(Trust::Anybody));
    let deaf = connector.clone().resolver(Resolver::new(|_, _| std::future::pending()));
    let error = deaf.connect("a.test", 80, None).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot resolve a.test: no answer within 3s");
    let error =
        connector.connect("127.0.0.1", silent.local_addr().unwrap().port(), Some(&[])).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot make a TLS handshake with 127.0.0.1: no answer within 3s");
    assert!(error.is_retryable());
    assert_eq!(start.elapsed().as_secs(), 6);
    let for_ever = connector.deadline(Duration::MAX);
    for_ever.tcp("127.0.0.1", silent.local_addr().unwrap().port()).await.unwrap();
}

#[tokio::test]
async fn a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let connector = Connector::new();
    let error = connector.unix(&path).await.unwrap_err();
    assert!(error.to_string().ends_with("a.sock: there is no such socket"), "{error}");
    assert!(error.is_retryable());
    let _listener = tokio::net::UnixListener::bind(&path).unwrap();
    assert!(matches!(connector.unix(&path).await.unwrap(), Io::Unix(_)));
}

/// What a client of `trust` gets that asks for `host`, of a server with this certificate.
async fn handshake(pair: &CertPair, trust: Trust, host: &str) -> Result<(), ConnectError> {
    let server = Tls::new(TlsConfig { certificates: vec![pair.clone()], ..TlsConfig::default() }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let resolver = leading_to(vec![listener.local_addr().unwrap()]);
    let connector = Connector::new().resolver(resolver).trusting(client(trust));
    let (_, result) = tokio::join!(echo_once(listener, Some(server)), async {
        let mut io = is_send(connector.connect(host, 443, Some(&[b"http/1.1"]))).await?;
        ask(&mut io).await.unwrap();
        Ok(())
    });
    result
}

#[tokio::test]
async fn certificates_are_believed_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair(&folder);
    let own = || Trust::SystemAnd(pair.cert.clone());
    let good = (2020, 2100);
    let rows = [
        ("a.test", good, own(), "a.test", Ok(())),
        ("*.a.test", good, own(), "b.a.test", Ok(())),
        ("127.0.0.1", good, Trust::Anybody, "a.test", Ok(())),
        ("a.test", (2020, 2021), Trust::Anybody, "other.test", Ok(())),
        (
            "a.test",
            good,
            own(),
            "other.test",
            Err("the certificate of other.test: it is for other names: a.test"),
        ),
        ("a.test", (2090, 2100), own(), "a.test", Err("the certificate of a.test: it is not valid yet")),
        ("a.test", (2020, 2021), own(), "a.test", Err("the certificate of a.test: it has expired, ")),
    ];
    for (name, years, trust, host, expected) in rows {
        write(&pair, name, years);
        let result = handshake(&pair, trust, host).await;
        match (result, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(text)) => {
                assert!(error.to_string().starts_with(text), "{error}");
                assert!(!error.is_retryable());
            }
            (result, expected) => panic!("{name}, {host}: {result:?} instead of {expected:?}"),
        }
    }
    write(&pair, "a.test", good);
    let stranger = folder.path().join("stranger.pem");
    let other = CertPair { cert: stranger.clone(), key: folder.path().join("stranger.key") };
    write(&other, "stranger.test", good);
    let error = handshake(&pair, Trust::SystemAnd(stranger), "a.test").await.unwrap_err();
    let text = "the certificate of a.test: no authority that is trusted here has signed it";
    assert_eq!(error.to_string(), text);
}

/// `openssl req -x509` marks what it makes as an authority's.
#[tokio::test]
async fn a_servers_own_certificate_may_be_marked_as_an_authoritys_when_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair(&folder);
    let own = || Trust::SystemAnd(pair.cert.clone());
    let ca = || IsCa::Ca(BasicConstraints::Unconstrained);
    write_marked(&pair, "a.test", (2020, 2100), ca());
    handshake(&pair, own(), "a.test").await.unwrap();
    let error = handshake(&pair, own(), "other.test").await.unwrap_err();
    assert_eq!(error.to_string(), "the certificate of other.test: it is for other names: a.test");
    write_marked(&pair, "a.test", (2020, 2021), ca());
    let error = handshake(&pair, own(), "a.test").await.unwrap_err().to_string();
    assert!(error.starts_with("the certificate of a.test: it has expired"), "{error}");
    // One with the same subject that was not named is nobody's.
    write_marked(&pair, "a.test", (2020, 2100), ca());
    let named = folder.path().join("named.pem");
    std::fs::copy(&pair.cert, &named).unwrap();
    write_marked(&pair, "a.test", (2020, 2100), ca());
    let error = handshake(&pair, Trust::SystemAnd(named), "a.test").await.unwrap_err();
    let text =
        "the certificate of a.test: it has signed itself, and is not among those that are trusted here";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn tls_over_a_connection_that_stands_shows_a_certificate_and_agrees_on_a_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair(&folder);
    write(&pair, "127.0.0.1", (2020, 2100));
    let server = Tls::new(TlsConfig {
        certificates: vec![pair.clone()],
        client_auth: ClientAuth::Required(pair.cert.clone()),
        alpn: vec![b"one".to_vec(), b"two".to_vec()],
        ..TlsConfig::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = ClientTlsConfig { trust: Trust::SystemAnd(pair.cert.clone()), certificate: Some(pair) };
    let connector = Connector::new().trusting(ClientTls::new(&tls).unwrap());
    let (served, connected) = tokio::join!(echo_once(listener, Some(server.unwrap())), async {
        let tcp = connector.tcp("127.0.0.1", port).await.unwrap();
        let mut io = connector.tls(tcp, "127.0.0.1", &[b"two", b"three"]).await.unwrap();
        ask(&mut io).await.unwrap();
        io
    });
    let (theirs, ours) = (served.unwrap().tls_session().unwrap(), connected.tls_session().unwrap());
    assert!(connected.is_tls());
    for session in [&theirs, &ours] {
        assert_eq!(session.alpn(), Some(&b"two"[..]));
        assert_eq!(session.certificates().len(), 1);
        assert_eq!(session.server_name(), None, "an address is no name");
    }
}

#[tokio::test]
async fn who_speaks_no_tls_is_named() {
    let connector = Connector::new().trusting(client(Trust::Anybody));
    let rows: [(&[u8], bool, &str); 2] = [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            false,
            "cannot make a TLS handshake with 127.0.0.1: the server does not speak TLS",
        ),
        (b"", true, "cannot make a TLS handshake with 127.0.0.1: "),
    ];
    for (answer, retryable, text) in rows {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (_, error) = tokio::join!(
            async {
                let (mut tcp, _) = listener.accept().await.unwrap();
                tcp.read_u8().await.unwrap();
                tcp.write_all(answer).await.unwrap();
            },
            connector.connect("127.0.0.1", port, Some(&[]))
        );
        let error = error.unwrap_err();
        assert!(error.to_string().starts_with(text), "{error}");
        assert_eq!(error.is_retryable(), retryable, "{error}");
    }
}

#[tokio::test]
async fn without_further_word_the_system_says_whom_to_trust() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair(&folder);
    write(&pair, "a.test", (2020, 2100));
    let server = Tls::new(TlsConfig { certificates: vec![pair], ..TlsConfig::default() }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connector = Connector::new().resolver(leading_to(vec![listener.local_addr().unwrap()]));
    let (_, result) =
        tokio::join!(echo_once(listener, Some(server)), connector.connect("a.test", 443, Some(&[])));
    let error = result.unwrap_err();
    // A small container may have no authorities at all.
    let nobody = matches!(error, ConnectError::Config(TlsError::NoAuthorities { .. }));
    assert!(nobody || matches!(error, ConnectError::Certificate { .. }), "{error}");
}
