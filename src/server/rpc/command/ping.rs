//! `wireworks rpc ping`: is a server there, does it take calls, and how far away is it.

use std::time::Instant;

use super::remote::Remote;
use super::{RpcError, block_on, print};
use crate::server::rpc::Code;
use crate::server::rpc::health::{Condition, HealthClient, Whose};

/// What a user may type after `wireworks rpc ping`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where to.
    #[command(flatten)]
    pub remote: Remote,

    /// How often
    #[arg(long, short = 'c', value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
}

/// Asks for the server's health, and prints a line for each answer.
///
/// # Errors
/// There is no answer.
pub fn run(args: &Args) -> Result<(), RpcError> {
    let args = args.clone();
    block_on(async move {
        let client = HealthClient::new(args.remote.channel()?);
        for number in 0..args.count {
            if number > 0 {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            let begun = Instant::now();
            let condition = match client.check(Whose { service: String::new() }).await {
                Ok(Condition::Serving) => "serving",
                Ok(Condition::Stopping) => "stopping",
                // An answer all the same.
                Err(failure) if failure.status.code == Code::Unimplemented => {
                    "there, without a health service"
                }
                Err(failure) => return Err(failure.into()),
            };
            print(&format!("{condition}, {:.3} ms\n", begun.elapsed().as_secs_f64() * 1e3))?;
        }
        Ok(())
    })
}
