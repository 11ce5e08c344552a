//! What handlers say with the end of their calls.

use futures_util::StreamExt;
use wireworks::net::addr::PeerAddr;
use wireworks::server::rpc::{
    Channel, Code, Context, Metadata, Requests, ResponseStream, Services, Settings, Status,
};
use wireworks::service;

service! {
    /// A method of each kind, and what goes wrong.
    service Kinds as KindsClient in kinds {
        1 => unary one(u32) -> u32;
        2 => server_stream many(u32) -> u32;
        3 => client_stream sum(u32) -> u32;
        4 => bidi echo(u32) -> u32;
        /// Adds so many bytes.
        5 => unary large(u32) -> ();
    }
}

struct Says;

fn say(context: &Context, text: &str) {
    context.add_trailer("said", text).unwrap();
}

impl Kinds for Says {
    async fn one(&self, context: Context, number: u32) -> Result<u32, Status> {
        say(&context, "before");
        if number > 1 {
            // Not at once, and by another task.
            let also = context.clone();
            tokio::spawn(async move { say(&also, "meanwhile") }).await.unwrap();
        }
        if number > 2 {
            let trailers = Metadata::new().with("why", "too many").unwrap();
            return Err(Status::new(Code::OutOfRange, "more than two").trailers(trailers));
        }
        Ok(number)
    }

    async fn many(&self, context: Context, count: u32) -> Result<ResponseStream<u32>, Status> {
        Ok(futures_util::stream::iter(0..count)
            .map(move |number| {
                say(&context, &number.to_string());
                Ok(number)
            })
            .boxed())
    }

    async fn sum(&self, context: Context, mut numbers: Requests<u32>) -> Result<u32, Status> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await.transpose()? {
            say(&context, &number.to_string());
            sum += number;
        }
        Ok(sum)
    }

    async fn echo(&self, context: Context, numbers: Requests<u32>) -> Result<ResponseStream<u32>, Status> {
        say(&context, "echo");
        Ok(numbers.boxed())
    }

    async fn large(&self, context: Context, bytes: u32) -> Result<(), Status> {
        say(&context, &"x".repeat(bytes as usize));
        Ok(())
    }
}

fn client(services: Services) -> KindsClient {
    let server = services.detached(Settings::default()).unwrap();
    let channel = Channel::to(["one:1"]).unwrap().dial(move |_| {
        let (near, far) = tokio::io::duplex(1 << 16);
        let server = server.clone();
        tokio::spawn(async move { server.serve(far, PeerAddr::Unix).await });
        async { Ok(near) }
    });
    KindsClient::new(channel.lazy())
}

fn said(trailers: &Metadata) -> Vec<(String, String)> {
    let pair = |(name, value): (&str, &[u8])| (name.to_owned(), String::from_utf8_lossy(value).into_owned());
    trailers.iter().map(pair).collect()
}

fn all(values: &[&str]) -> Vec<(String, String)> {
    values.iter().map(|value| ("said".to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_call_of_any_kind_ends_with_what_its_handler_has_added() {
    let client = client(kinds::serve(Says));
    let reply = client.one(1).reply().await.unwrap();
    assert_eq!((reply.message, said(&reply.trailers)), (1, all(&["before"])));
    let reply = client.one(2).reply().await.unwrap();
    assert_eq!((reply.message, said(&reply.trailers)), (2, all(&["before", "meanwhile"])));

    let mut many = client.many(3).await.unwrap();
    assert_eq!(many.trailers(), None);
    while many.next().await.transpose().unwrap().is_some() {}
    assert_eq!(said(many.trailers().unwrap()), all(&["0", "1", "2"]));

    let mut upload = client.sum().await.unwrap();
    for number in [20, 22] {
        upload.send(&number).await.unwrap();
    }
    let reply = upload.reply().await.unwrap();
    assert_eq!((reply.message, said(&reply.trailers)), (42, all(&["20", "22"])));

    let mut echo = client.echo().await.unwrap();
    echo.send(&1).await.unwrap();
    assert_eq!(echo.next().await.unwrap().unwrap(), 1);
    assert_eq!(echo.trailers(), None);
    echo.finish();
    assert!(echo.next().await.is_none());
    assert_eq!(said(echo.trailers().unwrap()), all(&["echo"]));
}

#[tokio::test]
async fn a_failure_has_its_own_trailers_before_those_of_the_call() {
    let failure = client(kinds::serve(Says)).one(3).await.unwrap_err();
    let mut expected = vec![("why".to_owned(), "too many".to_owned())];
    expected.extend(all(&["before", "meanwhile"]));
    assert_eq!((failure.status.code, said(&failure.status.trailers)), (Code::OutOfRange, expected));
}

#[tokio::test]
async fn calls_side_by_side_have_trailers_of_their_own_and_layers_may_add_some() {
    let services = kinds::serve(Says).intercept(|incoming| {
        let added = incoming.context.add_trailer("by", "the layer");
        added.map_err(|error| Status::new(Code::Internal, error.to_string()))
    });
    let client = client(services);
    let calls = (0..100).map(|n| {
        let client = &client;
        async move {
            let mut many = client.many(n % 5).await.unwrap();
            while many.next().await.transpose().unwrap().is_some() {}
            let trailers = said(many.trailers().unwrap());
            assert_eq!(trailers[0], ("by".to_owned(), "the layer".to_owned()));
            assert_eq!(trailers.len(), 1 + n as usize % 5);
        }
    });
    futures_util::future::join_all(calls).await;
}

#[tokio::test]
async fn trailers_that_the_caller_does_not_put_up_with_are_a_failure_that_says_so() {
    let client = client(kinds::serve(Says));
    assert_eq!(client.large(8000).reply().await.unwrap().trailers.text("said").unwrap().len(), 8000);
    let failure = client.large(9000).await.unwrap_err();
    assert_eq!(failure.status.code, Code::ResourceExhausted, "{failure}");
    assert!(failure.status.text.starts_with("the answer cannot be sent"), "{failure}");
    assert_eq!(client.one(1).await.unwrap(), 1, "the connection goes on");
}
