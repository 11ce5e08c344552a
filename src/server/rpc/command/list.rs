//! `wireworks rpc ls` and `wireworks rpc describe`: what a server answers.

use std::fmt::Write as _;

use super::remote::Remote;
use super::{RpcError, block_on, print};
use crate::proto::rpc::dynamic::example;
use crate::proto::rpc::schema::Type;
use crate::server::rpc::Channel;
use crate::server::rpc::reflection::{Listing, MethodInfo, ReflectionClient, ServiceInfo, TypeInfo};

/// What a user may type after `wireworks rpc ls`.
#[derive(clap::Args, Clone, Debug)]
pub struct ListArgs {
    /// Where to.
    #[command(flatten)]
    pub remote: Remote,

    /// The methods of this service only
    #[arg(value_name = "SERVICE")]
    pub service: Option<String>,
}

/// What a user may type after `wireworks rpc describe`.
#[derive(clap::Args, Clone, Debug)]
pub struct DescribeArgs {
    /// Where to.
    #[command(flatten)]
    pub remote: Remote,

    /// A service, SERVICE.METHOD, or a type of their messages; everything without
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Prints a line for each method.
///
/// # Errors
/// The server cannot be asked, or has no such service.
pub fn list(args: &ListArgs) -> Result<(), RpcError> {
    let listing = ask(&args.remote)?;
    if let Some(name) = &args.service {
        service(&listing, name)?;
    }
    let wanted = |service: &&ServiceInfo| args.service.as_ref().is_none_or(|name| *name == service.name);
    let mut text = String::new();
    for service in listing.services.iter().filter(wanted) {
        for method in &service.methods {
            let _ = writeln!(text, "{}.{}", service.name, method.name);
        }
    }
    print(&text)
}

/// Prints what a service, a method or a type is, with its types and comments.
///
/// # Errors
/// The server cannot be asked, or has nothing of this name.
pub fn describe(args: &DescribeArgs) -> Result<(), RpcError> {
    let listing = ask(&args.remote)?;
    let Some(name) = &args.name else {
        let texts: Vec<String> = listing.services.iter().map(service_text).collect();
        return print(&texts.join("\n"));
    };
    if name.contains(SEPARATORS) {
        let (service, method) = find(&listing, name)?;
        return print(&method_text(&listing, service, method));
    }
    let of_this_name: Vec<String> =
        listing.types.iter().filter(|of| of.name() == name).map(type_text).collect();
    if listing.services.iter().any(|service| service.name == *name) || of_this_name.is_empty() {
        let service = service(&listing, name)?;
        return print(&(service_text(service) + &types_of(&listing, &service.methods)));
    }
    print(&of_this_name.join("\n"))
}

/// What the server answers.
pub(super) async fn listing(channel: &Channel) -> Result<Listing, RpcError> {
    Ok(ReflectionClient::new(channel.clone()).list(()).await?)
}

/// What stands between a service and a method: the slash is what users of gRPC are used to.
const SEPARATORS: [char; 2] = ['.', '/'];

/// The method `SERVICE.METHOD`.
pub(super) fn find<'a>(
    listing: &'a Listing,
    name: &str,
) -> Result<(&'a ServiceInfo, &'a MethodInfo), RpcError> {
    let (service_name, method_name) = name
        .split_once(SEPARATORS)
        .ok_or_else(|| RpcError::Usage(format!("{name:?} is no SERVICE.METHOD")))?;
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
    lines(&mut text, "    ", &service.docs);
    for method in &service.methods {
        let _ = writeln!(text, "  {}", signature(method));
        lines(&mut text, "      ", &method.docs);
    }
    text
}

fn method_text(listing: &Listing, service: &ServiceInfo, method: &MethodInfo) -> String {
    let mut text =
        format!("{}.{} is method {} of {}\n", service.name, method.name, method.number, service.name);
    lines(&mut text, "", &method.docs);
    let idempotent = if method.idempotent { ", idempotent" } else { "" };
    let _ = writeln!(text, "\nkind:     {}{idempotent}", method.kind);
    let _ = writeln!(text, "request:  {}", method.request);
    let _ = writeln!(text, "response: {}", method.response);
    if let Some(example) = Type::parse(&method.request).ok().as_ref().and_then(example) {
        let _ = writeln!(text, "example:  {example}");
    }
    text + &types_of(listing, std::slice::from_ref(method))
}

/// The types of the messages of methods that have comments, behind an empty line each.
fn types_of(listing: &Listing, methods: &[MethodInfo]) -> String {
    let within = |of: &TypeInfo| {
        // Not the end of a longer name.
        let begins =
            |before: &str| !before.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '_');
        let contains = |text: &str| {
            text.match_indices(&of.description).any(|(at, _)| text.get(..at).is_some_and(begins))
        };
        methods.iter().any(|method| contains(&method.request) || contains(&method.response))
    };
    listing.types.iter().filter(|of| within(of)).map(|of| format!("\n{}", type_text(of))).collect()
}

fn type_text(of: &TypeInfo) -> String {
    let mut text = format!("{}\n", of.description);
    lines(&mut text, "    ", &of.docs);
    for part in &of.parts {
        let _ = writeln!(text, "  {}", part.name);
        lines(&mut text, "      ", &part.docs);
    }
    text
}

/// Each line of a comment, which a server may have put anything into, behind an indent.
fn lines(text: &mut String, indent: &str, docs: &str) {
    for line in docs.lines() {
        let plain: String = line.chars().filter(|character| !character.is_control()).collect();
        let _ = writeln!(text, "{indent}{plain}");
    }
}

fn signature(method: &MethodInfo) -> String {
    let MethodInfo { number, name, kind, request, response, .. } = method;
    let idempotent = if method.idempotent { ", idempotent" } else { "" };
    format!("{number} => {kind} {name}({request}) -> {response}{idempotent}")
}
