//! Descriptions of the types that everybody has.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::{Describe, Documents, Plain, Type};
use crate::proto::rpc::payload::scan::{Scan, Size};
use crate::proto::rpc::payload::{Blob, PayloadError, Raw};

/// Types that are one value: what they are, their size, and how to walk over them.
macro_rules! plain {
    ($($rust:ty, $plain:ident, $size:expr, |$scan:ident| $walk:expr;)*) => {$(
        impl Describe for $rust {
            const SIZE: Size = $size;

            fn describe() -> Type {
                Plain::$plain.into()
            }

            #[inline]
            fn scan($scan: &mut Scan<'_>) -> Result<(), PayloadError> {
                $walk
            }
        }
    )*};
}

plain! {
    bool, Bool, Size::number(1), |scan| scan.skip(1);
    u8, U8, Size::number(1), |scan| scan.integer(1);
    u16, U16, Size::number(2), |scan| scan.integer(2);
    u32, U32, Size::number(4), |scan| scan.integer(4);
    u64, U64, Size::number(8), |scan| scan.integer(8);
    u128, U128, Size::number(16), |scan| scan.integer(16);
    i8, I8, Size::number(1), |scan| scan.integer(1);
    i16, I16, Size::number(2), |scan| scan.integer(2);
    i32, I32, Size::number(4), |scan| scan.integer(4);
    i64, I64, Size::number(8), |scan| scan.integer(8);
    i128, I128, Size::number(16), |scan| scan.integer(16);
    f32, F32, Size::number(4), |scan| scan.skip(4);
    f64, F64, Size::number(8), |scan| scan.skip(8);
    char, Char, Size::VARIABLE, |scan| scan.character();
    String, String, Size::VARIABLE, |scan| scan.bytes();
    Blob, Bytes, Size::VARIABLE, |scan| scan.bytes();
}

/// It is never scanned: it has no form that could be wrong. In a list it would not know where it ends, and is no part of messages at all.
impl Describe for Raw {
    const SIZE: Size = Size::VARIABLE;

    fn describe() -> Type {
        Plain::Raw.into()
    }

    fn scan(_: &mut Scan<'_>) -> Result<(), PayloadError> {
        Ok(())
    }
}

impl<T: Describe> Describe for Box<T> {
    const SIZE: Size = T::SIZE;

    fn describe() -> Type {
        T::describe()
    }

    fn document(documents: &mut Documents) {
        T::document(documents);
    }

    #[inline]
    fn scan(scan: &mut Scan<'_>) -> Result<(), PayloadError> {
        T::scan(scan)
    }
}

impl<T: Describe> Describe for Option<T> {
    const SIZE: Size = Size::choice(&[T::SIZE]);

    fn describe() -> Type {
        Type::Option(T::describe().into())
    }

    fn document(documents: &mut Documents) {
        T::document(documents);
    }

    #[inline]
    fn scan(scan: &mut Scan<'_>) -> Result<(), PayloadError> {
        if scan.is_some()? { scan.value::<T>() } else { Ok(()) }
    }
}

macro_rules! lists {
    ($($list:ident $(, $hasher:ident)?;)*) => {$(
        impl<T: Describe $(, $hasher)?> Describe for $list<T $(, $hasher)?> {
            const SIZE: Size = T::SIZE.list();

            fn describe() -> Type {
                Type::List(T::describe().into())
            }

            fn document(documents: &mut Documents) {
                T::document(documents);
            }

            #[inline]
            fn scan(scan: &mut Scan<'_>) -> Result<(), PayloadError> {
                scan.list::<T>()
            }
        }
    )*};
}

lists! {
    Vec;
    VecDeque;
    BTreeSet;
    HashSet, S;
}

macro_rules! maps {
    ($($map:ident $(, $hasher:ident)?;)*) => {$(
        impl<K: Describe, V: Describe $(, $hasher)?> Describe for $map<K, V $(, $hasher)?> {
            const SIZE: Size = <(K, V)>::SIZE.list();

            fn describe() -> Type {
                Type::Map(K::describe().into(), V::describe().into())
            }

            fn document(documents: &mut Documents) {
                K::document(documents);
                V::document(documents);
            }

            #[inline]
            fn scan(scan: &mut Scan<'_>) -> Result<(), PayloadError> {
                scan.list::<(K, V)>()
            }
        }
    )*};
}

maps! {
    BTreeMap;
    HashMap, S;
}

/// `serde` knows arrays of up to 32 elements, so longer ones can be described, but are no messages.
impl<T: Describe, const N: usize> Describe for [T; N] {
    const SIZE: Size = {
        let _ = T::SIZE.list(); // the elements have bytes
        T::SIZE.times(N)
    };

    fn describe() -> Type {
        Type::Array(T::describe().into(), N)
    }

    fn document(documents: &mut Documents) {
        T::document(documents);
    }

    fn scan(scan: &mut Scan<'_>) -> Result<(), PayloadError> {
        (0..N).try_for_each(|_| scan.value::<T>())
    }
}

impl Describe for () {
    const SIZE: Size = Size::NOTHING;

    fn describe() -> Type {
        Type::Tuple(Vec::new())
    }

    fn scan(_: &mut Scan<'_>) -> Result<(), PayloadError> {
        Ok(())
    }
}

macro_rules! tuples {
    ($(($($part:ident)*))*) => {$(
        impl<$($part: Describe),*> Describe for ($($part,)*) {
            const SIZE: Size = Size::sum(&[$($part::SIZE),*]);

            fn describe() -> Type {
                Type::Tuple(vec![$($part::describe()),*])
            }

            fn document(documents: &mut Documents) {
                $($part::document(documents);)*
            }

            #[inline]
            fn scan(scan: &mut Scan<'_>) -> Result<(), PayloadError> {
                $(scan.value::<$part>()?;)*
                Ok(())
            }
        }
    )*};
}

tuples! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
}
