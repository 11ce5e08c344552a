//! Two nodes pass the checks of one server.

use crate::chat::pair::Ground;
use crate::chat::{access, json, presence};

#[test]
fn two_nodes_pass_the_checks_of_one() {
    let ground = Ground::start();
    for (name, check) in [json::CHECKS, access::CHECKS, presence::CHECKS].concat() {
        // A failure says where it is; this says in which check.
        println!("{name}");
        check(&ground.pair(&["--no-limits"]));
    }
}
