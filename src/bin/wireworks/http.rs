//! The door of `wireworks http`.

use std::error::Error;
use std::io::Write;

use wireworks::server::http::command::{self, Args, Config};

/// Serves, or prints the configuration.
pub(crate) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let config = Config::load(args)?;
    if args.print_config {
        std::io::stdout().write_all(config.to_toml()?.as_bytes())?;
        return Ok(());
    }
    command::init_log(config.log)?;
    command::run(&config)?;
    Ok(())
}
