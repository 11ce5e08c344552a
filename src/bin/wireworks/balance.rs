//! The door of `wireworks balance`.

use std::error::Error;

use wireworks::server::balance::balancer;
use wireworks::server::balance::command::Args;
use wireworks::server::log::{self, LogConfig};

/// Balances, or says what is wrong with the configuration.
pub(crate) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let config = args.configuration()?;
    if args.check {
        println!("the configuration is good");
        return Ok(());
    }
    log::init(LogConfig::default())?;
    balancer::run(&config)?;
    Ok(())
}
