//! Calls in both directions on one connection: a handler calls whoever has called it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{Notify, mpsc};
use wireworks::net::addr::PeerAddr;
use wireworks::net::client::Connector;
use wireworks::net::io::Io;
use wireworks::net::tls::{CertPair, ClientTls, ClientTlsConfig, Tls, TlsConfig, Trust};
use wireworks::proto::rpc::codec::ALPN;
use wireworks::server::rpc::client::Builder;
use wireworks::server::rpc::{
    Channel, Code, Context, Detached, Reach, Requests, ResponseStream, Settings, Status,
};
use wireworks::service;

service! {
    /// What a client answers.
    pub service Person as PersonClient in person {
        /// Its name, and what it was asked before.
        1 => unary name(String) -> String;
        /// The question, until nobody wants to hear it.
        2 => unary never(()) -> ();
        /// Gives back what it is told, to the last.
        3 => bidi repeat(String) -> String;
        /// Asks the server in turn.
        4 => unary ask_back(()) -> String;
    }
}

service! {
    /// What a server answers.
    pub service Host as HostClient in host {
        /// A greeting by the caller's name.
        1 => unary greet(String) -> String;
        /// The same, when the test says so.
        2 => unary greet_later(String) -> String;
        /// Asks what is never answered, and tells how that failed.
        3 => unary impatient(()) -> String;
        /// What the caller repeats of so many words.
        4 => unary count(u32) -> u32;
        /// Keeps the channel to the caller, for the test.
        5 => unary subscribe(()) -> ();
        /// Has itself asked by the caller.
        6 => unary mirror(()) -> String;
    }
}

/// The address of who asks, and the names of its certificate.
type Asker = (PeerAddr, Vec<String>);

/// A client that knows who asks it.
#[derive(Clone, Default)]
struct Ada {
    askers: Arc<Mutex<Vec<Asker>>>,
}

impl Person for Ada {
    async fn name(&self, context: Context, question: String) -> Result<String, Status> {
        let names = context.peer.tls_session().map(|session| session.names().to_vec()).unwrap_or_default();
        self.askers.lock().unwrap().push((context.peer.addr, names));
        Ok(format!("Ada, who was asked {question:?}"))
    }

    async fn never(&self, _: Context, (): ()) -> Result<(), Status> {
        std::future::pending().await
    }

    async fn repeat(&self, _: Context, words: Requests<String>) -> Result<ResponseStream<String>, Status> {
        Ok(words.boxed())
    }

    async fn ask_back(&self, context: Context, (): ()) -> Result<String, Status> {
        let host = HostClient::new(context.peer_channel());
        host.greet("back".into()).within(&context).await.map_err(|failure| failure.status)
    }
}

#[derive(Clone)]
struct Polite {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
    kept: mpsc::UnboundedSender<Channel>,
}

async fn greet(context: &Context, question: String) -> Result<String, Status> {
    let person = PersonClient::new(context.peer_channel());
    let name = person.name(question).within(context).await.map_err(|failure| failure.status)?;
    Ok(format!("Good morning, {name}"))
}

impl Host for Polite {
    async fn greet(&self, context: Context, question: String) -> Result<String, Status> {
        greet(&context, question).await
    }

    async fn greet_later(&self, context: Context, question: String) -> Result<String, Status> {
        self.begun.notify_one();
        self.go_on.notified().await;
        greet(&context, question).await
    }

    async fn impatient(&self, context: Context, (): ()) -> Result<String, Status> {
        let person = PersonClient::new(context.peer_channel());
        let failure = person.never(()).within(&context).timeout(Duration::from_millis(20)).await.unwrap_err();
        Ok(failure.status.code.name().into())
    }

    async fn count(&self, context: Context, words: u32) -> Result<u32, Status> {
        let person = PersonClient::new(context.peer_channel());
        let conversation = person.repeat().within(&context).await.map_err(|failure| failure.status)?;
        let (mut sender, mut receiver) = conversation.split();
        let sending = async {
            for word in 0..words {
                sender.send(&"w".repeat(word as usize)).await?;
            }
            sender.finish();
            Ok(())
        };
        let receiving = async {
            let mut count = 0;
            while let Some(word) = receiver.next().await.transpose()? {
                assert_eq!(word.len(), count as usize);
                count += 1;
            }
            Ok(count)
        };
        let both = tokio::try_join!(sending, receiving);
        both.map(|((), count)| count).map_err(|failure: wireworks::server::rpc::Failure| failure.status)
    }

