//! `wireworks rpc call`: any method of any server, with JSON in and out, by what its reflection tells.

use std::future::poll_fn;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::task::Poll;

use super::list::{find, listing};
use super::remote::Remote;
use super::{RpcError, block_on, print};
use crate::proto::rpc::dynamic::{Style, decode, encode, example};
use crate::proto::rpc::frame::Call;
use crate::proto::rpc::payload::CodecId;
use crate::proto::rpc::schema::{Type, method_hash, service_hash};
use crate::proto::rpc::session::Message;
use crate::server::rpc::caller::{Arrived, Pending};
use crate::server::rpc::client::{Request, StreamRequest, Streaming, deadline_in};
use crate::server::rpc::stream::Format;
use crate::server::rpc::{Channel, Failure, Metadata, Settings};

/// Bytes of a message, in and out.
const LIMIT: usize = 64 << 20;

/// Messages of a line each that are read ahead of what the server takes.
const AHEAD: usize = 16;

/// What a user may type after `wireworks rpc call`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where to.
    #[command(flatten)]
    pub remote: Remote,

    /// SERVICE.METHOD
    #[arg(value_name = "METHOD")]
    pub method: String,

    /// The request, as JSON; without it, and for streams of requests, a line of stdin for each message
    #[arg(value_name = "JSON")]
    pub json: Option<String>,

    /// A name and a value that go with the call; repeatable
    #[arg(long = "meta", short = 'm', value_name = "NAME=VALUE", value_parser = pair, help_heading = "Calls")]
    pub metadata: Vec<(String, String)>,

    /// A line for each value of an answer; without it, an answer is a line
    #[arg(long, help_heading = "Report")]
    pub pretty: bool,

    /// Show what came with the end of the call, on stderr
    #[arg(long, short = 'v', help_heading = "Report")]
    pub verbose: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is written NAME=VALUE")?;
    Metadata::new().with(name, value).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A method, as far as it is known at run time.
struct Method {
    call: Call,
    request: Type,
    response: Type,
    takes_stream: bool,
    gives_stream: bool,
    idempotent: bool,
}

/// Makes the call, and prints what is answered.
///
/// # Errors
/// There is no such method, the JSON does not fit it, or the call failed.
pub fn run(args: &Args) -> Result<(), RpcError> {
    let args = args.clone();
    block_on(async move {
        let settings = Settings { max_message: LIMIT, ..args.remote.settings() };
        let channel = args.remote.builder()?.settings(settings).lazy();
        let method = Method::find(&channel, &args).await?;
        let style = if args.pretty { Style::Indented } else { Style::Line };
        let trailers = if method.takes_stream {
            upload(&channel, &method, &args, style).await?
        } else {
            let json = match args.json.clone() {
                Some(json) => json,
                None if method.request == Type::Tuple(Vec::new()) => "null".into(),
                None => {
                    method.invite();
                    io::read_to_string(io::stdin())?
                }
            };
            single(&channel, &method, &args, &json, style).await?
        };
        if args.verbose {
            for (name, value) in trailers.iter() {
                eprintln!("{name}: {}", value.escape_ascii());
            }
        }
        Ok(())
    })
}

impl Method {
    async fn find(channel: &Channel, args: &Args) -> Result<Self, RpcError> {
        let listing = listing(channel).await?;
        let (service, method) = find(&listing, &args.method)?;
        let parse = |text: &str| {
            let parsed = Type::parse(text);
            parsed.map_err(|error| {
                RpcError::Unknown(format!("the server describes a type that cannot be read: {error}"))
            })
        };
        let (request, response) = (parse(&method.request)?, parse(&method.response)?);
        let kind = method.kind().ok_or_else(|| {
            RpcError::Unknown(format!(
                "{} is of a kind that is not known here: {:?}",
                args.method, method.kind
            ))
        })?;
        let mut metadata = Metadata::new();
        for (name, value) in &args.metadata {
            metadata = metadata.with(name, value).map_err(|error| RpcError::Usage(error.to_string()))?;
        }
        let call = Call {
            service: service_hash(&service.name),
            method: method.number,
            schema: method_hash(kind.name(), &request, &response),
            metadata,
            ..Call::default()
        };
        let (takes_stream, gives_stream) = (kind.takes_stream(), kind.gives_stream());
        Ok(Self { call, request, response, takes_stream, gives_stream, idempotent: method.idempotent })
    }

    fn write(&self, json: &str) -> Result<Message, RpcError> {
        let unfit = |why: String| {
            let written = example(&self.request).map(|example| format!("; it is written as {example}"));
            RpcError::Usage(format!("{why}{}", written.unwrap_or_default()))
        };
        if json.trim().is_empty() {
            return Err(unfit("the request is missing".into()));
        }
        let bytes = encode(&self.request, json, LIMIT)
            .map_err(|error| unfit(format!("the request does not fit: {error}")))?;
        Ok(Message { bytes, ..Message::default() })
    }

