//! The doors of `wireworks http` and `wireworks ws serve`.

use std::error::Error;
use std::io::Write;

use wireworks::server::log;
use wireworks::server::site::command::{self, Args, Config, Site};

/// Serves, or prints the configuration.
pub(crate) fn run(site: Site, args: &Args) -> Result<(), Box<dyn Error>> {
    let config = Config::load(site, args)?;
    if args.file.print_config {
        std::io::stdout().write_all(config.to_toml()?.as_bytes())?;
        return Ok(());
    }
    log::init(config.server.log)?;
    command::run(&config)?;
    Ok(())
}
