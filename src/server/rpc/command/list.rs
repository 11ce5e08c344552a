//! `wireworks rpc ls` and `wireworks rpc describe`: what a server answers.

use std::fmt::Write as _;

use super::remote::Remote;
use super::{RpcError, block_on, print};
use crate::server::rpc::Channel;
use crate::server::rpc::reflection::{Listing, MethodInfo, ReflectionClient, ServiceInfo};

/// What a user may type after `wireworks rpc ls`.
#[derive(clap::Args, Clone, Debug)]
pub struct ListArgs {
    /// Where to.
    #[command(flatten)]
    pub remote: Remote,
}

/// What a user may type after `wireworks rpc describe`.
#[derive(clap::Args, Clone, Debug)]
pub struct DescribeArgs {
    /// Where to.
    #[command(flatten)]
    pub remote: Remote,

    /// A service, or SERVICE.METHOD; everything without
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Prints a line for each method.
///
/// # Errors
/// The server cannot be asked.
pub fn list(args: &ListArgs) -> Result<(), RpcError> {
    let listing = ask(&args.remote)?;
    let mut text = String::new();
    for service in &listing.services {
        for method in &service.methods {
            let _ = writeln!(text, "{}.{}", service.name, method.name);
        }
    }
    print(&text)
}

/// Prints what a service or method is, with its types and comments.
///
/// # Errors
/// The server cannot be asked, or has nothing of this name.
pub fn describe(args: &DescribeArgs) -> Result<(), RpcError> {
    let listing = ask(&args.remote)?;
    let Some(name) = &args.name else {
        let texts: Vec<String> = listing.services.iter().map(service_text).collect();
        return print(&texts.join("\n"));
    };
    let text = match name.split_once('.') {
        None => service_text(service(&listing, name)?),
        Some(_) => {
            let (service, method) = find(&listing, name)?;
            method_text(service, method)
        }
    };
    print(&text)
}

/// What the server answers.
pub(super) async fn listing(channel: &Channel) -> Result<Listing, RpcError> {
    Ok(ReflectionClient::new(channel.clone()).list(()).await?)
}

/// The method `SERVICE.METHOD`.
pub(super) fn find<'a>(
    listing: &'a Listing,
    name: &str,
) -> Result<(&'a ServiceInfo, &'a MethodInfo), RpcError> {
    let (service_name, method_name) =
        name.split_once('.').ok_or_else(|| RpcError::Usage(format!("{name:?} is no SERVICE.METHOD")))?;
    let service = service(listing, service_name)?;
    let method = service.methods.iter().find(|method| method.name == method_name);
    let known = || service.methods.iter().map(|method| &*method.name).collect::<Vec<_>>().join(", ");
    let method = method.ok_or_else(|| {
        RpcError::Unknown(format!("{service_name} has no method {method_name:?}; it has {}", known()))
    })?;
    Ok((service, method))
}

fn service<'a>(listing: &'a Listing, name: &str) -> Result<&'a ServiceInfo, RpcError> {
    let known = || listing.services.iter().map(|service| &*service.name).collect::<Vec<_>>().join(", ");
    let service = listing.services.iter().find(|service| service.name == name);
    service.ok_or_else(|| RpcError::Unknown(format!("there is no service {name:?}; there are {}", known())))
}

fn ask(remote: &Remote) -> Result<Listing, RpcError> {
    let remote = remote.clone();
    block_on(async move { listing(&remote.channel()?).await })
}

fn service_text(service: &ServiceInfo) -> String {
    let mut text = format!("{}\n", service.name);
    for method in &service.methods {
        let _ = writeln!(text, "  {}", signature(method));
        for line in method.docs.lines() {
            let _ = writeln!(text, "      {line}");
        }
    }
    text
}

fn method_text(service: &ServiceInfo, method: &MethodInfo) -> String {
    let mut text =
        format!("{}.{} is method {} of {}\n", service.name, method.name, method.number, service.name);
    for line in method.docs.lines() {
        let _ = writeln!(text, "{line}");
    }
    let _ =
        writeln!(text, "\nkind:     {}{}", method.kind, if method.idempotent { ", idempotent" } else { "" });
    let _ = writeln!(text, "request:  {}", method.request);
    let _ = writeln!(text, "response: {}", method.response);
    text
}

fn signature(method: &MethodInfo) -> String {
    let MethodInfo { number, name, kind, request, response, .. } = method;
    let idempotent = if method.idempotent { ", idempotent" } else { "" };
    format!("{number} => {kind} {name}({request}) -> {response}{idempotent}")
}
