//! Basic authentication (RFC 7617), with a file like that of `wireworks http --basic-auth`.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use http::header::AUTHORIZATION;

use super::{Told, identify};
use crate::proto::http::amend::Amendment;
use crate::server::credentials::{Credentials, Scheme};
use crate::server::http::middleware::auth::{Auth, AuthName};
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::watched::{Watched, WatchedError};

/// The users of a file.
#[derive(Debug)]
pub struct Basic {
    users: Arc<Watched<Auth>>,
    pub(super) told: Told,
}

impl Basic {
    /// The users of a file with lines `NAME:PASSWORD`, for this `realm`.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not of this form.
    pub fn open(path: &Path, realm: &str, told: Told) -> Result<Self, WatchedError> {
        let realm = realm.to_owned();
        let users = Watched::open(path, move |text| {
            let users = Credentials::of_lines(Scheme::Basic, text).map_err(|error| error.to_string())?;
            Ok(users.iter().fold(Auth::new(&realm), |auth, (name, password)| auth.user(name, password)))
        })?;
        Ok(Self { users, told })
    }

    pub(super) async fn admit(&self, mut request: Request) -> Result<Request, Response> {
        let users = self.users.current().await;
        if let ControlFlow::Break(answer) = users.before(&mut request) {
            return Err(answer);
        }
        let mut amendment = Amendment::default();
        if !self.told.credential {
            amendment.drop_field(AUTHORIZATION);
        }
        let name =
            request.extensions().get::<AuthName>().map_or_else(|| "".into(), |name| Arc::clone(&name.0));
        identify(request, name, &self.told, amendment)
    }
}
