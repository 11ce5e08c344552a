//! The pieces without any socket: `cargo bench --bench micro`.

mod cache;
mod http;
mod payload;
mod pick;
mod ws;

fn main() {
    divan::main();
}
