//! What a method is: its types, its number, and what may be done with it.

use std::marker::PhantomData;

use crate::proto::rpc::payload::Payload;
use crate::proto::rpc::schema::{Describe, method_hash, service_hash};

/// A method of a service, as a type: what handlers are registered for, and calls are made by. The macro `service!` makes one for each
/// method; by hand it is two types and a description.
pub trait Method: Send + Sync + 'static {
    /// What is sent to it; of a stream, each message.
    type Request: Payload;
    /// What it answers; of a stream, each message.
    type Response: Payload;
    /// What there is to know of it.
    const DESCRIPTION: Description;

    /// What caller and called must agree on. Each call asks: who writes a method by hand may want to [compute](schema_of) it once.
    #[must_use]
    fn schema() -> u32 {
        schema_of::<Self>()
    }

    /// The hash of its service's name.
    #[must_use]
    fn service() -> u32 {
        service_hash(Self::DESCRIPTION.service)
    }
}

/// The hash of a method's kind and types.
#[must_use]
pub fn schema_of<M: Method + ?Sized>() -> u32 {
    method_hash(M::DESCRIPTION.kind.name(), &M::Request::describe(), &M::Response::describe())
}

/// What there is to know of a method, beside its types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// The name of its service.
    pub service: &'static str,
    /// Its number within the service. It never gets another meaning.
    pub number: u16,
    /// Its name.
    pub name: &'static str,
    /// On which sides messages stream.
    pub kind: Kind,
    /// Whether doing it twice is as good as once: then it may be tried again, and hedged.
    pub idempotent: bool,
    /// What it does, for people.
    pub docs: &'static str,
}

/// The description of a method, which lives for ever.
pub(super) const fn description_of<M: Method>() -> &'static Description {
    struct Known<M>(PhantomData<M>);

    impl<M: Method> Known<M> {
        const DESCRIPTION: &'static Description = &M::DESCRIPTION;
    }

    Known::<M>::DESCRIPTION
}

/// On which sides of a call messages stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One message, one answer.
    Unary,
    /// One message, a stream of answers.
    ServerStream,
    /// A stream of messages, one answer.
    ClientStream,
    /// Streams in both directions, each at its own pace.
    Bidi,
}

impl Kind {
    /// Its name in schemas and in `service!`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server_stream",
            Self::ClientStream => "client_stream",
            Self::Bidi => "bidi",
        }
    }

    /// Whether the caller sends a stream.
    #[must_use]
    pub const fn takes_stream(self) -> bool {
        matches!(self, Self::ClientStream | Self::Bidi)
    }

    /// Whether a stream is answered.
    #[must_use]
    pub const fn gives_stream(self) -> bool {
        matches!(self, Self::ServerStream | Self::Bidi)
    }
}

/// Stops the compiler when two methods of a service have one number.
pub const fn check_numbers(methods: &[Description]) {
    let mut one = 0;
    while one < methods.len() {
        let mut other = one + 1;
        while other < methods.len() {
            assert!(
                methods[one].number != methods[other].number,
                "two methods of a service have the same number"
            );
            other += 1;
        }
        one += 1;
    }
}
