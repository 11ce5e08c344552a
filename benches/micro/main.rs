//! The pieces without any socket: `cargo bench --bench micro`.

mod http;
mod ws;

fn main() {
    divan::main();
}
