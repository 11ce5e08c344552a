//! What a server answers, for those who ask: a service about services. With it `wireworks rpc call` needs no file that describes them.

use super::services::Services;
use super::{Context, Kind, Status};
use crate::{service, wire_types};

wire_types! {
    /// All services of a server.
    pub struct Listing {
        /// In the order of their names.
        pub services: Vec<ServiceInfo>,
    }

    /// A service.
    pub struct ServiceInfo {
        /// Its name.
        pub name: String,
        /// In the order of their numbers.
        pub methods: Vec<MethodInfo>,
    }

    /// A method.
    pub struct MethodInfo {
        /// Its number.
        pub number: u16,
        /// Its name.
        pub name: String,
        /// `unary`, `server_stream`, `client_stream` or `bidi`.
        pub kind: String,
        /// Whether doing it twice is as good as once.
        pub idempotent: bool,
        /// What it does, for people.
        pub docs: String,
        /// The type of its requests, as the section "Schema" of the protocol writes it.
        pub request: String,
        /// The type of its answers.
        pub response: String,
    }
}

service! {
    /// Tells what a server answers.
    pub service Reflection as ReflectionClient in reflection {
        /// All services, with their methods and types.
        1 => unary list(()) -> Listing, idempotent;
    }
}

/// Tells what was there when it was made.
struct Mirror(Listing);

impl Reflection for Mirror {
    async fn list(&self, _: Context, (): ()) -> Result<Listing, Status> {
        Ok(self.0.clone())
    }
}

impl Services {
    /// Tells of these services, and of itself, to whoever asks: names, types, and what their comments say.
    #[must_use]
    pub fn reflection(self) -> Self {
        let itself = reflection::serve(Mirror(Listing { services: Vec::new() })).listing();
        let mut listing = self.listing();
        listing.services.extend(itself.services);
        listing.services.sort_by(|one, other| one.name.cmp(&other.name));
        self.with(reflection::serve(Mirror(listing)))
    }

    /// What is answered, with its types.
    #[must_use]
    pub fn listing(&self) -> Listing {
        let mut services: Vec<ServiceInfo> = Vec::new();
        for (description, request, response) in self.described() {
            let info = MethodInfo {
                number: description.number,
                name: description.name.to_owned(),
                kind: description.kind.name().to_owned(),
                idempotent: description.idempotent,
                docs: description.docs.lines().map(str::trim).collect::<Vec<_>>().join("\n"),
                request: request.to_string(),
                response: response.to_string(),
            };
            match services.iter_mut().find(|service| service.name == description.service) {
                Some(service) => service.methods.push(info),
                None => {
                    services.push(ServiceInfo { name: description.service.to_owned(), methods: vec![info] });
                }
            }
        }
        services.sort_by(|one, other| one.name.cmp(&other.name));
        services.iter_mut().for_each(|service| service.methods.sort_by_key(|method| method.number));
        Listing { services }
    }
}

impl MethodInfo {
    /// Its kind; `None` for one of a later version.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        let kinds = [Kind::Unary, Kind::ServerStream, Kind::ClientStream, Kind::Bidi];
        kinds.into_iter().find(|kind| kind.name() == self.kind)
    }
}
