//! The command `wireworks balance`: a configuration from a file, or a short one from the command line.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Command, Subcommand};
use toml::Value;

use super::config::{Config, ConfigError, Fault};
use super::ctl::CtlArgs;
use crate::net::addr::ListenAddr;
use crate::net::client::Target;
use crate::net::resilience::pick::Algorithm;
use crate::server::log::{LogConfig, LogFormat, LogLevel};

/// The options of `wireworks balance`.
#[derive(ClapArgs, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    /// Control a running balancer instead
    #[command(subcommand)]
    pub order: Option<SubCommand>,
    /// Read the configuration from a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["listen", "to", "l4", "algorithm"])]
    pub config: Option<PathBuf>,
    /// Only check the file, and print what is wrong with it
    #[arg(long, requires = "config")]
    pub check: bool,
    /// Listen on this address; may be repeated
    #[arg(long, short, value_name = "ADDR")]
    pub listen: Vec<ListenAddr>,
    /// Use this backend; repeat for each one
    #[arg(long, value_name = "ADDR", required_unless_present = "config")]
    pub to: Vec<Target>,
    /// Balance TCP connections of any protocol instead of HTTP requests
    #[arg(long)]
    pub l4: bool,
    /// The algorithm that chooses a backend
    #[arg(long, value_name = "NAME", default_value_t = Algorithm::P2c)]
    pub algorithm: Algorithm,
    /// Print the configuration file that says the same as these options
    #[arg(long, conflicts_with = "config")]
    pub print_config: bool,
    /// The balancer's own log, on stderr [default: text]
    #[arg(long, value_name = "text|json", hide_possible_values = true)]
    pub log: Option<LogFormat>,
    /// error, warn, info, debug or trace; or set WIREWORKS_LOG [default: info]
    #[arg(long, value_name = "LEVEL", hide_possible_values = true)]
    pub log_level: Option<LogLevel>,
}

/// Subcommands.
#[derive(Subcommand, Clone, Debug)]
pub enum SubCommand {
    /// Show and change a running balancer
    Ctl(CtlArgs),
}

/// The default address.
pub const DEFAULT_LISTEN: ListenAddr = ListenAddr::Tcp(std::net::SocketAddr::V4(
    std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 8000),
));

/// The name of the upstream of the short form.
const NAME: &str = "default";

/// What stands below the help.
const EXAMPLES: &str = "\
Examples:
  wireworks balance --to 127.0.0.1:9001 --to 127.0.0.1:9002     HTTP, on http://127.0.0.1:8000/
  wireworks balance --listen :5432 --to 10.0.4.1:5432 --to 10.0.4.2:5432 --l4 --algorithm least
  wireworks balance --to 127.0.0.1:9001 --print-config > lb.toml
  wireworks balance --config lb.toml --check                    every fault with its line and column
  wireworks balance --config lb.toml --log json
  wireworks balance ctl list                                    each backend with its state and load

A file has all that a balancer can do: routes, TLS, health checks, retries, limits, authentication, caches.
SIGHUP reads it again, SIGUSR2 starts a new version of the program without losing a connection, and SIGTERM
finishes what is under way. Exit status: 0, 1 when something is wrong, 64 when the command line makes no sense.";

impl Args {
    /// The command with examples below its help.
    #[must_use]
    pub fn described(command: Command) -> Command {
        command.after_help(EXAMPLES)
    }

    /// The log of the process: as the command line says, or else as the configuration does.
    #[must_use]
    pub fn log(&self, config: &Config) -> LogConfig {
        LogConfig {
            format: self.log.unwrap_or(config.log.format),
            level: self.log_level.unwrap_or(config.log.level),
        }
    }