    async fn subscribe(&self, context: Context, (): ()) -> Result<(), Status> {
        self.kept.send(context.peer_channel()).unwrap();
        Ok(())
    }

    async fn mirror(&self, context: Context, (): ()) -> Result<String, Status> {
        let person = PersonClient::new(context.peer_channel());
        person.ask_back(()).within(&context).await.map_err(|failure| failure.status)
    }
}

/// What the tests hold on to of a server.
struct Hosting {
    server: Detached,
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
    kept: mpsc::UnboundedReceiver<Channel>,
    /// Connections that were made to it.
    dialed: Arc<AtomicUsize>,
}

impl Hosting {
    fn new() -> Self {
        let (begun, go_on): (Arc<Notify>, Arc<Notify>) = Default::default();
        let (sender, kept) = mpsc::unbounded_channel();
        let polite = Polite { begun: Arc::clone(&begun), go_on: Arc::clone(&go_on), kept: sender };
        let server = host::serve(polite).detached(Settings::default()).unwrap();
        Self { server, begun, go_on, kept, dialed: Arc::default() }
    }

    /// How a client reaches it that calls itself `target`.
    fn dial(&self, target: &str) -> Builder {
        let (server, dialed) = (self.server.clone(), Arc::clone(&self.dialed));
        Channel::to([target]).unwrap().dial(move |_| {
            dialed.fetch_add(1, Ordering::SeqCst);
            let (near, far) = tokio::io::duplex(1 << 16);
            let server = server.clone();
            tokio::spawn(async move { server.serve(far, PeerAddr::Unix).await });
            async { Ok(near) }
        })
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_handler_calls_its_caller() {
    let hosting = Hosting::new();
    let ada = Ada::default();
    let channel = hosting.dial("10.1.2.3:70").answering(person::serve(ada.clone())).unwrap();
    let host = HostClient::new(channel);
    assert_eq!(host.greet("how".into()).await.unwrap(), "Good morning, Ada, who was asked \"how\"");
    assert_eq!(host.impatient(()).await.unwrap(), "deadline_exceeded");
    assert_eq!(host.count(300).await.unwrap(), 300, "a stream each way");
    assert_eq!(host.mirror(()).await.unwrap(), "Good morning, Ada, who was asked \"back\"");
    let askers = ada.askers.lock().unwrap().clone();
    assert_eq!(askers.len(), 2);
    assert!(askers.iter().all(|(address, names)| address.to_string() == "10.1.2.3:70" && names.is_empty()));
    // One that answers nothing says so, and the call goes on to say it.
    let silent = HostClient::new(hosting.dial("one:1").lazy());
    let failure = silent.greet(String::new()).await.unwrap_err();
    assert_eq!(failure.status.code, Code::Unimplemented, "{failure}");
}

#[tokio::test]
async fn the_handlers_of_a_client_know_who_asks() {
    // Over a socket its address, and over TLS the names of its certificate, whether the socket was ours or dialed.
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["inside.test".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let certificates = vec![CertPair { cert: cert.clone(), key }];
    let config = TlsConfig { certificates, alpn: vec![ALPN.to_vec()], ..TlsConfig::default() };
    let tls = Tls::new(config).unwrap();
    let trust = Trust::SystemAnd(cert);
    let trusting = ClientTls::new(&ClientTlsConfig { trust, ..ClientTlsConfig::default() }).unwrap();
    for secret in [false, true] {
        for dialed in [false, true] {
            let hosting = Hosting::new();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (server, tls) = (hosting.server.clone(), tls.clone());
            tokio::spawn(async move {
                let (tcp, from) = listener.accept().await.unwrap();
                let io = match secret {
                    true => Io::other(tls.acceptor().accept(tcp).await.unwrap()),
                    false => tcp.into(),
                };
                server.serve(io, from).await;
            });
            let leading = wireworks::net::client::Resolver::new(move |_, _| async move { Ok(vec![address]) });
            let connector = Connector::new().trusting(trusting.clone()).resolver(leading);
            let mut builder = Channel::to(["inside.test:1"]).unwrap().connector(connector);
            if dialed {
                builder = builder.dial(move |_| tokio::net::TcpStream::connect(address));
            }
            if secret {
                builder = builder.tls();
            }
            let ada = Ada::default();
            let host = HostClient::new(builder.answering(person::serve(ada.clone())).unwrap());
            host.greet("who".into()).await.unwrap();
            let names = if secret { vec!["inside.test".to_owned()] } else { Vec::new() };
            assert_eq!(*ada.askers.lock().unwrap(), [(address.into(), names)], "{secret} {dialed}");
        }
    }
}

#[tokio::test]
async fn a_channel_that_is_kept_works_as_long_as_the_connection() {
    let mut hosting = Hosting::new();
    let channel = hosting.dial("one:1").answering(person::serve(Ada::default())).unwrap();
    let host = HostClient::new(channel.clone());
    host.subscribe(()).await.unwrap();
    let person = PersonClient::new(hosting.kept.recv().await.unwrap());
    for _ in 0..10 {
        assert!(person.name("later".into()).await.unwrap().starts_with("Ada"));
    }
    // A call that is under way ends with the connection, which is not kept open by it.
    let (hanging, mut talking) = (person.clone(), person.repeat().await.unwrap());
    talking.send(&"still there?".to_owned()).await.unwrap();
    assert_eq!(talking.next().await.unwrap().unwrap(), "still there?");
    let hanging = tokio::spawn(async move { hanging.never(()).await });
    hosting.server.finish(Duration::ZERO).await;
    let failure = tokio::time::timeout(PATIENCE, hanging).await.unwrap().unwrap().unwrap_err();
    assert_eq!((failure.status.code, failure.reach), (Code::Unavailable, Reach::Unknown), "{failure}");
    let failure = talking.next().await.unwrap().unwrap_err();
    assert_eq!((failure.status.code, failure.reach), (Code::Unavailable, Reach::Unknown), "{failure}");
    for _ in 0..2 {
        let failure = person.name("too late".into()).await.unwrap_err();
        assert_eq!((failure.status.code, failure.reach), (Code::Unavailable, Reach::Never), "{failure}");
        assert_eq!(failure.attempts, 1, "nothing is tried again");
    }
    let failure = match person.repeat().await {
        Ok(mut talking) => talking.next().await.unwrap().unwrap_err(),
        Err(failure) => failure,
    };
    assert_eq!((failure.status.code, failure.reach), (Code::Unavailable, Reach::Never), "{failure}");
    drop(channel);
}

#[tokio::test]
async fn a_connection_ends_when_its_client_is_gone_though_a_channel_back_is_kept() {
    let mut hosting = Hosting::new();
    let host = HostClient::new(hosting.dial("one:1").answering(person::serve(Ada::default())).unwrap());
    host.subscribe(()).await.unwrap();
    let person = PersonClient::new(hosting.kept.recv().await.unwrap());
    drop(host);
    let gone = async {
        while person.name("there?".into()).await.is_ok() {
            tokio::task::yield_now().await;
        }
        person.name("there?".into()).await.unwrap_err()
    };
    let failure = tokio::time::timeout(PATIENCE, gone).await.unwrap();
    assert_eq!((failure.status.code, failure.reach), (Code::Unavailable, Reach::Never), "{failure}");
    assert_eq!(hosting.server.finish(PATIENCE).await, 0);
}

#[tokio::test]
async fn a_server_that_stops_answers_with_the_help_of_its_callers() {
    let hosting = Hosting::new();
    let host = HostClient::new(hosting.dial("one:1").answering(person::serve(Ada::default())).unwrap());
    let calling = tokio::spawn({
        let host = host.clone();
        async move { host.greet_later("before you go".into()).await }
    });
    hosting.begun.notified().await;
    let server = hosting.server.clone();
    let stopping = tokio::spawn(async move { server.finish(PATIENCE).await });
    // The client has heard of it when it makes another connection for its next call.
    let calling_on = tokio::spawn(async move { while host.subscribe(()).await.is_ok() {} });
    let heard = async {
        while hosting.dialed.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.unwrap();
    calling_on.abort();
    hosting.go_on.notify_one();
    let greeting = calling.await.unwrap().unwrap();
    assert_eq!(greeting, "Good morning, Ada, who was asked \"before you go\"");
    assert_eq!(stopping.await.unwrap(), 0, "no call is cut");
}
