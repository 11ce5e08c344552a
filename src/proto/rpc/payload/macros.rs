//! `wire_types!`: structs and enums that can be messages.

/// Declares structs and enums that can be messages of calls, or parts of them.
///
/// They are written as usual. Each is `Clone`, `Debug` and `PartialEq`, and can be written, read and described
/// ([`Payload`](crate::proto::rpc::payload::Payload)); `#[derive(...)]` adds more. A crate that uses the macro needs no other dependency for it than `wireworks`, by that name.
///
/// ```
/// use wireworks::proto::rpc::payload::{Blob, CodecId, Payload};
/// use wireworks::proto::rpc::schema::Describe;
///
/// wireworks::wire_types! {
///     /// What somebody wants.
///     #[derive(Eq)]
///     pub struct Order {
///         /// Its number.
///         pub id: OrderId,
///         pub lines: Vec<(String, u32)>,
///         pub picture: Option<Blob>,
///     }
///
///     #[derive(Eq, Hash)]
///     pub struct OrderId(pub u64);
///
///     pub struct Nothing;
///
///     pub enum Event {
///         Placed(Order),
///         Paid { cents: u64 },
///         Gone,
///     }
/// }
///
/// let event = Event::Placed(Order { id: OrderId(7), lines: vec![("tea".into(), 2)], picture: None });
/// for codec in CodecId::ALL {
///     let bytes = event.encode(codec)?;
///     assert_eq!(Event::decode(bytes, codec, 1024)?, event);
/// }
/// assert_eq!(Nothing::describe().to_string(), "Nothing()");
/// assert_eq!(Order::describe().to_string(), "Order{id:OrderId(u64),lines:list<(string,u32)>,picture:option<bytes>}");
/// # Ok::<(), wireworks::proto::rpc::payload::PayloadError>(())
/// ```
///
/// The names of fields and variants, and their order, are the schema; a change of either is another type to the other side. Fields and variants take
/// documentation and no other attributes, as those of `serde` could make the codecs disagree.
///
/// A type cannot contain itself, not even in a list: a peer could send one that is too deep for the stack. The compiler says that there is a cycle:
///
/// ```compile_fail,E0391
/// wireworks::wire_types! {
///     pub struct Tree { pub children: Vec<Tree> }
/// }
/// ```
///
/// Nor can a list have elements without bytes: a peer could announce endlessly many.
///
/// ```compile_fail,E0080
/// wireworks::wire_types! {
///     pub struct Nothings { pub list: Vec<()> }
/// }
/// ```
///
/// Generic types, numbers of variants and attributes of fields are refused in words:
///
/// ```compile_fail
/// wireworks::wire_types! {
///     pub struct Page<T> { pub items: Vec<T> }
/// }
/// ```
#[macro_export]
macro_rules! wire_types {
    ($($(#[$($attribute:tt)*])* $vis:vis $kind:ident $name:ident $body:tt $(;)?)*) => {
        $($crate::__wire_type! { [$(#[$($attribute)*])*] [$vis] $kind $name $body })*
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "wire_types! takes structs and enums as they are usually written, but without generics, lifetimes and `where`"
        );
    };
}

/// One type of `wire_types!`.
///
/// bincode's own derive does not work on what a macro makes (names in its `match` are those of another place), so its traits are implemented here, to the same bytes.
#[doc(hidden)]
#[macro_export]
macro_rules! __wire_type {
    ($attributes:tt $vis:tt struct $name:ident ($($body:tt)*)) => {
        $crate::__wire_type! { @declare $attributes $vis struct $name ($($body)*); }
        $crate::__wire_type! { @struct $attributes $name ($($body)*) }
    };
    ($attributes:tt $vis:tt struct $name:ident $body:tt) => {
        $crate::__wire_type! { @declare $attributes $vis struct $name $body }
        $crate::__wire_type! { @struct $attributes $name $body }
    };
    ($attributes:tt $vis:tt enum $name:ident $body:tt) => {
        $crate::__wire_type! { @declare $attributes $vis enum $name $body }
        $crate::__wire_type! { @enum $attributes $name $body }
    };
    ($attributes:tt $vis:tt $kind:ident $name:ident $body:tt) => {
        ::core::compile_error!(::core::concat!(
            "wire_types! takes structs and enums, and `", stringify!($name), "` is a `", stringify!($kind), "`"
        ));
    };

    (@declare [$($attribute:tt)*] [$vis:vis] $($item:tt)*) => {
        $($attribute)*
        #[derive(
            Clone,
            Debug,
            PartialEq,
            $crate::proto::rpc::payload::private::serde::Serialize,
            $crate::proto::rpc::payload::private::serde::Deserialize,
        )]
        #[serde(crate = "::wireworks::proto::rpc::payload::private::serde")]
        $vis $($item)*
    };

    // Structs: their parts, one after the other.
    (@struct $attributes:tt $name:ident {
        $($(#[doc = $doc:expr])* $field_vis:vis $field:ident : $type:ty),* $(,)?
    }) => {
        $crate::__wire_type! {
            @describe_struct $attributes $name [$($field)*] [$($type)*] ({ $($field: $type,)* })
            [$(("", ::core::stringify!($field), &[$($doc),*]),)*]
        }

        impl $crate::proto::rpc::payload::private::Encode for $name {
            fn encode<E: $crate::proto::rpc::payload::private::Encoder>(
                &self,
                _encoder: &mut E,
            ) -> ::core::result::Result<(), $crate::proto::rpc::payload::private::EncodeError> {
                $($crate::proto::rpc::payload::private::Encode::encode(&self.$field, _encoder)?;)*
                ::core::result::Result::Ok(())
            }
        }

        $crate::__wire_type! { @decode $name _decoder, ::core::result::Result::Ok(Self {
            $($field: $crate::proto::rpc::payload::private::read(_decoder)?,)*
        }) }
    };
    (@struct $attributes:tt $name:ident (
        $($(#[doc = $doc:expr])* $field_vis:vis $type:ty),+ $(,)?
    )) => {
        $crate::__wire_type! {
            @describe_struct $attributes $name [] [$($type)*] (($($type,)*)) [$(("", "", &[$($doc),*]),)*]
        }

        impl $crate::proto::rpc::payload::private::Encode for $name {
            fn encode<E: $crate::proto::rpc::payload::private::Encoder>(
                &self,
                encoder: &mut E,
            ) -> ::core::result::Result<(), $crate::proto::rpc::payload::private::EncodeError> {
                $crate::__wire_type!(@encode_parts self encoder [] [$($type,)*])
            }
        }

        $crate::__wire_type! { @decode $name decoder, ::core::result::Result::Ok(Self(
            $($crate::proto::rpc::payload::private::read::<$type, _>(decoder)?,)*
        )) }
    };
    (@struct $attributes:tt $name:ident ;) => {
        $crate::__wire_type! { @describe_struct $attributes $name [] [] () [] }

        impl $crate::proto::rpc::payload::private::Encode for $name {
            fn encode<E: $crate::proto::rpc::payload::private::Encoder>(
                &self,
                _: &mut E,
            ) -> ::core::result::Result<(), $crate::proto::rpc::payload::private::EncodeError> {
                ::core::result::Result::Ok(())
            }
        }

        $crate::__wire_type! { @decode $name _decoder, ::core::result::Result::Ok(Self) }
    };
    (@struct $attributes:tt $name:ident $body:tt) => {
        ::core::compile_error!(::core::concat!(
            "wire_types!: the fields of `", stringify!($name), "` need a type each, and take documentation but no other attributes"
        ));
    };

    // Enums: the number of a variant, and its parts.
    (@enum [$(#[$($attribute:tt)*])*] $name:ident {
        $(
            $(#[doc = $doc:expr])* $variant:ident
            $({ $($(#[doc = $field_doc:expr])* $field:ident : $type:ty),* $(,)? })?
            $(( $($(#[doc = $part_doc:expr])* $part:ty),+ $(,)? ))?
        ),+ $(,)?
    }) => {
        impl $crate::proto::rpc::schema::Describe for $name {
            const SIZE: $crate::proto::rpc::payload::scan::Size = $crate::proto::rpc::payload::scan::Size::choice(&[
                $($($(<$type as $crate::proto::rpc::schema::Describe>::SIZE,)*)?)*
                $($($(<$part as $crate::proto::rpc::schema::Describe>::SIZE,)*)?)*
            ])
            .named(&[stringify!($name), $(stringify!($variant), $($(stringify!($field),)*)?)*]);

            fn describe() -> $crate::proto::rpc::schema::Type {
                $crate::proto::rpc::schema::Type::Enum(
                    $crate::proto::rpc::payload::private::plain(stringify!($name)),
                    ::std::vec![$((
                        $crate::proto::rpc::payload::private::plain(stringify!($variant)),
                        $crate::__wire_type!(@fields $({ $($field: $type,)* })? $(( $($part,)* ))?),
                    ),)*],
                )
            }

            fn document(documents: &mut $crate::proto::rpc::schema::Documents) {
                const PARTS: &[$crate::proto::rpc::schema::Part<'static>] = &[$(
                    ("", ::core::stringify!($variant), &[$($doc),*]),
                    $($((::core::stringify!($variant), ::core::stringify!($field), &[$($field_doc),*]),)*)?
                    $($((::core::stringify!($variant), "", &[$($part_doc),*]),)*)?
                )*];
                const TEXT: &[::core::option::Option<&str>] = &[$($crate::__wire_type!(@doc $($attribute)*)),*];
                if documents.add(&<Self as $crate::proto::rpc::schema::Describe>::describe(), TEXT, PARTS) {
                    $(
                        $($(<$type as $crate::proto::rpc::schema::Describe>::document(documents);)*)?
                        $($(<$part as $crate::proto::rpc::schema::Describe>::document(documents);)*)?
                    )*
                }
            }

            #[allow(unused_assignments)] // the number behind the last
            fn scan(
                scan: &mut $crate::proto::rpc::payload::scan::Scan<'_>,
            ) -> ::core::result::Result<(), $crate::proto::rpc::payload::PayloadError> {
                let found = scan.variant()?;
                let mut number = 0;
                $(
                    if found == number {
                        $($(scan.value::<$type>()?;)*)?
                        $($(scan.value::<$part>()?;)*)?
                        return ::core::result::Result::Ok(());
                    }
                    number += 1;
                )*
                ::core::result::Result::Err($crate::proto::rpc::payload::private::no_variant(
                    stringify!($name),
                    found,
                    number,
                ))
            }
        }

        $crate::__wire_type! { @always $name }

        impl $crate::proto::rpc::payload::private::Encode for $name {
            #[allow(unused_assignments)] // the number behind the last
            fn encode<E: $crate::proto::rpc::payload::private::Encoder>(
                &self,
                encoder: &mut E,
            ) -> ::core::result::Result<(), $crate::proto::rpc::payload::private::EncodeError> {
                let mut number = 0u32;
                $(
                    $crate::__wire_type!(
                        @encode_variant self encoder number $variant $({ $($field)* })? $(([] [$($part,)*]))?
                    );
                    number += 1;
                )*
                ::core::result::Result::Ok(())
            }
        }

        $crate::__wire_type! { @decode $name decoder, {
            let found = $crate::proto::rpc::payload::private::read::<u32, _>(decoder)?;
            let mut number = 0;
            $(
                if found == number {
                    return ::core::result::Result::Ok(Self::$variant
                        $({ $($field: $crate::proto::rpc::payload::private::read::<$type, _>(decoder)?,)* })?
                        $(( $($crate::proto::rpc::payload::private::read::<$part, _>(decoder)?,)* ))?
                    );
                }
                number += 1;
            )*
            ::core::result::Result::Err($crate::proto::rpc::payload::private::unread_variant(
                stringify!($name),
                found,
                number,
            ))
        } }
    };
    (@enum $attributes:tt $name:ident $body:tt) => {
        ::core::compile_error!(::core::concat!(
            "wire_types!: `", stringify!($name),
            "` needs variants, without numbers of their own, and with documentation but no other attributes"
        ));
    };

    // Each step has a `part` of its own: the compiler tells names of different steps apart.
    (@encode_parts $self:ident $encoder:ident [$($name:ident)*] [$type:ty, $($rest:tt)*]) => {
        $crate::__wire_type!(@encode_parts $self $encoder [$($name)* part] [$($rest)*])
    };
    (@encode_parts $self:ident $encoder:ident [$($name:ident)*] []) => {{
        let Self($($name),*) = $self;
        $($crate::proto::rpc::payload::private::Encode::encode($name, $encoder)?;)*
        ::core::result::Result::Ok(())
    }};

    (@encode_variant $self:ident $encoder:ident $number:ident $variant:ident) => {
        if let Self::$variant = $self {
            return $crate::proto::rpc::payload::private::Encode::encode(&$number, $encoder);
        }
    };
    (@encode_variant $self:ident $encoder:ident $number:ident $variant:ident { $($field:ident)* }) => {
        #[allow(irrefutable_let_patterns)] // of a single variant
        if let Self::$variant { $($field),* } = $self {
            $crate::proto::rpc::payload::private::Encode::encode(&$number, $encoder)?;
            $($crate::proto::rpc::payload::private::Encode::encode($field, $encoder)?;)*
            return ::core::result::Result::Ok(());
        }
    };
    (@encode_variant $self:ident $encoder:ident $number:ident $variant:ident ([$($name:ident)*] [$type:ty, $($rest:tt)*])) => {
        $crate::__wire_type!(@encode_variant $self $encoder $number $variant ([$($name)* part] [$($rest)*]))
    };
    (@encode_variant $self:ident $encoder:ident $number:ident $variant:ident ([$($name:ident)*] [])) => {
        #[allow(irrefutable_let_patterns)] // of a single variant
        if let Self::$variant($($name),*) = $self {
            $crate::proto::rpc::payload::private::Encode::encode(&$number, $encoder)?;
            $($crate::proto::rpc::payload::private::Encode::encode($name, $encoder)?;)*
            return ::core::result::Result::Ok(());
        }
    };

    (@decode $name:ident $decoder:ident, $read:expr) => {
        impl<'a> $crate::proto::rpc::payload::private::Decode<$crate::proto::rpc::payload::Source<'a>> for $name {
            #[allow(unused_assignments)] // the number behind the last
            fn decode<D: $crate::proto::rpc::payload::private::Decoder<Context = $crate::proto::rpc::payload::Source<'a>>>(
                $decoder: &mut D,
            ) -> ::core::result::Result<Self, $crate::proto::rpc::payload::private::DecodeError> {
                $read
            }
        }
    };

    (
        @describe_struct [$(#[$($attribute:tt)*])*] $name:ident [$($field:ident)*] [$($type:ty)*] ($($fields:tt)?)
        [$($parts:tt)*]
    ) => {
        impl $crate::proto::rpc::schema::Describe for $name {
            const SIZE: $crate::proto::rpc::payload::scan::Size = $crate::proto::rpc::payload::scan::Size::sum(&[
                $(<$type as $crate::proto::rpc::schema::Describe>::SIZE),*
            ])
            .named(&[stringify!($name), $(stringify!($field)),*]);

            fn describe() -> $crate::proto::rpc::schema::Type {
                $crate::proto::rpc::schema::Type::Struct(
                    $crate::proto::rpc::payload::private::plain(stringify!($name)),
                    $crate::__wire_type!(@fields $($fields)?),
                )
            }

            fn document(documents: &mut $crate::proto::rpc::schema::Documents) {
                const PARTS: &[$crate::proto::rpc::schema::Part<'static>] = &[$($parts)*];
                const TEXT: &[::core::option::Option<&str>] = &[$($crate::__wire_type!(@doc $($attribute)*)),*];
                if documents.add(&<Self as $crate::proto::rpc::schema::Describe>::describe(), TEXT, PARTS) {
                    $(<$type as $crate::proto::rpc::schema::Describe>::document(documents);)*
                }
            }

            fn scan(
                _scan: &mut $crate::proto::rpc::payload::scan::Scan<'_>,
            ) -> ::core::result::Result<(), $crate::proto::rpc::payload::PayloadError> {
                $(_scan.value::<$type>()?;)*
                ::core::result::Result::Ok(())
            }
        }

        $crate::__wire_type! { @always $name }
    };

    // An attribute: the text of a comment, or another.
    (@doc doc = $doc:expr) => {
        ::core::option::Option::Some($doc)
    };
    (@doc $($other:tt)*) => {
        ::core::option::Option::None
    };

    // Looks at the size even where nobody uses the type, so that a type that contains itself is always refused.
    (@always $name:ident) => {
        const _: $crate::proto::rpc::payload::scan::Size = <$name as $crate::proto::rpc::schema::Describe>::SIZE;
    };

    (@fields) => {
        $crate::proto::rpc::schema::Fields::Unit
    };
    (@fields { $($field:ident : $type:ty,)* }) => {
        $crate::proto::rpc::schema::Fields::Named(::std::vec![$((
            $crate::proto::rpc::payload::private::plain(stringify!($field)),
            <$type as $crate::proto::rpc::schema::Describe>::describe(),
        ),)*])
    };
    (@fields ($($type:ty,)*)) => {
        $crate::proto::rpc::schema::Fields::Unnamed(::std::vec![
            $(<$type as $crate::proto::rpc::schema::Describe>::describe(),)*
        ])
    };
}
