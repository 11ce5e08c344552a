//! A service and its client.
//!
//! ```sh
//! cargo run --release --example rpc
//! wireworks rpc describe 127.0.0.1:7000 Todo
//! wireworks rpc call 127.0.0.1:7000 Todo.add '{"text": "tea"}'
//! wireworks rpc call 127.0.0.1:7000 Todo.all null
//! ```

use std::error::Error;
use std::sync::Mutex;

use futures_util::StreamExt;
use wireworks::server::process::announce;
use wireworks::server::rpc::{Channel, Code, Context, ResponseStream, Status};
use wireworks::{service, wire_types};

wire_types! {
    /// Something to do.
    pub struct Item {
        /// What it is.
        pub text: String,
    }

    /// Its number.
    pub struct Number {
        /// From 1 on.
        pub number: u32,
    }
}

service! {
    /// What there is to do.
    pub service Todo as TodoClient in todo {
        /// Adds something to do.
        1 => unary add(Item) -> Number;
        /// What has this number. Safe to repeat, so it is tried again when a server fails.
        2 => unary get(Number) -> Item, idempotent;
        /// Everything, one after the other.
        3 => server_stream all(()) -> Item, idempotent;
    }
}

#[derive(Default)]
struct List(Mutex<Vec<Item>>);

impl List {
    fn items(&self) -> Result<std::sync::MutexGuard<'_, Vec<Item>>, Status> {
        self.0.lock().map_err(|_| Status::new(Code::Internal, "the list is broken"))
    }
}

impl Todo for List {
    async fn add(&self, _: Context, item: Item) -> Result<Number, Status> {
        let mut items = self.items()?;
        items.push(item);
        Ok(Number { number: items.len() as u32 })
    }

    async fn get(&self, _: Context, Number { number }: Number) -> Result<Item, Status> {
        let item = (number as usize).checked_sub(1).and_then(|at| self.items().ok()?.get(at).cloned());
        item.ok_or_else(|| Status::new(Code::NotFound, format!("there is no number {number}")))
    }

    async fn all(&self, _: Context, (): ()) -> Result<ResponseStream<Item>, Status> {
        let items = self.items()?.clone();
        Ok(futures_util::stream::iter(items).map(Ok).boxed())
    }
}

#[tokio::main]
async fn ask(address: String) -> Result<(), Box<dyn Error + Send + Sync>> {
    let client = TodoClient::new(Channel::to([address])?.lazy());
    let added = client.add(Item { text: "read the manual".into() }).await?;
    let number = added.number;
    println!("added as number {number}: {}", client.get(added).await?.text);
    if let Err(failure) = client.get(Number { number: 7 }).await {
        println!("{failure}");
    }
    let mut all = client.all(()).await?;
    while let Some(item) = all.next().await {
        println!("to do: {}", item?.text);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".into());
    let server = todo::serve(List::default()).reflection().server()?.listen(&*address);
    server
        .on_ready(|addresses| {
            announce(addresses);
            let Some(address) = addresses.first().map(|listening| listening.address.to_string()) else {
                return;
            };
            // The client has a thread of its own, as it would have a program of its own.
            std::thread::spawn(|| {
                if let Err(error) = ask(address) {
                    eprintln!("the client failed: {error}");
                }
            });
        })
        .run()?;
    Ok(())
}