    /// The file that says the same as the short form.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let list = |addresses: Vec<String>| {
            let quoted: Vec<_> =
                addresses.iter().map(|address| Value::from(&**address).to_string()).collect();
            format!("[{}]", quoted.join(", "))
        };
        let mut text = String::new();
        if self.log.is_some() || self.log_level.is_some() {
            text.push_str("[process]\n");
            let format = self.log.and_then(|format| Value::try_from(format).ok());
            let level = self.log_level.and_then(|level| Value::try_from(level).ok());
            for (key, value) in [("log", format), ("log-level", level)] {
                if let Some(value) = value {
                    // Writing to a string cannot fail.
                    let _ = writeln!(text, "{key} = {value}");
                }
            }
            text.push('\n');
        }
        let listen = list(self.addresses().iter().map(ToString::to_string).collect());
        let backends = list(self.to.iter().map(ToString::to_string).collect());
        let mode = if self.l4 { "tcp" } else { "http" };
        let _ = write!(
            text,
            "[[listener]]\nlisten = {listen}\nmode = \"{mode}\"\nto = \"{NAME}\"\n\n\
             [upstream.{NAME}]\nalgorithm = \"{}\"\nbackends = {backends}\ncheck = {{}}    # by connecting\n",
            self.algorithm
        );
        text
    }

    /// The addresses of the short form.
    fn addresses(&self) -> Vec<ListenAddr> {
        if self.listen.is_empty() { vec![DEFAULT_LISTEN] } else { self.listen.clone() }
    }

    /// The configuration of these options.
    ///
    /// # Errors
    /// The file cannot be read, or something is wrong with it.
    pub fn configuration(&self) -> Result<Config, ConfigError> {
        match &self.config {
            Some(path) => Config::read(path),
            None => self.short(),
        }
    }

    /// One listener, one upstream, checked by connecting.
    fn short(&self) -> Result<Config, ConfigError> {
        let told = |faults: Vec<Fault>| {
            let messages: Vec<_> = faults.into_iter().map(|fault| fault.message).collect();
            ConfigError::Options(messages.join("; "))
        };
        let config = Config::parse(&self.to_toml()).map_err(told)?;
        // There is no file.
        Ok(Config { checksum: String::new(), ..config })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use toml::Table;

    use super::*;
    use crate::proto::balance::health;
    use crate::server::balance::config::Service;
    use crate::server::command::names_every_option;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        Line::try_parse_from(std::iter::once("balance").chain(line.split_whitespace())).unwrap().args
    }

    #[test]
    fn the_short_form_is_a_file() {
        let plain = "[[listener]]\nlisten = [\"127.0.0.1:8000\"]\nmode = \"http\"\nto = \"default\"\n\n\
                     [upstream.default]\nalgorithm = \"p2c\"\nbackends = [\"127.0.0.1:9001\"]\ncheck = {}    # by connecting\n";
        assert_eq!(args("--to 127.0.0.1:9001").to_toml(), plain);
        let line = "--to a.test:1 --to [::1]:2 --to unix:/run/a\"b.sock --listen :80 --listen unix:/run/lb.sock --l4 --algorithm maglev --log json --log-level debug";
        let args = args(line);
        let config = args.configuration().unwrap();
        let [listener] = &config.listeners[..] else { panic!("{config:?}") };
        assert_eq!(listener.listen, args.listen);
        assert!(matches!(&listener.service, Service::Tcp(service) if service.to.as_deref() == Some(NAME)));
        let [upstream] = &config.upstreams[..] else { panic!("{config:?}") };
        assert_eq!(upstream.settings.algorithm, Algorithm::Maglev);
        let targets: Vec<_> = upstream.backends.iter().map(|backend| backend.target.clone()).collect();
        assert_eq!(targets, args.to);
        assert!(upstream.backends.iter().all(|backend| backend.checks == Some(health::Policy::DEFAULT)));
        assert_eq!(config.log, LogConfig { format: LogFormat::Json, level: LogLevel::Debug });
        assert_eq!(config.checksum, "");
    }

    #[test]
    fn a_backend_is_named_once() {
        let error = args("--to a:1 --to a:1").configuration().unwrap_err();
        assert_eq!(error.to_string(), "a:1 is listed twice");
    }

    #[test]
    fn the_log_is_as_the_command_line_says_or_else_the_file() {
        let file = "[process]\nlog = \"json\"\nlog-level = \"warn\"\n[[listener]]\nlisten = \":1\"\nto = \"a\"\n[upstream.a]\nbackends = [\"b:1\"]\n";
        let file = Config::parse(file).unwrap();
        for (line, format, level) in [
            ("--config a", LogFormat::Json, LogLevel::Warn),
            ("--config a --log text", LogFormat::Text, LogLevel::Warn),
            ("--config a --log-level trace", LogFormat::Json, LogLevel::Trace),
        ] {
            assert_eq!(args(line).log(&file), LogConfig { format, level }, "{line}");
        }
        assert_eq!(args("--to a:1").log(&Config::default()), LogConfig::default());
    }

    #[test]
    fn the_manual_names_every_option_and_its_default() {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("balance"));
        names_every_option(&command, &Table::new(), &["balance.md#Start"]);
        let ctl = <CtlArgs as clap::Args>::augment_args(clap::Command::new("ctl"));
        let orders =
            ctl.get_subcommands().filter(|order| order.get_arguments().any(|arg| !arg.is_positional()));
        let orders: Vec<_> = orders.collect();
        assert_eq!(orders.len(), 2);
        for command in orders.into_iter().chain([&ctl]) {
            names_every_option(command, &Table::new(), &["balance.md#Status page, API and metrics"]);
        }
    }
}
