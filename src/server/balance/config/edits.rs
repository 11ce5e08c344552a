//! The edits of a route: path rewrites, the host, and header fields.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use super::file::OneOrMany;
use super::route::RouteTable;
use crate::proto::balance::edit::Edits;
use crate::proto::balance::rewrite::{Rewrite, RewriteError};
use crate::proto::http::forwarded::Tell;
use crate::proto::http::host::is_host;
use crate::server::balance::gateway::{BackendHost, RouteEdits};

/// A regular expression for paths, and its replacement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RewriteTable {
    pub(super) regex: Spanned<String>,
    pub(super) to: Spanned<String>,
}

/// Edits of header fields.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct EditsTable {
    pub(super) set: BTreeMap<String, Spanned<String>>,
    pub(super) add: BTreeMap<String, Spanned<OneOrMany<String>>>,
    pub(super) remove: Vec<Spanned<String>>,
}

impl EditsTable {
    /// Whether it is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

impl Checker<'_> {
    /// The edits of a route.
    pub(super) fn edits(&mut self, route: &RouteTable, tell: Tell) -> RouteEdits {
        RouteEdits {
            rewrite: self.rewrite(route),
            host: self.backend_host(route),
            request: self.field_edits(&route.request_headers),
            response: self.field_edits(&route.response_headers),
            tell,
        }
    }

    fn rewrite(&mut self, route: &RouteTable) -> Rewrite {
        let mut rewrite = Rewrite::default();
        let mut take = |at, changed: Result<Rewrite, RewriteError>, rewrite: &mut Rewrite| match changed {
            Ok(changed) => *rewrite = changed,
            Err(error) => self.fault(&at, error.to_string()),
        };
        if let Some(prefix) = &route.strip_prefix {
            take(prefix.span(), rewrite.clone().strip(prefix.get_ref()), &mut rewrite);
        }
        if let Some(RewriteTable { regex, to }) = &route.rewrite {
            let changed = rewrite.clone().replace(regex.get_ref(), to.get_ref());
            let at = if matches!(changed, Err(RewriteError::Regex(_))) { regex.span() } else { to.span() };
            take(at, changed, &mut rewrite);
        }
        if let Some(prefix) = &route.add_prefix {
            take(prefix.span(), rewrite.clone().prepend(prefix.get_ref()), &mut rewrite);
        }
        rewrite
    }

    fn backend_host(&mut self, route: &RouteTable) -> BackendHost {
        match &route.rewrite_host {
            None => BackendHost::Kept,
            Some(host) if host.get_ref() == "$backend" => BackendHost::Backend,
            Some(host) => {
                if !is_host(host.get_ref().as_bytes()) {
                    let message =
                        format!("{:?} is neither a host with an optional port nor $backend", host.get_ref());
                    self.fault(&host.span(), message);
                }
                BackendHost::Fixed(host.get_ref().as_str().into())
            }
        }
    }

    fn field_edits(&mut self, table: &EditsTable) -> Edits {
        let mut edits = Edits::default();
        for name in &table.remove {
            if let Err(error) = edits.remove(name.get_ref()) {
                self.fault(&name.span(), error.to_string());
            }
        }
        for (name, value) in &table.set {
            if let Err(error) = edits.set(name, value.get_ref()) {
                self.fault(&value.span(), error.to_string());
            }
        }
        for (name, values) in &table.add {
            for value in values.get_ref().as_slice() {
                if let Err(error) = edits.add(name, value) {
                    self.fault(&values.span(), error.to_string());
                }
            }
        }
        edits
    }
}
