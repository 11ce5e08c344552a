//! `service!`: a service, from one block to the trait that is implemented, the client that calls, and what reflection tells.
//!
//! One flat repetition over the methods; what differs by kind is in the inner rules. Everything it makes can be made by hand with
//! [`Method`](super::Method), [`Services`](super::Services) and [`Channel`](super::Channel).

/// Declares a service: a trait to be implemented with plain `async fn`, a typed client, and a type for each method.
///
/// Each method has a number, which never gets another meaning; a kind (`unary`, `server_stream`, `client_stream` or `bidi`); one type for its
/// requests and one for its answers; and after a comma `idempotent`, if doing it twice is as good as once: then it may be tried again.
///
/// ```
/// use futures_util::StreamExt;
/// use wireworks::server::rpc::{Channel, Context, Requests, ResponseStream, Status};
/// use wireworks::{service, wire_types};
///
/// wire_types! {
///     /// Two numbers.
///     pub struct Pair { pub a: u32, pub b: u32 }
/// }
///
/// service! {
///     /// Calculates.
///     pub service Calculator as CalculatorClient in calculator {
///         /// The sum of both.
///         1 => unary add(Pair) -> u64, idempotent;
///         /// Counts from one number to the other.
///         2 => server_stream count(Pair) -> u32, idempotent;
///         /// The sum of all.
///         3 => client_stream sum(u32) -> u64;
///         /// What was said so far.
///         4 => bidi running(u32) -> u64;
///     }
/// }
///
/// struct Abacus;
///
/// impl Calculator for Abacus {
///     async fn add(&self, _: Context, pair: Pair) -> Result<u64, Status> {
///         Ok(u64::from(pair.a) + u64::from(pair.b))
///     }
///
///     async fn count(&self, _: Context, pair: Pair) -> Result<ResponseStream<u32>, Status> {
///         Ok(futures_util::stream::iter(pair.a..pair.b).map(Ok).boxed())
///     }
///
///     async fn sum(&self, _: Context, mut numbers: Requests<u32>) -> Result<u64, Status> {
///         let mut sum = 0;
///         while let Some(number) = numbers.next().await {
///             sum += u64::from(number?);
///         }
///         Ok(sum)
///     }
///
///     async fn running(&self, _: Context, numbers: Requests<u32>) -> Result<ResponseStream<u64>, Status> {
///         let mut sum = 0;
///         Ok(numbers.map(move |number| {
///             sum += u64::from(number?);
///             Ok(sum)
///         }).boxed())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let running = calculator::serve(Abacus).server()?.listen("127.0.0.1:0").threads(1).start()?;
/// let address = running.tcp().ok_or("no address")?.to_string();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let client = CalculatorClient::new(Channel::to([address])?.lazy());
/// assert_eq!(client.add(Pair { a: 1, b: 2 }).await?, 3);
///
/// let mut count = client.count(Pair { a: 1, b: 4 }).await?;
/// while let Some(number) = count.next().await {
///     println!("{}", number?);
/// }
///
/// let mut sum = client.sum().await?;
/// sum.send(&40).await?;
/// sum.send(&2).await?;
/// assert_eq!(sum.finish().await?, 42);
///
/// let mut running = client.running().await?;
/// running.send(&1).await?;
/// assert_eq!(running.next().await.transpose()?, Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! service {
    (
        $(#[doc = $service_doc:literal])*
        $vis:vis service $Service:ident as $Client:ident in $module:ident {
            $(
                $(#[doc = $doc:literal])*
                $number:literal => $kind:ident $method:ident($Request:ty) -> $Response:ty $(, $option:ident)*;
            )*
        }
    ) => {
        $(#[doc = $service_doc])*
        $vis trait $Service: ::core::marker::Send + ::core::marker::Sync + 'static {
            $($crate::service! { @handler $kind [$(#[doc = $doc])*] $method $Request, $Response })*
        }

        #[doc = concat!("Calls [`", stringify!($Service), "`].")]
        #[derive(Clone, Debug)]
        $vis struct $Client($crate::server::rpc::Channel);

        #[allow(dead_code, unreachable_pub)] // a service need not be public, and few programs call all of it
        impl $Client {
            /// Calls through this channel.
            #[must_use]
            pub fn new(channel: $crate::server::rpc::Channel) -> Self {
                Self(channel)
            }

            $($crate::service! { @caller $kind [$(#[doc = $doc])*] $module $method $Request })*
        }

        #[doc = concat!("The methods of [`", stringify!($Service), "`], and what serves them.")]
        #[allow(dead_code, unused_imports, non_camel_case_types, unreachable_pub)]
        $vis mod $module {
            use super::*;

            $(
                $(#[doc = $doc])*
                #[derive(Clone, Copy, Debug)]
                pub struct $method;

                impl $crate::server::rpc::Method for $method {
                    type Request = $Request;
                    type Response = $Response;
                    const DESCRIPTION: $crate::server::rpc::Description = $crate::server::rpc::Description {
                        service: stringify!($Service),
                        number: $number,
                        name: stringify!($method),
                        kind: $crate::service! { @kind $kind },
                        idempotent: false $(|| $crate::service! { @option $option })*,
                        docs: concat!($($doc, "\n",)* ""),
                    };

                    fn schema() -> u32 {
                        static SCHEMA: ::std::sync::LazyLock<u32> =
                            ::std::sync::LazyLock::new($crate::server::rpc::method::schema_of::<$method>);
                        *SCHEMA
                    }
                }
            )*

            /// All methods, in the order of their declaration.
            pub const METHODS: &[$crate::server::rpc::Description] =
                &[$(<$method as $crate::server::rpc::Method>::DESCRIPTION),*];

            const _: () = $crate::server::rpc::method::check_numbers(METHODS);

            /// Answers all methods with `service`.
            #[must_use]
            pub fn serve(service: impl $Service) -> $crate::server::rpc::Services {
                let service = ::std::sync::Arc::new(service);
                let services = $crate::server::rpc::Services::new()
                    .documented(stringify!($Service), concat!($($service_doc, "\n",)* ""));
                $(
                    let each = ::std::sync::Arc::clone(&service);
                    let services = $crate::service! { @register $kind services each $method };
                )*
                drop(service);
                services
            }
        }
    };

    (@handler unary [$($doc:tt)*] $method:ident $Request:ty, $Response:ty) => {
        $($doc)*
        fn $method(
            &self,
            context: $crate::server::rpc::Context,
            request: $Request,
        ) -> impl ::core::future::Future<
            Output = ::core::result::Result<$Response, $crate::server::rpc::Status>,
        > + ::core::marker::Send;
    };
    (@handler server_stream [$($doc:tt)*] $method:ident $Request:ty, $Response:ty) => {
        $($doc)*
        fn $method(
            &self,
            context: $crate::server::rpc::Context,
            request: $Request,
        ) -> impl ::core::future::Future<
            Output = ::core::result::Result<
                $crate::server::rpc::ResponseStream<$Response>,
                $crate::server::rpc::Status,
            >,
        > + ::core::marker::Send;
    };
    (@handler client_stream [$($doc:tt)*] $method:ident $Request:ty, $Response:ty) => {
        $($doc)*
        fn $method(
            &self,
            context: $crate::server::rpc::Context,
            requests: $crate::server::rpc::Requests<$Request>,
        ) -> impl ::core::future::Future<
            Output = ::core::result::Result<$Response, $crate::server::rpc::Status>,
        > + ::core::marker::Send;
    };
    (@handler bidi [$($doc:tt)*] $method:ident $Request:ty, $Response:ty) => {
        $($doc)*
        fn $method(
            &self,
            context: $crate::server::rpc::Context,
            requests: $crate::server::rpc::Requests<$Request>,
        ) -> impl ::core::future::Future<
            Output = ::core::result::Result<
                $crate::server::rpc::ResponseStream<$Response>,
                $crate::server::rpc::Status,
            >,
        > + ::core::marker::Send;
    };
    (@handler $other:ident [$($doc:tt)*] $method:ident $Request:ty, $Response:ty) => {};

    (@caller unary [$($doc:tt)*] $module:ident $method:ident $Request:ty) => {
        $($doc)*
        pub fn $method(
            &self,
            request: $Request,
        ) -> $crate::server::rpc::client::Call<'_, $module::$method, $crate::server::rpc::client::Unary<$Request>> {
            self.0.unary(request)
        }
    };
    (@caller server_stream [$($doc:tt)*] $module:ident $method:ident $Request:ty) => {
        $($doc)*
        pub fn $method(
            &self,
            request: $Request,
        ) -> $crate::server::rpc::client::Call<'_, $module::$method, $crate::server::rpc::client::ServerStream<$Request>> {
            self.0.server_stream(request)
        }
    };
    (@caller client_stream [$($doc:tt)*] $module:ident $method:ident $Request:ty) => {
        $($doc)*
        pub fn $method(
            &self,
        ) -> $crate::server::rpc::client::Call<'_, $module::$method, $crate::server::rpc::client::ClientStream> {
            self.0.client_stream()
        }
    };
    (@caller bidi [$($doc:tt)*] $module:ident $method:ident $Request:ty) => {
        $($doc)*
        pub fn $method(
            &self,
        ) -> $crate::server::rpc::client::Call<'_, $module::$method, $crate::server::rpc::client::Bidi> {
            self.0.bidi()
        }
    };
    (@caller $other:ident [$($doc:tt)*] $module:ident $method:ident $Request:ty) => {};

    (@kind unary) => { $crate::server::rpc::Kind::Unary };
    (@kind server_stream) => { $crate::server::rpc::Kind::ServerStream };
    (@kind client_stream) => { $crate::server::rpc::Kind::ClientStream };
    (@kind bidi) => { $crate::server::rpc::Kind::Bidi };
    (@kind $other:ident) => {
        compile_error!(concat!(
            "unknown kind of method `", stringify!($other), "`; known: unary, server_stream, client_stream, bidi"
        ))
    };

    (@option idempotent) => { true };
    (@option $other:ident) => {
        compile_error!(concat!("unknown option of a method `", stringify!($other), "`; known: idempotent"))
    };

    (@register unary $services:ident $each:ident $method:ident) => {
        $services.unary::<$method, _, _>(move |context, request| {
            let service = ::std::sync::Arc::clone(&$each);
            async move { service.$method(context, request).await }
        })
    };
    (@register server_stream $services:ident $each:ident $method:ident) => {
        $services.server_stream::<$method, _, _, _>(move |context, request| {
            let service = ::std::sync::Arc::clone(&$each);
            async move { service.$method(context, request).await }
        })
    };
    (@register client_stream $services:ident $each:ident $method:ident) => {
        $services.client_stream::<$method, _, _>(move |context, requests| {
            let service = ::std::sync::Arc::clone(&$each);
            async move { service.$method(context, requests).await }
        })
    };
    (@register bidi $services:ident $each:ident $method:ident) => {
        $services.bidi::<$method, _, _, _>(move |context, requests| {
            let service = ::std::sync::Arc::clone(&$each);
            async move { service.$method(context, requests).await }
        })
    };
    (@register $other:ident $services:ident $each:ident $method:ident) => { $services };
}
