//! The command `wireworks`.

fn main() {}