    /// Says what is waited for to whoever sits at a terminal, where it would look as if nothing happened.
    fn invite(&self) {
        if io::stdin().is_terminal() {
            let lines = if self.takes_stream { "a request on each line" } else { "the request" };
            let as_in = example(&self.request).map(|example| format!(", as {example}")).unwrap_or_default();
            eprintln!("reading {lines} from the terminal{as_in}; Ctrl-D ends");
        }
    }

    /// Prints an answer.
    fn show(&self, message: Message, style: Style) -> Result<(), RpcError> {
        let unread = |error: String| RpcError::Unknown(format!("the answer cannot be read: {error}"));
        let bytes = Format { codec: CodecId::Bincode, limit: LIMIT }.plain(message);
        let bytes = bytes.map_err(|error| unread(error.to_string()))?;
        let text = decode(&self.response, &bytes, LIMIT, style).map_err(|error| unread(error.to_string()))?;
        print(&format!("{text}\n"))
    }

    /// Prints what is answered, to the end.
    async fn show_all(
        &self,
        pending: Pending,
        first: Option<Arrived>,
        style: Style,
    ) -> Result<Metadata, RpcError> {
        let mut next = first;
        loop {
            let arrived = match next.take() {
                Some(arrived) => arrived,
                None => poll_fn(|cx| pending.poll_next(cx)).await?,
            };
            match arrived {
                Arrived::Message(message) => self.show(message, style)?,
                Arrived::End(trailers) => return Ok(trailers),
            }
        }
    }
}

/// A call with one request.
async fn single(
    channel: &Channel,
    method: &Method,
    args: &Args,
    json: &str,
    style: Style,
) -> Result<Metadata, RpcError> {
    let request = Request {
        call: method.call.clone(),
        message: method.write(json)?,
        method: None,
        idempotent: method.idempotent,
        begun: tokio::time::Instant::now(),
        deadline: deadline_in(args.remote.deadline.0),
    };
    if !method.gives_stream {
        let (message, trailers) = channel.call(&request).await?;
        method.show(message, style)?;
        return Ok(trailers);
    }
    let Streaming { pending, first, .. } = channel.stream(&request).await?;
    method.show_all(pending, Some(first), style).await
}

/// A call with a stream of requests: a line of stdin for each, or the one on the command line.
async fn upload(channel: &Channel, method: &Method, args: &Args, style: Style) -> Result<Metadata, RpcError> {
    let (call, idempotent) = (method.call.clone(), method.idempotent);
    let request =
        StreamRequest { call, method: None, idempotent, deadline: deadline_in(args.remote.deadline.0) };
    let (mut send, mut recv) = channel.open(request).await?;
    if args.json.is_none() {
        method.invite();
    }
    let mut lines = lines(args.json.clone());
    let mut number = 0;
    let (mut more, mut next) = (true, None);
    loop {
        tokio::select! {
            line = lines.recv(), if more && next.is_none() => match line {
                Some(line) => {
                    let line = line?;
                    number += 1;
                    if !line.trim().is_empty() {
                        let message = method.write(&line);
                        next = Some(message.map_err(|error| RpcError::Usage(format!("line {number}: {error}")))?);
                    }
                }
                None => {
                    more = false;
                    send.finish();
                }
            },
            // Answers are read meanwhile: who answers may have no room for more either.
            step = poll_fn(|cx| match recv.poll_next(cx) {
                Poll::Ready(arrived) => Poll::Ready(Step::Arrived(arrived)),
                Poll::Pending if next.is_some() => send.poll_room(cx).map(Step::Room),
                Poll::Pending => Poll::Pending,
            }) => match step {
                Step::Arrived(arrived) => match arrived? {
                    Arrived::Message(message) => method.show(message, style)?,
                    Arrived::End(trailers) => return Ok(trailers),
                },
                Step::Room(room) => {
                    room?;
                    if let Some(message) = next.take() {
                        send.send(message);
                    }
                }
            },
        }
    }
}

/// What happens on a call with streams in both directions.
enum Step {
    Arrived(Result<Arrived, Failure>),
    Room(Result<(), Failure>),
}

/// The lines of stdin as they come, read by a thread of their own: a terminal can be read in no other way. Or the one line that there is.
fn lines(only: Option<String>) -> tokio::sync::mpsc::Receiver<io::Result<String>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        if let Some(only) = only {
            let _ = sender.blocking_send(Ok(only)); // nobody listens to what comes after the end
            return;
        }
        for line in io::stdin().lock().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
