//! What a server answers, for those who ask: a service about services. With it `wireworks rpc call` needs no file that describes them.

use super::services::Services;
use super::{Context, Kind, Status};
use crate::proto::rpc::schema::text;
use crate::{service, wire_types};

wire_types! {
    /// All services of a server.
    pub struct Listing {
        /// In the order of their names.
        pub services: Vec<ServiceInfo>,
        /// What comments say of the types of their messages, for people. Types without a comment are not there.
        pub types: Vec<TypeInfo>,
    }

    /// A service.
    pub struct ServiceInfo {
        /// Its name.
        pub name: String,
        /// What it is for, for people.
        pub docs: String,
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

    /// The comments on a type.
    pub struct TypeInfo {
        /// The type, as the section "Schema" writes it: a struct or an enum.
        pub description: String,
        /// What it is; empty when only its parts have comments.
        pub docs: String,
        /// Its parts that have a comment.
        pub parts: Vec<PartInfo>,
    }

    /// The comment on a part of a type.
    pub struct PartInfo {
        /// `field`, `Variant`, `Variant.field`; and the place, from 0, of a part without a name.
        pub name: String,
        /// What it is.
        pub docs: String,
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
        let none = Listing { services: Vec::new(), types: Vec::new() };
        let listing = self.clone().with(reflection::serve(Mirror(none))).listing();
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
                docs: text(&[description.docs]),
                request: request.to_string(),
                response: response.to_string(),
            };
            match services.iter_mut().find(|service| service.name == description.service) {
                Some(service) => service.methods.push(info),
                None => services.push(ServiceInfo {
                    name: description.service.to_owned(),
                    docs: text(&[self.docs(description.service)]),
                    methods: vec![info],
                }),
            }
        }
        services.sort_by(|one, other| one.name.cmp(&other.name));
        services.iter_mut().for_each(|service| service.methods.sort_by_key(|method| method.number));
        let part = |(name, docs)| PartInfo { name, docs };
        let types = self.documents().into_iter().map(|document| TypeInfo {
            description: document.of,
            docs: document.docs,
            parts: document.parts.into_iter().map(part).collect(),
        });
        Listing { services, types: types.collect() }
    }
}

impl TypeInfo {
    /// The name of the type.
    #[must_use]
    pub fn name(&self) -> &str {
        self.description.split(['{', '(', '[']).next().unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::rpc::schema::Describe;
    use crate::server::rpc::demo;
    use crate::server::rpc::health::{Condition, Whose};

    /// A description in which only the names of other types stand.
    fn short<T: Describe>() -> String {
        let text = T::describe().to_string();
        ["ServiceInfo", "MethodInfo", "TypeInfo", "PartInfo"].into_iter().fold(text, |text, name| {
            let Some(at) = text.match_indices(name).find(|(at, _)| *at > 0).map(|(at, _)| at + name.len())
            else {
                return text;
            };
            let end = text[at..].match_indices(['{', '}']).scan(0, |depth, (end, brace)| {
                *depth += if brace == "{" { 1 } else { -1 };
                Some((*depth, end))
            });
            let end = end.filter(|(depth, _)| *depth == 0).map(|(_, end)| at + end).next().unwrap();
            format!("{}{}", &text[..at], &text[end + 1..])
        })
    }

    #[test]
    fn the_protocol_has_these_types() {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rpc-protocol.md");
        let page = std::fs::read_to_string(page).unwrap();
        for line in [
            short::<Whose>(),
            short::<Condition>(),
            short::<Listing>(),
            short::<ServiceInfo>(),
            short::<MethodInfo>(),
            short::<TypeInfo>(),
            short::<PartInfo>(),
        ] {
            assert!(page.lines().any(|shown| shown == line), "{line} is not in the page");
        }
    }

    #[test]
    fn comments_of_services_methods_types_and_parts_are_told() {
        let listing = demo::services().health().reflection().listing();
        let kv = listing.services.iter().find(|service| service.name == "Kv").unwrap();
        assert_eq!(kv.docs, "Keys and values, in memory.");
        assert_eq!(kv.methods[0].docs, "The value of a key.");
        let entry = listing.types.iter().find(|of| of.name() == "Entry").unwrap();
        assert_eq!(entry.docs, "A key and its value.");
        assert!(!entry.parts.is_empty(), "{entry:?}");
        let found = listing.types.iter().filter(|of| of.name() == "Entry").count();
        assert_eq!(found, 1, "each type once");
        for name in ["Listing", "PartInfo", "Condition"] {
            assert!(listing.types.iter().any(|of| of.name() == name), "{name}");
        }
    }
}
