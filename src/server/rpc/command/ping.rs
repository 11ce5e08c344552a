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

    /// The service whose health is asked for; without it, that of the server as a whole
    #[arg(long, short = 's', value_name = "NAME", default_value = "", hide_default_value = true)]
    pub service: String,
}

/// Asks for the server's health, or that of a service, and prints a line for each answer.
///
/// # Errors
/// There is no answer, or the last one says that no calls are taken.
pub fn run(args: &Args) -> Result<(), RpcError> {
    let args = args.clone();
    block_on(async move {
        let client = HealthClient::new(args.remote.channel()?);
        let mut last = "serving";
        for number in 0..args.count {
            if number > 0 {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            let begun = Instant::now();
            last = match client.check(Whose { service: args.service.clone() }).await {
                Ok(Condition::Serving) => "serving",
                Ok(Condition::NotServing) => "not serving",
                Ok(Condition::Stopping) => "stopping",
                // An answer all the same.
                Err(failure) if failure.status.code == Code::Unimplemented && args.service.is_empty() => {
                    "there, without a health service"
                }
                Err(failure) => return Err(failure.into()),
            };
            print(&format!("{last}, {:.3} ms\n", begun.elapsed().as_secs_f64() * 1e3))?;
        }
        match last {
            "not serving" | "stopping" => Err(RpcError::Unhealthy(last)),
            _ => Ok(()),
        }
    })
}
