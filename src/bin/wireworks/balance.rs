//! The command line of `wireworks balance`.

use std::error::Error;
use std::process::ExitCode;

use wireworks::server::balance::balancer;
use wireworks::server::balance::command::{Args, SubCommand};
use wireworks::server::balance::config::{Config, ConfigError};
use wireworks::server::balance::ctl;
use wireworks::server::log;

/// Balances, or says what is wrong with the configuration: each fault in a line of its own.
pub(crate) fn run(args: &Args) -> ExitCode {
    if let Some(SubCommand::Ctl(args)) = &args.order {
        return match ctl::run(args) {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => crate::failure(&error, crate::FAILURE),
        };
    }
    match args.configuration() {
        Ok(config) => crate::served(serve(args, &config)),
        Err(error @ ConfigError::Faults { .. }) => {
            error.to_string().lines().for_each(|line| eprintln!("error: {line}"));
            ExitCode::from(crate::FAILURE)
        }
        Err(error) => crate::failure(&error, crate::FAILURE),
    }
}

fn serve(args: &Args, config: &Config) -> Result<(), Box<dyn Error>> {
    if args.check {
        println!("the configuration is good");
        return Ok(());
    }
    if args.print_config {
        print!("{}", args.to_toml());
        return Ok(());
    }
    log::init(args.log(config))?;
    match &args.config {
        Some(path) => balancer::run_file(path.clone(), config)?,
        None => balancer::run(config)?,
    };
    Ok(())
}
